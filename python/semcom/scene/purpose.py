# SPDX-License-Identifier: GPL-3.0-or-later
"""What a scene is for, and how much one of them is worth."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np

from ..image.metrics import psnr
from ..image.stlpips import METRIC, StLpips
from ..zoo import weights
from .model import Scene
from .render.esrim import AUTO, PLAIN, EsRim, checked_painter, with_added
from .render.reconstruction import reconstruct

EXPLAIN, CAPTION, MAP, FIDELITY, PERCEPTION = "explain", "caption", "map", "fidelity", "perception"
PURPOSES = (EXPLAIN, CAPTION, MAP, FIDELITY, PERCEPTION)

PAINTINGS = {FIDELITY: (0.0,), PERCEPTION: (None, 0.5, 0.0)}
"""How much of what a network adds a receiver may be told to take, for each purpose, None being all of it."""

Gain = Callable[[float | None], float]
"""How much of what a network adds is taken, see ``PAINTINGS``: the more, the better the receiver's picture is."""

Judge = Callable[[Scene], Gain]
"""A scene of one image, which is rebuilt once, to what it gains."""


def judge_of(purpose: str) -> Callable[[np.ndarray], Judge] | None:
    """How scenes of a purpose are compared.

    Parameters
    ----------
    purpose : str
        One of ``PURPOSES``.

    Returns
    -------
    callable or None
        An image, uint8 RGB [H, W, 3], to the judge of its scenes: PSNR of the picture that is painted without weights
        for ``FIDELITY``; for ``PERCEPTION`` the nearness by ST-LPIPS of what a receiver's usual painter makes of it.
        None where the purpose alone says what is sent.

    Raises
    ------
    Missing
        The weights of ST-LPIPS are not here.
    """
    if purpose == FIDELITY:
        return _fidelity
    if purpose == PERCEPTION:
        _eye()
        return _perception
    return None


def weights_of(purpose: str) -> dict[str, str]:
    """What scenes of a purpose are compared by.

    Parameters
    ----------
    purpose : str
        One of ``PURPOSES``.

    Returns
    -------
    dict of str to str
        File name -> sha256 of the networks.
    """
    if purpose != PERCEPTION:
        return {}
    painter = checked_painter(AUTO)
    painted = {} if painter == PLAIN else EsRim(painter).weights
    return {weights.find(METRIC).name: weights.sha256(METRIC)} | painted


def _fidelity(image: np.ndarray) -> Judge:
    def judge(scene: Scene) -> Gain:
        found = psnr(image, reconstruct(scene))
        return lambda painting: found

    return judge


def _perception(image: np.ndarray) -> Judge:
    distance, painter = _eye().beside(image), checked_painter(AUTO)

    def judge(scene: Scene) -> Gain:
        picture = reconstruct(scene)
        added = None if painter == PLAIN else EsRim(painter).added(picture, scene)

        def gain(painting: float | None) -> float:
            painted = with_added(picture, added, 1.0 if painting is None else painting)
            apart = distance(painted)
            return psnr(image, painted) if apart is None else -apart  # None: too small for its network

        return gain

    return judge


@lru_cache(maxsize=1)
def _eye() -> StLpips:
    return StLpips()
