# SPDX-License-Identifier: GPL-3.0-or-later
"""The scene container, version 1: sections in order of importance, each sound or damaged by itself.

::

    header   "SCN" | version 1 | height u16 | width u16 | CRC-16 of all this
    section  0xA7 | type u8 | length (LEB128) | CRC-16 of type, length and payload | payload

    1 text     the caption, by .captioncode
    2 A-seg    vocabulary u8 | label map, by .labelmap
    3 boxes    vocabulary u8 | height u16 | width u16 | objects, by the range coder
    4 colours  of the regions of A-seg, by the range coder
    5 B-seg    length of the map (LEB128) | label map | colours of its segments, by the range coder
    6 S-img    x0 u16 | y0 u16 | x1 u16 | y1 u16 | picture, as of semcom.codec; any number of sections

Numbers are big-endian, the CRC is that of CCITT (x^16 + x^12 + x^5 + 1, from 0), vocabulary 0 is VOC's 21 classes.
Every section can be read without the others; that of the colours has its use together with A-seg. A reader skips
sections of types that it does not know, and finds the next sound section behind a damaged one.
"""

from __future__ import annotations

import binascii
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ... import codec
from ...codec.picture import MAX_PIXELS
from ...entropy import Decoder, Encoder
from ...errors import BadInput
from ...segment.classes import VOC
from ...segment.instances import SceneObject
from ...work import Work
from ..model import MAX_STRENGTH, Scene, SubImage
from . import captioncode, colours, labelmap

MAGIC = b"SCN"
VERSION = 1
HEADER_BYTES = 10
SYNC = 0xA7
TEXT, A_SEG, BOXES, COLOURS, B_SEG, S_IMG, PAINTING = range(1, 8)
NAMES = {
    TEXT: "text", A_SEG: "A-seg", BOXES: "boxes", COLOURS: "colours", B_SEG: "B-seg", S_IMG: "S-img",
    PAINTING: "painting",
}  # fmt: skip
VOCABULARIES = (VOC,)
MAX_OBJECTS = 255
MAX_SUB_IMAGES = 64
MAX_SECTIONS = 256
"""That are read of a container; those of types that are not known count as well."""
MAX_BYTES = 2**24
MAX_SIDE = 2**15 - 1
SUB_IMAGE_BYTES = 15
"""What a sub-image takes beside its picture: frame of the section and box."""
PAINTING_STEPS = 100  # of a strength of 1
FREE_STEPS = 2**18
"""Symbols of maps that are decoded of any scene, twice as many as the finest partitions have."""
STEPS_PER_BYTE = 2
FREE_PIXELS = 2**22
"""Of sub-images that are decoded of any scene."""
PIXELS_PER_BYTE = 16
_SEARCH = 16  # times its length that a damaged container may be read in search of sound sections


@dataclass(frozen=True)
class Section:
    """One section of a container.

    Attributes
    ----------
    type : int
        ``TEXT`` to ``PAINTING``, or one that is not known here.
    data : bytes
        The section as it is sent.
    payload : bytes
        What is in it.
    """

    type: int
    data: bytes
    payload: bytes

    @property
    def name(self) -> str:
        """In words."""
        return NAMES.get(self.type, f"type {self.type}")


@dataclass(frozen=True)
class Decoded:
    """What was read of a container.

    Attributes
    ----------
    scene : Scene
        As far as it is sound.
    sections : tuple of Section
        The sound ones.
    problems : tuple of str
        A sentence for each part that is not.
    """

    scene: Scene
    sections: tuple[Section, ...]
    problems: tuple[str, ...]


def sizes(found: Iterable[Section]) -> dict[str, int]:
    """Bytes of sections by name; those of all sub-images together.

    Parameters
    ----------
    found : iterable of Section
        Of a container.

    Returns
    -------
    dict of str to int
        Name -> bytes.
    """
    out: dict[str, int] = {}
    for section in found:
        out[section.name] = out.get(section.name, 0) + len(section.data)
    return out


