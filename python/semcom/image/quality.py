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
        Whether PSNR and ROI-PSNR are measured.
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
            ``psnr_db``, ``roi_psnr_db`` (None without a mask), ``ms_ssim`` (None under 161 pixels) and ``st_lpips``; a
            figure that was not asked for is None as well.
        """
        return {
            "psnr_db": metrics.psnr(reference, received) if self._psnr else None,
            "roi_psnr_db": metrics.roi_psnr(reference, received, mask) if self._psnr and mask is not None else None,
            "ms_ssim": metrics.ms_ssim(reference, received) if self._ms_ssim else None,
            "st_lpips": self._st_lpips(reference, received) if self._st_lpips else None,
        }
