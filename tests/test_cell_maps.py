# SPDX-License-Identifier: GPL-3.0-or-later
"""Cell maps: as bytes, as the planner chooses them, and as both ends of a link read them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from conftest import ROOT
from gnuradio.semcom.burst import ImageHeader
from gnuradio.semcom.errors import BadInput
from gnuradio.semcom.image import io
from gnuradio.semcom.jscc import allocation, mapcode, planning, softcast
from gnuradio.semcom.jscc.allocation import CELLS, SKIPPED, Allocation, CellMap, cell_grid, tables
from gnuradio.semcom.jscc.base import COUNTS, LIMIT, OCTAVES, Base, rounded, suited
from gnuradio.semcom.jscc.coder import grid
from gnuradio.semcom.jscc.planning import MapCost
from gnuradio.semcom.jscc.symbols import ReceivedSymbols

SIZES = ((1, 1), (15, 17), (16, 16), (64, 80), (16, 700), (4000, 3), (130, 33))
PHOTOGRAPHS = sorted((ROOT / "examples" / "images").glob("*.[pj]*g"))
CHEAP = MapCost(lambda size: 10 * size, 0.8)


def header_of(height, width, channels=128, snr_enc=10):
    return ImageHeader(height, width, "softcast", channels - 1, 0, snr_enc)


def random_cells(height, width, cell, seed, profiles=33, importances=SKIPPED + 1):
    rng = np.random.default_rng(seed)
    shape = cell_grid(height, width, cell)
    return CellMap(
        cell,
        rng.integers(0, profiles, shape).astype(np.uint8),
        rng.integers(0, importances, shape).astype(np.uint8),
    )


def code_of(cells: CellMap, height: int, width: int) -> bytes:
    """Of a map without a base."""
    return mapcode.encode(cells, Base.none(*grid(height, width)))


def same(a: CellMap, b: CellMap) -> bool:
    return a.cell == b.cell and np.array_equal(a.profile, b.profile) and np.array_equal(a.importance, b.importance)


def decoded(coder, data, symbols, noise_var, header):
    """What an image's coder makes of its one part."""
    return coder.decode_adaptive(data, [ReceivedSymbols(symbols, noise_var, header.scale)], header)


def noisy(symbols, snr_db, seed=0):
    """Symbols with noise, and its variance."""
    n0 = 10 ** (-snr_db / 10)
    noise = np.random.default_rng(seed).standard_normal(2 * len(symbols)).astype(np.float32) * np.float32(n0 / 2) ** 0.5
    return symbols + noise.view(np.complex64), np.full(len(symbols), n0, np.float32)


def psnr(a, b):
    return -10 * np.log10(max(np.mean((a.astype(float) - b) ** 2), 1e-3) / 255**2)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("cell", CELLS)
def test_any_map_comes_back(size, cell):
    for seed, (profiles, importances) in enumerate(((33, 8), (33, 1), (1, 8), (1, 1), (2, 2))):
        cells = random_cells(*size, cell, seed, profiles, importances)
        data = mapcode.sealed(code_of(cells, *size), header_of(*size))
        got, base = mapcode.decode(data, header_of(*size))
        assert same(got, cells) and base.count == 0


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("count", COUNTS)
def test_any_base_comes_back(size, count):
    """Also the least likely, and with patches of which nothing is sent: there it costs nothing."""
    for seed, (octave, most) in enumerate(zip(OCTAVES, (0, 3, 40, LIMIT), strict=True)):
        cells = random_cells(*size, 16, seed, 33, (1, SKIPPED + 1)[seed % 2])
        kept = cells.kept(*grid(*size))
        rng = np.random.default_rng(seed)
        first = rng.integers(-most, most + 1, (count, *kept.shape)).astype(np.float32) * 2.0**octave
        known = rounded(first, octave, kept)
        assert np.array_equal(known.values[:, kept], np.rint(first / 2.0**octave)[:, kept])
        data = mapcode.sealed(mapcode.encode(cells, known), header_of(*size))
        got, base = mapcode.decode(data, header_of(*size))
        assert same(got, cells) and np.array_equal(base.values, known.values)
        assert not count or (base.octave, base.level) == (octave, known.level)
        skipped = replace(cells, importance=np.full_like(cells.importance, SKIPPED))
        nothing = rounded(first, octave, skipped.kept(*kept.shape))
        spent = len(mapcode.encode(skipped, nothing)) - len(code_of(skipped, *size))
        assert 0 <= spent <= 4 and not nothing.values.any()


