# SPDX-License-Identifier: GPL-3.0-or-later
"""Partitions, boundaries and the measures on them, against answers worked out by hand."""

import math

import numpy as np
import pytest
from gnuradio.semcom.errors import BadInput
from gnuradio.semcom.segment import boundaries, partition, snap
from gnuradio.semcom.segment.components import components
from gnuradio.semcom.segment.metrics import boundary_f, boundary_match, confusion, iou, mean_iou
from gnuradio.semcom.segment.regions import merged, touching


def square(x0, y0, x1, y1, side=40):
    mask = np.zeros((side, side), bool)
    mask[y0:y1, x0:x1] = True
    return mask


def test_small_masks_lie_over_large_ones():
    found = partition([square(10, 10, 20, 20), square(5, 5, 35, 35)], 40, 40)
    # in the order of first pixels: the rest of the image, the large mask, the small one
    expected = np.ones((40, 40), np.uint8)
    expected[5:35, 5:35] = 2
    expected[10:20, 10:20] = 3
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, expected)


def test_no_masks_make_one_segment():
    np.testing.assert_array_equal(partition([], 3, 5), np.ones((3, 5), np.uint8))


def test_segments_are_connected_and_thin_strips_go():
    # a bar across a square cuts it in two; a gap of 4 pixels between two masks is filled from both sides
    found = partition([square(0, 0, 40, 20), square(18, 0, 22, 20), square(0, 24, 40, 40)], 40, 40)
    assert found.max() == 4
    assert {found[5, 5], found[5, 20], found[5, 35], found[35, 20]} == {1, 2, 3, 4}
    assert found[21, 5] == found[5, 5] and found[22, 5] == found[35, 5]
    for number in range(1, 5):
        assert components(found == number, corners=False).labels.sum() == 1


def test_a_partition_has_no_more_segments_than_asked():
    masks = [square(x, y, x + 10, y + 10, 200) for y in range(0, 200, 10) for x in range(0, 200, 10)]
    assert partition(masks, 200, 200, least=1).max() == 255
    assert partition(masks, 200, 200, least=1, most=7).max() == 7
    with pytest.raises(BadInput, match="1 to 255 segments, not 256"):
        partition(masks, 200, 200, most=256)
    with pytest.raises(BadInput, match="does not fit"):
        partition(masks, 200, 201)


def test_small_regions_go_to_the_longest_border():
    labels = np.array([[1, 1, 1, 2, 2], [1, 1, 3, 2, 2], [1, 1, 2, 2, 2]])
    found, count = merged(labels, 2)
    # the 3 touches a 1 above and to the left, a 2 to the right and below: a tie, which the first region wins
    assert count == 2
    np.testing.assert_array_equal(found, [[0, 0, 0, 1, 1], [0, 0, 0, 1, 1], [0, 0, 1, 1, 1]])
    first, second, edges = touching(found, count)
    assert (first.tolist(), second.tolist(), edges.tolist()) == ([0], [1], [4])
    assert merged(labels, 100)[1] == 1


def test_components_by_edges_do_not_meet_at_corners():
    labels = np.array([[1, 0], [0, 1]])
    assert len(components(labels, corners=False).areas) == 4
    assert len(components(labels).areas) == 2


def test_boundaries_are_one_pixel_thick():
    labels = np.array([[1, 1, 2], [1, 1, 2], [3, 3, 3]])
    np.testing.assert_array_equal(boundaries(labels), [[0, 1, 0], [1, 1, 1], [0, 0, 0]])


def test_snap_moves_outlines_but_keeps_objects():
    segments = np.where(square(20, 0, 40, 40), np.uint8(2), np.uint8(1))
    labels = np.where(square(19, 0, 40, 40), np.uint8(7), np.uint8(0))  # one column too far
    labels[5, 25] = 3  # a speck
    snapped = snap(labels, segments, reach=0.05)
    np.testing.assert_array_equal(snapped, np.where(segments == 2, 7, 0))
    # an object of 8 pixels across that no segment knows keeps its middle
    labels = np.where(square(2, 2, 10, 10), np.uint8(4), np.uint8(0))
    snapped = snap(labels, segments, reach=0.05)
    np.testing.assert_array_equal(snapped == 4, square(4, 4, 8, 8) | (snapped == 4) & square(2, 2, 10, 10))
    assert snapped[5, 5] == 4
    # a segment that no class holds clearly stays as it is
    labels = np.where(square(0, 0, 10, 40), np.uint8(4), np.uint8(0))
    np.testing.assert_array_equal(snap(labels, segments), labels)
    with pytest.raises(BadInput, match="does not fit"):
        snap(labels[1:], segments)


def test_iou_by_hand():
    truth = np.array([[0, 0, 1, 1], [2, 2, 255, 1]])
    found = np.array([[0, 1, 1, 1], [2, 0, 3, 1]])
    counts = confusion(found, truth, 5)
    assert counts.sum() == 7
    np.testing.assert_allclose(iou(counts), [1 / 3, 3 / 4, 1 / 2, math.nan, math.nan])
    assert mean_iou(found, truth, 5) == pytest.approx((1 / 3 + 3 / 4 + 1 / 2) / 3)
    assert math.isnan(mean_iou(found, np.full_like(truth, 255), 5))
    with pytest.raises(BadInput, match="2 classes holds labels from 0 to 2"):
        mean_iou(found, truth, 2)
    with pytest.raises(BadInput, match="equal size"):
        mean_iou(found[:1], truth, 5)


def test_boundary_f_by_hand():
    truth, found = np.zeros((60, 80), bool), np.zeros((60, 80), bool)  # diagonal 100
    truth[:, 20] = True
    assert boundary_f(truth, truth) == 1 == boundary_f(found, found)
    assert boundary_f(found, truth) == 0 == boundary_f(truth, found)
    found[:, 22] = True
    assert boundary_f(found, truth, 0.02) == 1
    assert boundary_f(found, truth, 0.01) == 0
    found[:30, 60] = True  # half as long again, and nothing there
    assert boundary_match(found, truth, 0.02) == pytest.approx((2 / 3, 1))
    assert boundary_f(found, truth, 0.02) == pytest.approx(0.8)
    with pytest.raises(BadInput, match="equal size"):
        boundary_f(found[1:], truth)


def test_tolerance_is_a_disc():
    truth, found = np.zeros((60, 80), bool), np.zeros((60, 80), bool)
    truth[30, 40] = True
    found[33, 44] = True  # 5 away
    assert boundary_f(found, truth, 0.05) == 1
    assert boundary_f(found, truth, 0.04) == 0
