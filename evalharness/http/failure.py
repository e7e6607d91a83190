"""What to do if an endpoint gives no reply: try again, skip this question, or stop."""

from __future__ import annotations

import email.utils
import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

if TYPE_CHECKING:
    import openai

TRANSIENT = frozenset({408, 409, 425, 429})
"""Statuses worth a retry, besides 5xx: timeout, conflict, too early, too many requests."""
LONGEST_WAIT = 600.0
"""Seconds. If the endpoint asks for a longer wait, the run stops."""
LONGEST_PAUSE = 60.0
"""Seconds between two tries at most, if the endpoint asks for no wait."""
CONTENT = re.compile(r"\bcontent[ _-]?(polic|filter|management)|\bmoderation\b|\bflagged\b|\bsafety\b", re.IGNORECASE)
CONTENT_CODE = re.compile(r"content[ _-]?(polic|filter|management)|moderation|safety", re.IGNORECASE)
ABOUT_REQUEST = re.compile(
    r"\b(parameters?|arguments?|fields?|extra inputs|unrecognized|unsupported|unknown|unexpected|not permitted|"
    r"invalid value|must be)\b",
    re.IGNORECASE,
)
"""What messages say that are about the form of a request, whatever else they name."""


@dataclass(frozen=True, slots=True)
class EndpointFailure:
    """Why there is no reply.

    Attributes:
        verdict: ``again`` to retry, ``leave`` to skip the question, ``stop`` to ask nothing more.
        reason: One line.
        status: HTTP status of the response; 0 if there was none.
        wait: Seconds that the endpoint asks to wait before a retry, if it does.
        open: Whether the call may have been billed.
        about_content: Whether the endpoint refuses the content of this question, which says nothing about others.
        cost: Dollars that the call cost, ``None`` if that is not known; a call with a cost was billed.
        body: The body of the response, if one came.
    """

    verdict: Literal["again", "leave", "stop"]
    reason: str
    status: int = 0
    wait: float | None = None
    open: bool = False
    about_content: bool = False
    cost: float | None = None
    body: str = field(default="", repr=False, compare=False)

    @property
    def billed(self) -> bool:
        """Whether the call was or may have been billed."""
        return self.open or self.cost is not None


def refuses_content(message: str, code: object = None) -> bool:
    """Whether a message of an endpoint refuses the content of a request, and not its form.

    >>> refuses_content("rejected by our safety system"), refuses_content("Unknown parameter: 'safety_identifier'")
    (True, False)
    """
    if CONTENT_CODE.search(str(code)):
        return True
    return bool(CONTENT.search(message)) and not ABOUT_REQUEST.search(f"{code} {message}".replace("_", " "))


def of_status(error: openai.APIStatusError, clean: Callable[[str], str], hint: Callable[[int], str]) -> EndpointFailure:
    """Classify a response with an error status.

    Args:
        error: The response.
        clean: Removes the key from a text and joins it to one line.
        hint: Gives advice about a status that ends the run.
    """
    status, message = error.status_code, _error_text(error.body) or error.message
    text = f"the endpoint answers {status}: {clean(message)}"
    about_content = refuses_content(message, error.code)
    if 300 <= status < 400:
        return EndpointFailure("stop", f"the endpoint answers {status} and leads{_destination(error, clean)}", status)
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


def _destination(error: openai.APIStatusError, clean: Callable[[str], str]) -> str:
    """Where a redirect leads, without the path. It is not followed: prompts and pictures are for the endpoint alone."""
    try:
        parts = urlsplit(error.response.headers.get("location", ""))
        address = f"{parts.scheme}://{parts.hostname}" if parts.scheme and parts.hostname else "elsewhere on its host"
    except ValueError:
        address = "nowhere"
    return f" to {clean(address)}, which is not followed; set base_url to the address that answers"


def _error_text(body: Any) -> str:
    """The message in the body of an error."""
    inner = body.get("error", body) if isinstance(body, Mapping) else body
    message = inner.get("message", inner) if isinstance(inner, Mapping) else inner
    if message is None:
        return ""
    return message if isinstance(message, str) else json.dumps(message, default=str)


def retry_after(headers: Mapping[str, str], now: datetime | None = None) -> float | None:
    """Seconds to wait by the header ``Retry-After``, a number or a date (RFC 9110, 10.2.3), or ``retry-after-ms``."""
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
    """Seconds to wait before the next try.

    If the endpoint asked for a wait of ``base`` or longer, that and up to a tenth more. A shorter one, such as
    ``Retry-After: 0`` or a date in the past, would leave no pause at all. Otherwise exponential backoff with jitter:
    ``base`` doubled with each try, of which up to half is left out at random.

    Args:
        tries: Number of tries so far.
        wait: Seconds that the endpoint asked for, if it did.
        base: Seconds to wait after the first try.
        chance: Random number in 0..1, which spreads calls that failed at the same time.
    """
    if wait is not None and wait >= base:
        return wait * (1 + 0.1 * chance)
    return float(min(LONGEST_PAUSE, base * 2.0 ** min(tries - 1, 60))) * (1 + chance) / 2
