"""Rubrics for the judge: this project's own, or the messages that the published script builds."""

from __future__ import annotations

import hashlib
import types
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from evalharness._util.hashing import canonical, digest
from evalharness._util.regular_files import read_regular
from evalharness.api.registry import install_hint
from evalharness.errors import ConfigError
from evalharness.types.item import Item

Messages = Sequence[Mapping[str, Any]]
FUNCTION = "build_evaluation_messages"
"""Function of the published scripts: it takes an item's entry and the image in base64, and returns the messages."""
PUBLISHED = "official rubric"
"""The name of the published rubric if it is unchanged."""
KEYS = ("Prompt", "Explanation", "Category", "Subcategory")
FAULTS = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    NameError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
)
"""What a script may raise if it is not the expected one, or does not expect its arguments."""
PLACEHOLDER_ITEM = Item("0", "", "", {key: f"{{{key}}}" for key in KEYS} | {"prompt_id": 0})
"""An item of placeholders, whose messages contain what the messages of all items have in common."""


class OfficialRubricPath(BaseModel):
    """``{official: PATH}``: a checkout of the published repository, or the script itself. Its code is run.

    Attributes:
        sha256: The digest of the script; any other is not run.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    official: Path
    sha256: str | None = Field(default=None, pattern=r"^[0-9a-f]{64}$")


@dataclass(frozen=True)
class OwnRubric:
    """A system message, then a text with the placeholders ``{prompt}`` and ``{explanation}``, then the image."""

    system: str
    text: str
    name: str = "own rubric"

    def messages(self, item: Item, image: str) -> Messages:
        fields = {"prompt": item.metadata["Prompt"], "explanation": item.metadata["Explanation"]}
        content = [
            {"type": "text", "text": self.text.format(**fields)},
            {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{image}"}},
        ]
        return [{"role": "system", "content": self.system}, {"role": "user", "content": content}]

    def digest(self) -> str:
        return digest(self.messages(PLACEHOLDER_ITEM, ""))


@dataclass(frozen=True)
class OfficialRubric:
    """The rubric of a published script, which is imported when messages are first needed.

    Attributes:
        path: The script, or a checkout that contains it.
        scripts: Paths that the script may have in the checkout.
        published: Digest of the unchanged rubric.
        sha256: Digest that the script must have.
    """

    path: Path
    scripts: tuple[str, ...]
    published: str = field(repr=False)
    sha256: str | None = None

    @property
    def name(self) -> str:
        return PUBLISHED if self.digest() == self.published else f"changed {PUBLISHED}"

    def messages(self, item: Item, image: str) -> Messages:
        return self._checked(self._build, dict(item.metadata), image)

    def digest(self) -> str:
        return self._digest

    @cached_property
    def _digest(self) -> str:
        return digest(self.messages(PLACEHOLDER_ITEM, "AAAA"))

    @cached_property
    def script(self) -> Path:
        """The script in the checkout.

        Raises:
            ConfigError: There is none.
        """
        if self.path.is_file():
            return self.path
        scripts = [self.path / name for name in self.scripts if (self.path / name).is_file()]
        if not scripts:
            raise ConfigError(f"rubric: {self.path} has no {self.scripts[0]}; name a checkout of PKU-YuanGroup/WISE")
        return scripts[0]

    @cached_property
    def _build(self) -> Callable[[dict[str, Any], str], Any]:
        """Execute the script as a module. Unlike an import, this writes nothing to its folder."""
        script = self.script
        module = types.ModuleType("wise_rubric")
        module.__file__ = str(script)
        try:
            code = read_regular(script)
            if self.sha256 is not None and (found := hashlib.sha256(code).hexdigest()) != self.sha256:
                raise ConfigError(f"rubric: {script} is not run: its SHA-256 is {found}, not {self.sha256}")
            exec(compile(code, str(script), "exec"), module.__dict__)
        except ImportError as error:
            raise ConfigError(f"rubric: {script} cannot be imported: {error}{install_hint(error)}") from error
        except (*FAULTS, SyntaxError, SystemExit) as error:
            raise ConfigError(f"rubric: {script} cannot be run: {type(error).__name__}: {error}") from error
        function = getattr(module, FUNCTION, None)
        if not callable(function):
            raise ConfigError(f"rubric: {script} has no function {FUNCTION}(item, image)")
        build: Callable[[dict[str, Any], str], Any] = function
        return build

    def _checked(self, build: Callable[[dict[str, Any], str], Any], item: dict[str, Any], image: str) -> Messages:
        source = f"rubric: {FUNCTION} of {self.script}"
        try:
            messages = build(item, image)
        except FAULTS as error:
            raise ConfigError(f"{source} fails: {type(error).__name__}: {error}") from error
        if not isinstance(messages, list) or not all(isinstance(message, dict) for message in messages):
            raise ConfigError(f"{source} returns no list of messages")
        try:
            text = canonical(messages)
        except (TypeError, ValueError) as error:
            raise ConfigError(f"{source} returns what is not JSON: {error}") from error
        if f"base64,{image}" not in text:
            raise ConfigError(f"{source} leaves out the image")
        return messages
