# SPDX-License-Identifier: GPL-3.0-or-later
"""What a receiver tells of the radio: oracles of known offsets, the command, and what it advises."""

from __future__ import annotations

import json
import socket
import threading
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from gnuradio import semcom
from gnuradio.semcom import keys, recording
from gnuradio.semcom.burst.header import BurstHeader
from gnuradio.semcom.burst.seal import Seal
from gnuradio.semcom.cli import main
from gnuradio.semcom.links import probe as link
from gnuradio.semcom.probe import Probe, spectrum

RATE = 1e6
FULL = 4096


def gaussian(rng: np.random.Generator, n: int, power: float = 1.0) -> np.ndarray:
    return rng.standard_normal(2 * n, np.float32).view(np.complex64) * np.float32(np.sqrt(power / 2))


def resample(x: np.ndarray, ppm: float, half: int = 16) -> np.ndarray:
    """``x`` at instants stretched by ``ppm`` parts per million: as of a transmitter whose clock is so much faster."""
    instant = np.arange(len(x)) * (1 + ppm * 1e-6)
    whole = np.floor(instant).astype(int)
    padded, out = np.pad(x, half + 1), np.zeros(len(x), complex)
    for tap in range(1 - half, half + 1):
        offset = instant - whole - tap
        weight = np.sinc(offset) * (0.5 + 0.5 * np.cos(np.pi * offset / (half + 1)))
        out += padded[np.minimum(whole + tap + half + 1, len(padded) - 1)] * weight
    return out


