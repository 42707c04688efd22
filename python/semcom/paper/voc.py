# SPDX-License-Identifier: GPL-3.0-or-later
"""Photographs in which one object is meant: those of a folder with class maps, as PASCAL VOC has them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from ..errors import BadInput
from ..image import io
from ..segment import VOID
from ..segment.components import components
from ..segment.tasks import Target


def region(classes: np.ndarray, share: tuple[float, float] = (0.0, 1.0)) -> Target | None:
    """The largest connected piece of a class.

    Parameters
    ----------
    classes : uint8 [H, W]
        Class map, 0 for the background and 255 for what does not count.
    share : tuple of float
        Smallest and largest share of the picture that it may cover.

    Returns
    -------
    Target or None
        None where there is no such piece.
    """
    pieces = components(np.where(classes == VOID, 0, classes).astype(np.uint8))
    low, high = (each * classes.size for each in share)
    for number in np.argsort(-pieces.areas, kind="stable").tolist():
        if pieces.labels[number] and low <= pieces.areas[number] <= high:
            return Target(pieces.ids == number, int(pieces.labels[number]))
    return None


def pictures(
    folder: Path, share: tuple[float, float] = (0.0, 1.0), side: int | None = None
) -> Iterator[tuple[str, np.ndarray, Target]]:
    """The photographs of a folder that have a region.

    Parameters
    ----------
    folder : Path
        With ``images`` (NAME.jpg) and ``masks`` (NAME.png, class maps).
    share : tuple of float
        See :func:`region`.
    side : int, optional
        Pixels of the square to which photographs and maps are brought.

    Yields
    ------
    str, uint8 [H, W, 3], Target
        Name, RGB, and what is meant.

    Raises
    ------
    BadInput
        There are no photographs, or one has no class map.
    """
    files = sorted((folder / "images").glob("*.jpg"))
    if not files:
        raise BadInput(f"{folder} has no images/*.jpg; name a folder with images and masks, as PASCAL VOC has them")
    for file in files:
        mask = folder / "masks" / f"{file.stem}.png"
        image, classes = io.load(file), _class_map(mask)
        if side is not None:
            image = np.asarray(Image.fromarray(image).resize((side, side), Image.Resampling.BICUBIC))
            classes = np.asarray(Image.fromarray(classes).resize((side, side), Image.Resampling.NEAREST))
        found = region(classes, share)
        if found is not None:
            yield file.stem, image, found


def _class_map(path: Path) -> np.ndarray:
    with io.opened(path) as picture:
        if picture.mode not in ("L", "P"):
            raise BadInput(f"{path} is no class map; give a PNG of labels, grey or with a palette")
        return np.array(picture)
