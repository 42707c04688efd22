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
    "roi_ms_ssim",
    "st_lpips",
    "roi_st_lpips",
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
    assert list(report) == [*KEYS, "psnr_original_db", "roi_found", "roi_share", "roi_predicted_iou"]
    assert report["roi_found"] is True and 0.01 < report["roi_share"] < 0.1 and 0.5 < report["roi_predicted_iou"] <= 1
    assert report["roi_psnr_db"] is not None and report["roi_psnr_db"] < report["psnr_db"]
    # what is cut out is compared with what was sent, and with the photograph
    assert report["psnr_original_db"] < 12 < report["psnr_db"] and report["roi_st_lpips"] is not None
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
    status, out, err = semcom("loopback", astronaut, *args, "--out", tmp_path, "--json", "--seed", 4)
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
        *("loopback", picture(tmp_path, "dot.png", "RGB", (1, 1), (10, 200, 30)), "--scheme", "softcast"),
        *("--json", "--out", tmp_path),
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
        bad("--channel", "carrier-pigeon", "choose awgn, rayleigh, rician"),
        bad("--channel", "epa", "add --level waveform"),
        bad("--csi", "psychic", "choose ideal, pilot, estimated, none"),
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
        bad("--frobnicate", "--frobnicate"),
        bad("--seed", "-1", "--seed must be a whole number from 0 to 2^32 - 1, got -1"),
        bad("--seed", "9223372036854775808", "--seed must be"),
        bad("--rate", "1e400", "write it as K/N"),
        bad("--empty", "nothing", "choose refuse, send, whole"),
        bad("--metrics", "psnr,beauty", "choose psnr, ms_ssim, st_lpips"),
        bad("--metrics", "", "choose psnr, ms_ssim, st_lpips"),
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


def test_measuring_can_be_switched_off(astronaut, tmp_path):
    measured = {}
    for metrics in ("none", "psnr"):
        status, out, err = semcom("loopback", astronaut, "--metrics", metrics, "--json", "--out", tmp_path)
        assert (status, err) == (0, "")
        measured[metrics] = json.loads(out)
    assert [measured["none"][key] for key in ("psnr_db", "ms_ssim", "st_lpips")] == [None, None, None]
    assert measured["psnr"]["psnr_db"] > 20 and measured["psnr"]["ms_ssim"] is measured["psnr"]["st_lpips"] is None
    assert not any("lpips" in name for name in measured["psnr"]["weights"])


@pytest.mark.slow
def test_nothing_found_is_said_and_what_is_sent_is_a_choice(astronaut, tmp_path):
    args = ("loopback", astronaut, "--scheme", "samsc", "--prompt", "class:boat", "--metrics", "psnr")
    args += ("--json", "--out", tmp_path)
    nothing = "nothing in the image is what the prompts mean"
    for level in ("symbol", "waveform"):
        status, out, err = semcom(*args, "--roi", "masked", "--level", level)
        assert status == 1 and json.loads(out)["psnr_db"] is None and json.loads(out)["images"] == {}
        assert err == f"semcom: no picture was received: {nothing} (class:boat); it is not sent\n"
    for empty, share, said in (("send", 0.0, "the ROI is empty"), ("whole", 1.0, "the whole image was taken for it")):
        status, out, err = semcom(*args, "--roi", "masked", "--empty", empty)
        report = json.loads(out)
        assert (status, err) == (0, f"semcom: {nothing}; {said}\n")
        assert report["roi_found"] is False and report["roi_share"] == share and report["roi_predicted_iou"] is None
        received = np.asarray(Image.open(report["images"]["received"]))
        assert (received.mean() > 60) == (empty == "whole")
    # what is only measured is sent all the same
    status, out, err = semcom(*args)
    assert (status, err) == (0, f"semcom: {nothing}; the ROI is empty\n")
    assert json.loads(out)["roi_psnr_db"] is None and json.loads(out)["psnr_db"] > 20


