"""The exit codes of every command; docs/reliability.md documents them."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """What a command that has ended says to the shell."""

    COMPLETE = 0
    CHECK_FAILED = 1
    """A check or a limit that the user set was not met."""
    BAD_INPUT = 2
    INCOMPLETE = 3
    """The output is written, and something that belongs into it is missing."""
    INTERRUPTED = 130
    OUTPUT_CLOSED = 141
    TERMINATED = 143
