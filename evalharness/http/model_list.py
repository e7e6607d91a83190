"""Reads an endpoint's list of models."""

from __future__ import annotations

from pydantic import BaseModel, ValidationError

NO_LIST = (400, 404, 405, 501)
"""Statuses by which endpoints report that they have no list of models."""


class _Model(BaseModel):
    id: str


class _Models(BaseModel):
    data: list[_Model]


def read_models(text: str) -> list[str] | None:
    """The names in a list of models; ``None`` if the text is no such list."""
    try:
        return [model.id for model in _Models.model_validate_json(text).data]
    except ValidationError:
        return None
