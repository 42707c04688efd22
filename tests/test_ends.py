# SPDX-License-Identifier: GPL-3.0-or-later
"""Transmitter and receiver in processes of their own: over ZeroMQ, through recordings, and what cannot be opened."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
import sigmf
import zmq
from gnuradio import blocks, gr, semcom
from gnuradio.semcom import codec, digital, recording
from gnuradio.semcom.blocks.recording import recording_source
from gnuradio.semcom.errors import BadInput, Missing
from gnuradio.semcom.links.ends import PICTURE, Coding, FrontEnd, receiving_end
from PIL import Image

COMMAND = Path(sys.prefix) / "bin" / "semcom"
MAX_SECONDS = 100  # seconds that a process may take


def start(*args) -> subprocess.Popen:
    pipe = subprocess.PIPE
    return subprocess.Popen([COMMAND, *map(str, args)], stdout=pipe, stderr=pipe, text=True)


@pytest.fixture
def via() -> str:
    """An address that nobody listens at."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"zmq:tcp://127.0.0.1:{probe.getsockname()[1]}"


@pytest.fixture
def photographs(tmp_path, smooth_image) -> Path:
    folder = tmp_path / "photographs"
    folder.mkdir()
    for seed in range(3):
        Image.fromarray(smooth_image(96, 144 + 16 * seed, seed)).save(folder / f"photo{seed}.png")
    return folder


FIXED = ("--scheme", "softcast", "--allocation", "fixed")  # one part, without a map


@pytest.fixture
def recorded(tmp_path, photographs, command) -> Path:
    status, out, err = command("tx", photographs, "--via", f"sigmf:{tmp_path / 'air'}", "--transmission", 7, *FIXED)
    assert (status, err) == (0, "") and len(out.splitlines()) == 3
    return tmp_path / "air"


def psnr(received: str | Path, sent: str | Path) -> float:
    got, want = (np.asarray(Image.open(path).convert("RGB")).astype(float) for path in (received, sent))
    return 10 * np.log10(255**2 / np.mean((got - want) ** 2))


def pixels(folder: Path) -> dict[str, bytes]:
    return {file.name: np.asarray(Image.open(file)).tobytes() for file in sorted(folder.glob("*.png"))}


def test_two_processes_and_a_recording_give_the_same_pictures(via, photographs, recorded, tmp_path, command):
    """Every picture arrives, close to what was sent, and what is recorded is what went over ZeroMQ."""
    receiver = start("rx", "--via", via, "--count", 3, "--out", tmp_path / "live", "--json")
    transmitter = start("tx", photographs, "--via", via, "--json", "--transmission", 7, *FIXED)
    for process in (transmitter, receiver):
        out, err = process.communicate(timeout=MAX_SECONDS)
        assert (process.returncode, err) == (0, "")
        reports = [json.loads(line) for line in out.splitlines()]
        if process is transmitter:
            assert [report["name"] for report in reports] == ["photo0", "photo1", "photo2"]
    for report, sent in zip(reports, sorted(photographs.iterdir()), strict=True):
        received = Path(report["images"]["received"])
        assert report["lost"] == 0 and json.loads((received.parent / f"{report['image_id']:05d}.json").read_text())
        assert psnr(received, sent) > 30

    status, out, err = command("rx", "--via", f"sigmf:{recorded}", "--out", tmp_path / "replay")
    assert (status, err) == (0, "") and len(out.splitlines()) == 3
    assert len(pixels(tmp_path / "replay")) == 3 and pixels(tmp_path / "live") == pixels(tmp_path / "replay")


def test_a_network_scheme_travels_alike(astronaut, tmp_path, command):
    via = f"sigmf:{tmp_path / 'air'}"
    assert command("tx", astronaut, "--via", via, "--scheme", "semcom", "--rate", "1/48", "--samp-rate", 2e6)[0] == 0
    args = ("--via", via, "--scheme", "semcom", "--out", tmp_path, "--json")
    status, out, err = command("rx", *args)
    assert (status, err) == (0, "") and psnr(json.loads(out)["images"]["received"], astronaut) > 24


