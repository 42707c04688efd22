# SPDX-License-Identifier: GPL-3.0-or-later
"""Sweeps: the same figures as the flowgraph, whatever they run on, and however often they are killed."""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from gnuradio.semcom import schemes
from gnuradio.semcom.cli import main
from gnuradio.semcom.errors import BadInput, Missing
from gnuradio.semcom.image import io
from gnuradio.semcom.links.loopback import LoopbackSettings, loopback
from gnuradio.semcom.sweep import (
    SweepSettings,
    anchors,
    dask_workers,
    executors,
    in_process,
    parse_rates,
    parse_snrs,
    sweep,
)
from gnuradio.semcom.sweep.journal import Journal
from gnuradio.semcom.sweep.report import fade_outage, outage, standard_error
from gnuradio.semcom.sweep.run import journal_path
from gnuradio.semcom.zoo import onnx, weights

SEMCOM = Path(sys.prefix) / "bin" / "semcom"


@pytest.fixture
def photos(tmp_path, smooth_image) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(3):
        io.save_png(folder / f"{number}.png", smooth_image(64, 64, seed=number))
    return folder


def settings(photos, tmp_path, **options):
    return SweepSettings(images=photos, out=tmp_path / "out.json", **{"scheme": "softcast"} | options)


def run(wanted, executor=in_process, **options):
    """(outcome, what was written)."""
    outcome = sweep(wanted, executor, **options)
    return outcome, json.loads(wanted.out.read_text())


def alike(a, b):
    """Whether two records say the same, times aside. Linear algebra may round otherwise on other numbers of threads or
    other alignments, and a byte of the picture with it."""
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(alike(a[k], b[k]) for k in a if k != "seconds")
    if isinstance(a, list):
        return len(a) == len(b) and all(map(alike, a, b))
    return a == pytest.approx(b, abs=0.002) if isinstance(a, float) and isinstance(b, float) else a == b


def counting(executor, counted):
    """An executor that notes what it was given."""

    def execute(groups):
        for group, task, figures in executor(groups):
            counted.append(task.key)
            yield group, task, figures

    return execute


@pytest.mark.parametrize(("channel", "csi"), [("awgn", "ideal"), ("rayleigh", "pilot"), ("rician", "none")])
def test_sweep_and_flowgraph_give_the_same_figures(smooth_image, tmp_path, channel, csi):
    image = tmp_path / "photo.png"
    io.save_png(image, smooth_image(320, 400, seed=1))
    # a map is sent as bits, which a receiver that does not know the channel cannot read
    options = {"allocation": "fixed"} if csi == "none" else {}
    wanted = SweepSettings(
        image, tmp_path / "o.json", "softcast", options, (4.0, 12.0), (channel,), (csi,), rates=("1/12",), seed=3
    )
    _, record = run(wanted)
    for point in record["points"]:
        flowgraph = loopback(
            LoopbackSettings(
                image,
                tmp_path / "l",
                "softcast",
                options,
                point["snr_db"],
                channel,
                csi,
                seed=wanted.channel_seeds(channel, 0, point["snr_db"])[0],
                rate=1 / 12,
                st_lpips=False,
            )
        ).measure()
        assert point["fragments"] == flowgraph["fragments"] >= 8  # with those of the map
        assert point["psnr_db"] == pytest.approx(flowgraph["psnr_db"], abs=0.002)
        assert point["ms_ssim"] == pytest.approx(flowgraph["ms_ssim"], abs=2e-4)
        assert point["snr_measured_db"] == pytest.approx(flowgraph["snr_measured_db"], abs=0.001)
        assert point["payload_kn"] == flowgraph["payload_kn"] and point["air_kn"] == flowgraph["air_kn"]
        assert record["weights"] == flowgraph["weights"]
    assert (point["air_kn"] > point["payload_kn"]) == (csi == "pilot")


def test_workers_change_nothing_but_the_time(photos, tmp_path):
    options = {"snr": (0.0, 10.0), "channel": ("awgn", "rayleigh"), "rates": ("1/12", "1/24"), "draws": 2}
    outcome, alone = run(settings(photos, tmp_path, **options))
    assert (outcome.points, outcome.images, outcome.measured, outcome.reused) == (8, 3, 24, 0)
    with dask_workers(2) as executor:
        _, together = run(settings(photos, tmp_path, **options), executor)
        # what goes wrong in a worker is one sentence here
        (photos / "bad.png").write_bytes(b"no picture")
        said = []
        outcome, partly = run(settings(photos, tmp_path), executor, say=said.append)
    assert alike(alone, together)
    assert outcome.images == 3 and len(said) == 1 and "bad.png is left out" in said[0] and "not a picture" in said[0]
    assert [f["image"] for f in partly["failed"]] == ["bad.png"] and partly["points"][0]["images"] == 3


