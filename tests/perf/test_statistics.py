"""The bootstrap against a loop that draws prompts one resample at a time, and a run of a million samples.

A million samples take minutes to prepare; EVALHARNESS_PERF_SAMPLES sets another number. Limits are for a million.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from evalharness.analysis import stats
from evalharness.analysis.stats import resampling

pytestmark = pytest.mark.perf
TAGS = {"single_object": 80, "two_object": 99, "counting": 80, "colors": 94, "position": 100, "color_attr": 100}
SAMPLES = int(os.environ.get("EVALHARNESS_PERF_SAMPLES", "1000000"))


def test_the_bootstrap_of_eight_arms_against_a_loop() -> None:
    generator = np.random.default_rng(0)
    labels = np.repeat(np.repeat(list(TAGS), list(TAGS.values())), 4)
    items = np.repeat(np.arange(553), 4)
    values = (generator.random((2212, 8)) < 0.8).astype(float)

    resampling.forget_draws()
    begin = time.process_time()
    stats.resampled_sums(values, items, labels)
    ours = time.process_time() - begin

    rows = {tag: [np.flatnonzero(items == item) for item in np.unique(items[labels == tag])] for tag in TAGS}
    begin, resamples = time.process_time(), 20
    for _ in range(resamples):
        for images in rows.values():
            drawn = generator.integers(len(images), size=len(images))
            values[np.concatenate([images[prompt] for prompt in drawn])].mean(axis=0)
    loop = (time.process_time() - begin) / resamples * stats.RESAMPLES
    sys.stdout.write(
        f"\n10,000 resamples of 2,212 images × 8 arms: {ours:.2f} s of one core,"
        f" {loop / ours:.0f} times as fast as a loop ({loop:.1f} s)\n"
    )
    assert loop > 3 * ours


def test_a_million_scored_samples(tmp_path: Path) -> None:
    """Seconds are the processor's, so that what else runs on the machine does not count; the peak is of all memory."""
    command = [sys.executable, str(Path(__file__).with_name("million.py")), str(SAMPLES), str(tmp_path)]
    subprocess.run([*command, "fill"], check=True)
    done = subprocess.run([*command, "report"], check=True, capture_output=True, text=True)
    measured = json.loads(done.stdout)
    parts = ", ".join(f"{name} {seconds:.1f}" for name, seconds in measured["seconds"].items())
    sys.stdout.write(
        f"\n{measured['samples']:,} scored samples in {measured['total']:.1f} s of one core ({parts}),"
        f" {measured['peak_mib']:.0f} MiB at most; wanted for a million: 60 s, 2048 MiB\n"
    )
    assert measured["samples"] == SAMPLES // 32 * 32
