# SPDX-License-Identifier: GPL-3.0-or-later
"""ES-RIM: the picture that is painted without weights, refined by a network that sees text and maps as well."""

from __future__ import annotations

import re
import zlib

import numpy as np
from PIL import Image

from ... import values
from ...errors import BadInput
from ...segment.boundaries import boundaries
from ...zoo import onnx, weights
from ..model import MAX_STRENGTH, Scene, at_size, fraction, scaled

WORDS = 1024
"""Words that are told apart, by a checksum of their letters."""

NOISE = 32
"""Numbers of Z_N."""

CELL = 4
"""Pixels on a side of a position of the network's finer grid."""

STRIDE = 2 * CELL
"""The network takes sides that are multiples of this."""

USUAL_STRENGTH = 1.0
"""How much of what the network adds is added; 1 is as it was trained, less is more faithful, more is more vivid."""

MAX_REFINED = 2**19
"""Pixels that the network is shown at most, since it takes half a kilobyte for each; what it adds is enlarged."""

NETWORK = "esrim"
"""Name of its weights; those of one's own are called ``esrim_NAME``."""

PLAIN = "plain"
"""No network: the picture as it is painted without weights."""

AUTO = "auto"

_WORD = re.compile(r"[a-z]+|[0-9]+")


def painters() -> tuple[str, ...]:
    """What can paint a scene here, the usual one first.

    Returns
    -------
    tuple of str
        Names of weights of :class:`EsRim`, and ``PLAIN``.
    """
    known = sorted(name for name in weights.registry() if name == NETWORK or name.startswith(f"{NETWORK}_"))
    return (*known, PLAIN)


def checked_painter(name: str) -> str:
    """The painter that a text names.

    Parameters
    ----------
    name : str
        One of :func:`painters`, or "auto" or nothing for the usual one.

    Returns
    -------
    str
        One of :func:`painters`.

    Raises
    ------
    BadInput
        There is none of that name.
    """
    if name == PLAIN:  # of every preview; what else there is need not be looked for
        return PLAIN
    known = painters()
    if name in ("", AUTO):
        return known[0]
    if name not in known:
        raise BadInput(f"must be {AUTO}, {' or '.join(known)}, got {values.shown(name)}", field="painter")
    return name


def checked_strength(strength: float, told: float = 1.0) -> float:
    """How much of what a network adds is added.

    Parameters
    ----------
    strength : float
        0 to ``MAX_STRENGTH``, as the receiver wants it.
    told : float, default 1
        What the scene says of that.

    Returns
    -------
    float
        Their product, at most ``MAX_STRENGTH``.

    Raises
    ------
    BadInput
        A strength out of range.
    """
    return min(MAX_STRENGTH, told * values.number(strength, "strength", 0, MAX_STRENGTH))


def word_counts(caption: str | None) -> np.ndarray:
    """How often each word occurs in a text.

    Parameters
    ----------
    caption : str or None
        The text.

    Returns
    -------
    float32 [WORDS]
        By the checksum of the word's letters, so that no list of words must be the same at two ends.
    """
    found = np.zeros(WORDS, np.float32)
    for word in _WORD.findall((caption or "").lower()):
        found[zlib.crc32(word.encode()) % WORDS] += 1
    return found


def maps_of(scene: Scene) -> tuple[np.ndarray, np.ndarray]:
    """What the network sees of a scene's maps.

    Parameters
    ----------
    scene : Scene
        Of a known size.

    Returns
    -------
    uint8 [H, W], float32 [2, H, W]
        The class map, 0 where it did not arrive; and 1 at the outlines of B-seg, or of A-seg without it, and 1 within
        sub-images.
    """
    size = scene.height, scene.width
    labels = np.zeros(size, np.uint8) if scene.labels is None else at_size(scene.labels, *size)
    outlined = labels if scene.segments is None else at_size(scene.segments, *size)
    drawn = np.zeros((2, *size), np.float32)
    drawn[0] = boundaries(outlined)
    for sub in scene.sub_images:
        x0, y0, x1, y1 = sub.box
        drawn[1, y0:y1, x0:x1] = 1
    return labels, drawn


