# SPDX-License-Identifier: GPL-3.0-or-later
"""Control of flowgraphs: run again, stopped and started again, locked and unlocked."""

from __future__ import annotations

import gc
import hashlib
import json
import threading
import weakref

import numpy as np
import pytest
from gnuradio import analog, blocks, gr, semcom
from PIL import Image


@pytest.fixture
def photo(tmp_path, smooth_image):
    """The path of one small picture."""
    path = tmp_path / "photo.png"
    Image.fromarray(smooth_image(32, 48)).save(path)
    return path


@pytest.fixture
def recorded(tmp_path, photo):
    """The name of a recording of one picture."""
    name = tmp_path / "air"
    recording_of(photo, name).run()
    return name


def symbol_link(photo, sink, repeat: int = 1) -> gr.top_block:
    """A flowgraph whose blocks only GNU Radio holds."""
    tb = gr.top_block()
    source, encoder, decoder = semcom.image_source(str(photo), repeat, 1), semcom.jscc_encoder(), semcom.jscc_decoder()
    channel = semcom.symbol_channel("awgn", 20.0, "ideal", seed=1)
    tb.msg_connect(source, "image", encoder, "image")
    tb.msg_connect(encoder, "symbols", channel, "symbols")
    tb.msg_connect(channel, "symbols", decoder, "symbols")
    tb.msg_connect(decoder, "image", sink, "in")
    tb.msg_connect(sink, "ack", source, "ack")
    return tb


def waveform_link(photo, sink, repeat: int = 1) -> gr.top_block:
    tb = gr.top_block()
    source, sender, receiver = semcom.image_source(str(photo), repeat, 1), semcom.transmitter(), semcom.receiver()
    tb.connect(sender, receiver)
    tb.msg_connect(source, "image", sender, "image")
    tb.msg_connect(sender, "failed", source, "ack")
    tb.msg_connect(receiver, "idle", source, "idle")
    tb.msg_connect(receiver, "image", sink, "in")
    tb.msg_connect(sink, "ack", source, "ack")
    return tb


def recording_of(photo, name, repeat: int = 1) -> gr.top_block:
    tb = gr.top_block()
    source, sender = semcom.image_source(str(photo), repeat, 1), semcom.transmitter()
    radio = semcom.radio_sink(f"sigmf:{name}")
    tb.connect(sender, radio)
    tb.msg_connect(source, "image", sender, "image")
    tb.msg_connect(sender, "sent", source, "ack")
    tb.msg_connect(sender, "failed", source, "ack")
    return tb


def replay_of(name, sink) -> gr.top_block:
    tb = gr.top_block()
    radio, receiver = semcom.radio_source(f"sigmf:{name}", 0.0, hold=True), semcom.receiver()
    tb.connect(radio, receiver)
    tb.msg_connect(receiver, "idle", radio, "idle")
    tb.msg_connect(receiver, "image", sink, "in")
    return tb


def delivered(sink) -> int:
    """How many pictures arrived, none of them with a loss."""
    assert not any("error" in result or result["lost"] for result in sink.results)
    return len(sink.results)


@pytest.mark.parametrize("link", [symbol_link, waveform_link])
def test_a_flowgraph_runs_three_times(photo, link):
    """Its blocks are held by the flowgraph alone, and no end of one run is left over for the next."""
    sink = semcom.image_sink("")
    tb = link(photo, sink)
    for run in (1, 2, 3):
        gc.collect()
        tb.run()
        assert delivered(sink) == run


def test_a_replay_runs_three_times(recorded):
    sink = semcom.image_sink("")
    tb = replay_of(recorded, sink)
    for run in (1, 2, 3):
        gc.collect()
        tb.run()
        assert delivered(sink) == run


def test_runs_of_one_recording_follow_one_another(photo, recorded, tmp_path):
    """Samples, annotations, captures and hash are those of all three runs."""
    one = np.fromfile(f"{recorded}.sigmf-data", np.complex64)
    name = tmp_path / "three"
    tb = recording_of(photo, name)
    for run in (1, 2, 3):
        gc.collect()
        tb.run()
        data = (tmp_path / "three.sigmf-data").read_bytes()
        meta = json.loads((tmp_path / "three.sigmf-meta").read_text())
        assert len(data) == 8 * len(one) * run
        assert meta["global"]["core:sha512"] == hashlib.sha512(data).hexdigest()
        assert [capture["core:sample_start"] for capture in meta["captures"]] == [len(one) * n for n in range(run)]
    first, *others = np.array([mark["core:sample_start"] for mark in meta["annotations"]]).reshape(3, -1)
    assert all((other == first + len(one) * (n + 1)).all() for n, other in enumerate(others))
    sink = semcom.image_sink("")
    replay_of(name, sink).run()
    assert delivered(sink) == 3