def air(snr_db=20.0, count=20, level=0.1, cfo=0.02, ppm=0.0, frame=None, gap=3000) -> np.ndarray:
    """complex64: full bursts of that level in noise, with silence between them."""
    rng, frame = np.random.default_rng(1), frame or semcom.ofdm_frame()
    transmitter = semcom.burst_transmitter(frame)
    pieces = []
    for i in range(count):
        burst = transmitter.modulate(semcom.burst_header(image_id=i, n_symbols=FULL), gaussian(rng, FULL))
        pieces.append(resample(np.pad(burst, gap // 2), ppm))
    x = np.concatenate(pieces)
    x = x * np.exp(2j * np.pi * cfo * np.arange(len(x))) + gaussian(rng, len(x), frame.noise_voltage(snr_db) ** 2)
    return (level * x).astype(np.complex64)


def tone(n: int, frequency: float, power: float) -> np.ndarray:
    return np.sqrt(power) * np.exp(2j * np.pi * frequency * np.arange(n))


def probed(x: np.ndarray, frame=None):
    probe = Probe(semcom.burst_receiver(frame or semcom.ofdm_frame()))
    for piece in np.array_split(x.astype(np.complex64), 7):
        probe.take(piece)
    assert probe.samples == len(x)
    return probe.findings()


def test_a_clean_stream_has_nothing_to_find():
    found = probed(air())
    frame = semcom.ofdm_frame()
    assert (found.strange, found.clipped, found.spurs) == (0, 0, ())
    assert found.dc_dbc is None or found.dc_dbc < -40
    assert found.image_dbc is None or found.image_dbc < -35
    bursts = found.bursts
    assert (bursts.count, bursts.preambles, bursts.swapped) == (20, 20, 0)
    assert bursts.samples == frame.burst_samples(FULL)
    assert bursts.snr_db == pytest.approx(20, abs=0.2) and bursts.level_dbfs == pytest.approx(-20 + 0.05, abs=0.2)
    assert bursts.cfo == pytest.approx(0.02, abs=1e-5) and bursts.clock_ppm == pytest.approx(0, abs=1)
    assert found.noise_dbfs == pytest.approx(-20 + 20 * np.log10(frame.noise_voltage(20)), abs=0.2)
    # 56 of 64 carriers and the empty one between them, about the carrier offset
    assert np.array(found.band) == pytest.approx([0.02 - 28 / 64, 0.02 + 28 / 64], abs=0.015)


@pytest.mark.parametrize("ppm", [-40, 7, 100])
def test_the_clock_is_that_of_the_transmitter(ppm):
    assert probed(air(snr_db=15, ppm=ppm)).bursts.clock_ppm == pytest.approx(ppm, abs=1.5)


def test_short_bursts_tell_no_clock():
    rng, frame = np.random.default_rng(2), semcom.ofdm_frame()
    burst = semcom.burst_transmitter(frame).modulate(semcom.burst_header(n_symbols=100), gaussian(rng, 100))
    found = probed(np.pad(burst, 5000) + gaussian(rng, len(burst) + 10_000, 0.01)).bursts
    assert found.count == 1 and found.clock_ppm is None


@pytest.mark.parametrize("frequency", [7 / 64, 8 / 64, 7.5 / 64, -0.47, 0.3])
@pytest.mark.parametrize("dbc", [-30, -12, 6])
def test_a_spur_is_found_wherever_it_lies(frequency, dbc):
    x = air()
    x = x + tone(len(x), frequency, 0.01 * 10 ** (dbc / 10))
    found = probed(x)
    assert len(found.spurs) == 1
    assert found.spurs[0][0] == pytest.approx(frequency, abs=1e-5)
    assert found.spurs[0][1] == pytest.approx(dbc, abs=1.5)
    assert found.bursts.count == 20 and found.noise_dbfs == pytest.approx(-39.4, abs=1)


@pytest.mark.parametrize("gap", [200, 3000])
def test_bursts_and_noise_alone_make_no_lines(gap):
    for snr_db in (0, 10, 40, 300):
        assert probed(air(snr_db=snr_db, gap=gap)).spurs == ()
    noise = gaussian(np.random.default_rng(3), 2_000_000)
    for n in (100, 5000, 50_000, len(noise)):
        found = probed(noise[:n])
        assert found.spurs == () and found.band is None and found.bursts.count == 0
        assert found.dc_dbc is None and found.clipped == 0


def test_dc_and_noise_between_bursts_that_follow_at_once():
    x = air(gap=200)
    found = probed(x + 0.05 * np.exp(1j))
    assert found.dc_dbc == pytest.approx(10 * np.log10(0.0025 / 0.01), abs=0.3) and found.spurs == ()
    assert found.noise_dbfs == pytest.approx(-39.4, abs=0.5)


@pytest.mark.parametrize(("gain_db", "degrees"), [(1, 0), (0, 8), (-2, 5)])
def test_an_imbalance_of_i_and_q_is_an_image(gain_db, degrees):
    turned = 10 ** (gain_db / 20) * np.exp(1j * np.radians(degrees))
    x = air()
    found = probed((1 + turned) / 2 * x + (1 - np.conj(turned)) / 2 * x.conj())
    image = 20 * np.log10(abs(1 - np.conj(turned)) / abs(1 + turned))
    assert found.image_dbc == pytest.approx(image, abs=1)


def quantised(x: np.ndarray, bits: int) -> np.ndarray:
    steps = 2 ** (bits - 1)
    parts = np.clip(np.round(x.view(np.float32) * steps), -steps, steps - 1) / steps
    return parts.astype(np.float32).view(np.complex64)


def test_what_the_converter_clips_is_told_from_what_it_does_not():
    for bits in (8, 12, 24):
        for gain, low, high in ((1, 0, 0), (5, 0.0005, 0.05), (20, 0.2, 0.8)):
            assert low <= probed(quantised(gain * air(), bits)).clipped <= high, (bits, gain)
    # few steps, a constant envelope, a square wave that uses all of the converter
    assert probed(quantised(air(level=0.01), 8)).clipped == 0
    for bits in (8, 16):
        assert probed(quantised(tone(200_000, 0.1234, 0.98).astype(np.complex64), bits)).clipped == 0


def test_numbers_that_are_none_and_a_silent_stream():
    x = air()
    x[[5, 70_000]] = np.nan, np.inf
    found = probed(x)
    assert found.strange == 2 and found.bursts.count >= 19 and found.level_dbfs < 0
    silent = probed(np.zeros(10_000, np.complex64))
    assert (silent.level_dbfs, silent.noise_dbfs, silent.band, silent.spurs) == (None, None, None, ())
    assert probed(np.zeros(0, np.complex64)).samples == 0


def test_a_mean_spectrum_by_hand():
    """A line of known bins over a step of 20 dB, which is none."""
    mean = np.ones(4096)
    mean[1000:3000] = 100
    mean[500] = 1e4
    found = spectrum(mean, 100)
    assert [round(line.frequency * 4096) for line in found.lines] == [500 - 2048]
    assert found.lines[0].power == pytest.approx(1e4 / 4096, rel=1e-3)
    assert found.floor == pytest.approx(1) and np.array(found.band) * 4096 == pytest.approx([-1038, 942], abs=12)


@pytest.fixture
def command(capfd):
    """The command within this process: (exit status, standard output, standard error)."""

    def run(*args) -> tuple[int, str, str]:
        capfd.readouterr()
        status = main(["probe", *map(str, args)])
        return (status, *capfd.readouterr())

    return run


def record(path: Path, x: np.ndarray, **more) -> str:
    x.astype(np.complex64).tofile(path.with_suffix(".sigmf-data"))
    recording.write_metadata(path.with_suffix(".sigmf-meta"), recording.metadata(RATE, **more))
    return f"sigmf:{path}"


def test_a_bad_radio_is_told_with_what_to_do_about_it(command, tmp_path, monkeypatch):
    """Everything at once: each row says it, none is longer than the terminal is wide."""
    x = air(level=0.2, cfo=0.05, ppm=130)
    x = x + tone(len(x), 0.3, 0.04) + 0.2 * 6
    x = np.clip(x.real, -2, 1.6) + 1j * np.clip(x.imag, -0.5, 0.5)
    via = record(tmp_path / "bad", x, frequency=1e9)
    monkeypatch.setenv("COLUMNS", "60")
    status, out, err = command("--via", via)
    assert (status, err) == (0, "") and max(map(len, out.splitlines())) <= 60
    text = " ".join(out.split())
    for words in (
        "of the values of I and Q; lower --gain", "dBc; tune the radio beside the signal", "+300 kHz at",
        "dBc; move --freq a little", "correct the radio's clock", "set --freq to 10000", "I and Q in their places",
    ):  # fmt: skip
        assert words in text, text
    status, out, err = command("--via", via, "--json")
    said = json.loads(out)
    assert (status, err, said["bursts"]["count"], said["swapped_iq"]) == (0, "", 20, False)
    assert said["bursts"]["cfo_hz"] == pytest.approx(50e3, abs=100) and said["seconds"] == len(x) / RATE
    assert said["bursts"]["clock_ppm"] == pytest.approx(130, abs=5)
    assert said["advice"].keys() >= {"clipped", "DC", "clock"}


def test_a_clean_recording_needs_no_advice(command, tmp_path):
    via = record(tmp_path / "clean", air(level=0.3))
    status, out, err = command("--via", via, "--json")
    assert (status, err, json.loads(out)["advice"]) == (0, "", {})
    # and no more of it than was asked for
    status, out, err = command("--via", via, "--json", "--seconds", "0.05")
    assert json.loads(out)["samples"] == 50_000


def test_swapped_i_and_q_and_what_mends_it(command, tmp_path):
    via = record(tmp_path / "swapped", 1j * air().conj())
    status, out, _ = command("--via", via)
    assert status == 0 and "swapped; add --swap-iq" in out
    status, out, _ = command("--via", via, "--swap-iq", "--json")
    said = json.loads(out)
    assert said["bursts"]["count"] == 20 and said["bursts"]["cfo_hz"] == pytest.approx(20e3, abs=20)
    via = record(tmp_path / "right", air())
    assert "leave --swap-iq out" in command("--via", via, "--swap-iq")[1]


def test_bursts_of_another_waveform_are_found(command, tmp_path):
    frame = semcom.ofdm_frame(semcom.ofdm_params(fft_len=256, oversampling=2))
    via = record(tmp_path / "other", air(frame=frame, cfo=0.001, count=4))
    status, out, _ = command("--via", via)
    assert status == 0 and "none; add --fft-len 256 --oversampling 2" in " ".join(out.split())
    assert json.loads(command("--via", via, "--fft-len", 256, "--oversampling", 2, "--json")[1])["bursts"]["count"] == 4


def test_nothing_that_arrives_is_one_sentence(command, tmp_path, monkeypatch):
    monkeypatch.setattr(link, "PATIENCE", 0.2)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        via = f"zmq:tcp://127.0.0.1:{probe.getsockname()[1]}"
    status, out, err = command("--via", via)
    assert (status, out) == (1, "") and err.startswith("semcom: no samples arrived from zmq:") and err.count("\n") == 1
    via = record(tmp_path / "noise", gaussian(np.random.default_rng(4), 100_000))
    status, out, _ = command("--via", via)
    assert status == 0 and "none; see --freq, --gain, --fft-len and --oversampling" in " ".join(out.split())
    for args in (("--seconds", 0), ("--seconds", "nan"), ("--fft-len", 65), ("--samp-rate", -1)):
        status, out, err = command("--via", via, *args)
        assert (status, out) == (2, "") and err.count("\n") == 1


def test_samples_over_zeromq_are_probed(command, monkeypatch):
    """As many as were asked for, of a transmitter that has more."""
    import zmq

    monkeypatch.setattr(link, "PATIENCE", 5)
    pieces = np.array_split(air(count=40), 100)
    with zmq.Context() as context, context.socket(zmq.PUSH) as pushed:
        pushed.setsockopt(zmq.LINGER, 0)
        port = pushed.bind_to_random_port("tcp://127.0.0.1")
        pushed.setsockopt(zmq.SNDTIMEO, 3000)

        def send() -> None:
            with suppress(zmq.Again):  # nobody listens any more
                for piece in pieces:
                    pushed.send(piece.tobytes())

        sender = threading.Thread(target=send)
        sender.start()
        status, out, err = command("--via", f"zmq:tcp://127.0.0.1:{port}", "--seconds", 0.2, "--json")
        sender.join()
    said = json.loads(out)
    assert (status, err, said["samples"]) == (0, "", 200_000) and said["bursts"]["count"] >= 15


def sealed_air(path: Path) -> np.ndarray:
    """Half of the bursts are sealed with the key."""
    rng, frame, seal = np.random.default_rng(6), semcom.ofdm_frame(), Seal(keys.read(path))
    transmitter, pieces = semcom.burst_transmitter(frame), []
    for i in range(10):
        header = BurstHeader(
            transmission=1, image_id=i, part=0, parts=1, fragment=0, fragments=1, scheme=1, height=64, width=64, rate=1,
            scale=0, snr_enc=10, mcs=63, weights_id=0, n_symbols=900,
        )  # fmt: skip
        symbols = gaussian(rng, 900)
        if i % 2:
            header, symbols = seal.closed(header, symbols)
        pieces.append(np.pad(transmitter.modulate(semcom.burst_header(**header.fields()), symbols), 1000))
    x = np.concatenate(pieces)
    return (0.2 * (x + gaussian(rng, len(x), frame.noise_voltage(15) ** 2))).astype(np.complex64)


def test_it_is_told_whose_key_bursts_are_sealed_with(command, tmp_path):
    for name in ("ours", "theirs"):
        keys.make(tmp_path / name)
    via = record(tmp_path / "air", sealed_air(tmp_path / "ours"))
    status, out, _ = command("--via", via)
    assert status == 0 and "5; add --key with the key file of the sender" in " ".join(out.split())
    status, out, _ = command("--via", via, "--key", tmp_path / "ours")
    assert status == 0 and "5, with this key" in out
    status, out, _ = command("--via", via, "--key", tmp_path / "theirs", "--json")
    said = json.loads(out)
    assert (said["bursts"]["count"], said["bursts"]["sealed"], said["bursts"]["opened"]) == (10, 5, 0)
    assert said["advice"]["sealed"] == "give both ends the same key file"
    via = record(tmp_path / "open", air())
    assert "sealed" not in command("--via", via)[1]
    status, out, _ = command("--via", via, "--key", tmp_path / "ours")
    assert "none; a receiver with a key takes none of them; give the sender the key" in " ".join(out.split())
    status, out, err = command("--via", via, "--key", tmp_path / "nothing")
    assert (status, out) == (2, "") and err.count("\n") == 1
