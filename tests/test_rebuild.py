# SPDX-License-Identifier: GPL-3.0-or-later
"""The weightless reconstruction: exact where it can be, whole when parts are missing."""

import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
from gnuradio.semcom import codec
from gnuradio.semcom.errors import BadInput
from gnuradio.semcom.image import io, metrics
from gnuradio.semcom.scene.appearance import measure
from gnuradio.semcom.scene.model import COLUMNS, Colours, Scene, SubImage
from gnuradio.semcom.scene.render import draw, reconstruction
from gnuradio.semcom.scene.render.paint import Inset, rebuild
from gnuradio.semcom.scene.render.reconstruction import reconstruct


@pytest.fixture
def halves():
    partition = np.ones((60, 80), np.uint8)
    partition[:, 40:] = 2
    return partition


def test_flat_segments_come_back_exactly(halves):
    image = np.where(halves[..., None] == 1, np.uint8(40), np.uint8(200)).repeat(3, axis=2)
    colours = measure(image, halves)
    assert colours.values.shape == (2, COLUMNS) and colours.values.dtype == np.uint8
    # luma 40 / 8 and 200 / 8, colour differences 0, no texture, no slope
    assert colours.values[:, :4].tolist() == [[5, 16, 16, 0], [25, 16, 16, 0]]
    assert not colours.values[:, 4:].any()
    drawn = rebuild(halves, colours, [], 60, 80)
    away = np.abs(np.arange(80) - 39.5) > 3
    np.testing.assert_array_equal(drawn[:, away], image[:, away])
    # the outline is spread, not moved
    assert drawn[0, 38, 0] <= drawn[0, 39, 0] < 120 < drawn[0, 40, 0] <= drawn[0, 41, 0]


def test_slopes_and_colours_are_followed(halves):
    y, x = np.mgrid[:60, :80]
    image = np.stack([40 + 2 * x, 60 + 2 * y, 120 + x - y], axis=2).astype(np.uint8)
    fine, coarse = (
        metrics.psnr(image, rebuild(halves, measure(image, halves, step), [], 60, 80, texture=0)) for step in (4, 200)
    )
    assert fine > 32 and coarse < fine - 6


def test_a_photograph_in_blocks(astronaut):
    image = io.load(astronaut)
    blocks = (np.arange(64, dtype=np.uint8) + 1).reshape(8, 8).repeat(64, axis=0).repeat(64, axis=1)
    colours = measure(image, blocks)
    means = Colours(colours.values * (np.arange(COLUMNS) < 3).astype(np.uint8), colours.step)
    plain, full, grainy = (
        rebuild(blocks, c, [], 512, 512, texture=t) for c, t in ((means, 0), (colours, 0), (colours, 0.2))
    )
    assert metrics.psnr(image, full) > metrics.psnr(image, plain) + 2.5
    assert metrics.psnr(image, full) - 0.3 < metrics.psnr(image, grainy) < metrics.psnr(image, full)


