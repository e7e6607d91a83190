"""The model against an endpoint on this machine that says what it is told to."""

from __future__ import annotations

import base64
import gzip
import io
import json
import struct
import time
import zlib
from typing import Any

import pytest
from image_server import REFUSAL, drawing, editing, form, inverted, made, picture
from images_model import KEY, SEED, made_by, model, number_of, requests
from judge_server import Answer, Call, error, serving
from PIL import Image
from pydantic import ValidationError

from evalharness.api.model import ImageModel, ImageRequest, ImageSource, RemoteImageModel
from evalharness.api.plugin_results import plain_trajectory
from evalharness.errors import BudgetError, EndpointError, SampleError
from evalharness.types.spent import Spent
from evalharness.types.trajectory import Step, Trajectory

pytest.importorskip("openai", reason="the extra `images-api` is not installed")
pytest.importorskip("aiohttp", reason="the extra `images-api` is not installed")


# --- images ---


def test_every_order_gets_its_own_image_and_its_cost() -> None:
    def respond(call: Call) -> Answer:
        return Answer(drawing(call, usage=True, revised_prompt=f"a fine {call.body['prompt']}").body, delay=0.02)

    with serving(respond) as (server, url):
        outcomes = made_by(model(url, price_image=0.02, price_prompt=10, price_completion=40), 50)
    assert len(server.calls) == len(outcomes) == 50
    for number, step in outcomes.items():
        assert isinstance(step, Step)
        assert step.image is not None
        assert step.seed == (SEED + number) % 2**31
        with (
            Image.open(io.BytesIO(step.image)) as image,
            Image.open(io.BytesIO(picture(f"thing {number}", step.seed))) as own,
        ):
            assert image.tobytes() == own.tobytes()
        assert (step.kind, step.text, step.cost.tokens) == ("draw", f"a fine thing {number}", 1000)
        assert step.cost.dollars == pytest.approx(0.02 + 50 * 10e-6 + 1000 * 40e-6)
        assert 0.02 < step.cost.seconds < 10


def test_the_request_is_the_official_clients(images_key: str) -> None:
    """Against the client's own method for images."""
    import openai

    extra = {"size": "1024x1024", "quality": "high", "num_inference_steps": 50, "negative_prompt": "ugly"}
    with serving(drawing) as (server, url):
        made_by(model(url, extra_body=extra))
        openai.OpenAI(api_key=images_key, base_url=url).images.generate(
            model="painter-1", prompt="thing 0", n=1, extra_body={"seed": SEED % 2**31, **extra}
        )
    ours, theirs = server.calls
    assert ours.body == theirs.body
    assert (ours.method, ours.path) == (theirs.method, theirs.path) == ("POST", "/v1/images/generations")
    assert ours.headers["authorization"] == theirs.headers["authorization"] == f"Bearer {images_key}"


def test_the_seed_has_the_name_that_it_is_given_or_none() -> None:
    with serving(lambda call: Answer(made(picture("x")))) as (server, url):
        named = made_by(model(url, seed_field="random_seed", seed_bits=63))
        without = made_by(model(url, seed_field=None))
    assert server.calls[0].body == {"model": "painter-1", "prompt": "thing 0", "n": 1, "random_seed": SEED}
    assert server.calls[1].body == {"model": "painter-1", "prompt": "thing 0", "n": 1}
    assert (named[0].seed, without[0].seed) == (SEED, None)


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP"])
def test_image_formats(form: str) -> None:
    with serving(lambda call: Answer(made(picture("x", form=form, size=(20, 10))))) as (_, url):
        (step,) = made_by(model(url)).values()
    with Image.open(io.BytesIO(step.image)) as image:
        assert (image.format, image.mode, image.size) == ("PNG", "RGB", (20, 10))


def test_of_a_png_only_its_pixels_are_kept() -> None:
    from PIL.PngImagePlugin import PngInfo

    recorded, buffer = PngInfo(), io.BytesIO()
    recorded.add_text("parameters", "secret")
    Image.new("RGB", (4, 4), "red").save(buffer, "PNG", pnginfo=recorded, icc_profile=b"profile")
    with serving(lambda call: Answer(made(buffer.getvalue() + b"<script>"))) as (_, url):
        (step,) = made_by(model(url)).values()
    with Image.open(io.BytesIO(step.image)) as image:
        assert image.info == {}
        assert image.getpixel((0, 0)) == (255, 0, 0)
    assert b"script" not in step.image