def header(height: int, width: int) -> bytes:
    """What a container begins with.

    Parameters
    ----------
    height, width : int
        Of the picture in pixels.

    Returns
    -------
    bytes
        ``HEADER_BYTES`` of them.

    Raises
    ------
    BadInput
        A size that the format has no room for.
    """
    if not _is_size(height, width):
        raise BadInput(
            f"a scene of {width}x{height} cannot be sent; each side must be 1 to {MAX_SIDE} pixels, and all of it "
            f"{MAX_PIXELS} at most"
        )
    head = MAGIC + bytes([VERSION]) + height.to_bytes(2, "big") + width.to_bytes(2, "big")
    return head + _crc(head)


def sections(scene: Scene) -> list[Section]:
    """The parts of ``scene`` that there are, in order of importance.

    Parameters
    ----------
    scene : Scene
        What is to be sent.

    Returns
    -------
    list of Section
        Those that are not empty.

    Raises
    ------
    BadInput
        A part that the format has no room for.
    """
    out = []
    if scene.caption:
        out.append(_section(TEXT, captioncode.encode(scene.caption)))
    if scene.labels is not None:
        out.append(_section(A_SEG, _vocabulary(scene) + labelmap.encode(scene.labels)))
    if scene.objects is not None:
        size = scene.height.to_bytes(2, "big") + scene.width.to_bytes(2, "big")
        out.append(_section(BOXES, _vocabulary(scene) + size + _boxes(scene)))
    if scene.colours is not None:
        out.append(_section(COLOURS, colours.encode(scene.colours)))
    if scene.segments is not None:
        segments = labelmap.encode(scene.segments)
        details = b"" if scene.details is None else colours.encode(scene.details)
        out.append(_section(B_SEG, _leb128(len(segments)) + segments + details))
    if len(scene.sub_images) > MAX_SUB_IMAGES:
        raise BadInput(f"a scene of {len(scene.sub_images)} sub-images is too many; at most {MAX_SUB_IMAGES} are sent")
    for sub in scene.sub_images:
        out.append(_section(S_IMG, b"".join(side.to_bytes(2, "big") for side in sub.box) + sub.data))
    if scene.painting is not None:
        out.append(_section(PAINTING, bytes([round(scene.painting * PAINTING_STEPS)])))
    return out


def encode(scene: Scene) -> bytes:
    """A scene as bytes.

    Parameters
    ----------
    scene : Scene
        What is to be sent.

    Returns
    -------
    bytes
        Header and sections.

    Raises
    ------
    BadInput
        A part that the format has no room for.
    """
    return header(scene.height, scene.width) + b"".join(section.data for section in sections(scene))


def decode(data: bytes) -> Decoded:
    """The scene that some bytes hold, as far as it is sound. Never fails; what is wrong is said in ``problems``.

    Parameters
    ----------
    data : bytes
        A container, whole or damaged.

    Returns
    -------
    Decoded
        The scene, its sections, and what is wrong.
    """
    return Reader().read(data)


