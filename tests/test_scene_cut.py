# SPDX-License-Identifier: GPL-3.0-or-later
"""A semantic encoder whose parts are others than the project's own: neither A-seg's network nor SAM."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from gnuradio.semcom import schemes
from gnuradio.semcom.burst import ImageHeader
from gnuradio.semcom.errors import BadInput
from gnuradio.semcom.scene import (
    EncoderSettings,
    SemanticEncoder,
    decode_scene,
    encode_scene,
    parts,
    reconstruct,
)
from gnuradio.semcom.segment.classes import VOC

FIELDS = ("text", "labels", "segments")  # of what a receiver tells of a scene


class halves:
    """Finds a dog in the left half of everything."""

    classes = VOC

    def __init__(self):
        self.weights = {}

    def segment(self, image):
        labels = np.zeros(image.shape[:2], np.uint8)
        labels[:, : labels.shape[1] // 2] = VOC.index("dog")
        return labels


def encoded(cut):
    image = np.full((96, 128, 3), 90, np.uint8)
    image[:, :64] = (200, 40, 30)
    image[32:64, 80:112] = (20, 60, 220)
    settings = EncoderSettings(sub_images=0, boundary_side=128)
    return SemanticEncoder(settings, segmenter=halves(), cut=cut).encode(image)


def squares(image):
    """Three segments, and one pixel of a fourth."""
    segments = np.full(image.shape[:2], 2, np.uint8)
    segments[:, :64] = 1
    segments[32:64, 80:112] = 3
    segments[90, 120] = 4
    return segments


def test_b_seg_is_what_the_given_part_cuts_without_what_is_too_small():
    made = encoded(squares)
    wanted = squares(np.zeros((96, 128, 3), np.uint8))
    wanted[wanted == 4] = 2
    assert np.array_equal(made.segments, wanted)
    came = decode_scene(encode_scene(made)).scene
    assert np.array_equal(came.segments, wanted)
    assert [VOC[thing.label] for thing in came.objects] == ["dog"]


def test_segments_of_another_image_are_refused():
    with pytest.raises(BadInput, match="128x96"):
        encoded(lambda image: squares(image)[:50])


def tiles(image):
    """Eighty segments."""
    rows, columns = np.indices(image.shape[:2])
    return (rows // 16 * 10 + columns // 16 + 1).astype(np.uint8)


def test_a_small_budget_leaves_b_seg_fewer_segments_and_then_none():
    image = np.random.default_rng(1).integers(0, 256, (128, 160, 3), np.uint8)
    found = []
    for budget in (64, 200, 300, 2000):
        settings = EncoderSettings(budget=budget, boundary_side=160)
        made = SemanticEncoder(settings, segmenter=halves(), cut=tiles).encode(image)
        text_and_map = encode_scene(replace(made, segments=None, details=None, sub_images=()))
        assert len(encode_scene(made)) <= max(budget, len(text_and_map))
        found.append(0 if made.segments is None else int(made.segments.max()))
    assert found[0] == 0 and found == sorted(found) and 1 < found[2] < found[3] == 80


class poet:
    """Says the same of everything."""

    def caption(self, image, labels, objects):
        return f"{len(objects)} dream of a quiet evening."


@pytest.mark.parametrize("painter", ["plain", "esrim"])
def test_a_receiver_decodes_what_the_parts_of_others_made(painter):
    """Segmenter, captioner and cut are none of ours; the receiver is that of every other scene."""
    image = np.random.default_rng(2).integers(0, 256, (96, 128, 3), np.uint8)
    settings = EncoderSettings(sub_images=1, boundary_side=128, codec="jpeg")
    made = SemanticEncoder(settings, segmenter=halves(), writer=poet(), cut=squares).encode(image)
    header = ImageHeader(made.height, made.width, "esisc")
    receiver = schemes.get("esisc").decoder(header, painter)
    news = [
        receiver.feed(schemes.ReceivedPart(index, part.data, header, intact=len(part.data)))
        for index, part in enumerate(parts(made))
    ]
    told = {name: [getattr(each, name) for each in news if getattr(each, name) is not None] for name in FIELDS}
    assert told["text"] == ["1 dream of a quiet evening."]
    assert np.array_equal(told["labels"][0].values, halves().segment(image))
    assert np.array_equal(told["segments"][0], made.segments) and made.segments.max() == 3
    got = receiver.finish()
    assert not got.problems
    assert np.array_equal(got.image, reconstruct(decode_scene(encode_scene(made)).scene, painter=painter))
