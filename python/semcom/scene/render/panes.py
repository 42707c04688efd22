# SPDX-License-Identifier: GPL-3.0-or-later
"""What a window shows of a scene: words and the objects that they name, maps, what is in it and what is not."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...errors import BadInput, Missing
from ...segment.boundaries import boundaries
from ...segment.classes import PALETTE
from ...segment.instances import pixels_of
from ..caption import grounding
from ..coding.container import A_SEG, B_SEG, BOXES, COLOURS, NAMES, S_IMG, TEXT, decode, sizes
from ..model import Scene, at_size

MAX_SIDE = 1024
"""Pixels of a map's longer side that are drawn: a window has hardly more, and memory stays bounded."""

TITLES = {
    TEXT: "caption",
    A_SEG: "class map",
    BOXES: "boxes of objects",
    COLOURS: "colours of the class map",
    B_SEG: "outlines with their colours",
    S_IMG: "sub-images",
}
"""Of the sections, in words."""

NOT_SENT = "was not sent"
NOT_ARRIVED = "has not arrived"


@dataclass(frozen=True)
class Row:
    """A section of a scene in a list of all.

    Attributes
    ----------
    title : str
        What it is, in words.
    name : str
        As the container calls it.
    size : int or None
        Bytes; None where it is not here.
    """

    title: str
    name: str
    size: int | None


@dataclass(frozen=True, eq=False)
class Panes:
    """What a window shows of a scene.

    Attributes
    ----------
    scene : Scene
        As far as it is here.
    words : tuple of Link
        The words of the caption that name objects, in its order; no two of them overlap.
    note : str
        Why words are linked less well than they could be; empty where they are not.
    labels : uint8 [h, w, 3] or None
        The class map in VOC's colours, at the size of the picture or smaller.
    owners : int16 [h, w] or None
        The object of each pixel of ``labels``, -1 for none.
    outlines : uint8 [h, w, 3] or None
        B-seg, dark on white.
    shares : tuple of (str, int, float)
        Name, label and share of each class of the map, the largest first.
    rows : tuple of Row
        The sections, in order of importance.
    total : int
        Bytes of the container.
    absent : str
        What is to be said of a section that is not here.
    problems : tuple of str
        A sentence for each part that is not sound.
    """

    scene: Scene
    words: tuple[grounding.Link, ...]
    note: str
    labels: np.ndarray | None
    owners: np.ndarray | None
    outlines: np.ndarray | None
    shares: tuple[tuple[str, int, float], ...]
    rows: tuple[Row, ...]
    total: int
    absent: str
    problems: tuple[str, ...]

    def size(self, kind: int) -> int | None:
        """Bytes of a section, ``TEXT`` to ``S_IMG``; None where it is not here."""
        return next(row.size for row in self.rows if row.name == NAMES[kind])


def panes(data: bytes, whole: bool = False) -> Panes:
    """What a window shows of a container, or of what is here of it.

    Parameters
    ----------
    data : bytes
        The container; what is damaged is left out.
    whole : bool, default False
        Whether all that was sent is here.

    Returns
    -------
    Panes
        Of a bounded size, whatever the scene says.
    """
    decoded = decode(data)
    scene, found = decoded.scene, sizes(decoded.sections)
    words, note = _words(scene)
    labels = owners = outlines = None
    shares: tuple = ()
    if scene.labels is not None:
        small = _small(scene.labels, scene)
        labels = PALETTE[np.minimum(small, len(PALETTE) - 1)]
        if scene.height:
            owners = pixels_of(small, scene.objects or (), scene.height, scene.width)
        parts = np.bincount(scene.labels.ravel()) / scene.labels.size
        shares = tuple((scene.classes[i], int(i), float(parts[i])) for i in np.argsort(-parts) if parts[i])
    if scene.segments is not None:
        small = _small(scene.segments, scene)
        outlines = np.full((*small.shape, 3), 255, np.uint8)
        outlines[boundaries(small)] = 20
    rows = tuple(Row(title, NAMES[kind], found.get(NAMES[kind])) for kind, title in TITLES.items())
    absent = NOT_SENT if whole else NOT_ARRIVED
    return Panes(scene, words, note, labels, owners, outlines, shares, rows, len(data), absent, decoded.problems)


def _small(labels: np.ndarray, scene: Scene) -> np.ndarray:
    """A map at the size of the picture, or as much of it as is drawn."""
    height, width = scene.height or labels.shape[0], scene.width or labels.shape[1]
    scale = min(1.0, MAX_SIDE / max(height, width))
    return at_size(labels, max(1, round(height * scale)), max(1, round(width * scale)))


def _words(scene: Scene) -> tuple[tuple[grounding.Link, ...], str]:
    """The words that name objects, and why they are not those that a language model finds, where they are not."""
    if not scene.caption or not scene.objects:
        return (), ""
    note = ""
    try:
        links = grounding.link(scene.caption, scene.objects, scene.classes)
    except Missing as error:
        links, note = grounding.link_nouns(scene.caption, scene.objects, scene.classes), str(error)
    except BadInput as error:  # a caption that no transmitter of this project sends
        return (), str(error)
    chosen: list[grounding.Link] = []
    for link in links:
        if link.objects and (not chosen or link.start >= chosen[-1].end):
            chosen.append(link)
    return tuple(chosen), note
