# SPDX-License-Identifier: GPL-3.0-or-later
"""Scheme ``softcast`` over bursts: its map as a part of bits, lost, late, lying, and what it costs."""

from __future__ import annotations

import json
from itertools import pairwise

import numpy as np
import pytest
from gnuradio.semcom import burst, schemes
from gnuradio.semcom.channel.symbol import SymbolChannel
from gnuradio.semcom.cli import main
from gnuradio.semcom.digital import BURSTS, BURSTS_FADING
from gnuradio.semcom.errors import BadInput
from gnuradio.semcom.image import io
from gnuradio.semcom.links.loopback import LoopbackSettings, loopback
from gnuradio.semcom.schemes import Conditions
from gnuradio.semcom.schemes.allocated import map_cost, map_part


@pytest.fixture
def photo(astronaut):
    return io.load(astronaut)[64:320, 128:384]


def sent(image, number=0, options=None, **conditions):
    """The bursts of an image, as they leave a channel without noise."""
    scheme = schemes.get("softcast")
    made = scheme.encode(image, Conditions(**conditions), scheme.options(options))
    return [(h.fields(), s) for h, s in schemes.bursts(made, scheme, "", number, 1)]


def received(bursts):
    """What a receiver reports."""
    reception = schemes.Reception()
    reports = []
    for meta, symbols in bursts:
        reports += reception.feed({"noise_var": np.full(len(symbols), 1e-3, np.float32)} | meta, symbols)
    reports += reception.finish()
    images = [report for report in reports if isinstance(report, schemes.Image)]
    return images, [report.sentence for report in reports if isinstance(report, burst.Dropped)]


def of_map(bursts):
    return [meta["mcs"] != burst.ANALOGUE for meta, _ in bursts]


