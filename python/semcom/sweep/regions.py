# SPDX-License-Identifier: GPL-3.0-or-later
"""The region of interest of each image of a sweep."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from ..errors import BadInput
from ..schemes import Region
from ..segment import ClassName, Sam, parse_prompt, validate
from ..segment.semantic import ClassSegmenter

THREADS = 1  # a sweep has a process for each core


@lru_cache(maxsize=1)
def _sam() -> Sam:
    return Sam(threads=THREADS)


@lru_cache(maxsize=1)
def _classes() -> ClassSegmenter:
    return ClassSegmenter(threads=THREADS)


def load(region: Region) -> dict[str, str]:
    """Load what the prompts need.

    Parameters
    ----------
    region : Region
        With the prompts; nothing is needed where there are none.

    Returns
    -------
    dict of str to str
        File name to sha256 of the networks.
    """
    if not region.prompts:
        return {}
    classes = any(isinstance(parse_prompt(text), ClassName) for text in region.prompts)
    return _sam().weights | (_classes().weights if classes else {})


def find(region: Region, image: np.ndarray) -> np.ndarray:
    """What the prompts mean in an image, as a SAM Segmenter finds it.

    Parameters
    ----------
    region : Region
        With prompts.
    image : uint8 [H, W, 3]
        RGB.

    Returns
    -------
    uint8 [H, W]
        255 inside, less in regions that count less, 0 outside.

    Raises
    ------
    BadInput
        A prompt that does not fit the image, or nothing found where something is made of the region.
    """
    prompts = [parse_prompt(text) for text in region.prompts]
    validate(prompts, *image.shape[:2])
    labels = _classes().segment(image) if any(isinstance(prompt, ClassName) for prompt in prompts) else None
    mask, _ = _sam().rank(_sam().embed(image), prompts, labels, apart=region.levels)
    if region.roi != "whole" and not mask.any():
        raise BadInput(f"nothing in the image is what the prompts mean ({', '.join(region.prompts)}); it is not sent")
    return mask
