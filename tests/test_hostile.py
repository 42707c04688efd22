# SPDX-License-Identifier: GPL-3.0-or-later
"""What a receiver spends goes with what arrived, not with what a few bursts say."""

from __future__ import annotations

import gc
import tracemalloc
import weakref

import numpy as np
import pytest
from gnuradio.semcom import schemes
from gnuradio.semcom.burst import ANALOGUE, BurstHeader, Refusal, fragment_length, fragments_needed
from gnuradio.semcom.errors import BadInput
from gnuradio.semcom.image import io
from gnuradio.semcom.jscc import neural, semcom, tiles
from gnuradio.semcom.scene import Scene
from gnuradio.semcom.scene.coding import container, labelmap
from gnuradio.semcom.scene.render import draw
from gnuradio.semcom.work import Work
from PIL import ImageFont


def analogue(scheme: str, height: int, width: int, share: float, **fields) -> list[tuple[dict, np.ndarray]]:
    """Bursts of a part of symbols, of which a share is sent."""
    made, rng = schemes.get(scheme), np.random.default_rng(0)
    meta = {
        "scheme": made.code, "height": height, "width": width, "rate": 127, "scale": 32768, "snr_enc": 10,
        "mcs": ANALOGUE,
    } | fields  # fmt: skip
    rows, columns = -(-height // 16), -(-width // 16)
    total = (rows * columns * (meta["rate"] + 1) + 1) // 2
    count = fragments_needed(total)
    return [
        (
            meta | {"fragment": fragment, "fragments": count},
            (rng.standard_normal((fragment_length(total, count, fragment), 2)) @ (1, 1j)).astype(np.complex64) / 2,
        )
        for fragment in range(int(np.ceil(share * count)))
    ]


def received(bursts) -> list[schemes.Image]:
    reception = schemes.Reception()
    reports = [report for meta, symbols in bursts for report in reception.feed(meta, symbols)]
    return [report for report in [*reports, *reception.finish()] if isinstance(report, schemes.Image)]


@pytest.mark.parametrize("scheme", ["samsc", "deepjscc", "witt", "semcom"])
def test_a_large_image_of_which_little_arrived_is_given_up(scheme):
    """Before the network runs, and with a sentence that says what is true."""
    (image,) = received(analogue(scheme, 2048, 2048, 1 / 16))
    assert image.decoded is None and image.error.startswith("65,536 symbols arrived of an image of 2048x2048 pixels")
    assert image.error.endswith("send a smaller image, or more of it") and "\n" not in image.error


def test_a_small_image_of_which_little_arrived_is_decoded():
    (image,) = received(analogue("samsc", 256, 256, 1 / 4))
    assert image.error == "" and image.decoded.image.shape == (256, 256, 3)


def test_a_part_of_which_next_to_nothing_arrived_takes_no_memory():
    """Beside a map in as many bursts, of one symbol each, as the symbols have."""
    (meta, symbols), *_ = analogue("softcast", 2048, 2048, 0.001, parts=2, part=1)
    one = meta | {"part": 0, "fragments": 4000, "mcs": 0, "rate": 0}
    reception = schemes.Reception()
    for number in range(4000):
        reception.feed(one | {"fragment": number, "scale": number}, np.ones(1, np.complex64))
    assert reception.feed(meta, symbols) == [] and reception.reassembly.waiting == 1
    tracemalloc.start()
    try:
        (image,) = reception.finish()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert image.error and peak < 6_000_000


def test_a_refusal_that_is_raised_again_keeps_no_frames():
    reception = schemes.Reception("softcast")
    (meta, symbols), *_ = analogue("samsc", 64, 64, 1.0)
    for _ in range(20):
        reception.feed(meta, symbols)
    try:
        reception._scheme_of(BurstHeader.of(meta | {"n_symbols": 1}))
    except Refusal as refusal:
        trace, depth = refusal.__traceback__, 0
        while trace:
            trace, depth = trace.tb_next, depth + 1
    assert depth <= 3


def test_the_report_of_an_image_that_cannot_be_decoded_keeps_none_of_its_symbols():
    """Where its error was raised they were at hand."""
    reception, symbols = schemes.Reception(), np.ones(1, np.complex64)
    meta, _ = analogue("digital", 96, 128, 1.0, mcs=0, rate=0, scale=0)[0]
    reports = reception.feed(meta | {"fragment": 0, "fragments": 1}, symbols)
    kept = weakref.ref(symbols)
    del symbols
    gc.collect()
    (image,) = (report for report in reports if isinstance(report, schemes.Image))
    assert "too short for MCS 0" in image.error
    assert kept() is None


def striped(number: int) -> np.ndarray:
    """A change at every pixel, which the coder soon takes for certain."""
    return np.tile(np.array([0, 1], np.uint8), (96 - number, 512))


@pytest.fixture(scope="module")
def striped_sections() -> list[bytes]:
    scenes = [Scene(96 - number, 1024, labels=striped(number)) for number in range(3)]
    return [container.sections(scene)[0].data for scene in scenes]


def test_the_bytes_of_a_scene_pay_for_its_maps(striped_sections):
    """Each alone, but not one after another, each before those that are here."""
    reader, data = container.Reader(), b""
    problems = []
    for piece in striped_sections:
        data = piece + data
        problems.append(reader.read(container.header(96, 128) + data).problems)
    worn_out = [any("more work than the" in sentence for sentence in said) for said in problems]
    assert worn_out == [False, True, True]
    # what is said of it, and what else there is, is read all the same
    text = container.sections(Scene(96, 128, caption="A dog."))[0].data
    assert reader.read(container.header(96, 128) + data + text).scene.caption == "A dog."


def test_work_that_bytes_pay_for():
    work = Work(10, 2)
    work.spend(10)
    with pytest.raises(BadInput, match="more work than the 0 bytes"):
        work.spend()
    work.received(3)
    work.received(1)
    work.spend(5)
    with pytest.raises(BadInput, match="more work than the 3 bytes"):
        work.spend()


def test_honest_maps_are_worth_their_bytes(astronaut):
    """The finest partition that is sent, at the largest size."""
    rng = np.random.default_rng(1)
    centres = rng.uniform(0, 1024, (255, 2))
    down, across = np.mgrid[:1024, :1024]
    nearest = np.full((1024, 1024), np.inf)
    labels = np.zeros((1024, 1024), np.uint8)
    for number, (y, x) in enumerate(centres):
        distance = (down - y) ** 2 + (across - x) ** 2
        closer = distance < nearest
        nearest[closer], labels[closer] = distance[closer], number
    coded = labelmap.encode(labels)
    work = Work(container.FREE_STEPS // 2, 0)
    work.received(len(coded))
    assert (labelmap.decode(coded, work) == labels).all()


def test_sections_without_end_are_left_out():
    empty = container.header(8, 8) + 5000 * container._section(99, b"").data
    found = container.decode(empty)
    assert len(found.sections) == container.MAX_SECTIONS and len(found.problems) == container.MAX_SECTIONS + 1
    assert "more than 256 sections" in " ".join(found.problems)


def test_a_long_text_on_a_narrow_picture_is_set_in_a_few_sizes(monkeypatch):
    sizes, load = [], ImageFont.load_default
    monkeypatch.setattr(ImageFont, "load_default", lambda size: sizes.append(size) or load(size))
    drawn = draw.card("a dog and a cat " * 120, 64, 32767)
    assert drawn.shape == (64, 32767, 3) and len(sizes) < 20 and (drawn < 255).any()
    # the largest that fits, as one by one
    sizes.clear()
    draw.card("A dog.", 96, 128)
    assert len(sizes) <= 5


@pytest.mark.parametrize(("scheme", "close"), [("samsc", 1), ("deepjscc", 1), ("witt", None), ("semcom", None)])
def test_a_network_sees_large_images_in_tiles(scheme, close, astronaut, monkeypatch):
    """What convolutions make of tiles is what they make of the whole; what sees further loses next to nothing."""
    picture = np.ascontiguousarray(io.load(astronaut)[:480, :512])
    made = schemes.get(scheme)
    sent = made.encode(picture, schemes.Conditions(), made.options({}))
    bursts = [(header.fields(), symbols) for header, symbols in schemes.bursts(sent, made)]
    rng = np.random.default_rng(0)
    noisy = [(m, s + (rng.standard_normal((len(s), 2)) @ (0.2, 0.2j)).astype(np.complex64)) for m, s in bursts]
    shapes, assembled = [], tiles.assembled

    def at_once(rows: int, columns: int, decode: tiles.Decode, *_) -> np.ndarray:
        return decode(slice(0, rows), slice(0, columns))

    for module in (neural, semcom):
        monkeypatch.setattr(module, "assembled", at_once)
    (whole,) = received(noisy)
    counting = tiles.tiles
    cut = tiles.Tiling(400, 16, 2 if scheme == "witt" else 4)
    monkeypatch.setattr(tiles, "tiles", lambda count, tiling: shapes.append(count) or counting(count, cut))
    for module in (neural, semcom):
        monkeypatch.setattr(module, "assembled", lambda *args: assembled(*args[:3], cut))
    (tiled,) = received(noisy)
    assert shapes[0] == 30 and set(shapes[1:]) == {32}
    difference = np.abs(whole.decoded.image.astype(int) - tiled.decoded.image)
    if close is not None:
        assert difference.max() <= close
    errors = [float(np.mean((each.decoded.image.astype(float) - picture) ** 2)) for each in (whole, tiled)]
    assert 10 * np.log10(errors[1] / errors[0]) < (0.1 if scheme == "witt" else 0.05)


@pytest.mark.parametrize("count", [1, 8, 24, 25, 31, 32, 33, 55, 56, 100, 129])
@pytest.mark.parametrize("tiling", [tiles.USUAL, tiles.Tiling(400, 16, 2)])
def test_tiles_weigh_one_together(count, tiling):
    total = np.zeros(16 * count, np.float32)
    for where, weight in tiles.tiles(count, tiling):
        total[16 * where.start : 16 * where.stop] += weight
        assert where.stop - where.start <= tiling.core + 3 * tiling.margin
    np.testing.assert_allclose(total, 1, atol=1e-6)


@pytest.mark.parametrize(("scheme", "rate", "side"), [("semcom", 1 / 48, 1024), ("softcast", 1 / 96, 3072)])
def test_an_honest_picture_at_the_lowest_rates_is_decoded_whatever_its_size(scheme, rate, side):
    """What limits a liar must not cost a photographer his picture, nor the loss of a third of its fragments."""
    known = schemes.get(scheme)
    image = np.tile(np.arange(256, dtype=np.uint8), (side, side // 256))[..., None].repeat(3, 2)
    sent = known.encode(image, schemes.Conditions(rate=rate, snr_db=10.0), known.options({}), None)
    bursts = schemes.bursts(sent, known)
    reception, reports = schemes.Reception(), []
    for number, (header, symbols) in enumerate(bursts):
        if header.mcs != ANALOGUE or number % 3:
            reports += reception.feed(header.fields(), symbols)
    (found,) = [report for report in [*reports, *reception.finish()] if isinstance(report, schemes.Image)]
    assert found.error == "" and found.decoded.image.shape == (side, side, 3)


@pytest.mark.parametrize("scheme", ["digital", "esisc"])
def test_a_photograph_of_twelve_megapixels_arrives_in_a_few_bytes(scheme):
    known = schemes.get(scheme)
    assert known.free_pixels >= 4032 * 3024
