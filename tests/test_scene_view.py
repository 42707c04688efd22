# SPDX-License-Identifier: GPL-3.0-or-later
"""Qt Scene View: what it shows of a scene, what it says of what is missing, and that it holds nothing up."""

from __future__ import annotations

import gc
import threading
import weakref
from dataclasses import replace

import numpy as np
import pmt
import pytest
from conftest import until
from gnuradio import gr, semcom
from gnuradio.semcom.blocks import pdu as pdus
from gnuradio.semcom.blocks import qt_scene_view
from gnuradio.semcom.errors import BadInput, Missing
from gnuradio.semcom.scene import Scene, encode_scene, parts
from gnuradio.semcom.scene.caption import grounding
from gnuradio.semcom.scene.coding import captioncode
from gnuradio.semcom.scene.coding.container import MAX_BYTES
from gnuradio.semcom.scene.last import LastScene
from gnuradio.semcom.scene.render.panes import MAX_SIDE, panes
from gnuradio.semcom.segment import VOC, SceneObject, pixels_of
from PIL import Image
from PyQt5 import QtCore, QtGui, QtTest, QtWidgets
from test_scene_blocks import scene

DOG, PERSON = VOC.index("dog"), VOC.index("person")
CAPTION = "A dog and two people 🐕 sit, one person stands."


def crowd() -> Scene:
    """A dog at the left, two people at the right whose boxes overlap, 96x128."""
    labels = np.zeros((96, 128), np.uint8)
    labels[10:90, 5:40] = DOG
    labels[10:90, 60:120] = PERSON
    objects = (
        SceneObject(PERSON, (60, 10, 95, 90), 2500),
        SceneObject(DOG, (5, 10, 40, 90), 2800),
        SceneObject(PERSON, (85, 10, 120, 90), 2500),
    )
    return replace(scene(), caption=CAPTION, labels=labels, objects=objects, colours=None)


@pytest.fixture
def without_spacy(monkeypatch):
    def load(*_):
        raise Missing("no model; pip install '.[text]'")

    monkeypatch.setattr(grounding, "_language", load)


def test_pixels_belong_to_the_object_of_their_class_that_is_nearest():
    shown = crowd()
    owners = pixels_of(shown.labels, shown.objects, 96, 128)
    assert owners.dtype == np.int16 and set(owners[:, :5].ravel()) == {-1}
    assert set(owners[10:90, 5:40].ravel()) == {1}
    assert owners[50, 70] == 0 and owners[50, 110] == 2
    # in both boxes: the middle between the centres parts them
    assert owners[50, 88] == 0 and owners[50, 92] == 2
    # a map at half the size says the same
    half = pixels_of(np.ascontiguousarray(shown.labels[::2, ::2]), shown.objects, 96, 128)
    assert half.shape == (48, 64) and half[25, 35] == 0 and half[25, 55] == 2
    with pytest.raises(BadInput):
        pixels_of(np.zeros((2, 2), np.int64), (), 2, 2)


def test_nouns_are_linked_without_a_language_model():
    objects = crowd().objects
    found = grounding.link_nouns(CAPTION, objects)
    assert [(link.text, link.kind, link.objects) for link in found] == [
        ("dog", "noun", (1,)),
        ("people", "noun", (0, 2)),
        ("person", "noun", (0,)),
    ]
    assert all(CAPTION[link.start : link.end] == link.text for link in found)
    assert grounding.link_nouns("A cat on a dining table.", objects) == []
    assert [link.objects for link in grounding.link_nouns("Men watch puppies.", objects)] == [(0, 2), (1,)]


def test_panes_of_a_whole_scene(without_spacy):
    data = encode_scene(crowd())
    shown = panes(data, whole=True)
    assert [link.objects for link in shown.words] == [(1,), (0, 2), (0,)]
    assert shown.note.startswith("no model")
    assert shown.labels.shape == shown.outlines.shape == (96, 128, 3) and shown.owners.shape == (96, 128)
    assert set(np.unique(shown.outlines)) == {20, 255}
    assert [(name, round(share, 2)) for name, _, share in shown.shares] == [
        ("person", 0.39), ("background", 0.38), ("dog", 0.23),
    ]  # fmt: skip
    assert shown.total == len(data) and not shown.problems
    sizes = {row.name: row.size for row in shown.rows}
    assert list(sizes) == ["text", "A-seg", "boxes", "colours", "B-seg", "S-img"]
    assert sizes.pop("colours") is None and sum(sizes.values()) == len(data) - 10
    assert shown.absent == "was not sent"


