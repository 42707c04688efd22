# SPDX-License-Identifier: GPL-3.0-or-later
"""What larger networks see in photographs, asked once and kept: classes by a segmenter, boxes by a detector."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from .. import plain
from ..errors import BadInput, Missing
from ..segment.classes import VOC
from ..segment.detections import distinct
from ..zoo import arrays, onnx
from .checkpoints import replace

CLASS_SCORES = "class_scores.npz"
BOXES = "boxes.npz"
MAX_WHY = 160  # characters of what a library says
MAX_CACHE = 2**35  # bytes of what a teacher said

MIN_SCORE = 0.05  # of a box that is kept
MAX_BOXES = 60
_SIDE = 416  # pixels, of the detector
_STRIDES = (8, 16, 32)
_NMS = 0.6

# index among the 80 categories of a COCO detector -> VOC label
_VOC_OF = {
    index: VOC.index(name)
    for index, name in {
        0: "person", 1: "bicycle", 2: "car", 3: "motorbike", 4: "aeroplane", 5: "bus", 6: "train", 8: "boat",
        14: "bird", 15: "cat", 16: "dog", 17: "horse", 18: "sheep", 19: "cow", 39: "bottle", 56: "chair", 57: "sofa",
        58: "pottedplant", 60: "diningtable", 62: "tvmonitor",
    }.items()
}  # fmt: skip


class SegmenterTeacher:
    """A TFLite network of VOC's classes: uint8 [1, S, S, 3] -> labels, with scores of the classes on the way.

    Parameters
    ----------
    path : Path
        The file, DeepLabv3 of 8-bit arithmetic say.

    Raises
    ------
    BadInput
        There is no such file, or it has no scores of VOC's classes.
    Missing
        LiteRT is not installed.
    """

    def __init__(self, path: Path):
        if not path.is_file():
            raise BadInput(f"{path} is no file; give a TFLite network", field="teacher")
        try:
            from ai_edge_litert.interpreter import Interpreter
        except ImportError:
            raise Missing("the teacher needs LiteRT; install it with pip install '.[train]'") from None
        try:
            self._network = Interpreter(str(path), num_threads=1, experimental_preserve_all_tensors=True)
            self._network.allocate_tensors()
            self._put = self._network.get_input_details()[0]
            tensors = self._network.get_tensor_details()
        except (ValueError, RuntimeError, IndexError, KeyError) as error:  # whatever LiteRT says of a damaged file
            why = plain.line(next(iter(str(error).splitlines()), ""), MAX_WHY)
            raise BadInput(
                f"{path} is no TFLite network that can be loaded ({why}); give another", field="teacher"
            ) from None
        scores = [each for each in tensors if len(each["shape"]) == 4 and each["shape"][3] == len(VOC)]
        if not scores:
            raise BadInput(f"{path} has no scores of {len(VOC)} classes; give a network of VOC's", field="teacher")
        self._scores = min(scores, key=lambda each: int(np.prod(each["shape"])))  # before they are enlarged

    def __call__(self, image: np.ndarray) -> np.ndarray:
        """Scores of the classes.

        Parameters
        ----------
        image : uint8 [H, W, 3]
            RGB.

        Returns
        -------
        uint8 [classes, h, w]
            Probabilities, 255 for one; h and w are the teacher's.
        """
        _, height, width, _ = self._put["shape"]
        picture = Image.fromarray(image).resize((int(width), int(height)), Image.Resampling.BILINEAR)
        self._network.set_tensor(self._put["index"], np.asarray(picture)[None])
        self._network.invoke()
        scale, zero = self._scores["quantization"]
        scores = (self._network.get_tensor(self._scores["index"])[0].astype(np.float32) - zero) * scale
        shares = np.exp(scores - scores.max(axis=2, keepdims=True))
        shares /= shares.sum(axis=2, keepdims=True)
        return np.rint(255 * shares).astype(np.uint8).transpose(2, 0, 1)


class DetectorTeacher:
    """A YOLOX detector of COCO's 80 categories (Ge et al., 2021) as ONNX, of which VOC's classes are taken.

    Parameters
    ----------
    path : Path
        The file; it takes BGR 0 to 255, float32 [1, 3, 416, 416].

    Raises
    ------
    BadInput
        It is no ONNX network.
    Missing
        There is no such file.
    """

    def __init__(self, path: Path):
        self._session = onnx.session(path, threads=1)
        cells = [np.mgrid[: _SIDE // stride, : _SIDE // stride].reshape(2, -1).T[:, ::-1] for stride in _STRIDES]
        self._cells = np.concatenate(cells)
        self._strides = np.repeat(_STRIDES, [len(each) for each in cells])[:, None]

    def __call__(self, image: np.ndarray) -> np.ndarray:
        """Boxes of the objects that have one of VOC's classes.

        Parameters
        ----------
        image : uint8 [H, W, 3]
            RGB.

        Returns
        -------
        float32 [n, 6]
            x0, y0, x1, y1 as shares of the sides, score and label; the most certain first.
        """
        picture = Image.fromarray(image).resize((_SIDE, _SIDE), Image.Resampling.BILINEAR)
        x = np.asarray(picture, np.float32)[..., ::-1].transpose(2, 0, 1)[None]
        name = self._session.get_inputs()[0].name
        found = self._session.run(None, {name: np.ascontiguousarray(x)})[0][0]
        scores = found[:, 4:5] * found[:, 5:]
        category, score = scores.argmax(axis=1), scores.max(axis=1)
        wanted = (score > MIN_SCORE) & np.isin(category, list(_VOC_OF))
        middle = (found[wanted, :2] + self._cells[wanted]) * self._strides[wanted]
        half = np.exp(found[wanted, 2:4]) * self._strides[wanted] / 2
        corners = np.clip(np.concatenate([middle - half, middle + half], axis=1) / _SIDE, 0, 1)
        label = np.array([_VOC_OF[each] for each in category[wanted].tolist()], np.int64)
        kept = distinct(corners, label, score[wanted], _NMS)[:MAX_BOXES]
        return np.column_stack([corners, score[wanted], label]).astype(np.float32)[kept]


def asked(
    teacher: Callable[[], Callable[[np.ndarray], np.ndarray]], photographs: dict[str, np.ndarray], cache: Path
) -> dict[str, np.ndarray]:
    """What a teacher says of each photograph; it is asked only for those of which the cache knows nothing.

    Parameters
    ----------
    teacher : callable
        Gives the teacher, which is loaded only where it is needed.
    photographs : dict of str to uint8 [H, W, 3]
        By name.
    cache : Path
        File that keeps what was said.

    Returns
    -------
    dict of str to numpy.ndarray
        By name.
    """
    known = arrays.load(cache, MAX_CACHE, "what a teacher said") if cache.exists() else {}
    unknown = [name for name in photographs if name not in known]
    if unknown:
        ask = teacher()
        for name in unknown:
            known[name] = ask(photographs[name])
        cache.parent.mkdir(parents=True, exist_ok=True)
        replace(cache, lambda file: np.savez_compressed(file, **known))
    return {name: known[name] for name in photographs}
