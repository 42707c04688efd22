# SPDX-License-Identifier: GPL-3.0-or-later
"""What a training leaves and reads: averages, figures, validations; and what a GPU asks of the loop."""

from __future__ import annotations

import csv
import json
import os
import re
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

torch = pytest.importorskip("torch")
pytest.importorskip("accelerate")
pytest.importorskip("onnx")

from gnuradio.semcom.cli import main  # noqa: E402
from gnuradio.semcom.errors import BadInput  # noqa: E402
from gnuradio.semcom.train import checkpoints, coders, figure, trainer  # noqa: E402
from gnuradio.semcom.train.channels import Conditions  # noqa: E402
from gnuradio.semcom.train.data import Photographs, _Windows  # noqa: E402

SETTINGS = trainer.Settings(steps=3, batch=2, threads=1, precision="no", validate_every=3)


@pytest.fixture
def folder(tmp_path, smooth_image):
    path = tmp_path / "photos"
    path.mkdir()
    for seed in range(10):
        Image.fromarray(smooth_image(36 + seed, 50 - seed, seed)).save(path / f"{seed}.png")
    return path


def table(out):
    return list(csv.DictReader((out / "log.csv").open()))


def state_of(path):
    return torch.load(path, weights_only=True)


def figures_of(row):
    return [float(value) for name, value in row.items() if name.startswith("psnr_")]


def test_a_training_starts_from_averages_alone(folder, tmp_path, monkeypatch):
    """From one small file, from its numbered parts, from a checkpoint: at the quality that was reached."""
    monkeypatch.setattr(coders.CoderTask, "warm_up", 1)
    settings = replace(SETTINGS, steps=20, validate_every=20, learning_rate=3e-3)
    first = coders.train("deepjscc", [folder], tmp_path / "first", settings, crop=32)
    reached = figures_of(table(tmp_path / "first")[-1])
    assert abs(reached[3] - figures_of(table(tmp_path / "first")[0])[3]) > 0.5  # far from the weights of a new one
    averages = tmp_path / "first" / "averages.pt"
    kept = state_of(averages)
    assert kept["step"] == 20 and {v.dtype for v in kept["weights"].values() if v.is_floating_point()} == {torch.half}
    assert averages.stat().st_size < first.stat().st_size / 6

    carried = tmp_path / "carried"
    carried.mkdir()
    with monkeypatch.context() as patch:
        patch.setattr(checkpoints, "MAX_PART", 100_000)
        ema = state_of(first)["ema"]
        checkpoints.write_averages(carried, {key: kept[key] for key in ("scheme", "options", "step", "seconds")}, ema)
    parts = sorted(carried.iterdir())
    assert len(parts) > 1 and all(part.stat().st_size <= 100_000 for part in parts)

    for number, start in enumerate((averages, carried, parts[1], first)):
        out = tmp_path / str(number)
        lines = []
        more = replace(SETTINGS, start=start)
        coders.train("deepjscc", [folder], out, more, crop=32, report=lines.append)
        assert figures_of(table(out)[0]) == pytest.approx(reached, abs=0.02)
        recipe = json.loads((out / "recipe.json").read_text())
        assert recipe["segments"][0]["start_from"]["step"] == 20
        assert any(line.startswith("starts from the averages of") for line in lines)
    # what was started so goes on, and its recipe still says where from
    coders.train("deepjscc", [folder], out, replace(SETTINGS, steps=4), crop=32)
    assert json.loads((out / "recipe.json").read_text())["segments"][-1]["start_from"]["step"] == 20

    with pytest.raises(BadInput, match="holds a training of deepjscc, not of samsc"):
        coders.train("samsc", [folder], tmp_path / "other", replace(SETTINGS, start=averages), crop=32)
    with pytest.raises(BadInput, match=r"none is not there; give averages.pt"):
        coders.train("samsc", [folder], tmp_path / "other", replace(SETTINGS, start=tmp_path / "none"), crop=32)
    parts[0].unlink()
    with pytest.raises(BadInput, match="is no checkpoint that can be read"):
        coders.train("deepjscc", [folder], tmp_path / "other", replace(SETTINGS, start=carried), crop=32)
    assert not (tmp_path / "other").exists()


def test_what_float16_cannot_hold_is_kept(tmp_path):
    about = {"scheme": "x", "options": {}, "step": 1, "seconds": 1.0}
    weights = {"module.large": torch.tensor([1e6]), "module.count": torch.tensor(3), "n_averaged": torch.tensor(1)}
    checkpoints.write_averages(tmp_path, about, weights)
    assert checkpoints.read_weights(tmp_path)["weights"] == {"large": torch.tensor([1e6]), "count": torch.tensor(3)}