@pytest.mark.parametrize("link", [symbol_link, waveform_link])
def test_flowgraphs_are_rebuilt_in_one_process(photo, link):
    """And those that are gone take their blocks with them."""
    gone = []
    for _ in range(5):
        sink = semcom.image_sink("")
        gone.append(weakref.ref(sink))
        tb = link(photo, sink)
        gc.collect()
        tb.run()
        assert delivered(sink) == 1
        del tb, sink
    gc.collect()
    # what a flowgraph has let go is found when the next one is built
    link(photo, semcom.image_sink(""))
    gc.collect()
    assert [ref() for ref in gone] == [None] * 5


class counter(gr.sync_block):
    """Tells when so many more samples have passed."""

    def __init__(self):
        gr.sync_block.__init__(self, "Counter", [np.complex64], None)
        self._left, self.passed = 0, threading.Event()

    def expect(self, samples: int) -> threading.Event:
        self.passed.clear()
        self._left = samples
        return self.passed

    def work(self, input_items, output_items):
        self._left -= len(input_items[0])
        if self._left <= 0:
            self.passed.set()
        return len(input_items[0])


class watched_sink(semcom.image_sink):
    """Tells when another picture has arrived."""

    def __init__(self):
        semcom.image_sink.__init__(self, "")
        self.arrived = threading.Semaphore(0)

    def _close(self, number, result):
        semcom.image_sink._close(self, number, result)
        self.arrived.release()


def interrupted(tb: gr.top_block, how: str, step: int = 100_000) -> None:
    if how == "stop":
        tb.stop()
        tb.wait()
        tb.start(step)
    else:
        tb.lock()
        tb.unlock()


@pytest.mark.slow
@pytest.mark.parametrize("how", ["stop", "lock"])
@pytest.mark.parametrize("link", [symbol_link, waveform_link])
def test_50_interruptions_of_a_link(photo, link, how):
    sink = watched_sink()
    tb = link(photo, sink, 0)
    tb.start()
    for _ in range(50):
        assert sink.arrived.acquire(timeout=60)
        interrupted(tb, how)
        while sink.arrived.acquire(blocking=False):
            pass
    assert sink.arrived.acquire(timeout=60)
    tb.stop()
    tb.wait()
    assert not any("error" in result for result in sink.results)


@pytest.mark.slow
@pytest.mark.parametrize("how", ["stop", "lock"])
def test_50_interruptions_of_a_recording(tmp_path, how):
    """Recording Source and Sink go on where they were."""
    size = 2_000_000
    noise, head = analog.noise_source_c(analog.GR_GAUSSIAN, 1.0, 1), blocks.head(gr.sizeof_gr_complex, size)
    tb = gr.top_block()
    tb.connect(noise, head, semcom.radio_sink(f"sigmf:{tmp_path / 'air'}"))
    tb.run()
    tb, watch = gr.top_block(), counter()
    radio, copy = semcom.radio_source(f"sigmf:{tmp_path / 'air'}", 0.0), semcom.radio_sink(f"sigmf:{tmp_path / 'copy'}")
    held = blocks.throttle(gr.sizeof_gr_complex, 2e6)
    tb.connect(radio, held, copy)
    tb.connect(held, watch)
    passed = watch.expect(5000)
    tb.start(256)
    for _ in range(50):
        assert passed.wait(60)
        passed = watch.expect(5000)
        interrupted(tb, how, 256)
    tb.wait()
    data = (tmp_path / "copy.sigmf-data").read_bytes()
    meta = json.loads((tmp_path / "copy.sigmf-meta").read_text())
    assert meta["global"]["core:sha512"] == hashlib.sha512(data).hexdigest()
    assert 1 < len(meta["captures"]) <= 51
    if how == "lock":  # a stop costs what the buffers hold
        assert data == (tmp_path / "air.sigmf-data").read_bytes()
