# SPDX-License-Identifier: GPL-3.0-or-later
"""Prompts that say what is meant in an image, and their one-line text form.

``point:X,Y[,0|1]`` | ``box:X0,Y0,X1,Y1`` | ``mask:FILE`` | ``class:NAME`` | ``everything``

Coordinates are pixels of the image that is segmented: x to the right from 0 to the width, y down from 0 to the height.
``str()`` of a prompt is its text form. Several in one text are separated by semicolons.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from ..errors import BadInput
from ..image.io import load_mask
from .classes import VOC

_BETWEEN = re.compile(r"(?<!\\);(?=\s*(?:(?:point|box|mask|class)\s*:|everything\s*(?:;|$)|;|$))")
_FORMS = "point:X,Y[,0|1], box:X0,Y0,X1,Y1, mask:FILE, class:NAME or everything"


@dataclass(frozen=True)
class Point:
    """A point inside the object or outside it.

    Attributes
    ----------
    x, y : float
        Pixels.
    label : int, default 1
        1 inside, 0 outside.
    """

    x: float
    y: float
    label: int = 1

    def __str__(self) -> str:
        return f"point:{self.x:.10g},{self.y:.10g},{self.label}"


@dataclass(frozen=True)
class Box:
    """The object's bounding box.

    Attributes
    ----------
    x0, y0, x1, y1 : float
        Left, top, right and lower edge in pixels.
    """

    x0: float
    y0: float
    x1: float
    y1: float

    def __str__(self) -> str:
        return "box:" + ",".join(f"{value:.10g}" for value in (self.x0, self.y0, self.x1, self.y1))


@dataclass(frozen=True)
class MaskFile:
    """A picture of the image's size whose pixels that are not black lie inside.

    Attributes
    ----------
    path : str
        Name of the file.
    """

    path: str

    def __str__(self) -> str:
        return f"mask:{self.path}"


@dataclass(frozen=True)
class ClassName:
    """All objects of a class.

    Attributes
    ----------
    name : str
        In PASCAL VOC, see ``classes.VOC``.
    """

    name: str

    def __str__(self) -> str:
        return f"class:{self.name}"


@dataclass(frozen=True)
class Everything:
    """All that can be segmented."""

    def __str__(self) -> str:
        return "everything"


@dataclass(frozen=True, eq=False)
class Mask:
    """Pixels that lie inside; it has no text form that could be read again.

    Attributes
    ----------
    inside : bool [H, W]
        Of the image's size.
    """

    inside: np.ndarray

    def __str__(self) -> str:
        return f"a mask of {self.inside.shape[1]}x{self.inside.shape[0]} pixels"


Prompt = Point | Box | MaskFile | ClassName | Everything | Mask
MAX_REGIONS = 6  # that count by different amounts


def split_prompts(text: str) -> list[str]:
    """The prompts in a text that are separated by semicolons.

    Only a semicolon that is followed by another prompt, or by nothing, separates: the name of a file may have some. A
    backslash before a semicolon makes it part of a name wherever it stands.

    Parameters
    ----------
    text : str
        Of several prompts.

    Returns
    -------
    list of str
        Each by itself, not parsed yet.
    """
    return [part.strip().replace("\\;", ";") for part in _BETWEEN.split(text) if part.strip()]


def join_prompts(prompts: Iterable[str]) -> str:
    """Prompts as the text that :func:`split_prompts` takes apart.

    Parameters
    ----------
    prompts : iterable of str
        Text forms.

    Returns
    -------
    str
        All of them.
    """
    return ";".join(prompt.replace(";", "\\;") for prompt in prompts)


def parse_prompt(text: str) -> Prompt:
    """The prompt that this text stands for.

    Spaces around the parts do not matter. A box must have its right edge right of its left one, and its lower edge
    below its upper one.

    Parameters
    ----------
    text : str
        One line.

    Returns
    -------
    Prompt
        Of the kind that the text names.

    Raises
    ------
    BadInput
        The text stands for no prompt.
    """
    kind, colon, rest = text.strip().partition(":")
    kind, rest = kind.strip(), rest.strip()
    if kind == "everything" and not colon:
        return Everything()
    if kind == "point" and colon:
        return _point(text, rest)
    if kind == "box" and colon:
        return _box(text, rest)
    if kind == "mask" and colon:
        if not rest:
            raise BadInput(f"prompt {text!r} names no file; write mask:FILE")
        return MaskFile(rest)
    if kind == "class" and colon:
        if not rest:
            raise BadInput(f"prompt {text!r} names no class; write class:NAME")
        return ClassName(rest)
    raise BadInput(f"prompt {text!r} is not understood; write {_FORMS}")


def regions_of(prompts: Sequence[Prompt]) -> list[tuple[Prompt, ...]]:
    """What is asked for each region where every prompt means one of its own.

    Parameters
    ----------
    prompts : sequence of Prompt
        The most important first.

    Returns
    -------
    list of tuple of Prompt
        Each prompt with all points that lie outside; of boxes and points only those can be taken away from.

    Raises
    ------
    BadInput
        More regions than ``MAX_REGIONS``.
    """
    outside = tuple(prompt for prompt in prompts if isinstance(prompt, Point) and not prompt.label)
    inside = [prompt for prompt in prompts if prompt not in outside]
    if len(inside) > MAX_REGIONS:
        raise BadInput(f"there may be {MAX_REGIONS} regions at most, got {len(inside)} prompts; leave some out")
    if not inside:
        return [outside]
    return [(each, *outside) if isinstance(each, Point | Box) else (each,) for each in inside]


def count_regions(prompts: Iterable[str]) -> int:
    """How many regions the text forms of prompts mean, where each means one of its own."""
    return sum(not (isinstance(prompt := parse_prompt(text), Point) and not prompt.label) for text in prompts)


def validate(prompts: Iterable[Prompt], height: int, width: int) -> None:
    """Raise ``BadInput`` unless every prompt can be applied to an image of this size.

    A point must lie on the image and have label 0 or 1, a box must lie within the image and have an area, a mask must
    be of the image's size, the file of one readable and not black all over, and a class one of PASCAL VOC's.

    Parameters
    ----------
    prompts : iterable of Prompt
        Of one image.
    height, width : int
        Of the image in pixels.

    Raises
    ------
    BadInput
        A prompt that cannot be applied.
    """
    for prompt in prompts:
        match prompt:
            case Point():
                _check_point(prompt, height, width)
            case Box():
                _check_box(prompt, height, width)
            case MaskFile():
                load_mask(prompt.path, height, width)
            case Mask():
                if prompt.inside.shape != (height, width):
                    raise BadInput(f"{prompt} does not fit the image, which is {width} wide and {height} high")
            case ClassName():
                if prompt.name not in VOC:
                    raise BadInput(f"there is no class {prompt.name!r}; choose from {', '.join(VOC)}")


def _numbers(text: str, rest: str, form: str, counts: tuple[int, ...]) -> list[float]:
    parts = rest.split(",")
    try:
        values = [float(part) for part in parts]
    except ValueError:
        raise BadInput(f"prompt {text!r} has a part that is not a number; write {form}") from None
    if len(parts) not in counts:
        raise BadInput(f"prompt {text!r} has {len(parts)} numbers; write {form}")
    if not all(math.isfinite(value) for value in values):
        raise BadInput(f"prompt {text!r} has a number that is not finite; write {form} with pixel coordinates")
    return values


def _point(text: str, rest: str) -> Point:
    values = _numbers(text, rest, "point:X,Y or point:X,Y,0|1", (2, 3))
    label = values[2] if len(values) == 3 else 1
    if label not in (0, 1):
        raise BadInput(f"prompt {text!r} has the label {label:g}; write 1 for inside or 0 for outside")
    return Point(values[0], values[1], int(label))


def _box(text: str, rest: str) -> Box:
    box = Box(*_numbers(text, rest, "box:X0,Y0,X1,Y1", (4,)))
    _check_edges(box, text)
    return box


def _check_edges(box: Box, text: str) -> None:
    if not (box.x0 < box.x1 and box.y0 < box.y1):
        raise BadInput(f"prompt {text!r} has no area; write the upper left corner first, then the lower right one")


def _check_point(point: Point, height: int, width: int) -> None:
    if point.label not in (0, 1):
        raise BadInput(f"prompt {str(point)!r} has the label {point.label}; use 1 for inside or 0 for outside")
    # written so that NaN fails too
    if not (0 <= point.x < width and 0 <= point.y < height):
        raise BadInput(f"prompt {str(point)!r} lies outside the image, which is {width} wide and {height} high")


def _check_box(box: Box, height: int, width: int) -> None:
    if not (box.x0 >= 0 and box.y0 >= 0 and box.x1 <= width and box.y1 <= height):
        raise BadInput(f"prompt {str(box)!r} reaches outside the image, which is {width} wide and {height} high")
    _check_edges(box, str(box))