@pytest.mark.parametrize("coding", [("jpeg", 34), ("avif", "auto"), ("jpeg2000", 8)])
def test_digital_pictures_of_a_recording_are_those_that_were_coded(coding, photographs, tmp_path, command):
    """The payload comes back bit for bit: each picture is the one that the codec makes of the bytes sent."""
    name, mcs = coding
    via = f"sigmf:{tmp_path / 'air'}"
    # a rate at which JPEG's tables fit as well
    arguments = ("--scheme", "digital", "--codec", name, "--mcs", mcs, "--rate", "1/6", "--snr", 12)
    assert command("tx", photographs, "--via", via, *arguments)[0] == 0
    status, out, err = command("rx", "--via", via, "--scheme", "digital", "--out", tmp_path / "rx", "--json")
    assert (status, err) == (0, "")
    reports = [json.loads(line) for line in out.splitlines()]
    link = digital.Link(1 / 6, None if mcs == "auto" else mcs)
    for report, sent in zip(reports, sorted(photographs.iterdir()), strict=True):
        image = np.asarray(Image.open(sent))
        coded = codec.encode(image, name, link.plan(image.size, 12.0)[1]).data
        assert (report["bytes"], report["blocks_lost"]) == (len(coded), 0)
        expected = codec.decode(coded, *image.shape[:2]).image
        assert np.array_equal(np.asarray(Image.open(report["images"]["received"])), expected)


def test_a_transmitter_ends_only_when_everything_is_out(via, photographs, recorded):
    """A receiver that pauses before the end still gets every sample, the very ones that a recording has."""
    expected = recorded.with_suffix(".sigmf-data").read_bytes()
    with zmq.Context() as context, context.socket(zmq.PULL) as receiver:
        receiver.set_hwm(1)
        receiver.setsockopt(zmq.RCVBUF, 4096)
        receiver.connect(via.removeprefix("zmq:"))
        transmitter = start("tx", photographs, "--via", via, "--transmission", 7, *FIXED)
        parts, got = [], 0
        while got < len(expected) - 100_000:
            assert receiver.poll(1000 * MAX_SECONDS)
            parts.append(receiver.recv())
            got += len(parts[-1])
        # the flowgraph ends now, as its last samples fit into the queues
        assert [transmitter.stdout.readline().split(":")[0] for _ in range(3)] == ["photo0", "photo1", "photo2"]
        while got < len(expected) and receiver.poll(1000 * MAX_SECONDS):
            parts.append(receiver.recv())
            got += len(parts[-1])
        assert transmitter.wait(MAX_SECONDS) == 0
        transmitter.communicate()
    assert b"".join(parts) == expected


