# SPDX-License-Identifier: GPL-3.0-or-later
"""Scenes without weights: label maps, captions, the container and what damages it."""

from __future__ import annotations

import zlib
from dataclasses import replace

import numpy as np
import pytest
from gnuradio.semcom.errors import BadInput
from gnuradio.semcom.scene import (
    NAMES,
    Scene,
    SubImage,
    decode_scene,
    describe_scene,
    encode_scene,
    reconstruct,
)
from gnuradio.semcom.scene.appearance import measure
from gnuradio.semcom.scene.coding import captioncode, container, labelmap
from gnuradio.semcom.segment import SceneObject


def blobs(height=96, width=128, classes=6, seed=3):
    """A map of overlapping discs."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    labels = np.zeros((height, width), np.uint8)
    for _ in range(9):
        cy, cx, r = rng.uniform(0, height), rng.uniform(0, width), rng.uniform(4, height / 3)
        labels[(y - cy) ** 2 + (x - cx) ** 2 < r * r] = rng.integers(classes)
    return labels


@pytest.mark.parametrize(
    "labels",
    [
        np.zeros((1, 1), np.uint8),
        np.full((5, 7), 20, np.uint8),
        np.arange(256, dtype=np.uint8).reshape(16, 16),
        np.random.default_rng(1).integers(0, 4, (40, 31), np.uint8),
        np.random.default_rng(1).integers(0, 2, (1, 300), np.uint8),
        np.random.default_rng(1).integers(0, 2, (300, 1), np.uint8),
        blobs(),
        blobs(97, 61, 20, 4),
    ],
    ids=["pixel", "flat", "all labels", "noise", "row", "column", "blobs", "odd blobs"],
)
def test_label_map_comes_back_bit_for_bit_near_its_ideal_length(labels):
    data, ideal = labelmap.encode_with_ideal(labels)
    assert np.array_equal(labelmap.decode(data), labels)
    head = 5 + len(np.unique(labels))
    assert (len(data) - head) * 8 <= ideal * 1.002 + 32


def test_label_map_beats_what_general_compressors_make_of_it():
    labels = np.kron(blobs(seed=8), np.ones((4, 4), np.uint8))[:384]
    labels[np.roll(labels, 1, 0) != labels] = 1
    assert len(labelmap.encode(labels)) < 0.6 * len(zlib.compress(labels.tobytes(), 9))


def test_label_map_refuses_what_is_none():
    for bad in (np.zeros((0, 4), np.uint8), np.zeros((4, 4)), np.zeros((1025, 1024), np.uint8)):
        with pytest.raises(BadInput):
            labelmap.encode(bad)


def test_damaged_label_map_ends_and_says_so():
    data = labelmap.encode(blobs())
    head = 5 + data[4] + 1
    for cut in range(head):
        with pytest.raises(BadInput):
            labelmap.decode(data[:cut])
    # a stream that is cut short may go on as any other: the checksum of the section is there for that
    for cut in range(head, len(data), 7):
        try:
            assert labelmap.decode(data[:cut]).shape == (96, 128)
        except BadInput:
            continue
    rng = np.random.default_rng(0)
    for _ in range(60):
        wrong = bytearray(data)
        wrong[rng.integers(5, len(wrong))] ^= 1 << int(rng.integers(8))
        try:
            assert labelmap.decode(bytes(wrong)).shape == (96, 128)
        except BadInput:
            continue


CAPTIONS = [
    "A man riding a wave on top of a surfboard.",
    "Two dogs play with a ball in the grass.",
    "a cat",
    "A  double space",
    "Zwölf Boxkämpfer jagen Viktor über den Sylter Deich",
    "A xylophonist, three zebras' stripes; and 12 cars!",
    "日本",
    "\x00\n\t",
    "x" * 500,
    "",
]


@pytest.mark.parametrize("text", CAPTIONS)
def test_caption_comes_back(text):
    assert captioncode.decode(captioncode.encode(text)) == text


def test_usual_captions_take_less_than_half_of_what_zlib_needs():
    sizes = [(len(captioncode.encode(text)), len(zlib.compress(text.encode(), 9))) for text in CAPTIONS[:2]]
    assert all(2 * own < other for own, other in sizes)


def test_invented_captions_end():
    rng = np.random.default_rng(5)
    for length in (1, 2, 5, 40, 200):
        for _ in range(20):
            try:
                text = captioncode.decode(rng.bytes(length))
            except BadInput:
                continue
            assert len(text) <= 40 * length + 40


def scene():
    labels = blobs(192, 256, 3)
    picture = np.random.default_rng(2).integers(0, 256, (24, 32, 3), np.uint8)
    from gnuradio.semcom import codec

    image = np.kron(picture, np.ones((8, 8, 1), np.uint8))
    segments = (np.kron(np.arange(12).reshape(3, 4), np.ones((64, 64))) + 1).astype(np.uint8)
    return Scene(
        192,
        256,
        "A dog on the grass.",
        labels,
        (SceneObject(12, (10, 20, 100, 180), 9000), SceneObject(15, (0, 0, 256, 192), 12288)),
        measure(image, segments),
        segments,
        measure(image, segments),
        (SubImage((8, 16, 40, 48), codec.encode(image[16:48, 8:40].copy(), "jpeg", 900).data),),
        painting=0.5,
    )


def same(a, b, but=()):
    """Whether two scenes agree in all but some fields."""
    arrays = {"labels", "segments"} - set(but)
    assert all(np.array_equal(getattr(a, name), getattr(b, name)) for name in arrays)
    for name in {"colours", "details"} - set(but):
        assert np.array_equal(getattr(a, name).values, getattr(b, name).values)
    for name in {"height", "width", "caption", "sub_images", "classes", "painting"} - set(but):
        assert getattr(a, name) == getattr(b, name)
    if "objects" not in but:
        assert [(o.label, o.box) for o in a.objects] == [(o.label, o.box) for o in b.objects]


def test_scene_comes_back():
    sent = scene()
    data = encode_scene(sent)
    came = decode_scene(data)
    assert not came.problems
    assert [section.name for section in came.sections] == list(NAMES.values())
    same(sent, came.scene)
    # how much of its box an object fills is told in sixteenths
    for there, here in zip(sent.objects, came.scene.objects, strict=True):
        x0, y0, x1, y1 = there.box
        assert abs(there.area - here.area) <= (x1 - x0) * (y1 - y0) / 16
    text = describe_scene(data, came)
    assert "A dog on the grass." in text
    assert "dog, 90x160 at 10,20" in text


FIELDS = {
    "text": ("caption",),
    "A-seg": ("labels",),
    "boxes": ("objects",),
    "colours": ("colours",),
    "B-seg": ("segments", "details"),
    "S-img": ("sub_images",),
}


@pytest.mark.parametrize("name", list(FIELDS))
def test_a_damaged_section_costs_only_itself(name):
    sent = scene()
    data = bytearray(encode_scene(sent))
    at = container.HEADER_BYTES
    for section in container.sections(sent):
        if section.name == name:
            data[at + len(section.data) - 1] ^= 4
        at += len(section.data)
    came = decode_scene(bytes(data))
    assert len(came.problems) == 1
    assert name not in [section.name for section in came.sections]
    same(sent, came.scene, FIELDS[name])
    assert reconstruct(came.scene).shape == (192, 256, 3)


def test_a_section_whose_length_is_damaged_costs_only_itself():
    sent = scene()
    first, second, *_ = container.sections(sent)
    data = bytearray(encode_scene(sent))
    data[container.HEADER_BYTES + len(first.data) + 2] ^= 0x7F
    came = decode_scene(bytes(data))
    same(sent, came.scene, FIELDS[second.name])
    assert came.problems


def test_a_damaged_header_costs_nothing_that_the_sections_know():
    data = bytearray(encode_scene(scene()))
    data[5] ^= 1
    came = decode_scene(bytes(data))
    assert (came.scene.height, came.scene.width) == (192, 256)
    assert len(came.problems) == 1
    assert "header" in came.problems[0]


def test_a_scene_cut_short_is_read_as_far_as_it_goes():
    data = encode_scene(scene())
    whole = [len(decode_scene(data[:cut]).sections) for cut in (*range(0, len(data), 61), len(data))]
    assert whole == sorted(whole)
    assert whole[-1] == len(NAMES)
    for cut in (container.HEADER_BYTES + 3, len(data) - 1):
        assert "cut short" in decode_scene(data[:cut]).problems[-1]


def with_section(kind, payload, sent=None):
    """A container whose header is sound, with one section made by hand, its checksum right."""
    made = container._section(kind, payload)
    return container.header(192, 256) + made.data


LIES = {
    "painting beyond all measure": (container.PAINTING, b"\xc9"),
    "painting of no number": (container.PAINTING, b""),
    "map of a huge size": (container.A_SEG, b"\0" + b"\x7f\xff\x7f\xff" + b"\0\0" + b"abc"),
    "map of no size": (container.A_SEG, b"\0" + b"\0\0\0\0" + b"\0\0"),
    "map of an unknown class": (container.A_SEG, b"\0" + labelmap.encode(np.full((4, 4), 99, np.uint8))),
    "unknown vocabulary": (container.A_SEG, b"\x07" + labelmap.encode(np.zeros((4, 4), np.uint8))),
    "boxes of another picture": (container.BOXES, b"\0" + b"\x10\0\x10\0" + b"\x55" * 20),
    "255 boxes in a byte": (container.BOXES, b"\0" + b"\0\xc0\x01\0" + b"\xff"),
    "255 colours in a byte": (container.COLOURS, b"\xff"),
    "B-seg longer than its section": (container.B_SEG, b"\xff\xff\x7f" + b"abc"),
    "sub-image outside": (container.S_IMG, b"\x10\0\x10\0\x20\0\x20\0" + b"\0" * 40),
    "sub-image without a picture": (container.S_IMG, b"\0\0\0\0\0\x10\0\x10" + b"\x08" * 40),
    "empty sub-image": (container.S_IMG, b""),
    "a caption of noise": (container.TEXT, b"\xff" * 30),
}


@pytest.mark.parametrize("name", list(LIES))
def test_sections_that_lie_are_refused_with_a_sentence(name):
    came = decode_scene(with_section(*LIES[name]))
    assert len(came.problems) == 1
    assert came.problems[0].startswith("the section ")
    assert not came.problems[0].endswith(".")
    assert replace(came.scene, height=0, width=0) == Scene()


def test_sections_of_a_later_version_are_skipped():
    data = with_section(77, b"whatever") + container.sections(scene())[0].data
    came = decode_scene(data)
    assert came.scene.caption == "A dog on the grass."
    assert "type 77" in came.problems[0]


def test_a_second_section_of_a_kind_is_left_out():
    text = container.sections(scene())[0].data
    came = decode_scene(container.header(8, 8) + text + text)
    assert "already" in came.problems[0]


def counted(monkeypatch, kind):
    """The payloads of a kind of section that are read from now on."""
    payloads, (read, fitted) = [], container._READERS[kind]

    def counting(payload, work):
        payloads.append(payload)
        return read(payload, work)

    monkeypatch.setitem(container._READERS, kind, (counting, fitted))
    return payloads


def test_a_section_is_read_once_while_the_scene_grows(monkeypatch):
    payloads, reader = counted(monkeypatch, container.A_SEG), container.Reader()
    data = container.header(192, 256)
    for section in container.sections(scene()):
        data += section.data
        came = reader.read(data)
    assert len(payloads) == 1 and came.scene.labels is not None and not came.problems
    assert container.encode(came.scene) == container.encode(scene()) == data


def test_what_cannot_be_used_is_tried_once(monkeypatch):
    maps, pictures = counted(monkeypatch, container.A_SEG), counted(monkeypatch, container.S_IMG)
    good = next(section.data for section in container.sections(scene()) if section.type == container.A_SEG)
    bad = [with_section(*LIES[name])[container.HEADER_BYTES :] for name in ("map of no size", "empty sub-image")]
    came = decode_scene(container.header(192, 256) + 50 * bad[0] + good + 200 * bad[1])
    assert came.scene.labels is None and len(maps) == len(pictures) == 1
    assert len(came.problems) == 251 and "there are 64 already" in came.problems[-1]


def test_rubbish_is_searched_in_bounded_time():
    trap = bytes([container.SYNC, 2]) + b"\xff\xff\x03" + b"\0\0"
    came = decode_scene(trap * 40000)
    assert not came.sections
    assert came.problems


def test_a_scene_of_impossible_parts_is_not_sent():
    sent = scene()
    with pytest.raises(BadInput):
        encode_scene(replace(sent, height=0))
    with pytest.raises(BadInput):
        encode_scene(replace(sent, objects=(SceneObject(3, (0, 0, 300, 10), 5),)))
    with pytest.raises(BadInput):
        encode_scene(replace(sent, classes=("a", "b")))
