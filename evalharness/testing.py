"""Mock plugins that cost nothing, for the tests of plugins, of sweeps and of this package.

They are installed like any other plugin: with ``model: mock``, ``benchmarks: [mock]`` and ``judge: mock`` a sweep file
runs the real loops, the real store and the real report in a second, without weights.

>>> model = MockModel(MockModel.Settings(size=4))
>>> model.paint(["a cat"], [1])[0].image.size
(4, 4)
"""

from __future__ import annotations

import hashlib
import itertools
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Annotated, Any, ClassVar

from PIL import Image
from pydantic import BaseModel, ConfigDict, Field

from evalharness.api.benchmark import Benchmark, Scorer
from evalharness.api.judge import Judge, JudgePrompt
from evalharness.api.model import Drawn, Interleaver, Written
from evalharness.errors import SampleError
from evalharness.types.item import Item, PromptSet
from evalharness.types.reply import Reply
from evalharness.types.score import Score
from evalharness.types.spent import Spent
from evalharness.types.trajectory import StepKind

__all__ = ["Answer", "MockBenchmark", "MockJudge", "MockModel", "MockReplies", "MockScorer"]

Answer = Callable[[JudgePrompt], Reply | str | SampleError | None]
"""What a judge replies to a prompt: a reply, its text, an error, or ``None`` for a prompt that it loses."""


class MockModel(Interleaver):
    """An interleaver that speaks the format ``strokes`` and fills each image with a color of its prompt and seed.

    The last pixel has another color, so that no image counts as blank.

    ``drawn`` lists the prompt and seed of every image that any instance in this process drew.
    """

    class Settings(BaseModel):
        """Keys of the model in a sweep file.

        Attributes:
            iterations: Number of plans that the model makes before it says that the image is finished.
            iterations_of: Word → another number of plans for prompts that contain the word.
            conflicts: Number of its sketches that it finds fault with.
            fails: Words of prompts whose drawing raises an error.
            refuses: Words of prompts that the model cannot take.
            seconds: Duration of one batch.
        """

        model_config = ConfigDict(extra="forbid", frozen=True)

        size: int = Field(default=8, ge=1)
        batch_size: int = Field(default=4, ge=1)
        iterations: int = Field(default=2, ge=1)
        iterations_of: dict[str, Annotated[int, Field(ge=1)]] = {}
        conflicts: int = Field(default=0, ge=0)
        fails: tuple[str, ...] = ()
        refuses: tuple[str, ...] = ()
        seconds: float = 0.0

    name = "mock"
    formats: ClassVar[tuple[str, ...]] = ("strokes",)
    guided = False
    continues = True
    replays = True
    drawn: ClassVar[list[tuple[str, int]]] = []

    def __init__(self, settings: Settings | None = None) -> None:
        self.settings = settings or self.Settings()
        self.batch_size = self.settings.batch_size

    def identity(self) -> Mapping[str, Any]:
        """Settings that decide what is drawn and written."""
        settings = self.settings
        identity = {
            "name": self.name,
            "size": settings.size,
            "iterations": settings.iterations,
            "conflicts": settings.conflicts,
        }
        if settings.iterations_of:
            identity["iterations_of"] = settings.iterations_of
        return identity

    def check(self, prompt: str) -> None:
        """Refuse the prompts that the settings name.

        Raises:
            SampleError: the prompt contains one of ``refuses``.
        """
        for word in self.settings.refuses:
            if word in prompt:
                raise SampleError(f"not in the vocabulary: {word!r}")

    def paint(self, prompts: Sequence[str], seeds: Sequence[int]) -> list[Drawn]:
        """Draw an image of ``size`` × ``size`` pixels in one color for each prompt, in three sampler steps.

        Raises:
            ValueError: a prompt contains one of ``fails``.
        """
        time.sleep(self.settings.seconds)
        for word in self.settings.fails:
            if any(word in prompt for prompt in prompts):
                raise ValueError(f"the mock fails on {word!r}")
        MockModel.drawn += zip(prompts, seeds, strict=True)
        return [self._image(prompt, seed) for prompt, seed in zip(prompts, seeds, strict=True)]

    def _image(self, prompt: str, seed: int) -> Drawn:
        red, green, blue = hashlib.sha256(f"{prompt}{seed}".encode()).digest()[:3]
        size = self.settings.size
        image = Image.new("RGB", (size, size), (red, green, blue))
        if size > 1:
            image.putpixel((size - 1, size - 1), (255 - red, 255 - green, 255 - blue))
        return Drawn(image, 3)

    def start(self, count: int) -> list[list[str]]:
        """Empty contexts: lists of texts, in which ``[image]`` stands for an image."""
        return [[] for _ in range(count)]

    def read(self, contexts: Sequence[list[str]], texts: Sequence[str]) -> None:
        """Append a text to each context."""
        for context, text in zip(contexts, texts, strict=True):
            context.append(text)

    def look(self, contexts: Sequence[list[str]], images: Sequence[Image.Image]) -> None:
        """Append an image to each context."""
        self.read(contexts, ["[image]"] * len(images))

    def write(
        self,
        contexts: Sequence[list[str]],
        *,
        stop: Sequence[str],
        max_tokens: int,
        seeds: Sequence[int],
        opening: str = "",
        ask: str = "",
    ) -> list[Written]:
        """Write what the stage that ends in ``stop`` asks for."""
        texts = [self.reply(context, stop[0]) for context in contexts]
        self.read(contexts, [f"{opening}{text}" for text in texts])
        return [Written(text, len(text.split())) for text in texts]

    def reread(
        self,
        contexts: Sequence[list[str]],
        texts: Sequence[str],
        *,
        seeds: Sequence[int],
        opening: str = "",
        ask: str = "",
    ) -> None:
        """Append texts that were written before."""
        self.read(contexts, [f"{opening}{text}" for text in texts])

    def reply(self, context: Sequence[str], stop: str) -> str:
        """The text that the stage that ends in ``stop`` asks for."""
        prompt = context[0].removeprefix("<text>").removesuffix("</text>").strip()
        if stop == "</inspect>":
            conflicts = sum("<refine>" in text for text in context)
            finding = "wrong color" if conflicts < self.settings.conflicts else "ok"
            return f"<inspect> {finding} </inspect>"
        if stop == "</refine>":
            return "<refine> another color </refine>"
        if stop == "</think>":
            return f"<think> {prompt} </think>"
        iterations = next(
            (count for word, count in self.settings.iterations_of.items() if word in prompt), self.settings.iterations
        )
        if sum("<ins>" in text for text in context) >= iterations:
            return "<end>"
        return f"<ins> draw </ins> <des> {prompt} </des>"

    def draw(
        self,
        contexts: Sequence[list[str]],
        *,
        unguided: Sequence[list[str]],
        seeds: Sequence[int],
        kind: StepKind = "draw",
    ) -> list[Drawn]:
        """Draw after each context; the color follows from the first text and the seed."""
        return self.paint([context[0] for context in contexts], seeds)


