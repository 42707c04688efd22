# SPDX-License-Identifier: GPL-3.0-or-later
"""What a machine still makes of a picture that was received: recognition, re-segmentation, detection.

Tariq et al., "Segment Anything Meets Semantic Communication", 2023, name task achievability as what a semantic link
is to be judged by, and leave it open. Here the tasks are those of the project's own segmenters, on regions of the
original: a region of interest with the class that is seen in it, or all objects of the original's class map.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np

from ..errors import BadInput
from ..image.quality import TASKS
from .classes import VOID
from .detections import overlaps
from .instances import SceneObject, instances, objects
from .prompts import Box
from .sam import Sam
from .semantic import ClassSegmenter, Seen, SemanticSegmenter, look

FOUND = 0.5
"""IoU that the box of a detected object must have with that of the region, as PASCAL VOC counts."""


@dataclass(frozen=True, eq=False)
class Target:
    """A region of the original and what it shows.

    Attributes
    ----------
    mask : bool [H, W]
        The region, not empty.
    label : int
        Its class, 0 where none is seen in it.
    """

    mask: np.ndarray
    label: int

    @cached_property
    def box(self) -> tuple[int, int, int, int]:
        """x0, y0, x1, y1 in pixels, x1 and y1 exclusive."""
        rows, columns = np.flatnonzero(self.mask.any(axis=1)), np.flatnonzero(self.mask.any(axis=0))
        return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


class TaskAssessor:
    """Does tasks on a received picture and compares what comes out with the original.

    Parameters
    ----------
    tasks : sequence of str
        Of ``TASKS``.
    sam : Sam, optional
        By default one of its own, where a task needs it.
    classes : SemanticSegmenter, optional
        By default a :class:`~.semantic.ClassSegmenter`.

    Raises
    ------
    BadInput
        No task, or one that is not known.
    Missing
        Weights are not here.
    """

    def __init__(
        self, tasks: Sequence[str] = TASKS, sam: Sam | None = None, classes: SemanticSegmenter | None = None
    ) -> None:
        for task in tasks:
            if task not in TASKS:
                raise BadInput(f"{task} is not known; choose {', '.join(TASKS)}", field="tasks")
        if not tasks:
            raise BadInput(f"no task is named; choose {', '.join(TASKS)}", field="tasks")
        self.tasks = tuple(task for task in TASKS if task in tasks)
        self._classes = classes or ClassSegmenter()
        self._sam = (sam or Sam()) if "resegmentation" in tasks else None
        self._seen_in = lru_cache(maxsize=8)(self._look)

    @property
    def weights(self) -> dict[str, str]:
        """File name -> sha256 of the networks that are asked."""
        return dict(self._classes.weights) | (self._sam.weights if self._sam else {})

    def targets(self, reference: np.ndarray, mask: np.ndarray | None = None) -> list[Target]:
        """The regions of an original.

        Parameters
        ----------
        reference : uint8 [H, W, 3]
            RGB.
        mask : bool [H, W], optional
            The region of interest; by default, each object of the original's class map is one.

        Returns
        -------
        list of Target
            Empty where the mask is, or no object is seen.
        """
        seen = self._seen_in(reference.tobytes(), reference.shape)
        if mask is not None:
            return [Target(mask, majority(seen.labels, mask))] if mask.any() else []
        found = instances(seen.labels, seen.detections)
        return [Target(found.ids == number, each.label) for number, each in enumerate(found.objects)]

    def __call__(self, received: np.ndarray, targets: Sequence[Target]) -> dict[str, float | None]:
        """How well each task is done on a received picture, on average over the regions.

        Parameters
        ----------
        received : uint8 [H, W, 3]
            RGB.
        targets : sequence of Target
            Of the original, from :meth:`targets` or with what is known of them.

        Returns
        -------
        dict of str to float or None
            ``recognition``, the share of regions in which most pixels that show a class show the region's;
            ``resegmentation``, IoU of the region with what SAM finds by its box; ``detection``, the share of regions of
            which an object of the same class is found whose box has an IoU of ``FOUND`` with theirs. None where there
            is no region, or none with a class.
        """
        figures: dict[str, float | None] = dict.fromkeys(self.tasks)
        named = [target for target in targets if target.label]
        if named and {"recognition", "detection"} & set(self.tasks):
            seen = look(self._classes, received)
            if "recognition" in figures:
                figures["recognition"] = _mean(majority(seen.labels, each.mask) == each.label for each in named)
            if "detection" in figures:
                found = objects(seen.labels, seen.detections)
                figures["detection"] = _mean(_is_found(each, found) for each in named)
        if targets and self._sam is not None:
            embedding = self._sam.embed(received)
            figures["resegmentation"] = _mean(
                iou(each.mask, self._sam.segment(embedding, [Box(*map(float, each.box))]).mask) for each in targets
            )
        return figures

    def _look(self, pixels: bytes, shape: tuple[int, ...]) -> Seen:
        return look(self._classes, np.frombuffer(pixels, np.uint8).reshape(shape))


def majority(labels: np.ndarray, mask: np.ndarray) -> int:
    """The class that most pixels of a region show that show any; 0 where none does."""
    counts = np.bincount(labels[mask], minlength=VOID + 1)
    counts[[0, VOID]] = 0
    return int(counts.argmax()) if counts.any() else 0


def iou(one: np.ndarray, other: np.ndarray) -> float:
    """Intersection over union of two masks, bool [H, W]; 1 for two empty ones."""
    return np.count_nonzero(one & other) / max(np.count_nonzero(one | other), 1) if one.any() or other.any() else 1.0


def _is_found(target: Target, found: Sequence[SceneObject]) -> bool:
    boxes = np.array([each.box for each in found if each.label == target.label], np.float64).reshape(-1, 4)
    return bool((overlaps(np.array(target.box, np.float64), boxes) >= FOUND).any())


def _mean(values) -> float:
    return float(np.mean([float(value) for value in values]))
