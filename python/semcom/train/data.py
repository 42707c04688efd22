# SPDX-License-Identifier: GPL-3.0-or-later
"""Photographs for training, held in memory as bytes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from ..errors import BadInput
from .files import image_files, left_out, pictures, read_map

MIN_SHOWN = 0.02  # of a masked crop, for it to show a class
MAX_DRAWS = 1000  # of masked crops, until one shows a class
VOID = 255  # label of what belongs to no class
MULTIPLE = 16  # of pixels, of the sides that networks take


def unmatched(data: list[Path], masks: list[Path]) -> BadInput:
    """The error of class maps that belong to no photograph.

    Parameters
    ----------
    data : list of Path
        Folders or tars of photographs.
    masks : list of Path
        Folders or tars of class maps.

    Returns
    -------
    BadInput
        To be raised.
    """
    named, photographs = (", ".join(map(str, paths)) for paths in (masks, data))
    return BadInput(
        f"{named} matches no photograph in {photographs}; a class map has the file name of its photograph and shows a "
        "class",
        field="masks",
    )


def fit_square(classes: Image.Image, size: tuple[int, int]) -> np.ndarray:
    """The class map of an original photograph, cut to its central square as the training photographs were.

    Parameters
    ----------
    classes : PIL.Image.Image
        Class map of the original.
    size : tuple of 2 int
        Width and height of the training photograph.

    Returns
    -------
    uint8 [height, width]
        Labels.
    """
    side = min(classes.size)
    left, top = (classes.width - side) // 2, (classes.height - side) // 2
    square = classes.crop((left, top, left + side, top + side))
    return np.asarray(square.resize(size, Image.Resampling.NEAREST), np.uint8)


@dataclass(frozen=True)
class _Windows:
    """Squares of photographs, as they are drawn for one batch.

    Attributes
    ----------
    first : int64 [B]
        Position of each square's first pixel among all pixels.
    width : int64 [B]
        Of each square's photograph.
    flipped : bool [B]
        Whether left and right are exchanged.
    """

    first: np.ndarray
    width: np.ndarray
    flipped: np.ndarray

    def cut(self, values: torch.Tensor, side: int) -> torch.Tensor:
        """The squares.

        Parameters
        ----------
        values : torch.Tensor [pixels, n]
            All photographs, row by row.
        side : int
            Of a square.

        Returns
        -------
        torch.Tensor [B, side, side, n]
            On the device of the values.
        """
        if values.device.type == "cpu":  # whole rows at a time are faster here
            every = values.numpy()
            cut = np.empty((len(self.first), side, side, every.shape[1]), every.dtype)
            for out, first, width, flipped in zip(cut, self.first, self.width, self.flipped, strict=True):
                # the last row of a square ends before its photograph's does
                rows = np.lib.stride_tricks.as_strided(
                    every[first:], (side, side, every.shape[1]), (width * every.strides[0], *every.strides)
                )
                out[:] = rows[:, ::-1] if flipped else rows
            return torch.from_numpy(cut)
        return self.gathered(values, side)

    def gathered(self, values: torch.Tensor, side: int) -> torch.Tensor:
        """What :meth:`cut` gives, in one operation on the device.

        Parameters
        ----------
        values : torch.Tensor [pixels, n]
            All photographs, row by row.
        side : int
            Of a square.

        Returns
        -------
        torch.Tensor [B, side, side, n]
            On the device of the values.
        """
        first, width, flipped = (
            torch.from_numpy(each).to(values.device)[:, None, None] for each in (self.first, self.width, self.flipped)
        )
        at = torch.arange(side, device=values.device)
        index = first + at[:, None] * width + torch.where(flipped, side - 1 - at, at)
        return values.index_select(0, index.flatten()).view(len(first), side, side, -1)

    def of(self, some: np.ndarray) -> _Windows:
        """Some of them.

        Parameters
        ----------
        some : int64 [b] or bool [B]
            Which.

        Returns
        -------
        _Windows
            Of b squares.
        """
        return _Windows(self.first[some], self.width[some], self.flipped[some])


class Photographs:
    """Random crops, flipped at random, out of folders or tars of images.

    All pixels are one uint8 tensor, on a GPU where there is room for it: crops are drawn by numbers of a NumPy stream
    and cut where the pixels are.

    Parameters
    ----------
    paths : list of Path
        Folders or tars of JPEG, PNG or WebP.
    crop : int
        Side of the square crop in pixels; smaller images are left out.
    masks : list of Path, optional
        Folders or tars of class maps (0 background, 255 void), matched by file name (the photographs being central
        squares of the originals); with it only images that have one are used, and each crop is blacked out outside one
        class drawn at random, each photograph held out outside its largest.
    seed : int, default 0
        Of the crops.
    held_out : int, default 0
        Names, evenly spread over all and at most an eighth of them, whose photographs are never drawn;
        :meth:`validation` shows them whole.
    val : list of Path, optional
        Folders or tars of photographs that are held out instead; none of ``paths`` with the file name of one of these
        is drawn.
    device : torch.device, default CPU
        Where the pixels are kept, if they take no more than half of its free memory.

    Attributes
    ----------
    about : str
        What was left out; may be empty.
    names : list of str
        File names, without suffix, of the photographs that are held out.

    Raises
    ------
    BadInput
        Nothing to train on, or too little to hold any of it out.
    """

    def __init__(
        self,
        paths: list[Path],
        crop: int,
        masks: list[Path] | None = None,
        seed: int = 0,
        held_out: int = 0,
        val: list[Path] | None = None,
        device: torch.device = torch.device("cpu"),
    ):
        self.crop = crop
        self.rng = np.random.default_rng(seed)
        unreadable: list[str] = []
        maps = {stem: content for path in masks or [] for stem, content in image_files(path)}
        self._held_out = self._apart(val, maps if masks else None, unreadable) if val else []
        self.names = list(dict.fromkeys(name for name, _ in self._held_out))
        pixels, labels = bytearray(), bytearray()  # they grow in place: never two copies
        stems, sizes = self._read(paths, maps if masks else None, unreadable, pixels, labels)
        if not stems:
            raise unmatched(paths, masks or [])
        self._pixels = torch.frombuffer(pixels, dtype=torch.uint8).view(-1, 3)
        self._labels = torch.frombuffer(labels, dtype=torch.uint8).view(-1, 1) if labels else None
        self._first = np.cumsum([0, *(height * width for height, width in sizes)])[:-1]
        self._sizes = np.array(sizes)
        if held_out and not val:
            self._hold_out(stems, held_out, paths)
        self.about = left_out(unreadable)
        self._move(device)

    def _read(
        self,
        paths: list[Path],
        maps: dict[str, bytes] | None,
        unreadable: list[str],
        pixels: bytearray,
        labels: bytearray,
    ) -> tuple[list[str], list[tuple[int, int]]]:
        """Read what is trained on; names and sizes (height, width) of the photographs."""
        stems, sizes, found, large = [], [], 0, 0
        for stem, _, picture in pictures(paths, unreadable):
            found += 1
            if min(picture.size) < self.crop or stem in self.names:
                continue
            large += 1
            if maps is not None:
                classes = self._classes(maps, stem, picture.size, unreadable)
                if classes is None:
                    continue
                labels += classes.tobytes()
            pixels += picture.convert("RGB").tobytes()
            stems.append(stem)
            sizes.append((picture.height, picture.width))
        where = ", ".join(map(str, paths))
        if not found:
            broken = f" that can be read; {left_out(unreadable)}" if unreadable else "; give JPEG, PNG or WebP files"
            raise BadInput(f"no image in {where}{broken}")
        if not large:
            others = " that is not held out" if self.names else ""
            raise BadInput(f"no image of at least {self.crop}x{self.crop} pixels in {where}{others}")
        return stems, sizes

    @staticmethod
    def _classes(maps: dict[str, bytes], stem: str, size: tuple[int, int], unreadable: list[str]) -> np.ndarray | None:
        """The class map of a photograph; None where there is none that shows a class."""
        found = read_map(maps, stem, unreadable)
        if found is None:
            return None
        classes = fit_square(found, size)
        return classes if np.any((classes > 0) & (classes < VOID)) else None

    def _apart(
        self, val: list[Path], maps: dict[str, bytes] | None, unreadable: list[str]
    ) -> list[tuple[str, np.ndarray]]:
        """Name and pixels of the photographs of ``val``."""
        found = []
        for stem, _, picture in pictures(val, unreadable):
            if min(picture.size) < MULTIPLE:
                continue
            classes = None if maps is None else self._classes(maps, stem, picture.size, unreadable)
            if maps is None or classes is not None:
                found.append((stem, _whole(np.asarray(picture.convert("RGB"), np.uint8), classes)))
        if not found:
            mapped = "" if maps is None else " with a class map"
            raise BadInput(f"{', '.join(map(str, val))} has no picture{mapped} to validate on; give some", field="val")
        return found

    def _hold_out(self, stems: list[str], held_out: int, paths: list[Path]) -> None:
        """Take the photographs of some names away from training: an eighth of the names at most."""
        names = list(dict.fromkeys(stems))
        total = len(names)
        if total < 2:
            raise BadInput(
                f"{', '.join(map(str, paths))} has {total} photograph that can be used, copies of one name not "
                "counted: too few to hold any out for validation; give at least 2, or others to validate on",
                field="data",
            )
        count = min(held_out, max(1, total // 8))
        self.names = names[:: total // count][:count]
        kept = np.array([stem not in self.names for stem in stems])
        self._held_out = [
            (stems[i], _whole(self._whole_of(self._pixels, i), None if self._labels is None else
                              self._whole_of(self._labels, i)[:, :, 0]))
            for i in np.flatnonzero(~kept)
        ]  # fmt: skip
        self._first, self._sizes = self._first[kept], self._sizes[kept]

    def _whole_of(self, values: torch.Tensor, i: int) -> np.ndarray:
        """One photograph, or its class map, without copying it."""
        first, (height, width) = self._first[i], self._sizes[i]
        return values[first : first + height * width].numpy().reshape(height, width, -1)

    def _move(self, device: torch.device) -> None:
        """Keep the pixels on a GPU that has room for them."""
        if device.type != "cuda":
            return
        needed = self._pixels.numel() + (0 if self._labels is None else self._labels.numel())
        if needed > torch.cuda.mem_get_info(device)[0] / 2:
            said = f"{needed / 2**30:.1f} GiB of photographs stay in the memory of the host: the GPU has too little"
            self.about = "; ".join(filter(None, (self.about, said)))
            return
        self._pixels = self._pixels.to(device)
        self._labels = None if self._labels is None else self._labels.to(device)

    @property
    def held_out(self) -> int:
        """The number of photographs that are never drawn."""
        return len(self._held_out)

    def __len__(self) -> int:
        return len(self._first)

    def images(self) -> Iterator[np.ndarray]:
        """The photographs that are drawn from, one by one.

        Yields
        ------
        uint8 [H, W, 3]
            RGB.
        """
        for first, (height, width) in zip(self._first, self._sizes, strict=True):
            yield self._pixels[first : first + height * width].view(height, width, 3).cpu().numpy()

    def _draw(self, size: int) -> _Windows:
        """Squares at random."""
        which = self.rng.integers(len(self), size=size)
        height, width = self._sizes[which].T
        top, left = self.rng.integers(height - self.crop + 1), self.rng.integers(width - self.crop + 1)
        return _Windows(self._first[which] + top * width + left, width, self.rng.random(size) < 0.5)

    def _showing(self, windows: _Windows) -> tuple[np.ndarray, torch.Tensor]:
        """Which squares show a class, and the mask of one of each square's classes, drawn at random."""
        labels = windows.cut(self._labels, self.crop)[..., 0].long()
        count = len(labels)
        at = torch.arange(count, device=labels.device)[:, None, None] * (VOID + 1)
        shares = torch.bincount((labels + at).flatten(), minlength=count * (VOID + 1)).view(count, -1) / self.crop**2
        shares[:, [0, VOID]] = 0
        drawn = torch.from_numpy(self.rng.random((count, VOID + 1))).to(labels.device)
        shown, chosen = ((shares > MIN_SHOWN) * (drawn + 1)).max(dim=1)
        return (shown > 0).cpu().numpy(), labels == chosen[:, None, None]

    def batch(self, size: int) -> torch.Tensor:
        """Random crops.

        Parameters
        ----------
        size : int
            How many.

        Returns
        -------
        torch.Tensor [size, 3, crop, crop]
            Float32 in [0, 1], where the pixels are.
        """
        if self._labels is None:
            return _scaled(self._draw(size).cut(self._pixels, self.crop))
        found, missing = [], size
        for _ in range(MAX_DRAWS):
            windows = self._draw(missing)
            shown, mask = self._showing(windows)
            if shown.any():
                some = torch.from_numpy(np.flatnonzero(shown)).to(mask.device)
                found.append(windows.of(shown).cut(self._pixels, self.crop) * mask[some][..., None])
                missing -= len(some)
            if not missing:
                return _scaled(torch.cat(found))
        raise BadInput(
            f"shows no class in any of {MAX_DRAWS} crops of {self.crop} pixels; give other maps", field="masks"
        )

    def validation(self) -> list[torch.Tensor]:
        """The photographs held out, whole but for the rows and columns beyond the last multiple of 16.

        Returns
        -------
        list of torch.Tensor [1, 3, H, W]
            Float32 in [0, 1].
        """
        return [_scaled(torch.from_numpy(image)[None]) for _, image in self._held_out]


def _whole(image: np.ndarray, classes: np.ndarray | None) -> np.ndarray:
    """A photograph cut to sides that networks take, black outside the largest class of its map."""
    top, left = (side % MULTIPLE // 2 for side in image.shape[:2])
    height, width = (side - side % MULTIPLE for side in image.shape[:2])
    window = (slice(top, top + height), slice(left, left + width))
    if classes is not None:
        counts = np.bincount(classes.ravel(), minlength=VOID + 1)
        counts[[0, VOID]] = 0
        image = image * (classes == counts.argmax())[:, :, None]
    return image[window].copy()


def _scaled(pixels: torch.Tensor) -> torch.Tensor:
    """Bytes [B, H, W, 3] as networks take them."""
    return pixels.permute(0, 3, 1, 2).float().div_(255)
