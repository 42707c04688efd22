# SPDX-License-Identifier: GPL-3.0-or-later
"""The objects of a class map, told apart by what a network detects, and the pixels of its classes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from ..errors import BadInput
from .classes import VOC, VOID
from .components import Components, components
from .detections import Detections, overlaps

_MIN_OWN = 0.1  # of a detected box, by pixels of its class, for it to be an object
_INSIDE = 0.3  # added to the IoU of two boxes for a cell that lies in the detected one
_MIN_LIKENESS = 0.4
_CLEAR = 0.7  # of a segment's pixels of a class: what an object must have to take all of them
_ALONE = 0.4  # of an image: a piece that is an object though nothing was detected in it
_SPECK = 0.05  # of an object's largest part: smaller ones do not count for its box


@dataclass(frozen=True)
class SceneObject:
    """One object of one class.

    Attributes
    ----------
    label : int
        Index into the segmenter's classes, never 0.
    box : tuple of 4 int
        x0, y0, x1, y1 in pixels, x1 and y1 exclusive.
    area : int
        Pixels.
    """

    label: int
    box: tuple[int, int, int, int]
    area: int


@dataclass(frozen=True, eq=False)
class Instances:
    """The objects of a class map and their pixels.

    Attributes
    ----------
    ids : int64 [H, W]
        Index of each pixel's object, -1 where there is none.
    objects : tuple of SceneObject
        The largest first.
    """

    ids: np.ndarray
    objects: tuple[SceneObject, ...]


def objects(
    labels: np.ndarray, seen: Detections | None = None, segments: np.ndarray | None = None, least: float = 0.002
) -> list[SceneObject]:
    """The objects of a class map, the largest first; see :func:`instances`.

    Parameters
    ----------
    labels : uint8 [H, W]
        Class map.
    seen : Detections, optional
        As of :func:`instances`.
    segments : uint8 [H, W], optional
        As of :func:`instances`.
    least : float, default 0.002
        Share of the image below which an object is left out, 0 to 1.

    Returns
    -------
    list of SceneObject
        Their boxes in pixels of the map.
    """
    return list(instances(labels, seen, segments, least).objects)


def instances(
    labels: np.ndarray, seen: Detections | None = None, segments: np.ndarray | None = None, least: float = 0.002
) -> Instances:
    """Each class of a map apart into objects; background and void are none.

    A pixel belongs to the detected object of its class whose box is most like the box that is seen at the pixel, and a
    segment of B-seg as a whole to the object that has most of it. A connected piece in which nothing was detected is an
    object only if it is most of the picture; without ``seen`` each is one.

    Parameters
    ----------
    labels : uint8 [H, W]
        Class map.
    seen : Detections, optional
        What a network detects in the image.
    segments : uint8 [H, W], optional
        A partition of the image, see :func:`~.boundaries.partition`.
    least : float, default 0.002
        Share of the image below which an object is left out, 0 to 1.

    Returns
    -------
    Instances
        In pixels of the map.

    Raises
    ------
    BadInput
        No class map.
    """
    _check_map(labels)
    owners = _owners(labels, seen) if seen is not None and len(seen.boxes) else np.full(labels.shape, -1)
    if segments is not None:
        owners = _joined(owners, labels, segments)
    owners = _completed(owners, labels, 0.0 if seen is None else _ALONE)
    parts = components(owners)
    found = [_whole(parts, owner) for owner in np.unique(parts.labels[parts.labels >= 0]).tolist()]
    found = sorted((each for each in found if each.area >= least * labels.size), key=lambda each: -each.area)
    ids = np.full(int(owners.max()) + 2, -1)  # the last is that of no owner
    ids[[each.owner for each in found]] = np.arange(len(found))
    ids = ids[owners]
    return Instances(ids, tuple(SceneObject(int(labels[each.at]), each.box, each.area) for each in found))


def class_mask(labels: np.ndarray, names: Iterable[str], classes: Sequence[str] = VOC) -> np.ndarray:
    """The pixels of some classes.

    Parameters
    ----------
    labels : uint8 [H, W]
        The class map.
    names : iterable of str
        Of the classes.
    classes : sequence of str, default ``VOC``
        Names of the labels.

    Returns
    -------
    bool [H, W]
        True where the map has one of them.

    Raises
    ------
    BadInput
        A name that is not among ``classes``.
    """
    _check_map(labels)
    wanted = []
    for name in names:
        if name not in classes:
            raise BadInput(f"there is no class {name!r}; choose from {', '.join(classes)}")
        wanted.append(list(classes).index(name))
    return np.isin(labels, wanted)


def pixels_of(labels: np.ndarray, found: Sequence[SceneObject], height: int, width: int) -> np.ndarray:
    """Which object each pixel of a class map belongs to, where only class map and boxes are known, as at a receiver.

    A pixel belongs to an object of its class in whose box it lies; where there are several, to the one in whose box it
    lies nearest to the centre, in parts of the box's sides.

    Parameters
    ----------
    labels : uint8 [h, w]
        Class map, at the size of the image or a fraction of it.
    found : sequence of SceneObject
        Their boxes are in pixels of the image.
    height, width : int
        Of the image in pixels.

    Returns
    -------
    int16 [h, w]
        Index into ``found``, -1 where there is none.

    Raises
    ------
    BadInput
        No class map.
    """
    _check_map(labels)
    owners = np.full(labels.shape, -1, np.int16)
    nearest = np.full(labels.shape, np.inf, np.float32)
    y = (np.arange(labels.shape[0], dtype=np.float32) + 0.5) * height / labels.shape[0]
    x = (np.arange(labels.shape[1], dtype=np.float32) + 0.5) * width / labels.shape[1]
    for index, each in enumerate(found):
        x0, y0, x1, y1 = each.box
        rows, columns = slice(*np.searchsorted(y, (y0, y1))), slice(*np.searchsorted(x, (x0, x1)))
        down = np.abs(2 * y[rows] - y0 - y1) / (y1 - y0)
        across = np.abs(2 * x[columns] - x0 - x1) / (x1 - x0)
        away = np.maximum(down[:, None], across[None])
        ours = (labels[rows, columns] == each.label) & (away < nearest[rows, columns])
        owners[rows, columns][ours] = index
        nearest[rows, columns][ours] = away[ours]
    return owners


def _check_map(labels: np.ndarray) -> None:
    if labels.dtype != np.uint8 or labels.ndim != 2 or labels.size == 0:
        raise BadInput(f"a class map is uint8 [H, W], not {labels.dtype} {list(labels.shape)}")


@dataclass(frozen=True)
class _Whole:
    """All pixels of one owner: number, area, box, and where one of them is."""

    owner: int
    area: int
    box: tuple[int, int, int, int]
    at: tuple[int, int]


def _whole(parts: Components, owner: int) -> _Whole:
    """An object of the connected parts that have one owner; specks do not make its box larger."""
    ours = np.flatnonzero(parts.labels == owner)
    areas = parts.areas[ours]
    boxes = parts.boxes[ours[areas >= _SPECK * areas.max()]]
    box = (*boxes[:, :2].min(axis=0).tolist(), *boxes[:, 2:].max(axis=0).tolist())
    x0, y0, x1, _ = parts.boxes[ours[0]].tolist()
    column = x0 + int(np.argmax(parts.ids[y0, x0:x1] == ours[0]))
    return _Whole(owner, int(areas.sum()), box, (y0, column))


def _owners(labels: np.ndarray, seen: Detections) -> np.ndarray:
    """int64 [H, W]: the number of the detection that each pixel belongs to, -1 for none."""
    rows, columns = seen.cells.shape[:2]
    down, across = (
        (np.arange(side) * cells) // side for side, cells in zip(labels.shape, (rows, columns), strict=True)
    )
    y, x = (np.arange(rows) + 0.5) * labels.shape[0] / rows, (np.arange(columns) + 0.5) * labels.shape[1] / columns
    owners = np.full(labels.shape, -1)
    for label in np.unique(seen.labels).tolist():
        ours = labels == label
        numbers = [i for i in np.flatnonzero(seen.labels == label).tolist() if _share(ours, seen.boxes[i]) >= _MIN_OWN]
        if not numbers:
            continue
        likeness = []
        for x0, y0, x1, y1 in seen.boxes[numbers].tolist():
            inside = ((y >= y0) & (y < y1))[:, None] & ((x >= x0) & (x < x1))[None]
            alike = overlaps(np.float32([x0, y0, x1, y1]), seen.cells)
            # a cell outside of the box that sees nearly the same box belongs to it; one inside that sees another may
            likeness.append(np.where(inside, alike + _INSIDE, alike))
        best = np.argmax(likeness, axis=0)
        best = np.where(np.max(likeness, axis=0) >= _MIN_LIKENESS, np.array(numbers)[best], -1)
        owners[ours] = best[down][:, across][ours]
    return owners


def _share(ours: np.ndarray, box: np.ndarray) -> float:
    """How much of a box is of a class."""
    x0, y0, x1, y1 = np.rint(box).astype(int).tolist()
    return float(ours[y0 : y1 + 1, x0 : x1 + 1].mean())


def _joined(owners: np.ndarray, labels: np.ndarray, segments: np.ndarray) -> np.ndarray:
    """Owners of which one takes all of a segment that has its class, where it has most of that."""
    units = segments.astype(np.int64) * 256 + labels
    _, units = np.unique(units, return_inverse=True)
    units = units.reshape(labels.shape)
    count = int(owners.max()) + 2
    votes = np.bincount((units * count + owners + 1).ravel(), minlength=(int(units.max()) + 1) * count)
    votes = votes.reshape(-1, count)
    taker = votes[:, 1:].argmax(axis=1) if count > 1 else np.full(len(votes), -1)
    clear = votes[:, 1:].max(axis=1, initial=0) >= _CLEAR * votes.sum(axis=1)
    return np.where(clear[units], taker[units], owners)


def _completed(owners: np.ndarray, labels: np.ndarray, alone: float) -> np.ndarray:
    """Owners of the pixels that have a class: those that have none go with their connected piece.

    A piece of which no pixel has an owner is an object of its own if it has ``alone`` of the map, or else none.
    """
    pieces = components(labels)
    count = int(owners.max()) + 2
    votes = np.bincount((pieces.ids * count + owners + 1).ravel(), minlength=len(pieces.areas) * count)
    votes = votes.reshape(-1, count)[:, 1:]
    taker = np.arange(len(pieces.areas)) + count
    if count > 1:
        owned = votes.any(axis=1)
        taker[owned] = votes[owned].argmax(axis=1)
    taker[np.isin(pieces.labels, (0, VOID)) | ((taker >= count) & (pieces.areas < alone * labels.size))] = -1
    return np.where(owners < 0, taker[pieces.ids], owners)
