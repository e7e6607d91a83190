from __future__ import annotations

import email.utils
import math
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalharness.http.failure import LONGEST_PAUSE, EndpointFailure, of_status, pause, retry_after

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "3"}, 3),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after": "Fri, 02 Jan 2026 03:04:35 GMT"}, 30),
        ({"retry-after": "Friday, 02-Jan-26 03:04:35 GMT"}, 30),
        ({"retry-after": "Fri, 02 Jan 2026 03:00:00 GMT"}, 0),
        ({"retry-after-ms": "250", "retry-after": "9"}, 0.25),
        ({"retry-after-ms": "soon", "retry-after": "9"}, 9),
        ({"retry-after": "-1"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": ""}, None),
        ({}, None),
    ],
)
def test_retry_after(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after(headers, NOW) == seconds


@given(st.integers(0, 10**6))
def test_retry_after_takes_any_date(seconds: int) -> None:
    date = email.utils.format_datetime(NOW + timedelta(seconds=seconds), usegmt=True)
    assert retry_after({"retry-after": date}, NOW) == seconds


@given(st.text())
def test_retry_after_takes_any_text(text: str) -> None:
    found = retry_after({"retry-after": text, "retry-after-ms": text})
    assert found is None or (found >= 0 and math.isfinite(found))


@given(st.integers(1, 10_000), st.just(0.0) | st.floats(0.001, 10), st.floats(0, 1))
def test_a_pause_doubles_up_to_a_minute_and_half_of_it_is_chance(tries: int, base: float, chance: float) -> None:
    whole = min(LONGEST_PAUSE, base * 2.0 ** min(tries - 1, 100))
    assert whole / 2 <= pause(tries, None, base, chance) <= whole
    assert pause(tries, 17.0, base, chance) == pytest.approx(17 + 1.7 * chance)


def judged(
    status: int, message: str = "no", headers: dict[str, str] | None = None, code: Any = None
) -> EndpointFailure:
    body: Any = {"message": message}
    error = SimpleNamespace(
        status_code=status, body=body, message=message, code=code, response=SimpleNamespace(headers=headers or {})
    )
    return of_status(error, str, lambda status: "; hint")  # type: ignore[arg-type]


@pytest.mark.parametrize("status", [408, 409, 425, 429, 500, 502, 503, 504, 529])
def test_what_passes_is_tried_again(status: int) -> None:
    assert judged(status).verdict == "again"
    assert judged(status, headers={"retry-after": "4"}).wait == 4
    assert not judged(status).open


@pytest.mark.parametrize("status", [401, 402, 403, 404])
def test_what_no_other_question_would_change_stops_all(status: int) -> None:
    assert judged(status).verdict == "stop"
    assert judged(status).reason.endswith("; hint")


@pytest.mark.parametrize("status", [400, 413, 415, 422])
def test_what_lies_with_the_question_leaves_it(status: int) -> None:
    assert judged(status) == EndpointFailure("leave", f"the endpoint answers {status}: no", status)


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("rejected by our safety system", None),
        ("x", "content_policy_violation"),
        ("The response was filtered due to the prompt triggering Azure OpenAI's content management policy.", None),
        ("your input was flagged", None),
    ],
)
def test_content_that_is_not_wanted_is_no_sign_of_a_broken_endpoint(message: str, code: str | None) -> None:
    for status in (400, 403):
        found = judged(status, message, code=code)
        assert (found.verdict, found.about_content) == ("leave", True)


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("Unknown parameter: 'safety_identifier'.", "unknown_parameter"),
        ("Unsupported parameter: 'safety_settings' is not supported with this model.", "unsupported_parameter"),
        ("Unrecognized request argument supplied: safety", None),
        ("extra inputs are not permitted: moderation", 400),
        ("Invalid value: 'x'. Supported values of moderation are 'low' and 'auto'.", "invalid_value"),
        ("1 validation error: body.safety_level", None),
    ],
)
def test_a_parameter_is_not_refused_for_its_content(message: str, code: Any) -> None:
    failure = judged(400, message, code=code)
    assert (failure.verdict, failure.about_content) == ("leave", False)


def test_an_empty_account_and_a_wait_of_hours_stop_all() -> None:
    assert judged(429, code="insufficient_quota").verdict == "stop"
    late = judged(429, headers={"retry-after": "7200"})
    assert late.verdict == "stop"
    assert "wait for 7200 s" in late.reason


@pytest.mark.parametrize("body", [None, "plain", ["list"], {"error": "text"}, {"error": {"message": 3}}, {"d": 1}])
def test_any_body_gives_a_reason(body: Any) -> None:
    response = SimpleNamespace(headers={})
    error = SimpleNamespace(status_code=400, body=body, message="Error code: 400", code=None, response=response)
    assert of_status(error, str, lambda status: "").reason.startswith("the endpoint answers 400: ")  # type: ignore[arg-type]
