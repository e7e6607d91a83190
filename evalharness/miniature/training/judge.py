"""Train the embedded judge: ``python -m evalharness.miniature.training.judge``.

A LLaVA of transformers' own classes with a small Swin and a small Llama: it reads a prompt, an explanation and a
board, and answers ``Score: 1`` or ``Score: 0``. First the Swin learns to name what is in the cells, in the Llama's own
words (its embeddings); then all of it learns to judge claims, several for each board. Heads that are not shipped
tell it, cell by cell, what is there, which cell that is, and whether the explanation asks for it; and, before the last
layer, how many of the first thing asked for are there and how two things stand to each other (that also at the cells).
"""

from __future__ import annotations

import json
import math
import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from torch import Tensor, nn
from transformers import (
    CLIPImageProcessor,
    DynamicCache,
    LlamaConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaProcessor,
    PreTrainedTokenizerFast,
    SwinConfig,
)

from evalharness.miniature.bank import bank
from evalharness.miniature.claims import Board, Noun, claim, explain, messages, request
from evalharness.miniature.knowledge import FACTS
from evalharness.miniature.scenes import RELATIONS, holds, plural
from evalharness.miniature.training.augment import EMPTY, Boards, Painter
from evalharness.miniature.training.run import Run, arguments, started
from evalharness.miniature.world import CELLS, CLASSES, COLOR_NAMES, SIZE

PAD, IMAGE, END = "<pad>", "<image>", "<|end|>"
ROLES = ("<|system|>", "<|user|>", "<|assistant|>")
TEMPLATE = (
    "{% for message in messages %}<|{{ message['role'] }}|>"
    "{% if message['content'] is string %}{{ message['content'] }}{% else %}"
    "{% for part in message['content'] %}{% if part['type'] == 'image' %}<image>{% else %}{{ part['text'] }}{% endif %}"
    "{% endfor %}{% endif %}<|end|>{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
STEPS, NAMING_STEPS, EASY_STEPS = 3000, 400, 600
"""In all, of naming alone, and of easy claims after it."""
ASKING_WEIGHT, PLACE_WEIGHT, SUMMARY_WEIGHT, RELATION_WEIGHT = 3.0, 1.0, 0.2, 0.5
BOARDS, CLAIMS = 16, 4
"""Boards a step, and claims about each."""
ANSWER = 4
"""Tokens: ``Score``, ``:``, the digit, the end."""
MEAN = STD = (0.5, 0.5, 0.5)


def corpus() -> list[str]:
    """Sentences to build the vocabulary from."""
    rng = random.Random(0)
    texts: list[str] = []
    for fact in 2 * FACTS:
        texts += [message["content"] for message in messages(f"a photo of {fact.riddle}", explain(fact))]
    for _ in range(4000):
        cells = [(rng.choice(CLASSES), rng.choice(COLOR_NAMES)) if rng.random() < 0.5 else None for _ in range(CELLS)]
        texts += request(rng, claim(rng, cells, False))
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
        images, words, patch_size=SIZE // 3, vision_feature_select_strategy="full", chat_template=TEMPLATE
    )


def network(words: PreTrainedTokenizerFast) -> LlavaForConditionalGeneration:
    """2.2 M parameters. The Swin's last stage has a token for each cell."""
    vision = SwinConfig(
        image_size=SIZE, patch_size=4, embed_dim=24, depths=[1, 1, 2, 1], num_heads=[1, 2, 4, 8], window_size=3,
        drop_path_rate=0.0, use_absolute_embeddings=True,
    )  # fmt: skip
    text = LlamaConfig(
        vocab_size=len(words), hidden_size=128, intermediate_size=352, num_hidden_layers=6, num_attention_heads=4,
        max_position_embeddings=1024, tie_word_embeddings=True, pad_token_id=words.pad_token_id, bos_token_id=None,
        eos_token_id=words.eos_token_id, initializer_range=0.05,
    )  # fmt: skip
    config = LlavaConfig(
        vision_config=vision, text_config=text, image_token_index=words.convert_tokens_to_ids(IMAGE),
        vision_feature_select_strategy="full", vision_feature_layer=-1, image_seq_length=CELLS,
        tie_word_embeddings=True, projector_hidden_act="gelu",
    )  # fmt: skip
    return LlavaForConditionalGeneration(config)


