# SPDX-License-Identifier: GPL-3.0-or-later
"""Control of flowgraphs: run again, stopped and started again, locked and unlocked."""

from __future__ import annotations

import contextlib
import gc
import hashlib
import json
import signal
import subprocess
import sys
import threading
import weakref
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pmt
import pytest
from gnuradio import analog, blocks, gr, semcom
from gnuradio.semcom.blocks import canvas, image_source, worker
from gnuradio.semcom.blocks import pdu as pdus
from gnuradio.semcom.blocks.waiting import MAX_PICTURES, MAX_SMALL, Waiting
from gnuradio.semcom.blocks.worker import worker_block
from gnuradio.semcom.cli import main
from gnuradio.semcom.cli.common import Interruption
from gnuradio.semcom.links import ends
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
    source, encoder, decoder = (
        semcom.image_source(str(photo), repeat, 1),
        semcom.jscc_encoder("softcast"),
        semcom.jscc_decoder(),
    )
    channel = semcom.symbol_channel("awgn", 20.0, "ideal", seed=1)
    tb.msg_connect(source, "image", encoder, "image")
    tb.msg_connect(encoder, "symbols", channel, "symbols")
    tb.msg_connect(channel, "symbols", decoder, "symbols")
    tb.msg_connect(decoder, "image", sink, "in")
    tb.msg_connect(sink, "ack", source, "ack")
    return tb


def waveform_link(photo, sink, repeat: int = 1) -> gr.top_block:
    tb = gr.top_block()
    source, receiver = semcom.image_source(str(photo), repeat, 1), semcom.receiver()
    # one part: of an image that was interrupted there is a picture, whichever of its bursts are lost
    sender = semcom.transmitter("softcast", options={"allocation": "fixed"})
    tb.connect(sender, receiver)
    tb.msg_connect(source, "image", sender, "image")
    tb.msg_connect(sender, "failed", source, "ack")
    tb.msg_connect(receiver, "idle", source, "idle")
    tb.msg_connect(receiver, "image", sink, "in")
    tb.msg_connect(sink, "ack", source, "ack")
    return tb


def recording_of(photo, name, repeat: int = 1) -> gr.top_block:
    tb = gr.top_block()
    source, sender = semcom.image_source(str(photo), repeat, 1), semcom.transmitter("softcast")
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
    # an interruption between two bursts of an image cuts it: what has arrived by then is told at once
    cut = [result for result in sink.results if "error" in result]
    assert len(cut) <= 4 and len(sink.results) >= 50


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
    # GNU Radio drops what its buffers hold, at a lock as at a stop
    assert len(data) > 8 * size // 4


def picture_of(number: int, side: int = 400) -> pmt.pmt_base:
    return pdus.from_image(np.full((side, side, 3), number % 256, np.uint8), {"image_id": number})


def ends_with_images_given_up(tb, source, images: int, monkeypatch) -> None:
    monkeypatch.setattr(source, "_patience", 0.3)
    said = told(source)
    tb.run()
    assert said == [f"image {number} was given up: nothing of it was received" for number in range(images)]


@pytest.mark.parametrize("window", [1, 2])
@pytest.mark.parametrize("wired", [(), ("idle",), ("failed",), ("idle", "failed")])
@pytest.mark.parametrize(
    ("sent", "received"),
    [
        ({}, {"fft_len": 128}),
        ({"fft_len": 256}, {}),
        ({}, {"oversampling": 2}),
        ({}, {"oversampling": 8, "fft_len": 512}),
        ({"oversampling": 8}, {}),
    ],
)
def test_waveforms_that_differ_end(photo, monkeypatch, sent, received, wired, window):
    """However the source is connected, and with no clock that decides what is lost."""
    tb, source, sink = gr.top_block(), semcom.image_source(str(photo), 3, window), semcom.image_sink("")
    sender = semcom.transmitter("softcast", params=semcom.ofdm_params(**sent))
    receiver = semcom.receiver(params=semcom.ofdm_params(**received))
    tb.connect(sender, receiver)
    tb.msg_connect(source, "image", sender, "image")
    tb.msg_connect(receiver, "image", sink, "in")
    tb.msg_connect(sink, "ack", source, "ack")
    if "idle" in wired:
        tb.msg_connect(receiver, "idle", source, "idle")
    if "failed" in wired:
        tb.msg_connect(sender, "failed", source, "ack")
    ends_with_images_given_up(tb, source, 3, monkeypatch)


