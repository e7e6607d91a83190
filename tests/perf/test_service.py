"""The scoring service against a sweep over the same folder, many small requests against one, and the published loop.

``EVALHARNESS_PERF_SERVICE`` says how many images for the embedded networks (128 by default), and
``EVALHARNESS_PERF_IMAGES`` how many for networks of the published size
(8 by default: some minutes on two CPU cores).
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest
import untrained
from score_service import encoded, process, serving

import evalharness as eh
from evalharness._util.image_files import png_bytes
from evalharness.benchmarks.geneval.benchmark import GenEval
from evalharness.benchmarks.geneval.scoring_rules import Rules
from evalharness.store.store import Store
from evalharness.types.item import Item

pytest.importorskip("fastapi")

IMAGES = int(os.environ.get("EVALHARNESS_PERF_SERVICE", "128"))
LARGE = int(os.environ.get("EVALHARNESS_PERF_IMAGES", "8"))
AT_ONCE = 64
ROUNDS = 5

pytestmark = pytest.mark.perf

Picture = tuple[bytes, Item]


@pytest.fixture(scope="module")
def geneval() -> Iterator[httpx.Client]:
    """A client of a server that is a process of its own, as that of a training is."""
    with (
        process("geneval", "--workers", "1") as (_, address),
        httpx.Client(base_url=address, timeout=600, trust_env=False) as client,
    ):
        ask(client, pictures(1))
        yield client


def pictures(count: int) -> list[Picture]:
    """Drawings of the embedded world with the items that they were made for, each a little different."""
    answers = GenEval(GenEval.Settings()).known_answers()
    made = []
    for index in range(count):
        answer = answers[index % len(answers)]
        image = answer.image.convert("RGB").resize((128, 128))
        image.putpixel((0, 0), (index % 256, index // 256, 0))
        made.append((png_bytes(image), answer.item))
    return made


def ask(client: httpx.Client, images: list[Picture]) -> list[float]:
    entries = [{"image": encoded(data), "metadata": item.metadata} for data, item in images]
    answer = client.post("/score", json={"images": entries})
    assert answer.status_code == 200, answer.text
    return [result["score"] for result in answer.json()["results"]]


def timed(work: Callable[[], Any]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def test_as_fast_as_a_sweep_over_the_same_folder(geneval: httpx.Client, tmp_path: Path) -> None:
    """The sweep's seconds are those within its batches: reading files, the store and the report are not counted."""
    images = pictures(IMAGES)
    folder = tmp_path / "images"
    lines = []
    for index, (data, item) in enumerate(images):
        path = folder / f"{index:05d}" / "samples" / "0000.png"
        path.parent.mkdir(parents=True)
        path.write_bytes(data)
        lines.append(item.metadata)
    prompts = tmp_path / "prompts.jsonl"
    prompts.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    file = tmp_path / "folder.yaml"
    file.write_text(
        f"name: folder\nmodel: {{name: folder, path: {folder}}}\n"
        f"benchmarks:\n  - {{name: geneval, prompts: {prompts}, samples: 1}}\n"
        "arms:\n  - {name: images, variant: single_pass}\nexecutor: {name: local, workers: 2}\n"
    )
    before = timed(lambda: ask(geneval, images))
    with eh.run(file, out=tmp_path / "r" / "folder", quiet=True) as results:
        assert (results.samples["state"] == "scored").all()
    with Store(tmp_path / "r" / "store", write=False) as store:
        timed_scores, seconds = store.scores.mean_seconds(eh.plan(file).benchmarks["geneval"].scorer_digest)
    assert timed_scores >= IMAGES / 2  # not those of the batches that loaded the networks
    service = (before + timed(lambda: ask(geneval, images))) / 2
    ratio = seconds * IMAGES / service
    print(f"\n{IMAGES} images: {service / IMAGES:.4f} s an image, sweep {seconds:.4f}: {ratio:.2f} times as fast")  # noqa: T201


def test_many_requests_of_one_image_are_as_fast_as_one_of_many(geneval: httpx.Client) -> None:
    images = pictures(AT_ONCE)
    alone, together = 0.0, 0.0
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for _ in range(ROUNDS):
            together += timed(lambda: ask(geneval, images))
            alone += timed(lambda: list(pool.map(lambda image: ask(geneval, [image]), images)))
    print(f"\n{AT_ONCE} requests at once against one of {AT_ONCE}: {together / alone:.2f} times as fast")  # noqa: T201


def test_against_the_published_loop(tmp_path: Path) -> None:
    """Networks of the published size with random weights, images of 512 pixels."""
    pytest.importorskip("mmdet", reason="MMDetection is not installed: pip install 'evalharness[geneval]'")
    from official_loop import OfficialLoop

    from evalharness.detectors import coco

    untrained.save_detector(tmp_path / "detector")
    untrained.save_clip(tmp_path / "clip.safetensors")
    settings = {
        "detector": {"name": "mask2former", "weights": tmp_path / "detector"},
        "colors": {"architecture": untrained.CLIP, "weights": tmp_path / "clip.safetensors"},
        "evidence_floor": Rules().threshold,  # colours for the objects that the published program sees, and no more
    }
    images = []
    for item in untrained.items(LARGE):
        path = tmp_path / f"{item.id}.png"
        untrained.picture(item, 0).save(path)
        images.append((path, item))
    scorer = GenEval(GenEval.Settings.model_validate(settings)).scorer()
    theirs = OfficialLoop(scorer.detector.load()[0].state_dict(), coco.CLASSES, scorer.colours.load(), "cpu")
    with serving("geneval", settings) as running:
        ask(running.client, [(path.read_bytes(), item) for path, item in images[:1]])
        theirs.score(images[0][0], images[0][1].metadata)
        ours = timed(lambda: ask(running.client, [(path.read_bytes(), item) for path, item in images]))
    other = timed(lambda: [theirs.score(path, item.metadata) for path, item in images])
    times = f"{ours / LARGE:.2f} s an image, the published loop {other / LARGE:.2f}"
    print(f"\n{LARGE} images: {times}: {other / ours:.2f} times as fast")  # noqa: T201
