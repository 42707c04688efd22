# SPDX-License-Identifier: GPL-3.0-or-later
"""What every back-end of SAM does: an image becomes an embedding, and questions about it become masks and scores."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from PIL import Image

from ..masks import SIDE, Embedding, sides

PADDING = -1.0
"""Label of a point that stands for none; a question without a box needs one."""

_MEAN = np.array([123.675, 116.28, 103.53], np.float32)
_DEVIATION = np.array([58.395, 57.12, 57.375], np.float32)


class Answers(Protocol):
    """The answers to some questions; masks are drawn when they are asked for.

    Attributes
    ----------
    scores : float32 [B, M]
        The IoU that the decoder expects of each mask. Of four the first is meant for unambiguous questions, and the
        others for a part, a larger part and the whole; a decoder that gives one mask has chosen itself.
    """

    scores: np.ndarray

    def logits(self, questions: np.ndarray, masks: np.ndarray) -> np.ndarray:
        """Some of the masks.

        Parameters
        ----------
        questions, masks : int64 [n]
            Which mask of which question.

        Returns
        -------
        float32 [n, 256, 256]
            Of a mask where above 0.
        """
        ...


class Backend(Protocol):
    """A Segment Anything Model.

    Attributes
    ----------
    weights : dict of str to str
        File name -> sha256 of what it runs on.
    """

    @property
    def weights(self) -> dict[str, str]:
        """File name -> sha256."""
        ...

    def embed(self, image: np.ndarray) -> Embedding:
        """Run the encoder.

        Parameters
        ----------
        image : uint8 [H, W, 3]
            RGB, of any size.

        Returns
        -------
        Embedding
            Of this image.
        """
        ...

    def ask(self, embedding: Embedding, points: np.ndarray, labels: np.ndarray) -> Answers:
        """Run the decoder for some questions of equally many points.

        Parameters
        ----------
        embedding : Embedding
            Of the image.
        points : float32 [B, N, 2]
            x and y in pixels of the frame.
        labels : float32 [B, N]
            0 outside, 1 inside, 2 and 3 the corners of a box, ``PADDING`` for none.

        Returns
        -------
        Answers
            To all of them.
        """
        ...


@dataclass(frozen=True)
class Drawn:
    """Answers whose masks are drawn already.

    Attributes
    ----------
    drawn : float32 [B, M, 256, 256]
        Logits.
    scores : float32 [B, M]
        The IoU that the decoder expects.
    """

    drawn: np.ndarray
    scores: np.ndarray

    def logits(self, questions: np.ndarray, masks: np.ndarray) -> np.ndarray:
        """See :class:`Answers`."""
        return self.drawn[questions, masks]


def resized(image: np.ndarray, rows: int, columns: int) -> np.ndarray:
    """The image at another size, as the published code makes it smaller and larger.

    Parameters
    ----------
    image : uint8 [H, W, 3]
        RGB.
    rows, columns : int
        Of the result.

    Returns
    -------
    uint8 [rows, columns, 3]
        RGB.
    """
    return np.asarray(Image.fromarray(image).resize((columns, rows), Image.Resampling.BILINEAR))


def normalised(image: np.ndarray) -> np.ndarray:
    """Pixels as the networks were trained to see them.

    Parameters
    ----------
    image : uint8 [H, W, 3]
        RGB.

    Returns
    -------
    float32 [3, H, W]
        Of mean 0 and deviation 1 over many photographs.
    """
    return ((image.astype(np.float32) - _MEAN) / _DEVIATION).transpose(2, 0, 1)


def frame(image: np.ndarray) -> np.ndarray:
    """The encoder's usual input: longest side to 1024, normalised, zeros right and below.

    Parameters
    ----------
    image : uint8 [H, W, 3]
        RGB.

    Returns
    -------
    float32 [1, 3, 1024, 1024]
        The frame.
    """
    rows, columns = sides(*image.shape[:2])
    made = np.zeros((1, 3, SIDE, SIDE), np.float32)
    made[0, :, :rows, :columns] = normalised(resized(image, rows, columns))
    return made