def test_sweeps_beside_one_another_say_nothing_of_it(recwarn):
    with dask_workers(1), dask_workers(1):
        pass
    assert not [str(warning.message) for warning in recwarn]


def test_the_record_can_be_made_again(photos, tmp_path, monkeypatch):
    wanted = SweepSettings(
        photos,
        tmp_path / "out.json",
        "softcast",
        snr=(3.0, 9.5),
        channel=("rayleigh",),
        draws=3,
        seed=7,
        lose=0.4,
        snr_enc=5.0,
    )
    _, record = run(wanted)
    assert record["weights"] == {"softcast_klt.npz": weights.sha256("softcast_klt")}
    assert record["images"] == {"count": 3, "names": ["0.png", "1.png", "2.png"]} and record["seed"] == 7
    assert "complex noise" in record["snr"] and record["version"]
    assert str(tmp_path) not in wanted.out.read_text()
    monkeypatch.chdir(tmp_path)
    wanted.out.unlink()
    assert main([*record["command"].split()[1:], "--workers", "0"]) == 0
    assert alike(json.loads(wanted.out.read_text())["points"], record["points"])
    assert record["points"][0]["snr_enc_db"] == 5.0 and record["points"][0]["lost"] > 0


def test_images_are_encoded_once_unless_the_coder_adapts(photos, tmp_path, monkeypatch):
    coder = schemes.get("softcast").coder("original")
    calls = []
    encode = type(coder).encode
    monkeypatch.setattr(type(coder), "encode", lambda *a, **k: calls.append(k["snr_db"]) or encode(*a, **k))
    fixed = {"allocation": "fixed"}
    run(settings(photos, tmp_path, options=fixed, snr=(0.0, 10.0), channel=("awgn", "rayleigh")))
    assert len(calls) == 1 + 3  # one to see whether the rate can be had
    calls.clear()
    adaptive, told = type(coder).encode_adaptive, []
    monkeypatch.setattr(type(coder), "encode_adaptive", lambda *a, **k: told.append(k["snr_db"]) or adaptive(*a, **k))
    run(settings(photos, tmp_path, snr=(0.0, 12.0), channel=("awgn",)))
    assert sorted(told) == [0.0] * 3 + [12.0] * 3


def test_draws_belong_to_fading_and_outage_to_draws(photos, tmp_path):
    _, record = run(settings(photos, tmp_path, channel=("awgn", "rayleigh"), draws=40, metrics=("psnr",)))
    still, fading = record["points"]
    assert (still["pictures"], fading["pictures"]) == (3, 120)
    assert still["psnr_outage_db"] == {"0.1": None, "0.01": None}
    assert fading["psnr_outage_db"]["0.01"] < fading["psnr_outage_db"]["0.1"] < fading["psnr_db"] < still["psnr_db"]
    assert fading["ms_ssim"] is None
    assert still["standard_error"] == {} and fading["standard_error"].keys() == {"psnr_db"}
    # of the fade alone: photographs differ as well
    assert still["psnr_fade_outage_db"]["0.1"] is None and fading["psnr_fade_outage_db"]["0.01"] is None
    assert fading["psnr_fade_outage_db"]["0.1"] < fading["psnr_db"]
    figures = [{"psnr_db": [float(first + n) for n in range(10)]} for first in (10, 30)]
    assert fade_outage(figures, 0.1) == 20 and outage([psnr for f in figures for psnr in f["psnr_db"]], 0.1) == 11
    assert fade_outage([*figures, {"psnr_db": [None] * 10}], 0.1) is None


