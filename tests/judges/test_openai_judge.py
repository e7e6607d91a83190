"""The judge against an endpoint on this machine that says what it is told to."""

from __future__ import annotations

import base64
import json
import threading
import time
from collections import Counter, deque
from collections.abc import Iterator
from typing import Any

import pytest
from judge_server import Answer, Call, completion, error, process, serving
from openai_judge import OK, PNG, judge, number_of, prompt, prompts
from PIL import Image
from pydantic import ValidationError
from waiting import until

from evalharness._util.image_files import png_bytes
from evalharness.api.judge import JudgePrompt
from evalharness.errors import BudgetError, EndpointError, SampleError
from evalharness.http import calls
from evalharness.http.calls import HOPELESS
from evalharness.http.limiter import ConcurrencyLimiter
from evalharness.types.reply import Reply

IMAGE_PART = {
    "type": "image_url",
    "image_url": {"url": "data:image/png;base64," + base64.b64encode(png_bytes(Image.new("RGB", (64, 48)))).decode()},
}


# --- replies ---


def test_every_question_gets_its_own_reply() -> None:
    with serving(lambda call: Answer(completion(f"I see {number_of(call)}"), delay=0.01)) as (server, url):
        replies = dict(judge(url, price_prompt=3, price_completion=10).ask(prompts(100)))
    assert {number: reply.text for number, reply in replies.items()} == {n: f"I see {n}" for n in range(100)}  # type: ignore[union-attr]
    reply = replies[7]
    assert isinstance(reply, Reply)
    assert (reply.prompt_tokens, reply.completion_tokens, reply.finish_reason) == (1000, 10, "stop")
    assert (reply.model, reply.cost) == ("judge-1", pytest.approx(1000 * 3e-6 + 10 * 10e-6))
    assert 0.01 < reply.seconds < 5
    assert len(server.calls) == 100


def test_the_request_is_that_of_the_official_client_and_its_messages_byte_for_byte(key: str) -> None:
    import openai

    sent, extra = prompt(1), {"chat_template_kwargs": {"enable_thinking": False}, "top_k": 1}
    with serving(lambda call: OK) as (server, url):
        list(judge(url, extra_body=extra).ask([(1, sent)]))
        client = openai.OpenAI(api_key=key, base_url=url)
        messages: Any = sent.messages
        client.chat.completions.create(
            model="judge-1", messages=messages, temperature=0.0, max_tokens=20, extra_body=extra
        )
    ours, theirs = server.calls
    assert ours.body == theirs.body
    written = json.dumps(sent.messages, ensure_ascii=False, separators=(",", ":")).encode()
    assert written in ours.data
    assert written in theirs.data
    assert len(ours.data) == len(theirs.data), "which keys come first is the client's business"
    assert (ours.path, ours.method) == (theirs.path, theirs.method) == ("/v1/chat/completions", "POST")
    same = ("authorization", "content-type", "accept")
    assert [ours.headers[name] for name in same] == [theirs.headers[name] for name in same]
    assert ours.body["messages"][1]["content"][1]["image_url"]["url"].endswith(base64.b64encode(PNG).decode())


def test_what_is_sent_follows_the_settings() -> None:
    with serving(lambda call: OK) as (server, url):
        list(judge(url, temperature=None, token_limit="max_completion_tokens").ask(prompts(1)))
    assert set(server.calls[0].body) == {"messages", "model", "max_completion_tokens"}


def test_images_tokens_headers_and_query_follow_the_settings(key: str) -> None:
    """Classic Azure: the version stands in the query, the key in a header of its own."""
    url_settings = {"extra_headers": {"api-key": "{key}", "X-Title": "wise"}, "query": {"api-version": "2024-10-21"}}
    shown = JudgePrompt([{"role": "user", "content": [IMAGE_PART]}], "image", "rubric", 20)
    with serving(lambda call: OK) as (server, url):
        list(judge(url, max_tokens=4000, image_format="jpeg", image_max_side=32, **url_settings).ask([(1, shown)]))
    (call,) = server.calls
    assert call.path == "/v1/chat/completions?api-version=2024-10-21"
    assert (call.headers["api-key"], call.headers["x-title"]) == (key, "wise")
    assert "authorization" not in call.headers
    assert call.body["max_tokens"] == 4000
    assert call.body["messages"][0]["content"][0]["image_url"]["url"].startswith("data:image/jpeg;base64,")