def test_quality_over_time_is_drawn(folder, tmp_path, monkeypatch):
    pytest.importorskip("matplotlib")
    coders.train("deepjscc", [folder], tmp_path / "run", SETTINGS, crop=32)
    drawn = (tmp_path / "run" / "quality.svg").read_text()
    for snr in coders.VALIDATION_SNRS:
        assert f"held_out_psnr_db/{snr}_db" in drawn
    assert figure.draw(tmp_path / "run" / "log.csv", tmp_path / "again.svg", str)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    lines = []
    coders.train("deepjscc", [folder], tmp_path / "plain", SETTINGS, crop=32, report=lines.append)
    assert "Matplotlib is not installed: quality.svg is not drawn" in lines
    assert not (tmp_path / "plain" / "quality.svg").exists()


def test_the_speed_is_reported_once(folder, tmp_path, monkeypatch):
    for after, steps in ((60.0, 3), (0.0, 6)):  # at the end, or after a while
        monkeypatch.setattr(trainer, "SPEED_AFTER", after)
        lines = []
        settings = replace(SETTINGS, steps=steps)
        coders.train("deepjscc", [folder], tmp_path / str(steps), settings, crop=32, report=lines.append)
        said = [line for line in lines if "crops a second" in line]
        assert len(said) == 1
        speed, share = re.fullmatch(
            r"([\d.]+) crops a second in each process, ([\d.]+)% of it in the loader", said[0]
        ).groups()
        assert float(speed) > 1 and 0 < float(share) < 50


def test_losses_are_read_now_and_then_and_a_bad_one_is_never_saved(folder, tmp_path, monkeypatch):
    """As on a GPU: the weights may be spoilt when it is noticed, what is on disk is not."""
    monkeypatch.setitem(trainer.READ_EVERY, "cpu", 50)
    good = coders.train("deepjscc", [folder], tmp_path / "good", SETTINGS, crop=32)
    monkeypatch.setitem(trainer.READ_EVERY, "cpu", 1)
    same = coders.train("deepjscc", [folder], tmp_path / "same", SETTINGS, crop=32)
    assert all(torch.equal(w, state_of(same)["net"][name]) for name, w in state_of(good)["net"].items())
    assert [row["training_psnr_db"] for row in table(tmp_path / "good")] == [
        row["training_psnr_db"] for row in table(tmp_path / "same")
    ]
    monkeypatch.setitem(trainer.READ_EVERY, "cpu", 50)
    settings = replace(SETTINGS, steps=120, validate_every=120, learning_rate=1e38)
    with pytest.raises(trainer.Diverged, match=r"not finite after step 50, .* keeps step 0"):
        coders.train("deepjscc", [folder], tmp_path / "bad", settings, crop=32)
    with pytest.raises(trainer.Diverged, match=r"not finite after step 20, .* keeps step 0"):
        coders.train("deepjscc", [folder], tmp_path / "early", replace(settings, validate_every=20), crop=32)
    for name in ("bad", "early"):
        for file in ("last.pt", "best.pt"):
            state = state_of(tmp_path / name / file)
            assert state["step"] == 0 and all(weights.isfinite().all() for weights in state["net"].values())


def test_a_compiler_that_fails_is_done_without(folder, tmp_path, monkeypatch):
    def compile(module, *args, **kwargs):
        def fail(*inputs):
            raise RuntimeError("no compiler\nwas found")

        module._compiled_call_impl = fail

    monkeypatch.setattr(trainer, "COMPILED", {"cpu"})
    monkeypatch.setattr(torch.nn.Module, "compile", compile)
    lines = []
    mine = coders.train("deepjscc", [folder], tmp_path / "mine", SETTINGS, crop=32, report=lines.append)
    assert "torch.compile failed, so the training goes on without it: no compiler" in lines
    monkeypatch.setattr(trainer, "COMPILED", set())
    other = coders.train("deepjscc", [folder], tmp_path / "other", SETTINGS, crop=32)
    assert all(torch.equal(w, state_of(other)["net"][name]) for name, w in state_of(mine)["net"].items())


def test_precisions_may_change_within_a_process(folder, tmp_path):
    for name, precision in (("a", "no"), ("b", "bf16")):
        coders.train("deepjscc", [folder], tmp_path / name, replace(SETTINGS, precision=precision), crop=32)
        recipe = json.loads((tmp_path / name / "recipe.json").read_text())
        assert recipe["precision"] == precision
    a, b = (state_of(tmp_path / name / "last.pt")["net"] for name in "ab")
    assert any(not torch.equal(weights, b[key]) for key, weights in a.items())


