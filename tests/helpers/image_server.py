"""An endpoint that speaks OpenAI's image generation on 127.0.0.1, on top of judge_server's connections and faults.

As a script it is a process of its own, which a test may load or outlive: ``python image_server.py --help``.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import contextlib
import hashlib
import io
import json
import os
import random
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from judge_server import Answer, Call, Respond, Server, error, serve_forever
from PIL import Image, ImageOps

REFUSAL = error(
    "Your request was rejected by the safety system.", code="moderation_blocked", type="image_generation_user_error"
)


def picture(prompt: str, seed: int = 0, *, size: tuple[int, int] = (16, 16), form: str = "PNG") -> bytes:
    """The image of a prompt and a seed: one colour, and always the same."""
    color = tuple(hashlib.sha256(f"{prompt}{seed}".encode()).digest()[:3])
    buffer = io.BytesIO()
    Image.new("RGB", size, color).save(buffer, form)
    return buffer.getvalue()


def made(data: bytes | None = None, *, url: str | None = None, usage: bool = False, **more: Any) -> dict[str, Any]:
    """The body of an answer with one image."""
    image = {"url": url} if data is None else {"b64_json": base64.b64encode(data).decode()}
    body: dict[str, Any] = {"created": 1, "data": [image | more]}
    if usage:
        body["usage"] = {"input_tokens": 50, "output_tokens": 1000, "total_tokens": 1050}
    return body


def drawing(call: Call, **more: Any) -> Answer:
    """What a sound endpoint answers."""
    return Answer(made(picture(call.body["prompt"], call.body.get("seed", 0)), **more))


def form(call: Call) -> dict[str, bytes]:
    """The fields of a multipart request."""
    boundary = call.headers["content-type"].partition("boundary=")[2].encode()
    fields = {}
    for part in call.data.split(b"--" + boundary)[1:-1]:
        head, _, value = part.partition(b"\r\n\r\n")
        name = re.search(rb'name="([^"]+)"', head)
        assert name is not None
        fields[name[1].decode()] = value.removesuffix(b"\r\n")
    return fields


def inverted(data: bytes) -> bytes:
    """An image file with all colours inverted."""
    buffer = io.BytesIO()
    ImageOps.invert(Image.open(io.BytesIO(data)).convert("RGB")).save(buffer, "PNG")
    return buffer.getvalue()


def editing(call: Call) -> Answer:
    """What an endpoint answers that inverts the images that it is sent."""
    return Answer(made(inverted(form(call)["image"])))


def faulty(seed: int, latency: float) -> Respond:
    """429 to a quarter of the calls, 500 to a tenth, garbage to a tenth; one in fifty hangs; some prompts are refused,
    some images are none. Which, is decided by the order and how often it was asked, not by the moment."""

    def respond(call: Call) -> Answer:
        prompt = call.body["prompt"]
        about = random.Random(f"{seed} {prompt}").random()
        if about < 0.1:
            return Answer(REFUSAL, 400)
        if about < 0.15:
            return Answer(made(b"GIF89a, or so it says"), delay=latency)
        what = random.Random(f"{seed} {prompt} {call.nth}").random()
        if what < 0.25:
            return Answer(error("too many"), 429, {"retry-after": "0.1"})
        if what < 0.35:
            return Answer(error("broken"), 500)
        if what < 0.45:
            return Answer(b"<html>busy</html>", delay=latency)
        if what < 0.47:
            return Answer(hang=True)
        return Answer(drawing(call).body, delay=latency)

    return respond


@contextlib.contextmanager
def process(*options: str) -> Iterator[str]:
    """This file as a program; yields the base URL."""
    command = [sys.executable, __file__, *options]
    # Its own folder, which a safe path leaves out, holds what it imports.
    env = os.environ | {"PYTHONPATH": str(Path(__file__).parent)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=env) as running:
        try:
            assert running.stdout is not None
            yield running.stdout.readline().strip()
        finally:
            running.kill()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--latency", type=float, default=0.05)
    parser.add_argument("--places", type=int, default=64)
    parser.add_argument("--faults", type=int, metavar="SEED", help="break some of the calls")
    parser.add_argument("--log", type=Path, help="a line for each call, and for each answer that was sent whole")
    options = parser.parse_args()
    asyncio.run(_serve(options))


async def _serve(options: argparse.Namespace) -> None:
    def log(event: str, call: Call, answer: Answer) -> None:
        if options.log is not None:
            image = isinstance(answer.body, dict) and bool(answer.body.get("data"))
            line = {"event": event, "prompt": call.body["prompt"], "seed": call.body.get("seed"), "image": image}
            with options.log.open("a") as file:
                file.write(json.dumps(line) + "\n")

    def respond(call: Call) -> Answer:
        if options.faults is None:
            answer = Answer(drawing(call).body, delay=options.latency)
        else:
            answer = faulty(options.faults, options.latency)(call)
        log("asked", call, answer)
        return answer

    await serve_forever(Server(respond, options.places, lambda call, answer: log("sent", call, answer)))


if __name__ == "__main__":
    main()