def test_a_key_may_be_written_another_way(key: str) -> None:
    with serving(lambda call: OK) as (server, url):
        list(judge(url, extra_headers={"Authorization": "Key {key}"}).ask(prompts(1)))
    assert server.calls[0].headers["authorization"] == f"Key {key}"


def test_an_image_that_cannot_be_converted_fails_its_sample() -> None:
    with serving(lambda call: OK) as (server, url):
        outcomes = dict(judge(url, image_format="jpeg").ask(prompts(1)))
    assert isinstance(outcomes[0], SampleError)
    assert "the image cannot be read" in str(outcomes[0])
    assert server.calls == []


@pytest.mark.parametrize(
    ("message", "advice"),
    [
        ("Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead.", "token_limit: max_completion_"),
        ("Unsupported value: 'temperature' does not support 0.0 with this model.", "set temperature: null"),
        ("image exceeds 5 MB maximum", "image_format: jpeg and image_max_side make"),
        ("no idea", None),
    ],
)
def test_a_rejected_request_says_what_to_set(message: str, advice: str | None) -> None:
    with serving(lambda call: Answer(error(message), 400)) as (_, url):
        outcomes = dict(judge(url).ask(prompts(1)))
    assert (advice in str(outcomes[0])) if advice else str(outcomes[0]).endswith("no idea")


def test_a_refusal_and_an_empty_reply_are_replies_without_words() -> None:
    bodies = {
        0: completion(None, refusal="No."),
        1: completion("", finish_reason="content_filter"),
        2: completion("Sco", finish_reason="length"),
    }
    with serving(lambda call: Answer(bodies[number_of(call)])) as (_, url):
        replies: dict[int, Any] = dict(judge(url).ask(prompts(3)))
    assert [(reply.text, reply.finish_reason, reply.refusal) for _, reply in sorted(replies.items())] == [
        ("", "stop", "No."),
        ("", "content_filter", ""),
        ("Sco", "length", ""),
    ]


def test_a_question_may_be_added_while_others_are_asked() -> None:
    todo = deque(prompts(5))

    class Waiting:
        def __iter__(self) -> Waiting:
            return self

        def __next__(self) -> tuple[int, JudgePrompt]:
            if not todo:
                raise StopIteration
            return todo.popleft()

    calls: Counter[int] = Counter()
    with serving(lambda call: OK) as (_, url):
        for number, _ in judge(url).ask(Waiting()):
            calls[number] += 1
            if calls[number] < 3:
                todo.append((number, prompt(number)))
    assert calls == dict.fromkeys(range(5), 3)


# --- how many at once ---


def test_no_more_calls_at_once_than_places_over_connections_that_stay() -> None:
    taken: list[int] = []

    def lazily() -> Iterator[tuple[int, JudgePrompt]]:
        for number, sent in prompts(60):
            taken.append(number)
            yield number, sent

    with serving(lambda call: Answer(completion("x"), delay=0.02, together=5)) as (server, url):
        for done, _ in enumerate(judge(url, concurrency=5).ask(lazily()), 1):
            assert len(taken) < done + 2 * 5
    assert server.most_at_once == 5
    assert server.connections <= 5


def test_an_endpoint_in_a_process_of_its_own() -> None:
    """What tests/perf measures, with fewer calls and no clock."""
    with process("--latency", "0.05", "--places", "8") as url:
        outcomes = dict(judge(url, concurrency=16).ask(prompts(100)))
    assert [reply.text for reply in outcomes.values() if isinstance(reply, Reply)] == ["Score: 1"] * 100


def test_fewer_calls_at_once_once_there_were_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    limits: list[float] = []

    class Watched(ConcurrencyLimiter):
        def leave(self) -> None:
            super().leave()
            limits.append(self.limit)

    monkeypatch.setattr(calls, "ConcurrencyLimiter", Watched)
    respond = lambda call: OK if call.nth or number_of(call) > 4 else Answer(error("slow down"), 429)  # noqa: E731
    with serving(respond) as (_, url):
        outcomes = dict(judge(url, concurrency=32).ask(prompts(100)))
    assert [type(outcome) for outcome in outcomes.values()] == [Reply] * 100
    assert min(limits) <= 16
    assert min(limits) < limits[-1] < 32, "and slowly more again"


def test_work_of_the_caller_does_not_hold_up_the_calls() -> None:
    with serving(lambda call: OK) as (server, url):
        asking = judge(url, concurrency=4).ask(prompts(12))
        next(asking)
        until("calls go on while the caller holds the first reply", lambda: len(server.calls) > 4)
        assert len(list(asking)) == 11


# --- what is tried again ---