def test_usual_batch_and_rate_are_those_of_the_device():
    task = coders.CoderTask("deepjscc", {}, [], [], 32, Conditions())
    cpu, gpu = torch.device("cpu"), torch.device("cuda")
    assert task.usual(None, cpu) == (8, 1e-3) and task.usual(5, cpu) == (5, 1e-3)
    assert task.usual(None, gpu) == (32, pytest.approx(2e-3)) and task.usual(128, gpu) == (128, pytest.approx(4e-3))


def test_the_recipe_says_what_was_chosen(folder, tmp_path):
    coders.train("deepjscc", [folder], tmp_path / "a", replace(SETTINGS, batch=None), crop=32)
    recipe = json.loads((tmp_path / "a" / "recipe.json").read_text())
    assert (recipe["batch"], recipe["rate"], recipe["usual"]) == (8, 1e-3, ["batch", "learning_rate"])
    coders.train("deepjscc", [folder], tmp_path / "b", replace(SETTINGS, learning_rate=5e-4), crop=32)
    recipe = json.loads((tmp_path / "b" / "recipe.json").read_text())
    assert (recipe["batch"], recipe["rate"], recipe["usual"], recipe["start_from"]) == (2, 5e-4, [], None)
    assert recipe["held_out_names"] == ["0"]


def test_crops_are_squares_of_the_photographs(folder):
    """Cut by rows or gathered as on a GPU: the same; and each where its numbers say, flipped or not."""
    found = Photographs([folder], 32, seed=3)
    images = list(found.images())
    windows = found._draw(40)
    cut = windows.cut(found._pixels, 32)
    assert torch.equal(cut, windows.gathered(found._pixels, 32))
    flat = np.concatenate([image.reshape(-1, 3) for image in images])
    assert {bool(each) for each in windows.flipped} == {True, False} and len(set(windows.width)) > 3
    for patch, first, flipped in zip(cut.numpy(), windows.first, windows.flipped, strict=True):
        upright = patch[:, ::-1] if flipped else patch
        assert any(
            np.array_equal(upright, image[top : top + 32, left : left + 32])
            for image in images
            for top in range(image.shape[0] - 31)
            for left in range(image.shape[1] - 31)
        )
        assert np.array_equal(upright[0, 0], flat[first])
    last = _Windows(np.array([len(flat) - 32 * 41 - 0]), np.array([41]), np.array([False]))
    assert last.cut(found._pixels, 32).shape == (1, 32, 32, 3)


def test_masked_training_is_validated_masked(tmp_path, smooth_image):
    photos, masks, val = tmp_path / "photos", tmp_path / "masks", tmp_path / "val"
    for path in (photos, masks, val):
        path.mkdir()
    classes = np.full((40, 56), 255, np.uint8)
    classes[:, 8:20], classes[:, 20:] = 7, 3
    for seed in range(4):
        Image.fromarray(smooth_image(40, 56, seed) | 1).save((val if seed == 3 else photos) / f"{seed}.png")
        Image.fromarray(np.ascontiguousarray(classes)).save(masks / f"{seed}.png")
    Image.fromarray(smooth_image(40, 56, 5)).save(val / "without_map.png")
    # class maps are of originals, whose central square was taken
    maps = classes[:, 8:48]
    for found in (Photographs([photos], 32, [masks], held_out=1), Photographs([photos], 32, [masks], val=[val])):
        batch = found.batch(16)
        assert batch.shape == (16, 3, 32, 32) and ((batch == 0).all(dim=1).float().mean(dim=(1, 2)) > 0.01).any()
        (image,) = found.validation()
        assert image.shape == (1, 3, 32, 48)
        shown = np.asarray(Image.fromarray((maps == 3).astype(np.uint8)).resize((56, 40), Image.Resampling.NEAREST))
        assert np.array_equal((image[0] > 0).all(dim=0).numpy(), shown[4:36, 4:52] > 0)
    with pytest.raises(BadInput, match="has no picture with a class map to validate on"):
        (val / "3.png").unlink()
        Photographs([photos], 32, [masks], val=[val])


