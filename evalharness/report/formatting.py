"""Numbers and names as text for people."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

MISSING = "–"
NAME_KEYS = ("name", "detector", "judge", "rubric", "model")
"""Keys of a scorer's identity that hold a name, or an identity with a name."""


def number_text(value: float) -> str:
    """A number with one decimal and a true minus sign; zero is never negative."""
    return f"{round(value, 1) + 0.0:.1f}".replace("-", "−")


def distance_text(value: float, *, signed: bool = False) -> str:
    """A distance of images, or a difference of distances, with four decimals.

    >>> distance_text(0.12345), distance_text(-0.00001), distance_text(0.0211, signed=True)
    ('0.1235', '0.0000', '+0.0211')
    """
    text = f"{round(value, 4) + 0.0:.4f}".replace("-", "−")
    return f"+{text}" if signed and round(value, 4) > 0 else text


def mean_text(value: float, decimals: int = 1) -> str:
    """A mean cost, or a dash."""
    return MISSING if math.isnan(value) else f"{value:.{decimals}f}"


def p_text(value: float) -> str:
    """A p-value with three decimals, or four if it is below 0.001.

    >>> p_text(0.00012), p_text(0.0312), p_text(0.00002)
    ('0.0001', '0.031', '< 0.0001')
    """
    if math.isnan(value):
        return MISSING
    if value < 0.0001:
        return "< 0.0001"
    return f"{value:.3f}" if value >= 0.001 else f"{value:.4f}"


def p_statement(value: float) -> str:
    """A p-value in a sentence.

    >>> p_statement(0.0312), p_statement(0.00002)
    ('= 0.031', '< 0.0001')
    """
    text = p_text(value)
    return text if text.startswith("<") else f"= {text}"


def correction_text(family: int, *, preregistered: bool, declared: bool = True) -> str:
    """How a p-value was corrected for ``family`` tests.

    >>> correction_text(12, preregistered=True), correction_text(38, preregistered=False, declared=False)
    ('declared; Holm over 12', 'Benjamini–Hochberg over 38')
    """
    if preregistered:
        return f"declared; Holm over {family}"
    late = "declared after the run; " if declared else ""
    return f"{late}Benjamini–Hochberg over {family}"


def score_text(value: float, low: float = math.nan, high: float = math.nan) -> str:
    """A score in per cent with its interval.

    >>> score_text(0.996, 0.981, 0.9993)
    '99.6 [98.1, 99.9]'
    """
    return percent_text(value, low, high)


def kappa_text(value: float, low: float = math.nan, high: float = math.nan) -> str:
    """Cohen's kappa, which is no share, with its interval.

    >>> kappa_text(0.83, -0.02, 0.87)
    '0.83 [−0.02, 0.87]'
    """
    if math.isnan(value):
        return MISSING
    ends = "" if math.isnan(low) else f"[{_two_decimals(low)}, {_two_decimals(high)}]"
    return f"{_two_decimals(value)} {ends}".rstrip()


def possible_text(low: float, high: float) -> str:
    """The range of an incomplete score in per cent.

    >>> possible_text(0.25, 0.8)
    '25.0 to 80.0'
    """
    return f"{number_text(100 * low)} to {number_text(100 * high)}"


def open_sign_text(possible: tuple[float, float]) -> str:
    """The end of a sentence on a difference that missing samples could turn.

    >>> open_sign_text((-0.02, 0.9))
    '; with what is missing it lies between −2.0 and 90.0, so its sign is open'
    """
    low, high = (number_text(100 * end) for end in possible)
    return f"; with what is missing it lies between {low} and {high}, so its sign is open"


def points_text(value: float, low: float = math.nan, high: float = math.nan) -> str:
    """A difference of scores in points (hundredths).

    >>> points_text(0.041, -0.002, 0.059)
    '+4.1 [−0.2, 5.9]'
    """
    sign = "+" if round(100 * value, 1) > 0 else ""
    return MISSING if math.isnan(value) else sign + percent_text(value, low, high)


def percent_text(value: float, low: float = math.nan, high: float = math.nan) -> str:
    """A share in per cent, without the sign.

    >>> percent_text(0.4, 0.31, 0.5)
    '40.0 [31.0, 50.0]'
    """
    if math.isnan(value):
        return MISSING
    return f"{number_text(100 * value)} {points_interval(low, high)}".rstrip()


def points_interval(low: float, high: float) -> str:
    """Both ends in points, in brackets; empty if there is no interval."""
    return "" if math.isnan(low) else f"[{number_text(100 * low)}, {number_text(100 * high)}]"


def duration(seconds: Any) -> str:
    """A time in seconds, minutes or hours.

    >>> duration(31.4), duration(4321), duration(200000)
    ('31 s', '72 min', '55.6 h')
    """
    if not isinstance(seconds, int | float):
        return ""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 2 * 3600 else f"{seconds / 3600:.1f} h"


def slug(name: str) -> str:
    """A file name for a benchmark's name, different for different names.

    >>> slug("geneval-long"), slug("geneval (long)")
    ('geneval-long', 'geneval-long-526e4491')
    """
    plain = "-".join("".join(c if c.isalnum() or c == "_" else " " for c in name).split())
    if plain and plain == name:
        return plain
    return "-".join(filter(None, [plain, hashlib.sha256(name.encode()).hexdigest()[:8]]))


def short_digest(digest: Any) -> str:
    """The first eight digits of a digest."""
    return str(digest or "").removeprefix("sha256:")[:8]


def short_hash(text: str) -> str:
    """A text; of a digest or a commit the first eight digits, with the sign of uncommitted changes.

    >>> short_hash("0123456789" * 4 + "+"), short_hash("12.4")
    ('01234567+', '12.4')
    """
    if re.fullmatch(r"[0-9a-f]{40}([0-9a-f]{24})?\+?", text):
        return text[:8] + ("+" if text.endswith("+") else "")
    return text


def short_scorer(identity: Any) -> str:
    """The names in a scorer's identity, and the first digits of a digest of all of it."""
    text = identity if isinstance(identity, str) else json.dumps(identity, sort_keys=True, default=str)
    names = [identity] if isinstance(identity, str) else list(_names(identity))
    return " ".join([*dict.fromkeys(names), hashlib.sha256(text.encode()).hexdigest()[:8]])


def _names(identity: Any) -> Iterator[str]:
    if not isinstance(identity, Mapping):
        return
    for value in map(identity.get, NAME_KEYS):
        if isinstance(value, str):
            yield value
        else:
            yield from _names(value)


def _two_decimals(value: float) -> str:
    return f"{value:.2f}".replace("-", "−")
