# SPDX-License-Identifier: GPL-3.0-or-later
"""From the figures of single pictures to the record of a sweep."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from itertools import product
from typing import Any

import numpy as np

from .. import __version__
from ..digital.kernels import kernels
from ..image.quality import TASKS
from ..provenance import provenance
from .settings import REALISATION_STEP, SNR_STEP, SweepSettings
from .tasks import MEASURED, Condition, Figures

Place = tuple[str, str | None, Condition]

SNR = "Es/N0 per complex symbol of unit average power, complex noise, dB"
MEANINGS = {
    "psnr_db": "mean over pictures that arrived, whole frame, dB; with a region that is cut out (masked), against the "
    "picture that is black outside of it",
    "psnr_original_db": "the same against the whole image, where the region was cut out of it",
    "roi_psnr_db": "the same within the region of interest; null where none was asked for",
    "roi_ms_ssim": "over the box around the region, with the reference's pixels outside of it, as is roi_st_lpips",
    "standard_error": "of the means, over the draws of the channel for these very images; null with a single draw. "
    "95 % of the repetitions with other seeds lie within twice as much",
    "psnr_outage_db": "what the named share of all pictures does not exceed, whether for the picture or for the fade; "
    "null with too few pictures to tell, or where that share did not arrive at all",
    "psnr_fade_outage_db": "what the named share of an image's draws does not exceed, mean over the images: of the "
    "fade alone; null with too few draws of an image to tell, or where that share of one did not arrive at all",
    "undecodable": "pictures of which bursts arrived but nothing could be decoded; mid-grey in the means",
    "payload_kn": "complex channel uses of the payload per real source value",
    "air_kn": "the same with pilots; preambles and headers of bursts are not in it: with prefixes, pilots and gaps the "
    "usual waveform takes some 1.6 uses for each of a full burst of 4,096 symbols and more for each of a short one, as "
    "`semcom loopback --level waveform` tells; header_bits are those of the headers, per image",
    "csi": "ideal: the receiver knows each burst's gain; pilot: it estimates it from 16 pilots; estimated: these tell "
    "it the noise's power as well, which it is told with all others; none: it takes 1",
    "seconds": "per picture, one thread",
}
OUTAGES = (0.1, 0.01)
QUALITIES = tuple(name for name in MEASURED if name not in TASKS)


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
        "provenance": provenance(),
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
        "channel_seed": f"seed + number of the image in the list + {REALISATION_STEP} x number of the realisation, and "
        f"over fading + {SNR_STEP} x the SNR in hundredths of a dB, modulo 2^32; the seed of `semcom loopback` for the "
        "same picture",
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
        "psnr_fade_outage_db": {f"{share:g}": fade_outage(every, share) for share in OUTAGES},
        **{name: _mean(_all(every, name)) for name in QUALITIES},
        **{task: mean for task in TASKS if (mean := _mean(_all(every, task))) is not None},
        "standard_error": {
            name: error for name in MEASURED if (error := standard_error([f.get(name, ()) for f in every])) is not None
        },
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
        "psnr_db_standard_error_by_image": {
            name: error for name, f in figures.items() if (error := standard_error([f["psnr_db"]])) is not None
        },
    }


def _all(figures: Sequence[Figures], name: str) -> list[float | None]:
    # a journal of another version may have none
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


def fade_outage(figures: Sequence[Figures], share: float) -> float | None:
    """The mean over the images of what ``share`` of the draws of each do not exceed: of the fade, not the picture.

    Parameters
    ----------
    figures : sequence of dict
        What was measured of each image; ``psnr_db`` is a list with a value for each draw.
    share : float
        0 to 1.

    Returns
    -------
    float or None
        dB; None where :func:`outage` is None for one of them.
    """
    each = [outage(f["psnr_db"], share) for f in figures]
    return None if None in each else _mean(each)


def standard_error(draws: Sequence[Sequence[float | None]]) -> float | None:
    """Of the mean over images, each with several draws of the channel; the images are no sample but fixed.

    The mean of strata (Cochran, "Sampling Techniques", 1977, section 5.3): every image has a variance of its own.

    Parameters
    ----------
    draws : sequence of sequence of float or None
        What was measured of each image; None for a picture that did not arrive.

    Returns
    -------
    float or None
        None where an image has fewer than two draws, or where one is infinite.
    """
    known = [[value for value in values if value is not None] for values in draws]
    known = [values for values in known if values]
    if not known or any(len(values) < 2 or math.inf in values for values in known):
        return None
    # each draw counts the same in the mean
    variance = sum(len(values) * float(np.var(values, ddof=1)) for values in known)
    return round(math.sqrt(variance) / sum(map(len, known)), 5)


def _mean(values: Sequence[float | None]) -> float | None:
    """Of those that there are; None for none, or when one is infinite."""
    known = [value for value in values if value is not None]
    mean = sum(known) / len(known) if known else math.nan
    return round(mean, 4) if math.isfinite(mean) else None
