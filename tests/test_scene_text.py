# SPDX-License-Identifier: GPL-3.0-or-later
"""The sentence composed from a class map."""

from __future__ import annotations

import numpy as np
import pytest
from gnuradio.semcom.errors import BadInput
from gnuradio.semcom.scene.caption.captioners import captioner
from gnuradio.semcom.scene.caption.composed import USUAL_LENGTH, describe
from gnuradio.semcom.segment import VOC, objects

GREEN, BROWN, BLUE, GREY = (40, 160, 50), (120, 80, 40), (60, 90, 200), (128, 128, 128)


def scene(*pieces, ground=GREEN, side=120):
    """(name, box, colour)... -> image, labels, objects."""
    image = np.full((side, side, 3), ground, np.uint8)
    labels = np.zeros((side, side), np.uint8)
    for name, (x0, y0, x1, y1), colour in pieces:
        image[y0:y1, x0:x1] = colour
        labels[y0:y1, x0:x1] = VOC.index(name)
    return image, labels, objects(labels)


@pytest.mark.parametrize(
    ("pieces", "sentence"),
    [
        (
            [
                ("dog", (4, 80, 40, 116), BROWN),
                ("person", (50, 10, 60, 40), BLUE),
                ("person", (70, 10, 80, 40), BLUE),
            ],
            "A brown dog at the lower left and two people in front of a green background.",
        ),
        ([("bus", (45, 45, 60, 60), BLUE)], "A small blue bus in the middle in front of a green background."),
        ([("aeroplane", (0, 0, 119, 119), GREY)], "A large grey aeroplane."),
        ([("sheep", (5, 5 + 30 * i, 30, 25 + 30 * i), GREY) for i in range(3)],
         "Three grey sheep at the left in front of a green background."),
        ([("cow", (2 + 17 * i, 90, 14 + 17 * i, 110), BROWN) for i in range(7)],
         "Several brown cows at the bottom in front of a green background."),
    ],
)  # fmt: skip
def test_counts_sizes_places_and_colours(pieces, sentence):
    assert describe(*scene(*pieces)) == sentence


def test_a_rider_is_on_what_is_ridden():
    image, labels, _ = scene(("horse", (30, 50, 90, 100), BROWN))
    labels[20:60, 50:70] = VOC.index("person")
    assert describe(image, labels, objects(labels)).startswith("A person on a brown horse in the middle")
    labels[20:60, 50:70] = 0
    labels[20:45, 95:110] = VOC.index("person")
    assert " on " not in describe(image, labels, objects(labels))


def test_a_crowded_scene_is_kept_short():
    names = ("diningtable", "motorbike", "pottedplant", "tvmonitor", "person", "bottle")
    pieces = [(name, (5 + 55 * (i % 2), 5 + 38 * (i // 2), 50 + 55 * (i % 2), 35 + 38 * (i // 2)), BROWN)
              for i, name in enumerate(names)]  # fmt: skip
    assert 40 <= len(describe(*scene(*pieces))) <= USUAL_LENGTH


def test_fragments_are_not_counted():
    image, labels, _ = scene(("dog", (10, 10, 90, 90), BROWN))
    labels[100:104, 100:104] = VOC.index("dog")
    assert "dogs" not in describe(image, labels, objects(labels, least=0.0))


def test_a_scene_without_objects_has_colours_and_light():
    image = np.full((40, 40, 3), BLUE, np.uint8)
    image[20:] = GREY
    nothing = np.zeros((40, 40), np.uint8)
    assert describe(image, nothing, []) == "A scene in grey and blue, evenly lit."
    image[:20] = (180, 200, 255)
    assert describe(image, nothing, []) == "A scene in grey and blue, brighter at the top."
    assert captioner("composed").caption(image, nothing, []) == describe(image, nothing, [])


def test_what_does_not_fit_is_said():
    image, labels, found = scene(("dog", (10, 10, 90, 90), BROWN))
    with pytest.raises(BadInput, match="segment this image"):
        describe(image[:50], labels, found)
    with pytest.raises(BadInput, match="label 12 is no object's"):
        describe(image, labels, found, classes=VOC[:5])
