# SPDX-License-Identifier: GPL-3.0-or-later
"""The semcom command as a script meets it."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from gnuradio.semcom.zoo import weights
from PIL import Image

KEYS = [
    "scheme",
    "level",
    "channel",
    "csi",
    "roi",
    "snr_db",
    "snr_measured_db",
    "psnr_db",
    "roi_psnr_db",
    "ms_ssim",
    "st_lpips",
    "payload_uses",
    "air_uses",
    "payload_kn",
    "air_kn",
    "bytes",
    "fragments",
    "lost",
    "seconds",
    "weights",
    "images",
]


def semcom(*args, **env):
    """Run the command; (exit status, standard output, standard error)."""
    done = subprocess.run(
        [Path(sys.prefix) / "bin" / "semcom", *map(str, args)],
        capture_output=True,
        text=True,
        timeout=300,
        env=os.environ | env,
    )
    return done.returncode, done.stdout, done.stderr


def test_contract_object_with_prompt(astronaut, tmp_path):
    status, out, err = semcom(
        *("loopback", astronaut, "--scheme", "samsc", "--prompt", "point:220,150", "--roi", "masked"),
        *("--snr", 10, "--channel", "rayleigh", "--json", "--out", tmp_path),
    )
    assert (status, err) == (0, "")
    report = json.loads(out)
    assert list(report) == KEYS
    assert report["roi_psnr_db"] is not None and report["roi_psnr_db"] < report["psnr_db"]
    assert report["payload_kn"] == pytest.approx(1 / 12) and report["fragments"] == 16 and report["lost"] == 0
    assert report["bytes"] is None
    for path in report["images"].values():
        assert Image.open(path).size[0] >= 512
    for name, digest in report["weights"].items():
        known = {e.file: e.sha256 for e in weights.registry().values()}
        assert known[name] == digest


def test_same_seed_same_picture(astronaut, tmp_path):
    digests = []
    for run in ("a", "b", "c"):
        seed = 5 if run != "c" else 6
        folder = tmp_path / run
        status, out, _ = semcom("loopback", astronaut, "--seed", seed, "--out", folder, "--json", "--channel", "rician")
        assert status == 0
        digests.append(hashlib.sha256(np.asarray(Image.open(json.loads(out)["images"]["received"])).tobytes()).digest())
    assert digests[0] == digests[1] != digests[2]


@pytest.mark.parametrize("channel", ["awgn", "rayleigh", "epa"])
def test_over_the_waveform(astronaut, tmp_path, channel):
    args = ("--level", "waveform", "--channel", channel, "--snr", 12, "--cfo", 2000, "--sfo", 5, "--doppler", 5)
    status, out, err = semcom("loopback", astronaut, *args, "--out", tmp_path, "--json", "--seed", 3)
    assert status == 0, err
    report = json.loads(out)
    assert list(report) == KEYS and report["csi"] == "pilot" and report["fragments"] > 16  # with those of the map
    assert 1.4 < report["air_uses"] / report["payload_uses"] < 2.2  # the bursts of the map are short
    if channel == "awgn":
        assert report["lost"] == 0 and report["snr_measured_db"] == pytest.approx(12, abs=0.5)


def test_table_for_a_person(astronaut, tmp_path):
    status, out, _ = semcom("loopback", astronaut, "--out", tmp_path, "--csi", "pilot", "--rate", "1/24")
    assert status == 0 and "PSNR" in out and "received" in out


def picture(tmp_path, name, mode, size, value=120):
    path = tmp_path / name
    Image.new(mode, size, value).save(path)
    return path


@pytest.mark.parametrize(
    ("name", "mode", "value"),
    [("grey.png", "L", 90), ("deep.png", "I;16", 30000), ("alpha.png", "RGBA", (9, 99, 199, 128)), ("pal.png", "P", 3)],
)
def test_other_kinds_of_image_arrive(tmp_path, name, mode, value):
    status, out, err = semcom(
        "loopback", picture(tmp_path, name, mode, (40, 30), value), "--json", "--out", tmp_path / "o"
    )
    assert status == 0, err
    report = json.loads(out)
    assert report["ms_ssim"] is None and report["roi_psnr_db"] is None
    assert Image.open(report["images"]["received"]).size == (40, 30)


def test_one_pixel_arrives(tmp_path):
    status, out, err = semcom(
        "loopback", picture(tmp_path, "dot.png", "RGB", (1, 1), (10, 200, 30)), "--json", "--out", tmp_path
    )
    assert status == 0, err
    assert json.loads(out)["payload_uses"] == 64


def bad(*args):
    """A bad call and what its sentence must contain."""
    return args[:-1], args[-1]


@pytest.mark.parametrize(
    ("args", "sentence"),
    [
        bad("--snr", "nan", "--snr nan makes no sense"),
        bad("--snr", "1e9", "between -100 and 100"),
        bad("--snr", "loud", "--snr"),
        bad("--scheme", "h264", "there is no scheme 'h264'"),
        bad("--scheme", "segsc", "not part of this version yet"),
        bad("--channel", "carrier-pigeon", "choose awgn, rayleigh, rician"),
        bad("--channel", "epa", "add --level waveform"),
        bad("--csi", "psychic", "choose ideal, pilot, none"),
        bad("--level", "waveform", "--csi", "ideal", "pilots tell"),
        bad("--level", "waveform", "--cfo", "1e9", "within half the rate"),
        bad("--cfo", "100", "belong to the waveform"),
        bad("--level", "quantum", "choose symbol, waveform"),
        bad("--rate", "fast", "write it as K/N"),
        bad("--rate", "1/0", "write it as K/N"),
        bad("--rate", "2/1", "out of range"),
        bad("--prompt", "point:9000,10", "outside"),
        bad("--prompt", "blob:1,2", "blob:1,2"),
        bad("--roi", "masked", "needs prompts"),
        bad("--roi", "layers", "not part of this version"),
        bad("--frobnicate", "--frobnicate"),
    ],
)
def test_bad_arguments_get_a_sentence(astronaut, tmp_path, args, sentence):
    status, out, err = semcom("loopback", astronaut, "--out", tmp_path, *args)
    assert status in (1, 2) and sentence in err
    assert "Traceback" not in err and out == ""
    assert status == 2 or "--prompt" in args


@pytest.mark.parametrize(
    ("content", "sentence"), [(None, "no image or folder"), (b"", "out"), (b"\x89PNG\r\n\x1a\n garbage", "out")]
)
def test_missing_and_corrupt_files(tmp_path, content, sentence):
    path = tmp_path / "photo.png"
    if content is not None:
        path.write_bytes(content)
    status, out, err = semcom("loopback", path, "--out", tmp_path / "o")
    assert status in (1, 2) and out == "" and "Traceback" not in err
    assert "photo.png" in err


def test_a_huge_image_is_refused_by_its_header(tmp_path):
    # 20,000 x 20,000 in one bit a pixel is a small file; as RGB it would be 1.2 GB
    path = tmp_path / "huge.png"
    Image.new("1", (20_000, 20_000)).save(path)
    status, _, err = semcom("loopback", path, "--out", tmp_path / "o")
    assert status in (1, 2) and "huge.png" in err and "make it smaller" in err and "Traceback" not in err


def test_missing_and_wrong_weights(astronaut, tmp_path):
    empty = tmp_path / "cache"
    empty.mkdir()
    env = {"XDG_CACHE_HOME": str(empty), "HOME": str(empty), "SEMCOM_MODELS": ""}
    args = ("loopback", astronaut, "--prompt", "point:220,150", "--out", tmp_path / "o")
    status, _, err = semcom(*args, **env)
    assert status == 3 and "semcom models fetch" in err and "Traceback" not in err
    wrong = tmp_path / "wrong"
    wrong.mkdir()
    (wrong / "sam_encoder.onnx").write_bytes(b"x")
    status, _, err = semcom(*args, **(env | {"SEMCOM_MODELS": str(wrong)}))
    assert status == 3 and "sha256" in err


def test_models_and_doctor():
    status, out, _ = semcom("models", "list")
    assert status == 0 and "samsc_original_encoder" in out and "sam_encoder.onnx" in out
    status, out, _ = semcom("models", "verify")
    assert "softcast_klt: ok" in out
    status, out, _ = semcom("doctor", PATH=os.environ["PATH"])
    assert "3.10" in out
