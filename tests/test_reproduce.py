# SPDX-License-Identifier: GPL-3.0-or-later
"""A sweep measured again agrees with its record, and one that was altered does not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from gnuradio.semcom.cli import main
from gnuradio.semcom.errors import BadInput
from gnuradio.semcom.image import io
from gnuradio.semcom.sweep import SweepSettings, in_process, sweep
from gnuradio.semcom.sweep.reproduce import reproduce


@pytest.fixture(scope="module")
def measured(tmp_path_factory, smooth_image) -> tuple[Path, Path]:
    """Photographs and the record of a sweep over them."""
    folder = tmp_path_factory.mktemp("sweep")
    (folder / "photos").mkdir()
    for number in range(4):
        io.save_png(folder / "photos" / f"{number}.png", smooth_image(64, 64, seed=number))
    settings = SweepSettings(
        folder / "photos", folder / "out.json", "softcast", snr=(3.0, 8.0), channel=("awgn", "rayleigh"), draws=8,
        snr_error=(-1.0, 0.0), options={"allocation": "fixed"}, metrics=("psnr",),
    )  # fmt: skip
    sweep(settings, in_process)
    return folder / "photos", settings.out


def altered(record, tmp_path, change):
    """The record with something done to it, in another file."""
    known = json.loads(record.read_text())
    change(known)
    path = tmp_path / "altered.json"
    path.write_text(json.dumps(known))
    return path


def test_with_the_same_seeds_it_is_the_same(measured):
    photos, record = measured
    done = reproduce(record, photos, 0.5, False, in_process)
    assert len(done.images) == 2 and len(done.comparisons) == 8 and not done.other_weights
    assert all(point.holds and point.recorded == pytest.approx(point.found, abs=0.01) for point in done.comparisons)
    assert {(point.snr_db, point.snr_enc_db) for point in done.comparisons} == {(3, 2), (3, 3), (8, 7), (8, 8)}


def test_with_others_it_is_within_the_interval(measured, tmp_path):
    photos, record = measured
    done = reproduce(record, photos, 1.0, True, in_process)
    still, fading = (
        [point for point in done.comparisons if point.channel == channel] for channel in ("awgn", "rayleigh")
    )
    # one draw of each picture does not say how far another may be
    assert all(point.within is None for point in still)
    assert all(point.holds and 0 < point.within < 3 and point.recorded != point.found for point in fading)

    def better(known):
        for point in known["points"]:
            point["psnr_db_by_image"] = {name: psnr + 5 for name, psnr in point["psnr_db_by_image"].items()}

    again = reproduce(altered(record, tmp_path, better), photos, 1.0, True, in_process)
    assert not any(point.holds for point in again.comparisons if point.channel == "rayleigh")


def test_many_points_may_be_further_apart_than_one(measured, tmp_path):
    """Of twenty that each agree in 95 of 100 times one would differ, and with it the sweep."""
    photos, record = measured

    def first(known):
        known["points"] = [next(point for point in known["points"] if point["channel"] == "rayleigh")]

    together, alone = (
        reproduce(file, photos, 1.0, True, in_process) for file in (record, altered(record, tmp_path, first))
    )
    (one,) = alone.comparisons
    same = next(point for point in together.comparisons if (point.channel, point.snr_db) == (one.channel, one.snr_db))
    # of 8 points a quantile of 1 - 0.05 / 16, of one that of 0.975
    assert same.within / one.within == pytest.approx(2.7344 / 1.9600, rel=1e-3)


def test_the_command_says_what_differs(measured, tmp_path, capsys, monkeypatch):
    photos, record = measured
    assert main(["reproduce", str(record), "--data", str(photos), "--workers", "0"]) == 0
    out, err = capsys.readouterr()
    assert out.count("agrees") == 8 and not err

    def worse(known):
        known["points"][0]["psnr_db_by_image"] = dict.fromkeys(known["images"]["names"], 12.0)
        known["weights"] = {name: "0" * 64 for name in known["weights"]}

    (tmp_path / "results").mkdir()
    altered(record, tmp_path / "results", worse)
    monkeypatch.chdir(tmp_path)
    assert main(["reproduce", "altered", "--data", str(photos), "--workers", "0", "--json"]) == 1
    out, err = capsys.readouterr()
    points = json.loads(out)["points"]
    assert [point["holds"] for point in points] == [False] + [True] * 7 and points[0]["recorded"] == 12.0
    assert "softcast_klt.npz" in err and err.count("\n") == 1


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda known: known.pop("points"), "points"),
        (lambda known: known.update(points=[]), "it has no points"),
        (lambda known: known["points"][0].update(snr_db="x"), "snr_db"),
        (lambda known: known["points"][0].update(channel="sea"), "is no channel"),
        (lambda known: known.update(scheme="pigeon"), "pigeon"),
        (lambda known: known["images"].update(names=["x.png", "y.png"]), "has no x.png"),
        (lambda known: known.update(draws=None), "draws"),
    ],
)
def test_what_is_no_record_is_said(measured, tmp_path, change, words):
    photos, record = measured
    with pytest.raises(BadInput, match=words) as error:
        reproduce(altered(record, tmp_path, change), photos, 0.1, False, in_process)
    assert "\n" not in str(error.value)


def test_a_share_of_rows_is_a_share(checkout, capsys):
    benchmark(checkout)
    for share in ("0", "5"):
        assert main(["reproduce", "fake", "--data", "data", "--share", share]) == 2
        assert "is no share of the rows" in capsys.readouterr().err


def test_a_share_is_a_share(measured):
    photos, record = measured
    for share in (0, 1.5, float("nan")):
        with pytest.raises(BadInput, match="share of the images"):
            reproduce(record, photos, share, False, in_process)


FAKE = """
import argparse, json, pathlib
parser = argparse.ArgumentParser()
parser.add_argument("--only")
parser.add_argument("--kodak", type=pathlib.Path)
parser.add_argument("--out", type=pathlib.Path)
args = parser.parse_args()
files = len(list(args.kodak.iterdir())) if args.kodak else 0
command = f"python benchmarks/fake.py --only {args.only}"
row = {"psnr_db": [30.0, 31.2], "seconds": 7.5, "images": files, "command": command}
args.out.write_text(json.dumps({args.only: row} if args.only else {"command": command, "rows": [row]}))
"""


@pytest.fixture
def checkout(tmp_path, monkeypatch) -> Path:
    """A folder with a benchmark that measures the same whenever it is run."""
    (tmp_path / "benchmarks").mkdir()
    (tmp_path / "benchmarks" / "fake.py").write_text(FAKE)
    (tmp_path / "data" / "kodak").mkdir(parents=True)
    (tmp_path / "data" / "kodak" / "a.png").write_bytes(b"")
    (tmp_path / "results").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def benchmark(checkout, **row) -> str:
    """A record with two rows of it; what the first has."""
    first = {"psnr_db": [30.0, 31.2], "seconds": 2.0, "images": 0} | row
    rows = {
        name: {**values, "command": f"python benchmarks/fake.py --only {name}"}
        for name, values in (("one", first), ("two", {"psnr_db": [30.0, 31.2], "images": 0}))
    }
    path = checkout / "results" / "fake.json"
    path.write_text(json.dumps({"command": "python benchmarks/fake.py", **rows}))
    return str(path)


def test_a_benchmark_is_run_again_row_by_row(checkout, capsys):
    record = benchmark(checkout)
    args = ["reproduce", "fake", "--data", str(checkout / "data")]
    assert main([*args, "--share", "1"]) == 0
    out, err = capsys.readouterr()
    # three figures of each row: not the time, which is that of a machine
    assert out == "fake: 6 figures of one, two compared, 0 differ\n"
    assert err.count("benchmarks/fake.py --only") == 2
    assert main(args) == 0 and "3 figures" in capsys.readouterr().out
    benchmark(checkout, psnr_db=[30.0, 33.0])
    assert main([*args, "--share", "1"]) == 1
    assert "one/psnr_db/1: recorded 33.0, again 31.2\n" in capsys.readouterr().out
    benchmark(checkout, more=1.0)
    assert main([*args, "--share", "1", "--json"]) == 1
    (difference,) = json.loads(capsys.readouterr().out)["differences"]
    assert difference == {"where": "one/more", "recorded": 1.0, "found": None}
    assert Path(record).exists()


def test_a_benchmark_finds_its_data_and_writes_nothing_here(checkout, capsys):
    record = {
        "command": "python benchmarks/fake.py --kodak DIR --out results/whole.json",
        "rows": [{"psnr_db": [30.0, 31.2], "images": 1}],
    }
    (checkout / "results" / "whole.json").write_text(json.dumps(record))
    before = (checkout / "results" / "whole.json").read_bytes()
    assert main(["reproduce", "whole", "--data", str(checkout / "data")]) == 0
    assert capsys.readouterr().out == "whole: 3 figures compared, 0 differ\n"
    assert (checkout / "results" / "whole.json").read_bytes() == before


@pytest.mark.parametrize(
    ("record", "words"),
    [
        ({"command": "python benchmarks/../fake.py"}, "is not here; run this in a checkout"),
        ({"command": "python benchmarks/other.py"}, "is not here; run this in a checkout"),
        ({"command": "python benchmarks/fake.py --bad"}, "ended with status 2"),
        ({"command": "python benchmarks/fake.py 'x"}, "is no command line"),
        ({"command": "rm -rf /"}, "neither a sweep's record nor a benchmark's"),
        ([1], "neither a sweep's record nor a benchmark's"),
    ],
)
def test_what_is_no_benchmark_is_said(checkout, capsys, record, words):
    (checkout / "results" / "odd.json").write_text(json.dumps(record))
    assert main(["reproduce", "odd", "--data", "."]) == 2
    err = capsys.readouterr().err
    assert words in err.splitlines()[-1] and "Traceback" not in err