@pytest.mark.parametrize(
    "trouble",
    [
        Answer(error("busy"), 429),
        Answer(error("busy"), 429, {"retry-after": "0.05"}),
        Answer(error("broken"), 500),
        Answer(b"<html>", 503, {"content-type": "text/html"}),
        Answer(error("timed out"), 408),
        Answer(error("locked"), 409),
        Answer(cut=True),
        Answer(hang=True),
        Answer(b"<html>busy</html>", headers={"content-type": "text/html"}),
        Answer(b"not json"),
        Answer(b""),
        Answer({"id": "x", "choices": []}),
        Answer({"error": {"message": "upstream", "code": 502}}),
    ],
    ids=lambda answer: f"{answer.status} {answer.body!r:.20} {answer.hang} {answer.cut}",
)
def test_what_passes_is_tried_again(trouble: Answer) -> None:
    with serving(lambda call: OK if call.nth else trouble) as (server, url):
        outcomes = dict(judge(url, timeout=2 if trouble.hang else 30).ask(prompts(3)))
    assert [type(outcome) for outcome in outcomes.values()] == [Reply] * 3
    assert len(server.calls) == 6


def test_retry_after_is_waited_for() -> None:
    times: list[float] = []

    def respond(call: Call) -> Answer:
        times.append(time.monotonic())
        return OK if call.nth else Answer(error("busy"), 429, {"retry-after": "0.4"})

    with serving(respond) as (_, url):
        list(judge(url, backoff=0).ask(prompts(1)))
    assert times[1] - times[0] >= 0.4


@pytest.mark.parametrize(
    ("trouble", "reason"),
    [
        (Answer(error("broken"), 500), "the endpoint answers 500: broken (the last of 3 tries)"),
        (Answer(hang=True), "no answer within 0.2 s (the last of 3 tries)"),
        (Answer(b"<html>"), "the endpoint sent no chat completion but '<html>' (the last of 3 tries)"),
        (
            Answer(error("image too large"), 400),
            "the endpoint answers 400: image too large (image_format: jpeg and image_max_side make images smaller)",
        ),
        (
            Answer(error("image too large"), 413),
            "the endpoint answers 413: image too large (image_format: jpeg and image_max_side make images smaller)",
        ),
        (Answer(error("rejected", code="content_policy_violation"), 400), "the endpoint answers 400: rejected"),
    ],
)
def test_what_does_not_pass_is_a_reason_and_no_reply(trouble: Answer, reason: str) -> None:
    with serving(lambda call: trouble if number_of(call) == 1 else OK) as (server, url):
        outcomes = dict(judge(url, retries=2, timeout=0.2 if trouble.hang else 30).ask(prompts(3)))
    assert isinstance(outcomes[1], SampleError)
    assert str(outcomes[1]) == reason
    assert isinstance(outcomes[0], Reply)
    assert isinstance(outcomes[2], Reply)
    assert len(server.calls) == 2 + (3 if "tries" in reason else 1)


@pytest.mark.parametrize(
    ("status", "body", "says"),
    [
        (401, error("Incorrect API key provided: sk-p...."), "does not accept the key (401); check the key in the env"),
        (402, error("no credit"), "answers 402: no credit"),
        (403, error("not in your country"), "answers 403: not in your country; check the key in the environment"),
        (404, error("no model judge-1"), "answers 404: no model judge-1; check model and base_url"),
        (429, error("used up", code="insufficient_quota"), "answers 429: used up"),
    ],
)
def test_what_no_question_would_change_ends_it_and_keeps_what_came(status: int, body: Any, says: str) -> None:
    with serving(lambda call: Answer(body, status) if number_of(call) >= 10 else OK) as (server, url):
        outcomes: dict[int, Any] = {}
        with pytest.raises(EndpointError) as caught:
            for number, outcome in judge(url, concurrency=4).ask(prompts(1000)):
                outcomes[number] = outcome
    answered = {number_of(call) for call in server.calls} & set(range(10))
    assert outcomes.keys() == answered, "what was under way is waited for, and kept"
    assert len(answered) >= 7
    assert all(isinstance(outcome, Reply) for outcome in outcomes.values())
    assert says in str(caught.value)
    assert str(caught.value).startswith(f"judge judge-1 at {url}: ")
    assert not isinstance(caught.value, BudgetError)
    assert len(server.calls) < 30


