# SPDX-License-Identifier: GPL-3.0-or-later
"""Allocation by meaning: against a full sort, and as the best powers that there are."""

import time

import numpy as np
import pytest
from gnuradio.semcom.errors import BadInput
from gnuradio.semcom.jscc.allocation import COEFFICIENTS, SKIPPED, Allocation, CellMap, cell_grid, tables

GRIDS = ((1, 1, 1), (1, 1, 256), (3, 5, 7), (7, 9, 256), (1, 40, 31), (32, 32, 128))


def random_map(rows: int, columns: int, importances: int, seed: int = 1):
    rng = np.random.default_rng(seed)
    profile = rng.integers(0, tables().profiles, (rows, columns)).astype(np.uint8)
    return profile, rng.integers(0, importances, (rows, columns)).astype(np.uint8)


@pytest.mark.parametrize("grid", GRIDS)
@pytest.mark.parametrize("importances", (1, SKIPPED, SKIPPED + 1))
def test_a_full_sort_of_the_ranks_chooses_the_same(grid, importances):
    rows, columns, channels = grid
    profile, importance = random_map(rows, columns, importances)
    size = rows * columns * channels // 2 * 2 + 2 * (rows * columns * channels % 2)
    allocation = Allocation(tables(), profile, importance, size, 7.0)
    ranks = tables().levels[profile].astype(int) - 16 * importance[..., None].astype(int)
    possible = np.broadcast_to(importance[..., None] != SKIPPED, ranks.shape).ravel()
    order = np.argsort(-ranks.ravel(), kind="stable")
    chosen = np.sort(order[possible[order]][:size])
    assert allocation.index.dtype == np.int32 and np.array_equal(allocation.index, chosen)
    assert allocation.sent == len(chosen)
    levels = tables().levels[profile].ravel()[chosen]
    assert np.allclose(allocation.variance, 2.0 ** (levels / 16))


@pytest.mark.parametrize("snr_db", (-2, 4, 10, 20))
def test_powers_average_one_and_cannot_be_improved(snr_db):
    profile, importance = random_map(8, 9, 4)
    allocation = Allocation(tables(), profile, importance, 8 * 9 * 64, snr_db)
    variance = allocation.variance.astype(float)
    power, noise = allocation.amplitude.astype(float) ** 2 * variance, 10 ** (-snr_db / 10)
    weight = 0.5 ** importance.ravel()[allocation.index // COEFFICIENTS]
    assert abs(power.sum() / allocation.size - 1) < 1e-5
    # Karush, Kuhn and Tucker: what has power gains alike from more of it, what has none would gain less
    slope = weight * variance * noise / (power + noise) ** 2
    assert np.ptp(np.log(slope[power > 0])) < 1e-3
    assert (slope[power == 0] <= slope[power > 0].min() * 1.001).all()


def test_grids_and_rows_hold_the_same():
    profile, importance = random_map(5, 6, SKIPPED + 1)
    allocation = Allocation(tables(), profile, importance, 5 * 6 * 40, 10.0)
    amplitude, variance = allocation.amplitude_grid(), allocation.variance_grid()
    assert amplitude.shape == variance.shape == (COEFFICIENTS, 5, 6)
    assert np.array_equal(allocation.gather(amplitude)[: allocation.sent], allocation.amplitude)
    assert np.array_equal(allocation.gather(variance)[: allocation.sent], allocation.variance)
    values = np.random.default_rng(0).normal(size=allocation.size).astype(np.float32)
    assert np.array_equal(allocation.gather(allocation.scatter(values))[: allocation.sent], values[: allocation.sent])
    assert (allocation.scatter(values, 9.0) == 9).sum() == amplitude.size - allocation.sent


def test_nothing_is_sent_of_skipped_cells():
    profile, importance = random_map(4, 4, 1)
    importance[:, 1:] = SKIPPED
    allocation = Allocation(tables(), profile, importance, 16 * 200, 10.0)
    assert allocation.sent == 4 * COEFFICIENTS < allocation.size
    assert not allocation.amplitude_grid()[:, :, 1:].any()
    nothing = Allocation(tables(), profile, np.full_like(importance, SKIPPED), 16 * 2, 10.0)
    assert nothing.sent == 0 and not nothing.gather(np.ones((COEFFICIENTS, 4, 4), np.float32)).any()


def test_it_takes_a_few_milliseconds():
    profile, importance = random_map(32, 32, SKIPPED)
    Allocation(tables(), profile, importance, 32 * 32 * 128, 10.0)
    begun = time.perf_counter()
    for _ in range(5):
        Allocation(tables(), profile, importance, 32 * 32 * 128, 10.0)
    assert (time.perf_counter() - begun) / 5 < 0.05


@pytest.mark.parametrize(("height", "width", "cell"), ((1, 1, 16), (17, 40, 32), (16, 700, 16), (33, 33, 32)))
def test_a_cell_covers_its_patches(height, width, cell):
    profile, importance = random_map(*cell_grid(height, width, cell), SKIPPED)
    patches = CellMap(cell, profile, importance).patches(height, width, tables().profiles)
    for found, cells in zip(patches, (profile, importance), strict=True):
        assert found.shape == (-(-height // 16), -(-width // 16))
        for row, column in np.ndindex(found.shape):
            assert found[row, column] == cells[row * 16 // cell, column * 16 // cell]


def test_maps_that_cannot_be_are_refused():
    profiles = tables().profiles
    with pytest.raises(BadInput, match="does not fit an image of 64x32 pixels"):
        CellMap.empty(64, 32, 16).patches(32, 64, profiles)
    for field, value in (("profile", profiles), ("importance", SKIPPED + 1)):
        wrong = CellMap.empty(32, 64)
        getattr(wrong, field)[0, 0] = value
        with pytest.raises(BadInput, match=f"a map names {field} {value}"):
            wrong.patches(32, 64, profiles)
