from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalharness._util.hashing import digest
from evalharness.api.benchmark import JudgeScorer, ScoreRequest
from evalharness.api.judge import JudgePrompt, reply_key
from evalharness.errors import ConfigError, EvalHarnessError, SampleError
from evalharness.judges.judge_scorer import BACKLOG, RubricScorer
from evalharness.judges.parsing import Parser
from evalharness.testing import Answer, MockJudge, MockReplies
from evalharness.types.item import Item
from evalharness.types.reply import Reply
from evalharness.types.score import Score


class CountedJudge(MockJudge):
    """Takes several prompts at a time and counts how often it was called."""

    def __init__(self, answer: Answer, concurrency: int = 3, name: str = "counted") -> None:
        super().__init__(self.Settings(concurrency=concurrency), answer)
        self.name, self.calls = name, 0

    def identity(self) -> Mapping[str, Any]:
        return {"name": self.name}

    def ask(self, prompts: Iterable[tuple[int, JudgePrompt]]) -> Iterator[tuple[int, Reply | SampleError]]:
        self.calls += 1
        return super().ask(prompts)


def judge_that_says(text: str) -> CountedJudge:
    return CountedJudge(lambda prompt: text)


class Rubric:
    name = "rubric of the test"

    def messages(self, item: Item, image: str) -> Sequence[Mapping[str, Any]]:
        return [{"role": "user", "content": [{"text": item.prompt}, {"url": f"data:image/png;base64,{image}"}]}]

    def digest(self) -> str:
        return "r" * 64


def read(text: str) -> Score | None:
    return Score(float(text), f"said {text}", {"bit": text}) if text in ("0", "1") else None


def scorer(judge: MockJudge, **options: Any) -> RubricScorer:
    return RubricScorer("protocol 1", judge, Rubric(), Parser("strict", read), 50, **options)


def request(number: int, *, retry: bool = False) -> ScoreRequest:
    image = f"image {number}".encode()
    item = Item(str(number), f"thing {number}", "a", {"number": number})
    return ScoreRequest(f"key {number}", item, image, hashlib.sha256(image).hexdigest(), retry)


def number_of(prompt: JudgePrompt) -> int:
    """Number of the request that a prompt is about."""
    return int(prompt.messages[0]["content"][0]["text"].removeprefix("thing "))


def results(tested: RubricScorer, requests: list[ScoreRequest], replies: MockReplies) -> dict[str, Score | str]:
    outcomes = [(request.key, outcome) for request, outcome in tested.judge(requests, replies)]
    assert len(dict(outcomes)) == len(outcomes) == len(requests), "each request has one outcome"
    return {key: str(outcome) if isinstance(outcome, SampleError) else outcome for key, outcome in outcomes}


def test_it_is_a_panel_and_says_who_judged_by_what() -> None:
    tested = scorer(judge_that_says("1"))
    assert isinstance(tested, JudgeScorer)
    assert tested.identity() == {
        "protocol": "protocol 1",
        "rubric": {"name": "rubric of the test", "digest": "r" * 64},
        "max_tokens": 50,
        "replies": {"parser": "strict", "cut": "fail"},
        "judge": {"name": "counted"},
    }
    assert scorer(judge_that_says("1"), repeat=2).identity() == tested.identity() | {"repeat": 2}
    first, second = judge_that_says("1"), judge_that_says("0")
    assert scorer(first, secondary=(second,)).judges == (first, second)


def test_the_image_goes_in_unchanged() -> None:
    judge = judge_that_says("1")
    sent = request(7)
    results(scorer(judge), [sent], MockReplies())
    (prompt,) = judge.prompts
    url = prompt.messages[0]["content"][1]["url"]
    assert base64.b64decode(url.partition("base64,")[2]) == sent.image
    assert (prompt.image, prompt.rubric, prompt.max_tokens, prompt.repeat) == (sent.digest, "r" * 64, 50, 0)


def test_a_score_keeps_all_that_was_said() -> None:
    judge = CountedJudge(lambda prompt: Reply(("hm", "1")[prompt.tried], "stop", 10, 2, 0.25, 0.5))
    score = results(scorer(judge), [request(1)], MockReplies())["key 1"]
    assert isinstance(score, Score)
    assert (score.value, score.reason) == (1.0, "said 1")
    assert [reply["text"] for reply in score.details["replies"]] == ["hm", "1"]
    expected = {"bit": "1", "tries": 2, "prompt_tokens": 20, "completion_tokens": 4, "cost": 0.5}
    expected |= {"judge": digest({"name": "counted"}), "rubric": {"name": "rubric of the test", "digest": "r" * 64}}
    assert {key: value for key, value in score.details.items() if key != "replies"} == expected