class MockScorer(Scorer):
    """Scores an image by its first pixel: 1 where its red value is above 100, else 0.

    ``scored`` lists the item of every image that any instance in this process scored.

    Args:
        unscorable: Words of prompts whose images cannot be scored.
    """

    batch_size = 3
    scored: ClassVar[list[str]] = []

    def __init__(self, unscorable: Sequence[str] = ("unscorable",)) -> None:
        self.unscorable = tuple(unscorable)

    def identity(self) -> Mapping[str, Any]:
        """Name and version."""
        return {"name": "mock", "version": "1"}

    def score(self, images: Sequence[Image.Image], items: Sequence[Item]) -> list[Score]:
        """Return a score for each image.

        Raises:
            SampleError: the prompt of an item contains one of the words ``unscorable``.
        """
        if any(word in item.prompt for word in self.unscorable for item in items):
            raise SampleError("nothing to score")
        MockScorer.scored += [item.id for item in items]
        reds = [image.convert("RGB").tobytes()[0] for image in images]
        return [Score(float(red > 100), "" if red > 100 else "not red", {"red": red}) for red in reds]


class MockBenchmark(Benchmark):
    """Prompts of two categories, scored by :class:`MockScorer`."""

    class Settings(BaseModel):
        """Keys of the benchmark in a sweep file. ``unscorable``: words of prompts whose images cannot be scored."""

        model_config = ConfigDict(extra="forbid", frozen=True)

        prompts: tuple[str, ...] = tuple(f"thing {number}" for number in range(10))
        unscorable: tuple[str, ...] = ("unscorable",)

    name = "mock"
    version = "1"
    weights: Mapping[str, float] = {"odd": 0.5, "even": 0.5}
    images_per_prompt = 2

    def __init__(self, settings: Settings | None = None) -> None:
        self.settings = settings or self.Settings()

    def prompt_set(self) -> PromptSet:
        """The prompts' name and digest."""
        digest = hashlib.sha256("\n".join(self.settings.prompts).encode()).hexdigest()
        return PromptSet("mock", digest)

    def items(self) -> list[Item]:
        """An item for each prompt; even and odd numbers are the categories."""
        return [
            Item(str(number), prompt, ("even", "odd")[number % 2], {"number": number})
            for number, prompt in enumerate(self.settings.prompts)
        ]

    def scorer(self) -> MockScorer:
        """A new scorer."""
        return MockScorer(self.settings.unscorable)