class deaf(worker_block):
    """A part of a link that passes no burst on."""

    def __init__(self):
        worker_block.__init__(self, "deaf", ["symbols"], ["symbols"])

    def work_on(self, port, msg, meta):
        pass


def test_bursts_that_nobody_passes_on_end_at_symbol_level(photo, monkeypatch):
    tb, source, sink = gr.top_block(), semcom.image_source(str(photo), 2, 1), semcom.image_sink("")
    encoder, hole, decoder = semcom.jscc_encoder("softcast"), deaf(), semcom.jscc_decoder()
    tb.msg_connect(source, "image", encoder, "image")
    tb.msg_connect(encoder, "symbols", hole, "symbols")
    tb.msg_connect(hole, "symbols", decoder, "symbols")
    tb.msg_connect(decoder, "image", sink, "in")
    tb.msg_connect(sink, "ack", source, "ack")
    ends_with_images_given_up(tb, source, 2, monkeypatch)


@pytest.mark.parametrize("scheme", ["digital", "semcom"])
@pytest.mark.parametrize("waveform", [False, True])
def test_schemes_that_differ_end(photo, waveform, scheme):
    tb, source, sink = gr.top_block(), semcom.image_source(str(photo), 3, 1), semcom.image_sink("")
    ends_of_link = (semcom.transmitter("softcast"), semcom.receiver(scheme)) if waveform else ()
    sender, receiver = ends_of_link or (semcom.jscc_encoder("softcast"), semcom.jscc_decoder(scheme))
    if waveform:
        tb.connect(sender, receiver)
    else:
        tb.msg_connect(sender, "symbols", receiver, "symbols")
    tb.msg_connect(source, "image", sender, "image")
    tb.msg_connect(receiver, "image", sink, "in")
    tb.msg_connect(sink, "ack", source, "ack")
    tb.run()
    assert len(sink.results) == 3 and all(f"receiver set to {scheme}" in result["error"] for result in sink.results)


@pytest.mark.parametrize("link", [symbol_link, waveform_link])
def test_a_source_that_asks_early_loses_nothing(photo, link, monkeypatch):
    """What is slow is not lost: every picture arrives. At symbol level, where marks keep their place, none is given up
    before it does. Over samples the last one may be: the answer to an earlier question ends the flowgraph before it.
    """
    monkeypatch.setattr(image_source, "PATIENCE", 0.0)
    monkeypatch.setattr(image_source, "IMPATIENCE", 0.0)
    said = []
    monkeypatch.setattr(semcom.image_source, "report", lambda *args, **more: said.append(args))
    sink = semcom.image_sink("")
    link(photo, sink, 20).run()
    if link is symbol_link:
        assert delivered(sink) == 20 and said == []
    else:
        assert [result["image_id"] for result in sink.results] in (list(range(20)), list(range(19)))


class slow(worker_block):
    """Works on a message when it is let."""

    def __init__(self, port: str = "in"):
        worker_block.__init__(self, "slow", [port], ["out"])
        self.let, self.got, self.out = threading.Semaphore(0), [], []

    def work_on(self, port, msg, meta):
        self.let.acquire()
        self.got.append(meta["image_id"])

    def publish(self, port, msg):
        self.out.append(pdus.meta_of(msg))


def told(block) -> list[str]:
    """The sentences that a block will report, as they come."""
    said = []
    block.report = lambda name, sentence, error=None, **more: said.append(sentence)
    return said


def test_a_worker_holds_so_many_pictures_and_counts_the_rest():
    block = slow()
    said = told(block)
    block.start()
    handle = block.msg_handlers[pmt.intern("in")]
    sent = 3 * MAX_PICTURES
    for number in range(sent):
        handle(picture_of(number))
    assert MAX_PICTURES <= sent - block.dropped <= MAX_PICTURES + 1
    for _ in range(sent):
        block.let.release()
    block.stop()
    # every picture was worked on or given up, in order
    given_up = [meta["image_id"] for meta in block.out]
    assert block.got == list(range(len(block.got))) and sorted(block.got + given_up) == list(range(sent))
    assert all("busy" in meta["error"] for meta in block.out) and len(given_up) == block.dropped
    assert said[0] == "slow is too slow for what arrives: 1 dropped so far; send less" and len(said) < 10


