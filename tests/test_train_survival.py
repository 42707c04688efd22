# SPDX-License-Identifier: GPL-3.0-or-later
"""What a training survives: signals, kills, broken pictures, settings that make no sense."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

torch = pytest.importorskip("torch")
pytest.importorskip("accelerate")
pytest.importorskip("onnx")

from gnuradio.semcom.cli import main  # noqa: E402
from gnuradio.semcom.errors import BadInput, SemcomError  # noqa: E402
from gnuradio.semcom.train import coders, klt, processes, segmenter, trainer  # noqa: E402
from gnuradio.semcom.train.data import Photographs  # noqa: E402
from gnuradio.semcom.train.export import export  # noqa: E402
from gnuradio.semcom.train.models import aseg  # noqa: E402

SETTINGS = trainer.Settings(batch=2, threads=1, precision="no")


@pytest.fixture
def folder(tmp_path, smooth_image):
    path = tmp_path / "photos"
    path.mkdir()
    for seed in range(18):
        Image.fromarray(smooth_image(36, 40, seed)).save(path / f"{seed}.png")
    return path


def command(folder, out, *more, scheme="deepjscc"):
    where = ["train", scheme, "--data", str(folder), "--out", str(out)]
    return [*where, "--crop", "32", "--batch", "2", "--threads", "1", *more]


def state_of(path):
    return torch.load(path, weights_only=True)


def table(out):
    """``log.csv`` but for its seconds, which no two runs share."""
    rows = list(csv.DictReader((out / "log.csv").open()))
    return [{key: value for key, value in row.items() if key != "seconds"} for row in rows]


def at_step(number, act):
    """A progress callback that acts once."""

    def progress(spent, what):
        if spent == number:
            act()

    return progress


class Killed(Exception):
    """Stands for the end of a process that could save nothing."""


def kill():
    raise Killed


@pytest.mark.parametrize(("scheme", "number"), [("deepjscc", signal.SIGINT), ("samsc", signal.SIGTERM)])
def test_a_training_that_was_stopped_ends_as_if_it_had_not(folder, tmp_path, scheme, number):
    """Weights of the last bit, and every row of the table: losses, validations."""
    run = replace(SETTINGS, steps=8, validate_every=3)
    before = [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)]
    whole = coders.train(scheme, [folder], tmp_path / "whole", run, crop=32)
    stop = at_step(4, lambda: os.kill(os.getpid(), number))
    with pytest.raises(trainer.Stopped, match="saved at step 4; the same command goes on") as stopped:
        coders.train(scheme, [folder], tmp_path / "parts", progress=stop, settings=run, crop=32)
    assert stopped.value.exit_status == 128 + number
    assert [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)] == before
    assert state_of(tmp_path / "parts" / "last.pt")["step"] == 4
    np.random.seed(5)  # and what the process did meanwhile does not matter
    torch.rand(3)
    parts = coders.train(scheme, [folder], tmp_path / "parts", run, crop=32)
    first, second = state_of(whole), state_of(parts)
    assert first["step"] == second["step"] == 8
    for name, weights in first["net"].items():
        assert torch.equal(weights, second["net"][name]), name
    assert table(tmp_path / "whole") == table(tmp_path / "parts")
    assert [int(row["step"]) for row in table(tmp_path / "parts")] == [0, 3, 6, 8]
    other = coders.train(scheme, [folder], tmp_path / "other", replace(run, seed=1), crop=32)
    assert any(not torch.equal(weights, first["net"][name]) for name, weights in state_of(other)["net"].items())


def test_a_killed_training_goes_on_from_what_was_saved_by_time(folder, tmp_path, monkeypatch):
    run = replace(SETTINGS, steps=7, validate_every=3)
    whole = coders.train("deepjscc", [folder], tmp_path / "whole", run, crop=32)
    monkeypatch.setattr(trainer, "SAVE_EVERY", 0.0)
    with pytest.raises(Killed):
        coders.train("deepjscc", [folder], tmp_path / "parts", progress=at_step(6, kill), settings=run, crop=32)
    assert state_of(tmp_path / "parts" / "last.pt")["step"] == 5
    # rows that a kill left beyond the checkpoint are dropped
    with (tmp_path / "parts" / "log.csv").open("a") as file:
        file.write("6,0.0" + ",1.0" * 6 + "\n")
    parts = coders.train("deepjscc", [folder], tmp_path / "parts", run, crop=32)
    assert all(torch.equal(w, state_of(parts)["net"][name]) for name, w in state_of(whole)["net"].items())
    assert table(tmp_path / "whole") == table(tmp_path / "parts")
    assert not list(tmp_path.rglob("*.part"))


def test_streams_of_the_checkpoint_before_serve_too(folder, tmp_path):
    """A kill between the two files: the streams are of a later step, and still have those of the checkpoint."""
    run = replace(SETTINGS, validate_every=2)
    out = tmp_path / "parts"
    whole = coders.train("deepjscc", [folder], tmp_path / "whole", settings=replace(run, steps=6), crop=32)
    kept = {}

    def keep():
        kept["last"] = (out / "last.pt").read_bytes()

    with pytest.raises(Killed):
        coders.train(
            "deepjscc",
            [folder],
            out,
            progress=at_step(3, keep),
            settings=replace(run, steps=6),
            crop=32,
            report=quit_at_4(out),
        )
    (out / "last.pt").write_bytes(kept["last"])
    assert state_of(out / "last.pt")["step"] == 2 and set(state_of(out / "streams.pt")) == {2, 4}
    parts = coders.train("deepjscc", [folder], out, settings=replace(run, steps=6), crop=32)
    assert all(torch.equal(w, state_of(parts)["net"][name]) for name, w in state_of(whole)["net"].items())


def quit_at_4(out):
    """A report that kills at the first validation after step 4 was saved."""

    def report(line):
        if line.startswith("held out") and (out / "last.pt").exists() and state_of(out / "last.pt")["step"] == 4:
            raise Killed

    return report


def test_the_best_checkpoint_is_kept(folder, tmp_path, monkeypatch):
    given = iter([10.0, 30.0, 20.0, 25.0, 40.0])
    monkeypatch.setattr(coders, "validate", lambda *_: [next(given)] * 5)
    run = replace(SETTINGS, validate_every=1)
    coders.train("deepjscc", [folder], tmp_path, settings=replace(run, steps=2), crop=32)
    best = state_of(tmp_path / "best.pt")
    assert (best["step"], best["score"]) == (1, 30.0)
    coders.train(
        "deepjscc", [folder], tmp_path, settings=replace(run, steps=3), crop=32
    )  # remembered by a training that goes on
    assert state_of(tmp_path / "best.pt")["step"] == 1
    coders.train("deepjscc", [folder], tmp_path, settings=replace(run, steps=4), crop=32)
    assert state_of(tmp_path / "best.pt")["step"] == 4


def test_a_loss_that_explodes_ends_the_training_and_keeps_what_was(folder, tmp_path, capsys):
    assert main(command(folder, tmp_path / "run", "--learning-rate", "1e38", "--steps", "50", "--export", "x")) == 1
    said = capsys.readouterr().err
    # at once, not where the weights would be saved
    assert "the loss is not finite after step 1, so the training stopped" in said
    assert "last.pt keeps step 0" in said and "below 1e+38" in said
    assert "Traceback" not in said
    last = state_of(tmp_path / "run" / "last.pt")
    assert all(weights.isfinite().all() for weights in last["net"].values())
    assert (tmp_path / "run" / "best.pt").exists() and not list((tmp_path / "run").glob("*.onnx"))
    # a lower rate goes on from there
    assert main(command(folder, tmp_path / "run", "--learning-rate", "1e-3", "--steps", "2")) == 0


def test_weights_that_are_not_finite_are_not_exported(folder, tmp_path):
    checkpoint = coders.train("deepjscc", [folder], tmp_path, settings=replace(SETTINGS, steps=1), crop=32)
    state = state_of(checkpoint)
    name = next(name for name in state["ema"] if name.startswith("module.") and state["ema"][name].dim() > 1)
    for value in (float("nan"), 1e6):  # the second has no float16
        state["ema"][name][0] = value
        torch.save(state, checkpoint)
        with pytest.raises(SemcomError, match="is not finite, so nothing was exported"):
            export(checkpoint, "x", tmp_path / "models", {})
    assert not (tmp_path / "models").exists()


def test_what_may_not_change_is_refused_and_recorded_where_it_is_forced(folder, tmp_path, capsys):
    out = tmp_path / "run"
    assert main(command(folder, out, "--steps", "1", "--snr", "1:13")) == 0
    recipe = (out / "recipe.json").read_text()
    capsys.readouterr()
    changed = command(folder, out, "--steps", "2", "--snr", "5")
    assert main(changed) == 2
    assert "--snr 5.0 5.0 is not what" in capsys.readouterr().err
    assert main([*command(folder, out, "--steps", "2", "--snr", "1:13"), "--crop", "16"]) == 2
    assert "--crop 16 is not what" in capsys.readouterr().err
    Image.fromarray(np.zeros((40, 40, 3), np.uint8)).save(folder / "more.png")
    assert main(command(folder, out, "--steps", "2", "--snr", "1:13")) == 2
    assert "--data photos (19 photographs) is not what" in capsys.readouterr().err
    assert (out / "recipe.json").read_text() == recipe and state_of(out / "last.pt")["step"] == 1
    (folder / "more.png").unlink()

    assert main([*changed, "--force"]) == 0
    # a card says both; the same again adds none, and a finished training none
    assert main([*changed[:-3], "3", "--snr", "5"]) == 0
    assert main([*changed[:-3], "2", "--snr", "5"]) == 0
    segments = json.loads((out / "recipe.json").read_text())["segments"]
    assert [(each["from_step"], each["max_steps"], each["conditions"]["snr_db"]) for each in segments] == [
        (0, 1, [1.0, 13.0]),
        (1, 2, [5.0, 5.0]),
        (2, 3, [5.0, 5.0]),
    ]
    (encoder, _) = export(out / "last.pt", "x", tmp_path / "models", {})
    card = json.loads(encoder.with_suffix(".json").read_text())["recipe"]
    assert card["segments"] == segments and card["steps"] == 3


def test_photographs_held_out_are_never_trained_on(folder, tmp_path, smooth_image):
    for count, held_out in ((18, 2), (3, 1), (2, 1)):
        for file in sorted(folder.iterdir())[count:]:
            file.unlink()
        found = Photographs([folder], 32, held_out=16)
        assert (found.held_out, len(found)) == (held_out, count - held_out)
        for image in found.validation():
            centre = (image[0].permute(1, 2, 0).numpy() * 255).round().astype(np.uint8)
            assert not any(np.array_equal(centre, other[2:34, 4:36]) for other in found.images())
    for file in sorted(folder.iterdir())[1:]:
        file.unlink()
    with pytest.raises(BadInput, match=r"data .* has 1 photograph .* too few to hold any out .* give at least 2"):
        coders.train("samsc", [folder], tmp_path / "run", SETTINGS, crop=32)
    assert not (tmp_path / "run").exists()

    val = tmp_path / "val"
    val.mkdir()
    Image.fromarray(smooth_image(70, 100, 7)).save(val / "other.png")
    found = Photographs([folder], 32, held_out=16, val=[val])
    assert [tuple(image.shape) for image in found.validation()] == [(1, 3, 64, 96)] and len(found) == 1
    Image.fromarray(smooth_image(70, 100, 7)).save(folder / "other.jpg")  # of one name: held out
    assert len(Photographs([folder], 32, held_out=16, val=[val])) == 1
    checkpoint = coders.train(
        "samsc", [folder], tmp_path / "run", val=[val], settings=replace(SETTINGS, steps=1), crop=32
    )
    assert json.loads((checkpoint.parent / "recipe.json").read_text())["val"] == ["val"]
    with pytest.raises(BadInput, match=r"no image of at least 32x32 pixels in .* that is not held out"):
        Photographs([val], 32, val=[val])


def test_broken_pictures_are_named_counted_and_left_out(folder, tmp_path, capsys):
    whole = (folder / "3.png").read_bytes()
    (folder / "3.png").write_bytes(whole[: len(whole) // 2])
    (folder / "4.png").write_bytes(b"no picture")
    said = "left out 2 pictures that cannot be read: photos/3, photos/4"
    assert main(command(folder, tmp_path / "run", "--steps", "1")) == 0
    assert said in capsys.readouterr().err
    assert Photographs([folder], 32).about == said and len(Photographs([folder], 32)) == 16
    lines = []
    klt.fit_klt([folder], tmp_path / "klt", lines.append)
    assert lines == [said]
    assert main(["train", "softcast", "--data", str(folder), "--out", str(tmp_path / "klt"), "--steps", "3"]) == 2
    assert "--steps means nothing to softcast" in capsys.readouterr().err


def test_folders_and_masks_that_hold_nothing(folder, tmp_path, capsys):
    empty, masks = tmp_path / "empty", tmp_path / "masks"
    empty.mkdir()
    masks.mkdir()
    out = tmp_path / "run"
    for scheme in ("samsc", "softcast"):
        assert main(["train", scheme, "--data", str(empty), "--out", str(out)]) == 2
    (empty / "broken.png").write_bytes(b"no picture")
    assert main(command(empty, out)) == 2
    said = capsys.readouterr().err
    assert "no image in" in said and "give JPEG, PNG or WebP" in said and "left out 1 picture" in said

    Image.fromarray(np.zeros((36, 40), np.uint8)).save(masks / "unknown.png")
    for _ in range(2):  # masks of no photograph, then masks that show no class
        assert main(command(folder, out, "--masks", str(masks), scheme="samsc")) == 2
        assert f"--masks {masks} matches no photograph in {folder}" in capsys.readouterr().err
        for file in folder.iterdir():
            Image.fromarray(np.zeros((36, 40), np.uint8)).save(masks / file.name)
    assert main(command(folder, out, "--masks", str(masks), "--crop", "64", scheme="aseg")) == 2
    assert f"--masks {masks} matches no photograph in {folder}" in capsys.readouterr().err
    speck = np.zeros((36, 40), np.uint8)
    speck[18, 20] = 7
    for file in masks.iterdir():
        Image.fromarray(speck).save(file)
    with pytest.raises(BadInput, match="masks shows no class in any of 1000 crops of 32 pixels"):
        Photographs([folder], 32, [masks]).batch(1)  # and is not looked for for ever
    assert not out.exists()


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        (["--seconds", "nan"], "--seconds nan must be above 0 and finite"),
        (["--seconds", "-1"], "--seconds -1.0 must be above 0"),
        (["--learning-rate", "inf"], "--learning-rate inf must be above 0 and finite"),
        (["--validate-every", "nan"], "--validate-every nan must be above 0 and finite"),
        (["--threads", "0"], "--threads 0 must be above 0"),
        (["--steps", "0"], "--steps 0 must be above 0"),
        (["--steps", "5", "--seconds", "5"], "--steps 5 cannot be used with seconds"),
        (["--steps", "5", "--wall"], "--steps 5 cannot be used with the clock on the wall"),
        (["--steps", "5", "--validate-every", "0.5"], "--validate-every 0.5 must be 1 or more"),
        (["--seed", "-1"], "--seed -1 must be 0 or more"),
        (["--export", "a/b"], "--export 'a/b' is no name of files"),
        (["--val", "nowhere"], "nowhere is neither a folder nor a tar of images"),
    ],
)
def test_settings_that_make_no_sense(folder, tmp_path, capsys, more, sentence):
    assert main(command(folder, tmp_path / "run", *more)) == 2
    assert sentence in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_files_that_are_in_the_way(folder, tmp_path, capsys):
    out = tmp_path / "run"
    out.write_text("")
    assert main(command(folder, out, "--steps", "1")) == 2
    assert "is no folder" in capsys.readouterr().err
    out.unlink()
    assert main(command(folder, out, "--steps", "1")) == 0
    (out / "last.pt").write_bytes((out / "last.pt").read_bytes()[:1000])
    assert main(command(folder, out, "--steps", "2")) == 2
    assert "is no checkpoint that can be read" in capsys.readouterr().err


def test_the_clock_on_the_wall_counts_all(folder, tmp_path, monkeypatch, capsys):
    """Start-up and validations have their share of the seconds; processor seconds have not."""
    clock = [1000.0]
    monkeypatch.setattr(trainer.time, "monotonic", lambda: clock[0])

    def slow(*_):
        clock[0] += 10
        return [20.0] * 5

    drawn = coders.CoderTask.batch

    def batch(task, size):
        clock[0] += 5
        return drawn(task, size)

    monkeypatch.setattr(coders, "validate", slow)
    monkeypatch.setattr(coders.CoderTask, "batch", batch)
    run = replace(SETTINGS, seconds=60, validate_every=1000)
    checkpoint = coders.train("deepjscc", [folder], tmp_path / "run", replace(run, wall=980.0), crop=32)
    state = state_of(checkpoint)
    # 20 of start-up and 10 of the first validation are gone, 10 are kept for the last one: four steps of 5
    assert (state["step"], state["seconds"], clock[0]) == (4, 60.0, 1040.0)
    with pytest.raises(BadInput, match="seconds 60 are over before a step is done, validated and exported; give more"):
        coders.train("deepjscc", [folder], tmp_path / "late", replace(run, wall=900.0), crop=32)
    monkeypatch.undo()
    assert main(command(folder, tmp_path / "command", "--wall", "--seconds", "0.001")) == 2
    assert (
        "--seconds 0.001 are over before a step is done, validated and exported; give more" in capsys.readouterr().err
    )


def two_processes(folder, out, steps):
    """Train in two processes, by the command."""
    more = ("--steps", str(steps), "--processes", "2")
    return subprocess.run(
        [sys.executable, "-m", "gnuradio.semcom.cli", *command(folder, out, *more)],
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.mark.slow
def test_what_is_wrong_is_said_once_by_several_processes(folder, tmp_path):
    empty = tmp_path / "empty"
    empty.mkdir()
    done = two_processes(empty, tmp_path / "run", 2)
    assert done.returncode == 2 and done.stderr.count("\n") == 1 and str(empty) in done.stderr
    assert not (tmp_path / "run" / "last.pt").exists()
    # what only one of them meets ends the other, too
    out = tmp_path / "other"
    assert two_processes(folder, out, 2).returncode == 0
    (out / "streams-1.pt").write_bytes(b"no streams")
    done = two_processes(folder, out, 4)
    assert done.returncode and "Traceback" not in done.stderr, done.stderr


class Ending:
    """A process that ends with status 2 right after it was looked at for the second time."""

    def __init__(self, sentinel):
        self.sentinel, self.looks = sentinel, 0

    @property
    def exitcode(self):
        self.looks += 1
        return 2 if self.looks > 2 else None


def test_a_process_that_ends_while_the_others_are_looked_at_is_not_missed():
    """However the looks fall: each is followed by an end that the next must see."""
    reading, writing = os.pipe()
    os.write(writing, b" ")  # a sentinel that is always ready
    try:
        for looks in range(3):
            process = Ending(reading)
            process.looks = looks
            assert processes._first_failure([process]) == 0
    finally:
        os.close(reading)
        os.close(writing)


@pytest.mark.parametrize(("scheme", "count"), [("deepjscc", "0"), ("deepjscc", "65"), ("softcast", "2")])
def test_numbers_of_processes_that_cannot_be(folder, tmp_path, scheme, count, capsys):
    arguments = ["train", scheme, "--data", str(folder), "--out", str(tmp_path / "run"), "--processes", count]
    assert main(arguments) == 2 and capsys.readouterr().err.startswith("semcom: --processes ")


@pytest.mark.slow
def test_several_processes_go_on(folder, tmp_path):
    out = tmp_path / "run"
    for steps in (2, 4):
        done = two_processes(folder, out, steps)
        assert done.returncode == 0, done.stderr
        assert state_of(out / "last.pt")["step"] == steps
        mine, other = (state_of(out / f"streams{rank}.pt")[steps] for rank in ("", "-1"))
        assert mine["json"] != other["json"]  # each draws crops of its own
    assert json.loads((out / "recipe.json").read_text())["processes"] == 2


def test_the_segmenter_survives_too(tmp_path, smooth_image, monkeypatch):
    monkeypatch.setattr(segmenter.validate, "__defaults__", (64,))
    monkeypatch.setattr(aseg.ClassMap, "load_imagenet", lambda net: None)
    photographs, masks, val = tmp_path / "photos", tmp_path / "masks", tmp_path / "val"
    for path in (photographs, masks, val):
        path.mkdir()
    classes = np.zeros((48, 48), np.uint8)
    classes[:, 20:] = 12
    for seed in range(4):
        Image.fromarray(smooth_image(48, 48, seed)).save((val if seed == 3 else photographs) / f"{seed}.png")
        Image.fromarray(classes).save(masks / f"{seed}.png")
    Image.fromarray(smooth_image(48, 48, 3)).save(photographs / "3.png")
    (photographs / "4.png").write_bytes(b"no picture")
    run = {"settings": trainer.Settings(batch=1, threads=1, steps=3, validate_every=2), "val": [val], "crop": 64}
    lines = []
    whole = segmenter.train([photographs], [masks], None, tmp_path / "whole", report=lines.append, **run)
    assert any("3 photographs with a true map" in line and "photos/4" in line for line in lines)
    stop = at_step(2, lambda: os.kill(os.getpid(), signal.SIGTERM))
    with pytest.raises(trainer.Stopped):
        segmenter.train([photographs], [masks], None, tmp_path / "parts", progress=stop, **run)
    parts = segmenter.train([photographs], [masks], None, tmp_path / "parts", **run)
    assert all(torch.equal(w, state_of(parts)["net"][name]) for name, w in state_of(whole)["net"].items())
    with pytest.raises(BadInput, match="val none is not what"):
        segmenter.train([photographs], [masks], None, tmp_path / "parts", **run | {"val": None})
