# SPDX-License-Identifier: GPL-3.0-or-later
"""Link adaptation: the MCS for an SNR, a kind of fading and a loss that may happen."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable
from functools import lru_cache
from pathlib import Path

import numpy as np

from ..errors import BadInput
from .mcs import ADAPTIVE, Mcs

THRESHOLDS = Path(__file__).with_name("thresholds.json")
CHANNELS = ("awgn", "rayleigh", "rician")
USUAL_LOSS = 0.01
USUAL_MARGIN_DB = 0.5
MAX_MARGIN_DB = 20.0
BURSTS, BURSTS_FADING = 4, 8
"""Over which what may not be lost is spread at least, and where the channel fades."""
_DRAWS = 2000  # of the fading, to average the loss over
_GRID_DB = np.arange(-30, 50.01, 0.25)
_NODES = 32  # of the Gauss-Hermite quadrature


@lru_cache(maxsize=8)
def _information(bits: int) -> np.ndarray:
    """Bits per symbol that bit-interleaved coded modulation carries over AWGN, at each SNR of the grid.

    Caire, Taricco and Biglieri, IEEE Trans. Inf. Theory 44(3), 1998, for the Gray labels of TS 38.211; one axis of the
    constellation, by Gauss-Hermite quadrature.
    """
    per_axis = max(1, bits // 2)
    count = 1 << per_axis
    labels = np.arange(count)
    value = np.ones(count)
    for i in range(per_axis):
        sign = 1 - 2.0 * (labels >> i & 1)
        value = sign if i == 0 else sign * (2**i - value)
    value /= math.sqrt(2 * np.mean(value**2)) if bits > 1 else 1.0
    nodes, weights = np.polynomial.hermite.hermgauss(_NODES)
    weights = weights / weights.sum()
    out = np.empty(len(_GRID_DB))
    for k, snr_db in enumerate(_GRID_DB):
        variance = 10 ** (-snr_db / 10) / 2  # of the noise of one axis
        y = value[:, None] + math.sqrt(2 * variance) * nodes
        metric = -((y[..., None] - value) ** 2) / (2 * variance)
        metric -= metric.max(axis=-1, keepdims=True)
        likelihood = np.exp(metric)
        lost = 0.0
        for i in range(per_axis):
            same = (labels[:, None] >> i & 1) == (labels >> i & 1)
            lost += np.mean(np.log2(likelihood.sum(-1) / (likelihood * same[:, None]).sum(-1)) @ weights)
        out[k] = (per_axis - lost) * (2 if bits > 1 else 1)
    return np.clip(out, 0, bits)


def effective_snr_db(snr_db: np.ndarray, bits: int) -> np.ndarray:
    """SNR in dB of each of the parts of a codeword, float [..., parts] -> that of AWGN with as much mutual information.

    The mean mutual information per coded bit (Wan, Tsai and Almgren, IEEE WCNC 2006) for 2^bits-QAM.
    """
    information = _information(bits)
    mean = np.interp(snr_db, _GRID_DB, information).mean(axis=-1)
    # the curve is flat where nothing more can be learned: the last that is told apart
    rising = np.concatenate([[True], np.diff(information) > 1e-9])
    return np.interp(mean, information[rising], _GRID_DB[rising])


@lru_cache(maxsize=1)
def _measured() -> dict[int, np.ndarray]:
    """Block error rates that ``benchmarks/fec.py`` measured: MCS -> float [points, 2], SNR in dB and log10 of them."""
    table = json.loads(THRESHOLDS.read_text())["mcs"]
    out = {}
    for index, points in table.items():
        # a rate of nothing in so many blocks says that it is under one in as many
        known = [(snr, math.log10(rate if rate > 0 else 0.5 / blocks)) for snr, rate, blocks in points]
        out[int(index)] = np.array(known)
    return out


def block_error_rate(snr_db: np.ndarray | float, mcs: Mcs) -> np.ndarray:
    """Share of the code blocks of usual size that are lost over AWGN at each SNR in dB; measured, and on from there."""
    snr, rate = _measured()[mcs.index].T
    slope = min(-1.0, (rate[-1] - rate[0]) / (snr[-1] - snr[0]))  # decades per dB
    beyond = rate[-1] + slope * (np.asarray(snr_db) - snr[-1])
    logarithm = np.where(np.asarray(snr_db) > snr[-1], beyond, np.interp(snr_db, snr, rate, left=0.0))
    return 10.0**logarithm


@lru_cache(maxsize=32)
def _gains_db(channel: str, depth: int, k_factor_db: float) -> np.ndarray:
    """Power gains of the bursts of a group in dB: float [draws, depth], always the same."""
    if channel == "awgn":
        return np.zeros((1, 1))
    rng = np.random.default_rng(depth)
    h = (rng.standard_normal((_DRAWS, depth)) + 1j * rng.standard_normal((_DRAWS, depth))) / math.sqrt(2)
    if channel == "rician":
        k = 10 ** (k_factor_db / 10)
        h = math.sqrt(k / (k + 1)) + h / math.sqrt(k + 1)
    return 10 * np.log10(np.maximum(np.abs(h) ** 2, 1e-12))


def message_loss(
    snr_db: float,
    mcs: Mcs,
    *,
    blocks: int = 1,
    channel: str = "awgn",
    depth: int = 1,
    k_factor_db: float = 10.0,
    unheard_db: float = -math.inf,
) -> float:
    """Probability that a message is not received whole.

    Parameters
    ----------
    snr_db : float
        Mean Es/N0, dB.
    mcs : Mcs
        At which it is sent.
    blocks : int
        Code blocks of the message.
    channel : str
        "awgn", "rayleigh" or "rician".
    depth : int
        Bursts that the message is interleaved over, each with a fade of its own.
    k_factor_db : float
        Rician K, dB.
    unheard_db : float
        Es/N0, dB, below which nothing of a burst arrives, as its header cannot be read.

    Returns
    -------
    float
        0 to 1.
    """
    if channel not in CHANNELS:
        raise BadInput(f"the link adapter knows no channel {channel}; choose {', '.join(CHANNELS)}")
    each_db = snr_db + _gains_db(channel, depth, k_factor_db)
    each = effective_snr_db(np.where(each_db < unheard_db, -math.inf, each_db), mcs.bits)
    return float(np.mean(1 - (1 - np.minimum(1, block_error_rate(each, mcs))) ** blocks))


def spread(channel: str) -> int:
    """Over how many bursts what may not be lost is spread at least.

    Parameters
    ----------
    channel : str
        "awgn", "rayleigh" or "rician".

    Returns
    -------
    int
        More where it fades.
    """
    return BURSTS if channel == "awgn" else BURSTS_FADING


def fastest(schemes: Iterable[Mcs], survives: Callable[[Mcs], bool]) -> Mcs:
    """The scheme that carries most of those that survive; the most robust one where none does.

    Parameters
    ----------
    schemes : iterable of Mcs
        What there is to choose from.
    survives : callable
        Whether a scheme loses little enough.

    Returns
    -------
    Mcs
        One of them.
    """
    rising = sorted(schemes, key=lambda mcs: mcs.efficiency)
    return next((mcs for mcs in reversed(rising) if survives(mcs)), rising[0])


def choose(
    snr_db: float,
    symbols: int,
    *,
    loss: float = USUAL_LOSS,
    channel: str = "awgn",
    k_factor_db: float = 10.0,
) -> Mcs:
    """The MCS that carries most in ``symbols`` channel uses and loses no more than a share ``loss`` of the messages.

    Where none does, the most robust one.

    Parameters
    ----------
    snr_db : float
        Mean Es/N0, dB.
    symbols : int
        Channel uses of a message.
    loss : float
        Share of the messages that may be lost, between 0 and 1.
    channel : str
        "awgn", "rayleigh" or "rician".
    k_factor_db : float
        Rician K, dB.

    Returns
    -------
    Mcs
        The choice.

    Raises
    ------
    BadInput
        An SNR that is no number, a loss outside 0 to 1, or a channel that is not known.
    """
    from .group import layout
    from .message import span_within

    if not math.isfinite(snr_db):
        raise BadInput(f"an SNR of {snr_db} dB makes no sense; give a finite number of decibels")
    if not 0 < loss < 1:
        raise BadInput(f"a loss of {loss:g} is no share; choose one between 0 and 1, such as 0.01")

    def survives(mcs: Mcs) -> bool:
        span = span_within(symbols, mcs)
        blocks = layout(span.symbols, mcs).blocks
        lost = message_loss(snr_db, mcs, blocks=blocks, channel=channel, depth=span.depth, k_factor_db=k_factor_db)
        return lost <= loss

    return fastest(ADAPTIVE, survives)
