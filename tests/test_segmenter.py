# SPDX-License-Identifier: GPL-3.0-or-later
"""The class segmenter, and the objects in a class map."""

from __future__ import annotations

from collections import deque

import numpy as np
import pytest
from conftest import ROOT
from gnuradio.semcom.errors import BadInput
from gnuradio.semcom.image.io import load
from gnuradio.semcom.segment import COCO_TO_VOC, PALETTE, VOC, ClassSegmenter, class_mask, objects
from gnuradio.semcom.segment.components import components, without_islands
from gnuradio.semcom.zoo import weights

PHOTOGRAPHS = ROOT / "examples" / "images"


@pytest.fixture(scope="module")
def segmenter():
    pytest.importorskip("onnxruntime")
    return ClassSegmenter()


@pytest.mark.parametrize(
    ("file", "name", "least"), [("skimage_astronaut.png", "person", 0.3), ("skimage_chelsea.png", "cat", 0.4)]
)
def test_it_finds_what_is_there(segmenter, file, name, least):
    image = load(PHOTOGRAPHS / file)
    labels = segmenter.segment(image)
    assert labels.dtype == np.uint8 and labels.shape == image.shape[:2]
    assert class_mask(labels, [name]).mean() > least
    largest = objects(labels)[0]
    assert VOC[largest.label] == name and largest.area > least * labels.size


def test_a_flower_has_no_person(segmenter):
    labels = segmenter.segment(load(PHOTOGRAPHS / "sklearn_flower.jpg"))
    assert not class_mask(labels, ["person", "dog", "car"]).any()


def test_a_mirrored_picture_has_the_mirrored_map(segmenter):
    image = load(PHOTOGRAPHS / "skimage_chelsea.png")
    mirrored = segmenter.segment(np.ascontiguousarray(image[:, ::-1]))
    assert (mirrored[:, ::-1] == segmenter.segment(image)).mean() > 0.995


@pytest.mark.parametrize("shape", [(1, 1), (3, 700), (90, 40)])
def test_any_size_is_segmented(segmenter, shape):
    labels = segmenter.segment(np.full((*shape, 3), 120, np.uint8))
    assert labels.shape == shape and labels.max() < len(VOC)


@pytest.mark.parametrize(
    "image",
    [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3), np.float32), np.zeros((0, 4, 3), np.uint8)],
)
def test_what_is_no_image_is_said(segmenter, image):
    with pytest.raises(BadInput, match="RGB image uint8"):
        segmenter.segment(image)


def test_the_weights_are_compact_and_named(segmenter):
    for name in ("aseg", "aseg_objects"):
        assert weights.find(name).stat().st_size < 8_000_000
        assert segmenter.weights[f"{name}.onnx"] == weights.sha256(name)
    assert len(segmenter.weights) == 2 and segmenter.classes == VOC


def test_people_and_their_boxes_are_seen(segmenter):
    seen = segmenter.look(load(PHOTOGRAPHS / "skimage_astronaut.png"))
    (person,) = [each for each in objects(seen.labels, seen.detections) if each.label == VOC.index("person")]
    x0, y0, x1, y1 = person.box
    assert x0 < 100 and x1 > 300 and y0 < 80 and y1 > 480


def test_objects_of_a_map_made_by_hand():
    dog, cow = VOC.index("dog"), VOC.index("cow")
    labels = np.zeros((10, 12), np.uint8)
    labels[1:4, 1:3] = dog
    labels[4, 3] = dog  # touches at a corner
    labels[6:9, 5:11] = cow
    labels[0, 11] = dog
    labels[9, :] = 255
    found = objects(labels, least=0.0)
    assert [(o.label, o.box, o.area) for o in found] == [
        (cow, (5, 6, 11, 9), 18),
        (dog, (1, 1, 4, 5), 7),
        (dog, (11, 0, 12, 1), 1),
    ]
    assert objects(labels, least=0.05) == found[:2]
    assert class_mask(labels, ["dog"]).sum() == 8
    with pytest.raises(BadInput, match=r"no class 'puppy'; choose from background, aeroplane"):
        class_mask(labels, ["puppy"])
    with pytest.raises(BadInput, match="class map"):
        objects(labels.astype(np.int32))


def flooded(labels):
    """The oracle: pieces by flood filling, as sets of pixels."""
    left, pieces = set(np.ndindex(labels.shape)), set()
    while left:
        queue = deque([left.pop()])
        piece = set(queue)
        while queue:
            row, column = queue.popleft()
            for there in ((row + i, column + j) for i in (-1, 0, 1) for j in (-1, 0, 1)):
                if there in left and labels[there] == labels[row, column]:
                    left.remove(there)
                    piece.add(there)
                    queue.append(there)
        pieces.add(frozenset(piece))
    return pieces


def test_components_are_those_of_flood_filling():
    rng = np.random.default_rng(3)
    for _ in range(30):
        labels = rng.integers(0, 3, rng.integers(1, 14, 2)).astype(np.uint8)
        found = components(labels)
        pieces = {frozenset(map(tuple, np.argwhere(found.ids == i))) for i in range(len(found.areas))}
        assert pieces == flooded(labels)
        for i, (x0, y0, x1, y1) in enumerate(found.boxes):
            rows, columns = np.nonzero(found.ids == i)
            assert (x0, y0, x1, y1) == (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
            assert found.areas[i] == len(rows) and set(labels[rows, columns]) == {found.labels[i]}


def test_islands_take_what_surrounds_them_most():
    labels = np.zeros((9, 9), np.uint8)
    labels[:, 5:] = 7
    labels[2:4, 4:6] = 3  # two pixels wide on the border, half of it in each
    labels[3, 6] = 3  # and one more in the 7
    labels[7, 1] = 4
    expected = labels.copy()
    expected[7, 1] = 0
    assert np.array_equal(without_islands(labels, 3), expected)
    expected[labels == 3] = 7
    assert np.array_equal(without_islands(labels, 10), expected)
    assert np.array_equal(without_islands(labels, 1000), labels)


def test_colours_and_coco_classes_are_vocs():
    assert [PALETTE[VOC.index(n)].tolist() for n in ("background", "person", "tvmonitor", "dog")] == [
        [0, 0, 0],
        [192, 128, 128],
        [0, 64, 128],
        [64, 0, 128],
    ]
    assert set(COCO_TO_VOC.values()) == set(VOC[1:])
