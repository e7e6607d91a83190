"""What a check finds, and how checks are run so that one that fails does not hide the others."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from evalharness.errors import EvalHarnessError

Status = Literal["ok", "warn", "fail"]


@dataclass(frozen=True, slots=True)
class Finding:
    """A line. ``advice`` says what to do if ``status`` is not ``ok``."""

    check: str
    status: Status
    message: str
    advice: str = ""

    def line(self) -> str:
        text = f"{self.message}; {self.advice}" if self.advice else self.message
        return f"{self.status:<4}  {self.check}: {' '.join(text.split())}"


Check = Callable[[], Iterable[Finding]]


def ok(check: str, message: str) -> Finding:
    return Finding(check, "ok", message)


def warn(check: str, message: str, advice: str) -> Finding:
    return Finding(check, "warn", message, advice)


def fail(check: str, message: str, advice: str = "") -> Finding:
    """``advice`` may be left out where the message of an error says what to do."""
    return Finding(check, "fail", message, advice)


def examine(checks: Iterable[tuple[str, Check]]) -> Iterator[Finding]:
    """What the checks find, as they find it; one that raises has failed."""
    for name, check in checks:
        try:
            yield from check()
        except EvalHarnessError as error:
            yield fail(name, str(error))
        except Exception as error:  # noqa: BLE001 - a broken installation may raise anything, and the next check must run
            yield fail(name, f"{type(error).__name__}: {error}", "what this check uses does not work here")