def test_fades_are_drawn_anew_at_each_snr_and_noise_is_not(photos, tmp_path):
    wanted = settings(photos, tmp_path, snr=(3.0, 4.0), channel=("awgn", "rayleigh"), draws=2, seeds=3)
    assert wanted.channel_seeds("awgn", 1, 3.0) == wanted.channel_seeds("awgn", 1, 4.0) == (1, 65537, 131073)
    drawn = [wanted.channel_seeds("rayleigh", 1, snr_db) for snr_db in wanted.snr]
    assert len(set(drawn[0] + drawn[1])) == 12 and wanted.channel_seeds("rayleigh", 1, 0.0)[:3] == (1, 65537, 131073)
    # those of a sweep with fewer draws are the first ones
    assert replace(wanted, draws=1).channel_seeds("rayleigh", 1, 3.0) == drawn[0][:3]


def test_the_standard_error_is_the_spread_of_repeated_sweeps(photos, tmp_path):
    repeated = []
    for seed in range(0, 40_000, 1000):
        options = {"snr": (3.0,), "channel": ("rayleigh",), "draws": 6, "seed": seed, "metrics": ("psnr",)}
        repeated.append(run(settings(photos, tmp_path, options={"allocation": "fixed"}, **options))[1]["points"][0])
    told = np.sqrt(np.mean([point["standard_error"]["psnr_db"] ** 2 for point in repeated]))
    # the spread of 40 is known to 11 %
    assert told == pytest.approx(np.std([point["psnr_db"] for point in repeated], ddof=1), rel=0.35)
    assert standard_error([[1.0, 3.0], [2.0, None]]) is None and standard_error([[1.0, math.inf]]) is None
    assert standard_error([[1.0, 3.0], [5.0, 9.0], [None]]) == pytest.approx(math.sqrt(2 * 2 + 2 * 8) / 4, abs=1e-5)


def test_the_encoder_may_take_the_snr_for_another(photos, tmp_path):
    wanted = settings(photos, tmp_path, snr=(5.0, 8.0), snr_error=(-2.0, 0.0, 3.0))
    _, record = run(wanted)
    assert [(p["snr_db"], p["snr_enc_db"]) for p in record["points"]] == [
        (5.0, 3.0), (5.0, 5.0), (5.0, 8.0), (8.0, 6.0), (8.0, 8.0), (8.0, 11.0),
    ]  # fmt: skip
    assert "--snr-error=-2,0,3" in record["command"]
    assert len({p["psnr_db"] for p in record["points"]}) == 6


def test_outage_is_an_order_statistic():
    values = [float(v) for v in np.random.default_rng(1).permutation(np.arange(1, 101))]
    assert (outage(values, 0.1), outage(values, 0.01)) == (10.0, 1.0)
    # what never came is the worst of all
    assert outage([None] * 5 + values[:95], 0.1) is not None and outage([None, *values[:99]], 0.01) is None
    assert outage(values[:99], 0.01) is None


def test_losses_are_counted_and_a_picture_of_which_nothing_came_is_none(photos, tmp_path):
    fixed = {"allocation": "fixed"}
    _, record = run(settings(photos, tmp_path, options=fixed, lose=1.0))
    (point,) = record["points"]
    assert (point["delivered"], point["lost"], point["psnr_db"]) == (0, 3, None)
    _, record = run(settings(photos, tmp_path, options=fixed, lose=0.3, seeds=100, metrics=("psnr",)))
    (point,) = record["points"]
    # one fragment each, so what is lost is not delivered
    assert point["delivered"] + point["lost"] == 300 and point["lost"] == pytest.approx(90, abs=4 * 8)


def test_killed_in_the_middle_it_goes_on(photos, tmp_path):
    out = tmp_path / "out.json"
    args = ["sweep", "--scheme", "softcast", "--images", photos, "--snr", "0:19:1", "--channel", "rayleigh"]
    args += ["--draws", "4", "--metrics", "psnr", "--workers", "0", "--out", out]
    process = subprocess.Popen([SEMCOM, *map(str, args)], stdout=subprocess.PIPE, text=True)
    journal = journal_path(out)
    while process.poll() is None and not (journal.exists() and journal.read_bytes().count(b"\n") >= 5):
        pass
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=30)
    assert process.returncode == -signal.SIGKILL and not out.exists()
    kept = journal.read_bytes().count(b"\n")
    assert 5 <= kept < 60
    # as if it had been killed while it wrote
    with journal.open("ab") as file:
        file.write(b'{"key": "half a li')
    measured = []
    wanted = SweepSettings(
        photos, out, "softcast", snr=parse_snrs("0:19:1"), channel=("rayleigh",), draws=4, metrics=("psnr",)
    )
    outcome, record = run(wanted, counting(in_process, measured))
    assert (outcome.reused, outcome.measured, len(set(measured))) == (kept, 60 - kept, 60 - kept)
    assert not journal.exists() and record["points"][19]["images"] == 3
    assert alike(run(wanted)[1], record)


