# SPDX-License-Identifier: GPL-3.0-or-later
"""Task Quality: what a machine still makes of the received picture."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from ..image.quality import TASKS
from ..segment import TaskAssessor
from . import pdu
from .comparing import comparing_block


class task_quality(comparing_block):
    """Does tasks on each received image, and compares what comes out with the reference of the same image_id."""

    plotted: ClassVar[tuple[str, ...]] = TASKS

    def __init__(self, tasks: Sequence[str] = TASKS, roi: bool = False):
        """Make the block.

        Parameters
        ----------
        tasks : sequence of str
            Of :data:`~..image.quality.TASKS`: "recognition" (the class of each region is seen), "resegmentation" (SAM
            finds it again; a second for each image), "detection" (so does its box); see
            :class:`~..segment.tasks.TaskAssessor`.
        roi : bool
            Whether a mask arrives as well, which is the only region; otherwise each object that the class segmenter
            sees in the reference is one.

        Raises
        ------
        BadInput
            No task, or one that is not known.
        Missing
            Weights are not here.

        Notes
        -----
        Ports: in ``reference``, ``received``, ``mask``; out ``image`` (the received image, the figures in its
        metadata), ``metrics`` (a dictionary: ``image_id`` and a figure from 0 to 1 for each task; one that does not
        apply is left out), ``history`` (f32vector for a plot: the first task that is done, at each tenth of a second of
        the last minute), ``status``.
        """
        comparing_block.__init__(self, "Task Quality", roi)
        self._assess = TaskAssessor(tasks)

    def load(self) -> dict[str, str]:
        """File name to sha256 of the networks that are asked."""
        return self._assess.weights

    def figures(
        self, reference: np.ndarray, received: np.ndarray, mask: np.ndarray | None, of_mask: pdu.Meta
    ) -> dict[str, float | None]:
        """How well each task is done."""
        return self._assess(received, self._assess.targets(reference, mask))