def test_a_base_leaves_what_its_level_says(astronaut):
    """Variance of a rounding error, and no coefficient beyond half a step."""
    coefficients = planning.Coefficients(io.load(astronaut), tables())
    kept = np.ones((coefficients.rows, coefficients.columns), bool)
    for count, octave in ((3, 0), (6, -2)):
        known = rounded(coefficients.first(count), octave, kept)
        left = coefficients.beyond(known)
        first = left.first(7)
        assert np.abs(first[:count]).max() <= 2.0**octave / 2 + 1e-5
        assert np.array_equal(first[count:], coefficients.first(7)[count:])
        assert left.tables.variance[:, :count].max() == pytest.approx(4.0**octave / 12, rel=0.02)
        assert np.array_equal(left.tables.levels[:, count:], tables().levels[:, count:])
        # of rows that hold more than a step a variance close to the level's is left
        assert first[0].var() == pytest.approx(4.0**octave / 12, rel=0.15)


def test_what_suits_depends_on_rate_and_snr():
    assert suited(128, 10) == (6, 0) and suited(32, 20) == (1, 1) and suited(256, 10) == suited(300, 11)
    for channels in (1, 20, 40, 100, 200, 256):
        for snr_db in range(-30, 60, 5):
            count, octave = suited(channels, snr_db)
            assert (count in COUNTS and octave in OCTAVES) or count == 0


@pytest.mark.parametrize("photograph", PHOTOGRAPHS[:3], ids=lambda path: path.stem)
def test_a_base_is_worth_more_than_it_costs(photograph, monkeypatch):
    """At as many channel uses, most where the SNR is low."""
    image, coder = io.load(photograph), softcast.softcast()
    quality = {}
    for based in (True, False):
        if not based:
            monkeypatch.setattr(planning.base, "suited", lambda channels, snr_db: (0, 0))
        for snr_db in (2.0, 10.0):
            data, (sent,) = coder.encode_adaptive(image, CHEAP, snr_db=snr_db)
            got, _ = decoded(coder, data, *noisy(sent.symbols, snr_db), sent.header)
            quality[based, snr_db] = psnr(image, got)
    assert quality[True, 2.0] > quality[False, 2.0] + 0.8
    assert quality[True, 10.0] > quality[False, 10.0] + 0.3


def test_the_length_is_that_of_the_probabilities():
    cells = random_cells(400, 400, 16, 5, importances=1)
    assert 8 * len(code_of(cells, 400, 400)) == pytest.approx(mapcode.bits(cells.profile, 16), abs=70)


def test_the_least_likely_map_comes_back():
    """Runs of the unlikely profile 0 are coded as zeros, of which those at the end are cut off."""
    for cell in CELLS:
        cells = random_cells(1600, 1600, cell, 0)
        counts = mapcode.exponents()[cell].sum(axis=0)
        for row in range(1, cells.profile.shape[0]):
            cells.profile[row] = counts[cells.profile[row - 1]].argmin(axis=-1)
        data = mapcode.sealed(code_of(cells, 1600, 1600), header_of(1600, 1600))
        assert same(mapcode.decode(data, header_of(1600, 1600))[0], cells)


def test_an_empty_map_is_nearly_free():
    assert len(code_of(CellMap.empty(2000, 3000), 2000, 3000)) <= 2
    one = CellMap.empty(2000, 3000, 16)
    one.importance[10:20, 10:30] = 3
    assert len(code_of(one, 2000, 3000)) < 60


@pytest.mark.parametrize("change", ({"height": 65}, {"width": 79}, {"rate": 126}, {"snr_enc": 9}))
def test_a_map_belongs_to_its_image(change):
    data = mapcode.sealed(code_of(random_cells(64, 80, 16, 1), 64, 80), header_of(64, 80))
    with pytest.raises(BadInput, match="its CRC is wrong"):
        mapcode.decode(data, replace(header_of(64, 80), **change))


