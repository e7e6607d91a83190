"""Sweep files to begin with, for each kind of model and each benchmark. Comments say what is to be filled in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from evalharness.config.yaml_scalars import is_text
from evalharness.errors import ConfigError, did_you_mean

EDITS = "edits"
"""The benchmark whose items have a picture to change."""
ENDPOINT = "base_url: http://localhost:8000/v1"


@dataclass(frozen=True, slots=True)
class StarterModel:
    """A kind of model.

    Attributes:
        summary: A few words about it.
        lines: The lines of ``models:``, without indentation; the model is called ``mine``.
        arms: The settings of the arms that draw from prompts, by name, the baseline first. Empty if it only edits.
        edits: Whether it changes pictures.
        embedded: Whether the embedded scorers suffice for its images.
    """

    summary: str
    lines: tuple[str, ...]
    arms: Mapping[str, str]
    edits: bool = False
    embedded: bool = False


SINGLE = {"single pass": "variant: single_pass"}
THINKING = {"text-CoT": "variant: text_cot"}
GUIDED = "editing: {image_scale: 2.0, interval: [0.0, 1.0], renorm: text_channel}    # of drawings after an image"
STROKES = "variant: process, format: strokes, tokens: {plan: 256}"
MODELS: Mapping[str, StarterModel] = {
    "miniature": StarterModel(
        "the embedded model, which runs anywhere",
        ("mine: miniature",),
        {**SINGLE, **THINKING, "process": "variant: process, max_iterations: 1..6"},
        embedded=True,
    ),
    "bagel": StarterModel(
        "BAGEL-7B-MoT as published",
        ("mine:", "  name: bagel", "  weights: official    # evalharness fetch bagel", "  words: official",
         "  interval: [0.0, 1.0]", f"  {GUIDED}"),
        {**SINGLE, **THINKING, "process": "variant: process, format: prompted, max_iterations: 1..6"},
        edits=True,
    ),
    "bagel-tuned": StarterModel(
        "your fine-tuned BAGEL that writes the paper's markers",
        ("mine:", "  name: bagel", "  weights: checkpoints/mine    # ema* or model*.safetensors, whole or in parts",
         "  base: official    # evalharness fetch bagel; for the files that the folder lacks", "  interval: [0.0, 1.0]",
         f"  {GUIDED}"),
        {**SINGLE, "process": f"{STROKES}, max_iterations: 1..6",
         "process with the newest image alone": f"{STROKES}, context: latest"},
        edits=True,
    ),
    "unicot": StarterModel(
        "Uni-CoT as published",
        ("mine:", "  name: bagel", "  weights: unicot    # evalharness fetch unicot", "  words: unicot",
         "  unconditional: empty", "  max_tokens: 8192", "  vit_sizes: [980, 378]",
         "  editing: {text_scale: 3.0, image_scale: 1.5, interval: [0.0, 1.0], renorm: text_channel}"),
        {**SINGLE, "text-CoT": "variant: text_cot, format: unicot",
         "process": "variant: process, format: unicot, max_iterations: 1..6"},
        edits=True,
    ),
    "zebra": StarterModel(
        "Bagel-Zebra-CoT as published",
        ("mine:", "  name: bagel", "  weights: zebra    # evalharness fetch zebra", "  words: zebra",
         "  image_scale: 2.0", "  interval: [0.0, 1.0]", "  renorm: text_channel"),
        {**SINGLE, "process": "variant: process, format: zebra, max_iterations: 1..6, inspect: false, refine: false"},
        edits=True,
    ),
    "janus": StarterModel(
        "Janus-Pro of transformers",
        ("mine: {name: any-to-any, weights: checkpoints/Janus-Pro-7B}    # or hub: deepseek-community/Janus-Pro-7B",),
        {**SINGLE, "rewritten, prompt and rewriting": "variant: text_cot, context: both",
         "rewritten, rewriting alone": "variant: text_cot, context: thought", "best of 4": "variant: best_of_n, n: 4"},
    ),
    "emu3": StarterModel(
        "Emu3 of transformers",
        ("mine: {name: any-to-any, weights: checkpoints/Emu3-Gen}    # or hub: BAAI/Emu3-Gen-hf",), SINGLE,
    ),
    "diffusers": StarterModel(
        "a text-to-image pipeline of diffusers",
        ("mine: {name: diffusers, weights: checkpoints/pipeline}    # or hub: Qwen/Qwen-Image",), SINGLE,
    ),
    "diffusers-edit": StarterModel(
        "an editing pipeline of diffusers",
        ("mine: {name: diffusers, weights: checkpoints/editor}    # or hub: black-forest-labs/FLUX.1-Kontext-dev",), {},
        edits=True,
    ),
    "images-api": StarterModel(
        "an endpoint with OpenAI's images API",
        ("mine:", "  name: images-api", "  model: Qwen/Qwen-Image    # its name there", f"  {ENDPOINT}",
         "  # max_dollars: 20; seed_field: null for an endpoint without seeds"),
        SINGLE, edits=True,
    ),
    "composite": StarterModel(
        "the process by a chat model and an editing pipeline",
        ("mine:", "  name: composite", f"  writer: {{name: openai, {ENDPOINT}, model: Qwen3.5-35B-A3B}}",
         "  editor: {name: diffusers, weights: checkpoints/editor}    # or hub: black-forest-labs/FLUX.1-Kontext-dev"),
        {**SINGLE, "process": "variant: process, max_iterations: 1..4"},
    ),
    "composite-redraw": StarterModel(
        "the process by a chat model and any model that draws",
        ("mine:", "  name: composite", f"  writer: {{name: openai, {ENDPOINT}, model: Qwen3.5-35B-A3B}}",
         "  painter: {name: images-api, base_url: http://localhost:8001/v1, model: Qwen/Qwen-Image}", "  redraw: true"),
        {**SINGLE, "rewritten": "variant: text_cot, context: thought",
         "process by redraw": "variant: process, max_iterations: 1..4"},
    ),
    "folder": StarterModel(
        "images that exist already",
        ("mine: {name: folder, path: IMAGES}    # docs/geneval.md says how files are named",), SINGLE,
    ),
}  # fmt: skip
"""Name of a kind of model → what a sweep file needs for it."""

JUDGE = f"judge: {{name: openai, {ENDPOINT}, model: Qwen3.5-35B-A3B}}"
BENCHMARKS: Mapping[str, tuple[str, ...]] = {
    "geneval": (
        "name: geneval",
        "# As published, after `evalharness fetch geneval`; without these two lines the embedded scorers are used.",
        "detector: {name: mask2former, weights: official}",
        "colors: {weights: official}",
    ),
    "geneval2": (
        "name: geneval2    # evalharness fetch geneval2",
        "judge: {name: transformers, weights: Qwen/Qwen3-VL-8B-Instruct}",
    ),
    "crowded": ("name: crowded    # made for the embedded model",),
    "wise-mini": ("name: wise-mini",),
    "wise-verified": ("name: wise-verified    # evalharness fetch wise-verified", JUDGE),
    "wise-legacy": ("name: wise-legacy    # evalharness fetch wise-legacy", JUDGE),
    "dpg-bench": ("name: dpg-bench    # evalharness fetch dpg-bench", JUDGE),
    "unigenbench": ("name: unigenbench    # evalharness fetch unigenbench", "prompts: en", "order: image-first", JUDGE),
    "checklist": (
        "name: checklist",
        "prompts: PROMPTS    # with questions: docs/sweep-files.md#checklist",
        JUDGE,
    ),
    EDITS: (f"name: {EDITS}", "prompts: PROMPTS    # instructions with pictures: docs/sweep-files.md#edits", JUDGE),
}
"""Name of a benchmark → its lines. ``PROMPTS`` stands for a file of the user's."""