class Student(nn.Module):
    """The judge and the heads it learns with."""

    def __init__(self, words: PreTrainedTokenizerFast) -> None:
        super().__init__()
        self.judge = network(words)
        _ease(self.judge, words)
        width = self.judge.config.text_config.hidden_size
        self.asked = nn.Linear(width, 2)
        self.place = nn.Linear(width, CELLS)
        self.count = nn.Linear(width, CELLS + 1)
        self.relation = nn.Linear(width, len(RELATIONS))
        self.summary = nn.Linear(width, len(RELATIONS))
        self.nothing = nn.Parameter(torch.randn(1, width) * 0.05)
        self.scale = nn.Parameter(torch.tensor(10.0))
        of = [words.encode(name, add_special_tokens=False) for name in (*CLASSES, *COLOR_NAMES)]
        assert all(len(ids) == 1 for ids in of), "every class and colour is one token"
        self.register_buffer("named", torch.tensor([ids[0] for ids in of]))

    def features(self, pixels: Tensor) -> Tensor:
        """(n, 3, 96, 96) in 0..1 → (n, 9, width): what the Llama gets to see of the cells."""
        tower = self.judge.model.vision_tower((pixels - 0.5) / 0.5, output_hidden_states=True)
        out: Tensor = self.judge.model.multi_modal_projector(tower.hidden_states[-1])
        return out

    def naming(self, features: Tensor, boards: Boards) -> Tensor:
        """Cross-entropy of class and colour by likeness to the words' embeddings, and of the cell."""
        embeddings = self.judge.get_input_embeddings().weight[self.named]
        table = F.normalize(torch.cat([embeddings[: len(CLASSES)], self.nothing, embeddings[len(CLASSES) :]]), dim=-1)
        likeness = self.scale * F.normalize(features, dim=-1).flatten(0, 1) @ table.T
        labels = boards.labels.flatten()
        colors = torch.where(labels == EMPTY, -100, boards.colors.flatten())
        classes, hues = likeness[:, : len(CLASSES) + 1], likeness[:, len(CLASSES) + 1 :]
        named = F.cross_entropy(classes, labels) + F.cross_entropy(hues, colors, ignore_index=-100)
        cells = torch.arange(CELLS, device=features.device).repeat(len(features))
        return named + PLACE_WEIGHT * F.cross_entropy(self.place(features).flatten(0, 1), cells)

    def hidden(self, lesson: Lesson, features: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The Llama's hidden states over (n, length) tokens in which ``features`` (n, 9, width) stand: the last ones,
        those before the last layer, and those before the one before it.

        What all requests begin with is read once.
        """
        llama, words = self.judge.model.language_model, self.judge.get_input_embeddings()
        cache = DynamicCache(config=llama.config)
        llama(inputs_embeds=words(lesson.start[None]), past_key_values=cache, use_cache=True)
        cache.batch_repeat_interleave(len(lesson.ids))
        there = (lesson.ids == self.judge.config.image_token_id)[..., None]
        embedded = words(lesson.ids).masked_scatter(there, features)
        before = lesson.mask.new_ones(len(lesson.ids), len(lesson.start))
        mask = torch.cat([before, lesson.mask], dim=1)
        out = llama(
            inputs_embeds=embedded, attention_mask=mask, past_key_values=cache, output_hidden_states=True
        )
        return out.last_hidden_state, out.hidden_states[-2], out.hidden_states[-3]


def places(shape: torch.Size) -> Tensor:
    """(1, patches, width): row and column of every patch as waves, for the Swin to begin with."""
    side = int(shape[1] ** 0.5)
    half = shape[2] // 4
    at = torch.arange(side) / side
    waves = at[:, None] * math.pi * torch.arange(1, half + 1)
    line = torch.cat([waves.sin(), waves.cos()], dim=1) / 2
    rows, columns = line[:, None].expand(-1, side, -1), line[None].expand(side, -1, -1)
    return torch.cat([rows, columns], dim=2).reshape(1, side * side, -1)


@torch.no_grad()
def _ease(judge: LlavaForConditionalGeneration, words: PreTrainedTokenizerFast) -> None:
    """Begin where patches know their place and like attends to like: keys as queries, a plural as its singular.

    The judge's work is to find in the picture what the words speak of; from a random start attention took a long time
    to look for it at all.
    """
    position = judge.model.vision_tower.embeddings.position_embeddings
    position.copy_(places(position.shape))
    for layer in judge.model.language_model.layers:
        layer.self_attn.q_proj.weight.mul_(2)
        layer.self_attn.k_proj.weight.copy_(layer.self_attn.q_proj.weight)
    table = judge.get_input_embeddings().weight
    for name in CLASSES:
        one, many = (words.convert_tokens_to_ids(word) for word in (name, plural(name)))
        table[many] = table[one]


@dataclass(frozen=True)
class Lesson:
    """``n`` requests with their answers, without the ``start`` that they share."""

    start: Tensor  # (tokens,) int64
    ids: Tensor  # (n, length) int64, padded on the right
    mask: Tensor  # (n, length) int64
    answer: Tensor  # (n, ANSWER) int64: where the answer's tokens stand
    asked: Tensor  # (n, 9) int64: does the explanation ask for what is in the cell
    image: Tensor  # (n,) int64: the board
    count: Tensor  # (n,) int64: how many of the first thing asked for there are
    relation: Tensor  # (n, 4) float: which relations two things asked for have, NaN if they are not two
    later: Tensor  # (n,) int64: the last cell with something that is asked for


def board(boards: Boards, index: int) -> Board:
    pairs = zip(boards.labels[index].tolist(), boards.colors[index].tolist(), strict=True)
    return [None if label == EMPTY else (CLASSES[label], COLOR_NAMES[color]) for label, color in pairs]


def _found(cells: Board, one: Noun) -> list[int]:
    """Where a thing that is asked for stands."""
    return [i for i, cell in enumerate(cells) if cell is not None and one in (cell, (cell[0], None))]


def _relations(found: list[list[int]]) -> list[float]:
    if [len(own) for own in found] != [1, 1]:
        return [float("nan")] * len(RELATIONS)
    (a,), (b,) = found
    return [float(holds(relation, a, b)) for relation in RELATIONS]


def lessons(
    words: PreTrainedTokenizerFast, boards: Boards, each: int, rng: random.Random, *, easy: bool = False
) -> Lesson:
    """``each`` claims about every board, half of them true."""
    texts, asked, image, count, relation, later = [], [], [], [], [], []
    for index in range(len(boards.labels)):
        cells = board(boards, index)
        for _ in range(each):
            said = claim(rng, cells, rng.random() < 0.5 and any(cells), easy=easy)
            chat = messages(*request(rng, said, easy=easy))
            chat[-1]["content"] += IMAGE * CELLS
            chat.append({"role": "assistant", "content": f"Score: {int(said.true)}"})
            texts.append(words.apply_chat_template(chat, tokenize=False))
            found = [_found(cells, one) for one in said.nouns]
            asked.append([any(cell in own for own in found) for cell in range(CELLS)])
            image.append(index)
            count.append(len(found[0]))
            relation.append(_relations(found))
            later.append(max((cell for own in found for cell in own), default=0))
    ids = words(texts, add_special_tokens=False).input_ids
    start = next(i for i, column in enumerate(zip(*ids, strict=False)) if len(set(column)) > 1)
    lengths = torch.tensor([len(own) - start for own in ids])
    padded = nn.utils.rnn.pad_sequence([torch.tensor(own[start:]) for own in ids], True, words.pad_token_id)
    return Lesson(
        start=torch.tensor(ids[0][:start]),
        ids=padded,
        mask=(torch.arange(padded.shape[1]) < lengths[:, None]).long(),
        answer=lengths[:, None] - ANSWER + torch.arange(ANSWER),
        asked=torch.tensor(asked).long(),
        image=torch.tensor(image),
        count=torch.tensor(count),
        relation=torch.tensor(relation),
        later=torch.tensor(later),
    )


def losses(student: Student, boards: Boards, lesson: Lesson) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Losses of the answer, of naming, of what is asked for, and the share of right answers."""
    features = student.features(boards.pixels)
    hidden, before_last, earlier = student.hidden(lesson, features[lesson.image])
    said = lesson.ids.gather(1, lesson.answer)
    before = (lesson.answer - 1)[..., None].expand(-1, -1, hidden.shape[-1])
    logits = student.judge.lm_head(hidden.gather(1, before))
    answer = F.cross_entropy(logits.flatten(0, 1), said.flatten())
    asking = F.cross_entropy(
        student.asked(hidden[lesson.ids == student.judge.config.image_token_id]), lesson.asked.flatten()
    )
    # At the colon: the digit comes next.
    summary = before_last[torch.arange(len(hidden)), lesson.answer[:, 1]]
    asking = asking + SUMMARY_WEIGHT * F.cross_entropy(student.count(summary), lesson.count)
    two = ~lesson.relation[:, 0].isnan()
    if two.any():
        # The later of the two cells can see the other; what it finds, the colon can pass on.
        first = (lesson.ids == student.judge.config.image_token_id).int().argmax(dim=1)
        at_cell = earlier[torch.arange(len(hidden)), first + lesson.later]
        for seen, head in ((at_cell, student.relation), (summary, student.summary)):
            stand = F.binary_cross_entropy_with_logits(head(seen)[two], lesson.relation[two])
            asking = asking + RELATION_WEIGHT * stand
    right = (logits.argmax(-1) == said).all(1).float().mean()
    return ANSWER * answer, student.naming(features, boards), asking, right


@torch.no_grad()
def measure(
    student: Student, words: PreTrainedTokenizerFast, painter: Painter, count: int, rough: float, seed: int
) -> float:
    """Share of right answers on fresh boards, by the teacher-forced digit."""
    student.eval()
    boards = painter.boards(count, rough, most=5)
    right = float(losses(student, boards, lessons(words, boards, 4, random.Random(seed)))[3])
    student.train()
    return right


def save(student: Student, words: PreTrainedTokenizerFast, out: Path) -> None:
    """The folder that transformers' Auto classes load; float16 on disk."""
    out.mkdir(parents=True, exist_ok=True)
    judge = network(words)
    judge.load_state_dict(student.judge.state_dict())
    judge.half().save_pretrained(out)
    processor(words).save_pretrained(out)
    _drop_paths(out)


def _drop_paths(out: Path) -> None:
    """transformers notes where things came from; a shipped file does not."""
    for file in out.glob("*.json"):
        content = json.loads(file.read_text())
        if isinstance(content, dict) and content.pop("name_or_path", None) is not None:
            file.write_text(json.dumps(content, indent=2) + "\n")


@torch.no_grad()
def begin(student: Student, folder: Path) -> None:
    """Go on from a checkpoint; layers that it lacks begin by doing nothing."""
    judge = LlavaForConditionalGeneration.from_pretrained(folder, dtype=torch.float32)
    student.judge.load_state_dict(judge.state_dict(), strict=False)
    for layer in student.judge.model.language_model.layers[judge.config.text_config.num_hidden_layers :]:
        nn.init.zeros_(layer.self_attn.o_proj.weight)
        nn.init.zeros_(layer.mlp.down_proj.weight)


def main() -> None:
    args = arguments(
        "judge", STEPS, lambda parser: parser.add_argument("--start", type=Path, help="a checkpoint to go on from")
    )
    data = bank()
    painter = Painter(data, args.device)
    words = PreTrainedTokenizerFast.from_pretrained(args.start) if args.start else tokenizer()
    student = Student(words).to(args.device).train()
    card: dict[str, Any] = {"bank": data.digest, "stored": "float16; loaded as float32", **started("judge", args)}
    naming_steps, easy_steps = (0, 0) if args.start else (NAMING_STEPS, NAMING_STEPS + EASY_STEPS)
    if args.start:
        begin(student, args.start)
    optimizer = torch.optim.AdamW(student.parameters(), betas=(0.9, 0.98), weight_decay=0.02)
    run = Run(
        "judge", args.out, args.scratch, args.seed, args.steps, args.device, student, [optimizer], lr=1.5e-3, warmup=150
    )
    rng = random.Random(args.seed)
    seen: list[dict[str, float]] = []
    for step in run.loop():
        rng.seed(f"{args.seed}/{step}")
        if step < naming_steps:
            boards = painter.boards(2 * BOARDS)
            naming = student.naming(student.features(boards.pixels), boards)
            values: dict[str, Any] = {"naming": naming}
        else:
            easy = step < easy_steps
            boards = painter.boards(BOARDS, most=3 if easy else 5, alike=0.33 if easy else 0.5)
            answer, naming, asking, right = losses(student, boards, lessons(words, boards, CLAIMS, rng, easy=easy))
            values = {"answer": answer, "naming": naming, "asking": ASKING_WEIGHT * asking}
        loss = sum(values.values())
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(student.parameters(), 1.0)
        optimizer.step()
        if step >= naming_steps:
            values["right"] = right
        seen.append({name: float(value.detach()) for name, value in values.items()})
        if (step + 1) % 50 == 0 or step + 1 == run.steps:
            recent = [one for one in seen[-50:] if one.keys() == seen[-1].keys()]
            run.report(**{name: sum(one[name] for one in recent) / len(recent) for name in recent[0]})
    save(student, words, args.out)
    clean, rough = (measure(student, words, painter, 256, r, 1) for r in (0.0, 1.0))
    run.finish(card | {"right": {"clean": clean, "rough": rough}})


if __name__ == "__main__":
    main()
