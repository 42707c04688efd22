# SPDX-License-Identifier: GPL-3.0-or-later
"""Photographs with class maps and boxes of their objects, true or a teacher's, and random crops of them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch.nn import functional as F  # noqa: N812

from ..errors import BadInput
from ..segment.classes import VOC, VOID
from ..segment.components import components
from .data import fit_square, unmatched
from .files import image_files, left_out, pictures, read_map
from .teachers import BOXES, CLASS_SCORES, DetectorTeacher, SegmenterTeacher, asked

HELD_OUT = 150  # photographs with a true class map, an eighth of them at most
BALANCED_SHARE = 0.5  # of what is drawn: by a class shown, all classes alike
TAUGHT_SHARE = 0.3  # of the rest: photographs that the teacher labelled
MIN_SHOWN = 0.01  # of a photograph, for it to show a class
MOSAIC_SHARE = 0.15  # crops made of four photographs at half size
SCALES = (0.65, 1.7)
STRETCH = 1.3
MAP_STRIDE = 4  # pixels of a crop for each of what the teacher says of it
MIN_VISIBLE = 0.3  # of a box that a crop must show
MIN_SIDE = 6.0  # pixels of a crop: objects that are smaller are none
MIN_COVERED = 0.1  # of a box, by its class in the true map: the detector is wrong where it is less
DOUBTED = 0.2  # what remains of the teacher's share for a class where the detector sees no box of it
_MIN_PIECE = 0.002  # of a photograph: pieces of its map that are objects where there is no detector


@dataclass(frozen=True, eq=False)
class Photograph:
    """A photograph and what is known of it.

    Attributes
    ----------
    image : uint8 [H, W, 3]
        RGB.
    labels : uint8 [H, W]
        Its true class map; void all over where there is none.
    shares : uint8 [classes, h, w] or None
        Probabilities by the teacher, 255 for one; None where the class map is true.
    boxes : float32 [n, 6]
        Its objects: x0, y0, x1, y1 as shares of the sides, score and label.
    """

    image: np.ndarray
    labels: np.ndarray
    shares: np.ndarray | None
    boxes: np.ndarray

    def shown(self) -> np.ndarray:
        """How much of it shows each label, float64 [256]."""
        labels = self.labels if self.shares is None else self.shares.argmax(axis=0).astype(np.uint8)
        return np.bincount(labels.ravel(), minlength=256) / labels.size


@dataclass(frozen=True, eq=False)
class Crop:
    """A part of a photograph at some scale.

    Attributes
    ----------
    image : uint8 [S, S, 3]
        RGB; grey beyond the photograph.
    labels : uint8 [S, S]
        The true class map, void where nothing is known.
    shares : float32 [classes, S/4, S/4]
        The teacher's probabilities; zero where it says nothing.
    boxes : float32 [n, 6]
        In pixels of the crop, score and label.
    """

    image: np.ndarray
    labels: np.ndarray
    shares: np.ndarray
    boxes: np.ndarray

    def mirrored(self) -> Crop:
        """Left and right exchanged."""
        boxes = self.boxes.copy()
        boxes[:, [0, 2]] = self.labels.shape[1] - self.boxes[:, [2, 0]]
        return Crop(self.image[:, ::-1], self.labels[:, ::-1], self.shares[:, :, ::-1], boxes)


class Labelled:
    """Photographs and what is known of them, held in memory; random crops of them.

    Parameters
    ----------
    data : list of Path
        Folders or tars of photographs, central squares of their originals.
    masks : list of Path
        Folders or tars of true class maps of the originals, matched by file name.
    teacher : Path or None
        A TFLite network that labels the photographs that have no true map; without it these are left out.
    detector : Path or None
        An ONNX network that finds boxes of objects; without it the connected pieces of the maps are the objects.
    kept : Path
        Folder that keeps what teacher and detector said.
    seed : int, default 0
        Of the crops and of what is drawn.
    val : list of Path, optional
        Folders or tars of photographs that are held out instead of some of ``data``; none of ``data`` with the file
        name of one of these is drawn.
    """

    def __init__(
        self,
        data: list[Path],
        masks: list[Path],
        teacher: Path | None,
        detector: Path | None,
        kept: Path,
        seed: int = 0,
        val: list[Path] | None = None,
    ):
        self.rng = np.random.default_rng(seed)
        unreadable: list[str] = []
        truths = {stem: content for path in masks for stem, content in image_files(path)}
        held = {stem for path in val or [] for stem, _ in image_files(path)}
        found: dict[str, tuple[np.ndarray, np.ndarray]] = {}
        unlabelled: dict[str, np.ndarray] = {}
        for stem, name, picture in pictures(data, unreadable):
            if stem in held:
                continue
            image = np.asarray(picture.convert("RGB"))
            classes = read_map(truths, stem, unreadable)
            if classes is None:
                unlabelled[name] = image
            else:
                found[name] = image, fit_square(classes, picture.size)
        if val:
            self.held_out = _labelled(val, truths, unreadable)
        least = 1 if val else 2
        if len(found) < least:
            needed = "one is" if val else "two are"
            raise BadInput(
                f"{len(found)} photographs in {', '.join(map(str, data))} have a class map; {needed} needed, and "
                "a class map has the file name of its photograph"
            )
        if not val:
            count = min(HELD_OUT, max(1, len(found) // 8))
            names = list(found)[:: len(found) // count][:count]
            self.held_out = [found.pop(name) for name in names]
        self.true, self.taught = _known(found, unlabelled, teacher, detector, kept)
        everything = self.true + self.taught
        shown = np.array([each.shown() for each in everything])
        of_each = [np.flatnonzero(shown[:, label] > MIN_SHOWN) for label in range(1, len(VOC))]
        self._showing = [[everything[i] for i in indices] for indices in of_each if len(indices)]
        if not self._showing:
            raise unmatched(data, masks)
        self.about = left_out(unreadable)

    def _draw(self) -> Photograph:
        if self.rng.random() < BALANCED_SHARE:
            pool = self._showing[self.rng.integers(len(self._showing))]
        elif self.taught and self.rng.random() < TAUGHT_SHARE:
            pool = self.taught
        else:
            pool = self.true
        return pool[self.rng.integers(len(pool))]

    def crop(self, side: int) -> Crop:
        """A random part of a random photograph at a random scale; what lies beyond the photograph is grey and void.

        Parameters
        ----------
        side : int
            Pixels, a multiple of ``MAP_STRIDE``.

        Returns
        -------
        Crop
            ``side`` by ``side``.
        """
        drawn = self._draw()
        height, width = drawn.labels.shape
        scale = math.exp(self.rng.uniform(*map(math.log, SCALES)))
        stretch = math.exp(self.rng.uniform(-1, 1) * math.log(STRETCH) / 2)
        # how much of the photograph the crop shows, as shares of its sides
        shown = np.array([stretch / scale, 1 / (scale * stretch)])
        start = self.rng.random(2) * (1 - shown)
        # a piece larger than the photograph is the photograph somewhere on a grey ground
        ends = np.rint(np.clip([-start / shown, (1 - start) / shown], 0, 1) * side).astype(int)
        columns, rows = (slice(*pair) for pair in ends.T.tolist())
        box = tuple((np.clip([start, start + shown], 0, 1) * [width, height]).ravel().tolist())
        size = (columns.stop - columns.start, rows.stop - rows.start)
        image, labels = np.full((side, side, 3), 127, np.uint8), np.full((side, side), VOID, np.uint8)
        image[rows, columns] = Image.fromarray(drawn.image).resize(size, Image.Resampling.BILINEAR, box)
        labels[rows, columns] = Image.fromarray(drawn.labels).resize(size, Image.Resampling.NEAREST, box)
        made = Crop(
            image,
            labels,
            _window(drawn.shares, start, shown, side // MAP_STRIDE),
            _within(drawn.boxes, start, shown, side),
        )
        return made.mirrored() if self.rng.random() < 0.5 else made

    def crops(self, count: int, side: int) -> list[Crop]:
        """Random crops, some of them of four photographs.

        Parameters
        ----------
        count : int
            How many.
        side : int
            Of each, in pixels, a multiple of 8.

        Returns
        -------
        list of Crop
            ``count`` of them.
        """
        made = []
        for _ in range(count):
            if self.rng.random() < MOSAIC_SHARE:
                made.append(_mosaic([self.crop(side // 2) for _ in range(4)]))
            else:
                made.append(self.crop(side))
        return made

    def recoloured(self, x: torch.Tensor) -> torch.Tensor:
        """Brightness, contrast, saturation and a slight tint at random for each image.

        Parameters
        ----------
        x : torch.Tensor [B, 3, H, W]
            RGB 0 to 255.

        Returns
        -------
        torch.Tensor [B, 3, H, W]
            The same range.
        """
        drawn = torch.from_numpy(self.rng.uniform(-1, 1, (6, len(x), 1, 1, 1)).astype(np.float32))
        grey = x.mean(dim=1, keepdim=True)
        x = grey + (x - grey) * (1 + 0.4 * drawn[0])
        x = (x - 127) * (1 + 0.3 * drawn[1]) + 127 + 30 * drawn[2]
        return (x + 12 * drawn[3:6, :, 0, 0, 0].T[:, :, None, None]).clamp(0, 255)


def _labelled(val: list[Path], truths: dict[str, bytes], unreadable: list[str]) -> list[tuple[np.ndarray, np.ndarray]]:
    """The photographs held out that have a class map."""
    found = []
    for stem, _, picture in pictures(val, unreadable):
        classes = read_map(truths, stem, unreadable)
        if classes is not None:
            found.append((np.asarray(picture.convert("RGB")), fit_square(classes, picture.size)))
    if not found:
        raise BadInput(
            f"{', '.join(map(str, val))} has no photograph with a class map to validate on; give some", field="val"
        )
    return found


def _known(
    found: dict[str, tuple[np.ndarray, np.ndarray]],
    unlabelled: dict[str, np.ndarray],
    teacher: Path | None,
    detector: Path | None,
    kept: Path,
) -> tuple[list[Photograph], list[Photograph]]:
    """The photographs with a true map, and those that the teacher labelled."""
    shares = asked(lambda: SegmenterTeacher(teacher), unlabelled, kept / CLASS_SCORES) if teacher else {}
    images = {name: image for name, (image, _) in found.items()} | {name: unlabelled[name] for name in shares}
    boxes = asked(lambda: DetectorTeacher(detector), images, kept / BOXES) if detector else None
    true, taught = [], []
    for name, (image, labels) in found.items():
        objects = _covered(boxes[name], labels) if boxes else _pieces(labels)
        true.append(Photograph(image, labels, None, objects))
    for name, share in shares.items():
        image = unlabelled[name]
        objects = boxes[name] if boxes else _pieces(share.argmax(axis=0).astype(np.uint8))
        void = np.full(image.shape[:2], VOID, np.uint8)
        taught.append(Photograph(image, void, _doubted(share, objects) if boxes else share, objects))
    return true, taught


def _pieces(labels: np.ndarray) -> np.ndarray:
    """The boxes of a map's connected pieces, as a detector would give them, float32 [n, 6]."""
    found = components(labels)
    wanted = ~np.isin(found.labels, (0, VOID)) & (found.areas >= _MIN_PIECE * labels.size)
    shares = found.boxes[wanted] / np.tile(labels.shape[::-1], 2)
    return np.column_stack([shares, np.ones(len(shares)), found.labels[wanted]]).astype(np.float32)


