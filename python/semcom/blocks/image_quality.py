# SPDX-License-Identifier: GPL-3.0-or-later
"""Image Quality: how good the received picture is."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from ..image.quality import Assessor
from . import pdu
from .comparing import comparing_block


class image_quality(comparing_block):
    """Compares each received image with the reference of the same image_id."""

    plotted: ClassVar[tuple[str, ...]] = ("roi_psnr_db", "psnr_db", "ms_ssim", "st_lpips")

    def __init__(self, roi: bool = False, ms_ssim: bool = True, st_lpips: bool = False, psnr: bool = True):
        """Make the block.

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
        Ports: in ``reference`` (what the coder was given), ``received``, ``mask``; out ``image`` (the received image,
        the figures in its metadata), ``metrics`` (a dictionary: ``image_id``, ``psnr_db``, ``ms_ssim``, ``st_lpips``,
        and with a mask ``roi_psnr_db``, ``roi_ms_ssim``, ``roi_st_lpips``, ``share``, the share of the image inside it,
        and its ``score``; a figure that does not apply is left out), ``history`` (f32vector for a plot: ROI-PSNR, or
        the first of PSNR, MS-SSIM and ST-LPIPS that is measured, at each tenth of a second of the last minute),
        ``status``. PSNR is over RGB bytes; for the region see :class:`~..image.quality.Assessor`.
        """
        comparing_block.__init__(self, "Image Quality", roi)
        self._assess = Assessor(ms_ssim=ms_ssim, st_lpips=st_lpips, psnr=psnr)

    def figures(
        self, reference: np.ndarray, received: np.ndarray, mask: np.ndarray | None, of_mask: pdu.Meta
    ) -> dict[str, Any]:
        """The metrics, and what is known of the mask."""
        measured = self._assess(reference, received, mask)
        return measured if mask is None else measured | {"share": float(mask.mean()), "score": of_mask.get("score")}
