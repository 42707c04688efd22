# SPDX-License-Identifier: GPL-3.0-or-later
"""What a user types or picks while a flowgraph runs: no setter raises, and what is wrong is said in one sentence."""

from __future__ import annotations

import inspect
import itertools
import json
import math
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import threading
from pathlib import Path

import numpy as np
import pmt
import pytest
import yaml
from conftest import ROOT, until
from gnuradio import blocks, gr, semcom
from gnuradio.semcom import repeats
from gnuradio.semcom.blocks import canvas, live
from gnuradio.semcom.blocks import pdu as pdus
from gnuradio.semcom.blocks.base import message_block
from gnuradio.semcom.errors import BadInput, Missing
from gnuradio.semcom.repeats import Repeats
from gnuradio.semcom.segment import Embedding, Sam
from gnuradio.semcom.segment.backends import Drawn
from PIL import Image
from PyQt5 import QtCore

DEFINITIONS = sorted((ROOT / "grc").glob("*.block.yml"))
EXAMPLES = sorted((ROOT / "examples" / "gui").glob("*.grc"))
ENV = os.environ | {
    "GRC_BLOCKS_PATH": str(Path(sys.prefix) / "share/gnuradio/grc/blocks"),
    "PYTHONPATH": sysconfig.get_path("purelib"),
    "QT_QPA_PLATFORM": "offscreen",
}


def callbacks() -> list[tuple[str, type, str]]:
    """Block, class and setter of every callback that GNU Radio Companion writes."""
    found = []
    for path in DEFINITIONS:
        templates = yaml.safe_load(path.read_text())["templates"]
        for callback in templates.get("callbacks", ()):
            names = re.findall(r"semcom\.(\w+)\(", templates["make"])
            (cls,) = {getattr(semcom, name) for name in names if name != "ofdm_params"}
            found.append((path.name.split(".")[0], cls, re.match(r"\w+", callback)[0]))
    return found


CALLBACKS = callbacks()


@pytest.mark.parametrize(("block", "cls", "setter"), CALLBACKS, ids=lambda value: str(value))
def test_every_callback_is_a_live_setter(block, cls, setter):
    assert getattr(getattr(cls, setter), "is_live", False)


def test_every_setter_of_a_block_is_live():
    """Also one that no definition names yet."""
    for name in semcom.__all__:
        cls = getattr(semcom, name)
        if inspect.isclass(cls) and issubclass(cls, live.speaking | gr.hier_block2 | gr.basic_block):
            ours = {
                key: value for base in cls.__mro__ if "semcom" in base.__module__ for key, value in vars(base).items()
            }
            setters = {key: value for key, value in ours.items() if key.startswith("set_") and key != "set_msg_handler"}
            assert all(getattr(setter, "is_live", False) for setter in setters.values()), (name, setters)


class collector(message_block):
    """Keeps what arrives."""

    def __init__(self):
        message_block.__init__(self, "Collector")
        self.got: list[pmt.pmt_base] = []
        self._more = threading.Condition()
        self.message_port_register_in(pmt.intern("in"))
        self.set_msg_handler(pmt.intern("in"), self._keep)

    def _keep(self, msg: pmt.pmt_base) -> None:
        with self._more:
            self.got.append(msg)
            self._more.notify_all()

    def sentences(self, count: int) -> list[str]:
        """What was said, when there are so many sentences."""
        with self._more:
            assert self._more.wait_for(lambda: len(self.got) >= count, 20), self.got
            return [pdus.dictionary(msg)["status"] for msg in self.got]


RUBBISH = [
    "", "abc", " ", "10 dB", "1e400", "\x1b[2J", "point:1,2", "../../etc/passwd", "ß漢\udce9", "9" * 5000,
    None, math.nan, math.inf, -math.inf, 1e300, 10**400, -(10**400), 2**63, -1e9, [], [1, 2], {}, {"a": 1}, (), set(),
    b"", b"\xff", object(), 1j, lambda: 0, type, slice(3), np.zeros(3), range(5), ...,
]  # fmt: skip