class MockJudge(Judge):
    """Answers every prompt with one of its settings' replies, or with what a function returns.

    A function can refuse a prompt, fail some tries (``prompt.tried`` counts the replies that are kept), or lose it:

    >>> judge = MockJudge(answer=lambda prompt: "Score: 1" if prompt.tried else "I cannot tell.")
    >>> prompt = JudgePrompt([], image="0" * 64, rubric="", max_tokens=10)
    >>> [(number, reply.text) for number, reply in judge.ask([(0, prompt)])]
    [(0, 'I cannot tell.')]

    ``prompts`` lists what this instance answered, in that order.
    """

    class Settings(BaseModel):
        """Keys of the judge in a sweep file.

        ``replies``: texts, of which the image's digest chooses one; ``SampleError`` in place of a text stands for a
        prompt that cannot be answered. ``concurrency``: prompts that it takes before it answers the last of them.
        """

        model_config = ConfigDict(extra="forbid", frozen=True)

        replies: tuple[str, ...] = ("Score: 1",)
        concurrency: int = Field(default=1, ge=1)

    name = "mock"
    in_process = True

    def __init__(self, settings: Settings | None = None, answer: Answer | None = None) -> None:
        self.settings = settings or self.Settings()
        self.answer = answer or self._setting_reply
        self.prompts: list[JudgePrompt] = []

    def identity(self) -> Mapping[str, Any]:
        """Name and replies."""
        return {"name": self.name, "replies": list(self.settings.replies)}

    def ask(self, prompts: Iterable[tuple[int, JudgePrompt]]) -> Iterator[tuple[int, Reply | SampleError]]:
        """The reply to each prompt; in order, unless the judge takes several prompts at a time."""
        source = iter(prompts)
        waiting: list[tuple[int, JudgePrompt]] = []
        while True:
            waiting += itertools.islice(source, self.settings.concurrency - len(waiting))
            if not waiting:
                return
            number, prompt = waiting.pop()
            self.prompts.append(prompt)
            reply = self.answer(prompt)
            if reply is not None:
                yield number, Reply(reply) if isinstance(reply, str) else reply

    def _setting_reply(self, prompt: JudgePrompt) -> str | SampleError:
        replies = self.settings.replies
        text = replies[int(prompt.image[:8], 16) % len(replies)]
        return SampleError("the mock does not answer") if text == "SampleError" else text


class MockReplies:
    """Replies that are kept in memory, for tests of a judge's scorer.

    ``kept`` lists the replies to each prompt by its key, in the order of the tries.
    """

    def __init__(self) -> None:
        self.kept: dict[str, list[Reply]] = {}
        self._spent: dict[str, Spent] = {}

    def get(self, key: str) -> list[Reply]:
        """The replies to a prompt."""
        return list(self.kept.get(key, []))

    def add(self, key: str, prompt: JudgePrompt, judge: str, reply: Reply) -> None:
        """Keep a reply."""
        self.kept.setdefault(key, []).append(reply)
        spent = self.spent(judge)
        self._spent[judge] = Spent(spent.calls + 1, spent.dollars + reply.cost)

    def spent(self, judge: str) -> Spent:
        """Number and cost of a judge's replies."""
        return self._spent.get(judge, Spent())
