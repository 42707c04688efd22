# SPDX-License-Identifier: GPL-3.0-or-later
"""``semcom train`` and ``python -m semcom.cli train``."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys

import pytest
from PIL import Image

torch = pytest.importorskip("torch")
pytest.importorskip("accelerate")

from conftest import ROOT  # noqa: E402
from gnuradio.semcom.cli import main  # noqa: E402
from gnuradio.semcom.train import coders, trainer  # noqa: E402


@pytest.fixture
def folder(tmp_path, smooth_image):
    path = tmp_path / "photos"
    path.mkdir()
    for seed in range(18):
        Image.fromarray(smooth_image(36, 40, seed)).save(path / f"{seed}.png")
    return path


def arguments(scheme, folder, out, *more):
    return [scheme, "--data", str(folder), "--out", str(out), "--crop", "32", "--batch", "2", "--threads", "1", *more]


def test_module_runs_without_gnuradio_and_keeps_a_record(folder, tmp_path, capsys):
    """What accelerate starts on each GPU; the command goes on in the same folder, with the same network only."""
    out = tmp_path / "run"
    settings = ["--snr", "1:13", "--set", "activation=gdn", "--learning-rate", "5e-4", "--validate-every", "0.2"]
    code = (
        "import runpy, sys; sys.modules['gnuradio'] = None; sys.modules['pmt'] = None\n"
        "runpy.run_module('semcom.cli', run_name='__main__', alter_sys=True)\n"
    )
    command = [sys.executable, "-c", code, "train", *arguments("deepjscc", folder, out, "--seconds", "0.4", *settings)]
    done = subprocess.run(command, cwd=ROOT / "python", timeout=120, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "" and "held out: 1 dB" in done.stderr

    recipe = json.loads((out / "recipe.json").read_text())
    assert recipe["options"] == {"activation": "gdn"} and recipe["conditions"]["snr_db"] == [1.0, 13.0]
    assert (recipe["rate"], recipe["crop"], recipe["batch"], recipe["processes"]) == (5e-4, 32, 2, 1)
    assert (recipe["precision"], recipe["validate_every"], recipe["threads"]) == ("no", 0.2, 1)

    before = torch.load(out / "last.pt", weights_only=True)
    assert main(["train", *arguments("deepjscc", folder, out, "--seconds", "0.8", *settings)]) == 0
    after = torch.load(out / "last.pt", weights_only=True)
    assert after["step"] > before["step"] and after["seconds"] >= 0.8
    assert set(after) == {"scheme", "options", "net", "ema", "optimizer", "step", "seconds"}
    rows = list(csv.DictReader((out / "log.csv").open()))
    steps = [int(row["step"]) for row in rows]
    assert steps[0] == 0 and steps == sorted(set(steps)) and steps[-1] == after["step"]
    capsys.readouterr()

    assert main(["train", *arguments("deepjscc", folder, out)]) == 2
    assert "holds a training of deepjscc activation=gdn, not of deepjscc; choose" in capsys.readouterr().err


def test_a_checkpoint_from_before_options_goes_on(folder, tmp_path):
    out = tmp_path / "run"
    coders.train("samsc", [folder], out, trainer.Settings(seconds=0.2, batch=1, threads=1), crop=32)
    state = torch.load(out / "last.pt", weights_only=True)
    del state["options"]
    torch.save(state, out / "last.pt")
    coders.train("samsc", [folder], out, trainer.Settings(seconds=0.4, batch=1, threads=1), crop=32)
    assert torch.load(out / "last.pt", weights_only=True)["step"] > state["step"]


def test_tensorboard_holds_what_the_table_holds(folder, tmp_path):
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    coders.train("deepjscc", [folder], tmp_path, trainer.Settings(seconds=0.2, batch=1, threads=1), crop=32)
    events = accumulator.EventAccumulator(os.fspath(tmp_path / "tensorboard"))
    events.Reload()
    rows = list(csv.DictReader((tmp_path / "log.csv").open()))
    for snr in coders.VALIDATION_SNRS:
        points = [(point.step, point.value) for point in events.Scalars(f"held_out_psnr_db/{snr}_db")]
        table = [(int(row["step"]), float(row[f"psnr_{snr}_db"])) for row in rows]
        assert [step for step, _ in points] == [step for step, _ in table]
        assert [value for _, value in points] == pytest.approx([value for _, value in table], abs=1e-3)


def test_weights_of_another_structure_are_no_start(folder, tmp_path, capsys):
    common = ["--data", str(folder), "--crop", "32", "--batch", "2", "--threads", "1", "--steps", "1"]
    assert main(["train", "samsc", *common, "--set", "widths=8,8,8", "--out", str(tmp_path / "a")]) == 0
    capsys.readouterr()
    more = ["--set", "widths=8,8,16", "--from", str(tmp_path / "a"), "--out", str(tmp_path / "b")]
    assert main(["train", "samsc", *common, *more]) == 2
    said = capsys.readouterr().err
    assert "another" in said and "Traceback" not in said


@pytest.mark.parametrize(
    ("scheme", "more", "sentence"),
    [
        ("jpeg", [], "jpeg is not a trainable scheme; choose softcast, samsc"),
        ("samsc", ["--snr", "10"], "--snr means nothing to samsc, only to deepjscc, witt, semcom"),
        ("softcast", ["--export", "x"], "--export means nothing to softcast"),
        ("samsc", ["--teacher", "x.tflite"], "--teacher means nothing to samsc, only to aseg"),
        ("aseg", ["--captions", "x.txt"], "--captions means nothing to aseg, only to captioner"),
        ("captioner", [], "--captions is missing: the captioner learns from captions"),
        ("aseg", ["--crop", "96"], "--crop 96 must be a multiple of 64"),
        ("witt", ["--set", "activation=gdn"], "--set activation is not a setting of witt; it has widths"),
        ("deepjscc", ["--set", "activation=relu"], "deepjscc has no activation relu; choose prelu, gdn"),
        ("deepjscc", ["--channels", "64"], "--channels means nothing to deepjscc, only to semcom"),
        ("semcom", ["--channels", "31:64"], "--channels 31:64 must be even numbers from 2 to 256"),
        ("semcom", ["--snr", "13:1"], "--snr 13:1 is no range; write LO:HI or one number"),
        ("semcom", ["--crop", "100"], "--crop 100 must be a multiple of 16"),
        ("semcom", ["--batch", "0"], "--batch 0 must be above 0"),
        ("semcom", ["--precision", "fp8"], "--precision fp8 is not known; choose auto, no, bf16"),
    ],
)
def test_what_makes_no_sense_is_said(folder, tmp_path, capsys, scheme, more, sentence):
    assert main(["train", *arguments(scheme, folder, tmp_path / "run", *more)]) == 2
    assert sentence in capsys.readouterr().err
    assert not (tmp_path / "run").exists()
