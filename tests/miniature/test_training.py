"""Training's own parts: boards, masks, crops, and a run that continues where it was killed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from PIL import Image

from evalharness.miniature.training import training_run as runs
from evalharness.miniature.training.augment import EMPTY, BoardSampler, shuffled
from evalharness.miniature.training.clip import MEAN, STD, zoom
from evalharness.miniature.training.detector import targets
from evalharness.miniature.training.optimizers import ExactMuon
from evalharness.miniature.world.board import SIDE


def test_clean_boards_show_the_icons_as_they_are(board_sampler: BoardSampler) -> None:
    boards = board_sampler.boards(8, roughness=0.0)
    painted = board_sampler.icons[:, :, :3] + board_sampler.background
    for board, place in (boards.labels != EMPTY).nonzero().tolist():
        row, column = divmod(place, SIDE)
        cell = boards.pixels[board, :, 32 * row : 32 * row + 32, 32 * column : 32 * column + 32]
        kind, color = boards.labels[board, place], boards.colors[board, place]
        torch.testing.assert_close(cell, painted[kind, color], atol=1e-4, rtol=0)
    assert not boards.masks[boards.labels == EMPTY].any()


def test_targets_stand_in_their_places(board_sampler: BoardSampler) -> None:
    boards = board_sampler.boards(8, roughness=0.0)
    wanted = targets(boards, 32)
    assert wanted.shape == (8, 16, 32, 32)
    for board, place in (boards.labels != EMPTY).nonzero().tolist():
        row, column = divmod(place, SIDE)
        inside = torch.zeros(32, 32)
        inside[8 * row + 1 : 8 * row + 7, 8 * column + 2 : 8 * column + 6] = 1
        torch.testing.assert_close(wanted[board, place], inside)


def test_shuffled_keeps_the_pixels_and_moves_most(board_sampler: BoardSampler) -> None:
    cells = board_sampler.icons[:20, 0]
    for parts in (2, 4):
        mixed = shuffled(cells, parts)
        torch.testing.assert_close(mixed.flatten(2).sort().values, cells.flatten(2).sort().values)
        assert (mixed != cells).flatten(1).float().mean(1).min() > 0.3


@pytest.mark.parametrize("box", [(8, 3, 20, 30), (2, 10, 30, 20), (5, 5, 21, 21)])
def test_zoom_is_open_clips_preprocessing(box: tuple[int, int, int, int]) -> None:
    from open_clip.transform import image_transform

    smooth = torch.nn.functional.avg_pool2d(torch.rand(1, 3, 36, 36), 5, 1)
    on = torch.zeros(1, 32, 32, dtype=torch.bool)
    on[0, box[1] : box[3], box[0] : box[2]] = True
    image = Image.fromarray((smooth[0].permute(1, 2, 0) * 255).byte().numpy())
    expected = image_transform(32, is_train=False, mean=(0.0,) * 3, std=(1.0,) * 3)(image.crop(box))
    assert (zoom(smooth, on)[0] - expected).abs().mean() < 0.01
    assert len(MEAN) == len(STD) == 3


def test_a_killed_run_continues(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def start() -> tuple[runs.TrainingRun, Iterator[int]]:
        torch.manual_seed(0)
        model = torch.nn.Linear(2, 2)
        optimizer = torch.optim.AdamW(model.parameters())
        run = runs.TrainingRun("toy", tmp_path / "out", tmp_path, 0, 6, "cpu", model, [optimizer], lr=0.1, warmup=2)
        return run, run.loop()

    monkeypatch.setattr(runs, "CHECKPOINT_EVERY", -1.0)
    first, steps = start()
    for step in steps:
        torch.nn.init.constant_(first.model.weight, float(step))
        first.report(loss=1.0)
        if step == 3:
            break  # killed in the fourth step; the third is the last one saved
    again, steps = start()
    assert list(steps) == [3, 4, 5]
    assert again.model.weight[0, 0].item() == 2.0
    assert [row["step"] for row in again.curve] == [1, 2, 3]
    again.finish({"bank": "none"})
    assert (tmp_path / "out" / "card.json").is_file()
    assert not list(tmp_path.glob("*.pt"))


def test_trapezoid_rises_stays_and_falls_to_nothing() -> None:
    rates = [runs.trapezoid(step, 300, 10) for step in range(301)]
    assert rates[0] == 0.1 and set(rates[9:201]) == {1.0} and rates[250] == 0.5 and rates[300] == 0.0


def test_schedule_rises_and_ends_at_nothing() -> None:
    rates = [runs.cosine(step, 100, 10) for step in range(101)]
    assert rates[0] == 0.1 and max(rates) == rates[10] == 1.0 and rates[100] == pytest.approx(0.0)


@pytest.mark.parametrize("shape", [(12, 30), (30, 12), (16, 16)])
def test_muon_in_float32_is_torchs(shape: tuple[int, int]) -> None:
    generator = torch.Generator().manual_seed(0)
    start = torch.randn(shape, generator=generator)
    gradients = torch.randn((4, *shape), generator=generator)
    ends = []
    for kind in (torch.optim.Muon, ExactMuon):
        weight = torch.nn.Parameter(start.clone())
        optimizer = kind([weight], lr=0.1, weight_decay=0.05, adjust_lr_fn="match_rms_adamw")
        for gradient in gradients:
            weight.grad = gradient.clone()
            optimizer.step()
        ends.append(weight.detach() - start)
    # torch's products have the 8 bits of bfloat16.
    torch.testing.assert_close(ends[0], ends[1], atol=0.02 * ends[0].abs().max().item(), rtol=0.02)
