"""Batches: the bytes of a sample whatever it shares a batch with, in two modes; memory that is bounded or runs out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import bagel_small as small
import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from transformers.models.qwen2.modeling_qwen2 import Qwen2RMSNorm

pytest.importorskip("diffusers", reason="the extra `bagel` is not installed")

from evalharness.errors import SampleError
from evalharness.models.bagel.batching import Batching
from evalharness.models.bagel.cache import Context
from evalharness.models.bagel.network import reproducible_row_counts
from evalharness.models.bagel.plugin import Bagel

PROMPTS = ["a photo of the dog", "three red cubes on top of a cat, in the rain", "one", "blue", "the"]
EVERYONE = range(len(PROMPTS))
Make = Callable[..., Any]
Made = tuple[bytes, str, bytes, bytes]


def stages(model: Bagel, who: Sequence[int]) -> list[Any]:
    """Contexts at different stages: one more step into its trajectory each, the last after two images."""
    contexts = model.start(len(who))
    model.read(contexts, [PROMPTS[i] for i in who])
    for stage in (1, 2, 3, 4):
        later = [(context, i) for context, i in zip(contexts, who, strict=True) if i >= stage]
        if not later:
            break
        their_contexts, seeds = [context for context, _ in later], [i for _, i in later]
        if stage in (1, 3):
            model.look(their_contexts, [small.picture(i + stage, 40 + 8 * i, 64) for i in seeds])
        else:
            model.write(their_contexts, stop=("<|im_end|>",), max_tokens=6, seeds=seeds)
    return contexts


def made(model: Bagel, who: Sequence[int]) -> dict[int, Made]:
    """What each sample draws, writes, remembers and draws again."""
    contexts = stages(model, who)
    first = model.draw(contexts, unguided=[], seeds=[10 + i for i in who])
    written = model.write(contexts, stop=("<|im_end|>",), max_tokens=9, seeds=[20 + i for i in who])
    again = model.draw(contexts, unguided=[], seeds=[30 + i for i in who])
    return {
        i: (drawing.image.tobytes(), text.text, held(context), second.image.tobytes())
        for i, context, drawing, text, second in zip(who, contexts, first, written, again, strict=True)
    }


def held(context: Context) -> bytes:
    cache = context.full.cache
    return b"".join(layer[:, :, : cache.length].float().numpy().tobytes() for layer in cache.layers)


@pytest.fixture(scope="module", params=["float32", "bfloat16"])
def chosen(request: pytest.FixtureRequest) -> dict[str, Any]:
    return {"dtype": request.param, "image_scale": 2.0, "interval": (0.0, 1.0), "steps": 4}


@pytest.fixture(scope="module")
def exact(bagel_settings: Make, chosen: dict[str, Any]) -> Bagel:
    return Bagel(bagel_settings(**chosen))


@pytest.fixture(scope="module")
def undisturbed(exact: Bagel) -> dict[int, Made]:
    return made(exact, EVERYONE)


# --- exact ---


@pytest.mark.parametrize("who", [[4, 0, 3], [2], [1, 2, 3, 4, 0]], ids=str)
def test_a_sample_is_the_same_bytes_in_any_batch_of_unlike_contexts(
    exact: Bagel, undisturbed: dict[int, Made], who: list[int]
) -> None:
    outcome = made(exact, who)
    assert outcome == {i: undisturbed[i] for i in who}
    assert len({undisturbed[i][0] for i in EVERYONE}) == len(PROMPTS)


def test_more_samples_than_lanes_write_the_same(bagel_settings: Make) -> None:
    model = Bagel(bagel_settings())

    def written(who: Sequence[int]) -> list[str]:
        contexts = model.start(len(who))
        model.read(contexts, [f"{PROMPTS[i % 5]} {i}" for i in who])
        return [written.text for written in model.write(contexts, stop=("<|im_end|>",), max_tokens=5, seeds=list(who))]

    together = written(range(19))
    assert together[17] == written([17])[0]
    assert together[3:9] == written(range(3, 9)), "in a pass of eight rows, or of sixteen"


def test_rows_that_are_not_alike_are_noticed(exact: Bagel) -> None:
    class Uneven(nn.Linear):
        """Its later rows are summed in another order, as a kernel's last tile may be."""

        even = 16

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            out = super().forward(x)
            out[self.even :] += 1e-6 * out[self.even :]
            return out

    x = torch.randn(16, 64)
    uneven = Uneven(64, 32)
    with torch.inference_mode():
        for uneven.even, alike in ((16, (4, 8, 16)), (8, ()), (0, (4, 8, 16)), (-2, ())):
            assert reproducible_row_counts(uneven, x, (4, 8, 16)) == alike

        def few_are_summed_otherwise(x: torch.Tensor) -> torch.Tensor:
            out: torch.Tensor = uneven(x)
            return out + 1e-6 if len(x) == 4 else out

        uneven.even = 16
        assert reproducible_row_counts(few_are_summed_otherwise, x, (4, 8, 16)) == (8, 16)
    assert exact.load().bagel.row_counts[-1] == 16