def test_what_waits_is_bounded_in_bytes_and_in_number():
    waiting = Waiting()
    big = pdus.from_image(np.zeros((2048, 4096, 3), np.uint8), {"image_id": 1})
    assert [waiting.put(("in", big)) for _ in range(6)] == [True] * 4 + [False] * 2
    taken = sum(waiting.put(("in", pmt.PMT_T)) for _ in range(2 * MAX_SMALL))
    assert taken == MAX_SMALL and waiting.put(("other", big))
    for _ in range(4):
        waiting.get()
    assert waiting.put(("in", big))


def test_a_worker_stops_within_the_time_of_two_images(monkeypatch):
    """Of many that wait; time is what the work says that it takes."""
    block, now = slow(), [0.0]
    monkeypatch.setattr(worker, "time", SimpleNamespace(perf_counter=lambda: now[0]))
    said = told(block)
    begun = threading.Event()

    def work_on(port, msg, meta):
        begun.set()
        block.let.acquire()
        now[0] += 10.0

    block.work_on = work_on
    block.start()
    for number in range(10):
        block.msg_handlers[pmt.intern("in")](picture_of(number))
    assert begun.wait(60)
    for _ in range(10):
        block.let.release()
    # the first of them may be done before the stop
    block.stop()
    assert now[0] <= 10.0 * 10
    block._stopped = now[0]
    now[0] += 10.1
    assert not block._has_time() and not any("Traceback" in sentence for sentence in said)


def test_what_is_dropped_is_counted_once(monkeypatch):
    """Of pictures for which there was no room, and of pictures for which there was no time at the stop."""
    block = slow()
    told(block)
    block.start()
    sent = 2 * MAX_PICTURES
    for number in range(sent):
        block.msg_handlers[pmt.intern("in")](picture_of(number))
    monkeypatch.setattr(block, "_has_time", lambda: False)
    for _ in range(sent):
        block.let.release()
    block.stop()
    assert block.dropped + len(block.got) == sent and len(block.got) <= 1


def test_a_burst_for_which_there_is_no_room_counts_as_lost():
    decoder = semcom.jscc_decoder()
    told(decoder)
    burst = pdus.from_symbols(np.ones(1000, np.complex64), {"image_id": 3, "noise_var": np.ones(1000, np.float32)})
    rest = decoder.without_payload("symbols", burst)
    assert pmt.length(pmt.cdr(rest)) == 0 and pdus.meta_of(rest) == {"image_id": 3}
    decoder.forgotten("symbols")
    # the flush that names it does not wait for it
    assert [type(event).__name__ for _ in range(2) for event in decoder.reception.flush(1)] == ["Idle"]


@pytest.mark.parametrize("error", [ValueError("no number"), SystemExit(4), MemoryError("1 TB")])
def test_a_worker_that_dies_says_so_and_ends_its_flowgraph(photo, error):
    class dying(semcom.image_sink):
        def work_on(self, port, msg, meta):
            raise error

        def fail(self, meta, sentence):
            raise error

    sink, status = dying(""), blocks.message_debug()
    tb = symbol_link(photo, sink)
    tb.msg_connect(sink, "status", status, "store")
    tb.start()
    if isinstance(error, Exception):  # costs its own message only
        while status.num_messages() < 2:
            threading.Event().wait(0.01)
        tb.stop()
    tb.wait()
    said = [pdus.dictionary(status.get_message(n)) for n in range(status.num_messages())]
    assert any(meta.get("fatal", False) for meta in said) == (not isinstance(error, Exception))
    assert "Image Sink" in said[-1]["status"] and "\n" not in said[-1]["status"]


def test_a_stream_block_that_dies_ends_its_flowgraph(tmp_path):
    radio, status = semcom.radio_sink(f"sigmf:{tmp_path / 'air'}"), blocks.message_debug()
    radio._device._hash = None
    tb = gr.top_block()
    tb.connect(blocks.null_source(gr.sizeof_gr_complex), radio)
    tb.msg_connect(radio, "status", status, "store")
    tb.run()
    said = pdus.dictionary(status.get_message(0))
    assert said["fatal"] and "cannot go on" in said["status"]


