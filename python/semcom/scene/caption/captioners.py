# SPDX-License-Identifier: GPL-3.0-or-later
"""Who writes the caption: a sentence composed from the class map, or a captioning network."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from ...errors import BadInput
from ...segment.instances import SceneObject
from .composed import describe
from .networks import CHECKPOINTS, TransformersCaptioner

CAPTIONERS = ("composed", *CHECKPOINTS)


class Captioner(Protocol):
    """What says in one sentence what an image shows; anything of this shape can take another's place."""

    def caption(self, image: np.ndarray, labels: np.ndarray, objects: Sequence[SceneObject]) -> str:
        """``image`` uint8 [H, W, 3], ``labels`` uint8 [H, W] and the objects in it -> a sentence."""
        ...


class ComposedCaptioner:
    """The sentence of :func:`~.composed.describe`: no weights, milliseconds, only the segmenter's classes."""

    def caption(self, image: np.ndarray, labels: np.ndarray, objects: Sequence[SceneObject]) -> str:
        """See :class:`Captioner`."""
        return describe(image, labels, objects)


def captioner(name: str, threads: int = 2) -> Captioner:
    """The captioner of that name, one of ``CAPTIONERS``; ``BadInput`` when there is none."""
    if name == "composed":
        return ComposedCaptioner()
    if name not in CHECKPOINTS:
        raise BadInput(f"There is no captioner {name!r}; choose from {', '.join(CAPTIONERS)}.")
    return TransformersCaptioner(name, threads)
