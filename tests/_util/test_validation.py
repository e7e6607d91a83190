from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from evalharness._util.validation import error_line, first_mistake


class Inner(BaseModel):
    model_config = ConfigDict(extra="forbid")

    size: int = Field(default=1, ge=1)


class Outer(BaseModel):
    model_config = ConfigDict(extra="forbid")

    seed: int
    inner: list[Inner] = []

    @field_validator("seed")
    @classmethod
    def _even(cls, seed: int) -> int:
        if seed % 2:
            raise ValueError("Odd seeds are not allowed")
        return seed


def error(data: Any) -> ValidationError:
    with pytest.raises(ValidationError) as caught:
        Outer.model_validate(data)
    return caught.value


@pytest.mark.parametrize(
    ("data", "line"),
    [
        ({}, "key 'seed' is missing"),
        ({"sed": 2}, "unknown key 'sed'; did you mean 'seed'?"),
        ({"seed": 1}, "seed: odd seeds are not allowed"),
        ({"seed": "x"}, "seed: input should be a valid integer, unable to parse string as an integer"),
        ({"seed": 2, "inner": [{"size": 0}]}, "inner.0.size: input should be greater than or equal to 1"),
        ({"seed": 2, "inner": [{"sice": 0}]}, "inner.0: unknown key 'sice'; did you mean 'size'?"),
        (3, "input should be a valid dictionary or instance of Outer"),
    ],
)
def test_a_mistake_is_one_line_with_its_place(data: Any, line: str) -> None:
    assert error_line(error(data), Outer) == line


def test_a_mistake_tells_its_value_and_how_many_there_are() -> None:
    mistake = first_mistake(error({"seed": "x", "inner": 3}))
    assert (mistake.location, mistake.value, mistake.count) == (("seed",), "x", 2)


def test_keys_known_besides_are_suggested() -> None:
    assert first_mistake(error({"seed": 2, "limt": 3}), Outer, ["limit"]).message.endswith("did you mean 'limit'?")
