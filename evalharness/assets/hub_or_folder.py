"""One setting for weights in a folder or on the hub, as judges have it; ``weights`` and ``hub`` of models are two."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

from evalharness.errors import WeightsError

_HUB_NAME = re.compile(r"\w[\w.-]*/[\w.-]+")


class HubOrFolder(str):
    """A folder, or ``owner/name`` on the hub.

    A sweep file is read with the folders beside it, whose paths are absolute from then on: a name of a hub is what is
    left, wherever the process runs.

    >>> HubOrFolder("Qwen/Qwen3-VL-8B-Instruct").is_hub_name, HubOrFolder("/weights/judge").is_hub_name
    (True, False)
    """

    __slots__ = ()

    @property
    def is_hub_name(self) -> bool:
        return _HUB_NAME.fullmatch(self) is not None

    @property
    def folder(self) -> Path | None:
        """The folder; ``None`` if the weights are on the hub.

        Raises:
            WeightsError: There is no such folder.
        """
        if self.is_hub_name:
            return None
        if not (path := Path(self)).is_dir():
            raise WeightsError(f"no weights folder {self}; give a folder, or a name on the hub (owner/name)")
        return path

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(cls, core_schema.str_schema(min_length=1))
