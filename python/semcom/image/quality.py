# SPDX-License-Identifier: GPL-3.0-or-later
"""All figures of one received picture at once."""

from __future__ import annotations

import numpy as np

from . import metrics

METRICS = ("psnr", "ms_ssim", "st_lpips")
TASKS = ("recognition", "resegmentation", "detection")
"""What a machine still makes of the picture; see :mod:`..segment.tasks`."""

Figures = dict[str, float | None]


class Assessor:
    """Compares a received picture with its reference.

    Parameters
    ----------
    ms_ssim : bool, default True
        Whether it is measured.
    st_lpips : bool, default False
        Whether it is measured; it needs ONNX Runtime and its shipped weights.
    psnr : bool, default True
        Whether it is measured.
    """

    def __init__(self, ms_ssim: bool = True, st_lpips: bool = False, psnr: bool = True):
        self._psnr, self._ms_ssim = psnr, ms_ssim
        self._st_lpips = None
        if st_lpips:
            from .stlpips import StLpips

            self._st_lpips = StLpips()

    def __call__(self, reference: np.ndarray, received: np.ndarray, mask: np.ndarray | None = None) -> Figures:
        """Compare a received picture with its reference; None stands for what does not apply.

        Parameters
        ----------
        reference, received : uint8 [H, W, 3]
            RGB.
        mask : bool [H, W], optional
            The region of interest.

        Returns
        -------
        dict of str to float or None
            ``psnr_db``, ``ms_ssim`` (None under 161 pixels) and ``st_lpips``, and the same of the region of interest as
            ``roi_psnr_db``, ``roi_ms_ssim`` and ``roi_st_lpips`` (None without a mask): the PSNR over its pixels, the
            others over the box around it, with the reference's pixels outside the mask. A figure that was not asked
            for is None as well.
        """
        inside = None if mask is None else metrics.region(reference, received, mask)
        return {
            "psnr_db": metrics.psnr(reference, received) if self._psnr else None,
            "roi_psnr_db": metrics.roi_psnr(reference, received, mask) if self._psnr and mask is not None else None,
            "ms_ssim": metrics.ms_ssim(reference, received) if self._ms_ssim else None,
            "roi_ms_ssim": metrics.ms_ssim(*inside) if self._ms_ssim and inside else None,
            "st_lpips": self._st_lpips(reference, received) if self._st_lpips else None,
            "roi_st_lpips": self._st_lpips(*inside) if self._st_lpips and inside else None,
        }
