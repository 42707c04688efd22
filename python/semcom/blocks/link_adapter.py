# SPDX-License-Identifier: GPL-3.0-or-later
"""Link Adapter: how many bytes an image may take, and at which MCS they go."""

from __future__ import annotations

import math
from dataclasses import replace

import pmt

from .. import digital, values
from ..burst import snr_field
from ..errors import BadInput
from . import pdu
from .live import live
from .worker import worker_block


class link_adapter(worker_block):
    """Writes mcs, budget (bytes) and bursts into the metadata of each image, for the blocks behind it."""

    def __init__(
        self,
        rate: float = 1 / 12,
        mcs: int = -1,
        snr_db: float = 10.0,
        channel: str = "awgn",
        loss: float = 0.01,
        margin: float = digital.USUAL_MARGIN_DB,
    ):
        """Make the block.

        Parameters
        ----------
        rate : float
            Complex channel uses per real source value, k/n.
        mcs : int
            Modulation and coding scheme, or -1: the one that carries most at the SNR and loses no more than ``loss``.
        snr_db : float
            Es/N0 in dB that is expected.
        channel : str
            "awgn", "rayleigh" or "rician": fading of each burst as a whole.
        loss : float
            Share of the images that may be lost, where the MCS is chosen.
        margin : float
            By how much the SNR may be below ``snr_db`` where the MCS is chosen, dB.

        Raises
        ------
        BadInput
            A parameter that cannot be.

        Notes
        -----
        Ports: in ``image``; out ``image`` (the same with ``mcs``, ``budget``, ``bursts`` and ``snr_enc``), ``status``.
        """
        worker_block.__init__(self, "Link Adapter", ["image"], ["image"])
        self._link = digital.Link(rate, channel=channel, loss=loss, margin_db=margin)
        self.set_mcs(mcs)
        self.set_snr_db(snr_db)

    @live
    def set_snr_db(self, snr_db: float) -> None:
        """Change the Es/N0 that is expected, dB, while running."""
        snr_field(snr_db)
        self._snr_db = snr_db

    @live
    def set_rate(self, rate: float) -> None:
        """Change k/n while running."""
        self._link = replace(self._link, rate=values.number(rate, "rate", 0))

    @live
    def set_mcs(self, mcs: int) -> None:
        """Change the MCS while running; -1 to have it chosen."""
        if values.whole(mcs, "mcs", -64, 63) < -1:
            raise BadInput(f"there is no MCS {mcs}; give its index, or -1 to have it chosen")
        self._link = replace(self._link, mcs=None if mcs < 0 else mcs)

    def work_on(self, port: str, msg: pmt.pmt_base, meta: pdu.Meta) -> None:
        """One image."""
        plan = self._link.plan(math.prod(pdu.to_image(msg).shape), self._snr_db)
        known = meta | {"mcs": plan.mcs.index, "budget": plan.budget, "bursts": plan.bursts}
        known["snr_enc"] = snr_field(self._snr_db)
        self.publish("image", pmt.cons(pdu.message(known), pmt.cdr(msg)))