def test_what_is_missing_is_said_before_anything_runs(astronaut, tmp_path):
    """A captioner without torch, at every level and at a transmitter."""
    (tmp_path / "torch.py").write_text("raise ImportError('no torch here', name='torch')")
    env = {"PYTHONPATH": f"{tmp_path}:{os.environ.get('PYTHONPATH', '')}"}
    args = ("--scheme", "esisc", "--captioner", "blip", "--no-boundaries")
    for command in (("loopback", astronaut, "--out", tmp_path), ("tx", astronaut, "--via", f"sigmf:{tmp_path}/air")):
        status, out, err = semcom(*command, *args, **env)
        assert (status, out) == (3, "") and err.startswith("semcom: this captioner needs torch; install it with")
        assert err.count("\n") == 1
    assert not (tmp_path / "air.sigmf-data").exists()


def test_a_rate_that_a_scheme_does_not_have_is_refused_at_both_ends(astronaut, tmp_path):
    for command in (("loopback", astronaut), ("tx", astronaut, "--via", f"sigmf:{tmp_path}/air")):
        for scheme in ("softcast", "samsc", "digital"):
            status, out, err = semcom(*command, "--scheme", scheme, "--rate", "3/2")
            assert (status, out) == (2, "") and err.count("\n") == 1 and "out of range" in err


@pytest.mark.parametrize("level", ["symbol", "waveform"])
def test_an_error_is_said_once(tmp_path, level):
    dot = picture(tmp_path, "dot.png", "RGB", (1, 1), (10, 200, 30))
    status, out, err = semcom("loopback", dot, "--scheme", "digital", "--level", level, "--out", tmp_path / "o")
    assert (status, out) == (1, "") and err.count("not one byte of a 1x1 image can be sent") == 1
    status, out, err = semcom("tx", dot, "--scheme", "digital", "--via", f"sigmf:{tmp_path}/air")
    assert (status, out) == (1, "") and err.count("not one byte of a 1x1 image can be sent") == 1


def test_names_that_are_no_utf8_are_sent_and_reported(tmp_path):
    folder = os.fsencode(tmp_path / "in")
    os.mkdir(folder)
    for name in (b"caf\xe9.png", b"z.png"):
        with open(os.path.join(folder, name), "wb") as stream:
            Image.new("RGB", (32, 32), (90, 100, 110)).save(stream, "PNG")
    with open(os.path.join(folder, b"damaged\xe9.png"), "wb") as stream:
        stream.write(b"no picture")
    status, out, err = semcom("tx", tmp_path / "in", "--via", f"sigmf:{tmp_path}/air")
    assert status == 0 and [line.split(":")[0] for line in out.splitlines()] == ["caf\ufffd", "z"]
    assert err.count("damaged\ufffd.png is not a picture of a known format") == 1
    out_folder = os.fsdecode(os.fsencode(tmp_path) + b"/o\xe9")
    status, out, err = semcom("rx", "--via", f"sigmf:{tmp_path}/air", "--json", "--out", out_folder)
    assert (status, err) == (0, "")
    for line in out.splitlines():
        assert Path(json.loads(line)["images"]["received"]).is_file()


def test_pictures_of_one_name_all_arrive(tmp_path):
    """Over the air they have the same name; two receivers write into one folder."""
    folders = [tmp_path / name for name in "ab"]
    for folder in folders:
        folder.mkdir()
        picture(folder, "photo.png", "RGB", (32, 32), (90, 100, 110))
        picture(folder, "photo.jpg", "RGB", (32, 32), (110, 100, 90))
    assert semcom("tx", *folders, "--via", f"sigmf:{tmp_path}/air")[0] == 0
    paths = []
    for _ in range(2):
        status, out, err = semcom("rx", "--via", f"sigmf:{tmp_path}/air", "--json", "--out", tmp_path / "o")
        assert (status, err) == (0, "")
        paths += [json.loads(line)["images"]["received"] for line in out.splitlines()]
    assert len(set(paths)) == len(paths) == 8 and all(Path(path).is_file() for path in paths)
