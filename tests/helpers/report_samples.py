"""Results of a run that never took place, with everything that the report has to cope with; drawn with PIL."""

from __future__ import annotations

import hashlib
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image, ImageDraw

from evalharness.store.results import ARM_COLUMNS, SAMPLE_COLUMNS, Results

CATEGORIES = ("single_object", "two_object", "counting", "colors", "position", "color_attr")
COLORS = ("red", "orange", "yellow", "green", "blue", "purple", "pink", "brown", "black", "white")
SHAPES = ("ball", "box", "tent", "kite")
INJECTION = '<img src=x onerror="document.title=1"></script><script>document.title="owned"</script>'
CAP = 6


def sample_results(
    folder: Path, *, prompts: int = 120, seeds: int = 1, missing: bool = True, second: bool = False
) -> Results:
    """8 arms over ``prompts`` GenEval-like prompts; ``missing`` marks some samples failed or pending."""
    return _SampleRun(folder, np.random.default_rng(0)).results(prompts, seeds, missing, second)


class _SampleRun:
    def __init__(self, folder: Path, generator: np.random.Generator) -> None:
        self.folder, self.generator = folder, generator
        self.trajectories: dict[str, list[dict[str, Any]]] = {}
        self.scores: dict[str, dict[str, Any]] = {}
        folder.mkdir(parents=True, exist_ok=True)

    def results(self, prompts: int, seeds: int, missing: bool, second: bool) -> Results:
        rows = []
        names = ["geneval", "shapes"] if second else ["geneval"]
        for name in names:
            for index in range(prompts):
                rows += self.item(name, index, seeds)
        samples = pd.DataFrame(rows, columns=list(SAMPLE_COLUMNS))
        if missing:
            self.spoil(samples)
        info = _info(names, prompts, seeds)
        return Results(info, _arms(), samples, self.trajectories.__getitem__, self.scores.__getitem__, self.image_path)

    def image_path(self, digest: str) -> Path:
        return self.folder / f"{digest}.png"

    def item(self, benchmark: str, index: int, seeds: int) -> list[dict[str, Any]]:
        category = CATEGORIES[index % len(CATEGORIES)]
        color, shape = COLORS[index % 10], SHAPES[index % 4]
        prompt = f"a photo of a {color} {shape} ({category})"
        if index == 7:
            prompt += f" {INJECTION}"
        rows = []
        for seed in range(seeds):
            key = f"{benchmark}-{index:05d}-{seed}"
            self.trajectories[f"{key}-process"] = self.process(color, shape, index)
            self.trajectories[f"{key}-single"] = [self.step("draw", 0, "", self.draw(color, shape, 3), 20)]
            thought = f"I think of a {color} {shape}. " * 3 + (INJECTION if index == 7 else "")
            self.trajectories[f"{key}-cot"] = [
                self.step("think", 0, thought, None, 0),
                self.step("draw", 0, "", self.draw(color, shape, 2), 20),
            ]
            base = {"benchmark": benchmark, "item": f"{index:05d}", "category": category, "prompt": prompt}
            base |= {"seed_index": seed, "seed": 1000 + seed}
            difficulty = self.generator.random()
            rows.append(self.row(base, "single-pass", f"{key}-single", 0, difficulty < 0.45, color, shape))
            rows.append(self.row(base, "text-cot", f"{key}-cot", 0, difficulty < 0.5, color, shape))
            for cap in range(1, CAP + 1):
                right = difficulty < 0.3 + 0.28 * np.log(cap) + 0.05 * self.generator.standard_normal()
                arm = f"process max_iterations={cap}"
                rows.append(self.row(base, arm, f"{key}-process", cap, bool(right), color, shape))
        return rows

    def row(
        self, base: dict[str, Any], arm: str, key: str, cap: int, right: bool, color: str, shape: str
    ) -> dict[str, Any]:
        steps = [step for step in self.trajectories[key] if step["iteration"] <= cap]
        score_key = f"{key}-{cap}"
        reason = "" if right else f"expected {color} {shape}>=1, found 0 {color}; and 1 gray"
        self.scores[score_key] = {
            "detections": [
                {"class": shape, "box": [24.0, 24.0, 72.0, 72.0], "score": 0.97, "color": color},
                {"class": "bench", "box": [2.0, 60.5, 30.0, 95.0], "score": 0.41, "color": None},
            ],
            "correct": right,
        }
        return base | {
            "arm": arm,
            "state": "scored",
            "score": float(right),
            "reason": reason,
            "image": [step["image"] for step in steps if step["image"]][-1],
            "trajectory": key,
            "score_key": score_key,
            "iterations": max(step["iteration"] for step in steps),
            "evaluations": sum(step["evaluations"] for step in steps),
            "tokens": sum(step["tokens"] for step in steps),
            "seconds": sum(step["seconds"] for step in steps),
            "transparent": False,
            "refinements": sum(step["kind"] == "refine" for step in steps),
        }

    def process(self, color: str, shape: str, index: int) -> list[dict[str, Any]]:
        steps = []
        for iteration in range(1, CAP - index % 2 + 1):
            text = f"Next I place part {iteration} of the {color} {shape}."
            steps.append(self.step("plan", iteration, text, None, 0))
            steps.append(self.step("sketch", iteration, "", self.draw(color, shape, iteration), 20))
            verdict = "All is as asked." if iteration % 2 else f"The {shape} is not quite {color}."
            steps.append(self.step("inspect", iteration, verdict, None, 0))
            if not iteration % 2:
                refined = self.draw(color, shape, iteration, outline="black")
                steps.append(self.step("refine", iteration, f"Make the {shape} {color}.", refined, 20))
        return steps

    def step(self, kind: str, iteration: int, text: str, image: str | None, evaluations: int) -> dict[str, Any]:
        cost = {"evaluations": evaluations, "tokens": len(text.split()), "seconds": 0.01 * evaluations + 0.002}
        seed = 42 if image else None
        return {"kind": kind, "iteration": iteration, "text": text, "image": image, "seed": seed} | cost

    def draw(self, color: str, shape: str, parts: int, outline: str = "gray") -> str:
        picture = Image.new("RGB", (96, 96), "#ecebe6")
        pen = ImageDraw.Draw(picture)
        reach = 8 + 16 * min(parts, 6) // 6
        box = (48 - reach, 48 - reach, 48 + reach, 48 + reach)
        if shape == "ball":
            pen.ellipse(box, fill=color, outline=outline, width=2)
        else:
            pen.regular_polygon((48, 48, reach), {"box": 4, "tent": 3, "kite": 5}[shape], fill=color, outline=outline)
        for part in range(parts):
            pen.ellipse((4 + 12 * part, 84, 12 + 12 * part, 92), fill="gray")
        buffer = io.BytesIO()
        picture.save(buffer, "PNG")
        digest = hashlib.sha256(buffer.getvalue()).hexdigest()
        path = self.image_path(digest)
        if not path.exists():
            path.write_bytes(buffer.getvalue())
        return digest

    def spoil(self, samples: pd.DataFrame) -> None:
        """Two failed samples and one pending in one arm, one not yet scored in another."""
        late = samples.index[samples["arm"] == "process max_iterations=5"]
        empty = ["score", "image", "trajectory", "score_key", "iterations", "evaluations", "tokens", "seconds"]
        samples.loc[late[:3], empty] = None
        samples.loc[late[:2], "state"] = "failed"
        samples.loc[late[:2], "reason"] = f"the model wrote no plan: {INJECTION}"
        samples.loc[late[2], ["state", "reason"]] = ["pending", ""]
        cot = samples.index[samples["arm"] == "process max_iterations=4"][-1]
        samples.loc[cot, ["state", "score", "score_key", "reason"]] = ["generated", None, None, ""]


