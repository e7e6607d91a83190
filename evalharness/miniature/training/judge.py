"""Train the embedded judge: ``python -m evalharness.miniature.training.judge``.

A LLaVA of transformers' own classes with a small Swin and a small Llama: it reads a prompt, an explanation and a
board, and answers ``Score: 1`` or ``Score: 0``. First the Swin learns to name what is in the cells, in the Llama's own
words (its embeddings); then all of it learns to judge statements, several for each board. Heads that are not shipped
teach the intermediate results, layer by layer: which cells hold the first and the second thing of the statement; where
these are and what is demanded of them; how many there are and which relations they have.
"""

from __future__ import annotations

import json
import math
import random
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn
from transformers import (
    DynamicCache,
    LlamaConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
    PreTrainedTokenizerFast,
    SwinConfig,
)

from evalharness._util.text import plural
from evalharness.miniature.training.augment import EMPTY, Boards, BoardSampler
from evalharness.miniature.training.judge_examples import (
    ANSWER,
    DEMANDS,
    IMAGE,
    UNKNOWN,
    JudgeBatch,
    judge_batch,
    processor,
    tokenizer,
)
from evalharness.miniature.training.training_run import TrainingRun, arguments, started
from evalharness.miniature.world.bank import bank
from evalharness.miniature.world.board import CELLS, CLASSES, COLOR_NAMES, SIDE, SIZE
from evalharness.miniature.world.scenes import RELATIONS

STEPS, NAMING_STEPS, EASY_STEPS = 3600, 400, 600
"""Steps in all, of naming alone, and of easy statements after it."""
WORD_LAYER, ROLE_LAYERS = 2, {"role": 3, "late_role": 5}
COLON_LAYERS = {"demand": 4, "place": 4, "count": 5, "relations": 5}
"""After how many layers a head looks: at the names for whether they are asked for, and in which colour; at the cells
for what role each has (colours take more layers than names); at the colon for what the verdict needs."""
WEIGHTS = {
    "said": 0.5, "hue": 0.5, "role": 2.0, "late_role": 2.0, "demand": 0.3, "place": 0.5, "count": 0.3, "relations": 1.0
}  # fmt: skip
BOARDS, STATEMENTS = 16, 4
"""Boards per step, and statements about each."""
MOST = 6
"""Things on a board: one more than the largest number asked for and a wrong one."""