def test_panes_of_what_has_arrived_and_of_rubbish(without_spacy):
    first = panes(parts(crowd())[0].data)
    assert first.outlines is None and first.words and first.absent == "has not arrived"
    assert [row.name for row in first.rows if row.size is None] == ["colours", "B-seg", "S-img"]
    for data in (b"", b"\xa7" * 50, bytes(range(256))):
        nothing = panes(data)
        assert nothing.labels is nothing.outlines is None and nothing.problems and not nothing.words
    huge = panes(encode_scene(Scene(2000, 3000, None, np.ones((200, 300), np.uint8))))
    assert huge.labels.shape == (round(2000 * MAX_SIDE / 3000), MAX_SIDE, 3)


@pytest.mark.parametrize("caption", ["A dog.", None])
def test_words_are_linked_where_there_is_something_to_link(caption, without_spacy):
    shown = panes(encode_scene(Scene(8, 8, caption, np.ones((8, 8), np.uint8))))
    assert shown.words == () and shown.note == ""


def test_a_caption_that_is_too_long_is_not_linked(monkeypatch):
    monkeypatch.setattr(captioncode, "MAX_CHARACTERS", 10_000)
    shown = panes(encode_scene(replace(crowd(), caption="dog " * 1000)))
    assert shown.words == () and "too long to be linked" in shown.note


def test_words_are_linked_by_the_language_model_where_there_is_one():
    pytest.importorskip("spacy")
    shown = panes(encode_scene(crowd()))
    assert [(link.text, link.objects) for link in shown.words][:2] == [("A dog", (1,)), ("two people", (0, 2))]
    assert shown.note == "" and all(a.end <= b.start for a, b in zip(shown.words, shown.words[1:], strict=False))


def test_the_last_scene_is_gathered_part_by_part():
    last = LastScene()
    assert last.add_part(7, 1, b"bb").data == b"bb"
    got = last.add_part(7, 0, b"aa")
    assert (got.number, got.data, got.whole) == (7, b"aabb", False)
    assert last.add_part(7, 0, b"cc").data == b"cc"  # the number is in use again
    assert last.add_whole(7, b"ccdd", True).whole
    assert last.add_part(7, 1, b"ee").data == b"ee"
    assert last.add_part(8, 2, b"ff").data == b"ff"
    for index in (-1, 64):
        with pytest.raises(BadInput, match="from 0 to 63"):
            last.add_part(8, index, b"")
    with pytest.raises(BadInput, match="too long to be shown"):
        last.add_whole(9, bytes(MAX_BYTES + 1), True)
    last.add_part(8, 3, bytes(MAX_BYTES - 2))
    with pytest.raises(BadInput, match="too long to be shown"):
        last.add_part(8, 4, b"g")


