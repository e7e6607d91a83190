from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from judge_scorer_fakes import FakeJudge, KeptReplies, prompt_text, request, scorer

from evalharness._util.hashing import digest
from evalharness.api.benchmark import JudgeScorer, ScoreRequest
from evalharness.api.judge import JudgePrompt, reply_key
from evalharness.errors import ConfigError, EvalHarnessError, SampleError
from evalharness.judges.judge_scorer import BACKLOG, RubricScorer
from evalharness.types.reply import Reply
from evalharness.types.score import Score


def results(mine: RubricScorer, requests: list[ScoreRequest], replies: KeptReplies) -> dict[str, Score | str]:
    found = [(one.key, outcome) for one, outcome in mine.judge(requests, replies)]
    assert len(dict(found)) == len(found) == len(requests), "each request has one outcome"
    return {key: str(outcome) if isinstance(outcome, SampleError) else outcome for key, outcome in found}


def test_it_is_a_panel_and_says_who_judged_by_what() -> None:
    mine = scorer(FakeJudge(lambda prompt, tries: "1"))
    assert isinstance(mine, JudgeScorer)
    assert mine.identity() == {
        "protocol": "fake 1",
        "rubric": {"name": "fake rubric", "digest": "r" * 64},
        "max_tokens": 50,
        "judge": {"name": "fake"},
    }
    assert scorer(mine.primary, repeat=2).identity() == mine.identity() | {"repeat": 2}  # type: ignore[arg-type]
    other = FakeJudge(lambda prompt, tries: "0")
    assert scorer(mine.primary, secondary=(other,)).judges == (mine.primary, other)  # type: ignore[arg-type]


def test_the_image_goes_in_unchanged() -> None:
    judge = FakeJudge(lambda prompt, tries: "1")
    one = request(7)
    results(scorer(judge), [one], KeptReplies())
    (prompt,) = judge.asked
    url = prompt.messages[0]["content"][1]["url"]
    assert base64.b64decode(url.partition("base64,")[2]) == one.image
    assert (prompt.image, prompt.rubric, prompt.max_tokens, prompt.repeat) == (one.digest, "r" * 64, 50, 0)


def test_a_score_keeps_all_that_was_said() -> None:
    judge = FakeJudge(lambda prompt, tries: ("hm", "1")[tries])
    score = results(scorer(judge), [request(1)], KeptReplies())["key 1"]
    assert isinstance(score, Score)
    assert (score.value, score.reason) == (1.0, "said 1")
    assert [reply["text"] for reply in score.details["replies"]] == ["hm", "1"]
    expected = {"bit": "1", "tries": 2, "prompt_tokens": 20, "completion_tokens": 4, "cost": 0.5}
    expected |= {"judge": digest({"name": "fake"}), "rubric": {"name": "fake rubric", "digest": "r" * 64}}
    assert {key: value for key, value in score.details.items() if key != "replies"} == expected


def test_three_unreadable_replies_fail_the_sample_and_are_kept() -> None:
    judge, replies = FakeJudge(lambda prompt, tries: f"no\nidea {tries} " + "x" * 500), KeptReplies()
    outcome = results(scorer(judge), [request(1)], replies)["key 1"]
    assert str(outcome).startswith("no score in 3 replies of the judge, the last: 'no idea 2 xxx")
    assert len(str(outcome)) < 200
    (kept,) = replies.kept.values()
    assert [reply.text[:9] for reply in kept] == ["no\nidea 0", "no\nidea 1", "no\nidea 2"]
    assert len(judge.asked) == 3
    assert results(scorer(judge), [request(1)], replies)["key 1"] == outcome
    assert len(judge.asked) == 3, "nobody asked for another try"


def test_a_retry_has_three_tries_of_its_own() -> None:
    replies = KeptReplies()
    results(scorer(FakeJudge(lambda prompt, tries: "?")), [request(1)], replies)
    judge = FakeJudge(lambda prompt, tries: ("?", "?", "0")[tries])
    outcome = results(scorer(judge), [request(1, retry=True)], replies)["key 1"]
    assert isinstance(outcome, Score)
    assert (outcome.value, outcome.details["tries"]) == (0.0, 6)
    (kept,) = replies.kept.values()
    assert [reply.text for reply in kept] == ["?", "?", "?", "?", "?", "0"]


def test_a_question_tells_how_many_replies_it_has() -> None:
    judge, replies = FakeJudge(lambda prompt, tries: "?"), KeptReplies()
    results(scorer(judge), [request(1)], replies)
    results(scorer(judge), [request(1, retry=True)], replies)
    assert [prompt.tried for prompt in judge.asked] == [0, 1, 2, 3, 4, 5]
    assert len({prompt.key() for prompt in judge.asked}) == 1


def test_an_error_is_no_reply() -> None:
    judge, replies = FakeJudge(lambda prompt, tries: SampleError("HTTP 500, three times")), KeptReplies()
    assert results(scorer(judge), [request(1)], replies) == {"key 1": "HTTP 500, three times"}
    assert replies.kept == {}


def test_a_lost_question_is_a_failed_sample() -> None:
    judge = FakeJudge(lambda prompt, tries: None if prompt_text(prompt) == "thing 2" else "1")
    outcomes = results(scorer(judge), [request(number) for number in range(5)], KeptReplies())
    assert outcomes["key 2"] == "the judge gave no answer"
    assert sum(isinstance(outcome, Score) for outcome in outcomes.values()) == 4