def test_maps_that_lie_with_a_sound_crc_are_refused():
    header = header_of(320, 320)
    code = code_of(random_cells(320, 320, 16, 1), 320, 320)
    with pytest.raises(BadInput, match="goes on beyond"):
        mapcode.decode(mapcode.sealed(code + bytes([1] * 20), header), header)
    with pytest.raises(BadInput, match="ends before"):
        mapcode.decode(mapcode.sealed(code[: len(code) // 2], header), header)
    with pytest.raises(BadInput, match="a map of version 3"):
        mapcode.decode(mapcode.sealed(b"\xff\xff\xff", header), header)
    for data in (b"", b"\0", mapcode.sealed(code, header)[:-1]):
        with pytest.raises(BadInput, match="its CRC is wrong"):
            mapcode.decode(data, header)


@pytest.mark.parametrize("photograph", PHOTOGRAPHS, ids=lambda path: path.stem)
def test_a_map_is_worth_more_than_it_costs(photograph):
    """With noise, against the fixed allocation at as many channel uses; and the planner's forecast holds."""
    image, coder = io.load(photograph), softcast.softcast()
    for snr_db, gain in ((1.0, 0.6), (10.0, 0.9)):
        data, (sent,) = coder.encode_adaptive(image, CHEAP, snr_db=snr_db)
        fixed = coder.encode(image, snr_db=snr_db)
        assert data and len(sent.symbols) + CHEAP.uses(len(data)) <= len(fixed.symbols)
        got, cells = decoded(coder, data, *noisy(sent.symbols, snr_db), sent.header)
        before = psnr(image, coder.decode(*noisy(fixed.symbols, snr_db), fixed.header))
        assert psnr(image, got) > before + gain
        assert cells.profile.max() > 0


def test_the_forecast_holds(astronaut):
    """Expected errors of a plan and of the fixed allocation; clipping makes those of the pictures a little smaller."""
    image, coder = io.load(astronaut)[:320, :320], softcast.softcast()
    coefficients = planning.Coefficients(image, tables())
    kept = sum(float(np.square(values).sum()) for _, values in coefficients.bands())
    lost = float(np.square(image / 255 - tables().mean).sum()) - kept
    level = np.zeros((20, 20), np.uint8)
    for snr_db in (4, 13):
        data, (sent,) = coder.encode_adaptive(image, CHEAP, snr_db=snr_db)
        got, _ = decoded(coder, data, *noisy(sent.symbols, snr_db), sent.header)
        made = planning.plan(coefficients, 400 * 64, snr_db, CHEAP, level, np.inf)
        assert np.sum((got / 255 - image / 255) ** 2) == pytest.approx(made.error + lost, rel=0.1)
        fixed = coder.encode(image, snr_db=snr_db)
        got = coder.decode(*noisy(fixed.symbols, snr_db), fixed.header)
        expected = coder._fixed_error(coefficients, 128, snr_db) + lost
        assert np.sum((got / 255 - image / 255) ** 2) == pytest.approx(expected, rel=0.1)


@pytest.mark.parametrize("size", SIZES)
def test_any_size_comes_back(size, smooth_image):
    image, coder = smooth_image(*size), softcast.softcast()
    free = MapCost(lambda size: 0, 1e9)
    for cost in (free, CHEAP):
        data, (sent,) = coder.encode_adaptive(image, cost, snr_db=20.0)
        assert len(sent.symbols) + (cost.uses(len(data)) if data else 0) <= len(coder.encode(image).symbols)
        quiet = np.zeros(len(sent.symbols), np.float32)
        if data:
            back, _ = decoded(coder, data, sent.symbols, quiet, sent.header)
        else:
            back = coder.decode(sent.symbols, quiet, sent.header)
        assert back.shape == image.shape and psnr(image, back) > 20
        assert np.mean(np.abs(sent.symbols) ** 2) == pytest.approx(1, rel=2e-3)


def test_bands_do_not_show(smooth_image, monkeypatch):
    image, coder = smooth_image(150, 75), softcast.softcast()
    data, (sent,) = coder.encode_adaptive(image, CHEAP, rate=1 / 24)
    noise = np.linspace(0.01, 0.2, len(sent.symbols), dtype=np.float32)
    whole, _ = decoded(coder, data, sent.symbols, noise, sent.header)
    for name in ("BAND", "_HELD"):
        monkeypatch.setattr(planning, name, 7)
    monkeypatch.setattr(softcast, "BAND", 5)
    monkeypatch.setattr(allocation.Allocation.bands, "__defaults__", (7,))
    again, (resent,) = coder.encode_adaptive(image, CHEAP, rate=1 / 24)
    assert again == data and np.abs(resent.symbols - sent.symbols).max() < 1e-3
    banded, _ = decoded(coder, data, sent.symbols, noise, sent.header)
    assert np.abs(whole.astype(int) - banded).max() <= 1


def test_ends_that_round_otherwise_agree(astronaut, monkeypatch):
    """Powers of two that differ in their last digits, as other machines may have them."""
    image, coder = io.load(astronaut)[:256, :256], softcast.softcast()
    data, (sent,) = coder.encode_adaptive(image, CHEAP, snr_db=10.0)
    received = noisy(sent.symbols, 10.0)
    here, cells = decoded(coder, data, *received, sent.header)
    arguments = (*cells.patches(256, 256, 33), 2 * len(sent.symbols), 10)
    index = Allocation(tables(), *arguments).index
    exp2, rng = np.exp2, np.random.default_rng(0)

    def otherwise(values):
        return exp2(values) * (1 + 1e-6 * rng.standard_normal(np.shape(values)))

    monkeypatch.setattr(np, "exp2", otherwise)
    assert np.array_equal(Allocation(tables(), *arguments).index, index)
    there, _ = decoded(coder, data, *received, sent.header)
    assert np.abs(here.astype(int) - there).max() <= 1


def test_lost_symbols_thin_the_image(astronaut):
    image, coder = io.load(astronaut), softcast.softcast()
    data, (sent,) = coder.encode_adaptive(image, CHEAP, snr_db=10.0)
    symbols, noise_var = noisy(sent.symbols, 10.0)
    whole = psnr(image, decoded(coder, data, symbols, noise_var, sent.header)[0])
    lost = noise_var.copy()
    lost[np.random.default_rng(1).permutation(len(lost))[: len(lost) // 20]] = np.inf
    some = psnr(image, decoded(coder, data, symbols, lost, sent.header)[0])
    nothing = decoded(coder, data, symbols, np.full_like(lost, np.inf), sent.header)[0]
    # with nothing but the map there is still the base
    known = mapcode.decode(data, sent.header)[1]
    assert whole > some > psnr(image, nothing) > 15 and known.count
    blank = mapcode.sealed(mapcode.encode(mapcode.decode(data, sent.header)[0], Base.none(32, 32)), sent.header)
    nothing = decoded(coder, blank, symbols, np.full_like(lost, np.inf), sent.header)[0]
    assert np.ptp(nothing.reshape(-1, 3), axis=0).max() == 0


def test_importance_moves_quality_into_the_region(astronaut):
    image, coder = io.load(astronaut), softcast.softcast()
    region = np.zeros(image.shape[:2], bool)
    region[32:192, 160:320] = True
    got = []
    for outside in (1.0, 0.1, 0.0):
        importance = np.where(region, 1.0, outside)
        data, (sent,) = coder.encode_adaptive(image, CHEAP, rate=1 / 24, snr_db=10.0, importance=importance)
        back, cells = decoded(coder, data, *noisy(sent.symbols, 10.0), sent.header)
        got.append((psnr(image[region], back[region]), psnr(image[~region], back[~region])))
        assert set(np.unique(cells.importance)) == {1.0: {0}, 0.1: {0, 3}, 0.0: {0, SKIPPED}}[outside]
    assert got[1][0] > got[0][0] + 2 and got[2][0] > got[1][0]
    assert got[0][1] > got[1][1] > got[2][1]
    # of what is skipped there is nothing but the mean colour
    outside = np.ones_like(region)
    outside[32:192, 160:320] = False
    assert np.ptp(back[outside], axis=0).max() == 0


def test_no_more_is_sent_than_there_is():
    """All but one of many patches skipped: as many channels as its coefficients need."""
    image = np.random.default_rng(0).integers(0, 255, (64, 64, 3)).astype(np.uint8)
    importance = np.zeros((64, 64))
    importance[:16, :16] = 1
    _, (sent,) = softcast.softcast().encode_adaptive(image, CHEAP, rate=1 / 6, importance=importance)
    assert len(sent.symbols) == 256


def test_what_matters_cannot_be_said_in_too_few_uses():
    image = np.zeros((32, 32, 3), np.uint8)
    importance = np.eye(32)
    importance[:16] = 0
    with pytest.raises(BadInput, match="too few for a 32x32 image with a map of what matters; raise the rate"):
        softcast.softcast().encode_adaptive(image, MapCost(lambda n: 1000, 1), importance=importance)


def test_a_map_that_names_what_there_is_not_is_refused(smooth_image, monkeypatch):
    coder = softcast.softcast()
    data, (sent,) = coder.encode_adaptive(smooth_image(96, 96), MapCost(lambda n: 0, 1e9))
    few = allocation.Tables(tables().mean, tables().basis, tables().levels[:2])
    monkeypatch.setattr(coder, "_tables", few)
    with pytest.raises(BadInput, match="a map names profile"):
        decoded(coder, data, sent.symbols, np.ones(len(sent.symbols), np.float32), sent.header)