def test_recording_is_valid_and_annotates_every_burst(recorded):
    """By the validator of SigMF, its checksum included; bursts lie where they are said to lie, zeros elsewhere."""
    found = sigmf.sigmffile.fromfile(str(recorded.with_suffix(".sigmf-meta")))
    found.validate()
    assert found.get_global_field("core:sample_rate") == 1e6 and found.get_global_field("core:author") == "gr-semcom"
    assert "core:hw" not in found.get_global_info()
    samples = np.fromfile(recorded.with_suffix(".sigmf-data"), np.complex64)
    frame, silent = semcom.ofdm_frame(), np.ones(len(samples), bool)
    marks = found.get_annotations()
    for mark in marks:
        first, length = mark["core:sample_start"], mark["core:sample_count"]
        assert length == frame.burst_samples(mark["semcom:n_symbols"])
        assert not samples[first - 128 : first].any() and not samples[first + length : first + length + 128].any()
        # nowhere within a burst is there silence as long as a cyclic prefix
        assert all(chunk.any() for chunk in np.array_split(samples[first : first + length], length // 16))
        silent[first : first + length] = False
    assert not samples[silent].any()
    named = [(m["semcom:image_id"], m["semcom:fragment"], m["semcom:fragments"]) for m in marks]
    # 1/12 of the values of 96 x (144, 160, 176) pixels, in fragments of at most 4096
    assert named == [(0, 0, 1), (1, 0, 1), (2, 0, 2), (2, 1, 2)]


def damaged(change) -> str | bytes:
    def apply(meta: dict) -> str | bytes:
        return change(meta) or json.dumps(meta)

    return apply


LIES = {
    "is no JSON": damaged(lambda m: b"\x00\xff" + json.dumps(m).encode()),
    "is nested too deeply": damaged(lambda m: "[" * 200_000),
    "no valid SigMF": damaged(lambda m: "[1, 2]"),
    "valid SigMF": damaged(lambda m: m["captures"].append({"core:sample_start": -1})),
    "is no valid": damaged(lambda m: m["annotations"].append({"core:sample_start": "x"})),
    "rf32_le samples; record I and Q": damaged(lambda m: m["global"].update({"core:datatype": "rf32_le"})),
    "write ci16_le or ci16_be": damaged(lambda m: m["global"].update({"core:datatype": "ci16"})),
    "cf32_leX samples; convert it": damaged(lambda m: m["global"].update({"core:datatype": "cf32_leX"})),
    "more than one channel": damaged(lambda m: m["global"].update({"core:num_channels": 2})),
    "plain data file": damaged(lambda m: m["global"].update({"core:dataset": "../../etc/passwd"})),
    "headers between": damaged(lambda m: m["captures"][0].update({"core:header_bytes": 2**62})),
    "has 2000000 samples a second, not 1000000": damaged(lambda m: m["global"].update({"core:sample_rate": 2e6})),
    "bytes where at most": damaged(lambda m: " " * (recording.MAX_METADATA + 1)),
}


@pytest.fixture
def short_recording(tmp_path) -> Path:
    np.ones(1000, np.complex64).tofile(tmp_path / "short.sigmf-data")
    recording.write_metadata(tmp_path / "short.sigmf-meta", recording.metadata(1e6))
    return tmp_path / "short"


@pytest.mark.parametrize("sentence", LIES)
def test_metadata_that_lie_are_one_sentence(sentence, short_recording):
    meta = short_recording.with_suffix(".sigmf-meta")
    text = LIES[sentence](json.loads(meta.read_text()))
    meta.write_bytes(text.encode() if isinstance(text, str) else text)
    with pytest.raises(BadInput, match=sentence) as caught:
        semcom.radio_source(f"sigmf:{short_recording}", 1e6)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 400


def test_recording_without_data_or_package_is_one_sentence(short_recording, monkeypatch):
    short_recording.with_suffix(".sigmf-data").write_bytes(b"1234567")
    with pytest.raises(BadInput, match="holds no samples"):
        semcom.radio_source(f"sigmf:{short_recording}", 0)
    monkeypatch.setitem(sys.modules, "sigmf", None)
    with pytest.raises(Missing, match="pip install"):
        semcom.radio_source(f"sigmf:{short_recording}", 0)
    with pytest.raises(Missing, match="pip install"):
        semcom.radio_sink(f"sigmf:{short_recording}")


def test_of_a_truncated_recording_is_received_what_is_there(recorded, tmp_path):
    data = recorded.with_suffix(".sigmf-data")
    marks = json.loads(recorded.with_suffix(".sigmf-meta").read_text())["annotations"]
    (last,) = (m["core:sample_start"] for m in marks if m["semcom:image_id"] == 2 and m["semcom:fragment"] == 1)
    os.truncate(data, 8 * last + 3)
    receiver = start("rx", "--via", f"sigmf:{data}", "--out", tmp_path / "got", "--json")
    out, err = receiver.communicate(timeout=MAX_SECONDS)
    assert receiver.returncode == 0 and "the end is missing" in err and "Traceback" not in err
    lost = [json.loads(line)["lost"] for line in out.splitlines()]
    assert len(lost) == 3 and lost[:2] == [0, 0] and lost[2] >= 1


def test_a_recording_without_hold_ends_with_its_last_sample(short_recording):
    tb, sink = gr.top_block(), blocks.vector_sink_c()
    tb.connect(semcom.radio_source(f"sigmf:{short_recording}", 0), sink)
    tb.run()
    assert sink.data() == [1] * 1000


@pytest.mark.parametrize(
    ("via", "sentence"),
    [
        ("", "is not known"),
        ("tcp://127.0.0.1:5555", "is not known"),
        ("zmq:", "lacks what belongs behind"),
        ("zmq:nonsense", "Invalid argument"),
        ("sigmf:", "lacks what belongs behind"),
        ("sigmf:/nowhere/at/all", "/nowhere/at/all"),
        ("soapy:driver=nosuch", "connect the device"),
        ("uhd:type=b200,serial=none", "connect the device"),
        ("pluto:ip:256.0.0.1", "connect the Pluto"),
    ],
)
def test_what_cannot_be_opened_is_one_sentence(via, sentence, astronaut, tmp_path, command):
    for args in (("rx", "--out", tmp_path), ("tx", astronaut)):
        status, out, err = command(*args, "--via", via)
        assert (status, out) == (2, "") and err.startswith("semcom: ") and err.count("\n") == 1
        assert sentence in err


def test_an_address_that_is_taken_and_numbers_out_of_range(via, astronaut, tmp_path, command):
    taken = semcom.radio_sink(via)
    with pytest.raises(BadInput, match="Address already in use"):
        semcom.radio_sink(via)
    del taken
    for name, value in {"samp_rate": 0.0, "frequency": float("nan"), "gain": float("inf"), "bandwidth": -1.0}.items():
        with pytest.raises(BadInput):
            semcom.radio_sink(f"sigmf:{tmp_path / 'x'}", **{name: value})
    with pytest.raises(BadInput, match="centre frequency from"):
        semcom.radio_source("pluto:", 1e6, 6.5e9)
    with pytest.raises(BadInput, match="to 0 dB"):
        semcom.radio_sink("pluto:", gain=3.0)
    for args in (
        ("rx", "--count", 0),
        ("rx", "--idle", -1),
        ("rx", "--samp-rate", 0),
        ("rx", "--fft-len", 65),
        ("tx", astronaut, "--repeat", -1),
        ("tx", astronaut, "--amplitude", 0),
        ("tx", astronaut, "--transmission", 256),
        ("tx", astronaut, "--rate", "2"),
        ("tx", tmp_path / "nosuch.png"),
    ):
        status, _, err = command(*args, "--via", via)
        assert status == 2 and err.count("\n") == 1, err


def test_a_driver_that_does_not_load_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "gnuradio.soapy", None)
    with pytest.raises(Missing, match="Debian package gnuradio"):
        semcom.radio_source("soapy:driver=rtlsdr")


def test_a_receiver_ends_when_nobody_sends(via, tmp_path, command):
    status, out, err = command("rx", "--via", via, "--idle", 0.2, "--out", tmp_path)
    assert (status, out, err) == (1, "", "semcom: no picture was received\n")


def test_ctrl_c_ends_both_ends_with_what_came(via, photographs, tmp_path):
    """Without end on both sides; and a picture never replaces one that is there."""
    receiver = start("rx", "--via", via, "--out", tmp_path / "got")
    transmitter = start(
        "tx", photographs / "photo0.png", photographs / "photo0.png", "--via", via, "--repeat", 0, *FIXED
    )
    lines = [receiver.stdout.readline() for _ in range(3)]
    for process in (receiver, transmitter):
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=MAX_SECONDS)
        assert (process.returncode, err) == (0, "")
    assert all("0 of" in line for line in lines) and len(pixels(tmp_path / "got")) >= 3


