"""BAGEL of random weights: how fast it writes and draws, alone and in batches, in both modes, beside the original.

``EVALHARNESS_BAGEL_CHECKOUT``: a checkout of github.com/ByteDance-Seed/Bagel, for the comparison with the original;
``EVALHARNESS_BAGEL_PYTHON``: an interpreter that can run it (``tests/helpers/original_bagel.py`` says what that needs).
On a GPU, ``EVALHARNESS_PEAK_TFLOPS`` is the card's nominal matrix peak, where it is not known here.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

import bagel_small as small
import numpy as np
import pytest
import torch

pytest.importorskip("diffusers", reason="the extra `bagel` is not installed")

import bagel_flops
import bagel_random
import original_bagel
from bagel_rates import PROMPTS, SIDE, SMALL, STEPS, TOKENS, contexts_of, random_bagel, rates, seconds_of
from figures import say

from evalharness.models.bagel.runtime import GUIDANCE_EVERY, Runtime

pytestmark = pytest.mark.perf

CHECKOUT = os.environ.get("EVALHARNESS_BAGEL_CHECKOUT", "")
PYTHON = os.environ.get("EVALHARNESS_BAGEL_PYTHON", sys.executable)
NOMINAL = {"H100": 989.4, "H200": 989.4, "A100": 312.0, "L40S": 362.0, "B200": 2250.0}
"""TFLOP/s of dense bfloat16 products, by the maker's data sheets; of H100 and H200 as SXM modules."""
FULL_SIZE_GIB = 44
"""GPU memory that the full size needs with four images at a time."""


def original(folder: Path) -> Mapping[str, Any]:
    job = {
        "llm": bagel_random.LLM, "latent_side": SIDE // 16, "prompts": PROMPTS, "tokens": TOKENS, "steps": STEPS,
        "size": (SIDE, SIDE), "threads": torch.get_num_threads(),
    }  # fmt: skip
    (folder / "job.json").write_text(json.dumps(job), encoding="utf-8")
    script = Path(__file__).with_name("time_original_bagel.py")
    command = [PYTHON, original_bagel.__file__, CHECKOUT, str(script), str(folder / "job.json")]
    environment = os.environ | {"PYTHONPATH": str(Path(original_bagel.__file__).parent)}
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=900, check=False)
    assert ran.returncode == 0, ran.stderr[-2000:]
    measured: dict[str, Any] = json.loads(ran.stdout.splitlines()[-1])
    return measured


def test_batches_and_modes(tmp_path: Path) -> None:
    """Both modes against one prompt at a time, and the difference between them."""
    exact, fast = random_bagel(tmp_path, "exact"), random_bagel(tmp_path, "fast")
    for runtime in (exact, fast):
        rates(runtime, PROMPTS[:1], 1, 2)  # what is slow but once
    alone = rates(exact, PROMPTS, 1, TOKENS)
    batch = rates(exact, PROMPTS, len(PROMPTS), TOKENS)
    packed = rates(fast, PROMPTS, len(PROMPTS), TOKENS)
    say(
        f"{len(PROMPTS)} prompts, {SIDE} × {SIDE}, cpu, {torch.get_num_threads()} threads, {date.today()}",
        *(
            f"  {name}: {tokens:.1f} tokens/s ({tokens / alone[0]:.2f}), {evaluations:.2f} evaluations/s "
            f"({evaluations / alone[1]:.2f})"
            for name, (tokens, evaluations, _, _) in (
                ("exact, one at a time", alone),
                ("exact", batch),
                ("fast", packed),
            )
        ),
        "  " + difference(batch, packed),
    )
    assert batch[2] == alone[2]
    assert all(first.tobytes() == second.tobytes() for first, second in zip(batch[3], alone[3], strict=True))
    assert batch[0] > alone[0]
    assert packed[1] > alone[1]