def starter(name: str, model: str, benchmark: str, prompts: str | None = None, images: str | None = None) -> str:
    """A commented sweep file.

    Args:
        name: The name of the sweep.
        model: A key of :data:`MODELS`.
        benchmark: A key of :data:`BENCHMARKS`.
        prompts: The file of prompts, for benchmarks that have none of their own.
        images: The folder of images, for the model that has its images already.

    Raises:
        ConfigError: There is no such model or benchmark, they do not go together, or a file is not named.
    """
    for kind, word, known in (("model", model, MODELS), ("benchmark", benchmark, BENCHMARKS)):
        if word not in known:
            raise ConfigError(f"--{kind}: {word!r} is none of {', '.join(known)}{did_you_mean(word, known)}")
    chosen, lines = MODELS[model], BENCHMARKS[benchmark]
    arms = {"edit": "variant: edit"} if benchmark == EDITS else chosen.arms
    if not arms or (benchmark == EDITS and not chosen.edits):
        able = [key for key, kind in MODELS.items() if (kind.edits if benchmark == EDITS else kind.arms)]
        raise ConfigError(f"{model!r} does not do {benchmark!r}; these do: {', '.join(able)}")
    if chosen.embedded and benchmark == "geneval":
        lines = lines[:1]
    text = "\n".join([
        f"# {chosen.summary[0].upper()}{chosen.summary[1:]}, on {benchmark}.",
        f"# What it would do: evalharness sweep {name}.yaml --dry-run",
        f"name: {name if is_text(name) else _quoted(name)}",
        "seed: 0",
        "",
        "models:",
        *(f"  {line}" for line in chosen.lines),
        "",
        "benchmarks:",
        *(f"  {'  ' if number else '- '}{line}" for number, line in enumerate(lines)),
        "    # limit: 100     # a subset, chosen at random",
        "    # samples: 1     # images of each prompt",
        "",
        "arms:",
        *(f"  - {{name: '{arm}', {settings}}}" for arm, settings in arms.items()),
        "",
        f"baseline: {next(iter(arms))}",
        "executor: local    # a process for each GPU",
        "",
    ])  # fmt: skip
    files = {"PROMPTS": ("--prompts FILE", prompts), "IMAGES": ("--images DIR", images)}
    for word, (option, given) in files.items():
        if (word in text) != (given is not None):
            raise ConfigError(
                f"{model} on {benchmark} needs {option}" if given is None else f"{option} has no use here"
            )
        text = text.replace(word, _quoted(given or ""))
    return text


def _quoted(text: str) -> str:
    """A text as a YAML string in single quotes."""
    return "'" + text.replace("'", "''") + "'"
