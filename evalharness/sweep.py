"""``python -m evalharness.sweep FILE``: draw, score, and write the report of a sweep."""

from __future__ import annotations

import sys

from evalharness._util.guard import exit_on_interrupt

if __name__ == "__main__":
    with exit_on_interrupt():
        from evalharness.cli.sweep import main
    sys.exit(main())