def difference(exact: tuple[Any, ...], fast: tuple[Any, ...]) -> str:
    apart = [np.abs(np.asarray(a, int) - np.asarray(b, int)) for a, b in zip(exact[3], fast[3], strict=True)]
    same = sum(a == b for a, b in zip(exact[2], fast[2], strict=True))
    mean, most = np.mean([differences.mean() for differences in apart]), max(differences.max() for differences in apart)
    return (
        f"fast against exact: images differ by {mean:.2f} of 255 on average, {most} at most; {same} texts are the same"
    )


def test_against_the_original(tmp_path: Path) -> None:
    if not CHECKOUT:
        pytest.skip("EVALHARNESS_BAGEL_CHECKOUT names no checkout of the original program")
    original_rates = original(tmp_path)
    runtime = random_bagel(tmp_path, "exact")
    rates(runtime, PROMPTS[:1], 1, 2)
    lines = [f"exact, against the original one prompt at a time, cpu, {date.today()}:"]
    for size in (1, len(PROMPTS)):
        ours = rates(runtime, PROMPTS, size, TOKENS)
        tokens, evaluations = original_rates["tokens"], original_rates["evaluations"]
        lines += [
            f"  batches of {size}: {ours[0]:.1f} tokens/s against {tokens:.1f} ({ours[0] / tokens:.2f}), "
            f"{ours[1]:.2f} evaluations/s against {evaluations:.2f} ({ours[1] / evaluations:.2f})",
        ]
        assert ours[2] == original_rates["texts"]
    say(*lines)


# --- 7 billion parameters a token ---


def product_peak(device: torch.device, side: int, dtype: torch.dtype) -> float:
    """FLOP/s of square products, measured."""
    a, b = (torch.randn(side, side, device=device, dtype=dtype) for _ in range(2))
    a @ b
    times = [seconds_of(device, lambda: a @ b)[0] for _ in range(10)]
    return 2 * side**3 / min(times)


def nominal_peak(name: str) -> float | None:
    given = os.environ.get("EVALHARNESS_PEAK_TFLOPS")
    nominal = next((peak for card, peak in NOMINAL.items() if card in name), None)
    peak = float(given) if given else nominal
    return peak * 1e12 if peak else None


def peaks(device: torch.device, name: str, side: int) -> dict[str, float]:
    """What a share is taken of. A device that does not multiply bfloat16 itself has no such peak: its products are then
    slower than those in float32, and what it draws with may be faster than both."""
    low, high = (product_peak(device, side, dtype) for dtype in (torch.bfloat16, torch.float32))
    device_peaks = {"measured": low if low > high else None, "nominal": nominal_peak(name)}
    return {kind: peak for kind, peak in device_peaks.items() if peak}


def shares(rate: float, device_peaks: Mapping[str, float]) -> str:
    return "".join(f", {rate / peak:.0%} of the {kind} peak" for kind, peak in device_peaks.items())


class Report(NamedTuple):
    """Lines for a reader; the share of the measured peak, if the device multiplies bfloat16; GiB of memory on a GPU."""

    lines: list[str]
    share: float | None
    memory: float