class EsRim:
    """The refining network, through ONNX Runtime.

    Parameters
    ----------
    name : str, default ``NETWORK``
        Of its weights in the store.
    threads : int, default 2
        Threads that one run may use.
    provider : str, default "cpu"
        ``cpu`` or ``cuda``.

    Raises
    ------
    Missing
        The weights are not here. The network itself is loaded when it is used first.
    """

    def __init__(self, name: str = NETWORK, threads: int = 2, provider: str = "cpu") -> None:
        self._name, self._path = name, weights.find(name)
        self._settings = {"threads": threads, "provider": provider}

    @property
    def weights(self) -> dict[str, str]:
        """File name -> sha256."""
        return {self._path.name: weights.sha256(self._name)}

    def refine(self, picture: np.ndarray, scene: Scene, seed: int = 0, strength: float = USUAL_STRENGTH) -> np.ndarray:
        """The picture of a scene, refined.

        Parameters
        ----------
        picture : uint8 [H, W, 3]
            What :func:`~.reconstruction.reconstruct` painted of the scene, RGB.
        scene : Scene
            What has arrived.
        seed : int, default 0
            Of the noise: another one gives another picture of the same scene.
        strength : float, default ``USUAL_STRENGTH``
            0 to ``MAX_STRENGTH``; 0 gives the picture back.

        Returns
        -------
        uint8 [H, W, 3]
            RGB; the picture as it is where nothing but text has arrived.

        Raises
        ------
        BadInput
            A picture that is not of the scene's size, or a strength out of range.
        """
        strength = checked_strength(strength)
        _check_size(picture, scene)
        if strength == 0:
            return picture
        return with_added(picture, self.added(picture, scene, seed), strength)

    def added(self, picture: np.ndarray, scene: Scene, seed: int = 0) -> np.ndarray | None:
        """What the network adds to the picture of a scene at a strength of 1.

        Parameters
        ----------
        picture : uint8 [H, W, 3]
            See :meth:`refine`.
        scene : Scene
            See :meth:`refine`.
        seed : int, default 0
            See :meth:`refine`.

        Returns
        -------
        float32 [H, W, 3] or None
            Levels of 0 to 1, for :func:`with_added`; None where nothing but text has arrived.

        Raises
        ------
        BadInput
            A picture that is not of the scene's size.
        """
        _check_size(picture, scene)
        if scene.labels is None and scene.segments is None and not scene.sub_images:
            return None
        height, width = fraction(*picture.shape[:2], MAX_REFINED)
        if (height, width) != picture.shape[:2]:
            small = Image.fromarray(picture).resize((width, height), Image.Resampling.BOX)
            added = self.added(np.asarray(small), scaled(scene, height, width), seed)
            return np.stack([_enlarged(plane, *picture.shape[:2]) for plane in added.transpose(2, 0, 1)], axis=2)
        labels, drawn = maps_of(scene)
        margin = (0, -height % STRIDE), (0, -width % STRIDE)
        rng = np.random.default_rng(seed)
        noise = rng.standard_normal((1, NOISE)).astype(np.float32)
        labels = np.pad(labels, margin, mode="edge")
        drawn = np.pad(drawn, ((0, 0), *margin), mode="edge")
        shown = np.pad(picture, (*margin, (0, 0)), mode="edge").transpose(2, 0, 1)[None] / np.float32(255)
        feeds = {
            "picture": shown,
            "labels": labels[None, CELL // 2 :: CELL, CELL // 2 :: CELL].astype(np.int64),
            "drawn": drawn[None],
            "words": word_counts(scene.caption)[None],
            "noise": noise,
            "grain": rng.standard_normal((1, 1, *labels.shape)).astype(np.float32),
            "strength": np.ones(1, np.float32),
        }
        (refined,) = onnx.session(self._path, **self._settings).run(None, feeds)
        return (refined - shown)[0, :, :height, :width].transpose(1, 2, 0)


def with_added(picture: np.ndarray, added: np.ndarray | None, strength: float) -> np.ndarray:
    """A picture with some of what a network adds to it.

    Parameters
    ----------
    picture : uint8 [H, W, 3]
        RGB.
    added : float32 [H, W, 3] or None
        What :meth:`EsRim.added` gave.
    strength : float
        How much of it.

    Returns
    -------
    uint8 [H, W, 3]
        RGB.
    """
    if added is None:
        return picture
    return np.rint((picture + np.float32(255 * strength) * added).clip(0, 255)).astype(np.uint8)


def _enlarged(plane: np.ndarray, height: int, width: int) -> np.ndarray:
    return np.asarray(Image.fromarray(plane).resize((width, height), Image.Resampling.BILINEAR))


def _check_size(picture: np.ndarray, scene: Scene) -> None:
    if picture.dtype != np.uint8 or picture.shape != (scene.height, scene.width, 3):
        raise BadInput(
            f"the picture of this scene is uint8 [{scene.height}, {scene.width}, 3], not {picture.dtype} "
            f"{list(picture.shape)}"
        )