def test_what_is_kept_is_not_asked() -> None:
    replies = KeptReplies()
    first = FakeJudge(lambda prompt, tries: "1")
    results(scorer(first), [request(number) for number in range(0, 200, 2)], replies)
    second = FakeJudge(lambda prompt, tries: "0")
    outcomes = results(scorer(second), [request(number) for number in range(200)], replies)
    assert [outcomes[f"key {number}"].value for number in range(200)] == [1.0, 0.0] * 100  # type: ignore[union-attr]
    assert len(second.asked) == 100
    third = FakeJudge(lambda prompt, tries: "0")
    assert len(results(scorer(third), [request(number) for number in range(200)], replies)) == 200
    assert third.rounds == 0


def test_another_judge_rubric_or_repeat_is_another_question() -> None:
    replies = KeptReplies()
    for mine in (
        scorer(FakeJudge(lambda prompt, tries: "1")),
        scorer(FakeJudge(lambda prompt, tries: "1", name="other")),
        scorer(FakeJudge(lambda prompt, tries: "1"), repeat=1),
    ):
        results(mine, [request(1)], replies)
    assert len(replies.kept) == 3


def test_a_kill_between_two_tries_costs_none() -> None:
    """The second start goes on with the second try, and there are three in all."""
    replies = KeptReplies()
    killed = scorer(FakeJudge(lambda prompt, tries: "?"))
    one = request(1)
    prompt = killed.prompt(one)
    replies.add(reply_key(digest({"name": "fake"}), prompt), prompt, "j", Reply("?"))
    judge = FakeJudge(lambda prompt, tries: "?")
    assert str(results(scorer(judge), [one], replies)["key 1"]).startswith("no score in 3 replies")
    assert len(judge.asked) == 2


def test_images_are_read_only_as_there_is_room() -> None:
    taken: list[int] = []

    def requests() -> Iterator[ScoreRequest]:
        for number in range(100):
            taken.append(number)
            yield request(number)

    judge = FakeJudge(lambda prompt, tries: "1", places=4)
    for count, _ in enumerate(scorer(judge).judge(requests(), KeptReplies()), 1):
        assert len(taken) <= count + 4
    assert judge.most == 4


def test_known_replies_do_not_pile_up_while_the_judge_thinks() -> None:
    replies = KeptReplies()
    known = [request(number) for number in range(1, 500)]
    results(scorer(FakeJudge(lambda prompt, tries: "1")), known, replies)
    taken: list[int] = []

    def requests() -> Iterator[ScoreRequest]:
        for number in range(500):
            taken.append(number)
            yield request(number)

    outcomes = scorer(FakeJudge(lambda prompt, tries: "1")).judge(requests(), replies)
    next(outcomes)
    assert len(taken) <= BACKLOG + 2
    assert len(list(outcomes)) == 499


def test_what_is_settled_when_a_judge_stops_counts() -> None:
    """The replies to even ones are kept already; the judge gives up at its third question."""

    class Spent(FakeJudge):
        def ask(self, prompts: Iterable[tuple[int, JudgePrompt]]) -> Iterator[tuple[int, Reply | SampleError]]:
            for count, (number, _) in enumerate(prompts):
                if count == 2:
                    raise EvalHarnessError("no money left")
                yield number, Reply("0")

    replies = KeptReplies()
    results(scorer(FakeJudge(lambda prompt, tries: "1")), [request(number) for number in range(0, 20, 2)], replies)
    found: list[str] = []
    with pytest.raises(EvalHarnessError, match="no money left"):
        for one, _ in scorer(Spent(lambda prompt, tries: "")).judge(map(request, range(20)), replies):
            found.append(one.key)
    assert found == [f"key {number}" for number in range(5)]


@settings(deadline=None)
@given(
    st.lists(st.lists(st.sampled_from(["0", "1", "?", "error", "lost"]), min_size=6, max_size=6), max_size=12),
    st.integers(1, 5),
)
def test_whatever_a_judge_does_each_sample_has_a_score_or_a_reason(said: list[list[str]], places: int) -> None:
    """The first reply with a score counts; none is asked for after it; nothing is asked a fourth time."""

    def answer(prompt: JudgePrompt, tries: int) -> str | SampleError | None:
        word = said[int(prompt_text(prompt).split()[1])][tries]
        return SampleError("error") if word == "error" else None if word == "lost" else word

    judge, replies = FakeJudge(answer, places=places), KeptReplies()
    outcomes = results(scorer(judge), [request(number) for number in range(len(said))], replies)
    for number, words in enumerate(said):
        decisive = next((place for place, word in enumerate(words[:3]) if word != "?"), 2)
        outcome, word = outcomes[f"key {number}"], words[decisive]
        if word in ("0", "1"):
            assert isinstance(outcome, Score)
            assert (outcome.value, outcome.details["tries"]) == (float(word), decisive + 1)
        else:
            reasons = {"?": "no score in 3 replies of the judge, the last: '?'", "lost": "the judge gave no answer"}
            assert outcome == reasons.get(word, word)
        assert sum(prompt_text(one) == f"thing {number}" for one in judge.asked) == decisive + 1


@pytest.mark.parametrize("count", [0, 1])
def test_few_submissions(count: int) -> None:
    judge = FakeJudge(lambda prompt, tries: "1")
    assert len(results(scorer(judge), [request(number) for number in range(count)], KeptReplies())) == count
    assert judge.rounds == count


def test_a_panel_is_reachable_as_its_judges_are() -> None:
    class Down(FakeJudge):
        def reachable(self) -> None:
            raise ConfigError("nobody answers; start it")

    up, down = FakeJudge(lambda prompt, tries: "1"), Down(lambda prompt, tries: "1")
    scorer(up).reachable()
    for broken in (scorer(down), scorer(up, secondary=(down,))):
        with pytest.raises(ConfigError, match="start it"):
            broken.reachable()