def test_a_transparent_image_is_told_from_an_opaque_one() -> None:
    def respond(call: Call) -> Answer:
        buffer = io.BytesIO()
        Image.new("RGBA", (4, 4), (200, 100, 50, 254 + number_of(call))).save(buffer, "PNG")
        return Answer(made(buffer.getvalue()))

    with serving(respond) as (_, url):
        drawn = made_by(model(url), 2)
    steps = [plain_trajectory(Trajectory((drawn[number],)), "images-api").steps[0] for number in (0, 1)]
    assert [step.transparent for step in steps] == [True, False]
    for step in steps:
        with Image.open(io.BytesIO(step.image or b"")) as image:
            assert (image.mode, image.getpixel((0, 0))) == ("RGB", (200, 100, 50))


def test_a_data_url_is_an_image() -> None:
    address = "data:image/png;base64," + base64.b64encode(picture("x")).decode()
    with serving(lambda call: Answer(made(url=address))) as (_, url):
        assert isinstance(made_by(model(url))[0], Step)


def test_an_edit_is_the_official_clients_request(images_key: str) -> None:
    """Against the client's own method for edits: the same form, but for its boundary."""
    import openai

    before = picture("before", size=(20, 10))
    extra = {"size": "1024x1024", "num_inference_steps": 50, "quality": "high"}
    with serving(editing) as (server, url):
        request = ImageRequest("invert it", SEED, before)
        ((_, step),) = model(url, extra_body=extra, price_image=0.02).generate([(0, request)])
        openai.OpenAI(api_key=images_key, base_url=url).images.edit(
            model="painter-1", prompt="invert it", n=1, image=("image.png", before, "image/png"),
            extra_body={"seed": SEED % 2**31, **extra},
        )  # fmt: skip
    ours, theirs = server.calls
    assert form(ours) == form(theirs)
    assert (ours.method, ours.path) == (theirs.method, theirs.path) == ("POST", "/v1/images/edits")
    assert ours.headers["authorization"] == theirs.headers["authorization"] == f"Bearer {images_key}"
    assert ours.headers["content-type"].partition(";")[0] == theirs.headers["content-type"].partition(";")[0]
    assert isinstance(step, Step) and step.image is not None
    assert (step.seed, step.cost.dollars) == (SEED % 2**31, 0.02)
    with Image.open(io.BytesIO(step.image)) as image, Image.open(io.BytesIO(inverted(before))) as expected:
        assert image.tobytes() == expected.tobytes()


def test_an_edit_that_is_refused_says_so() -> None:
    with serving(lambda call: Answer(REFUSAL, 400)) as (_, url):
        ((_, outcome),) = model(url).generate([(0, ImageRequest("x", 0, picture("before")))])
    assert isinstance(outcome, SampleError) and str(outcome).startswith("refused: ")


def test_an_endpoint_that_only_edits_is_reachable() -> None:
    def respond(call: Call) -> Answer:
        return Answer(error("no image"), 422) if call.path.endswith("/edits") else Answer(error("no such route"), 404)

    with serving(respond) as (_, url):
        model(url).reachable()
    with serving(lambda call: Answer(error("no such route"), 404)) as (_, url), pytest.raises(EndpointError):
        model(url).reachable()


# --- what is not an image ---


