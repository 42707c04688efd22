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
from .render.esrim import AUTO, PLAIN, EsRim, checked_painter
from .render.reconstruction import reconstruct

EXPLAIN, CAPTION, MAP, FIDELITY, PERCEPTION = "explain", "caption", "map", "fidelity", "perception"
PURPOSES = (EXPLAIN, CAPTION, MAP, FIDELITY, PERCEPTION)

PAINTINGS = {FIDELITY: (0.0,), PERCEPTION: (None, 0.5, 0.0)}
"""How much of what a network adds a receiver may be told to take, for each purpose, None being all of it."""

Gain = Callable[[np.ndarray, Scene], float]
"""An image, uint8 RGB [H, W, 3], and a scene of it: the more, the better the receiver's picture is."""


def gain_of(purpose: str) -> Gain | None:
    """How scenes of a purpose are compared.

    Parameters
    ----------
    purpose : str
        One of ``PURPOSES``.

    Returns
    -------
    Gain or None
        PSNR of the picture that is painted without weights for ``FIDELITY``; for ``PERCEPTION`` the nearness by
        ST-LPIPS of what a receiver's usual painter makes of it; None where the purpose alone says what is sent.

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


def _fidelity(image: np.ndarray, scene: Scene) -> float:
    return psnr(image, reconstruct(scene))


def _perception(image: np.ndarray, scene: Scene) -> float:
    apart = _eye()(image, reconstruct(scene, painter=AUTO))
    return _fidelity(image, scene) if apart is None else -apart


@lru_cache(maxsize=1)
def _eye() -> StLpips:
    return StLpips()
