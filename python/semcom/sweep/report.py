# SPDX-License-Identifier: GPL-3.0-or-later
"""From the figures of single pictures to the record of a sweep."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from itertools import product
from typing import Any

from .. import __version__
from ..digital.kernels import kernels
from ..image.quality import TASKS
from .settings import REALISATION_STEP, SweepSettings
from .tasks import Condition, Figures

Place = tuple[str, str | None, Condition]

SNR = "Es/N0 per complex symbol of unit average power, complex noise, dB"
MEANINGS = {
    "psnr_db": "mean over pictures that arrived, whole frame, dB",
    "roi_psnr_db": "the same within the region of interest; null where none was asked for",
    "psnr_outage_db": "what the named share of all pictures does not exceed; null with too few pictures to tell, or "
    "where that share did not arrive at all",
    "undecodable": "pictures of which bursts arrived but nothing could be decoded; mid-grey in the means",
    "payload_kn": "complex channel uses of the payload per real source value",
    "air_kn": "the same with pilots; burst headers are counted in header_bits, per image",
    "seconds": "per picture, one thread",
}
OUTAGES = (0.1, 0.01)


def report(
    settings: SweepSettings,
    names: Sequence[str],
    rates: Sequence[str | None],
    weights: Mapping[str, str],
    results: Mapping[Place, Figures],
    failures: Mapping[tuple[str, str | None], str],
) -> dict[str, Any]:
    """The JSON object of a sweep: what was measured, of what, and how to measure it again.

    Parameters
    ----------
    settings : SweepSettings
        Of the sweep.
    names : sequence of str
        Of all images.
    rates : sequence of str or None
        k/n as text; None for the scheme's own.
    weights : mapping of str to str
        File name to sha256 of the weights in use.
    results : mapping
        (image, rate, condition) to figures.
    failures : mapping
        (image, rate) to what went wrong.

    Returns
    -------
    dict
        What JSON can hold.
    """
    scheme, options = settings.scheme_options()
    points = []
    for rate, condition in product(rates, settings.points()):
        figures = {name: results[name, rate, condition] for name in names if (name, rate, condition) in results}
        if figures:
            points.append(_point(rate, condition, figures))
    return {
        "what": f"{scheme.name} at symbol level: {len(names)} images, {len(points)} points",
        "command": settings.command(),
        "version": __version__,
        "scheme": scheme.name,
        "variant": scheme.label(options) or None,
        "options": asdict(options),
        "weights": dict(weights),
        "region": asdict(settings.treated) if settings.region.prompts else None,
        "level": "symbol",
        "snr": SNR,
        "meanings": MEANINGS,
        "seed": settings.seed,
        "seeds": settings.seeds,
        "draws": settings.draws,
        "channel_seed": f"seed + number of the image in the list + {REALISATION_STEP} x number of the realisation; "
        "the seed of `semcom loopback` for the same picture",
        "metrics": list(settings.metrics),
        "images": {"count": len(names), "names": list(names)},
        "failed": [
            {"image": name, "rate": rate, "error": why}
            for (name, rate), why in sorted(failures.items(), key=lambda item: (item[0][0], str(item[0][1])))
        ],
        "points": points,
    }


def _point(rate: str | None, condition: Condition, figures: Mapping[str, Figures]) -> dict[str, Any]:
    every = list(figures.values())
    psnrs = [value for f in every for value in f["psnr_db"]]
    values = sum(f["source_values"] for f in every)
    signal, noise = (sum(f[k] for f in every) for k in ("signal_energy", "noise_energy"))
    delivered = sum(value is not None for value in psnrs)
    return {
        "channel": condition.channel,
        "csi": condition.csi,
        "rate": rate,
        "snr_db": condition.snr_db,
        "snr_enc_db": condition.snr_enc_db,
        "k_factor_db": condition.k_factor_db if condition.channel == "rician" else None,
        "lose": condition.lose,
        "images": len(every),
        "pictures": len(psnrs),
        "delivered": delivered,
        "psnr_db": _mean(psnrs),
        "psnr_outage_db": {f"{share:g}": outage(psnrs, share) for share in OUTAGES},
        "roi_psnr_db": _mean([value for f in every for value in f["roi_psnr_db"]]),
        "ms_ssim": _mean([value for f in every for value in f["ms_ssim"]]),
        "st_lpips": _mean([value for f in every for value in f["st_lpips"]]),
        **{task: mean for task in TASKS if (mean := _mean(_all(every, task))) is not None},
        "snr_measured_db": round(10 * math.log10(signal / noise), 4) if signal > 0 and noise > 0 else None,
        "payload_kn": sum(f["payload_uses"] for f in every) / values,
        "air_kn": sum(f["air_uses"] for f in every) / values,
        "header_bits": kernels().HEADER_BITS * sum(f["fragments"] for f in every) / len(every),
        "fragments": sum(f["fragments"] * len(f["psnr_db"]) for f in every),
        "lost": sum(sum(f["lost"]) for f in every),
        "undecodable": sum(f["undecodable"] for f in every),
        "seconds": {
            "encode": round(sum(f["encode_seconds"] for f in every) / len(every), 4),
            "decode": round(sum(f["decode_seconds"] for f in every) / delivered, 4) if delivered else None,
        },
        "psnr_db_by_image": {name: _mean(f["psnr_db"]) for name, f in figures.items()},
    }


def _all(figures: Sequence[Figures], name: str) -> list[float | None]:
    # a journal of before there were tasks has none
    return [value for each in figures for value in each.get(name, ())]


def outage(psnrs: Sequence[float | None], share: float) -> float | None:
    """The PSNR that ``share`` of the pictures do not exceed, those that did not arrive the worst of all.

    Parameters
    ----------
    psnrs : sequence of float or None
        dB; None for a picture that did not arrive.
    share : float
        0 to 1.

    Returns
    -------
    float or None
        dB; None where that is a picture that did not arrive, or where there are fewer than 1/share pictures.
    """
    count = math.ceil(share * len(psnrs) - 1e-9)
    if len(psnrs) * share < 1 - 1e-9:
        return None
    value = sorted(-math.inf if p is None else p for p in psnrs)[count - 1]
    return round(value, 4) if math.isfinite(value) else None


def _mean(values: Sequence[float | None]) -> float | None:
    """Of those that there are; None for none, or when one is infinite."""
    known = [value for value in values if value is not None]
    mean = sum(known) / len(known) if known else math.nan
    return round(mean, 4) if math.isfinite(mean) else None
