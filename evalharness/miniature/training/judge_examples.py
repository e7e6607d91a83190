"""The embedded judge's tokenizer, and its training examples: statements about random boards as token sequences."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from torch import Tensor, nn
from transformers import CLIPImageProcessor, LlavaProcessor, PreTrainedTokenizerFast

from evalharness._util.text import plural
from evalharness.miniature.training.augment import EMPTY, Boards
from evalharness.miniature.world.board import CELLS, CLASSES, COLOR_NAMES, SIDE, SIZE
from evalharness.miniature.world.judge_statements import Board, Noun, Statement, explain, messages, request, statement
from evalharness.miniature.world.knowledge import FACTS
from evalharness.miniature.world.scenes import NUMBERS, RELATIONS, holds

PAD, IMAGE, END = "<pad>", "<image>", "<|end|>"
ROLES = ("<|system|>", "<|user|>", "<|assistant|>")
TEMPLATE = (
    "{% for message in messages %}<|{{ message['role'] }}|>"
    "{% if message['content'] is string %}{{ message['content'] }}{% else %}"
    "{% for part in message['content'] %}{% if part['type'] == 'image' %}<image>{% else %}{{ part['text'] }}{% endif %}"
    "{% endfor %}{% endif %}<|end|>{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
ANSWER = 4
"""Tokens: ``Score``, ``:``, the digit, the end."""
MEAN = STD = (0.5, 0.5, 0.5)
DEMANDS = (None, *NUMBERS.values(), *RELATIONS)
"""What a statement may ask for besides things."""
UNKNOWN = -100
"""A label that nothing is learned from."""


def corpus() -> list[str]:
    """Sentences to build the vocabulary from."""
    rng = random.Random(0)
    texts: list[str] = []
    for fact in 2 * FACTS:
        texts += [message["content"] for message in messages(f"a photo of {fact.phrase}", explain(fact))]
    for _ in range(4000):
        cells = [(rng.choice(CLASSES), rng.choice(COLOR_NAMES)) if rng.random() < 0.5 else None for _ in range(CELLS)]
        texts += request(rng, statement(rng, cells, False))
    return texts


def tokenizer() -> PreTrainedTokenizerFast:
    """Byte-level BPE in lower case; every class is one token, in the singular and in the plural."""
    out = Tokenizer(models.BPE())
    out.normalizer = normalizers.Lowercase()
    out.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    out.decoder = decoders.ByteLevel()
    names = [word for name in CLASSES for word in dict.fromkeys((name, plural(name)))]
    trainer = trainers.BpeTrainer(
        vocab_size=900, special_tokens=[PAD, IMAGE, END, *ROLES], initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )  # fmt: skip
    out.train_from_iterator(corpus(), trainer)
    out.add_tokens(
        [AddedToken(name, single_word=True, lstrip=True, normalized=True) for name in (*names, *COLOR_NAMES)]
    )
    out.add_tokens([AddedToken(word, single_word=True, normalized=False) for word in ("Score",)])
    return PreTrainedTokenizerFast(
        tokenizer_object=out, pad_token=PAD, eos_token=END, padding_side="left", model_max_length=512,
        chat_template=TEMPLATE, extra_special_tokens={"image_token": IMAGE},
    )  # fmt: skip


def processor(words: PreTrainedTokenizerFast) -> LlavaProcessor:
    size = {"height": SIZE, "width": SIZE}
    images = CLIPImageProcessor(
        do_resize=True, size=size, do_center_crop=False, crop_size=size, image_mean=MEAN, image_std=STD
    )
    return LlavaProcessor(
        images, words, patch_size=SIZE // SIDE, vision_feature_select_strategy="full", chat_template=TEMPLATE
    )


@dataclass(frozen=True)
class JudgeBatch:
    """``n`` requests with their answers, without their common ``start``; on the boards' device."""

    start: Tensor  # (tokens,) int64
    ids: Tensor  # (n, length) int64, padded on the right
    mask: Tensor  # (n, length) int64
    answer: Tensor  # (n, ANSWER) int64: positions of the answer's tokens
    image: Tensor  # (n,) int64: the board
    role: Tensor  # (n, 16) int64: 1 for the first thing of the statement, 2 for the second, else 0
    place: Tensor  # (n, 2) int64: their cells, UNKNOWN unless there is exactly one
    count: Tensor  # (n,) int64: how many of the first there are
    demand: Tensor  # (n,) int64: index into DEMANDS
    relations: Tensor  # (n, 4) float: their relations, NaN unless both cells are known
    word: Tensor  # (n, 2) int64: positions of their names, UNKNOWN if there is no second
    hue: Tensor  # (n, 2) int64: their colours, the last index for none, UNKNOWN if there is no second


