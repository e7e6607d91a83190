"""Turns errors of a command into one line on stderr and an exit code."""

from __future__ import annotations

import argparse
import contextlib
import errno
import signal
import sys
from collections.abc import Callable, Iterator
from types import FrameType

from evalharness._util import console
from evalharness._util.exit_codes import ExitCode
from evalharness._util.text import one_line
from evalharness.errors import EvalHarnessError

Command = Callable[[argparse.Namespace], int]
MAX_MESSAGE = 2000
"""Characters of a message, which may quote what came from anywhere."""


class TerminatedError(KeyboardInterrupt):
    """SIGTERM has arrived; what handles Ctrl-C handles it, too."""


def guarded(command: Command, options: argparse.Namespace) -> int:
    """Run a command; an error becomes a line on stderr and an exit code."""
    console.prepare()
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        code = command(options)
        sys.stdout.flush()
        return code
    except EvalHarnessError as error:
        return _complain(str(error))
    except KeyboardInterrupt as interrupt:
        _complain("interrupted; what was done is kept, run the same command again to continue")
        return ExitCode.TERMINATED if isinstance(interrupt, TerminatedError) else ExitCode.INTERRUPTED
    except BrokenPipeError:
        return ExitCode.OUTPUT_CLOSED
    except ImportError as error:  # of a plugin, which imports what it needs when it is used
        return _complain(f"something to import is missing or broken: {error}")
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            return _complain(f"{error.filename or 'cannot write'}: no space left on the disk; free some and run again")
        if error.filename is not None:
            return _complain(f"{error.filename}: {error.strerror}")
        raise
    finally:
        console.drop_unwritten()


@contextlib.contextmanager
def exit_on_interrupt() -> Iterator[None]:
    """End the process with one line if Ctrl-C comes before the command begins, while its modules are imported."""
    try:
        yield
    except KeyboardInterrupt:
        _complain("interrupted before anything was done")
        sys.exit(ExitCode.INTERRUPTED)


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise TerminatedError


def _complain(message: str) -> int:
    console.write_error(f"evalharness: {one_line(message, MAX_MESSAGE)}")
    return ExitCode.BAD_INPUT