def report(runtime: Runtime, count: int, tokens: int, product_side: int) -> Report:
    """Images a minute, memory, and what share of the matrix peak; tokens a second."""
    device, settings = runtime.device, runtime.settings
    prompts = [f"{PROMPTS[-1]} {n}" for n in range(count)]
    cuda = device.type == "cuda"
    contexts = contexts_of(runtime, prompts)
    if cuda:
        torch.cuda.reset_peak_memory_stats(device)
    spent, images = seconds_of(device, lambda: runtime.draw(contexts, list(range(count))))
    assert [image.size for image in images] == count * [(settings.width, settings.height)]
    latents = settings.height * settings.width // 256
    renew = 1 if settings.mode == "exact" else GUIDANCE_EVERY
    flops = sum(
        bagel_flops.of_drawing(
            runtime.bagel.network.sizes, settings.sampler(editing=False), latents, (context.tokens, 0), renew
        )
        for context in contexts
    )
    writing, written = seconds_of(device, lambda: runtime.write(contexts, ("<|im_end|>",), tokens, list(range(count))))
    name = torch.cuda.get_device_name(device) if cuda else "cpu"
    device_peaks = peaks(device, name, product_side)
    memory = torch.cuda.max_memory_allocated(device) / 2**30 if cuda else 0.0
    lines = [
        f"{date.today()}, {name}, torch {torch.__version__}, {settings.mode}, {settings.dtype}, {count} at a time:",
        f"  {60 * count / spent:.2f} images/min at {settings.width} × {settings.height}, {settings.steps} steps; "
        f"{count * (settings.steps - 1) / spent:.2f} evaluations/s",
        f"  {flops / spent / 1e12:.3g} TFLOP/s{shares(flops / spent, device_peaks)}"
        + (f"; {memory:.1f} GiB at most" if cuda else ""),
        f"  {sum(text.tokens for text in written) / writing:.1f} tokens/s",
    ]
    measured = device_peaks.get("measured")
    return Report(lines, flops / spent / measured if measured else None, memory)


@pytest.mark.parametrize("mode", ["exact", "fast"])
def test_the_report_on_a_small_model(tmp_path: Path, mode: str) -> None:
    """The same lines as on a GPU, so that they are there when one is."""
    sizes = bagel_random.sizes_of(bagel_random.LLM | {"vocab_size": 2000}, small.VIT, SIDE // 16)
    settings = {**SMALL, "mode": mode, "dtype": "bfloat16", "steps": 3, "temperature": 0.3}
    lines = report(bagel_random.make(sizes, small.AE["ch"], tmp_path, settings, large=True), 2, 4, 1024).lines
    say(*lines)
    assert all(part in "\n".join(lines) for part in ("images/min", "TFLOP/s", "tokens/s"))


def test_a_share_is_told_where_bfloat16_is_multiplied(monkeypatch: pytest.MonkeyPatch) -> None:
    """Elsewhere it would be of nothing: 398 % was once printed."""
    measured = {torch.bfloat16: 8e14, torch.float32: 4e14}
    monkeypatch.delenv("EVALHARNESS_PEAK_TFLOPS", raising=False)
    monkeypatch.setattr(f"{__name__}.product_peak", lambda device, side, dtype: measured[dtype])
    cpu = torch.device("cpu")
    assert shares(4e14, peaks(cpu, "NVIDIA H100 80GB HBM3", 8)) == ", 50% of the measured peak, 40% of the nominal peak"
    measured[torch.bfloat16] = 1e14
    assert shares(4e14, peaks(cpu, "cpu", 8)) == ""


@pytest.mark.gpu
@pytest.mark.parametrize("mode", ["exact", "fast"])
def test_the_full_size_on_a_gpu(tmp_path: Path, mode: str) -> None:
    if not torch.cuda.is_available():
        pytest.skip("no GPU")
    free = torch.cuda.mem_get_info()[0] / 2**30
    if free < FULL_SIZE_GIB:
        pytest.skip(f"{free:.0f} GiB are free on the GPU; this needs {FULL_SIZE_GIB}")
    settings = {"device": "cuda", "dtype": "bfloat16", "mode": mode, "interval": (0.0, 1.0)}
    sizes = bagel_random.sizes_of(small.FULL_LLM, small.FULL_VIT, 64)
    runtime = bagel_random.make(sizes, 128, tmp_path, settings, large=True)
    runtime.draw(contexts_of(runtime, PROMPTS[:1]), [0])  # what is slow but once
    reports = [report(runtime, count, 64, 8192) for count in (2, 4)]
    say(*(line for measured in reports for line in measured.lines))
    for measured in reports:
        assert measured.memory < FULL_SIZE_GIB
        assert measured.share is not None and 0.05 < measured.share <= 1.1
