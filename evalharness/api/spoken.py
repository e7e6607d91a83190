"""Separates the answer in a judge's reply from its thoughts, and classifies replies without an answer.

All judged benchmarks read answers through :func:`answer_of`, so that none reads a score from thoughts.
"""

from __future__ import annotations

import re
from typing import Literal

from evalharness._util.text import one_line
from evalharness.types.reply import Reply

Outcome = Literal["answered", "cut", "refused", "filtered", "empty"]

TAG = re.compile(
    r"""<(?P<angle>/?)\s*(?:\w+:)?(?:think|thinking|thought|thoughts|reason|reasoning|scratchpad)\b[^<>]*>
    |\[(?P<square>/?)(?:think|thinking|thought|reasoning)\]
    |◁(?P<triangle>/?)think▷
    |<\|channel\|>\s*(?:analysis|(?P<final>final))\s*<\|message\|>""",
    re.IGNORECASE | re.VERBOSE,
)
"""Tags around thoughts: those of Qwen and DeepSeek, Gemini, Mistral, Seed, Kimi, and the channels of gpt-oss."""
CUT = frozenset({"length", "max_tokens", "max_output_tokens", "max_completion_tokens", "model_length", "token_limit"})
"""Reasons for the end of a reply that its length limit cut off, in lower case."""
FILTERED = frozenset(
    {"content_filter", "content_filtered", "safety", "image_safety", "prohibited_content", "blocklist", "recitation"}
)
"""Reasons for the end of a reply that a filter stopped."""
REFUSED = frozenset({"refusal", "refused"})
SHOWN = 120
"""Characters of a reply that a message shows."""


def answer_of(reply: Reply) -> str:
    """The answer in a reply: its text without thoughts, whether tags or a field of their own tell these apart."""
    text, reasoning = reply.text, reply.reasoning.strip()
    if reasoning and text.lstrip().startswith(reasoning) and text.strip() != reasoning:
        text = text.lstrip().removeprefix(reasoning)  # a server that repeats the thoughts in front of the answer
    return without_thoughts(text)


def without_thoughts(text: str) -> str:
    """Remove the thoughts from a text. If a tag is missing, they extend to the end or the beginning of the text.

    >>> without_thoughts("Score: 0? </think>Score: 1[THINK]or not")
    'Score: 1'
    """
    kept: list[str] = []
    thinking, end = False, 0
    for tag in TAG.finditer(text):
        if not thinking:
            kept.append(text[end : tag.start()])
        end = tag.end()
        if tag[0].endswith("/>"):
            continue  # an empty element
        closes = any(tag.group("angle", "square", "triangle", "final"))
        if closes and not thinking:
            kept = []
        thinking = not closes
    return "".join(kept) if thinking else "".join(kept) + text[end:]


def outcome_of(reply: Reply) -> Outcome:
    """What a reply is: an answer, or why it is none."""
    reason = reply.finish_reason.lower()
    if reason in FILTERED:
        return "filtered"
    if reason in CUT:
        return "cut"
    if answer_of(reply).strip():
        return "answered"
    return "refused" if reply.refusal or reason in REFUSED else "empty"


def describe_reply(reply: Reply) -> str:
    """A reply in a line for people, with the beginning of what was said."""
    outcome = outcome_of(reply)
    said = one_line(reply.text or reply.refusal or reply.reasoning, SHOWN)
    if outcome == "answered":
        return repr(said)
    reasons = {
        "cut": f"cut off by its length limit after {reply.completion_tokens} tokens",
        "refused": "refused",
        "filtered": f"stopped by a content filter ({reply.finish_reason})",
        "empty": f"without an answer (finish reason {reply.finish_reason!r})",
    }
    return reasons[outcome] + (f": {said!r}" if said else "")