@pytest.mark.parametrize(
    "change",
    [{"seed": 1}, {"draws": 2}, {"lose": 0.5}, {"rates": ("1/24",)}, {"csi": ("pilot",)}, {"metrics": ("psnr",)}],
)
def test_results_of_other_parameters_are_never_taken(photos, tmp_path, change):
    options = {"channel": ("rayleigh",), "snr": (1.0, 2.0)}

    def broken(groups):
        for number, result in enumerate(in_process(groups)):
            if number == 4:
                raise KeyboardInterrupt
            yield result

    with pytest.raises(KeyboardInterrupt):
        sweep(settings(photos, tmp_path, **options), broken)
    assert journal_path(tmp_path / "out.json").exists()
    assert sweep(settings(photos, tmp_path, **options | change), in_process).reused == 0


def test_results_of_other_weights_or_images_are_never_taken(photos, tmp_path, smooth_image, monkeypatch):
    with pytest.raises(KeyboardInterrupt):
        sweep(settings(photos, tmp_path), interrupted_after(2))
    io.save_png(photos / "0.png", smooth_image(64, 64, seed=9))
    with pytest.raises(KeyboardInterrupt):
        sweep(settings(photos, tmp_path), interrupted_after(1, expected=2))
    monkeypatch.setattr(schemes.get("softcast").coder("original"), "weights", {"softcast_klt.npz": "0" * 64})
    assert sweep(settings(photos, tmp_path), in_process).reused == 0


def interrupted_after(count, expected=None):
    """An executor that gives up after so many results; ``expected`` tasks must have been asked of it."""

    def execute(groups):
        groups = list(groups)
        assert expected is None or sum(len(group.tasks) for group in groups) == expected
        for number, result in enumerate(in_process(groups)):
            if number == count:
                raise KeyboardInterrupt
            yield result

    return execute


def test_one_journal_has_one_writer(tmp_path):
    path = tmp_path / "x.partial.jsonl"
    with Journal(path) as journal:
        journal.add("a", {"psnr_db": [1.0]})
        with pytest.raises(BadInput, match="another sweep is writing"):
            Journal(path)
    with Journal(path) as again:
        assert again["a"] == {"psnr_db": [1.0]}


