"""Times the original BAGEL program on the CPU; prints one line of JSON. Run by ``test_bagel_speed.py``.

    python tests/helpers/original_bagel.py CHECKOUT tests/perf/time_original_bagel.py JOB

JOB is a JSON file: sizes, prompts, tokens to write, steps and size of a drawing.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import bagel_small as small
import torch
from original_bagel import OriginalBagel


def main() -> None:
    job = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    torch.set_num_threads(job["threads"])
    original = OriginalBagel(job["llm"], job["latent_side"], job["steps"])
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