def test_names_are_held_out_with_all_their_copies(folder, tmp_path, smooth_image):
    again = tmp_path / "again"
    again.mkdir()
    for file in folder.iterdir():
        Image.fromarray(smooth_image(48, 48, 50)).save(again / file.name)
    found = Photographs([folder, again], 32, held_out=16)
    assert found.names == ["0"] and (found.held_out, len(found)) == (2, 18)
    for count in (1, 2, 5):
        for file in sorted(folder.iterdir())[count:]:
            file.unlink()
        for file in sorted(again.iterdir())[count:]:
            file.unlink()
    assert len(Photographs([folder, again], 32)) == 2
    with pytest.raises(BadInput, match="has 1 photograph that can be used, copies of one name not counted"):
        Photographs([folder, again], 32, held_out=16)


def test_semcom_is_validated_at_several_rates(folder, tmp_path):
    lines = []
    coders.train("semcom", [folder], tmp_path, replace(SETTINGS, steps=1), crop=32, report=lines.append)
    row = table(tmp_path)[0]
    low, usual, high = (float(row[name]) for name in ("psnr_10_db_1_24", "psnr_10_db", "psnr_10_db_1_6"))
    assert low < usual < high
    assert "10 dB at 1/24" in lines[0] and "held_out_psnr_db/10_db_1_6" in (tmp_path / "quality.svg").read_text()


@pytest.mark.slow
def test_the_wall_counts_the_export_too(folder, tmp_path):
    """The whole command ends in time, with a step done, saved and exported."""
    out, seconds = tmp_path / "run", 60
    command = [sys.executable, "-m", "gnuradio.semcom.cli", "train", "deepjscc", "--data", folder, "--out", out]
    command += ["--crop", 32, "--batch", 2, "--threads", 1, "--wall", "--seconds", seconds, "--export", "mine"]
    begun = time.monotonic()
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert time.monotonic() - begun <= seconds
    assert len(list(out.glob("deepjscc_mine_*coder.onnx"))) == 2 and state_of(out / "last.pt")["step"] > 20
    # too little is said before it is spent
    assert main([*map(str, command[3:-3]), "1", "--export", "mine", "--out", str(tmp_path / "short")]) == 2


def test_the_end_is_rehearsed_where_all_counts(folder, tmp_path):
    clock, rehearsals = time.monotonic, []

    def rehearsed(checkpoint, where):
        rehearsals.append(checkpoint)
        assert checkpoint.exists() and where.is_dir() and where != checkpoint.parent
        time.sleep(1.0)

    begun = clock()
    settings = replace(SETTINGS, steps=None, seconds=6, wall=begun, validate_every=300)
    coders.train("deepjscc", [folder], tmp_path / "run", settings, crop=32, rehearsed=rehearsed)
    times, more = trainer.EXPORT_MARGIN
    assert len(rehearsals) == 1 and clock() - begun < 6 - times - more + 0.5
    coders.train("deepjscc", [folder], tmp_path / "plain", SETTINGS, crop=32, rehearsed=rehearsed)
    assert len(rehearsals) == 1


RANKS = """
import os
import sys
from pathlib import Path
import torch
from gnuradio.semcom.train import coders, trainer
from gnuradio.semcom.train.channels import Conditions

class Observed(coders.CoderTask):
    def loss(self, net):
        self.net = net
        return super().loss(net)

task = Observed("deepjscc", {}, [Path(sys.argv[1])], [], 32, Conditions())
trainer.train(task, Path(sys.argv[2]), trainer.Settings(steps=3, batch=2, threads=1, precision="no"))
rank = os.environ.get("RANK", "alone")
gradients = [p.grad for p in task.net.parameters()]
torch.save({"net": task.net.state_dict(), "gradients": gradients}, Path(sys.argv[3]) / f"{rank}.pt")
"""


@pytest.mark.slow
def test_processes_agree_on_gradients_and_weights(folder, tmp_path):
    script = tmp_path / "ranks.py"
    script.write_text(RANKS)
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    environment = {**os.environ, "ACCELERATE_USE_CPU": "1", "OMP_NUM_THREADS": "1"}
    for name, command in (("two", launch), ("one", [sys.executable])):
        done = subprocess.run(
            [*command, script, folder, tmp_path / name, tmp_path],
            env=environment, capture_output=True, text=True, timeout=120,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
    first, second, alone = (state_of(tmp_path / f"{rank}.pt") for rank in ("0", "1", "alone"))
    for a, b in zip(first["gradients"], second["gradients"], strict=True):
        assert torch.equal(a, b)
    assert all(torch.equal(weights, second["net"][name]) for name, weights in first["net"].items())
    # of both processes' crops, not of the first's alone
    assert any(not torch.equal(weights, alone["net"][name]) for name, weights in first["net"].items())