def test_a_layer_whose_rows_are_not_alike_has_one_lane(bagel_settings: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whichever part of it: here the last norm before the products of the MLP."""
    normed = Qwen2RMSNorm.forward

    def uneven(self: Qwen2RMSNorm, x: torch.Tensor) -> torch.Tensor:
        out = normed(self, x)
        return torch.cat([out[:1], out[1:] * (1 + 1e-6)]) if len(out) > 1 else out

    monkeypatch.setattr(Qwen2RMSNorm, "forward", uneven)
    assert Bagel(bagel_settings()).load().bagel.row_counts == (1,)


def test_one_lane_is_as_exact(bagel_settings: Make) -> None:
    """Where rows are not alike, every sample writes alone."""
    model = Bagel(bagel_settings(temperature=0))
    model.load().bagel.row_counts = (1,)
    assert made(model, [2, 0]) == made(model, [0, 2])


# --- fast ---


def test_fast_is_close_to_exact(bagel_settings: Make, chosen: dict[str, Any], exact: Bagel) -> None:
    fast = Bagel(bagel_settings(**chosen, mode="fast"))
    assert fast.identity() != exact.identity()
    fast_images, exact_images = (
        [drawn.image for drawn in model.draw(stages(model, EVERYONE), unguided=[], seeds=[1, 2, 3, 4, 5])]
        for model in (fast, exact)
    )
    for fast_image, exact_image in zip(fast_images, exact_images, strict=True):
        difference = np.abs(np.asarray(fast_image, int) - np.asarray(exact_image, int))
        assert 0 < difference.mean() < 12


def test_fast_looks_at_what_guides_it_in_every_other_evaluation(bagel_settings: Make) -> None:
    passes: dict[str, list[int]] = {}
    for mode in ("exact", "fast"):
        model = Bagel(bagel_settings(mode=mode, steps=6, image_scale=2.0, interval=(0.0, 1.0)))
        contexts = stages(model, [4])
        network = model.load().bagel.network
        run = network.run
        counts = passes.setdefault(mode, [])
        network.run = lambda pieces, counts=counts, run=run, **how: counts.append(len(pieces)) or run(pieces, **how)  # type: ignore[method-assign]
        model.draw(contexts, unguided=[], seeds=[1])
    assert passes == {"exact": [3, 3, 3, 3, 3], "fast": [3, 1, 3, 1, 3]}


# --- memory ---


class Full:
    """Stands for a device on which passes over texts of more than ``room`` tokens, past included, do not fit."""

    def __init__(self, model: Bagel, room: int) -> None:
        self.network = model.load().bagel.network
        self.run = self.network.run
        self.room = room
        self.failed = 0

    def __call__(self, pieces: Sequence[Any], **how: Any) -> list[torch.Tensor]:
        if how["causal"] and sum(piece.view.length + len(piece) for piece in pieces) > self.room:
            self.failed += 1
            raise torch.OutOfMemoryError("CUDA out of memory")
        return self.run(pieces, **how)


@pytest.fixture
def full(exact: Bagel, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[int], Full]]:
    def make(room: int) -> Full:
        double = Full(exact, room)
        monkeypatch.setattr(double.network, "run", double)
        return double

    yield make
    exact.load().batching.max_tokens = None


@pytest.mark.parametrize("room", [240, 150])
def test_a_batch_that_does_not_fit_is_halved_and_comes_to_the_same(
    exact: Bagel, undisturbed: dict[int, Made], full: Callable[[int], Full], room: int
) -> None:
    """Several times in the middle of writing, when some tokens of it are in the contexts already."""
    device = full(room)
    assert made(exact, EVERYONE) == undisturbed
    assert device.failed > 0
    assert exact.load().batching.max_tokens is not None


def test_one_sample_that_does_not_fit_is_at_fault_alone(exact: Bagel, full: Callable[[int], Full]) -> None:
    full(70)
    with pytest.raises(SampleError, match=r"out of memory with a context of \d+ tokens; make images smaller"):
        made(exact, [4])


@pytest.mark.parametrize("bound", [1, 100])
def test_a_bound_on_the_tokens_at_work_changes_nothing(
    exact: Bagel, undisturbed: dict[int, Made], bound: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exact.load(), "batching", Batching(bound))
    assert made(exact, EVERYONE) == undisturbed


def test_contexts_beyond_the_bound_wait_elsewhere() -> None:
    """What is at work is here, and no more than the bound besides."""
    contexts = [Context() for _ in range(4)]
    batching = Batching(50)
    states: list[tuple[list[int], int]] = []

    def work(part: Sequence[int]) -> list[int]:
        for i in part:
            cache = contexts[i].full.cache
            cache.put(0, torch.zeros(2, 1, 20, 4))
            cache.advance(20)
        states.append(([*part], sum(context.tokens for context in contexts if context.on_device)))
        return [*part]

    for _ in range(3):
        assert batching.run(contexts, work, alone=False) == [0, 1, 2, 3]
    assert [part for part, _ in states] == [[0, 1, 2, 3], [0, 1], [2, 3], [0], [1], [2], [3]]
    assert [tokens for _, tokens in states] == [80, 80, 80, 60, 60, 60, 60]
    batching.register([contexts[0].copy()])
    assert contexts[0].tokens == 60


def test_taking_back_a_step_leaves_what_was(exact: Bagel) -> None:
    (context,) = stages(exact, [4])
    before, tokens, positions = held(context), context.tokens, [stream.position for stream in context.streams()]
    back = context.rollback_point()
    exact.write([context], stop=("<|im_end|>",), max_tokens=6, seeds=[1])
    exact.look([context], [Image.new("RGB", (64, 48))])
    assert held(context) != before
    back()
    assert (held(context), context.tokens, [stream.position for stream in context.streams()]) == (
        before,
        tokens,
        positions,
    )


@pytest.mark.gpu
def test_a_parked_context_comes_back() -> None:
    if not torch.cuda.is_available():
        pytest.skip("no GPU")
    context = Context()
    new = torch.randn(2, 1, 20, 4, device="cuda")
    context.full.cache.put(0, new)
    context.full.cache.advance(20)
    context.park()
    assert not context.on_device
    assert context.full.cache.layers[0].device.type == "cpu"
    assert torch.equal(context.full.cache.joined(0, 20, new)[:, :, :20], new)
    assert context.on_device
