#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""PSNR over the waveform beside symbol level, same images, SNR and schemes.

    python benchmarks/waveform.py --kodak DIR --out results/waveform.json

AWGN with 3 kHz carrier offset at 1 Msps, default burst settings; both links run as GNU Radio flowgraphs.
"""

from __future__ import annotations

import sys
import tempfile
from functools import partial
from pathlib import Path

import numpy as np
from gnuradio.semcom.links.loopback import LoopbackSettings, loopback

from common import Journal, arguments, commit, write

SNRS_DB = (1.0, 5.0, 10.0, 20.0)


def measured(files: list[Path], scheme: str, snr_db: float) -> dict:
    """Both links at one SNR."""
    row = {"scheme": scheme, "snr_db": snr_db}
    for level, offset in (("symbol", 0.0), ("waveform", 3000.0)):
        reports = []
        for seed, file in enumerate(files):
            with tempfile.TemporaryDirectory() as folder:
                settings = LoopbackSettings(
                    file, Path(folder), scheme, snr_db=snr_db, seed=seed, st_lpips=False, level=level, cfo=offset
                )
                reports.append(loopback(settings).measure())
        row[f"psnr_db_{level}"] = round(float(np.mean([r["psnr_db"] for r in reports])), 3)
        row[f"air_uses_over_payload_{level}"] = round(reports[0]["air_uses"] / reports[0]["payload_uses"], 4)
        row[f"lost_{level}"] = sum(r["lost"] for r in reports)
    sys.stderr.write(f"{row}\n")
    return row


def main() -> None:
    """Measure and write the JSON."""
    parser = arguments(__doc__, smoke=True, journal=True)
    parser.add_argument("--kodak", type=Path, required=True)
    args = parser.parse_args()
    files = sorted(args.kodak.glob("*.png"))
    journal = Journal(args.journal, str(commit()), args.kodak.name)
    rows = [
        journal((scheme, snr_db), partial(measured, files, scheme, snr_db))
        for scheme in ("softcast", "samsc", "semcom")
        for snr_db in (SNRS_DB[-1:] if args.smoke else SNRS_DB)
    ]
    report = {
        "what": "mean PSNR over the Kodak images, symbol level and waveform",
        "images": len(files),
        "rows": rows,
    }
    write(args.out, report, images=[path.name for path in files], seed="index of the image", draws=1)


if __name__ == "__main__":
    main()
