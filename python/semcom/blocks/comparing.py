# SPDX-License-Identifier: GPL-3.0-or-later
"""The base of the blocks that judge a received image beside its reference."""

from __future__ import annotations

import time
from typing import Any, ClassVar

import numpy as np
import pmt

from . import pdu
from .held import Gathering
from .history import History
from .worker import worker_block


class comparing_block(worker_block):
    """Brings reference, received image and, where it is wanted, mask of one ``image_id`` together.

    Parameters
    ----------
    name : str
        Of the block.
    roi : bool
        Whether a mask arrives as well.

    Attributes
    ----------
    plotted : tuple of str
        Figures; the first of them that an image has is what ``history`` shows.

    Notes
    -----
    Ports: in ``reference``, ``received``, ``mask``; out ``image`` (the received image, the figures in its metadata),
    ``metrics`` (a dictionary: ``image_id`` and the figures), ``history`` (f32vector, see :class:`~.history.History`),
    ``status``.
    """

    last_port = "received"
    plotted: ClassVar[tuple[str, ...]] = ()

    def __init__(self, name: str, roi: bool):
        worker_block.__init__(self, name, ["reference", "received", "mask"], ["image"])
        for port in ("metrics", "history"):
            self.message_port_register_out(pmt.intern(port))
        self._history = History()
        self._gathering = Gathering({"reference", "received"} | ({"mask"} if roi else set()))

    def figures(
        self, reference: np.ndarray, received: np.ndarray, mask: np.ndarray | None, of_mask: pdu.Meta
    ) -> dict[str, Any]:
        """The figures of one image, None for what does not apply; to be overridden.

        Parameters
        ----------
        reference, received : uint8 [H, W, 3]
            RGB.
        mask : bool [H, W] or None
            The region of interest, where a mask arrives.
        of_mask : dict
            Metadata of the mask.

        Returns
        -------
        dict
            By name.
        """
        return {}

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
        mask, of_mask = held.get("mask", (None, {}))
        figures = self.figures(held["reference"][0], received, None if mask is None else mask > 0, of_mask)
        known = {name: value for name, value in figures.items() if value is not None}
        self.publish("metrics", pdu.message({"image_id": number} | known))
        shown = next((known[name] for name in self.plotted if name in known), None)
        past = [] if shown is None else self._history.add(shown, time.monotonic()).tolist()
        if past:  # a plot can do nothing with none, as of a first picture that equals its reference
            self.publish("history", pmt.cons(pmt.PMT_NIL, pmt.init_f32vector(len(past), past)))
        self.publish("image", pdu.from_image(received, meta | known))

    def pass_failure(self, port: str, msg: pmt.pmt_base) -> None:
        """Passed on once, however many of the inputs were given up."""
        if port in self._gathering.needed and self._gathering.give_up(pdu.number_of(pdu.meta_of(msg)), port):
            self.publish("image", pdu.as_on("image", msg))