def test_interrupted_on_the_keyboard(photos, tmp_path):
    out = tmp_path / "out.json"
    args = ["--scheme", "softcast", "--images", photos, "--snr", "0:19:1", "--channel", "rayleigh", "--draws", "20"]
    process = subprocess.Popen(
        [SEMCOM, "sweep", *map(str, args), "--workers", "1", "--out", out],
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    while process.poll() is None and not (journal_path(out).exists() and journal_path(out).stat().st_size):
        pass
    # as a terminal does: to the workers as well
    os.killpg(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130 and err.count("\n") == 1 and "the same command goes on" in err
    assert journal_path(out).exists() and not out.exists()


def test_several_schemes_and_rates_that_one_lacks(photos, tmp_path, capsys):
    out = tmp_path / "r" / "both.json"
    args = ["sweep", "--scheme", "softcast,samsc", "--images", photos, "--rate", "1/12,1/24", "--workers", "0"]
    assert main([*map(str, args), "--out", str(out)]) == 0
    said = capsys.readouterr()
    assert said.err.count("\n") == 1 and "samsc: rate 1/24 is left out" in said.err
    assert "both_softcast.json: 2 points, 3 images, 6 measured" in said.out
    records = [json.loads((out.parent / f"both_{s}.json").read_text()) for s in ("softcast", "samsc")]
    assert [len(r["points"]) for r in records] == [2, 1] and not out.exists()


@pytest.mark.parametrize(
    ("args", "status", "sentence"),
    [
        (("--snr", "loud"), 2, "write LO:HI:STEP or A,B,C"),
        (("--snr", "9:1:1"), 2, "LO below HI"),
        (("--snr", "1:9:0"), 2, "LO below HI"),
        (("--snr", "1e9"), 2, "between -100 and 100"),
        (("--snr", "nan"), 2, "no list of decibels"),
        (("--scheme", "h264"), 2, "there is no scheme 'h264'"),
        (("--channel", "epa"), 2, "choose awgn, rayleigh, rician"),
        (("--csi", "psychic"), 2, "choose ideal, pilot, estimated, none"),
        (("--rate", "fast"), 2, "write it as K/N"),
        (("--rate", "1/2"), 2, "out of range"),
        (("--images", "nowhere"), 2, "there is no image or folder"),
        (("--metrics", "taste"), 2, "choose psnr, ms_ssim, st_lpips"),
        (("--lose", "2"), 2, "a share from 0 to 1"),
        (("--draws", "0"), 2, "--draws 0 makes no sense"),
        (("--draws", "3"), 2, "--draws 3 fades cannot be drawn where nothing fades"),
        (("--snr-enc", "5", "--snr-error", "1"), 2, "--snr-error excludes an SNR that the encoder assumes"),
        (("--seed", "-1"), 2, "whole number"),
        (("--workers", "-1"), 2, "--workers -1 makes no sense"),
        (("--cluster", "tcp://127.0.0.1:1"), 2, "exclude each other"),
        (("--out", "figure.svg"), 2, "must be a JSON file"),
        (("--variant", "fine"), 2, "fine"),
    ],
)
def test_bad_arguments_get_a_sentence(photos, tmp_path, capsys, args, status, sentence):
    if "--variant" in args:
        args += ("--scheme", "samsc")
    defaults = ["--scheme", "softcast", "--images", photos, "--workers", "0", "--out", tmp_path / "o.json"]
    assert main(["sweep", *map(str, defaults), *args]) == status
    said = capsys.readouterr()
    assert sentence in said.err and said.err.count("\n") == 1 and said.out == ""
    assert not list(tmp_path.glob("o.*"))


def test_no_picture_at_all_is_status_1(tmp_path, capsys):
    (tmp_path / "bad.png").write_bytes(b"")
    args = ["--scheme", "softcast", "--images", str(tmp_path), "--workers", "0", "--out", str(tmp_path / "o.json")]
    assert main(["sweep", *args]) == 1
    assert "no picture was received" in capsys.readouterr().err and not list(tmp_path.glob("o.*"))


def test_a_worker_without_the_package_ends_the_sweep(photos, tmp_path):
    def bare(groups):
        return ((group, task, ModuleNotFoundError("", name="gnuradio")) for group in groups for task in group.tasks)

    with pytest.raises(Missing, match="the workers lack gnuradio"):
        sweep(settings(photos, tmp_path), bare)


def test_what_is_not_installed_is_named(photos, tmp_path, capsys, monkeypatch):
    for module in ("distributed", "matplotlib"):
        monkeypatch.setitem(sys.modules, module, None)
    args = ["--scheme", "softcast", "--images", str(photos), "--out", str(tmp_path / "o.json")]
    assert main(["sweep", *args]) == 3
    assert "pip install '.[sweep]'" in capsys.readouterr().err
    assert main(["sweep", *args, "--workers", "0"]) == 0
    assert main(["plot", str(tmp_path / "o.json"), "-o", str(tmp_path / "f.svg")]) == 3
    assert "pip install '.[sweep]'" in capsys.readouterr().err


def test_the_command_alone_imports_no_dask():
    code = "import sys; from gnuradio.semcom import sweep; from gnuradio.semcom.cli import app"
    code += "; print([m for m in ('dask', 'distributed', 'matplotlib', 'onnxruntime') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "[]", done.stderr


def test_lists_are_read_as_written():
    assert parse_snrs("-2:2:2,0.5,0") == (-2.0, 0.0, 2.0, 0.5)
    assert parse_snrs("0:1:0.1")[3] == 0.3 and len(parse_snrs("0:1:0.1")) == 11
    assert parse_rates(None) == (None,) and parse_rates("1/12, 1/6") == ("1/12", "1/6")


def kodak_like(tmp_path, scheme, channel="awgn", names=tuple(anchors.IMAGES)):
    """A record as a sweep would write it."""
    points = [
        {"channel": channel, "csi": "ideal", "rate": "1/12", "snr_db": snr, "snr_enc_db": snr, "lose": 0.0}
        | {
            "psnr_db": 20 + snr,
            "ms_ssim": None,
            "psnr_fade_outage_db": {"0.1": 15 + snr},
            "standard_error": {"psnr_db": 0.2},
        }
        | {"payload_kn": 1 / 12}
        for snr in (1.0, 7.0, 13.0)
    ]
    path = tmp_path / f"{scheme}_{channel}_{len(names)}.json"
    path.write_text(json.dumps({"scheme": scheme, "variant": None, "images": {"names": names}, "points": points}))
    return str(path)


def test_figures(tmp_path, capsys):
    files = [kodak_like(tmp_path, "softcast"), kodak_like(tmp_path, "samsc", "rayleigh")]
    for name in ("a.svg", "b.svg", "c.png", "d.pdf"):
        assert main(["plot", *files, "-o", str(tmp_path / name)]) == 0
    text = (tmp_path / "a.svg").read_text()
    assert text == (tmp_path / "b.svg").read_text() and "dc:date" not in text
    for words in (
        "softcast, awgn",
        "samsc, rayleigh",
        "samsc, rayleigh: 10 % outage",
        "WITT",
        "ideal CSI, 24 images, k/n 1/12",
    ):
        assert f">{words}<" in text
    assert "awgn: 10 % outage" not in text
    assert (tmp_path / "c.png").read_bytes()[:4] == b"\x89PNG" and (tmp_path / "d.pdf").read_bytes()[:4] == b"%PDF"
    # published figures stand beside nothing but the images, channel and rate that they are of
    for others in (kodak_like(tmp_path, "softcast", names=("x.png",)), files[1]):
        assert main(["plot", others, "-o", str(tmp_path / "e.svg")]) == 0
        assert "WITT" not in (tmp_path / "e.svg").read_text()
    (tmp_path / "again.json").write_bytes(Path(files[0]).read_bytes())
    assert main(["plot", files[0], str(tmp_path / "again.json"), "-o", str(tmp_path / "g.svg")]) == 0
    assert ">again<" in (tmp_path / "g.svg").read_text()
    assert main(["plot", *files, "--x", "rate", "-o", str(tmp_path / "f.svg")]) == 0
    assert "7 dB" in (tmp_path / "f.svg").read_text()
    assert main(["plot", *files, "--x", "error", "-o", str(tmp_path / "h.svg")]) == 0
    assert "less what there is" in (tmp_path / "h.svg").read_text()
    # a bar for the interval of each point
    record = json.loads(Path(files[0]).read_text())
    for point in record["points"]:
        point["standard_error"] = {}
    (tmp_path / "sure.json").write_text(json.dumps(record))
    assert main(["plot", str(tmp_path / "sure.json"), "-o", str(tmp_path / "i.svg")]) == 0
    assert main(["plot", files[0], "-o", str(tmp_path / "j.svg")]) == 0
    assert (tmp_path / "i.svg").read_text() != (tmp_path / "j.svg").read_text()


def test_names_from_outside_are_no_formulas(tmp_path):
    """Neither a fraction without an end, nor two lines, nor a label that Matplotlib would leave out."""
    names = ("_mine", "$\\frac{", "$x$", "a\nb")
    records = []
    for number, name in enumerate(names):
        record = json.loads(Path(kodak_like(tmp_path, "softcast")).read_text()) | {"scheme": name}
        records.append(tmp_path / f"{number}.json")
        records[-1].write_text(json.dumps(record))
    assert main(["plot", *map(str, records), "-o", str(tmp_path / "a.svg")]) == 0
    text = (tmp_path / "a.svg").read_text()
    for shown in ("_mine", "$\\frac{", "$x$"):
        assert f"{shown}<" in text
    assert "a\nb" not in text


def test_curves_of_ones_own_stand_beside(tmp_path):
    """Whatever the images are, and in place of the published ones."""
    curves = [
        {"label": "ADJSCC", "points": {"10": 31.0, "1": 27.5}},
        {"label": "Q", "metric": "ms_ssim", "points": {"1": 0.9}},
    ]
    (tmp_path / "a.json").write_text(json.dumps(curves))
    for names in (("x.png",), tuple(anchors.IMAGES)):
        files = [kodak_like(tmp_path, "softcast", names=names), "--anchors", str(tmp_path / "a.json")]
        assert main(["plot", *files, "-o", str(tmp_path / "a.svg")]) == 0
        text = (tmp_path / "a.svg").read_text()
        assert ">ADJSCC<" in text and ">Q<" not in text and "WITT" not in text
    assert anchors.read(tmp_path / "a.json")[0].points == {1.0: 27.5, 10.0: 31.0}


@pytest.mark.parametrize("text", ["", "{}", "[]", '[{"label": "x"}]', '[{"label": "x", "points": {"one": 1}}]', "[3]"])
def test_curves_that_cannot_be_are_said(tmp_path, capsys, text):
    (tmp_path / "a.json").write_text(text)
    args = [kodak_like(tmp_path, "softcast"), "--anchors", str(tmp_path / "a.json"), "-o", str(tmp_path / "a.svg")]
    assert main(["plot", *args]) == 2
    said = capsys.readouterr().err
    assert "--anchors" in said and said.count("\n") == 1


def test_variants_are_named_with_their_schemes(photos, tmp_path, capsys):
    """In the command, in the names of files, and in the legend."""
    args = ["--images", str(photos), "--workers", "0", "--metrics", "psnr", "--out", str(tmp_path / "s.json")]
    assert main(["sweep", "--coder", "samsc:original,samsc:masked,softcast", *args]) == 0
    files = sorted(path.name for path in tmp_path.glob("s_*.json"))
    assert [name for name in files if "samsc" in name] == ["s_samsc_masked.json", "s_samsc_original.json"]
    masked = json.loads((tmp_path / "s_samsc_masked.json").read_text())
    assert masked["variant"] == "masked" and "--scheme samsc --variant masked" in masked["command"]
    assert main(["plot", *(str(tmp_path / name) for name in files), "-o", str(tmp_path / "s.svg")]) == 0
    assert ">samsc masked<" in (tmp_path / "s.svg").read_text()
    for text, sentence in (
        ("softcast:mine", "names a variant, but softcast has none"),
        ("samsc:", "names no variant after the colon"),
        ("samsc:mine", "samsc has no weights called 'mine'; choose masked or original"),
        ("sams:mine", "there is no scheme 'sams'"),
    ):
        capsys.readouterr()
        assert main(["sweep", "--coder", text, *args]) == 2
        assert sentence in capsys.readouterr().err


@pytest.mark.parametrize(
    ("args", "sentence"),
    [
        (("-o", "figure.gif"), "choose .svg, .png, .pdf"),
        (("-o", "f.svg", "--metric", "ms_ssim"), "there is no ms_ssim"),
        (("-o", "f.svg", "--metric", "beauty"), "choose psnr"),
        (("-o", "f.svg", "--channel", "rician"), "there is no psnr over rician"),
        (("-o", "f.svg", "--x", "time"), "choose snr, rate"),
        (("-o", "f.svg", "other.json"), "no record of a sweep"),
        (("-o", "f.svg", "nothing.json"), "nothing.json does not exist; name a record of a sweep"),
    ],
)
def test_figures_of_nothing_get_a_sentence(tmp_path, capsys, monkeypatch, args, sentence):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "other.json").write_text('{"scheme": 3}')
    assert main(["plot", kodak_like(tmp_path, "softcast"), *args]) == 2
    said = capsys.readouterr()
    assert sentence in said.err and said.err.count("\n") == 1 and not (tmp_path / "f.svg").exists()


def test_a_running_cluster_does_the_same(photos, tmp_path, capsys, monkeypatch):
    distributed = pytest.importorskip("distributed")
    monkeypatch.setattr(executors, "TIMEOUT", 1)
    args = ["sweep", "--scheme", "softcast", "--images", str(photos), "--snr", "3,9", "--out", str(tmp_path / "o.json")]
    assert main([*args, "--cluster", "tcp://127.0.0.1:1"]) == 2
    assert "no Dask scheduler answers" in capsys.readouterr().err
    try:
        with distributed.LocalCluster(n_workers=0, processes=False, dashboard_address=None) as cluster:
            assert main([*args, "--cluster", cluster.scheduler_address]) == 2
            assert "has no workers" in capsys.readouterr().err
            cluster.scale(1)
            cluster.wait_for_workers(1)
            assert main([*args, "--cluster", cluster.scheduler_address]) == 0
    finally:
        onnx.limit_threads(None)
    _, alone = run(settings(photos, tmp_path, snr=(3.0, 9.0)))
    assert alike(json.loads((tmp_path / "o.json").read_text())["points"], alone["points"])