def test_receiver_and_transmitter_end_with_what_died(recorded, photo, tmp_path, monkeypatch, capfd):
    def die(*args):
        raise SystemExit(4)

    monkeypatch.setattr(semcom.image_sink, "work_on", die)
    assert main(["rx", "--via", f"sigmf:{recorded}", "--out", str(tmp_path / "got")]) == 1
    out, err = capfd.readouterr()
    assert out == "" and err.startswith("semcom: Image Sink cannot go on: SystemExit") and err.count("\n") == 1
    monkeypatch.setattr(semcom.jscc_encoder, "work_on", die)
    assert main(["tx", str(photo), "--via", f"sigmf:{tmp_path / 'other'}"]) == 1
    out, err = capfd.readouterr()
    assert out == "" and err.startswith("semcom: JSCC Encoder cannot go on: SystemExit") and err.count("\n") == 1


def test_pictures_wait_for_a_slow_reader(photo, tmp_path):
    """Not in memory, but in the recording."""
    recording_of(photo, tmp_path / "many", 60).run()
    front = ends.FrontEnd(f"sigmf:{tmp_path / 'many'}")
    end = ends.receiving_end(front, ends.Coding("auto"), tmp_path / "got")
    seen, ahead = 0, []
    for _ in end.pictures():
        seen += 1
        if seen == 1:  # all that can be received without this reader has been when no more samples are taken
            samples = -1
            while samples != end._receiver.samples():
                samples = end._receiver.samples()
                threading.Event().wait(1.0)
        ahead.append(end._pictures - seen)
    assert seen == 60 and max(ahead) < 45


def test_a_busy_window_keeps_the_newest_picture():
    woken = []
    newest = canvas.Newest(lambda: woken.append(1))
    for number in range(1000):
        newest.emit(np.full((2, 2), number % 256, np.uint8), str(number))
    assert woken == [1] and newest.take()[1] == "999"
    newest.emit(np.zeros((2, 2), np.uint8), "next")
    assert woken == [1, 1]


def test_who_waits_for_nobody_s_picture_is_left_at_the_first_signal(monkeypatch):
    hurried = []
    monkeypatch.setattr(worker, "hurry", lambda: hurried.append(1))
    for patient in (True, False):
        handler = Interruption(patient)
        with pytest.raises(KeyboardInterrupt):
            handler(signal.SIGINT, None)
        assert (handler.hurried, bool(hurried)) == (not patient, not patient)


def test_a_loopback_is_left_while_a_worker_is_busy(photo, tmp_path):
    """With exit status 130 at the first signal; the worker would go on for ever."""
    command = (
        "import os, signal, threading\n"
        "def work_on(self, port, msg, meta):\n"
        "    os.kill(os.getpid(), signal.SIGINT)\n"
        "    threading.Event().wait()\n"
        "from gnuradio.semcom.blocks.jscc_encoder import jscc_encoder\n"
        "jscc_encoder.work_on = work_on\n"
        "from gnuradio.semcom.cli import main\n"
        f"main(['loopback', {str(photo)!r}, '--metrics', 'none', '--out', {str(tmp_path)!r}])\n"
    )
    done = subprocess.run([sys.executable, "-c", command], capture_output=True, text=True, timeout=60)
    assert done.returncode == 130 and done.stderr == "semcom: interrupted\n"


@pytest.mark.slow
@pytest.mark.parametrize("pause", [0.0, 1.0])
def test_two_signals_leave_a_whole_recording(photo, tmp_path, pause):
    """At once, as timeout(1) sends them, and as an impatient user does."""
    command = [Path(sys.prefix) / "bin" / "semcom", "tx", photo, "--via", f"sigmf:{tmp_path / 'air'}"]
    command += ["--scheme", "softcast", "--repeat", "0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    process.stdout.readline()
    process.send_signal(signal.SIGINT)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(pause)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode in (0, 130, -signal.SIGINT) and "terminate" not in err and "Traceback" not in err
    meta = json.loads((tmp_path / "air.sigmf-meta").read_text())
    data = (tmp_path / "air.sigmf-data").read_bytes()
    assert meta["annotations"] and meta["global"]["core:sha512"] == hashlib.sha512(data).hexdigest()
