"""Where the layers go and what it takes: of the real configuration, on the meta device, and of made-up devices."""

from __future__ import annotations

import json
import math
import weakref

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("diffusers", reason="the extra `bagel` is not installed")

from pathlib import Path

from evalharness.errors import WeightsError
from evalharness.models.bagel import memory
from evalharness.models.bagel.autoencoder import Autoencoder
from evalharness.models.bagel.config import LanguageSizes, Sizes, VisionSizes
from evalharness.models.bagel.memory import (
    GIB,
    MemoryNeed,
    Placement,
    assign_layers,
    check_memory,
    memory_need,
    storage_dtype,
)
from evalharness.models.bagel.network import Network
from evalharness.models.bagel.settings import Settings

QWEN = {
    "hidden_size": 3584, "intermediate_size": 18944, "num_attention_heads": 28, "num_hidden_layers": 28,
    "num_key_value_heads": 4, "vocab_size": 152064, "rms_norm_eps": 1e-6, "rope_theta": 1e6,
}  # fmt: skip
SIGLIP = {
    "hidden_size": 1152, "intermediate_size": 4304, "num_attention_heads": 16, "num_hidden_layers": 27,
    "image_size": 980, "patch_size": 14,
}  # fmt: skip
CARDS = [torch.device(f"cuda:{number}") for number in range(4)]


@pytest.fixture(scope="module")
def real() -> tuple[Sizes, dict[str, tuple[int, ...]], dict[str, tuple[int, ...]]]:
    """The public checkpoint's sizes, and the shapes of its weights."""
    sizes = Sizes(language=LanguageSizes.model_validate(QWEN), vision=VisionSizes.model_validate(SIGLIP))
    with torch.device("meta"):
        network, autoencoder = Network(sizes), Autoencoder(128, 16)
    shapes = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
    return sizes, shapes, {name: tuple(tensor.shape) for name, tensor in autoencoder.state_dict().items()}


def test_what_the_public_checkpoint_takes(real) -> None:  # type: ignore[no-untyped-def]
    sizes, shapes, drawn = real
    tokens = Settings(weights=Path("x")).image_tokens(14)
    assert tokens == 64 * 64 + 2 + 70 * 70 + 2
    assigned = memory_need(shapes, drawn, torch.bfloat16, sizes, tokens)
    # Counted another way: every tensor's elements by the dtype that it is kept in.
    weights = sum(math.prod(shape) * storage_dtype(name, torch.bfloat16).itemsize for name, shape in shapes.items())
    weights += 4 * sum(math.prod(shape) for shape in drawn.values())
    assert sum(assigned.layers) + assigned.rest == weights
    assert round(weights / GIB, 1) == 27.6
    assert len(set(assigned.layers)) == 1
    # 14.1 G parameters, 6.5 G of them in the layers of each expert.
    assert round(sum(assigned.layers) / 2e9, 1) == 13.1
    assert assigned.context * 28 == tokens * 56 * 1024
    assert round(assigned.total / GIB, 1) == 28.1
    doubled = memory_need(shapes, drawn, torch.float32, sizes, tokens)
    elements = sum(math.prod(shape) for shape in [*shapes.values(), *drawn.values()])
    assert doubled.total == 4 * elements + tokens * 112 * 1024


def test_one_card_of_24_gib_is_too_small_and_two_are_not(real, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
    sizes, shapes, drawn = real
    wanted = memory_need(shapes, drawn, torch.bfloat16, sizes, 9000)
    monkeypatch.setattr(memory, "free_bytes", lambda device: int(23.5 * GIB))
    with pytest.raises(WeightsError) as caught:
        Placement(CARDS[:1]).plan(wanted, torch.bfloat16)
    assert str(caught.value) == (
        "cuda:0 is too small: 28.1 GiB are needed (weights in bfloat16, and 0.48 GiB for a context with one image) and "
        "23.5 are free; use dtype bfloat16, a larger device, or spread the layers over several with `devices`"
    )
    plan = Placement(CARDS[:2]).plan(wanted, torch.bfloat16)
    assert plan == sorted(plan, key=str)
    on = wanted.per_device([CARDS.index(device) for device in plan], 2)
    assert max(on) < 15 * GIB
    assert plan.count(CARDS[0]) < plan.count(CARDS[1]), "the first also has the embeddings and both image networks"
    full = MemoryNeed(wanted.layers * 2, wanted.rest, wanted.context)
    with pytest.raises(
        WeightsError, match=r"cuda:\d is too small: 2\d\.\d GiB are needed there, of 52\.\d on all 2 devices"
    ):
        Placement(CARDS[:2]).plan(full, torch.bfloat16)


def test_a_larger_card_gets_more_layers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "free_bytes", lambda device: {CARDS[0]: 20, CARDS[1]: 60, CARDS[2]: 20}[device])
    plan = Placement(CARDS[:3]).plan(MemoryNeed((1,) * 50, 5, 0), torch.bfloat16)
    assert [plan.count(card) for card in CARDS[:3]] == [6, 33, 11]