class Reader:
    """Reads a container again and again while it grows, but each of its sections once.

    Its bytes pay for the work: whatever sections they hold, and in whatever order they arrive.
    """

    def __init__(self) -> None:
        self._known: dict[bytes, dict[str, Any] | str] = {}  # sections, and what was made of them
        self._work = Work(FREE_STEPS, STEPS_PER_BYTE)
        self._pixels = Work(FREE_PIXELS, PIXELS_PER_BYTE)

    def read(self, data: bytes) -> Decoded:
        """The scene that some bytes hold, see :func:`decode`.

        Parameters
        ----------
        data : bytes
            What has arrived of a container.

        Returns
        -------
        Decoded
            The scene, its sections, and what is wrong.
        """
        problems: list[str] = []
        scene = Scene()
        if len(data) > MAX_BYTES:
            problems.append(f"a scene of {len(data)} bytes is too long; only the first {MAX_BYTES} are read")
            data = data[:MAX_BYTES]
        for work in (self._work, self._pixels):
            work.received(len(data))
        size = _size(data)
        if size is None:
            problems.append("the header of the scene is missing or damaged; the picture is of the size of its maps")
            at = HEADER_BYTES if len(data) > HEADER_BYTES and _section_at(data, HEADER_BYTES)[0] else 0
        else:
            scene = replace(scene, height=size[0], width=size[1])
            at = HEADER_BYTES
        found, damaged = _split(data, at)
        problems += damaged
        tried: list[int] = []
        for section in found:
            if section.type not in _READERS:
                problems.append(f"a section of type {section.type} is not known here and was skipped")
                continue
            most = MAX_SUB_IMAGES if section.type == S_IMG else 1
            try:
                if tried.count(section.type) == most:
                    raise BadInput(f"there {'is one' if most == 1 else f'are {most}'} already")
                tried.append(section.type)
                scene = self._with(scene, section)
            except BadInput as error:
                problems.append(f"the section {section.name} cannot be used: {error}")
        if size is None:
            scene = _sized(scene)
        return Decoded(scene, tuple(found), tuple(problems))

    def _with(self, scene: Scene, section: Section) -> Scene:
        """The scene with what a section says; BadInput where that is nothing, or does not fit the others."""
        read, fitted = _READERS[section.type]
        said = self._known.get(section.data)
        if said is None:
            try:
                said = read(section.payload, self._work)
            except BadInput as error:
                said = str(error)
            self._known[section.data] = said
        if isinstance(said, str):
            raise BadInput(said)
        return fitted(scene, said, self._pixels)


def _size(data: bytes) -> tuple[int, int] | None:
    head = data[: HEADER_BYTES - 2]
    if head[:4] != MAGIC + bytes([VERSION]) or data[len(head) : HEADER_BYTES] != _crc(head):
        return None
    height, width = int.from_bytes(head[4:6], "big"), int.from_bytes(head[6:8], "big")
    return (height, width) if _is_size(height, width) else None


def _is_size(height: int, width: int) -> bool:
    return 1 <= height <= MAX_SIDE and 1 <= width <= MAX_SIDE and height * width <= MAX_PIXELS


def _sized(scene: Scene) -> Scene:
    """The size of a scene without a header: the largest that something in it speaks of."""
    shapes = [part.shape for part in (scene.labels, scene.segments) if part is not None]
    corners = [(box[3], box[2]) for box in (*(sub.box for sub in scene.sub_images),
                                            *(instance.box for instance in scene.objects or ()))]  # fmt: skip
    sizes = shapes + corners + [(scene.height, scene.width)]
    return replace(scene, height=max(h for h, _ in sizes), width=max(w for _, w in sizes))


def _split(data: bytes, at: int) -> tuple[list[Section], list[str]]:
    """The sound sections from ``at`` on, and sentences about what lies between them."""
    found, problems = [], []
    allowance = _SEARCH * len(data) + 4096
    lost_from = None
    while at < len(data):
        section, cost = _section_at(data, at)
        allowance -= cost
        if section is None:
            lost_from = at if lost_from is None else lost_from
            if allowance < 0:
                problems.append("too much of the scene is damaged; the search for more sections was given up")
                break
            at = data.find(SYNC, at + 1)
            if at < 0:
                break
            continue
        if lost_from is not None:
            problems.append(
                f"{at - lost_from} bytes from byte {lost_from} on are damaged or missing; they were left out"
            )
            lost_from = None
        if len(found) == MAX_SECTIONS:
            problems.append(f"there are more than {MAX_SECTIONS} sections; {len(data) - at} bytes were left out")
            break
        found.append(section)
        at += len(section.data)
    if lost_from is not None:
        problems.append(f"{len(data) - lost_from} bytes from byte {lost_from} to the end are cut short or damaged")
    return found, problems


def _section_at(data: bytes, at: int) -> tuple[Section | None, int]:
    """The section that begins at ``at`` if it is sound, and the number of bytes that had to be looked at."""
    if data[at] != SYNC or at + 2 > len(data):
        return None, 1
    length, body = _read_leb128(data, at + 2)
    if length is None or body + 2 + length > len(data):
        return None, 8
    end = body + 2 + length
    payload = data[body + 2 : end]
    if data[body : body + 2] != _crc(data[at + 1 : body] + payload):
        return None, length + 8
    return Section(data[at + 1], data[at:end], payload), length + 8


