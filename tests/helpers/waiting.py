"""Waiting for something to be true, however busy the machine is."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

import pytest

T = TypeVar("T")


def until(what: str, true: Callable[[], T], seconds: float = 120) -> T:
    """Wait until ``true()`` is true, and return its value; fail after ``seconds``."""
    end = time.monotonic() + seconds
    while not (result := true()):
        if time.monotonic() > end:
            pytest.fail(f"waited {seconds:g} s until {what}")
        time.sleep(0.05)
    return result
