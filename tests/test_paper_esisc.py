# SPDX-License-Identifier: GPL-3.0-or-later
"""``semcom paper esisc``: what a receiver has of each way, and a page whose numbers are those of the record."""

from __future__ import annotations

import json

import numpy as np
import pytest
from gnuradio.semcom.cli import main
from gnuradio.semcom.errors import BadInput
from gnuradio.semcom.image import io, metrics
from gnuradio.semcom.paper import esisc, esisc_figures, measuring
from gnuradio.semcom.sweep.tasks import BLANK
from PIL import Image

AVIF = esisc.Way("AVIF", "digital", {"codec": "avif"})


@pytest.fixture(scope="module")
def looks():
    return esisc.Looks()


@pytest.fixture
def photograph(smooth_image):
    return smooth_image(128, 160, 4)


def test_what_arrived_is_what_is_judged(looks, photograph):
    original = esisc.Original(photograph, looks)
    found = esisc.measured(original, (AVIF, 0.1, 10.0), 0)
    assert found["psnr_db"] > 25 and 0 < found["st_lpips"] < 0.5 and 0.05 < found["kn"] <= 0.1
    assert np.sum(found["map"]) == photograph[..., 0].size and found["caption"]
    lost = esisc.measured(original, (esisc.Way("AVIF", "digital", {"mcs": "20"}), 0.1, -5.0), 0)
    assert lost["psnr_db"] == metrics.psnr(photograph, np.full_like(photograph, BLANK)) and lost["caption"] == ""


def test_scenes_are_judged_by_what_they_send(looks, photograph):
    original = esisc.Original(photograph, looks)
    caption = esisc.Way("text", "esisc", {"purpose": "map", "captioner": "composed"})
    found = esisc.measured(original, (caption, 0.1, 10.0), 0)
    assert found["caption"].startswith("A scene in") or found["caption"][0].isupper()
    # the map that is sent is all but that of the original: islands are left out
    counts = np.array(found["map"])
    assert np.trace(counts) > 0.95 * counts.sum()
    alone = esisc.Way("text", "esisc", {"purpose": "caption", "captioner": "composed"})
    assert esisc.measured(original, (alone, 0.1, 10.0), 0)["caption"] == found["caption"]


def test_a_refined_picture_is_another(looks, photograph):
    refined = looks.refined(photograph)
    assert refined.shape == photograph.shape and not np.array_equal(refined, photograph)


def test_each_rate_once_and_the_first_over_the_snr():
    places = [(rate, snr_db) for _, rate, snr_db in esisc.points([AVIF])]
    assert len(places) == len(set(places)) == len(esisc.SNRS) + 1
    assert {rate for rate, snr_db in places if snr_db == esisc.SNR_DB} == set(esisc.RATES)


def row(way, rate, st_lpips, miou, cider_d, snr_db=5.0):
    return {
        "way": way, "rate": rate, "snr_db": snr_db, "n": 2, "psnr_db": 25.0, "st_lpips": st_lpips, "kn": rate,
        "miou": miou, "bleu4": 0.1, "cider_d": cider_d,
    }  # fmt: skip


def test_the_verdict_says_what_the_record_says():
    rows = [
        row("esisc, explain", 0.03, 0.3, 0.9, 0.25), row("esisc, perception", 0.03, 0.15, 0.4, 0.2),
        row("AVIF", 0.03, 0.18, 0.5, 0.3), row("esisc, explain", 0.07, 0.25, 0.9, 0.35),
        row("esisc, perception", 0.07, 0.1, 0.5, 0.35), row("AVIF", 0.07, 0.05, 0.95, 0.3),
    ]  # fmt: skip
    packed = {"bytes": 4900.0, "times": 160.5, "bytes_without_sub_images": 1400.0, "times_without_sub_images": 561.7}
    record = {
        "command": "semcom paper esisc", "pictures": ["a"] * 60, "size": [512, 512], "references": 60,
        "compression": packed, "rows": rows,
    }  # fmt: skip
    lines = {line.split("|")[1].strip(): line.split("|")[-2].strip() for line in
             esisc_figures.verdict(record).splitlines() if line.startswith("| ")}  # fmt: skip
    assert lines["The image takes less than a 100th of its bytes."] == "Holds."
    assert lines["The rebuilt picture is nearer to the eye than its peers' (k/n = 0.03)."] == "Holds."
    assert lines["The rebuilt picture is nearer to the eye than its peers' (k/n = 0.07)."] == (
        "Does not hold: AVIF is nearer."
    )
    assert lines["Segmentation comes for nothing (k/n = 0.03)."] == "Holds."
    assert lines["Segmentation comes for nothing (k/n = 0.07)."] == "Does not hold: AVIF shows more."
    assert lines["Captioning comes for nothing (k/n = 0.03)."] == "Does not hold: AVIF is better."
    assert lines["Captioning comes for nothing (k/n = 0.07)."] == "Holds."
    record["compression"] = packed | {"times": 99.0}
    assert "| Does not hold. |" in esisc_figures.verdict(record)
    unjudged = {
        "references": 0,
        "rows": [{k: v for k, v in each.items() if k not in ("bleu4", "cider_d")} for each in rows],
    }
    assert "Captioning" not in esisc_figures.verdict(record | unjudged)


