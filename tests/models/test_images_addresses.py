"""Answers that name an image's address instead of holding it."""

from __future__ import annotations

import pytest
from image_server import made, picture
from images_model import made_by, model, number_of
from judge_server import Answer, Call, serving

from evalharness.errors import EndpointError
from evalharness.models.images_response import reason_not_to_follow
from evalharness.types.trajectory import Step

pytest.importorskip("openai", reason="the extra `images-api` is not installed")
pytest.importorskip("aiohttp", reason="the extra `images-api` is not installed")


def test_an_address_is_not_followed_unless_that_is_set() -> None:
    with (
        serving(lambda call: Answer(made(url="http://127.0.0.1:9/a.png"))) as (server, url),
        pytest.raises(EndpointError, match=r"sends an address .*extra_body: \{response_format: b64_json\}, or set"),
    ):
        made_by(model(url), 100)
    assert {call.path for call in server.calls} == {"/v1/images/generations"}
    assert len(server.calls) <= 8


def test_an_address_of_the_same_host_is_fetched_without_the_key(images_key: str) -> None:
    def respond(call: Call) -> Answer:
        if call.path.startswith("/files"):
            return Answer(picture("x"), headers={"content-type": "image/png"}) if call.nth else Answer({}, 503)
        return Answer(made(url=f"http://{call.headers['host']}/files/a.png?signature=1"))

    with serving(respond) as (server, url):
        (step,) = made_by(model(url, urls=True)).values()
    assert isinstance(step, Step)
    assert [call.path for call in server.calls] == ["/v1/images/generations", *["/files/a.png?signature=1"] * 2]
    assert "authorization" not in server.calls[1].headers


@pytest.mark.parametrize(
    ("address", "says"),
    [
        ("http://169.254.169.254/latest", "host 169.254.169.254 is not that of base_url"),
        ("file:///etc/passwd", "it is no http address"),
        ("http://[", "it is not an address"),
        ("http://127.0.0.1:1/x", "its scheme or port are not those of base_url"),
    ],
)
def test_other_addresses_are_not(address: str, says: str) -> None:
    with serving(lambda call: Answer(made(url=address))) as (server, url):
        outcomes = made_by(model(url, urls=True))
    assert says in str(outcomes[0])
    assert len(server.calls) == 1


def test_a_redirect_is_not_followed_nor_is_a_large_file_read() -> None:
    def respond(call: Call) -> Answer:
        match call.path:
            case "/files/0":
                return Answer({}, 302, {"location": "http://127.0.0.1:9/"})
            case "/files/1":
                return Answer(b"x" * 2_000_000)
            case "/files/2":
                return Answer({}, 404)
        return Answer(made(url=f"http://{call.headers['host']}/files/{number_of(call)}"))

    with serving(respond) as (_, url):
        outcomes = made_by(model(url, urls=True, max_bytes=1_000_000), 3)
    assert [str(outcomes[number]) for number in range(3)] == [
        "the image at its address: status 302",
        "the image at its address: more than 0.953674 MiB",
        "the image at its address: status 404",
    ]


def test_hosts_that_are_named() -> None:
    base, hosts = "https://api.example/v1", ("cdn.example",)
    assert reason_not_to_follow("https://cdn.example/a.png", base, hosts) is None
    assert reason_not_to_follow("https://cdn.example:8443/a.png", base, hosts) is None
    assert reason_not_to_follow("http://cdn.example/a.png", base, hosts) == "it is not https, as base_url is"
    assert "not that of base_url" in str(reason_not_to_follow("https://cdn.example.evil/a.png", base, hosts))
    assert "not that of base_url" in str(reason_not_to_follow("https://api.example@evil/a.png", base, hosts))
