# SPDX-License-Identifier: GPL-3.0-or-later
"""Objects of a class map, told apart by what a network detects."""

from __future__ import annotations

import numpy as np
import pytest
from gnuradio.semcom.scene.caption.composed import describe
from gnuradio.semcom.segment import VOC, SceneObject, instances, objects
from gnuradio.semcom.segment.detections import Detections, detections, distinct, overlaps
from gnuradio.semcom.segment.semantic import ObjectSegmenter, Seen, look

PERSON, DOG = VOC.index("person"), VOC.index("dog")


def seen(boxes, labels, size, cell=8):
    """Detections whose cells see the first box that they lie in."""
    rows, columns = size[0] // cell, size[1] // cell
    cells = np.zeros((rows, columns, 4), np.float32)
    for row, column in np.ndindex(rows, columns):
        y, x = (row + 0.5) * cell, (column + 0.5) * cell
        for box in reversed(boxes):
            if box[0] <= x < box[2] and box[1] <= y < box[3]:
                cells[row, column] = box
    scores = np.linspace(0.9, 0.5, len(boxes)).astype(np.float32)
    return Detections(np.array(boxes, np.float32).reshape(-1, 4), np.array(labels, np.uint8), scores, cells)


def test_objects_that_touch_are_told_apart():
    labels = np.zeros((64, 96), np.uint8)
    labels[8:56, 8:88] = PERSON
    boxes = [(8, 8, 32, 56), (32, 8, 64, 56), (64, 8, 88, 56)]
    found = instances(labels, seen(boxes, [PERSON] * 3, labels.shape))
    assert [(each.label, each.area) for each in found.objects] == [
        (PERSON, 32 * 48),
        (PERSON, 24 * 48),
        (PERSON, 24 * 48),
    ]
    assert {each.box for each in found.objects} == set(boxes)
    for number, each in enumerate(found.objects):
        assert np.count_nonzero(found.ids == number) == each.area
    assert ((found.ids < 0) == (labels == 0)).all()


def test_a_crowd_is_counted_in_the_caption():
    labels = np.zeros((64, 160), np.uint8)
    labels[8:56] = PERSON
    boxes = [(left, 8, left + 20, 56) for left in range(0, 160, 20)]
    image = np.zeros((64, 160, 3), np.uint8)
    for count, words in ((4, "Four people"), (8, "Several people")):
        labels[:, 20 * count :] = 0
        found = objects(labels, seen(boxes[:count], [PERSON] * count, labels.shape, cell=4))
        assert len(found) == count and describe(image, labels, found).startswith(words)
        labels[8:56] = PERSON


def test_parts_of_one_object_are_one():
    """A person behind a post: two pieces of the map, one box."""
    labels = np.zeros((64, 64), np.uint8)
    labels[8:56, 8:56] = PERSON
    labels[:, 24:32] = 0
    assert len(objects(labels)) == 2
    found = objects(labels, seen([(8, 8, 56, 56)], [PERSON], labels.shape))
    assert found == [SceneObject(PERSON, (8, 8, 56, 56), 48 * 40)]


def test_what_no_box_covers_is_an_object_only_where_it_fills_the_picture():
    labels = np.zeros((64, 96), np.uint8)
    labels[8:40, 8:40] = PERSON
    labels[16:48, 56:88] = PERSON  # not detected
    labels[48:64, 0:16] = DOG  # detected as something else
    boxes = seen([(8, 8, 40, 40), (0, 48, 16, 64)], [PERSON, PERSON], labels.shape)
    found = instances(labels, boxes)
    assert found.objects == (SceneObject(PERSON, (8, 8, 40, 40), 32 * 32),)
    assert (found.ids[16:48, 56:88] == -1).all()
    assert len(objects(labels)) == 3
    labels[labels == DOG] = 0
    labels[:, 44:] = DOG
    assert [each.label for each in objects(labels, boxes)] == [DOG, PERSON]
    assert objects(np.zeros((8, 8), np.uint8), seen([], [], (8, 8))) == []


def test_a_segment_belongs_to_one_object():
    """Cells say roughly where one object ends; a segment of SAM's says where exactly."""
    labels = np.full((64, 64), PERSON, np.uint8)
    segments = np.ones((64, 64), np.uint8)
    segments[:, 29:] = 2
    boxes = seen([(0, 0, 32, 64), (32, 0, 64, 64)], [PERSON, PERSON], labels.shape)
    assert {each.box for each in objects(labels, boxes)} == {(0, 0, 32, 64), (32, 0, 64, 64)}
    assert {each.box for each in objects(labels, boxes, segments)} == {(0, 0, 29, 64), (29, 0, 64, 64)}


def test_peaks_are_objects():
    """Two peaks with boxes apart, one that repeats the first, and one too faint."""
    centres, sides = np.zeros((20, 8, 8), np.float32), np.full((4, 8, 8), 0.125, np.float32)
    centres[DOG - 1, 2, 2], centres[DOG - 1, 2, 4], centres[PERSON - 1, 2, 4] = 0.9, 0.8, 0.7
    centres[DOG - 1, 6, 6] = 0.1
    sides[:, 2, 4] = 0.375, 0.125, -0.125, 0.125  # the box of the first, seen from the side
    found = detections(centres, sides, 80, 160)
    assert found.labels.tolist() == [DOG, PERSON] and found.scores.tolist() == pytest.approx([0.9, 0.7])
    np.testing.assert_allclose(found.boxes[0], [30, 15, 70, 35])
    np.testing.assert_allclose(found.cells[2, 4], [30, 15, 70, 35])
    assert found.cells.shape == (8, 8, 4)


def test_of_two_boxes_of_one_class_that_overlap_one_remains():
    boxes = np.array([[0, 0, 10, 10], [0, 0, 10, 9], [0, 0, 10, 10], [5, 0, 15, 10]], np.float32)
    kept = distinct(boxes, np.array([1, 1, 2, 1]), np.array([0.5, 0.9, 0.6, 0.7], np.float32), 0.5)
    assert kept.tolist() == [1, 3, 2]
    assert overlaps(boxes[0], boxes).tolist() == pytest.approx([1, 0.9, 1, 1 / 3])


def test_a_segmenter_need_not_tell_objects():
    class Plain:
        classes, weights = VOC, {}

        def segment(self, image):
            return np.full(image.shape[:2], DOG, np.uint8)

    class Telling(Plain):
        def look(self, image):
            return Seen(self.segment(image), seen([(0, 0, 8, 8)], [DOG], (8, 8)))

    image = np.zeros((8, 8, 3), np.uint8)
    assert not isinstance(Plain(), ObjectSegmenter) and look(Plain(), image).detections is None
    assert look(Telling(), image).detections.labels.tolist() == [DOG]