GOOD = {
    "set_prompts": "box:1,1,5,5", "set_budget": 4000, "set_mcs": 3, "set_rate": 1 / 24, "set_snr_db": 4.0,
    "set_background": 0.3, "set_codec": "jpeg", "set_amplitude": 0.5, "set_gap": 100, "set_sample_rate": 2e6,
    "set_model": "rayleigh", "set_csi": "pilot", "set_k_factor_db": 3.0, "set_loss": 0.1, "set_noise_voltage": 0.1,
    "set_cfo": 100.0, "set_doppler": 3.0, "set_frequency": 1e9, "set_gain": 3.0, "set_bandwidth": 1e5,
    "set_options": {"allocation": "fixed"}, "set_seed": 7, "set_strength": 0.5, "set_painter": "plain",
    "set_purpose": "map",
}  # fmt: skip
# what of the rubbish is none for some setters
FITTING = {
    "set_prompts": ("point:1,2",),
    "set_painter": ("",),
    semcom.esisc_encoder: ("", " "),
    "set_frequency": (1e300, 2**63),
    "set_bandwidth": (1e300, 2**63),
    "set_gain": (1e300, 2**63, -1e9),
    "set_sample_rate": (1e300, 2**63),
}


def made(cls: type, tmp_path: Path):
    if cls is semcom.radio_sink:
        return cls(f"sigmf:{tmp_path / 'air'}")
    if cls is semcom.radio_source:
        return cls("zmq:tcp://127.0.0.1:1")
    if cls in (semcom.jscc_encoder, semcom.transmitter):  # whose options the values are of
        return cls("softcast")
    return cls()


def feed(tb: gr.top_block, block) -> None:
    """Whatever the block needs for running."""
    if block.input_signature().min_streams():
        tb.connect(blocks.null_source(gr.sizeof_gr_complex), block)
    if block.output_signature().min_streams():
        tb.connect(block, blocks.null_sink(gr.sizeof_gr_complex))


@pytest.mark.parametrize(
    ("cls", "setter"),
    sorted({(cls, setter) for _, cls, setter in CALLBACKS}, key=str),
    ids=lambda value: getattr(value, "__name__", value),
)
def test_rubbish_is_refused_with_a_sentence_and_the_next_good_value_taken(cls, setter, tmp_path):
    block, status, tb = made(cls, tmp_path), collector(), gr.top_block()
    feed(tb, block)
    tb.msg_connect(block, "status", status, "in")

    def put(value):
        if setter == "set_options":
            block.set_options(**value if value is GOOD[setter] else {"allocation": value})
        else:
            getattr(block, setter)(value)

    with pytest.raises(ValueError, match=r"\w"):
        put("no such value")
    tb.start()
    try:
        fits = {*FITTING.get(setter, ()), *(FITTING.get(cls, ()) if setter == "set_prompts" else ())}
        refused = [value for value in RUBBISH if not (isinstance(value, str | float | int) and value in fits)]
        if (cls, setter) == (semcom.waveform_channel, "set_snr_db"):
            refused.remove(None)  # the noise voltage counts
        for value in refused:
            put(value)
        status.sentences(len(refused))
        put(GOOD[setter])
        put("no such value")
        said = status.sentences(len(refused) + 1)
    finally:
        tb.stop()
        tb.wait()
    put("no such value")  # the window is still open
    assert len(said) == len(refused) + 1
    assert all(re.search(r"; the last good value stays( \(\d+ times\))?$", each) for each in said), said
    assert all("\n" not in each and len(each) < 300 for each in said)