def test_three_unreadable_replies_fail_the_sample_and_are_kept() -> None:
    judge, replies = CountedJudge(lambda prompt: f"no\nidea {prompt.tried} " + "x" * 500), MockReplies()
    outcome = results(scorer(judge), [request(1)], replies)["key 1"]
    assert str(outcome).startswith("no score in 3 replies of the judge, the last: 'no idea 2 xxx")
    assert len(str(outcome)) < 200
    (kept,) = replies.kept.values()
    assert [reply.text[:9] for reply in kept] == ["no\nidea 0", "no\nidea 1", "no\nidea 2"]
    assert len(judge.prompts) == 3
    assert results(scorer(judge), [request(1)], replies)["key 1"] == outcome
    assert len(judge.prompts) == 3, "nobody asked for another try"


@pytest.mark.parametrize(
    ("reply", "says"),
    [
        (Reply("1", "length", 9, 5), "cut off by its length limit after 5 tokens: '1'"),
        (Reply("", refusal="I will not."), "refused: 'I will not.'"),
        (Reply("", "content_filter"), "stopped by a content filter (content_filter)"),
        (Reply("<think>1"), "without an answer (finish reason 'stop'): '<think>1'"),
    ],
)
def test_what_is_no_answer_is_no_verdict_and_the_reason_says_what_it_was(reply: Reply, says: str) -> None:
    replies = MockReplies()
    outcome = results(scorer(CountedJudge(lambda prompt: reply)), [request(1)], replies)["key 1"]
    assert outcome == f"no score in 3 replies of the judge, the last: {says}"
    (kept,) = replies.kept.values()
    assert kept == [reply] * 3
    if reply.text == "1":
        published = scorer(CountedJudge(lambda prompt: reply), cut_replies="as-published")
        assert isinstance(results(published, [request(1)], MockReplies())["key 1"], Score)


def test_a_retry_has_three_tries_of_its_own() -> None:
    replies = MockReplies()
    results(scorer(judge_that_says("?")), [request(1)], replies)
    judge = CountedJudge(lambda prompt: ("?", "?", "?", "?", "?", "0")[prompt.tried])
    outcome = results(scorer(judge), [request(1, retry=True)], replies)["key 1"]
    assert isinstance(outcome, Score)
    assert (outcome.value, outcome.details["tries"]) == (0.0, 6)
    (kept,) = replies.kept.values()
    assert [reply.text for reply in kept] == ["?", "?", "?", "?", "?", "0"]


def test_a_question_tells_how_many_replies_it_has() -> None:
    judge, replies = judge_that_says("?"), MockReplies()
    results(scorer(judge), [request(1)], replies)
    results(scorer(judge), [request(1, retry=True)], replies)
    assert [prompt.tried for prompt in judge.prompts] == [0, 1, 2, 3, 4, 5]
    assert len({prompt.key() for prompt in judge.prompts}) == 1


def test_an_error_is_no_reply() -> None:
    judge, replies = CountedJudge(lambda prompt: SampleError("HTTP 500, three times")), MockReplies()
    assert results(scorer(judge), [request(1)], replies) == {"key 1": "HTTP 500, three times"}
    assert replies.kept == {}


def test_a_lost_question_is_a_failed_sample() -> None:
    judge = CountedJudge(lambda prompt: None if number_of(prompt) == 2 else "1")
    outcomes = results(scorer(judge), [request(number) for number in range(5)], MockReplies())
    assert outcomes["key 2"] == "the judge gave no answer"
    assert sum(isinstance(outcome, Score) for outcome in outcomes.values()) == 4


def test_what_is_kept_is_not_asked() -> None:
    replies = MockReplies()
    first = judge_that_says("1")
    results(scorer(first), [request(number) for number in range(0, 200, 2)], replies)
    second = judge_that_says("0")
    outcomes = results(scorer(second), [request(number) for number in range(200)], replies)
    assert [outcomes[f"key {number}"].value for number in range(200)] == [1.0, 0.0] * 100  # type: ignore[union-attr]
    assert len(second.prompts) == 100
    third = judge_that_says("0")
    assert len(results(scorer(third), [request(number) for number in range(200)], replies)) == 200
    assert third.calls == 0


def test_another_judge_rubric_or_repeat_is_another_question() -> None:
    replies = MockReplies()
    for tested in (
        scorer(judge_that_says("1")),
        scorer(CountedJudge(lambda prompt: "1", name="other")),
        scorer(judge_that_says("1"), repeat=1),
    ):
        results(tested, [request(1)], replies)
    assert len(replies.kept) == 3


