"""Turns errors of a command into one line on stderr and an exit code."""

from __future__ import annotations

import argparse
import errno
import os
import signal
import sys
from collections.abc import Callable
from types import FrameType

from evalharness._util.exit_codes import ExitCode
from evalharness.errors import EvalHarnessError

Command = Callable[[argparse.Namespace], int]


class TerminatedError(KeyboardInterrupt):
    """SIGTERM has arrived; what handles Ctrl-C handles it, too."""


def guarded(command: Command, options: argparse.Namespace) -> int:
    """Run a command; an error becomes a line on stderr and an exit code."""
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
        # The reader of the output has closed it. Python would report an error when it flushes stdout at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.OUTPUT_CLOSED
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            return _complain(f"{error.filename or 'cannot write'}: no space left on the disk; free some and run again")
        if error.filename is not None:
            return _complain(f"{error.filename}: {error.strerror}")
        raise


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise TerminatedError


def _complain(message: str) -> int:
    sys.stderr.write("evalharness: " + " ".join(message.split()) + "\n")
    return ExitCode.BAD_INPUT
