# SPDX-License-Identifier: GPL-3.0-or-later
"""Sealed bursts: who has the key is heard, and nobody else."""

from __future__ import annotations

import stat
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from gnuradio import blocks, gr, semcom
from gnuradio.semcom import burst, keys, schemes
from gnuradio.semcom.blocks.image_sink import image_sink
from gnuradio.semcom.blocks.image_source import image_source
from gnuradio.semcom.burst import BurstHeader, Seal, seal
from gnuradio.semcom.errors import BadInput
from gnuradio.semcom.links.transceiver import receiver, transmitter
from PIL import Image

HEADER = BurstHeader(
    transmission=7, image_id=3, part=0, parts=1, fragment=2, fragments=5, scheme=0, height=96, width=128, rate=11,
    scale=20, snr_enc=10, mcs=63, weights_id=0, n_symbols=900,
)  # fmt: skip


@pytest.fixture
def key_file(tmp_path) -> Path:
    keys.make(tmp_path / "key")
    return tmp_path / "key"


@pytest.fixture
def key() -> keys.Key:
    return keys.Key(bytes(range(32)))


def gaussian(rng: np.random.Generator, n: int, power: float = 1.0) -> np.ndarray:
    return (rng.standard_normal((n, 2)) @ [1, 1j] * np.sqrt(power / 2)).astype(np.complex64)


def noisy(rng, symbols: np.ndarray, variance: np.ndarray) -> np.ndarray:
    return (symbols + gaussian(rng, len(symbols)) * np.sqrt(variance)).astype(np.complex64)


def test_what_was_sealed_comes_out_as_it_went_in(key):
    rng = np.random.default_rng(1)
    symbols, noise_var = gaussian(rng, 900), rng.random(1028, np.float32)
    header, sent = Seal(key).closed(HEADER, symbols)
    assert (header.n_symbols, header.sealed, header.payload) == (1028, 1, 900)
    # as strong as what it hides in, and no longer recognisable
    assert np.mean(np.abs(sent) ** 2) == pytest.approx(1, abs=0.1)
    assert abs(np.vdot(sent[:900], symbols)) < 0.2 * np.vdot(symbols, symbols).real
    inside, got, of_each = Seal(key).opened(header, sent, noise_var)
    np.testing.assert_allclose(got, symbols, atol=1e-6)
    assert inside == HEADER and sorted(set(noise_var) - set(of_each)) and set(of_each) <= set(noise_var)


@pytest.mark.parametrize("snr_db", [-3, 0, 10])
def test_the_seal_is_found_in_noise_that_differs_from_carrier_to_carrier(snr_db, key):
    rng, accepted = np.random.default_rng(2), 0
    for fragment in range(200):
        header, sent = Seal(key).closed(replace(HEADER, fragment=0, fragments=1, image_id=fragment), gaussian(rng, 900))
        variance = 10 ** (-snr_db / 10) * rng.exponential(1, len(sent))
        try:
            Seal(key).opened(header, noisy(rng, sent, variance), variance.astype(np.float32))
            accepted += 1
        except BadInput:
            pass
    assert accepted == 200


def test_what_is_made_up_passes_as_rarely_as_is_promised(key, monkeypatch):
    """The bound is checked where it can be counted: exp(-3^2 / 2) is 1.1 %, Gaussian sums give 0.13 %."""
    monkeypatch.setattr(seal, "THRESHOLD", 3.0)
    rng, passed = np.random.default_rng(3), 0
    for image_id in range(4000):
        header = replace(HEADER, n_symbols=200, sealed=1, image_id=image_id)
        try:
            Seal(key).opened(header, gaussian(rng, 200), np.full(200, 0.1, np.float32))
            passed += 1
        except BadInput:
            pass
    assert 0 < passed < 0.011 * 4000
    assert np.exp(-(6.7**2) / 2) < 2**-32


def refused(key: keys.Key, header: BurstHeader, symbols: np.ndarray, noise_var=None) -> bool:
    noise_var = np.full(len(symbols), 0.1, np.float32) if noise_var is None else noise_var
    with pytest.raises(BadInput, match=r"not of this receiver's key|not sealed"):
        Seal(key).opened(header, symbols, noise_var)
    return True


def test_nothing_of_a_burst_can_be_exchanged(key):
    rng = np.random.default_rng(4)
    header, sent = Seal(key).closed(HEADER, gaussian(rng, 900))
    for field in ("transmission", "image_id", "height", "rate", "scale", "snr_enc", "mcs", "weights_id", "scheme"):
        assert refused(key, replace(header, **{field: getattr(header, field) ^ 1}), sent)
    assert refused(key, replace(header, fragment=1), sent)
    assert refused(keys.Key(bytes(32)), header, sent)
    assert refused(key, replace(header, sealed=0), sent)
    # other symbols under a header that was copied: loud ones, few ones, and with a noise that hides the rest
    assert refused(key, header, 1e6 * gaussian(rng, 1028))
    loud = np.zeros(1028, np.complex64)
    loud[::100] = 1e9
    assert refused(key, header, loud)
    for value in (np.nan, np.inf, 0):
        assert refused(key, header, np.full(1028, value, np.complex64))
        assert refused(key, header, gaussian(rng, 1028), np.full(1028, value, np.float32))
    sure = np.full(1028, 1e6, np.float32)
    sure[:5] = 1e-9
    assert refused(key, header, gaussian(rng, 1028), sure)


