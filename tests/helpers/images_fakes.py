"""The model ``images-api`` beside the fakes of core_fakes.

Run as a script it is ``python -m evalharness.sweep`` with these plugins, for tests that kill the process.
"""

from __future__ import annotations

import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path[:0] = [str(Path(__file__).parent)]

import core_fakes

import evalharness.report
from evalharness.api import registry
from evalharness.models.images_api import ImagesAPI

core_fakes.PLUGINS["models", "images-api"] = ImagesAPI

if __name__ == "__main__":
    registry.load = core_fakes.load
    evalharness.report.build = core_fakes.build
    from evalharness.cli.sweep import main

    sys.exit(main())