def board(boards: Boards, index: int) -> Board:
    """One board of a batch as classes and colours."""
    pairs = zip(boards.labels[index].tolist(), boards.colors[index].tolist(), strict=True)
    return [None if label == EMPTY else (CLASSES[label], COLOR_NAMES[color]) for label, color in pairs]


def _cells_with(cells: Board, noun: Noun) -> list[int]:
    """The cells that show a thing."""
    return [index for index, thing in enumerate(cells) if thing is not None and noun in (thing, (thing[0], None))]


def _labels(cells: Board, about: Statement) -> dict[str, Any]:
    """What a board shows of a statement: the fields of :class:`JudgeBatch` for one request."""
    matches = [_cells_with(cells, noun) for noun in about.nouns]
    place = [indices[0] if len(indices) == 1 else UNKNOWN for indices in matches]
    place += [UNKNOWN] * (2 - len(place))
    hues = [len(COLOR_NAMES) if color is None else COLOR_NAMES.index(color) for _, color in about.nouns]
    if UNKNOWN in place:
        relations = [float("nan")] * len(RELATIONS)
    else:
        relations = [float(holds(relation, *place)) for relation in RELATIONS]
    return {
        "role": [_role(cell, matches) for cell in range(CELLS)],
        "place": place,
        "count": len(matches[0]),
        "demand": DEMANDS.index(about.demand),
        "hue": hues + [UNKNOWN] * (2 - len(hues)),
        "relations": relations,
    }


def _role(cell: int, matches: Sequence[Sequence[int]]) -> int:
    """1 if a cell shows the first thing of a statement, 2 for the second, 0 for neither."""
    return next((role for role, indices in enumerate(matches, 1) if cell in indices), 0)


def _name_positions(words: PreTrainedTokenizerFast, ids: list[int], nouns: Sequence[Noun]) -> list[int]:
    """The position of each thing's name in the tokens: its last occurrence, since the statement comes last."""
    positions = []
    for name, _ in nouns:
        forms = {words.convert_tokens_to_ids(word) for word in (name, plural(name))}
        positions.append(max(index for index, token in enumerate(ids) if token in forms))
    return positions + [UNKNOWN] * (2 - len(positions))


def judge_batch(
    words: PreTrainedTokenizerFast, boards: Boards, each: int, rng: random.Random, *, easy: bool = False
) -> JudgeBatch:
    """``each`` statements about every board, half of them true."""
    texts, image, labels, nouns = [], [], [], []
    for index in range(len(boards.labels)):
        cells = board(boards, index)
        for _ in range(each):
            about = statement(rng, cells, rng.random() < 0.5 and any(cells), easy=easy)
            chat = messages(*request(rng, about, easy=easy))
            chat[-1]["content"] += IMAGE * CELLS
            chat.append({"role": "assistant", "content": f"Score: {int(about.true)}"})
            texts.append(words.apply_chat_template(chat, tokenize=False))
            image.append(index)
            labels.append(_labels(cells, about))
            nouns.append(about.nouns)
    ids = words(texts, add_special_tokens=False).input_ids
    start = next(index for index, column in enumerate(zip(*ids, strict=False)) if len(set(column)) > 1)
    tails = [tokens[start:] for tokens in ids]
    lengths = torch.tensor([len(tail) for tail in tails])
    padded = nn.utils.rnn.pad_sequence([torch.tensor(tail) for tail in tails], True, words.pad_token_id)
    fields = {
        "start": torch.tensor(ids[0][:start]),
        "ids": padded,
        "mask": (torch.arange(padded.shape[1]) < lengths[:, None]).long(),
        "answer": lengths[:, None] - ANSWER + torch.arange(ANSWER),
        "image": torch.tensor(image),
        **{name: torch.tensor([row[name] for row in labels]) for name in labels[0]},
        "word": torch.tensor([_name_positions(words, *pair) for pair in zip(tails, nouns, strict=True)]),
    }
    return JudgeBatch(**{name: field.to(boards.labels.device) for name, field in fields.items()})