def _section(kind: int, payload: bytes) -> Section:
    head = bytes([kind]) + _leb128(len(payload))
    return Section(kind, bytes([SYNC]) + head + _crc(head + payload) + payload, payload)


def _crc(data: bytes) -> bytes:
    return binascii.crc_hqx(data, 0).to_bytes(2, "big")


def _leb128(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes(out) + bytes([value])


def _read_leb128(data: bytes, at: int) -> tuple[int | None, int]:
    """The number and where it ends; None if it does not, or is beyond any length."""
    value = 0
    for i, byte in enumerate(data[at : at + 4]):
        value |= (byte & 127) << 7 * i
        if byte < 128:
            return value, at + i + 1
    return None, at


def _vocabulary(scene: Scene) -> bytes:
    if scene.classes not in VOCABULARIES:
        raise BadInput("a scene names classes that the format has no number for; use VOC's")
    return bytes([VOCABULARIES.index(scene.classes)])


def _boxes(scene: Scene) -> bytes:
    instances = scene.objects or ()
    if len(instances) > MAX_OBJECTS:
        raise BadInput(f"a scene of {len(instances)} objects is too many; at most {MAX_OBJECTS} are sent")
    for instance in instances:
        x0, y0, x1, y1 = instance.box
        if not (0 <= x0 < x1 <= scene.width and 0 <= y0 < y1 <= scene.height and instance.label < len(scene.classes)):
            raise BadInput(f"the box {instance.box} of an object of class {instance.label} does not lie in the image")
    coder = Encoder()
    _code_boxes(coder, scene.height, scene.width, len(scene.classes), list(instances))
    return coder.finish()


def _code_boxes(
    coder: Encoder | Decoder, height: int, width: int, classes: int, instances: list[SceneObject] | None
) -> list[SceneObject]:
    count = coder.uniform(None if instances is None else len(instances), MAX_OBJECTS + 1)
    out = []
    for i in range(count):
        instance = None if instances is None else instances[i]
        x0, y0, x1, y1 = (None,) * 4 if instance is None else instance.box
        label = coder.uniform(instance and instance.label, classes)
        x0 = coder.uniform(x0, width)
        y0 = coder.uniform(y0, height)
        x1 = x0 + 1 + coder.uniform(None if x1 is None else x1 - x0 - 1, width - x0)
        y1 = y0 + 1 + coder.uniform(None if y1 is None else y1 - y0 - 1, height - y0)
        share = coder.uniform(None if instance is None else _share(instance, (x1 - x0) * (y1 - y0)), _SHARES)
        out.append(SceneObject(label, (x0, y0, x1, y1), round((share + 0.5) / _SHARES * (x1 - x0) * (y1 - y0))))
    return out


_SHARES = 16  # steps in which it is sent how much of its box an object fills


def _share(instance: SceneObject, area: int) -> int:
    return min(_SHARES - 1, instance.area * _SHARES // area)


def _read_text(payload: bytes, work: Work) -> dict[str, Any]:
    return {"caption": captioncode.decode(payload)}


def _read_vocabulary(payload: bytes) -> tuple[str, ...]:
    if not payload or payload[0] >= len(VOCABULARIES):
        raise BadInput("its vocabulary of classes is not known here")
    return VOCABULARIES[payload[0]]


def _read_a_seg(payload: bytes, work: Work) -> dict[str, Any]:
    classes = _read_vocabulary(payload)
    labels = labelmap.decode(payload[1:], work)
    if int(labels.max()) >= len(classes):
        raise BadInput(f"it has the class {labels.max()}, and there are {len(classes)}")
    return {"labels": labels, "classes": classes}


def _read_boxes(payload: bytes, work: Work) -> dict[str, Any]:
    classes = _read_vocabulary(payload)
    height, width = int.from_bytes(payload[1:3], "big"), int.from_bytes(payload[3:5], "big")
    if len(payload) < 5 or not _is_size(height, width):
        raise BadInput("it does not say the size of the picture")
    instances = _code_boxes(Decoder(payload[5:]), height, width, len(classes), None)
    return {"height": height, "width": width, "objects": tuple(instances), "classes": classes}


def _with_boxes(scene: Scene, said: dict[str, Any], work: Work) -> Scene:
    if scene.height and (said["height"], said["width"]) != (scene.height, scene.width):
        raise BadInput(f"it is of a picture of {said['width']}x{said['height']}")
    return replace(scene, **said)


def _read_colours(payload: bytes, work: Work) -> dict[str, Any]:
    return {"colours": colours.decode(payload)}


def _read_b_seg(payload: bytes, work: Work) -> dict[str, Any]:
    length, at = _read_leb128(payload, 0)
    if length is None or at + length > len(payload):
        raise BadInput("it is cut short")
    segments = labelmap.decode(payload[at : at + length], work)
    details = payload[at + length :]
    return {"segments": segments, "details": colours.decode(details) if details else None}


def _read_s_img(payload: bytes, work: Work) -> dict[str, Any]:
    if len(payload) < 9:
        raise BadInput("it is cut short")
    x0, y0, x1, y1 = (int.from_bytes(payload[i : i + 2], "big") for i in range(0, 8, 2))
    if not (x0 < x1 <= MAX_SIDE and y0 < y1 <= MAX_SIDE):
        raise BadInput(f"its box {x0},{y0},{x1},{y1} does not lie in the picture")
    return {"sub": SubImage((x0, y0, x1, y1), payload[8:])}


def _with_s_img(scene: Scene, said: dict[str, Any], work: Work) -> Scene:
    sub = said["sub"]
    x0, y0, x1, y1 = sub.box
    if scene.height and not (x1 <= scene.width and y1 <= scene.height):
        raise BadInput(f"its box {x0},{y0},{x1},{y1} does not lie in the picture")
    taken = sum((x1 - x0) * (y1 - y0) for x0, y0, x1, y1 in (sub.box for sub in scene.sub_images))
    if taken + (x1 - x0) * (y1 - y0) > MAX_PIXELS:
        raise BadInput("the sub-images have more pixels than any picture")
    if "wrong" not in said:
        try:
            work.spend((x1 - x0) * (y1 - y0))
            said["sub"] = sub = replace(sub, image=picture(sub))
            said["wrong"] = ""
        except BadInput as error:
            said["wrong"] = str(error)
    if said["wrong"]:
        raise BadInput(said["wrong"])
    return replace(scene, sub_images=(*scene.sub_images, sub))


def picture(sub: SubImage) -> np.ndarray:
    """The picture of a sub-image.

    Parameters
    ----------
    sub : SubImage
        Of a scene.

    Returns
    -------
    uint8 [h, w, 3]
        RGB, of the size of its box.

    Raises
    ------
    BadInput
        It cannot be decoded.
    """
    if sub.image is not None:
        return sub.image
    x0, y0, x1, y1 = sub.box
    return codec.decode(sub.data, y1 - y0, x1 - x0).image


def _read_painting(payload: bytes, work: Work) -> dict[str, Any]:
    if len(payload) != 1 or payload[0] > MAX_STRENGTH * PAINTING_STEPS:
        raise BadInput("no network paints so strongly")
    return {"painting": payload[0] / PAINTING_STEPS}


def _with_fields(scene: Scene, said: dict[str, Any], work: Work) -> Scene:
    return replace(scene, **said)


_Read = Callable[[bytes, Work], dict[str, Any]]
_Fitted = Callable[[Scene, dict[str, Any], Work], Scene]
_READERS: dict[int, tuple[_Read, _Fitted]] = {
    TEXT: (_read_text, _with_fields),
    A_SEG: (_read_a_seg, _with_fields),
    BOXES: (_read_boxes, _with_boxes),
    COLOURS: (_read_colours, _with_fields),
    B_SEG: (_read_b_seg, _with_fields),
    S_IMG: (_read_s_img, _with_s_img),
    PAINTING: (_read_painting, _with_fields),
}
"""Kind of a section to what reads it by itself, and what puts that into a scene; both raise BadInput."""
