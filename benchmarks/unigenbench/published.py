"""The published files: prompts in four sets, and the instructions for the judge.

The instructions stand in a Python file. Its constants are read from its syntax; nothing of it is executed.
"""

from __future__ import annotations

import ast
import csv
import io
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from evalharness._util.hashing import digest
from evalharness._util.regular_files import require_text
from evalharness.assets.asset import Asset
from evalharness.errors import ConfigError
from evalharness.types.item import Item

COMMIT = "49d0bcebb0b9418d975d3957c2fee10f34811d14"
"""A commit of CodeGoat24/UniGenBench."""
Language = Literal["en", "zh"]
MISSING_COMMA = re.compile(r'"[ ]+"')
"""Where a comma is missing between two test points: in prompt 509 of ``en_long``, which the published program cannot
read."""


def _asset(path: str, sha256: str, size: int) -> Asset:
    url = f"https://raw.githubusercontent.com/CodeGoat24/UniGenBench/{COMMIT}/{path}"
    return Asset("unigenbench", path.rpartition("/")[2], url, sha256, size)


PROMPTS: dict[str, Asset] = {
    "en": _asset(
        "data/test_prompts_en.csv", "f82e8ce854985ef963378eaaf8ce12f2e3a57dd6f53e1aea84a61fbeadfe4459", 358_387
    ),
    "en_long": _asset(
        "data/test_prompts_en_long.csv", "5d2c3d642cc4923504b662ad15b425c2d161a137884701881e00c2691a697253", 762_228
    ),
    "zh": _asset(
        "data/test_prompts_zh.csv", "7ff2d2131e68e6182f43a28ecf03d070f7735788f3c5420db3f83141492e8cb3", 306_315
    ),
    "zh_long": _asset(
        "data/test_prompts_zh_long.csv", "6e281a5781878584db932a3bfd16dc51afb195566eb7a30c17fb9c09fd3b1776", 641_006
    ),
}
SCRIPT = _asset("eval/src/eval_common.py", "c26c91cc65be7ed4234f07a310eed8812888c83b8b83b1934b77b1f48c463eb9", 28_054)


@dataclass(frozen=True)
class Instructions:
    """What the judge is told in one language.

    Attributes:
        template: A text with the fields ``prompt``, ``testpoint``, ``explanation`` and ``test_explanation``.
        explanations: What each test point means.
        headers: The words before the explanations, and before the descriptions.
        columns: The columns of the prompts and of their test points.
        keys: In the JSON of the latter: theme, test points, descriptions.
    """

    template: str
    explanations: Mapping[str, str]
    headers: tuple[str, str]
    columns: tuple[str, str]
    keys: tuple[str, str, str]

    def text(self, prompt: str, points: list[str], descriptions: list[str]) -> str:
        """The instructions for an image, as the published program builds them."""
        explained = "".join(f"\n{point}: {self.explanations[point]}" for point in points)
        described = "".join(f"\n{point}: {text}" for point, text in zip(points, descriptions, strict=True))
        return self.template.format(
            prompt=prompt,
            testpoint=points,
            explanation=f"{self.headers[0]}:\u300c{explained}\n\u300d",
            test_explanation=f"{self.headers[1]}:\u300c{described}\n\u300d",
        )

    def digest(self) -> str:
        """Of all that is the same for every image."""
        return digest([self.template, dict(self.explanations), list(self.headers)])


def read_instructions(path: Path, language: Language) -> Instructions:
    """Read the instructions of a language from the published script.

    Raises:
        ConfigError: The file is another one.
    """
    constants = _constants(path)
    suffix = language.upper()
    try:
        names = constants["LANG_CONFIGS"][language]
        template = str(constants[f"SYSTEM_PROMPT_{suffix}_TEMPLATE"])
        explanations = {str(point): str(text) for point, text in constants[f"EXPLANATION_DICT_{suffix}"].items()}
        read = Instructions(
            template,
            explanations,
            (str(names["checkpoint_header"]), str(names["checkpoint_desc_header"])),
            (str(names["prompt_column"]), str(names["subdim_column"])),
            (
                {"en": "Primary Categories", "zh": "一级垂类"}[language],
                str(names["testpoint_key"]),
                str(names["desc_key"]),
            ),
        )
        read.text("", [], [])
    except (KeyError, TypeError, AttributeError, ValueError, IndexError) as error:
        raise ConfigError(f"{path} has no instructions for a judge as UniGenBench publishes them: {error!r}") from None
    return read


def read_prompts(path: Path, instructions: Instructions) -> list[Item]:
    """Read the prompts; metadata are the test points with their descriptions.

    Raises:
        ConfigError: The file or a row is malformed; the message names the row.
    """
    rows = list(csv.DictReader(io.StringIO(require_text(path), newline="")))
    if not rows:
        raise ConfigError(f"{path} has no prompts")
    return [_item(row, instructions, f"{path} row {number}") for number, row in enumerate(rows, 1)]


def _item(row: Mapping[str, Any], instructions: Instructions, place: str) -> Item:
    try:
        number, prompt = int(row["index"]), row[instructions.columns[0]]
        described = _object(row[instructions.columns[1]])
        theme, points, descriptions = (described[key] for key in instructions.keys)
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise ConfigError(f"{place} is no prompt of UniGenBench: {error!r}") from None
    texts = [prompt, theme, *points, *descriptions]
    if not all(isinstance(text, str) for text in texts) or not points or len(points) != len(descriptions):
        raise ConfigError(f"{place}: a prompt has a theme, and as many descriptions as test points")
    unknown = [point for point in points if point not in instructions.explanations]
    if unknown:
        raise ConfigError(f"{place}: unknown test point {unknown[0]!r}")
    return Item(str(number), prompt, theme, {"prompt": prompt, "points": points, "descriptions": descriptions})


def _object(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return json.loads(MISSING_COMMA.sub('", "', text))


def _constants(path: Path) -> dict[str, Any]:
    """The constants at the top of a Python file; names of earlier ones in them are replaced by these."""
    try:
        module = ast.parse(require_text(path))
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise ConfigError(f"{path} is not the published script: {error}") from None
    constants: dict[str, Any] = {}
    for statement in module.body:
        if isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name):
            try:
                constants[statement.targets[0].id] = ast.literal_eval(_Inlined(constants).visit(statement.value))
            except (ValueError, TypeError):
                continue
    return constants


class _Inlined(ast.NodeTransformer):
    """Replaces names of constants by a text, which keeps what refers to them a literal."""

    def __init__(self, constants: Mapping[str, Any]) -> None:
        self.constants = constants

    def visit_Name(self, node: ast.Name) -> ast.AST:
        return ast.Constant(node.id) if node.id in self.constants else node