def test_a_flowgraph_ends_whose_sentences_are_heard(tmp_path):
    """What speaks for a hierarchical block ends with it."""
    channel, radio, status = semcom.waveform_channel(), semcom.radio_sink(f"sigmf:{tmp_path / 'air'}"), collector()
    tb = gr.top_block()
    tb.connect(blocks.null_source(gr.sizeof_gr_complex), blocks.head(gr.sizeof_gr_complex, 10000), channel, radio)
    for block in (channel, radio):
        tb.msg_connect(block, "status", status, "in")
    waiter = threading.Thread(target=tb.run, daemon=True)
    waiter.start()
    waiter.join(30)
    assert not waiter.is_alive()


def test_the_last_good_value_stays():
    """Every setter checks before it changes anything."""
    adapter = semcom.link_adapter(rate=1 / 12, mcs=4)
    channel = semcom.symbol_channel(snr_db=3.0)
    before = adapter._link
    for block, name, value in [
        (adapter, "rate", 7),
        (adapter, "mcs", 40),
        (adapter, "rate", "1/3"),
        (channel, "snr_db", "1"),
    ]:
        with pytest.raises(BadInput):
            getattr(block, f"set_{name}")(value)
    assert adapter._link == before and channel.snr_db() == 3.0


class Known:
    """Knows a mask, and does something in the middle of its work."""

    weights = {}  # noqa: RUF012

    def __init__(self, meanwhile):
        self._meanwhile = meanwhile

    def embed(self, image):
        self._meanwhile()
        return Embedding(np.zeros((1, 256, 64, 64), np.float32), *image.shape[:2])

    def ask(self, embedding, points, labels):
        return Drawn(np.full((len(points), 1, 256, 256), 9, np.float32), np.full((len(points), 1), 0.9, np.float32))


def test_an_image_is_worked_on_with_the_prompts_it_began_with(smooth_image):
    image = smooth_image(48, 64, 1)
    block, published = semcom.sam_segmenter("point:2,2"), {}
    block._sam = Sam(Known(lambda: block.set_prompts("class:dog; everything")))
    block.publish = lambda port, msg: published.update({port: msg})
    msg = pdus.from_image(image, {"image_id": 3})
    block.work_on("image", msg, pdus.meta_of(msg))
    assert published.keys() == {"image", "mask", "roi", "overlay"}


def test_prompts_that_change_all_the_time_cost_no_image(astronaut):
    """Another thread sets them as fast as it can."""
    block, sink, over = semcom.sam_segmenter("point:2,2"), semcom.image_sink(""), threading.Event()
    block._sam = Sam(Known(lambda: None))

    class KnownClasses:
        weights = {}  # noqa: RUF012

        def segment(self, image):
            return np.full(image.shape[:2], 12, np.uint8)

    def change():
        while not over.is_set():
            for prompts in ("class:dog", "point:2,2", "no prompt", "box:1,1,5,5; point:2,2"):
                block.set_prompts(prompts)

    def load(prompts, load=block._load_for):
        block._classes = KnownClasses() if any("class" in str(prompt) for prompt in prompts) else None
        return load(prompts)

    block._load_for = load
    tb = linked(astronaut, 60, block, sink, "roi")
    tb.start()
    changing = threading.Thread(target=change)
    changing.start()
    tb.wait()
    over.set()
    changing.join()
    assert sink.delivered == 60, sink.results[-1]


def linked(photo: Path, repeat: int, block, sink, port: str) -> gr.top_block:
    """Image Source -> a block -> sink -> source."""
    tb, source = gr.top_block(), semcom.image_source(str(photo), repeat, 1)
    tb.msg_connect(source, "image", block, "image")
    tb.msg_connect(block, port, sink, "in")
    tb.msg_connect(sink, "ack", source, "ack")
    return tb


