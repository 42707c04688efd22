# SPDX-License-Identifier: GPL-3.0-or-later
"""The objects of a class map, and the pixels of its classes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from ..errors import BadInput
from .classes import VOC, VOID
from .components import Components, components


@dataclass(frozen=True)
class SceneObject:
    """One connected piece of one class.

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


def objects(labels: np.ndarray, least: float = 0.002) -> list[SceneObject]:
    """The connected pieces of each class, the largest first; background and void are none.

    Parameters
    ----------
    labels : uint8 [H, W]
        Class map.
    least : float, default 0.002
        Share of the image below which a piece is left out, 0 to 1.

    Returns
    -------
    list of SceneObject
        Their boxes in pixels of the map.
    """
    found, numbers = pieces(labels, least)
    return [SceneObject(int(found.labels[i]), tuple(found.boxes[i].tolist()), int(found.areas[i])) for i in numbers]


def pieces(labels: np.ndarray, least: float = 0.002) -> tuple[Components, list[int]]:
    """All connected pieces of a class map, and which of them are objects; see :func:`objects`.

    Parameters
    ----------
    labels : uint8 [H, W]
        Class map.
    least : float, default 0.002
        Share of the image below which a piece is none, 0 to 1.

    Returns
    -------
    Components, list of int
        The pieces, and the numbers of the objects, the largest first.
    """
    _check_map(labels)
    found = components(labels)
    wanted = ~np.isin(found.labels, (0, VOID)) & (found.areas >= least * labels.size)
    return found, [i for i in np.argsort(-found.areas, kind="stable").tolist() if wanted[i]]


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


def _check_map(labels: np.ndarray) -> None:
    if labels.dtype != np.uint8 or labels.ndim != 2 or labels.size == 0:
        raise BadInput(f"a class map is uint8 [H, W], not {labels.dtype} {list(labels.shape)}")
