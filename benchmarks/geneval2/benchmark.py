"""The benchmark ``geneval2``: 800 prompts of three to ten atoms, scored by Soft-TIFA."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from evalharness._util.json_lines import checked_lines
from evalharness.api.benchmark import Exported, Exporter
from evalharness.api.judge import Judge
from evalharness.api.model_names import asked_model, same_model
from evalharness.assets.asset import Asset, require_file
from evalharness.errors import ConfigError
from evalharness.judges.judged_benchmark import JudgedSettings, QuestionsBenchmark, shares
from evalharness.judges.question_scorer import QuestionScorer
from evalharness.types.item import Item, ItemField
from evalharness.types.score import Score

from .soft_tifa import Rubric, combined, read_probability, surface_forms

COMMIT = "a6e82d2289e8d418f27f0adee77908b07060eea3"
"""A commit of facebookresearch/GenEval2."""
DATA = Asset(
    "geneval2",
    "geneval2_data.jsonl",
    f"https://raw.githubusercontent.com/facebookresearch/GenEval2/{COMMIT}/geneval2_data.jsonl",
    "09233adbc9f877fba205f1a20efa4a8640e7e62a91dfd55893562bed8a928e43",
    423_220,
)
PROTOCOL_JUDGE = "Qwen/Qwen3-VL-8B-Instruct"
ATOMS = range(3, 11)


class Line(BaseModel):
    """A line of the published file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    prompt: str = Field(pattern=r"\S")
    atom_count: int = Field(ge=ATOMS.start, lt=ATOMS.stop)
    vqa_list: list[tuple[str, str]] = Field(min_length=1, max_length=100)
    skills: list[str]

    @model_validator(mode="after")
    def _a_skill_a_question(self) -> Line:
        if len(self.skills) != len(self.vqa_list):
            raise ValueError(f"{len(self.skills)} skills for {len(self.vqa_list)} questions")
        return self


class GenEval2(QuestionsBenchmark, Exporter):
    """GenEval 2. Source: Kamath et al., arXiv 2512.16853; see :mod:`.soft_tifa` for the protocol.

    A category is a number of atoms; each has 100 prompts.
    """

    name = "geneval2"
    images_per_prompt = 1
    max_tokens = 1
    item_fields: ClassVar[Sequence[ItemField]] = ("metadata",)
    assets: ClassVar[tuple[Asset, ...]] = (DATA,)

    class Settings(JudgedSettings):
        """The settings of every judged benchmark, and these.

        Attributes:
            mean: The score of an image: ``geometric`` (Soft-TIFA GM, by prompts) or ``arithmetic`` (AM, by atoms).
            prompts: ``published``, or a file in that format.
        """

        mean: Literal["geometric", "arithmetic"] = "geometric"
        prompts: Literal["published"] | Path = "published"

    settings: Settings

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    @property
    def weights(self) -> Mapping[str, float]:  # type: ignore[override]
        """The share of each number of atoms: the published overall is the mean over all prompts."""
        present = shares(self.items())
        return {str(atoms): present[str(atoms)] for atoms in ATOMS if str(atoms) in present}

    def title(self) -> str:
        return f"GenEval 2, Soft-TIFA {'GM' if self.settings.mean == 'geometric' else 'AM'}"

    def notes(self) -> list[str]:
        """Whether the judge is the published one, and asked as published."""
        judge = self._judge
        notes = []
        weights = getattr(self.settings.judge.settings, "weights", None)
        if not same_model(str(weights or asked_model(judge.identity())), PROTOCOL_JUDGE):
            notes.append(f"the published judge is {PROTOCOL_JUDGE}; scores of another are not GenEval 2's.")
        if judge.probabilities == "top":
            notes.append("probabilities are approximate: only the 20 most probable tokens are known.")
        return notes

    def prompt_name(self) -> str:
        chosen = self.settings.prompts
        return chosen.name if isinstance(chosen, Path) else chosen

    def rubric(self) -> Rubric:
        return Rubric()

    @staticmethod
    def read(text: str) -> Score | None:
        return read_probability(text)

    @staticmethod
    def export(samples: Iterable[Exported], folder: Path, scorer: Mapping[str, Any]) -> None:
        """Write what the published programs read, of the first image of each prompt: ``images.json`` (prompt → file)
        for ``evaluation.py``, ``score_lists.json`` and the lines of these prompts for ``soft_tifa_analysis.py``."""
        images, scores, lines = {}, [], []
        for sample in samples:
            if sample.seed_index == 0:
                path = folder / f"{sample.item.id}.png"
                path.write_bytes(sample.image)
                images[sample.item.prompt] = path.name
                scores.append(sample.score.details["probabilities"])
                lines.append(_published_line(sample.item))
        (folder / "images.json").write_text(json.dumps(images, indent=1), encoding="utf-8")
        (folder / "score_lists.json").write_text(json.dumps(scores), encoding="utf-8")
        (folder / "geneval2_data.jsonl").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")

    def _scorer(self, judge: Judge, *, repeat: int = 0, secondary: tuple[Judge, ...] = ()) -> QuestionScorer:
        if judge.probabilities is None:
            raise ConfigError(
                f"benchmark 'geneval2': judge {judge.name!r} cannot say how probable an answer is; use 'transformers', "
                "or 'openai' with an endpoint that has logprobs"
            )
        single = self._rubric_scorer(judge, repeat, secondary, answers=_answers)
        mean = self.settings.mean
        return self.ask_each(single, partial(combined, geometric=mean == "geometric"), f"{mean} mean")

    def read_items(self) -> list[Item]:
        """The prompts in the order of the file, with their questions."""
        chosen = self.settings.prompts
        path = require_file(DATA, "evalharness fetch geneval2") if chosen == "published" else Path(chosen)
        items = [_item(index, line) for index, (_, _, line) in enumerate(checked_lines(path, Line))]
        if not items:
            raise ConfigError(f"{path} has no prompts")
        return items


def _item(index: int, line: Line) -> Item:
    questions = [
        {"question": question, "answer": answer, "skill": skill}
        for (question, answer), skill in zip(line.vqa_list, line.skills, strict=True)
    ]
    return Item(f"{index:05d}", line.prompt, str(line.atom_count), {"questions": questions})


def _published_line(item: Item) -> str:
    questions = item.metadata["questions"]
    pairs = [[question["question"], question["answer"]] for question in questions]
    skills = [question["skill"] for question in questions]
    line = {"prompt": item.prompt, "atom_count": int(item.category), "vqa_list": pairs, "skills": skills}
    return json.dumps(line)


def _answers(question: Item) -> tuple[str, ...]:
    return surface_forms(question.metadata["question"], question.metadata["answer"])