def test_what_fails_every_time_is_counted(astronaut, capfd):
    """A hundred images without weights: 7 lines, and the last sentence says how often."""

    class without(semcom.sam_segmenter):
        def work_on(self, port, msg, meta):
            raise Missing("the weights are not here; run semcom models fetch")

    block, sink, status = without(), semcom.image_sink(""), collector()
    tb = linked(astronaut, 100, block, sink, "roi")
    tb.msg_connect(block, "status", status, "in")
    tb.run()
    said = [pdus.dictionary(msg) for msg in status.got]
    assert sink.given_up == 100
    lines = [line for line in "".join(capfd.readouterr()).splitlines() if "semcom models fetch" in line]
    assert len(lines) == 7 and lines[-1].endswith("(64 times)") and not lines[0].endswith(")")
    assert [meta["times"] for meta in said] == list(range(1, 101))
    assert {meta["sentence"] for meta in said} == {"the weights are not here; run semcom models fetch"}


def test_sentences_are_counted_in_bounded_memory():
    said = Repeats()
    others = ["".join(pair) for pair in itertools.product("abcdefgh", repeat=2)]
    assert len(others) == repeats.MAX_SENTENCES and [said.count("often") for _ in range(3)] == [1, 2, 3]
    for other in others[1:]:
        said.count(other)
    assert said.count("often") == 4
    for other in others:
        said.count(other)
    assert said.count("often") == 1


def test_a_sentence_whose_numbers_and_names_vary_is_one():
    said = Repeats()
    sentences = [
        f"an image of {100 + n}x{n} pixels of scheme 'name {n}' arrived, {-n / 7:.3g} dB and {n:#x}" for n in range(100)
    ]
    times = [said.count(sentence) for sentence in sentences]
    assert times == list(range(1, 101)) and sum(map(said.is_printed, times)) == 7
    assert said.count("an image of another kind") == 1 and said.left_out == 93


def test_who_finds_ever_new_sentences_is_held_to_a_pace():
    now = [0.0]
    said = Repeats(lambda: now[0])
    words = ["".join(letters) for letters in itertools.product("abcdefgh", repeat=4)]
    printed = 0
    for word in words:  # a hundred a second
        now[0] += 0.01
        printed += said.is_printed(said.count(f"what is {word}"))
    assert repeats.LINES <= printed <= repeats.LINES + repeats.LINES_A_SECOND * now[0]
    assert printed + said.left_out == len(words)


@pytest.mark.parametrize("scheme", ["softcast", "digital"])
def test_marks_and_failures_have_the_type_of_their_port(scheme, smooth_image):
    """A block of GNU Radio that takes symbols, or bytes, ends at anything else."""
    published = []
    for block, port in [
        (semcom.jscc_encoder(scheme), "image"),
        (semcom.digital_encoder(), "bytes"),
        (semcom.sam_segmenter(), "image"),
        (semcom.jscc_decoder(), "symbols"),
        (semcom.digital_decoder(), "symbols"),
        (semcom.image_codec_encoder(), "image"),
        (semcom.image_codec_decoder(), "bytes"),
        (semcom.image_quality(), "received"),
    ]:
        block.publish = lambda port, msg: published.append((port, msg))
        marks = [
            pdus.silence(1),
            pdus.failure({"image_id": 1}, "given up"),
            pdus.from_image(smooth_image(8, 8)[..., 0], {}),
        ]
        for mark in marks:
            for vector in (pmt.init_u8vector(0, []), pmt.init_c32vector(0, []), pmt.init_f32vector(0, [])):
                block._take(port, pmt.cons(pmt.car(mark), vector))
    pairs = [(port, pmt.cdr(msg)) for port, msg in published if pmt.is_pair(msg) and not pmt.is_dict(msg)]
    assert {port for port, _ in pairs} >= {"symbols", "bytes", "image", "mask", "roi"}
    for port, vector in pairs:
        assert pmt.is_c32vector(vector) if port == "symbols" else pmt.is_u8vector(vector), port