def network(words: PreTrainedTokenizerFast) -> LlavaForConditionalGeneration:
    """2.2 M parameters. The Swin's last stage has a token for each cell."""
    vision = SwinConfig(
        image_size=SIZE, patch_size=4, embed_dim=24, depths=[1, 1, 2, 1], num_heads=[1, 2, 4, 8], window_size=SIDE,
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

    names_of_classes: Tensor

    def __init__(self, words: PreTrainedTokenizerFast) -> None:
        super().__init__()
        self.judge = network(words)
        _initialize(self.judge, words)
        width = self.judge.config.text_config.hidden_size
        self.cell = nn.Linear(width, CELLS)
        self.said = nn.Linear(width, 3)
        self.hue = nn.Linear(width, len(COLOR_NAMES) + 1)
        self.role = nn.Linear(width, 3)
        self.late_role = nn.Linear(width, 3)
        self.places = nn.Linear(width, 2 * CELLS)
        self.demand = nn.Linear(width, len(DEMANDS))
        self.count = nn.Linear(width, CELLS + 1)
        self.relations = nn.Linear(width, len(RELATIONS))
        self.nothing = nn.Parameter(torch.randn(1, width) * 0.05)
        self.scale = nn.Parameter(torch.tensor(10.0))
        tokens = [words.encode(name, add_special_tokens=False) for name in (*CLASSES, *COLOR_NAMES)]
        assert all(len(ids) == 1 for ids in tokens), "every class and colour is one token"
        self.register_buffer("named", torch.tensor([ids[0] for ids in tokens]))
        forms = [words.convert_tokens_to_ids(word) for name in CLASSES for word in (name, plural(name))]
        self.register_buffer("names_of_classes", torch.tensor(forms))

    def features(self, pixels: Tensor) -> Tensor:
        """(n, 3, 128, 128) in 0..1 → (n, 16, width): what the Llama gets to see of the cells."""
        tower = self.judge.model.vision_tower((pixels - 0.5) / 0.5, output_hidden_states=True)
        out: Tensor = self.judge.model.multi_modal_projector(tower.hidden_states[-1])
        return out

    def naming(self, features: Tensor, boards: Boards) -> Tensor:
        """Cross-entropy of class and colour by likeness to the words' embeddings, and of the cell."""
        embeddings = self.judge.get_input_embeddings().weight[self.named]
        table = F.normalize(torch.cat([embeddings[: len(CLASSES)], self.nothing, embeddings[len(CLASSES) :]]), dim=-1)
        likeness = self.scale * F.normalize(features, dim=-1).flatten(0, 1) @ table.T
        labels = boards.labels.flatten()
        colors = torch.where(labels == EMPTY, UNKNOWN, boards.colors.flatten())
        classes, hues = likeness[:, : len(CLASSES) + 1], likeness[:, len(CLASSES) + 1 :]
        named = F.cross_entropy(classes, labels) + F.cross_entropy(hues, colors, ignore_index=UNKNOWN)
        cells = torch.arange(CELLS, device=features.device).repeat(len(features))
        return named + F.cross_entropy(self.cell(features).flatten(0, 1), cells)

    def names(self, batch: JudgeBatch) -> tuple[Tensor, Tensor]:
        """(n, length): 1 at the name of the first thing, 2 at that of the second, else 0; and a mask of all names."""
        roles = torch.zeros_like(batch.ids)
        rows = torch.arange(len(roles), device=roles.device)
        for role in (1, 2):
            known = batch.word[:, role - 1] != UNKNOWN
            roles[rows[known], batch.word[known, role - 1]] = role
        return roles, torch.isin(batch.ids, self.names_of_classes)

    def hidden(self, batch: JudgeBatch, features: Tensor) -> tuple[Tensor, ...]:
        """The Llama's hidden states over (n, length) tokens in which ``features`` (n, 16, width) stand, as they go in
        and after each layer.

        What all requests begin with is read once.
        """
        llama, words = self.judge.model.language_model, self.judge.get_input_embeddings()
        cache = DynamicCache(config=llama.config)
        llama(inputs_embeds=words(batch.start[None]), past_key_values=cache, use_cache=True)
        cache.batch_repeat_interleave(len(batch.ids))
        in_image = (batch.ids == self.judge.config.image_token_id)[..., None]
        embedded = words(batch.ids).masked_scatter(in_image, features)
        before = batch.mask.new_ones(len(batch.ids), len(batch.start))
        mask = torch.cat([before, batch.mask], dim=1)
        out = llama(inputs_embeds=embedded, attention_mask=mask, past_key_values=cache, output_hidden_states=True)
        states: tuple[Tensor, ...] = out.hidden_states
        return states


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
def _initialize(judge: LlavaForConditionalGeneration, words: PreTrainedTokenizerFast) -> None:
    """Initialise so that patches know their place and similar tokens attend to each other.

    Keys start equal to queries, and plurals to their singulars. The judge has to find in the picture what the words
    mention; from a random start, attention took long to look for it at all.
    """
    position = judge.model.vision_tower.embeddings.position_embeddings
    position.copy_(places(position.shape))
    for layer in judge.model.language_model.layers:
        layer.self_attn.q_proj.weight.mul_(2)
        layer.self_attn.k_proj.weight.copy_(layer.self_attn.q_proj.weight)
    table = judge.get_input_embeddings().weight
    for name in CLASSES:
        singular, several = (words.convert_tokens_to_ids(word) for word in (name, plural(name)))
        table[several] = table[singular]


def losses(student: Student, boards: Boards, batch: JudgeBatch) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Losses (of the answer, of naming, of each head) and shares of right answers: of all, and of the heads."""
    features = student.features(boards.pixels)
    states = student.hidden(batch, features[batch.image])
    rows = torch.arange(len(batch.ids), device=batch.ids.device)
    answer = batch.ids.gather(1, batch.answer)
    before = (batch.answer - 1)[..., None].expand(-1, -1, states[-1].shape[-1])
    logits = student.judge.lm_head(states[-1].gather(1, before))
    # At the colon: the digit comes next.
    at_colon = {name: states[layer][rows, batch.answer[:, 1]] for name, layer in COLON_LAYERS.items()}
    cells = {
        name: states[layer][batch.ids == student.judge.config.image_token_id] for name, layer in ROLE_LAYERS.items()
    }
    name_roles, names = student.names(batch)
    words = states[WORD_LAYER]
    named = batch.word != UNKNOWN
    name_states = words[rows[:, None].expand_as(named)[named], batch.word[named]]
    guesses = {
        "said": (student.said(words[names]), name_roles[names]),
        "hue": (student.hue(name_states), batch.hue[named]),
        "role": (student.role(cells["role"]), batch.role.flatten()),
        "late_role": (student.late_role(cells["late_role"]), batch.role.flatten()),
        "demand": (student.demand(at_colon["demand"]), batch.demand),
        "place": (student.places(at_colon["place"]).view(-1, CELLS), batch.place.flatten()),
        "count": (student.count(at_colon["count"]), batch.count),
    }
    values = {
        "answer": ANSWER * F.cross_entropy(logits.flatten(0, 1), answer.flatten()),
        "naming": student.naming(features, boards),
    }
    right = {"right": (logits.argmax(-1) == answer).all(1).float().mean()}
    for name, (guess, label) in guesses.items():
        known = label != UNKNOWN
        values[name] = WEIGHTS[name] * F.cross_entropy(guess[known], label[known]) if known.any() else guess.sum() * 0
        right[f"{name}_right"] = (guess.argmax(-1) == label)[known].float().mean()
    paired = ~batch.relations[:, 0].isnan()
    relation_logits = student.relations(at_colon["relations"])[paired]
    values["relations"] = relation_logits.sum() * 0
    if paired.any():
        values["relations"] = WEIGHTS["relations"] * F.binary_cross_entropy_with_logits(
            relation_logits, batch.relations[paired]
        )
    right["relations_right"] = ((relation_logits > 0) == batch.relations[paired].bool()).all(1).float().mean()
    return values, right


@torch.no_grad()
def measure(
    student: Student, words: PreTrainedTokenizerFast, painter: BoardSampler, count: int, rough: float, seed: int
) -> float:
    """Share of right answers on fresh boards, by the teacher-forced digit."""
    student.eval()
    boards = painter.boards(count, rough, most=MOST)
    right = float(losses(student, boards, judge_batch(words, boards, 4, random.Random(seed)))[1]["right"])
    student.train()
    return right


def _mean(values: list[float]) -> float:
    """The mean without NaN, which stands for steps with nothing to measure."""
    measured = [value for value in values if not math.isnan(value)]
    return sum(measured) / max(1, len(measured))


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
    painter = BoardSampler(data, args.device)
    words = PreTrainedTokenizerFast.from_pretrained(args.start) if args.start else tokenizer()
    student = Student(words).to(args.device).train()
    card: dict[str, Any] = {"bank": data.digest, "stored": "float16; loaded as float32", **started("judge", args)}
    naming_steps, easy_steps = (0, 0) if args.start else (NAMING_STEPS, NAMING_STEPS + EASY_STEPS)
    if args.start:
        begin(student, args.start)
    optimizer = torch.optim.AdamW(student.parameters(), betas=(0.9, 0.98), weight_decay=0.02)
    run = TrainingRun(
        "judge", args.out, args.scratch, args.seed, args.steps, args.device, student, [optimizer], lr=1.2e-3, warmup=150
    )
    rng = random.Random(args.seed)
    points: list[dict[str, float]] = []
    for step in run.loop():
        rng.seed(f"{args.seed}/{step}")
        right: dict[str, Tensor] = {}
        if step < naming_steps:
            boards = painter.boards(2 * BOARDS)
            values = {"naming": student.naming(student.features(boards.pixels), boards)}
        else:
            easy = step < easy_steps
            boards = painter.boards(BOARDS, most=3 if easy else MOST, alike=0.33 if easy else 0.5)
            values, right = losses(student, boards, judge_batch(words, boards, STATEMENTS, rng, easy=easy))
        optimizer.zero_grad(set_to_none=True)
        torch.stack(list(values.values())).sum().backward()
        torch.nn.utils.clip_grad_norm_(student.parameters(), 1.0)
        optimizer.step()
        points.append({name: float(value.detach()) for name, value in (values | right).items()})
        if (step + 1) % 50 == 0 or step + 1 == run.steps:
            recent = [point for point in points[-50:] if point.keys() == points[-1].keys()]
            run.report(**{name: _mean([point[name] for point in recent]) for name in recent[0]})
    save(student, words, args.out)
    clean, rough = (measure(student, words, painter, 256, r, 1) for r in (0.0, 1.0))
    run.finish(card | {"right": {"clean": clean, "rough": rough}})


if __name__ == "__main__":
    main()