def of(scheme_name: str, image: np.ndarray, number: int, key: keys.Key | None) -> list:
    scheme = schemes.get(scheme_name)
    sent = scheme.encode(image, schemes.Conditions(snr_db=10.0), scheme.options({}), None)
    return schemes.bursts(sent, scheme, "", number, 9, Seal(key) if key else None)


def outcome(reception: schemes.Reception, bursts: list) -> list:
    out = []
    for header, symbols in bursts:
        out += reception.feed(header.fields(), symbols)
    return [report for report in [*out, *reception.finish()] if isinstance(report, schemes.Image | burst.Dropped)]


@pytest.mark.parametrize("scheme", ["softcast", "semcom", "digital"])
def test_a_copycat_is_not_heard(scheme, key, smooth_image):
    """Headers that are copied, with symbols of one's own, sealed with another key or not at all, before the true."""
    rng, image = np.random.default_rng(5), smooth_image(96, 128)
    true, plain = of(scheme, image, 1, key), of(scheme, image, 1, None)
    mixed = []
    for (header, symbols), (bare, _) in zip(true, plain, strict=True):
        lie = gaussian(rng, bare.n_symbols)
        mixed += [(bare, lie), (header, gaussian(rng, len(symbols))), Seal(keys.Key(bytes(32))).closed(bare, lie)]
        mixed.append((header, symbols))
    *dropped, found = outcome(schemes.Reception(key=key), mixed)
    assert len(dropped) == 3 * len(true) and all(isinstance(drop, burst.Dropped) for drop in dropped)
    assert found.meta["lost"] == 0
    (alone,) = outcome(schemes.Reception(), plain)
    assert np.array_equal(found.decoded.image, alone.decoded.image)
    if scheme != "digital":
        assert found.meta["payload_uses"] == alone.meta["payload_uses"]


def test_a_receiver_without_the_key_says_what_it_lacks(key, smooth_image):
    *dropped, lost = outcome(schemes.Reception(), of("softcast", smooth_image(96, 128), 1, key))
    assert len(dropped) == 1 and lost.decoded is None
    assert lost.error == "it is sealed, and this receiver has no key; give it that of the sender"


def sent_and_received(tmp_path: Path, at_sender: str, at_receiver: str) -> dict:
    Image.fromarray(np.tile(np.arange(128, dtype=np.uint8)[:, None], (1, 96, 3)).reshape(128, 96, 3)).save(
        tmp_path / "a.png"
    )
    source, sink = image_source([tmp_path / "a.png"], 1, 1), image_sink(str(tmp_path / "out"))
    sender, listener = transmitter("softcast", key=at_sender), receiver(key=at_receiver)
    top = gr.top_block()
    top.msg_connect(source, "image", sender, "image")
    top.connect(sender, blocks.multiply_const_cc(0.1), listener)
    top.msg_connect(listener, "image", sink, "in")
    top.msg_connect(sink, "ack", source, "ack")
    top.msg_connect(listener, "idle", source, "idle")
    top.run()
    (result,) = sink.results
    return result


def test_sealed_pictures_cross_the_air(tmp_path, key_file):
    plain = sent_and_received(tmp_path, "", "")
    sealed = sent_and_received(tmp_path, str(key_file), str(key_file))
    assert sealed["lost"] == 0 and sealed["payload_uses"] == plain["payload_uses"]
    # the seal is counted on the air
    assert sealed["air_uses"] > plain["air_uses"]


def test_a_key_file_is_private_and_never_replaced(tmp_path, key_file, command):
    assert stat.S_IMODE(key_file.stat().st_mode) == 0o600
    content = key_file.read_bytes()
    status, _, err = command("key", key_file)
    assert status == 2 and "exists" in err and key_file.read_bytes() == content
    status, _out, err = command("key", tmp_path / "other")
    assert (status, err) == (0, "") and (tmp_path / "other").read_bytes() != content
    for wrong in (b"", b"\xff" * 32, content[:-2], b"x" + content, content * 2, b"a" * 5000):
        (tmp_path / "wrong").write_bytes(wrong)
        with pytest.raises(BadInput, match=r"semcom key FILE|at most 1,024"):
            semcom.jscc_decoder(key=str(tmp_path / "wrong"))


def test_both_ends_of_the_command_share_a_key(tmp_path, key_file, command, smooth_image):
    Image.fromarray(smooth_image(96, 128)).save(tmp_path / "a.png")
    via = f"sigmf:{tmp_path / 'air'}"
    assert command("tx", tmp_path / "a.png", "--via", via, "--scheme", "softcast", "--key", key_file)[0] == 0
    status, out, err = command("rx", "--via", via, "--out", tmp_path / "rx", "--key", key_file)
    assert (status, err) == (0, "") and "0 of" in out
    status, _, err = command("rx", "--via", via, "--out", tmp_path / "rx")
    assert status == 1 and "it is sealed, and this receiver has no key" in err
