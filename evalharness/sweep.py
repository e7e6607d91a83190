"""``python -m evalharness.sweep FILE``: draw, score, and write the report of a sweep."""

from __future__ import annotations

import sys

from evalharness.cli.sweep import main

if __name__ == "__main__":
    sys.exit(main())