def bomb(side: int) -> bytes:
    """A PNG of a few hundred bytes that says it is ``side`` pixels wide and high."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b"\0" * 9999))
        + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "no image but"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "unusable image: cannot identify image file"),
        (picture("x", form="GIF"), "unusable image: cannot identify image file"),
        (picture("x", size=(64, 64))[:-40], "unusable image: "),
        (bomb(5000), "unusable image: 5000 × 5000 pixels are more than 16777216"),
        (bomb(60_000), "unusable image: "),
    ],
    ids=["nothing", "svg", "gif", "cut", "large", "bomb"],
)
def test_what_is_no_image_is_failed_with_the_reason(data: bytes, says: str) -> None:
    with serving(lambda call: Answer(made(data)) if number_of(call) == 1 else drawing(call)) as (_, url):
        outcomes = made_by(model(url, retries=1), 3)
    assert isinstance(outcomes[1], SampleError)
    assert says in str(outcomes[1])
    assert isinstance(outcomes[0], Step)
    assert isinstance(outcomes[2], Step)


def test_sixteen_bits_and_other_bytes() -> None:
    buffer = io.BytesIO()
    Image.new("I;16", (4, 4)).save(buffer, "PNG")
    bodies = [made(buffer.getvalue()), {"data": [{"b64_json": "%%%"}]}, {"data": [{"url": "data:image/png,abc"}]}]
    with serving(lambda call: Answer(bodies[number_of(call)])) as (server, url):
        outcomes = made_by(model(url), 3)
    assert len(server.calls) == 3, "they are not asked for again"
    assert [str(outcomes[number]) for number in range(3)] == [
        "unusable image: mode I;16 has more than 8 bits a channel",
        "no image came: not base64: Only base64 data is allowed",
        "no image came: a data URL that is not base64",
    ]


def test_an_answer_that_is_too_large_is_not_read_to_its_end() -> None:
    large = {"data": [{"b64_json": "A" * 3_000_000}]}
    squeezed = Answer(gzip.compress(json.dumps(large).encode()), headers={"content-encoding": "gzip"})
    answers = [Answer(large), squeezed, Answer(json.dumps(large).encode(), 500)]
    with serving(lambda call: answers[number_of(call)]) as (server, url):
        outcomes = made_by(model(url, max_bytes=1_000_000), 3)
    assert len(server.calls) == 3
    assert [str(outcomes[number]) for number in range(3)] == [
        "the answer is too large: more than 0.953674 MiB",
        "the answer is too large: more than 0.953674 MiB",
        "the answer is too large: more than 0.953674 MiB",
    ]


# --- refusals ---


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (Answer(REFUSAL, 400), "refused: the endpoint answers 400: Your request was rejected by the safety system."),
        (Answer(error("no", code="content_policy_violation"), 403), "refused: the endpoint answers 403: no"),
        (Answer({"data": [], "reason": "content filter"}), 'refused: {"data": [], "reason": "content filter"}'),
    ],
)
def test_a_refusal_is_failed_as_such_never_retried_and_no_sign_of_others(answer: Answer, says: str) -> None:
    with serving(lambda call: drawing(call) if number_of(call) == 39 else answer) as (server, url):
        outcomes = made_by(model(url), 40)
    assert len(server.calls) == 40
    assert {str(images_model) for images_model in outcomes.values() if isinstance(images_model, SampleError)} == {says}
    assert isinstance(outcomes[39], Step)


# --- tries, places, budgets: as the judge has them, in brief ---


@pytest.mark.parametrize(
    "trouble",
    [
        Answer(error("busy"), 429, {"retry-after": "0.05"}),
        Answer(error("broken"), 500),
        Answer(cut=True),
        Answer(hang=True),
        Answer(b"<html>busy</html>"),
        Answer({"data": []}),
    ],
    ids=lambda answer: f"{answer.status} {answer.body!r:.20} {answer.hang} {answer.cut}",
)
def test_what_passes_is_tried_again(trouble: Answer) -> None:
    with serving(lambda call: drawing(call) if call.nth else trouble) as (server, url):
        outcomes = made_by(model(url, timeout=2 if trouble.hang else 30), 3)
    assert [type(images_model) for images_model in outcomes.values()] == [Step] * 3
    assert len(server.calls) == 6


def test_retry_after_is_waited_for() -> None:
    times: list[float] = []

    def respond(call: Call) -> Answer:
        times.append(time.monotonic())
        return drawing(call) if call.nth else Answer(error("busy"), 429, {"retry-after": "0.4"})

    with serving(respond) as (_, url):
        made_by(model(url, backoff=0))
    assert times[1] - times[0] >= 0.4


def test_a_seed_that_the_endpoint_does_not_take_is_explained() -> None:
    hint = r"10 prompts in a row got no image, .*set seed_field: null"
    unknown = Answer(error("Unknown parameter: 'seed'."), 400)
    with serving(lambda call: unknown) as (server, url), pytest.raises(EndpointError, match=hint):
        made_by(model(url), 100)
    assert len(server.calls) < 30


def test_no_more_calls_at_once_than_places() -> None:
    with serving(lambda call: Answer(drawing(call).body, delay=0.02, together=5)) as (server, url):
        made_by(model(url, concurrency=5), 40)
    assert server.most_at_once == 5


def test_a_budget_of_calls() -> None:
    with serving(lambda call: Answer(drawing(call).body, delay=0.02)) as (server, url):
        images_model, outcomes = model(url, max_calls=20, concurrency=8), []
        images_model.recall(Spent(5, 0.0))
        with pytest.raises(BudgetError, match="20 of 20 calls, 5 calls of them in earlier runs; raise it"):
            for pair in images_model.generate(requests(100)):
                outcomes.append(pair)
    assert len(outcomes) == len(server.calls) == 15


def test_a_budget_of_dollars_at_a_price_an_image_needs_no_first_call_to_learn_it() -> None:
    with serving(lambda call: Answer(drawing(call).body, delay=0.05, together=8)) as (server, url):
        outcomes = []
        with pytest.raises(BudgetError, match=r"0\.48 of 0\.5 dollars"):
            for pair in model(url, max_dollars=0.5, price_image=0.04, concurrency=8).generate(requests(100)):
                outcomes.append(pair)
    assert len(outcomes) == len(server.calls) == 12
    assert server.most_at_once == 8


def test_dollars_cannot_be_counted_without_tokens() -> None:
    with serving(drawing) as (server, url), pytest.raises(EndpointError, match="set max_calls in its place"):
        made_by(model(url, max_dollars=1, price_completion=40), 100)
    assert len(server.calls) == 1


def test_a_wrong_key_ends_it_and_says_no_key(images_key: str) -> None:
    refusal = Answer(error(f"Incorrect API key provided: {KEY}"), 401)
    with serving(lambda call: refusal) as (server, url), pytest.raises(EndpointError) as caught:
        made_by(model(url), 100)
    assert str(caught.value).startswith(f"model painter-1 at {url}: the endpoint does not accept the key (401); check")
    assert KEY not in str(caught.value)
    assert len(server.calls) <= 8


def test_no_key_in_what_is_kept(images_key: str) -> None:
    def respond(call: Call) -> Answer:
        if number_of(call):
            return Answer(error(f"you sent {KEY}"), 413)
        return Answer(drawing(call, revised_prompt=f"a key {KEY} on a table").body)

    with serving(respond) as (_, url):
        images_model = model(url)
        outcomes = made_by(images_model, 2)
    assert outcomes[0].text == "a key [key] on a table"
    assert str(outcomes[1]) == "the endpoint answers 413: you sent [key]"
    assert KEY not in json.dumps(dict(images_model.identity())) + repr(outcomes)


# --- reachable ---


def models(*names: str) -> Answer:
    return Answer({"object": "list", "data": [{"id": name} for name in names]})


def test_reachable_without_an_image() -> None:
    with serving(lambda call: models("other", "painter-1")) as (server, url):
        model(url).reachable()
    assert [call.path for call in server.calls] == ["/v1/models"]
    lacking = Answer(error("prompt: field required"), 422)
    with serving(lambda call: Answer({}, 404) if call.method == "GET" else lacking) as (server, url):
        model(url).reachable()
    assert server.calls[1].body == {"model": "painter-1"}


@pytest.mark.parametrize(
    ("listed", "refusal", "says"),
    [
        (
            models("painter-2"),
            Answer(error("no such model"), 404),
            "check model and base_url; did you mean 'painter-2'?",
        ),
        (models("painter-2"), Answer(error("model not found"), 400), "did you mean 'painter-2'?"),
        (Answer(error("who?"), 401), Answer({}), "check the key in the environment variable IMAGES_KEY"),
        (Answer({}, 404), Answer(b"<html>"), "no images here; base_url usually ends in /v1"),
    ],
)
def test_unreachable_says_what_to_do(listed: Answer, refusal: Answer, says: str) -> None:
    respond = lambda call: listed if call.method == "GET" else refusal  # noqa: E731
    with serving(respond) as (_, url), pytest.raises(EndpointError) as caught:
        model(url).reachable()
    assert says in str(caught.value)


# --- settings ---


def test_it_is_a_service_and_nothing_else() -> None:
    images_model = model("http://x/v1")
    assert isinstance(images_model, RemoteImageModel)
    assert not isinstance(images_model, ImageModel | ImageSource)
    with pytest.raises(SampleError, match="the prompt is empty"):
        images_model.check(" ")


def test_identity_has_what_decides_an_image_and_nothing_else() -> None:
    images_model = model("http://10.0.0.7:8000/v1", extra_body={"size": "512x512"})
    assert images_model.identity() == {
        "name": "images-api",
        "endpoint": "images.generations",
        "model": "painter-1",
        "extra_body": {"size": "512x512"},
        "seed": {"field": "seed", "bits": 31},
    }
    other = model("https://elsewhere/v1", extra_body={"size": "512x512"}, concurrency=3, max_calls=2, key_env="OTHER")
    assert other.identity() == images_model.identity()


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"key_env": "sk-secret"}, "not the key"),
        ({"extra_body": {"prompt": "other"}}, "'prompt' is not for extra_body"),
        ({"extra_body": {"n": 4}}, "'n' is not for extra_body"),
        ({"extra_body": {"Authorization": "secret"}}, "'Authorization' is not for extra_body"),
        ({"extra_body": {"seed": 3}}, "'seed' is in the request already"),
        ({"seed_field": "prompt"}, "'prompt' is in the request already"),
        ({"max_dollars": 1}, "needs price_image"),
        ({"url_hosts": ["cdn.example"]}, "needs urls: true"),
        ({"seed_bits": 64}, "less than or equal to 63"),
        ({"steps": 5}, "Extra inputs are not permitted"),
    ],
)
def test_settings_are_checked(settings: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError) as caught:
        model(**{"url": "http://x/v1", **settings})
    first = caught.value.errors()[0]
    assert says in first["msg"]
    assert "secret" not in first["msg"]
