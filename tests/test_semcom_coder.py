# SPDX-License-Identifier: GPL-3.0-or-later
"""The semcom coder: one model over rates, SNRs, fades, losses and regions of interest, against softcast."""

from __future__ import annotations

import numpy as np
import pytest
from gnuradio.semcom import burst, schemes
from gnuradio.semcom.channel.symbol import SymbolChannel
from gnuradio.semcom.errors import BadInput
from gnuradio.semcom.image import io, metrics


def encoded(image, scheme="semcom", told=10.0, rate=None, importance=None):
    """What is sent: a map and symbols."""
    chosen = schemes.get(scheme)
    return chosen.encode(image, schemes.Conditions(rate, told), chosen.options({}), importance)


def received(image, scheme="semcom", snr_db=10.0, told=None, rate=None, model="awgn", lose=(), importance=None):
    """The picture after a channel that spares the map and, where ``lose`` names fragments, without them."""
    sent = encoded(image, scheme, snr_db if told is None else told, rate, importance)
    *maps, symbols = (part.payload for part in sent.parts)
    channel = SymbolChannel(model, float(snr_db), "ideal", seed=5)
    parts = {i: channel.apply(part) for i, part in enumerate(burst.split(symbols))}
    kept = {i: (r.symbols, r.noise_var) for i, r in parts.items() if i not in lose}
    heard, noise_var, _ = burst.join(kept, len(parts), len(symbols))
    chosen = schemes.get(scheme)
    decoder = chosen.decoder(sent.header, chosen.variant(chosen.options({})))
    for data in maps:
        decoder.feed(schemes.ReceivedPart(0, data, sent.header, intact=len(data)))
    decoder.feed(schemes.ReceivedPart(len(maps), heard, sent.header, noise_var))
    return decoder.finish().image


@pytest.fixture
def photograph(astronaut):
    return io.load(astronaut)


@pytest.mark.parametrize("rate", [1 / 48, 1 / 24, 1 / 12, 1 / 6])
def test_a_rate_is_its_uses_per_value(rate, photograph):
    """Of map and symbols together, at most; and next to nothing of them is left."""
    bursts = schemes.bursts(encoded(photograph, rate=rate), schemes.get("semcom"))
    assert 0.96 * rate < sum(len(symbols) for _, symbols in bursts) / photograph.size <= rate


@pytest.mark.parametrize(
    ("rate", "snr_db"),
    [(r, s) for r in (1 / 48, 1 / 12, 1 / 6) for s in (-2.0, 4.0, 10.0, 16.0) if r < 1 / 6 or s < 12],
)
def test_ahead_of_softcast(rate, snr_db, photograph):
    """By less where little noise and a high rate leave less to learn, and by nothing worth it in next to no noise."""

    def psnr(scheme):
        return metrics.psnr(photograph, received(photograph, scheme, snr_db, rate=rate))

    assert psnr("semcom") > psnr("softcast") + (0.1 if rate * snr_db > 1 else 0.3)


@pytest.mark.data
def test_kodak_figures(kodak):
    """Every sixth image at 1, 7 and 13 dB: what results/kodak_semcom.json was measured from."""
    for snr_db, least in ((1.0, 26.4), (7.0, 29.8), (13.0, 32.5)):
        got = [metrics.psnr(image, received(image, snr_db=snr_db)) for image in map(io.load, kodak[::6])]
        assert np.mean(got) > least


@pytest.mark.slow
def test_no_cliff(photograph):
    """Rising in SNR and rate all the way, and never by a jump."""
    by_snr = [metrics.psnr(photograph, received(photograph, snr_db=snr)) for snr in range(-4, 23, 2)]
    assert np.diff(by_snr).min() > 0 and np.diff(by_snr).max() < 2.5
    by_rate = [metrics.psnr(photograph, received(photograph, rate=n / 1536)) for n in (32, 48, 64, 96, 128, 192, 256)]
    assert np.diff(by_rate).min() > 0 and np.diff(by_rate).max() < 2.5


def test_a_wrong_snr_at_the_encoder_costs_little(photograph):
    matched = metrics.psnr(photograph, received(photograph, snr_db=1.0))
    mismatched = metrics.psnr(photograph, received(photograph, snr_db=1.0, told=10.0))
    assert mismatched > matched - 1


def test_lost_fragments_cost_little(photograph):
    whole = metrics.psnr(photograph, received(photograph))
    assert metrics.psnr(photograph, received(photograph, lose=(3,))) > whole - 2.6
    assert metrics.psnr(photograph, received(photograph, lose=(3, 7, 9, 12))) > whole - 7


def test_what_did_not_come_does_not_count(photograph):
    """A decoder must not look at symbols whose noise variance is infinite."""
    coder, image = schemes.get("semcom").coder("original"), photograph[:64, :96]
    sent = coder.encode(image)
    noise = np.full(len(sent.symbols), 0.05, np.float32)
    noise[::3] = np.inf
    junk = sent.symbols.copy()
    junk[::3] = np.nan
    assert np.array_equal(coder.decode(sent.symbols, noise, sent.header), coder.decode(junk, noise, sent.header))


def test_power_goes_where_it_matters(photograph):
    mask = np.zeros(photograph.shape[:2], bool)
    mask[0:256, 128:320] = True
    even = received(photograph, snr_db=1.0)
    uneven = received(photograph, snr_db=1.0, importance=np.where(mask, 1.0, 0.01))
    gain = metrics.roi_psnr(photograph, uneven, mask) - metrics.roi_psnr(photograph, even, mask)
    cost = metrics.roi_psnr(photograph, even, ~mask) - metrics.roi_psnr(photograph, uneven, ~mask)
    assert gain > 0.8 and cost > 0
    assert np.array_equal(received(photograph, importance=np.ones(mask.shape)), received(photograph))


@pytest.mark.parametrize("rate", [1 / 12, 1 / 48])
def test_of_what_counts_nothing_nothing_is_sent(photograph, rate):
    """The rest is the better for it, but where all of its coefficients are sent anyway and none is left to add."""
    mask = np.zeros(photograph.shape[:2], bool)
    mask[128:320, 128:320] = True
    little, nothing = (
        metrics.roi_psnr(photograph, received(photograph, rate=rate, importance=np.where(mask, 1.0, outside)), mask)
        for outside in (1 / 64, 0.0)
    )
    assert nothing > little - (1 if rate == 1 / 12 else 0)
    data, symbols = (part.payload for part in encoded(photograph, rate=rate, importance=mask.astype(float)).parts)
    patches = photograph.shape[0] // 16 * photograph.shape[1] // 16
    assert len(data) < 1000 and len(symbols) <= 256 * 12 * 12 + patches // 2


def test_a_header_of_another_model_is_refused(photograph):
    sent = schemes.get("semcom").coder("original").encode(photograph[:64, :64])
    header = burst.ImageHeader(64, 64, "semcom", 14, sent.header.scale, 10)
    with pytest.raises(BadInput, match="symbols arrived for a 64x64 image"):
        schemes.get("semcom").coder("original").decode(sent.symbols, np.ones(len(sent.symbols)), header)