def test_texture_is_the_seeds_alone(astronaut, halves):
    image = io.load(astronaut)[200:260, 200:280]
    colours = measure(image, halves)
    assert colours.values[:, 3].any()
    first, again, other = (rebuild(halves, colours, [], 60, 80, seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()
    smooth = [rebuild(halves, colours, [], 60, 80, seed, texture=0) for seed in (1, 2)]
    np.testing.assert_array_equal(*smooth)


def test_segments_of_any_shape():
    """A pixel, a line, a comb, and numbers that are not there."""
    rng = np.random.default_rng(5)
    image = rng.integers(0, 256, (30, 40, 3), dtype=np.uint8)
    partition = np.full((30, 40), 7, np.uint8)
    partition[0, 0] = 1
    partition[5] = 2
    partition[10:20, ::2] = 4
    colours = measure(image, partition)
    assert len(colours.values) == 7 and not colours.values[[2, 4, 5]].any()
    drawn = rebuild(partition, colours, [], 30, 40)
    assert drawn.shape == (30, 40, 3)
    # all that is measured is as documented
    assert (colours.values.max(axis=0) <= np.array([32, 32, 32, 15] + [62] * (COLUMNS - 4))).all()
    # pixels in no segment look like those beside them
    holed = np.where(np.arange(40) < 20, partition, 0).astype(np.uint8)
    flat = Colours(np.tile(np.array([10, 16, 16] + [0] * (COLUMNS - 3), np.uint8), (7, 1)))
    assert (rebuild(holed, flat, [], 30, 40) == 80).all()


def test_missing_parts_still_give_a_picture(halves):
    assert (rebuild(None, None, [], 6, 8) == 128).all()
    assert (rebuild(np.zeros((6, 8), np.uint8), None, [], 6, 8) == 128).all()
    values = np.zeros((2, COLUMNS), np.uint8)
    values[:, :3] = [[5, 16, 16], [25, 16, 16]]
    assert (rebuild(None, Colours(values), [], 6, 8) == 120).all()
    shapes = rebuild(halves, None, [], 60, 80)
    assert len(np.unique(shapes[:, :30])) == len(np.unique(shapes[:, 50:])) == 1
    assert abs(int(shapes[0, 0, 0]) - int(shapes[0, 79, 0])) > 20
    only = rebuild(None, None, [Inset((2, 1, 8, 6), np.full((5, 6, 3), 9, np.uint8))], 6, 8)
    assert only[5, 7, 0] == 9 and only[0, 0, 0] == 128


def test_sub_images_are_feathered_within_their_box():
    piece = Inset((16, 8, 80, 40), np.full((8, 16, 3), 255, np.uint8))
    drawn = rebuild(None, None, [piece], 64, 96)[..., 0].astype(int)
    inside = np.zeros((64, 96), bool)
    inside[8:40, 16:80] = True
    assert (drawn[~inside] == 128).all()
    assert (drawn[10:38, 20:76] == 255).all()
    # from the left edge inwards in even steps: a sixteenth of 64 pixels are 4
    assert drawn[24, 15:21].tolist() == [128, 153, 179, 204, 230, 255]
    assert (np.diff(drawn[24, 15:48]) >= 0).all()
    # an edge that is the picture's own is not blended
    whole = rebuild(None, None, [Inset((0, 0, 96, 64), piece.image)], 64, 96)
    assert (whole == 255).all()


def test_a_mask_cuts_a_sub_image_out():
    mask = np.zeros((64, 96), bool)
    mask[:, :48] = True
    piece = Inset((0, 0, 96, 64), np.full((64, 96, 3), 255, np.uint8), mask)
    drawn = rebuild(None, None, [piece], 64, 96)[..., 0]
    assert (drawn[:, :46] == 255).all() and (drawn[:, 50:] == 128).all()
    assert (np.diff(drawn[30].astype(int)) <= 0).all()
    # later ones lie over earlier ones
    over = rebuild(None, None, [piece, Inset((0, 0, 96, 64), np.zeros((4, 4, 3), np.uint8))], 64, 96)
    assert not over.any()


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda p: measure(np.zeros((60, 81, 3), np.uint8), p), "does not fit an image"),
        (lambda p: measure(np.zeros((60, 80, 3), np.uint8), p, 0), "1 to 255, not 0"),
        (lambda p: rebuild(p, None, [], 60, 81), "does not fit a picture"),
        (lambda p: rebuild(p, Colours(np.zeros((1, COLUMNS), np.uint8)), [], 60, 80), "2 segments but colours of 1"),
        (lambda p: rebuild(p, Colours(np.zeros((2, 3), np.uint8)), [], 60, 80), r"colours are uint8 \[N, 58\]"),
        (lambda p: rebuild(p, Colours(np.zeros((2, COLUMNS), np.uint8), 256), [], 60, 80), "1 to 255, not 256"),
        (lambda p: rebuild(p, None, [Inset((0, 0, 81, 5), np.zeros((2, 2, 3), np.uint8))], 60, 80), "reaches out"),
        (lambda p: rebuild(p, None, [Inset((5, 5, 5, 9), np.zeros((2, 2, 3), np.uint8))], 60, 80), "reaches out"),
        (lambda p: rebuild(p, None, [Inset((0, 0, 5, 5), np.zeros((2, 2), np.uint8))], 60, 80), r"\[h, w, 3\]"),
        (
            lambda p: rebuild(p, None, [Inset((0, 0, 5, 5), np.zeros((2, 2, 3), np.uint8), p[1:] > 0)], 60, 80),
            "mask",
        ),
    ],
)
def test_parts_that_do_not_fit(halves, call, sentence):
    with pytest.raises(BadInput, match=sentence):
        call(halves)


def test_any_numbers_give_a_picture(halves):
    """What a damaged scene may hold: values beyond what is ever measured."""
    rng = np.random.default_rng(6)
    for step in (1, 255):
        colours = Colours(rng.integers(0, 256, (2, COLUMNS), dtype=np.uint8), step)
        assert rebuild(halves, colours, [], 60, 80).shape == (60, 80, 3)


def test_a_size_that_is_only_said_costs_little():
    """5,000 x 6,000 pixels of which there are 60 bytes: as the same scene of 1,000 x 1,200, enlarged."""
    labels = np.zeros((40, 48), np.uint8)
    labels[10:30, 12:36] = 12
    small = Scene(1000, 1200, "A dog.", labels)
    large = replace(small, height=5000, width=6000)
    tracemalloc.start()
    try:
        picture = reconstruct(large)
        card, drawn = draw.card("A dog.", 5000, 6000), draw.class_map(labels, (), large.classes, 5000, 6000)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert picture.shape == (5000, 6000, 3) and peak < 400e6
    assert np.abs(picture[2::5, 2::5].astype(int) - reconstruct(small)).mean() < 2
    assert card.size <= 3 * draw.MAX_DRAWN and drawn.size <= 3.5 * draw.MAX_DRAWN  # and a legend


def test_sub_images_of_many_bytes_keep_their_pixels(monkeypatch):
    monkeypatch.setattr(reconstruction, "LEAST_PAINTED", 64 * 64)
    rng = np.random.default_rng(0)
    image = np.kron(rng.integers(0, 255, (48, 64, 3), np.uint8), np.ones((4, 4, 1), np.uint8))
    height, width = image.shape[:2]
    found = {}
    for budget in (300, 6000):
        data = codec.encode(image, "avif", budget).data
        found[budget] = reconstruct(Scene(height, width, sub_images=(SubImage((0, 0, width, height), data),)))
        whole = codec.decode(data, height, width).image
        assert found[budget].shape == image.shape
        assert np.array_equal(found[budget], whole) == (64 * len(data) >= height * width)