def test_a_channel_passes_failures_on_as_symbols():
    channel, after, tb = semcom.symbol_channel(), collector(), gr.top_block()
    tb.msg_connect(channel, "symbols", after, "in")
    tb.start()
    channel.to_basic_block()._post(pmt.intern("symbols"), pdus.failure({"image_id": 4}, "given up"))
    with after._more:
        assert after._more.wait_for(lambda: after.got, 20)
    tb.stop()
    tb.wait()
    assert pmt.is_c32vector(pmt.cdr(after.got[0])) and pdus.meta_of(after.got[0])["error"] == "given up"


FOREIGN = """
import sys
from PyQt5 import QtCore, QtWidgets
from gnuradio import blocks, gr, pdu, qtgui, semcom
application = QtWidgets.QApplication(sys.argv[:1])
tb = gr.top_block()
class moody(semcom.jscc_encoder):
    def work_on(self, port, msg, meta):
        if meta["image_id"] in (1, 2):
            raise ValueError("not this one")
        super().work_on(port, msg, meta)
source, encoder, decoder = semcom.image_source(sys.argv[1], 6, 1), moody("softcast"), semcom.jscc_decoder()
sink = semcom.image_sink("")
sinks = [
    qtgui.const_sink_c(4096, "", 0, None), qtgui.time_sink_c(4096, 1, "", 0, None),
    qtgui.freq_sink_c(1024, 5, 0, 1, "", 0, None), qtgui.waterfall_sink_c(1024, 5, 0, 1, "", 0, None),
]
stream = pdu.pdu_to_tagged_stream(gr.types.complex_t if hasattr(gr, "types") else gr.pmt_vector_type.complex_t, "n")
stream.set_min_output_buffer(8192)
heard = blocks.vector_sink_c()
tb.connect(stream, heard)
for one, out, other, into in [
    (source, "image", encoder, "image"), (encoder, "symbols", decoder, "symbols"), (decoder, "image", sink, "in"),
    (sink, "ack", source, "ack"), (encoder, "symbols", stream, "pdus"),
    *((encoder, "symbols", each, "in") for each in sinks),
]:
    tb.msg_connect(one, out, other, into)
tb.start()
timer = QtCore.QTimer()
timer.timeout.connect(lambda: sink.delivered + sink.given_up == 6 and application.quit())
timer.start(10)
QtCore.QTimer.singleShot(60000, application.quit)
application.exec_()
tb.stop()
tb.wait()
print(sink.delivered, sink.given_up, len(heard.data()) > 0)
"""


@pytest.mark.gui
def test_blocks_of_gnuradio_outlive_an_image_that_is_given_up(astronaut, tmp_path):
    """Constellation, time, frequency and waterfall sinks, and a stream made of PDUs, at the encoder's symbols."""
    Image.open(astronaut).resize((64, 64)).save(tmp_path / "photo.png")
    command = [sys.executable, "-c", FOREIGN, tmp_path / "photo.png"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, env=ENV)
    assert done.returncode == 0 and "ERROR thread" not in done.stderr, done.stderr
    assert done.stdout.splitlines()[-1] == "4 2 True", done.stdout


@pytest.mark.gui
def test_a_view_shows_one_sentence_and_counts_it(application, smooth_image, monkeypatch):
    view = semcom.qt_image_view("Received")
    view.qwidget().resize(400, 400)
    before = view.qwidget().grab().toImage()
    for _ in range(3):
        view._hear(pdus.message({"block": "A", "status": "p: no weights", "sentence": "no weights", "times": 3}))
        view._handle(pdus.failure({"image_id": 1}, "no weights"))
    assert until(application, lambda: view.sentence) and view.sentence == "no weights (3 times)"
    assert view.qwidget().grab().toImage() != before
    view._handle(pdus.from_image(smooth_image(), {}))
    assert until(application, lambda: not view.sentence)
    view._hear(pdus.message({"block": "A", "status": "photo: received"}))
    monkeypatch.setattr(canvas, "SHOWN_MS", 30)
    view._hear(pdus.message({"block": "A", "status": "no prompt", "sentence": "no prompt", "times": 1}))
    assert until(application, lambda: view.sentence) and view.sentence == "no prompt"
    assert until(application, lambda: not view.sentence)