def test_pictures_of_a_transmitter_that_starts_again_are_kept(recorded, tmp_path, command):
    for _ in range(2):
        assert command("rx", "--via", f"sigmf:{recorded}", "--out", tmp_path / "got")[0] == 0
    assert pixels(tmp_path / "got").keys() == {f"0000{i}{n}_received.png" for i in range(3) for n in ("", "_2")}


def test_what_is_written_after_the_end_of_a_recording_still_counts(recorded, tmp_path, monkeypatch):
    """A source that ends first takes with it nobody whom the demodulator waits for.

    The sink writes no picture before the recording has ended, so every acknowledgement comes after that.
    """
    ended = threading.Event()
    end = receiving_end(FrontEnd(f"sigmf:{recorded}"), Coding("auto"), tmp_path / "out")
    stop, write = recording_source.stop, semcom.image_sink._write

    def stopped(self: recording_source) -> bool:
        end._receiver.put(PICTURE)  # with the three pictures it has no room for the silence that is left
        ended.set()
        return stop(self)

    monkeypatch.setattr(recording_source, "stop", stopped)
    monkeypatch.setattr(semcom.image_sink, "_write", lambda self, *args: (ended.wait(60), write(self, *args))[1])
    received = []
    reader = threading.Thread(target=lambda: received.extend(end.pictures()), daemon=True)
    reader.start()
    reader.join(60)
    assert ended.is_set() and not reader.is_alive()
    assert [picture["lost"] for picture in received] == [0, 0, 0]
