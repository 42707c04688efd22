# SPDX-License-Identifier: GPL-3.0-or-later
"""Task Quality: what a machine still makes of the received picture."""

from __future__ import annotations

from collections.abc import Sequence

import pmt

from ..image.quality import TASKS
from ..segment import TaskAssessor
from . import pdu
from .held import Gathering
from .worker import worker_block


class task_quality(worker_block):
    """Does tasks on each received image, and compares what comes out with the reference of the same ``image_id``.

    Parameters
    ----------
    tasks : sequence of str
        Of :data:`~..image.quality.TASKS`: "recognition" (the class of each region is seen), "resegmentation" (SAM finds
        it again; a second for each image), "detection" (so does its box); see :class:`~..segment.tasks.TaskAssessor`.
    roi : bool
        Whether a mask arrives as well, which is the only region; otherwise each object that the class segmenter sees in
        the reference is one.

    Raises
    ------
    BadInput
        No task, or one that is not known.
    Missing
        Weights are not here.

    Notes
    -----
    Ports: in ``reference``, ``received``, ``mask``; out ``image`` (the received image, the figures in its metadata),
    ``metrics`` (a dictionary: ``image_id`` and a figure from 0 to 1 for each task; one that does not apply is left
    out), ``status``.
    """

    last_port = "received"

    def __init__(self, tasks: Sequence[str] = TASKS, roi: bool = False):
        worker_block.__init__(self, "Task Quality", ["reference", "received", "mask"], ["image"])
        self.message_port_register_out(pmt.intern("metrics"))
        self._gathering = Gathering({"reference", "received"} | ({"mask"} if roi else set()))
        self._assess = TaskAssessor(tasks)

    def load(self) -> dict[str, str]:
        """File name to sha256 of the networks that are asked."""
        return self._assess.weights

    def is_incomplete(self) -> bool:
        """A mask may take longer than the picture."""
        return self._gathering.waits(self.last_port)

    def work_on(self, port: str, msg: pmt.pmt_base, meta: pdu.Meta) -> None:
        """One image of a pair or triple."""
        if port not in self._gathering.needed:
            return
        number = pdu.number_of(meta)
        held = self._gathering.add(number, port, (pdu.to_image(msg), meta))
        for old, known in self._gathering.overdue():
            self.report(str(old), "given up: its counterpart never arrived")
            self.fail(known, "its counterpart never arrived")
        if held is None:
            return
        received, meta = held["received"]
        targets = self._assess.targets(held["reference"][0], held["mask"][0] > 0 if "mask" in held else None)
        figures = {name: value for name, value in self._assess(received, targets).items() if value is not None}
        self.publish("metrics", pdu.message({"image_id": number} | figures))
        self.publish("image", pdu.from_image(received, meta | figures))

    def pass_failure(self, port: str, msg: pmt.pmt_base) -> None:
        """Passed on once, however many of the inputs were given up."""
        if port in self._gathering.needed and self._gathering.give_up(pdu.number_of(pdu.meta_of(msg)), port):
            self.publish("image", pdu.as_on("image", msg))