def _arms() -> pd.DataFrame:
    rows: list[tuple[Any, ...]] = [
        ("single-pass", "miniature", "single_pass", None, "{}", True),
        ("text-cot", "miniature", "text_cot", None, '{"max_tokens": 64}', False),
    ]
    for cap in range(1, CAP + 1):
        settings = json.dumps({"max_iterations": cap, "inspect": True})
        rows.append((f"process max_iterations={cap}", "miniature", "process", cap, settings, False))
    return pd.DataFrame(rows, columns=list(ARM_COLUMNS)).astype({"max_iterations": "Int64"})


def _info(names: list[str], prompts: int, seeds: int) -> dict[str, Any]:
    detector = {"name": "mask2former", "weights": "c9d0c4f2" * 8}
    benchmark = {
        "version": "1",
        "prompt_set": "original",
        "prompt_digest": "5c48e081" * 8,
        "scorer": {"protocol": "1", "detector": detector, "threshold": 0.3},
        "weights": dict.fromkeys(CATEGORIES, 1 / 6),
        "items": prompts,
        "samples": seeds,
    }
    return {
        "name": "iters",
        "seed": 0,
        "sweep": {"name": "iters", "seed": 0, "note": INJECTION},
        "limit": {name: {"items": prompts, "of": 553, "seed": 0} for name in names},
        "benchmarks": dict.fromkeys(names, benchmark),
        "models": {"miniature": {"name": "miniature", "weights": "ab12cd34" * 8, "dtype": "float32"}},
        "versions": {"evalharness": "0.1.0", "torch": "2.14.1"},
        "git_commit": "0123456789abcdef0123456789abcdef01234567",
        "hardware": {"cpu": "2 cores"},
        "started": "2026-11-23T17:00:00Z",
        "wall_seconds": 4321.0,
    }
