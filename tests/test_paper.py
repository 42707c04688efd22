# SPDX-License-Identifier: GPL-3.0-or-later
"""``semcom paper samsc``: the paper's channel, the regions, and a page whose numbers are those of the record."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from gnuradio.semcom.cli import main
from gnuradio.semcom.image import io
from gnuradio.semcom.paper import figures, samsc
from gnuradio.semcom.paper.voc import pictures, region
from PIL import Image

SIDE = 512


@pytest.fixture
def folder(tmp_path, astronaut) -> Path:
    """Two photographs with a person each, and their masks as SAM would find them."""
    for name in ("images", "masks"):
        (tmp_path / "voc" / name).mkdir(parents=True)
    classes = np.zeros((SIDE, SIDE), np.uint8)
    classes[30:500, 60:380] = 15
    classes[:60, 480:] = 255
    for number in range(2):
        Image.open(astronaut).rotate(180 * number).save(tmp_path / "voc" / "images" / f"{number}.jpg", quality=95)
        Image.fromarray(classes).save(tmp_path / "voc" / "masks" / f"{number}.png")
    return tmp_path / "voc"


def test_a_real_gain_has_unit_power_and_tells_the_receiver_nothing():
    symbols = np.exp(2j * np.pi * np.random.default_rng(0).random(200_000)).astype(np.complex64)
    (heard,) = samsc.real_gain([symbols], 10.0, 3)
    assert heard.snr_db == pytest.approx(10.0, abs=0.05)
    assert np.allclose(heard.noise_var, 0.1)
    gain = (heard.symbols * symbols.conj()).real
    assert gain.mean() == pytest.approx(np.sqrt(np.pi) / 2, abs=0.01)  # of Rayleigh with E h^2 = 1
    assert gain.var() == pytest.approx(1 - np.pi / 4 + 0.05, abs=0.01)  # and half of the noise
    assert np.array_equal(heard.symbols, samsc.real_gain([symbols], 10.0, 3)[0].symbols)


def test_the_region_is_the_largest_piece_of_a_share():
    classes = np.zeros((10, 10), np.uint8)
    classes[:5, :5], classes[8:, 8:], classes[:2, 8:] = 3, 4, 255
    assert region(classes).label == 3 and region(classes).mask.sum() == 25
    assert region(classes, (0.0, 0.1)).label == 4
    assert region(classes, (0.5, 1.0)) is None


def test_pictures_come_with_their_regions(folder):
    found = list(pictures(folder, side=128))
    assert [name for name, _, _ in found] == ["0", "1"]
    assert all(image.shape == (128, 128, 3) and target.label == 15 for _, image, target in found)
    assert found[0][2].mask.mean() == pytest.approx(470 * 320 / SIDE**2, abs=0.01)


def row(way, channel, snr, psnr, roi, kn=0.0833):
    return {"way": way, "channel": channel, "snr_db": snr, "n": 2, "psnr_db": psnr, "roi_psnr_db": roi, "kn": kn}


def test_the_verdict_says_what_the_record_says():
    rows = []
    for channel, less in (("awgn", 0), ("rayleigh", 2), ("real gain", 5)):
        for snr in (0.0, 10.0, 20.0):
            rows.append(row("samsc, original", channel, snr, 20 + snr / 2 - less, 21 + snr / 2 - less))
            rows.append(row("samsc, masked", channel, snr, 27 + snr / 2 - less, 21.2 + snr / 2 - less))
    rows.append(row("segsc", "awgn", 10.0, 25.0, 31.2, 0.05))
    record = {
        "command": "semcom paper samsc", "pictures": ["a"] * 60, "size": [512, 512], "share_of_the_region": 0.25,
        "black_background_db": 6.0, "rows": rows,
    }  # fmt: skip
    page = figures.verdict(record)
    assert "+7.0 dB over the whole frame and +0.2 dB within the region" in page
    assert "Holds for the frame only" in page and "covers 25% of the frame" in page and "gives 6.0 dB" in page
    assert "loses 5.0 dB with a real gain" in page and "2.0 dB with a complex gain" in page
    assert "segsc gives the region +5.0 dB at 10 dB with k/n = 0.0500" in page
    original = [each for each in rows if (each["way"], each["channel"]) == ("samsc, original", "awgn")]
    assert figures.at_label(original, "psnr_db", 10) == 25.0
    assert figures.at_label(original, "psnr_db", 100) == 30.0


@pytest.mark.slow
def test_the_command_writes_everything_and_goes_on_where_it_was(folder, tmp_path, capfd, monkeypatch):
    few = tuple(way for way in samsc.WAYS if way.scheme == "samsc")
    monkeypatch.setattr(samsc, "WAYS", few)
    out = tmp_path / "paper"
    words = ["paper", "samsc", "--voc", str(folder), "--out", str(out), "--snr", "1,10", "--workers", "1"]
    assert main(words) == 0
    record = json.loads((out / "figures.json").read_text())
    assert {file.name for file in out.iterdir()} == {
        "figures.json", "fig4.svg", "fig5.svg", "fig6.svg", "verdict.md", "masks"
    }  # fmt: skip
    assert record["pictures"] == ["0", "1"] and "1 of 2 pictures" in capfd.readouterr().err
    points = {(each["way"], each["channel"], each["snr_db"]): each for each in record["rows"]}
    assert len(points) == len(record["rows"]) == 2 * 2 * 3
    assert all(each["n"] == 2 and each["psnr_db_error"] >= 0 for each in record["rows"])
    for masked in ("samsc, masked", "samsc, original"):
        curve = [points[masked, "awgn", snr]["psnr_db"] for snr in (1, 10)]
        assert curve == sorted(curve)
    # one picture of the record, measured by hand
    (name, image, mask), *_ = samsc.masks(samsc.Settings(folder, out, out / "masks"))
    by_hand = samsc.measured(few[0], image, mask, "awgn", 10.0, 0)
    assert name == "0" and abs(by_hand[0] - points["samsc, original", "awgn", 10.0]["psnr_db"]) < 3
    seen = [(out / "masks" / file).stat().st_mtime_ns for file in sorted((out / "masks").iterdir())]
    assert main(words) == 0  # again, with the masks that are there
    again = json.loads((out / "figures.json").read_text())
    assert again["rows"] == record["rows"]
    assert seen == [(out / "masks" / file).stat().st_mtime_ns for file in sorted((out / "masks").iterdir())]
    assert "10 dB" in (out / "verdict.md").read_text() and io.load_mask(next((out / "masks").iterdir()), 512, 512).any()


@pytest.mark.parametrize(
    "words, sentence",
    [
        (["--voc", "/nowhere"], "no images/*.jpg"),
        (["--voc", "{folder}", "--snr", "loud"], "is no list of decibels"),
        (["--voc", "{folder}", "--workers", "0"], "1 or more"),
        (["--voc", "{folder}", "--limit", "-1"], "0 or more"),
    ],
)
def test_bad_arguments_get_one_sentence(folder, tmp_path, capsys, words, sentence):
    given = [word.format(folder=folder) for word in words]
    assert main(["paper", "samsc", "--out", str(tmp_path / "out"), *given]) == 2
    said = capsys.readouterr().err
    assert sentence in said and "Traceback" not in said


def test_a_map_of_colours_is_no_class_map(folder, tmp_path, capsys):
    Image.open(folder / "images" / "0.jpg").save(folder / "masks" / "0.png")
    assert main(["paper", "samsc", "--voc", str(folder), "--out", str(tmp_path / "out")]) == 2
    assert "is no class map" in capsys.readouterr().err
