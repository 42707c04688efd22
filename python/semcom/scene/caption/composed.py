# SPDX-License-Identifier: GPL-3.0-or-later
"""One English sentence about a class map: what is there, how much of it, where, and in which colours.

It takes no weights and no chance: the same map and objects give the same sentence. Objects are counted as A-seg tells
them apart, up to six; more are several.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np

from ...errors import BadInput
from ...image.io import check_rgb
from ...segment.classes import VOC, VOID
from ...segment.instances import SceneObject

USUAL_LENGTH = 80
"""Detail is left out until a sentence is no longer than this, in characters, if it can be."""

# VOC name -> (one, several); other names are taken as they are
_NOUNS = {
    "bus": ("bus", "buses"),
    "diningtable": ("dining table", "dining tables"),
    "motorbike": ("motorbike", "motorbikes"),
    "person": ("person", "people"),
    "pottedplant": ("potted plant", "potted plants"),
    "sheep": ("sheep", "sheep"),
    "tvmonitor": ("television", "televisions"),
}
_NUMBERS = ("no", "one", "two", "three", "four", "five", "six")
_ROWS = ("upper", "", "lower")
_COLUMNS = ("left", "", "right")
_ALONE = {"upper": "top", "lower": "bottom"}

# what is said to be on what, when it rises out of it
_RIDERS = ("person", "cat", "dog")
_SUPPORTS = ("bicycle", "boat", "chair", "horse", "motorbike", "sofa")

_MAX_KINDS = 3
_FRAGMENT = 0.1  # of the largest piece of its class: what is smaller is not counted
_LARGE, _SMALL = 0.2, 0.02  # shares of the image
_SECOND_COLOUR = 0.3  # share of a region from which a second colour is named
_BRIGHTER = 25.0  # levels of 255 by which one half must be brighter to be called so

_COLOURS = np.array(
    ["black", "grey", "white", "red", "orange", "yellow", "green", "blue", "purple", "pink", "brown", "beige"]
)


@dataclass(frozen=True)
class _Kind:
    """All objects of one class that are spoken of together; the box is around all of them."""

    label: int
    name: str
    count: int
    area: int
    box: tuple[int, int, int, int]


def describe(
    image: np.ndarray, labels: np.ndarray, objects: Sequence[SceneObject], classes: Sequence[str] = VOC
) -> str:
    """One sentence, "A brown dog at the lower left and two people in front of a green background", say.

    Parameters
    ----------
    image : uint8 [H, W, 3]
        RGB.
    labels : uint8 [H, W]
        Its class map.
    objects : sequence of SceneObject
        What there is to speak of, see ``segment.instances.objects``.
    classes : sequence of str, default ``VOC``
        Names of the labels.

    Returns
    -------
    str
        The sentence.

    Raises
    ------
    BadInput
        The map is not of the image's size, or an object's label has no name.
    """
    check_rgb(image, "a description takes")
    if labels.shape != image.shape[:2]:
        raise BadInput(f"the class map's size {labels.shape} is not the image's {image.shape[:2]}; segment this image")
    unknown = [found.label for found in objects if not 0 < found.label < len(classes)]
    if unknown:
        raise BadInput(f"label {unknown[0]} is no object's; labels go from 1 to {len(classes) - 1}")
    named = _colour_names(image)
    if not objects:
        return _of_nothing(image, named)
    kinds = _kinds(objects, classes)
    backdrop = _backdrop(named[(labels == 0) | (labels == VOID)], named.size)
    # from full detail to the bare list; the first that is short enough is said
    sentence = ""
    for many, placed, sized, coloured in product((_MAX_KINDS, 2), ("all", "first"), (True, False), (True, False)):
        clauses = _clauses(kinds[:many], labels, named, placed == "all", sized, coloured)
        sentence = _capital(_listed(clauses) + backdrop + ".")
        if len(sentence) <= USUAL_LENGTH:
            break
    return sentence


def _kinds(objects: Sequence[SceneObject], classes: Sequence[str]) -> list[_Kind]:
    """The classes among the objects, that with the largest area first."""
    kinds = []
    for label in sorted({found.label for found in objects}):
        ours = [found for found in objects if found.label == label]
        largest = max(found.area for found in ours)
        ours = [found for found in ours if found.area >= _FRAGMENT * largest]
        x0, y0, x1, y1 = zip(*(found.box for found in ours), strict=True)
        area = sum(found.area for found in ours)
        kinds.append(_Kind(label, classes[label], len(ours), area, (min(x0), min(y0), max(x1), max(y1))))
    return sorted(kinds, key=lambda kind: -kind.area)


def _clauses(
    kinds: Sequence[_Kind], labels: np.ndarray, named: np.ndarray, placed: bool, sized: bool, coloured: bool
) -> list[str]:
    """What is said of each kind; the first one always has its place."""
    ridden = _ridden(kinds)
    clauses = []
    for kind in kinds:
        if ridden and kind is ridden[1]:
            continue
        words = _noun_phrase(kind, labels, named, sized, coloured)
        if ridden and kind is ridden[0]:
            words += f" on {_noun_phrase(ridden[1], labels, named, False, coloured)}"
        if placed or not clauses:
            words += _place(kind.box, labels.shape)
        clauses.append(words)
    return clauses


def _ridden(kinds: Sequence[_Kind]) -> tuple[_Kind, _Kind] | None:
    """The first pair of which one sits on the other: within its width, and rising above its upper half."""
    for rider, support in product(kinds, kinds):
        if rider.name not in _RIDERS or support.name not in _SUPPORTS or rider.count != support.count:
            continue
        x0, y0, x1, y1 = rider.box
        left, top, right, bottom = support.box
        overlap = min(x1, right) - max(x0, left)
        if overlap >= 0.6 * (x1 - x0) and y0 < (top + bottom) / 2 and top < y1 <= bottom:
            return rider, support
    return None


def _noun_phrase(kind: _Kind, labels: np.ndarray, named: np.ndarray, sized: bool, coloured: bool) -> str:
    one, several = _NOUNS.get(kind.name, (kind.name, f"{kind.name}s"))
    adjectives = []
    share = kind.area / labels.size
    if sized and kind.count == 1 and (share >= _LARGE or share <= _SMALL):
        adjectives.append("large" if share >= _LARGE else "small")
    if coloured and kind.name != "person":  # a person's colours are the clothes'
        adjectives.append(_colours(named[labels == kind.label]))
    if kind.count > 1:
        number = _NUMBERS[kind.count] if kind.count < len(_NUMBERS) else "several"
        return " ".join([number, *filter(None, adjectives), several])
    words = " ".join([*filter(None, adjectives), one])
    return f"{'an' if words[0] in 'aeiou' else 'a'} {words}"


def _place(box: tuple[int, int, int, int], shape: tuple[int, int]) -> str:
    """Where the middle of the box lies, in thirds of the picture; nothing for what fills most of it."""
    height, width = shape
    x0, y0, x1, y1 = box
    if x1 - x0 > 0.75 * width and y1 - y0 > 0.75 * height:
        return ""
    row = _ROWS[min(2, 3 * (y0 + y1) // (2 * height))]
    column = _COLUMNS[min(2, 3 * (x0 + x1) // (2 * width))]
    if row and column:
        return f" at the {row} {column}"
    return f" at the {column or _ALONE[row]}" if row or column else " in the middle"


def _backdrop(named: np.ndarray, pixels: int) -> str:
    """What the background is said to be; nothing where hardly any is seen."""
    if len(named) < 0.1 * pixels:
        return ""
    colours = _colours(named)
    return f" in front of {'an' if colours[0] in 'aeiou' else 'a'} {colours} background"


def _of_nothing(image: np.ndarray, named: np.ndarray) -> str:
    light = image.mean(axis=2)
    height, width = light.shape
    halves = {
        "top": light[: (height + 1) // 2],
        "bottom": light[height // 2 :],
        "left": light[:, : (width + 1) // 2],
        "right": light[:, width // 2 :],
    }
    means = {name: float(half.mean()) for name, half in halves.items()}
    across = {"top": "bottom", "bottom": "top", "left": "right", "right": "left"}
    brightest = max(means, key=lambda name: means[name] - means[across[name]])
    by = means[brightest] - means[across[brightest]]
    light_words = f"brighter at the {brightest}" if by >= _BRIGHTER else "evenly lit"
    return f"A scene in {_colours(named.ravel())}, {light_words}."


def _colours(named: np.ndarray) -> str:
    """The most frequent colour of some pixels, or the two most frequent; an empty string for no pixels."""
    if not len(named):
        return ""
    counts = np.bincount(named, minlength=len(_COLOURS))
    first, second = np.argsort(-counts, kind="stable")[:2]
    if counts[second] < _SECOND_COLOUR * len(named):
        return str(_COLOURS[first])
    return f"{_COLOURS[first]} and {_COLOURS[second]}"


def _colour_names(image: np.ndarray) -> np.ndarray:
    """uint8 [H, W]: what a person would call each pixel's colour, an index into ``_COLOURS``."""
    rgb = image.astype(np.float32)
    value, least = rgb.max(axis=2), rgb.min(axis=2)
    chroma = value - least
    saturation = chroma / np.maximum(value, 1)
    red, green, blue = np.moveaxis(rgb, 2, 0)
    safe = np.maximum(chroma, 1)
    hue = np.where(
        value == red,
        (green - blue) / safe,
        np.where(value == green, 2 + (blue - red) / safe, 4 + (red - green) / safe),
    )
    hue = 60 * (hue % 6)
    conditions = {
        "black": value < 45,
        "white": (saturation < 0.14) & (value > 195),
        "grey": (saturation < 0.14) | ((saturation < 0.22) & (value < 100)),
        "pink": ((hue < 20) | (hue >= 300)) & (value > 170) & (saturation < 0.5),
        "purple": (hue >= 255) & (hue < 345),
        "blue": (hue >= 165) & (hue < 255),
        "green": (hue >= 62) & (hue < 165),
        "yellow": (hue >= 45) & (hue < 62) & (saturation > 0.45) & (value > 150),
        "beige": (hue >= 20) & (hue < 62) & (saturation < 0.45) & (value > 165),
        "orange": (hue >= 16) & (hue < 45) & (saturation > 0.6) & (value > 190),
        "red": ((hue < 16) | (hue >= 345)) & (saturation > 0.55) & (value > 90),
    }
    names = list(_COLOURS)
    return np.select(
        list(conditions.values()), [np.uint8(names.index(name)) for name in conditions], np.uint8(names.index("brown"))
    )


def _listed(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def _capital(sentence: str) -> str:
    return sentence[0].upper() + sentence[1:]