def _covered(boxes: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The boxes in which the true map has their class."""
    corners = np.rint(boxes[:, :4] * np.tile(labels.shape[::-1], 2)).astype(int)
    kept = []
    for i, (x0, y0, x1, y1) in enumerate(corners.tolist()):
        inside = labels[y0 : y1 + 1, x0 : x1 + 1]
        if np.count_nonzero(inside == boxes[i, 5]) >= MIN_COVERED * inside.size:
            kept.append(i)
    return boxes[kept]


def _doubted(shares: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """The teacher's probabilities, less for classes where the detector sees no box of them: the rest is for others."""
    classes, rows, columns = shares.shape
    y, x = (np.arange(rows)[:, None] + 0.5) / rows, (np.arange(columns)[None] + 0.5) / columns
    trust = np.full((classes, rows, columns), DOUBTED, np.float32)
    trust[0] = 1
    margin = 1 / rows  # a cell of the teacher's
    for x0, y0, x1, y1, _, label in boxes.tolist():
        inside = (x > x0 - margin) & (x < x1 + margin) & (y > y0 - margin) & (y < y1 + margin)
        trust[int(label)][inside] = 1
    weighted = shares * trust
    return np.rint(255 * weighted / np.maximum(weighted.sum(axis=0), 1e-6)).astype(np.uint8)


def _window(shares: np.ndarray | None, start: np.ndarray, shown: np.ndarray, side: int) -> np.ndarray:
    """The teacher's probabilities in a part of a photograph, float32 [classes, side, side]; zero beyond it."""
    if shares is None:
        return np.zeros((len(VOC), side, side), np.float32)
    places = (np.arange(side) + 0.5) / side
    x, y = (2 * (start[k] + shown[k] * places) - 1 for k in (0, 1))
    grid = torch.from_numpy(np.stack(np.meshgrid(x, y), axis=2).astype(np.float32))[None]
    known = torch.from_numpy(shares).float()[None] / 255
    drawn = F.grid_sample(known, grid, padding_mode="border", align_corners=False)[0].numpy()
    drawn *= (np.abs(x) < 1)[None, None, :] & (np.abs(y) < 1)[None, :, None]
    return drawn


def _within(boxes: np.ndarray, start: np.ndarray, shown: np.ndarray, side: int) -> np.ndarray:
    """The boxes that a part of a photograph shows, cut at its edges and in its pixels."""
    corners = (boxes[:, :4] - np.tile(start, 2)) / np.tile(shown, 2) * side
    cut = np.clip(corners, 0, side)
    whole, seen = (np.prod(ends[:, 2:] - ends[:, :2], axis=1) for ends in (corners, cut))
    large = (cut[:, 2:] - cut[:, :2]).min(axis=1, initial=side) >= MIN_SIDE
    kept = (seen >= MIN_VISIBLE * whole) & large
    return np.column_stack([cut, boxes[:, 4:]])[kept].astype(np.float32)


def _mosaic(four: list[Crop]) -> Crop:
    """Four crops as the quarters of one."""
    side = four[0].labels.shape[0]
    moved = [
        each.boxes + np.float32([dx, dy, dx, dy, 0, 0]) for each, (dy, dx) in zip(four, _quarters(side), strict=True)
    ]

    def joined(parts: list[np.ndarray], axis: int) -> np.ndarray:
        return np.concatenate([np.concatenate(parts[i : i + 2], axis=axis + 1) for i in (0, 2)], axis=axis)

    return Crop(
        joined([each.image for each in four], 0),
        joined([each.labels for each in four], 0),
        joined([each.shares for each in four], 1),
        np.concatenate(moved),
    )


def _quarters(side: int) -> list[tuple[int, int]]:
    return [(0, 0), (0, side), (side, 0), (side, side)]
