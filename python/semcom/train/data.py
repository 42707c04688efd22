# SPDX-License-Identifier: GPL-3.0-or-later
"""Photographs for training, held in memory as bytes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from PIL import Image

from ..errors import BadInput
from .files import image_files, left_out, pictures, read_map

MIN_SHOWN = 0.02  # of a masked crop, for it to show a class
MAX_DRAWS = 1000  # of masked crops, until one shows a class
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


class Photographs:
    """Random crops, flipped at random, out of folders or tars of images.

    Parameters
    ----------
    paths : list of Path
        Folders or tars of JPEG, PNG or WebP.
    crop : int
        Side of the square crop in pixels; smaller images are left out.
    masks : list of Path, optional
        Folders or tars of class maps (0 background, 255 void), matched by file name (the photographs being central
        squares of the originals); with it only images that have one are used, and each crop is blacked out outside one
        class drawn at random.
    seed : int, default 0
        Of the crops.
    held_out : int, default 0
        Photographs, evenly spread over all and at most an eighth of them, that are never drawn; :meth:`validation`
        shows their centres.
    val : list of Path, optional
        Folders or tars of photographs that are held out instead, whole; none of ``paths`` with the file name of one of
        these is drawn.

    Attributes
    ----------
    about : str
        What was left out; may be empty.

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
    ):
        self.crop = crop
        self.rng = np.random.default_rng(seed)
        unreadable: list[str] = []
        self._held_out = self._whole(val, unreadable) if val else {}
        self.images: list[np.ndarray] = []
        self.maps: list[np.ndarray] = []
        names = self._read(paths, masks, unreadable)
        if held_out and not val:
            self._hold_out(names, held_out, paths)
        self.about = left_out(unreadable)

    def _read(self, paths: list[Path], masks: list[Path] | None, unreadable: list[str]) -> list[str]:
        """Read what is trained on; the names of the photographs."""
        maps = {stem: content for path in masks or [] for stem, content in image_files(path)}
        names, found, large = [], 0, 0
        for stem, _, picture in pictures(paths, unreadable):
            found += 1
            if min(picture.size) < self.crop or stem in self._held_out:
                continue
            large += 1
            if masks:
                found_map = read_map(maps, stem, unreadable)
                if found_map is None:
                    continue
                classes = fit_square(found_map, picture.size)
                if not np.any((classes > 0) & (classes < 255)):
                    continue
                self.maps.append(classes)
            self.images.append(np.asarray(picture.convert("RGB"), np.uint8))
            names.append(stem)
        where = ", ".join(map(str, paths))
        if not found:
            broken = f" that can be read; {left_out(unreadable)}" if unreadable else "; give JPEG, PNG or WebP files"
            raise BadInput(f"no image in {where}{broken}")
        if not large:
            others = " that is not held out" if self._held_out else ""
            raise BadInput(f"no image of at least {self.crop}x{self.crop} pixels in {where}{others}")
        if not self.images:
            raise unmatched(paths, masks or [])
        return names

    def _whole(self, val: list[Path], unreadable: list[str]) -> dict[str, np.ndarray]:
        """The photographs of ``val`` by name, cut to sides that networks take."""
        found = {}
        for stem, _, picture in pictures(val, unreadable):
            width, height = (side - side % MULTIPLE for side in picture.size)
            if width and height:
                left, top = (picture.width - width) // 2, (picture.height - height) // 2
                cut = picture.convert("RGB").crop((left, top, left + width, top + height))
                found[stem] = np.asarray(cut, np.uint8)
        if not found:
            raise BadInput(f"{', '.join(map(str, val))} has no picture to validate on; give some", field="val")
        return found

    def _hold_out(self, names: list[str], held_out: int, paths: list[Path]) -> None:
        """Take the centres of some photographs away from training: an eighth of them at most."""
        total = len(self.images)
        if total < 2:
            raise BadInput(
                f"{', '.join(map(str, paths))} has {total} photograph that can be used, too few to hold any out for "
                "validation; give at least 2, or others to validate on",
                field="data",
            )
        count = min(held_out, max(1, total // 8))
        taken = list(range(0, total, total // count))[:count]
        for i in taken:
            image = self.images[i]
            top, left = (image.shape[0] - self.crop) // 2, (image.shape[1] - self.crop) // 2
            self._held_out[f"{i}/{names[i]}"] = image[top : top + self.crop, left : left + self.crop]
        kept = [i for i in range(total) if i not in set(taken)]
        self.images = [self.images[i] for i in kept]
        self.maps = [self.maps[i] for i in kept] if self.maps else []

    @property
    def held_out(self) -> int:
        """The number of photographs that are never drawn."""
        return len(self._held_out)

    def __len__(self) -> int:
        return len(self.images)

    def _one(self) -> np.ndarray:
        for _ in range(MAX_DRAWS):
            index = int(self.rng.integers(len(self.images)))
            image = self.images[index]
            top = int(self.rng.integers(image.shape[0] - self.crop + 1))
            left = int(self.rng.integers(image.shape[1] - self.crop + 1))
            window = (slice(top, top + self.crop), slice(left, left + self.crop))
            patch = image[window]
            if self.maps:
                classes = self.maps[index][window]
                present = [c for c in np.unique(classes) if 0 < c < 255 and (classes == c).mean() > MIN_SHOWN]
                if not present:
                    continue
                patch = patch * (classes == self.rng.choice(present))[..., None]
            return patch[:, ::-1] if self.rng.random() < 0.5 else patch
        raise BadInput(
            f"shows no class in any of {MAX_DRAWS} crops of {self.crop} pixels; give other maps", field="masks"
        )

    def batch(self, size: int) -> torch.Tensor:
        """Random crops.

        Parameters
        ----------
        size : int
            How many.

        Returns
        -------
        torch.Tensor [size, 3, crop, crop]
            Float32 in [0, 1].
        """
        stack = np.stack([self._one() for _ in range(size)])
        return torch.from_numpy(stack).permute(0, 3, 1, 2).float().div_(255)

    def validation(self) -> list[torch.Tensor]:
        """The photographs held out.

        Returns
        -------
        list of torch.Tensor [1, 3, H, W]
            Float32 in [0, 1].
        """
        found = (torch.from_numpy(image.copy()) for image in self._held_out.values())
        return [image.permute(2, 0, 1)[None].float().div_(255) for image in found]