@pytest.mark.parametrize("rate", (1 / 48, 1 / 24, 1 / 12, 1 / 6))
@pytest.mark.parametrize("channel", ("awgn", "rayleigh"))
def test_map_and_symbols_take_no_more_than_the_rate(photo, rate, channel):
    bursts = sent(photo, rate=rate, channel=channel)
    uses = sum(len(symbols) for _, symbols in bursts)
    assert rate * photo.size * 0.98 - photo.size / 1536 <= uses <= rate * photo.size
    assert sum(of_map(bursts)) in (0, BURSTS if channel == "awgn" else BURSTS_FADING)
    where = np.flatnonzero(of_map(bursts))
    if len(where):  # the map goes first, and on to the end, between the symbols
        apart = -(-(len(bursts) - len(where)) // (len(where) - 1)) + 1
        assert where[0] == 0 and np.diff(where).max() <= apart and where[-1] >= len(bursts) - 2
    fixed = sent(photo, options={"allocation": "fixed"}, rate=rate)
    assert sum(len(symbols) for _, symbols in fixed) == rate * photo.size and not any(of_map(fixed))


def test_the_name_costs_nothing(photo):
    scheme = schemes.get("softcast")
    made = scheme.encode(photo, Conditions(), scheme.options())
    plain, named = (schemes.bursts(made, scheme, name) for name in ("", "n" * 200))
    assert sum(len(s) for _, s in named) == sum(len(s) for _, s in plain) <= photo.size / 12


def test_parts_may_arrive_in_any_order(photo):
    bursts = sent(photo)
    (first,), _ = received(bursts)
    (last,), _ = received(bursts[::-1])
    assert not first.error and np.array_equal(first.decoded.image, last.decoded.image)
    assert np.abs(first.decoded.image.astype(int) - photo).mean() < 8


@pytest.mark.parametrize("lost", range(BURSTS))
def test_a_burst_of_the_map_may_be_lost(photo, lost):
    bursts = sent(photo)
    (image,), _ = received([each for number, each in enumerate(bursts) if number != lost])
    assert not image.error and image.meta["lost"] == 1


def test_a_lost_map_costs_its_own_image_only(photo):
    without = [each for each, bits in zip(sent(photo, 1), of_map(sent(photo, 1)), strict=True) if not bits]
    images, said = received([*sent(photo, 0), *without, *sent(photo, 2)])
    assert {image.meta["image_id"]: bool(image.error) for image in images} == {0: False, 1: True, 2: False}
    (given_up,) = (image for image in images if image.error)
    assert "the map of the image did not arrive" in given_up.error and said == []


def test_noise_in_place_of_a_map_is_one_sentence(photo):
    rng, bursts = np.random.default_rng(0), sent(photo)
    for number, (meta, symbols) in enumerate(bursts):
        if meta["mcs"] != burst.ANALOGUE:
            bursts[number] = meta, rng.standard_normal((len(symbols), 2)).astype("f4").view("c8").ravel()
    (image,), said = received(bursts)
    assert "code blocks could be decoded" in image.error and said == []


def test_a_map_of_another_image_is_refused(photo):
    """Sound as bits, and yet not of these symbols: of an image of another size, or at another SNR."""
    for other in (sent(photo[:128]), sent(photo, snr_db=11.0)):
        mixed = [b for b in other if b[0]["mcs"] != burst.ANALOGUE]
        mixed = [(meta | {"height": 256, "snr_enc": 10}, symbols) for meta, symbols in mixed]
        (image,), _ = received([*mixed, *(b for b in sent(photo) if b[0]["mcs"] == burst.ANALOGUE)])
        assert "belongs to another: its CRC is wrong" in image.error


@pytest.mark.parametrize(
    ("which", "lie"),
    (
        (0, {"part": 1}),
        (0, {"parts": 1}),
        (0, {"part": 2, "parts": 3}),
        (-1, {"part": 0}),
        (-1, {"part": 0, "parts": 2}),
        (-1, {"part": 0, "parts": 3}),
    ),
)
def test_parts_that_no_encoder_makes_are_refused(photo, which, lie):
    meta, symbols = sent(photo)[which]
    _, said = received([(meta | lie, symbols)])
    assert len(said) == 1 and "an image of softcast is a map and symbols, or symbols" in said[0]


@pytest.mark.parametrize("snr_db", (10.0, 13.0, 16.0, 20.0))
def test_a_link_9_db_worse_than_expected_still_gives_a_picture(photo, snr_db):
    headers, symbols = zip(*sent(photo, snr_db=snr_db), strict=True)
    for seed in range(5):
        out = SymbolChannel("awgn", snr_db - 9, seed=seed).apply_all(symbols)
        (image,), _ = received(
            [(meta | {"noise_var": o.noise_var}, o.symbols) for meta, o in zip(headers, out, strict=True)]
        )
        assert not image.error
        assert np.mean((image.decoded.image.astype(float) - photo) ** 2) < 255**2 / 10**1.8


def test_a_map_survives_the_fading_that_is_reckoned_with(photo):
    headers, symbols = zip(*sent(photo, snr_db=10.0, channel="rayleigh"), strict=True)
    failed = 0
    for seed in range(60):
        out = SymbolChannel("rayleigh", 10.0, seed=seed).apply_all(symbols)
        (image,), _ = received(
            [(meta | {"noise_var": o.noise_var}, o.symbols) for meta, o in zip(headers, out, strict=True)]
        )
        failed += bool(image.error)
    assert failed <= 1


def test_the_mcs_grows_with_the_snr_and_costs_what_is_sent():
    speed = [map_cost(Conditions(snr_db=snr_db)).bits_per_use for snr_db in np.arange(-10, 31.0)]
    # but for a step back where the margin begins to grow faster than the SNR
    falling = [snr for snr, (a, b) in enumerate(pairwise(speed), -9) if b < a]
    assert speed[0] < 0.3 and speed[-1] > 4 and falling == [8]
    for channel in ("awgn", "rayleigh", "rician"):
        for size in (3, 100, 3000):
            conditions = Conditions(snr_db=7.0, channel=channel)
            part = map_part(bytes(size), conditions)
            scheme = schemes.get("softcast")
            made = schemes.bursts(schemes.Transmission((part,), burst.ImageHeader(16, 16, "softcast")), scheme)
            assert sum(len(s) for _, s in made) == map_cost(conditions).uses(size)
            assert len(made) >= part.bursts >= 2


def test_an_image_too_small_for_a_map_is_sent_without(smooth_image):
    bursts = sent(smooth_image(16, 16))
    assert not any(of_map(bursts))
    (image,), _ = received(bursts)
    assert image.decoded.image.shape == (16, 16, 3)


def test_importance_needs_the_adaptive_allocation(photo):
    scheme = schemes.get("softcast")
    with pytest.raises(BadInput, match="softcast with fixed allocation treats all pixels alike"):
        scheme.encode(photo, Conditions(), scheme.options({"allocation": "fixed"}), np.ones(photo.shape[:2]))


def test_adaptive_and_fixed_have_names_and_adapt_to_what_they_use():
    scheme = schemes.get("softcast")
    adaptive, fixed = scheme.options(), scheme.options({"allocation": "fixed"})
    assert (scheme.short_name(adaptive), scheme.short_name(fixed)) == ("softcast", "softcast_fixed")
    assert "snr_db" in scheme.adapts_to(adaptive) and not scheme.adapts_to(fixed)


@pytest.mark.parametrize("level", ("symbol", "waveform"))
@pytest.mark.parametrize("roi", ("power", "skip"))
def test_a_region_of_interest_is_weighed_by_the_flowgraph(astronaut, tmp_path, level, roi, monkeypatch):
    """The region's PSNR, over that of the whole picture sent alike; everything by the real blocks."""
    pytest.importorskip("onnxruntime")
    mask = np.zeros(io.load(astronaut).shape[:2], np.uint8)
    mask[32:192, 160:320] = 255
    io.save_png(tmp_path / "mask.png", np.repeat(mask[..., None], 3, axis=2))
    found = {}
    for how in ("whole", roi):
        settings = LoopbackSettings(
            astronaut, tmp_path / how, snr_db=12.0, rate=1 / 24, prompts=(f"mask:{tmp_path / 'mask.png'}",), roi=how,
            level=level, st_lpips=False,
        )  # fmt: skip
        report = loopback(settings).measure()
        assert "error" not in report
        found[how] = report["roi_psnr_db"]
    assert found[roi] > found["whole"] + 2


def test_the_command_knows_the_allocation(astronaut, tmp_path, capsys):
    said = {}
    for allocation in ("adaptive", "fixed"):
        args = ["loopback", str(astronaut), "--scheme", "softcast", "--allocation", allocation]
        assert main([*args, "--json", "--out", str(tmp_path)]) == 0
        said[allocation] = json.loads(capsys.readouterr().out)
    assert said["adaptive"]["psnr_db"] > said["fixed"]["psnr_db"] + 0.9
    assert said["adaptive"]["payload_kn"] <= said["fixed"]["payload_kn"] == pytest.approx(1 / 12)
