"""Times the original BAGEL program on the CPU; prints one line of JSON. Run by ``test_bagel_speed.py``.

    python tests/perf/original_bagel.py CHECKOUT JOB

JOB is a JSON file: sizes, prompts, tokens to write, steps and size of a drawing. The environment is that of
``tests/models/bagel/record_bagel.py``, which says how the original is made to run without a GPU.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parents[1] / "helpers"))

import bagel_small as small
import record_bagel


def main() -> None:
    checkout, job = Path(sys.argv[1]), json.loads(Path(sys.argv[2]).read_text(encoding="utf-8"))
    torch.set_num_threads(job["threads"])
    small.LLM.update(job["llm"])
    small.LATENT_SIDE = job["latent_side"]
    record_bagel.import_original(checkout)
    record_bagel.STEPS = job["steps"]
    original = record_bagel.Recorder()
    original.model.language_model.lm_head.weight.data[small.VOCABULARY.index("<|im_end|>")] = 0  # as bagel_random.py
    counts = {"tokens": 0, "evaluations": 0}
    seconds = dict.fromkeys(counts, 0.0)
    texts = []
    with torch.no_grad():
        for number, prompt in enumerate([job["prompts"][0], *job["prompts"]]):  # the first one twice: to warm up
            context = original.start()
            original.read(context, prompt)
            start = time.process_time()
            before = len(original.passes)
            text = original.write(context, job["tokens"] + 1)
            middle = time.process_time()
            written = len(original.passes) - before
            empty = original.start()
            original.draw(
                context, empty, empty, tuple(job["size"]), number,
                cfg_text_scale=4.0, cfg_img_scale=1.0, cfg_interval=(0.0, 1.0),
            )  # fmt: skip
            if number:
                texts.append(text)
                counts["tokens"] += written
                counts["evaluations"] += job["steps"] - 1
                seconds["tokens"] += middle - start
                seconds["evaluations"] += time.process_time() - middle
    rates = {name: counts[name] / seconds[name] for name in counts}
    sys.stdout.write(json.dumps({"texts": texts, **rates}) + "\n")


if __name__ == "__main__":
    main()
