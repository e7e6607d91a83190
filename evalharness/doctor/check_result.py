"""The result of a check, and running checks such that one that fails does not hide the others."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from evalharness.errors import EvalHarnessError

Status = Literal["ok", "warn", "fail"]


@dataclass(frozen=True, slots=True)
class CheckResult:
    """A line of the doctor's output; ``advice`` says what to do if ``status`` is not ``ok``."""

    check: str
    status: Status
    message: str
    advice: str = ""

    def line(self) -> str:
        text = f"{self.message}; {self.advice}" if self.advice else self.message
        return f"{self.status:<4}  {self.check}: {' '.join(text.split())}"


Check = Callable[[], Iterable[CheckResult]]


def ok(check: str, message: str) -> CheckResult:
    return CheckResult(check, "ok", message)


def warn(check: str, message: str, advice: str) -> CheckResult:
    return CheckResult(check, "warn", message, advice)


def fail(check: str, message: str, advice: str = "") -> CheckResult:
    """``advice`` may be left out if the message says what to do."""
    return CheckResult(check, "fail", message, advice)


def run_checks(checks: Iterable[tuple[str, Check]]) -> Iterator[CheckResult]:
    """Run named checks in order and yield their results as they come; a check that raises has failed."""
    for name, check in checks:
        try:
            yield from check()
        except EvalHarnessError as error:
            yield fail(name, str(error))
        except Exception as error:  # noqa: BLE001 - a broken installation may raise anything, and the next check must run
            yield fail(name, f"{type(error).__name__}: {error}", "what this check uses does not work here")