@pytest.mark.slow
def test_the_command_writes_everything(photograph, tmp_path, monkeypatch, capfd):
    monkeypatch.setattr(esisc, "SIDE", 128)
    monkeypatch.setattr(esisc, "SNRS", (5.0,))
    monkeypatch.setattr(esisc, "WAYS", (AVIF, esisc.Way("esisc, explain", "esisc", {"purpose": "map"})))
    images, out = tmp_path / "images", tmp_path / "out"
    images.mkdir()
    for number in range(2):
        Image.fromarray(np.roll(photograph, 20 * number, 1)).save(images / f"{number}.png")
    texts = tmp_path / "captions.json"
    texts.write_text(json.dumps([{"file": f"{n}.png", "captions": ["A blue scene.", "Colours."]} for n in range(2)]))
    words = ["paper", "esisc", "--images", str(images), "--captions", str(texts), "--out", str(out), "--workers", "1"]
    assert main(words) == 0
    assert {file.name for file in out.iterdir()} == {"figures.json", "quality.svg", "verdict.md"}
    record = json.loads((out / "figures.json").read_text())
    assert record["pictures"] == ["0.png", "1.png"] and record["references"] == 2
    assert "2 of 2 pictures" in capfd.readouterr().err
    rows = {(each["way"], each["rate"]): each for each in record["rows"]}
    assert len(rows) == len(record["rows"]) == 4
    looks, by_hand = esisc.Looks(), []
    for number in range(2):
        image = esisc.stretched(io.load(images / f"{number}.png"))
        by_hand.append(esisc.measured(esisc.Original(image, looks), (AVIF, 0.07, 5.0), number))
    assert rows["AVIF", 0.07]["psnr_db"] == pytest.approx(np.mean([each["psnr_db"] for each in by_hand]), abs=1e-3)
    assert "AVIF" in (out / "verdict.md").read_text()


@pytest.mark.parametrize("figures", [{}, {"figures": 3}, {"figures": {"psnr_db": "loud"}}, {"figures": None}])
def test_a_journal_of_other_figures_is_a_sentence(tmp_path, figures):
    with measuring.Journal(tmp_path / "journal") as journal:
        journal.add("k", figures)
        job = measuring.Job(list, (), {(esisc.WAYS[0], 0.1, 5.0): "k"})
        with pytest.raises(BadInput, match=r"holds what is not measured here .*; take it away"):
            found = measuring.gathered(journal, [job], 1, print)
            with measuring.added_up(journal):
                [esisc._row(point, values, [None]) for point, values in found.items()]


@pytest.mark.parametrize("text", ["no json", "{}", '[{"file": "a"}]', "[3]"])
def test_captions_that_are_none(tmp_path, text):
    path = tmp_path / "captions.json"
    path.write_text(text)
    if text == "{}":
        assert esisc.captions_of(path) == {}
        return
    with pytest.raises(BadInput, match="is no JSON list of objects with file and captions"):
        esisc.captions_of(path)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [(["--images", "/nowhere"], "/nowhere"), (["--images", ".", "--workers", "0"], "1 or more")],
)
def test_bad_arguments_get_one_sentence(tmp_path, capsys, words, sentence):
    assert main(["paper", "esisc", "--out", str(tmp_path / "out"), *words]) == 2
    said = capsys.readouterr().err
    assert sentence in said and "Traceback" not in said
