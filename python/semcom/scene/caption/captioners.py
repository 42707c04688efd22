# SPDX-License-Identifier: GPL-3.0-or-later
"""Who writes the caption: a captioning network of our own or of others, or a sentence composed from the class map."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from ...errors import BadInput
from ...segment.instances import SceneObject
from .composed import describe
from .network import NetworkCaptioner
from .networks import CHECKPOINTS, TransformersCaptioner

CAPTIONERS = ("network", "composed", *CHECKPOINTS)


class Captioner(Protocol):
    """What says in one sentence what an image shows; anything of this shape can take another's place."""

    def caption(self, image: np.ndarray, labels: np.ndarray, objects: Sequence[SceneObject]) -> str:
        """A sentence about an image.

        Parameters
        ----------
        image : uint8 [H, W, 3]
            RGB.
        labels : uint8 [H, W]
            Its class map.
        objects : sequence of SceneObject
            What there is in it, the largest first.

        Returns
        -------
        str
            The sentence.
        """
        ...


class ComposedCaptioner:
    """The sentence of :func:`~.composed.describe`: no weights, milliseconds, only the segmenter's classes."""

    def caption(self, image: np.ndarray, labels: np.ndarray, objects: Sequence[SceneObject]) -> str:
        """See :class:`Captioner`."""
        return describe(image, labels, objects)


def captioner(name: str, threads: int = 2) -> Captioner:
    """The captioner of that name.

    Parameters
    ----------
    name : str
        One of ``CAPTIONERS``.
    threads : int, default 2
        Threads that a network may use.

    Returns
    -------
    Captioner
        A network is loaded when it is used first.

    Raises
    ------
    BadInput
        There is none of that name.
    Missing
        The weights of the project's own network are not here.
    """
    if name == "network":
        return NetworkCaptioner(threads=threads)
    if name == "composed":
        return ComposedCaptioner()
    if name not in CHECKPOINTS:
        raise BadInput(f"there is no captioner {name!r}; choose from {', '.join(CAPTIONERS)}")
    return TransformersCaptioner(name, threads)