def test_room_that_nobody_knows_is_taken_to_be_the_same_everywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "free_bytes", lambda device: None)
    assert (
        Placement([torch.device("meta")] * 2).plan(MemoryNeed((1,) * 4, 0, 0), torch.float32)
        == [torch.device("meta")] * 4
    )
    assert assign_layers(MemoryNeed((1,) * 5, 0, 0), [1, 1]) == [0, 0, 0, 1, 1]


def test_what_an_earlier_model_let_go_of_is_room(monkeypatch: pytest.MonkeyPatch) -> None:
    """A driver counts what PyTorch keeps as taken, and a sweep of several checkpoints loads one after another."""

    class Large:
        """It is in a circle, as modules with hooks are."""

        def __init__(self) -> None:
            self.me = self

    left = [weakref.ref(Large())]
    cached = [30]

    def give_back() -> None:
        if left[0]() is None:
            cached[0] = 0

    monkeypatch.setattr(torch.cuda, "empty_cache", give_back)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (40 - cached[0], 40))
    assert memory.free_bytes(torch.device("cuda:0")) == 40


def test_a_device_that_is_named_twice_counts_once() -> None:
    cpu = torch.device("cpu")
    with pytest.raises(WeightsError, match="cpu is too small"):
        check_memory([6 * GIB, 6 * GIB], [10 * GIB] * 2, [cpu, cpu], MemoryNeed((6 * GIB,) * 2, 0, 0), torch.float32)


ROOMS = st.lists(st.integers(100, 1000), min_size=1, max_size=5)


@given(st.integers(1, 40), st.integers(1, 50), st.integers(0, 500), ROOMS)
def test_no_other_spread_is_less_full(layers: int, layer: int, rest: int, rooms: list[int]) -> None:
    wanted = MemoryNeed((layer,) * layers, rest, 3)
    assigned = assign_layers(wanted, rooms)
    assert len(assigned) == layers
    assert assigned == sorted(assigned)

    def fullest(counts: list[int]) -> float:
        return max(((rest if n == 0 else 0) + (layer + 3) * count) / rooms[n] for n, count in enumerate(counts))

    per_device = [assigned.count(n) for n in range(len(rooms))]
    used = wanted.per_device(assigned, len(rooms))
    assert max(bytes_used / room for bytes_used, room in zip(used, rooms, strict=True)) == pytest.approx(
        fullest(per_device)
    )
    for source in range(len(rooms)):
        for target in range(len(rooms)):
            if per_device[source] and source != target:
                moved = [*per_device]
                moved[source] -= 1
                moved[target] += 1
                assert fullest(moved) >= fullest(per_device) - 1e-9


def test_layers_of_the_network_on_three_devices_compute_the_same(bagel_folder: Path, bagel_settings) -> None:  # type: ignore[no-untyped-def]
    from evalharness.models.bagel.plugin import Bagel

    on_one_device = Bagel(bagel_settings(steps=3)).paint(["the dog"], [1])
    spread_out = Bagel(bagel_settings(steps=3, devices=("cpu", "cpu", "cpu"))).paint(["the dog"], [1])
    assert np.array_equal(np.asarray(on_one_device[0].image), np.asarray(spread_out[0].image))
    assert json.loads((bagel_folder / "llm_config.json").read_text())["num_hidden_layers"] == 3