def test_an_endpoint_that_answers_nobody_is_given_up() -> None:
    with serving(lambda call: Answer(error("unsupported parameter"), 400)) as (server, url):
        outcomes = []
        with pytest.raises(EndpointError, match=r"10 questions in a row got no reply, the last: .*unsupported"):
            for pair in judge(url, concurrency=2).ask(prompts(1000)):
                outcomes.append(pair)
    assert HOPELESS <= len(outcomes) < HOPELESS + 4
    assert len(server.calls) == len(outcomes)


def test_questions_that_are_not_wanted_are_no_sign_of_that() -> None:
    refused = Answer(error("rejected by the safety system"), 400)
    with serving(lambda call: refused) as (_, url):
        outcomes = list(judge(url).ask(prompts(3 * HOPELESS)))
    assert len(outcomes) == 3 * HOPELESS


# --- ends ---


def test_whoever_stops_early_leaves_nothing_running() -> None:
    before = threading.active_count()
    with serving(lambda call: OK if number_of(call) == 0 else Answer(hang=True)) as (_, url):
        running = threading.active_count()
        asking = judge(url).ask(prompts(100))
        assert next(asking)[0] == 0
        asking.close()  # type: ignore[attr-defined]
        assert threading.active_count() == running
    assert threading.active_count() == before


def test_an_error_among_the_questions_passes_through() -> None:
    def broken() -> Iterator[tuple[int, JudgePrompt]]:
        yield from prompts(3)
        raise OSError("disk")

    with serving(lambda call: Answer(hang=True)) as (_, url), pytest.raises(OSError, match="disk"):
        list(judge(url).ask(broken()))


def test_no_questions_no_calls() -> None:
    with serving(lambda call: OK) as (server, url):
        assert list(judge(url).ask([])) == []
    assert server.calls == []


# --- reachable ---


def models(*names: str) -> Answer:
    return Answer({"object": "list", "data": [{"id": name} for name in names]})


@pytest.mark.parametrize("listed", [models("judge-1"), models("x"), Answer(error("no"), 403), Answer(b"<html>")])
def test_reachable_is_who_answers_a_question_about_a_picture(listed: Answer) -> None:
    """Whatever the list of models says, and whether or not the key may read it."""
    with serving(lambda call: listed if call.method == "GET" else Answer(completion("Red"))) as (server, url):
        judge(url).reachable()
    (call,) = server.calls
    assert call.path == "/v1/chat/completions"
    (text, image) = call.body["messages"][0]["content"]
    assert text["text"].startswith("Which colour")
    assert image["image_url"]["url"].startswith("data:image/png;base64,")


@pytest.mark.parametrize(
    ("listed", "answer", "says"),
    [
        (models("judge-2"), Answer(error("not found"), 404), "check model and base_url; did you mean 'judge-2'?"),
        (models("judge-1"), Answer(error("who?"), 401), "the key (401); check the key in the environment var"),
        (models("judge-1"), Answer(error("down"), 503), "answers 503: down"),
        (models("judge-1"), Answer(b"<html>"), "no chat completion but '<html>'; base_url usually ends in /v1"),
        (models("judge-1"), Answer(hang=True), "no answer within 0.3 s"),
        (models("judge-1"), Answer(error("no images here"), 400), "answers 400: no images here"),
        (models("judge-1"), Answer(completion(None)), "a question about a picture got a reply without an answer"),
        (models("judge-1"), Answer(completion(None, refusal="No.")), "about a picture got a reply refused: 'No.'"),
    ],
)  # fmt: skip
def test_unreachable_says_what_to_do(listed: Answer, answer: Answer, says: str) -> None:
    respond = lambda call: listed if call.method == "GET" else answer  # noqa: E731
    with serving(respond) as (_, url), pytest.raises(EndpointError) as caught:
        judge(url, timeout=0.3 if answer.hang else 30).reachable()
    assert says in str(caught.value)


def test_nobody_there() -> None:
    with pytest.raises(EndpointError, match=r"judge judge-1 at http://127\.0\.0\.1:9/v1: no connection: .*127\.0"):
        judge("http://127.0.0.1:9/v1").reachable()


# --- settings ---


