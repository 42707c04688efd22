# SPDX-License-Identifier: GPL-3.0-or-later
"""Image Quality: how good the received picture is."""

from __future__ import annotations

import pmt

from ..image.quality import Assessor
from . import pdu
from .held import Gathering
from .worker import worker_block


class image_quality(worker_block):
    """Compares each received image with the reference of the same ``image_id``.

    Parameters
    ----------
    roi : bool
        Whether a mask arrives as well, and ROI-PSNR is measured.
    ms_ssim, st_lpips : bool
        Whether these metrics are measured too.
    psnr : bool
        Whether PSNR, and ROI-PSNR where a mask arrives, are measured.

    Notes
    -----
    Ports: in ``reference`` (what the coder was given), ``received``, ``mask``; out ``image`` (the received image, the
    figures in its metadata), ``metrics`` (a dictionary: ``image_id``, ``psnr_db``, ``roi_psnr_db``, ``ms_ssim``,
    ``st_lpips``, and with a mask ``share``, the share of the image inside it, and its ``score``; a figure that does not
    apply is left out), ``status``. PSNR is over RGB bytes; ROI-PSNR over the mask
    only.
    """

    last_port = "received"

    def __init__(self, roi: bool = False, ms_ssim: bool = True, st_lpips: bool = False, psnr: bool = True):
        worker_block.__init__(self, "Image Quality", ["reference", "received", "mask"], ["image"])
        self.message_port_register_out(pmt.intern("metrics"))
        self._gathering = Gathering({"reference", "received"} | ({"mask"} if roi else set()))
        self._assess = Assessor(ms_ssim=ms_ssim, st_lpips=st_lpips, psnr=psnr)

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
        reference, (received, meta) = held["reference"][0], held["received"]
        mask = held["mask"][0] > 0 if "mask" in held else None
        figures = self._assess(reference, received, mask)
        known = {k: v for k, v in figures.items() if v is not None}
        if mask is not None:
            known |= {"share": float(mask.mean())} | {k: v for k, v in held["mask"][1].items() if k == "score"}
        self.publish("metrics", pdu.message({"image_id": number} | known))
        self.publish("image", pdu.from_image(received, meta | known))

    def pass_failure(self, port: str, msg: pmt.pmt_base) -> None:
        """Passed on once, however many of the inputs were given up."""
        if port in self._gathering.needed and self._gathering.give_up(pdu.number_of(pdu.meta_of(msg)), port):
            self.publish("image", pdu.as_on("image", msg))
