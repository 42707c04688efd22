#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""PSNR over the waveform beside symbol level, same images, SNR and schemes.

    python benchmarks/waveform.py --kodak DIR --out results/waveform.json

AWGN with 3 kHz carrier offset at 1 Msps, default burst settings; both links run as GNU Radio flowgraphs.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

import numpy as np
from gnuradio.semcom.links.loopback import LoopbackSettings, loopback


def main() -> None:
    """Measure and write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kodak", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    files = sorted(args.kodak.glob("*.png"))
    rows = []
    for scheme in ("softcast", "samsc"):
        for snr_db in (1.0, 5.0, 10.0, 20.0):
            row = {"scheme": scheme, "snr_db": snr_db}
            for level, offset in (("symbol", 0.0), ("waveform", 3000.0)):
                reports = []
                for seed, file in enumerate(files):
                    with tempfile.TemporaryDirectory() as folder:
                        settings = LoopbackSettings(
                            file, Path(folder), scheme, snr_db, seed=seed, st_lpips=False, level=level, cfo=offset
                        )
                        reports.append(loopback(settings).measure())
                row[f"psnr_db_{level}"] = round(float(np.mean([r["psnr_db"] for r in reports])), 3)
                row[f"air_uses_over_payload_{level}"] = round(reports[0]["air_uses"] / reports[0]["payload_uses"], 4)
                row[f"lost_{level}"] = sum(r["lost"] for r in reports)
            rows.append(row)
            sys.stderr.write(f"{row}\n")
    report = {
        "what": "mean PSNR over the Kodak images, symbol level and waveform",
        "command": "python benchmarks/waveform.py --kodak DIR --out results/waveform.json",
        "images": len(files),
        "rows": rows,
    }
    args.out.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