def test_identity_has_what_decides_a_reply_and_nothing_else() -> None:
    first = judge("http://10.0.0.7:8000/v1", extra_body={"top_k": 1})
    assert first.identity() == {
        "name": "openai",
        "endpoint": "chat.completions",
        "model": "judge-1",
        "temperature": 0.0,
        "token_limit": "max_tokens",
        "extra_body": {"top_k": 1},
    }
    other = judge("https://elsewhere/v1", extra_body={"top_k": 1}, concurrency=3, max_calls=2, key_env="OTHER")
    assert other.identity() == first.identity()
    assert json.dumps(dict(first.identity()))
    for change in ({"max_tokens": 9}, {"image_format": "jpeg"}, {"image_max_side": 512}):
        changed = judge("http://x/v1", extra_body={"top_k": 1}, **change).identity()
        assert first.identity().items() <= changed.items()
        assert len(changed) == len(first.identity()) + 1, "what changes replies is recorded"
    reached = judge("http://x/v1", extra_body={"top_k": 1}, query={"api-version": "1"}, extra_headers={"X-Title": "a"})
    assert reached.identity() == first.identity()


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"base_url": "localhost:8000"}, "an address such as"),
        ({"base_url": "ftp://x/v1"}, "an address such as"),
        ({"base_url": "http://x:99999/v1"}, "an address such as"),
        ({"base_url": "https://user:secret@x/v1"}, "without user, password or query"),
        ({"base_url": "https://x/v1?key=secret"}, "without user, password or query"),
        ({"key_env": "sk-secret"}, "not the key"),
        ({"key_env": "deadbeef"}, "not the key"),
        ({"extra_body": {"model": "other"}}, "'model' is not for extra_body"),
        ({"extra_body": {"stream": True}}, "'stream' is not for extra_body"),
        ({"extra_body": {"API_KEY": "secret"}}, "'API_KEY' is not for extra_body"),
        ({"extra_body": {"api-key": "secret"}}, "'api-key' is not for extra_body"),
        ({"extra_body": {"extra_headers": {"Authorization": "secret"}}}, "'Authorization' is not for extra_body"),
        ({"extra_body": {"extra_headers": {"X-Token": "secret"}}}, "'X-Token' is not for extra_body"),
        ({"extra_body": {"a": [{"b": {"bearer": "secret"}}]}}, "'bearer' is not for extra_body"),
        ({"extra_headers": {"Api-Key": "secret"}}, "is not for plain values; write {key}, the key goes into key_env"),
        ({"extra_headers": {"X-Auth": "secret"}}, "is not for plain values; write {key}, the key goes into key_env"),
        ({"extra_headers": {"Host": "x"}}, "the harness sets it"),
        ({"extra_headers": {"X Y": "x"}}, "is no header"),
        ({"extra_headers": {"X": "a\nb"}}, "is no header"),
        ({"query": {"api_key": "secret"}}, "'api_key' is not for query; the key goes into key_env"),
        ({"max_tokens": 0}, "greater than or equal to 1"),
        ({"max_dollars": 1}, "needs price_prompt and price_completion"),
        ({"concurrency": 0}, "greater than or equal to 1"),
        ({"timeout": 0}, "greater than 0"),
        ({"modell": "x"}, "Extra inputs are not permitted"),
    ],
)
def test_settings_are_checked(settings: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError) as caught:
        judge(**{"url": "http://x/v1", **settings})
    first = caught.value.errors()[0]
    assert says in first["msg"]
    assert "secret" not in first["msg"]


def test_a_key_that_stands_in_the_settings_is_refused(key: str) -> None:
    for settings in ({"served_by": key}, {"extra_body": {"user": [f"x{key}"]}}, {"query": {"v": key}}):
        with pytest.raises(EndpointError, match="the key in JUDGE_KEY also stands in the settings") as caught:
            list(judge("http://127.0.0.1:9/v1", **settings).ask(prompts(1)))
        assert key not in str(caught.value)


def test_openai_itself_wants_a_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("JUDGE_KEY", raising=False)
    with pytest.raises(EndpointError, match="no key; put it into the environment variable JUDGE_KEY"):
        judge("https://api.openai.com/v1").reachable()
    monkeypatch.setenv("JUDGE_KEY", "sk-two\nlines")
    with pytest.raises(EndpointError, match="characters that no key has") as caught:
        list(judge("http://127.0.0.1:9/v1").ask(prompts(1)))
    assert "sk-two" not in str(caught.value)


def test_a_key_is_not_asked_for_elsewhere_and_its_line_break_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("JUDGE_KEY", raising=False)
    with serving(lambda call: OK) as (server, url):
        list(judge(url).ask(prompts(1)))
        monkeypatch.setenv("JUDGE_KEY", "sk-one\n")
        list(judge(url).ask(prompts(1)))
    assert [call.headers["authorization"] for call in server.calls] == ["Bearer EMPTY", "Bearer sk-one"]


def test_importing_the_plugin_is_quick() -> None:
    import subprocess
    import sys

    code = "import sys, evalharness.judges.openai; print({'openai', 'aiohttp', 'anyio'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
