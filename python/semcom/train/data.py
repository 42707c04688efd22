# SPDX-License-Identifier: GPL-3.0-or-later
"""Photographs for training, held in memory as bytes."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from ..errors import BadInput
from .files import image_files


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
        Photographs, evenly spread over all, that are never drawn; :meth:`validation` shows their centres.
    """

    def __init__(self, paths: list[Path], crop: int, masks: list[Path] | None = None, seed: int = 0, held_out: int = 0):
        self.crop = crop
        self.rng = np.random.default_rng(seed)
        labels = {stem: data for path in masks or [] for stem, data in image_files(path)}
        self.images: list[np.ndarray] = []
        self.maps: list[np.ndarray] = []
        for path in paths:
            for stem, data in image_files(path):
                picture = Image.open(io.BytesIO(data)).convert("RGB")
                if min(picture.size) < crop:
                    continue
                if masks:
                    key = stem.removeprefix("voc2012_").removesuffix("_full")
                    if key not in labels:
                        continue
                    self.maps.append(fit_square(Image.open(io.BytesIO(labels[key])), picture.size))
                self.images.append(np.asarray(picture, np.uint8))
        if not self.images:
            raise BadInput(f"no image of at least {crop}x{crop} pixels in {', '.join(map(str, paths))}")
        taken = range(0, len(self.images), max(1, len(self.images) // held_out)) if held_out else ()
        self._held_out = [self.images[i] for i in taken][:held_out]
        if self._held_out and len(self.images) > held_out:
            kept = [i for i in range(len(self.images)) if i not in set(taken[:held_out])]
            self.images = [self.images[i] for i in kept]
            self.maps = [self.maps[i] for i in kept] if self.maps else []

    def __len__(self) -> int:
        return len(self.images)

    def _one(self) -> np.ndarray:
        while True:
            index = int(self.rng.integers(len(self.images)))
            image = self.images[index]
            top = int(self.rng.integers(image.shape[0] - self.crop + 1))
            left = int(self.rng.integers(image.shape[1] - self.crop + 1))
            window = (slice(top, top + self.crop), slice(left, left + self.crop))
            patch = image[window]
            if self.maps:
                classes = self.maps[index][window]
                present = [c for c in np.unique(classes) if 0 < c < 255 and (classes == c).mean() > 0.02]
                if not present:
                    continue
                patch = patch * (classes == self.rng.choice(present))[..., None]
            return patch[:, ::-1] if self.rng.random() < 0.5 else patch

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

    def validation(self) -> torch.Tensor:
        """[held_out,3,crop,crop] in [0,1]: the centres of the photographs held out."""
        squares = []
        for image in self._held_out:
            top, left = (image.shape[0] - self.crop) // 2, (image.shape[1] - self.crop) // 2
            squares.append(image[top : top + self.crop, left : left + self.crop])
        return torch.from_numpy(np.stack(squares)).permute(0, 3, 1, 2).float().div_(255)
