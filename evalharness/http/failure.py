"""What it means when an endpoint gives no reply: try again, leave this question, or stop."""

from __future__ import annotations

import email.utils
import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import openai

TRANSIENT = frozenset({408, 409, 425, 429})
"""Statuses that pass, besides 5xx: timeout, conflict, too early, too many."""
LONGEST_WAIT = 600.0
"""Seconds. An endpoint that asks for more has nothing for this run."""
LONGEST_PAUSE = 60.0
"""Seconds, of the pauses that are our own choice."""
CONTENT = re.compile(r"content.?(polic|filter|management)|moderation|flagged|safety", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class EndpointFailure:
    """Why there is no reply.

    ``verdict``: ``again`` after ``wait`` seconds if the endpoint named a time; ``leave`` the question; ``stop`` asking.
    ``status`` is that of the response, 0 if there was none. ``open``: the call may have been paid for.
    ``about_content``: the endpoint does not want this question, which says nothing about others.
    """

    verdict: Literal["again", "leave", "stop"]
    reason: str
    status: int = 0
    wait: float | None = None
    open: bool = False
    about_content: bool = False


def of_status(error: openai.APIStatusError, clean: Callable[[str], str], hint: Callable[[int], str]) -> EndpointFailure:
    """What an error status means.

    ``clean`` takes the key out of a text and makes it one line; ``hint`` says what to do about a status that ends all.
    """
    status, said = error.status_code, _said(error.body) or error.message
    text = f"the endpoint answers {status}: {clean(said)}"
    about_content = bool(CONTENT.search(f"{error.code} {said}"))
    if status == 401:
        return EndpointFailure("stop", f"the endpoint does not accept the key (401){hint(status)}", status)
    if status in (400, 403, 422) and about_content:
        return EndpointFailure("leave", text, status, about_content=True)
    if status in (402, 403, 404) or error.code == "insufficient_quota":
        return EndpointFailure("stop", text + hint(status), status)
    if status not in TRANSIENT and status < 500:
        return EndpointFailure("leave", text, status)
    wait = retry_after(error.response.headers)
    if wait is not None and wait > LONGEST_WAIT:
        return EndpointFailure("stop", f"{text}; it asks to wait for {wait:.0f} s, run again then", status)
    return EndpointFailure("again", text, status, wait)


def _said(body: Any) -> str:
    """The text of an error's body."""
    inner = body.get("error", body) if isinstance(body, Mapping) else body
    said = inner.get("message", inner) if isinstance(inner, Mapping) else inner
    return said if isinstance(said, str) else "" if said is None else json.dumps(said, default=str)


def retry_after(headers: Mapping[str, str], now: datetime | None = None) -> float | None:
    """Seconds to wait by ``Retry-After``, a number or a date (RFC 9110, 10.2.3), or by ``retry-after-ms``."""
    milliseconds = _number(headers.get("retry-after-ms", ""))
    if milliseconds is not None:
        return milliseconds / 1000
    text = headers.get("retry-after", "")
    seconds = _number(text)
    if seconds is not None:
        return seconds
    try:
        date = email.utils.parsedate_to_datetime(text)
    except (ValueError, TypeError, OverflowError):
        return None
    aware = date if date.tzinfo else date.replace(tzinfo=UTC)
    return max(0.0, (aware - (now or datetime.now(UTC))).total_seconds())


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) and number >= 0 else None


def pause(tries: int, wait: float | None, base: float, chance: float) -> float:
    """Seconds to wait after so many tries; ``chance`` in 0..1 spreads calls that failed together.

    What the endpoint asked for, and up to a tenth more; else ``base``, doubled each time, half of it left to chance.
    """
    if wait is not None:
        return wait * (1 + 0.1 * chance)
    return float(min(LONGEST_PAUSE, base * 2.0 ** min(tries - 1, 60))) * (1 + chance) / 2