class Shown:
    """A running view, and what is sent to it."""

    def __init__(self, application):
        self.app = application
        self.view = semcom.qt_scene_view("Sent", "Rebuilt")
        self.window = self.view.qwidget()
        self.window.resize(900, 800)
        self.window.show()
        self.source = semcom.image_source(semcom.sample_image(), 1, 1, True)
        self.flow = gr.top_block()
        # the only neighbour: a flowgraph needs a connection
        self.flow.msg_connect(self.source, "status", self.view, "status")
        self.scenes = 0
        self.window._woken.connect(self._count)
        self.flow.start()

    def _count(self) -> None:
        self.scenes += 1

    def post(self, port: str, msg: pmt.pmt_base) -> None:
        self.view.to_basic_block()._post(pmt.intern(port), msg)

    def scene(self, data: bytes, number: int = 1, **meta) -> None:
        """Send a container or part, and wait until it is shown."""
        before = self.scenes
        self.post("bytes", pdus.from_bytes(data, {"image_id": number, "name": "photo", "scheme": 5} | meta))
        assert self.until(lambda: self.scenes > before)

    def image(self, number: int = 1, port: str = "image", level: int = 90, **meta) -> None:
        picture = np.full((96, 128, 3), level, np.uint8)
        self.post(port, pdus.from_image(picture, {"image_id": number} | meta))

    def until(self, true) -> bool:
        return until(self.app, true)

    def hover(self, widget: QtWidgets.QWidget, at: QtCore.QPoint) -> None:
        none = QtCore.Qt.NoButton
        event = QtGui.QMouseEvent(QtCore.QEvent.MouseMove, QtCore.QPointF(at), none, none, QtCore.Qt.NoModifier)
        self.app.sendEvent(widget, event)

    def word(self, index: int) -> QtCore.QPoint:
        """The middle of a linked word of the caption."""
        link = self.window.caption.links[index]
        cursor = self.window.caption.textCursor()
        cursor.setPosition((link.start + link.end) // 2)
        return self.window.caption.cursorRect(cursor).center()

    def pixel(self, pane, x: float, y: float) -> QtCore.QPoint:
        """Where a pixel of the scene of 128x96 is on a pane."""
        place = pane._place()
        return place.topLeft() + QtCore.QPoint(int(x * place.width() / 128), int(y * place.height() / 96))

    def marked(self) -> list[str]:
        """The words that are marked."""
        return [each.cursor.selectedText() for each in self.window.caption.extraSelections()]


@pytest.fixture
def shown(application, without_spacy):
    made = Shown(application)
    yield made
    made.flow.stop()
    made.flow.wait()
    made.window.close()


@pytest.mark.gui
def test_words_light_their_objects_and_objects_their_words(shown):
    shown.scene(encode_scene(crowd()))
    shown.image()
    window, caption = shown.window, shown.window.caption
    assert shown.until(lambda: window.picture._picture is not None)
    assert caption.toPlainText() == CAPTION and window.heading == "Sent: photo"
    dark = window.labels.grab().toImage()
    shown.hover(caption.viewport(), shown.word(1))
    assert window.lit == {0, 2} and shown.marked() == ["people", "person"]
    # the dog is in the shade, in the map and in the picture; a box is drawn on each of the three
    lit = window.labels.grab().toImage()
    place = shown.pixel(window.labels, 22, 50)
    assert lit.pixelColor(place).lightness() < dark.pixelColor(place).lightness()
    place = shown.pixel(window.labels, 75, 50)
    assert lit.pixelColor(place) == dark.pixelColor(place)
    place = shown.pixel(window.picture, 22, 50)
    assert window.picture.grab().toImage().pixelColor(place).lightness() < 60
    # beside a link, and the other way about
    shown.hover(caption.viewport(), QtCore.QPoint(caption.width() - 5, 60))
    assert not window.lit and shown.marked() == []
    for pane in (window.labels, window.outlines, window.picture):
        shown.hover(pane, shown.pixel(pane, 22, 50))
        assert window.lit == {1} and shown.marked() == ["dog"]
        shown.hover(pane, shown.pixel(pane, 50, 50))
        assert not window.lit


@pytest.mark.gui
def test_a_click_holds_and_another_part_of_the_scene_does_not_end_it(shown):
    first, second, _ = (part.data for part in parts(crowd()))
    window = shown.window
    shown.scene(first, part=0)
    QtTest.QTest.mouseClick(window.caption.viewport(), QtCore.Qt.LeftButton, QtCore.Qt.NoModifier, shown.word(0))
    QtTest.QTest.mouseClick(
        window.labels, QtCore.Qt.LeftButton, QtCore.Qt.NoModifier, shown.pixel(window.labels, 110, 50)
    )
    shown.hover(window.labels, shown.pixel(window.labels, 2, 2))
    assert window.lit == {2}
    shown.scene(second, part=1)
    assert window.lit == {2}
    shown.scene(encode_scene(crowd()), number=2)  # the same objects once more
    assert window.lit == {2}
    QtTest.QTest.mouseClick(
        window.labels, QtCore.Qt.LeftButton, QtCore.Qt.NoModifier, shown.pixel(window.labels, 110, 50)
    )
    shown.hover(window.labels, shown.pixel(window.labels, 2, 2))
    assert not window.lit
    QtTest.QTest.mouseClick(window.caption.viewport(), QtCore.Qt.LeftButton, QtCore.Qt.NoModifier, shown.word(0))
    shown.scene(encode_scene(scene()), number=3)
    assert not window.lit


@pytest.mark.gui
def test_what_is_missing_is_said(shown):
    window = shown.window
    assert window.labels.absent == window.outlines.absent == window.picture.absent == "no scene yet"
    first, second, third = (part.data for part in parts(crowd()))
    shown.scene(second, part=1)
    assert window.labels.absent == "The class map (A-seg) has not arrived."
    assert window.caption.toPlainText() == "The caption has not arrived." and window.outlines.absent == ""
    assert window.contents.toPlainText().count("has not arrived") == 5
    shown.scene(first, part=0)
    assert window.labels.absent == "" and window.labels.title.startswith("Class map and objects: ")
    assert window.picture.absent == "The picture has not been painted yet."
    assert window.contents.toPlainText().count("has not arrived") == 2
    shown.scene(third, part=2)
    whole = encode_scene(crowd())
    shown.scene(whole)
    text = window.contents.toPlainText()
    assert f"{len(whole):,} bytes" in text and text.count("was not sent") == 1 and "no model" in text
    shown.scene(whole[:200], blocks_lost=1)
    assert "has not arrived" in window.contents.toPlainText() and "cut short" in window.contents.toPlainText()


@pytest.mark.gui
def test_pictures_find_their_scene(shown):
    picture = shown.window.picture
    shown.image(1)  # at a transmitter the photograph is earlier than its scene
    assert shown.until(lambda: picture.title == "Rebuilt")
    whole = encode_scene(crowd())
    shown.scene(whole, 1)
    assert picture.title == "Rebuilt" and picture.absent == ""
    shown.image(2, level=200)
    shown.scene(whole, 2)
    assert shown.until(lambda: picture._picture.pixelColor(5, 5).red() == 200) and picture.title == "Rebuilt"
    shown.scene(parts(crowd())[0].data, 3, part=0)
    assert picture.title == "Rebuilt: of an earlier scene"
    shown.hover(picture, shown.pixel(picture, 22, 50))
    assert not shown.window.lit
    shown.image(3, "preview", 20)
    assert shown.until(lambda: picture.title == "Rebuilt: what has arrived so far")
    shown.image(3, level=30, snr_db=9.0, psnr_db=23.44)
    assert shown.until(lambda: picture.title == "Rebuilt: SNR 9.0 dB  PSNR 23.4 dB")


@pytest.mark.gui
def test_what_is_wrong_is_said_over_the_picture(shown, capfd):
    window, view = shown.window, shown.view
    for port, msg, sentence in (
        ("bytes", pdus.from_bytes(b"abc", {"scheme": 6}), "scheme is not esisc"),
        ("bytes", pdus.from_bytes(b"abc", {"part": "one"}), "part is not an integer"),
        ("bytes", pdus.from_bytes(b"abc", {"part": 99}), "from 0 to 63"),
        ("bytes", pdus.from_image(np.zeros((2, 2), np.uint8), {"image_id": "x"}), "image_id"),
        ("bytes", pmt.intern("nonsense"), "no PDU"),
        ("image", pdus.from_image(np.zeros((2, 2, 2), np.uint8), {}), "2 channels cannot be shown"),
        ("image", pdus.failure({"image_id": 1}, "all of it was lost"), "all of it was lost"),
        ("bytes", pdus.failure({"image_id": 1}, "no byte was received"), "no byte was received"),
        ("status", pdus.message({"sentence": "no such prompt", "times": 2}), "no such prompt (2 times)"),
    ):
        shown.post(port, msg)
        assert shown.until(lambda sentence=sentence: sentence in view.sentence), (sentence, view.sentence)
    shown.post("bytes", pdus.silence(3))
    shown.post("image", pdus.silence(3))
    shown.image(1)
    shown.scene(encode_scene(crowd()))
    assert not window.labels.absent


@pytest.mark.gui
def test_a_scene_that_fails_to_be_drawn_is_said_and_the_next_one_shown(shown, monkeypatch):
    def broken(*_):
        raise RuntimeError("no memory")

    monkeypatch.setattr(qt_scene_view, "panes", broken)
    shown.post("bytes", pdus.from_bytes(b"abc", {}))
    assert shown.until(lambda: "the scene cannot be shown" in shown.view.sentence)
    monkeypatch.setattr(qt_scene_view, "panes", panes)
    shown.scene(encode_scene(crowd()))
    assert shown.window.caption.toPlainText() == CAPTION


@pytest.mark.gui
def test_text_of_a_scene_is_text(shown):
    """Neither markup nor what moves a cursor or turns the direction has an effect, and links stay where they are."""
    hostile = "<b>A dog</b> <img src='/etc/passwd'>\u202e\u2028 and\x1b[2J people"
    shown.scene(encode_scene(replace(crowd(), caption=hostile)), name="<i>x\u202e</i>")
    text = shown.window.caption.toPlainText()
    assert text == "".join(letter if letter.isprintable() else " " for letter in hostile)
    assert [text[link.start : link.end] for link in shown.window.caption.links] == ["dog", "people"]
    assert "<i>x </i>" in shown.window.heading


@pytest.mark.gui
def test_thousands_of_scenes_hold_nothing_up_and_leave_one(shown, monkeypatch):
    """While one scene is read the others pass; the newest is read next, and of the rest nothing is kept."""
    gate, busy, made, alive = threading.Event(), threading.Event(), [], []

    def slow(data, whole):
        busy.set()
        assert gate.wait(20)
        drawn = panes(data, whole)
        made.append(len(data))
        alive.append(weakref.ref(drawn))
        return drawn

    monkeypatch.setattr(qt_scene_view, "panes", slow)
    data, window = encode_scene(crowd()), shown.window
    message = pdus.from_bytes(data, {"image_id": 0, "scheme": 5})
    shown.post("bytes", message)
    assert busy.wait(20)
    for number in range(3000):
        shown.post("bytes", pdus.from_bytes(data, {"image_id": number, "name": str(number), "scheme": 5}))
    # the block has taken all of them while its reader and its window are busy
    assert shown.until(lambda: shown.view.nmsgs(pmt.intern("bytes")) == 0)
    gate.set()
    assert shown.until(lambda: window.heading == "Sent: 2999")
    assert len(made) <= 4
    for number in range(100):
        shown.scene(data, number, name=f"again {number}")
    gc.collect()
    assert len(made) >= 100 and sum(each() is not None for each in alive) <= 2


@pytest.mark.gui
@pytest.mark.slow
def test_both_ends_of_a_link_show_the_scene(application, astronaut, tmp_path, without_spacy):
    """What an encoder of whatever scheme sends, and the parts that its decoder reads."""
    Image.open(astronaut).resize((256, 256)).save(tmp_path / "photo.png")
    source, sink = semcom.image_source(str(tmp_path / "photo.png")), semcom.image_sink("")
    encoder = semcom.jscc_encoder("esisc", options={"boundaries": False, "budget": 2500})
    channel = semcom.symbol_channel("awgn", 15.0, "ideal", seed=1)
    decoder, sent, received = semcom.jscc_decoder(), semcom.qt_scene_view("Sent"), semcom.qt_scene_view("Received")
    flow = gr.top_block()
    for connection in (
        (source, "image", encoder, "image"), (source, "image", sent, "image"), (encoder, "bytes", sent, "bytes"),
        (encoder, "symbols", channel, "symbols"), (channel, "symbols", decoder, "symbols"),
        (decoder, "part", received, "bytes"), (decoder, "image", received, "image"), (decoder, "image", sink, "in"),
        (sink, "ack", source, "ack"),
    ):  # fmt: skip
        flow.msg_connect(*connection)
    flow.run()
    windows = [view.qwidget() for view in (sent, received)]
    assert until(application, lambda: all(each.picture._picture and not each.labels.absent for each in windows))
    captions = {each.caption.toPlainText() for each in windows}
    assert len(captions) == 1 and windows[0].caption.links
    assert {"person", "boy", "woman", "man"} & set(captions.pop().lower().split())
    lists = [each.contents.toPlainText() for each in windows]
    assert "was not sent" in lists[0] and "has not arrived" in lists[1]
    assert lists[0].split(",")[:1] == lists[1].split(",")[:1] and "SNR" in windows[1].picture.title
    assert [each.heading for each in windows] == ["Sent: photo", "Received: photo"]


@pytest.mark.gui
def test_it_is_read_whatever_the_end_of_the_flowgraph(application, without_spacy):
    """A scene that waits when the flowgraph stops is shown; a flowgraph that is started again goes on."""
    made = Shown(application)
    for number in range(2):
        made.post("bytes", pdus.from_bytes(encode_scene(crowd()), {"image_id": number, "name": f"n{number}"}))
        assert made.until(lambda: made.view.nmsgs(pmt.intern("bytes")) == 0)
        made.flow.stop()
        made.flow.wait()
        assert made.until(lambda number=number: made.window.heading == f"Sent: n{number}")
        made.flow.start()
    made.flow.stop()
    made.flow.wait()
    made.window.close()