def test_a_kill_between_two_tries_costs_none() -> None:
    """The second start goes on with the second try, and there are three in all."""
    replies = MockReplies()
    killed = scorer(judge_that_says("?"))
    prompt = killed.prompt(request(1))
    replies.add(reply_key(digest({"name": "counted"}), prompt), prompt, "j", Reply("?"))
    judge = judge_that_says("?")
    assert str(results(scorer(judge), [request(1)], replies)["key 1"]).startswith("no score in 3 replies")
    assert len(judge.prompts) == 2


def test_images_are_read_only_as_there_is_room() -> None:
    taken: list[int] = []

    def requests() -> Iterator[ScoreRequest]:
        for number in range(100):
            taken.append(number)
            yield request(number)

    judge = CountedJudge(lambda prompt: "1", concurrency=4)
    taken_at = [len(taken) for _ in scorer(judge).judge(requests(), MockReplies())]
    assert taken_at[0] == 4
    assert all(images <= outcomes + 4 for outcomes, images in enumerate(taken_at, 1))


def test_known_replies_do_not_pile_up_while_the_judge_thinks() -> None:
    replies = MockReplies()
    stored = [request(number) for number in range(1, 500)]
    results(scorer(judge_that_says("1")), stored, replies)
    taken: list[int] = []

    def requests() -> Iterator[ScoreRequest]:
        for number in range(500):
            taken.append(number)
            yield request(number)

    outcomes = scorer(judge_that_says("1")).judge(requests(), replies)
    next(outcomes)
    assert len(taken) <= BACKLOG + 2
    assert len(list(outcomes)) == 499


def test_what_is_settled_when_a_judge_stops_counts() -> None:
    """The replies to even ones are kept already; the judge gives up at its third question."""

    class SpentJudge(MockJudge):
        def ask(self, prompts: Iterable[tuple[int, JudgePrompt]]) -> Iterator[tuple[int, Reply | SampleError]]:
            for count, (number, _) in enumerate(prompts):
                if count == 2:
                    raise EvalHarnessError("no money left")
                yield number, Reply("0")

    replies = MockReplies()
    kept = [request(number) for number in range(0, 20, 2)]
    results(scorer(MockJudge(answer=lambda prompt: "1")), kept, replies)
    keys: list[str] = []
    with pytest.raises(EvalHarnessError, match="no money left"):
        for scored, _ in scorer(SpentJudge()).judge(map(request, range(20)), replies):
            keys.append(scored.key)
    assert keys == [f"key {number}" for number in range(5)]


@given(
    st.lists(st.lists(st.sampled_from(["0", "1", "?", "error", "lost"]), min_size=6, max_size=6), max_size=12),
    st.integers(1, 5),
)
def test_whatever_a_judge_does_each_sample_has_a_score_or_a_reason(texts: list[list[str]], concurrency: int) -> None:
    """The first reply with a score counts; none is asked for after it; nothing is asked a fourth time."""

    def answer(prompt: JudgePrompt) -> str | SampleError | None:
        text = texts[number_of(prompt)][prompt.tried]
        if text == "error":
            return SampleError("error")
        return None if text == "lost" else text

    judge = CountedJudge(answer, concurrency)
    outcomes = results(scorer(judge), [request(number) for number in range(len(texts))], MockReplies())
    for number, tries in enumerate(texts):
        decisive = next((index for index, text in enumerate(tries[:3]) if text != "?"), 2)
        outcome, text = outcomes[f"key {number}"], tries[decisive]
        if text in ("0", "1"):
            assert isinstance(outcome, Score)
            assert (outcome.value, outcome.details["tries"]) == (float(text), decisive + 1)
        else:
            reasons = {"?": "no score in 3 replies of the judge, the last: '?'", "lost": "the judge gave no answer"}
            assert outcome == reasons.get(text, text)
        assert sum(number_of(prompt) == number for prompt in judge.prompts) == decisive + 1


@pytest.mark.parametrize("count", [0, 1])
def test_few_submissions(count: int) -> None:
    judge = judge_that_says("1")
    assert len(results(scorer(judge), [request(number) for number in range(count)], MockReplies())) == count
    assert judge.calls == count


def test_a_panel_is_reachable_as_its_judges_are() -> None:
    class UnreachableJudge(MockJudge):
        def reachable(self) -> None:
            raise ConfigError("nobody answers; start it")

    up, down = judge_that_says("1"), UnreachableJudge()
    scorer(up).reachable()
    for broken in (scorer(down), scorer(up, secondary=(down,))):
        with pytest.raises(ConfigError, match="start it"):
            broken.reachable()