@pytest.mark.gui
def test_an_exception_in_a_slot_is_shown_and_one_at_the_end_is_not_hidden(application, capfd, monkeypatch):
    monkeypatch.setattr(sys, "excepthook", sys.__excepthook__)
    view = semcom.qt_image_view()

    def slot():
        float("10 dB")

    for _ in range(2):
        QtCore.QTimer.singleShot(0, slot)
        assert until(application, lambda: "10 dB" in view.sentence)
    assert until(application, lambda: view.sentence.endswith("(2 times)"))
    code = "from gnuradio import semcom\nfrom PyQt5.QtWidgets import QApplication\napp = QApplication(['x'])\n"
    code += "view = semcom.qt_image_view()\nfloat('10 dB')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, env=ENV)
    assert done.returncode == 1 and "Traceback" in done.stderr and "10 dB" in done.stderr


FIELDS = {
    "sam_jscc_loopback": {"prompt": "point:110,75", "snr_db": 5.0},
    "roi_jscc_loopback": {"prompt": "point:110,75", "snr_db": 5.0, "rate": 1 / 24, "background": 0.5},
    "jscc_over_waveform": {"snr_db": 9.0, "cfo": 100.0, "doppler": 3.0},
    "tx": {"snr_db": 9.0, "amplitude": 0.2, "rate": 1 / 24},
    "esisc_scene_loopback": {"snr_db": 9.0, "doppler": 3.0, "strength": 0.5, "painter": "plain", "seed": 7},
    "esisc_tx": {"snr_db": 9.0, "amplitude": 0.2, "budget": 4000, "prompts": ""},
}


def test_all_live_fields_of_the_examples_are_tried():
    found = {}
    for example in EXAMPLES:
        parts = yaml.safe_load(example.read_text())["blocks"]
        names = {part["name"] for part in parts if part["id"].startswith("variable_qtgui_")}
        found |= {example.stem: names} if names else {}
    # in test_prompting, since it sends nothing without a prompt, and in test_grc, since it needs a transmitter
    elsewhere = {"click_to_prompt": {"snr_db", "rate"}, "esisc_rx": {"strength", "seed"}}
    assert found == {name: set(fields) for name, fields in FIELDS.items()} | elsewhere


@pytest.mark.gui
@pytest.mark.slow
@pytest.mark.parametrize("name", FIELDS)
def test_a_window_survives_whatever_is_put_into_its_fields(name, astronaut, tmp_path):
    """Each value is answered by a sentence, and the pictures go on with the next good one."""
    example = ROOT / "examples" / "gui" / f"{name}.grc"
    grcc = [shutil.which("grcc"), "-o", tmp_path, example]
    assert subprocess.run(grcc, capture_output=True, timeout=120, env=ENV).returncode == 0
    (script,) = tmp_path.glob("*.py")
    photo = tmp_path / "photo.png"
    Image.open(astronaut).resize((256, 256)).save(photo)
    driver = [sys.executable, ROOT / "tests" / "window_driver.py", script, photo, json.dumps(FIELDS[name])]
    done = subprocess.run(driver, capture_output=True, text=True, timeout=600, env=ENV, cwd=tmp_path)
    assert done.returncode == 0, done.stderr[-3000:]
    log = json.loads(done.stdout.split("DONE", 1)[1])
    assert not [entry for entry in log if "late" in entry], log
    assert [entry["field"] for entry in log if entry["good"] and entry["tried"] >= 30] == list(FIELDS[name])
    # a block that has died, of GNU Radio or ours
    assert "thread_body_wrapper" not in done.stderr and "Traceback" not in done.stderr, done.stderr[-3000:]
