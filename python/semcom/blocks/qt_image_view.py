# SPDX-License-Identifier: GPL-3.0-or-later
"""Qt Image View: the pictures of a message port in a Qt window, and what is wrong with them."""

from __future__ import annotations

import sys
import threading
import weakref
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import numpy as np
import pmt
from gnuradio import gr
from PyQt5 import QtCore, QtGui, QtWidgets

from .. import plain
from ..errors import BadInput, sentence_of
from ..segment import Box, Point, join_prompts, outline, parse_prompt, split_prompts
from . import pdu
from .base import message_block
from .live import MAX_LENGTH, Repeats, printed, with_times
from .prompting import KEY

PROMPTS = pmt.intern("prompts")
TINT = (0, 200, 255)
"""RGB of a mask."""
SHOWN_MS = 10_000
"""How long a sentence of ``status`` stays over the picture; that of an image stays until the next picture."""


class _Newest:
    """The newest picture, for a GUI that may be busy: one that it has not come to draw is replaced.

    Parameters
    ----------
    wake : callable
        Called when there is a picture and none waited before.
    """

    def __init__(self, wake: Callable[[], None]):
        self._wake, self._lock = wake, threading.Lock()
        self._picture: tuple | None = None

    def emit(self, *picture: Any) -> None:
        """A picture and what belongs to it, in any thread."""
        with self._lock:
            waits, self._picture = self._picture is not None, picture
        if not waits:
            self._wake()

    def take(self) -> tuple:
        """Once for each wake, in the GUI's thread."""
        with self._lock:
            picture, self._picture = self._picture, None
        return picture


@dataclass
class _Said:
    """The sentence over the picture.

    Attributes
    ----------
    sentence : str
        Without a count.
    told : int
        How often it was said, as who said it counts.
    images : int
        For how many images it arrived in place of the picture, without another between. The block that gives an image
        up says so on ``status`` as well, and that is one.
    """

    sentence: str
    told: int = 0
    images: int = 0

    def __str__(self) -> str:
        return with_times(self.sentence, max(self.told, self.images))


class _Canvas(QtWidgets.QWidget):
    """A picture with a title line above it, scaled to the space there is, and what is drawn over it.

    Over it are a mask, the prompts that were given with the mouse, and a sentence.
    """

    _woken = QtCore.pyqtSignal()
    _mask_woken = QtCore.pyqtSignal()
    said = QtCore.pyqtSignal(str, int)
    """In any thread: a sentence, and how often it was said; 0 where it arrives in place of an image."""

    def __init__(self, title: str, parent: QtWidgets.QWidget | None):
        super().__init__(parent)
        self._title, self._note, self._name, self._picture = title, "", "", None
        self._mask: QtGui.QImage | None = None
        self._prompts: list[Point | Box] = []
        self._sent: deque[str] = deque(maxlen=64)  # prompts that came from here
        self._pressed: QtCore.QPoint | None = None
        self._dragged: QtCore.QPoint | None = None
        self.prompted: Callable[[str], None] | None = None
        self._said: _Said | None = None
        self._forget = QtCore.QTimer(self)
        self._forget.setSingleShot(True)
        self._forget.timeout.connect(self._hush)
        self.setMinimumSize(260, 260)
        self._woken.connect(self._show)  # queued: painting belongs to the GUI thread, messages arrive on another
        self.said.connect(self._say)
        self.arrived = _Newest(self._woken.emit)
        self._mask_woken.connect(self._show_mask)
        self.mask_arrived = _Newest(self._mask_woken.emit)
        self.setFocusPolicy(QtCore.Qt.StrongFocus)

    @property
    def prompts(self) -> str:
        """The prompts that were given with the mouse on this picture, as text."""
        return join_prompts(map(str, self._prompts))

    @property
    def sentence(self) -> str:
        """What is written over the picture; empty where nothing is."""
        return "" if self._said is None else str(self._said)

    def _say(self, sentence: str, times: int) -> None:
        if self._said is None or self._said.sentence != sentence:
            self._said = _Said(sentence)
        self._said.told = max(self._said.told, times)
        self._said.images += not times
        self._forget.start(SHOWN_MS)
        self.update()

    def _hush(self) -> None:
        if self._said is not None and not self._said.images:
            self._said = None
            self.update()

    def _show(self) -> None:
        image, note, name = self.arrived.take()
        height, width = image.shape[:2]
        if self._picture is not None and (name, self._picture.size()) != (self._name, QtCore.QSize(width, height)):
            self._prompts, self._mask = [], None  # they are another picture's
        self._name = name
        layout = QtGui.QImage.Format_RGB888 if image.ndim == 3 else QtGui.QImage.Format_Grayscale8
        stride = image.strides[0]
        self._picture = QtGui.QImage(image.data, width, height, stride, layout).copy()
        self._note = note
        if self._said is not None and self._said.images:
            self._said = None
        self.update()

    def _show_mask(self) -> None:
        inside, asked = self.mask_arrived.take()
        if asked not in self._sent:  # somebody else's prompts; its own may have grown meanwhile
            self._prompts = _places(asked)
        if inside.all():  # the whole picture: there is nothing to tell apart
            self._mask = None
            self.update()
            return
        tint = np.zeros((*inside.shape, 4), np.uint8)
        tint[inside] = (*TINT, 70)
        tint[outline(inside)] = (*TINT, 255)
        height, width = inside.shape
        self._mask = QtGui.QImage(tint.data, width, height, 4 * width, QtGui.QImage.Format_RGBA8888).copy()
        self.update()

    def paintEvent(self, event: QtGui.QPaintEvent) -> None:  # noqa: N802  Qt's name
        painter = QtGui.QPainter(self)
        bar = self._bar()
        text = f"{self._title}\n{self._note}"
        painter.drawText(QtCore.QRect(0, 0, self.width(), bar), QtCore.Qt.AlignCenter, text)
        if self._picture is not None:
            place = self._place()
            painter.setRenderHint(QtGui.QPainter.SmoothPixmapTransform)
            painter.drawImage(place, self._picture)
            if self._mask is not None:
                painter.drawImage(place, self._mask)
            self._mark(painter, place)
        if self._said is not None:
            self._write(painter, bar)
        painter.end()

    def _bar(self) -> int:
        """Height of the title."""
        return 2 * self.fontMetrics().height() + 6

    def _place(self) -> QtCore.QRect:
        """Where the picture is drawn."""
        space = QtCore.QSize(self.width(), max(1, self.height() - self._bar()))
        size = self._picture.size().scaled(space, QtCore.Qt.KeepAspectRatio)
        return QtCore.QRect(QtCore.QPoint((self.width() - size.width()) // 2, self._bar()), size)

    def _mark(self, painter: QtGui.QPainter, place: QtCore.QRect) -> None:
        """The prompts over the picture: green inside, red outside."""
        across = place.width() / self._picture.width()
        down = place.height() / self._picture.height()
        painter.setRenderHint(QtGui.QPainter.Antialiasing)
        painter.setPen(QtGui.QPen(QtCore.Qt.white, 2))
        for prompt in self._prompts:
            if isinstance(prompt, Point):
                painter.setBrush(QtCore.Qt.green if prompt.label else QtCore.Qt.red)
                painter.drawEllipse(
                    QtCore.QPointF(place.left() + prompt.x * across, place.top() + prompt.y * down), 5, 5
                )
            else:
                painter.setBrush(QtCore.Qt.NoBrush)
                corner = QtCore.QPointF(place.left() + prompt.x0 * across, place.top() + prompt.y0 * down)
                size = QtCore.QSizeF((prompt.x1 - prompt.x0) * across, (prompt.y1 - prompt.y0) * down)
                painter.drawRect(QtCore.QRectF(corner, size))
        if self._dragged is not None:
            painter.setBrush(QtCore.Qt.NoBrush)
            painter.drawRect(QtCore.QRect(self._pressed, self._dragged).normalized())

    def _pixel(self, position: QtCore.QPoint) -> tuple[float, float]:
        """Where on the picture a position of the widget is, within it."""
        place, width, height = self._place(), self._picture.width(), self._picture.height()
        x = (position.x() - place.left() + 0.5) * width / place.width()
        y = (position.y() - place.top() + 0.5) * height / place.height()
        return float(np.clip(round(x, 1), 0, width)), float(np.clip(round(y, 1), 0, height))

    def mousePressEvent(self, event: QtGui.QMouseEvent) -> None:  # noqa: N802  Qt's name
        if self._picture is None or self.prompted is None:
            return
        if event.button() == QtCore.Qt.RightButton:
            self._undo()
        elif event.button() == QtCore.Qt.LeftButton and self._place().contains(event.pos()):
            self._pressed = event.pos()

    def mouseMoveEvent(self, event: QtGui.QMouseEvent) -> None:  # noqa: N802  Qt's name
        if self._pressed is not None:
            far = (event.pos() - self._pressed).manhattanLength() >= QtWidgets.QApplication.startDragDistance()
            self._dragged = event.pos() if far else None
            self.update()

    def mouseReleaseEvent(self, event: QtGui.QMouseEvent) -> None:  # noqa: N802  Qt's name
        if self._pressed is None or event.button() != QtCore.Qt.LeftButton:
            return
        pressed, dragged, self._pressed, self._dragged = self._pressed, self._dragged, None, None
        self.update()
        x, y = self._pixel(pressed)
        if dragged is not None:
            (x0, x1), (y0, y1) = (sorted(pair) for pair in zip((x, y), self._pixel(dragged), strict=True))
            if x0 < x1 and y0 < y1:
                self._prompts.append(Box(x0, y0, x1, y1))
        else:
            # a point on the right or lower edge is none of the picture's
            x, y = min(x, self._picture.width() - 0.5), min(y, self._picture.height() - 0.5)
            self._prompts.append(Point(x, y, 0 if event.modifiers() & QtCore.Qt.ShiftModifier else 1))
        self._ask()

    def _ask(self) -> None:
        self._sent.append(self.prompts)
        self.prompted(self.prompts)

    def keyPressEvent(self, event: QtGui.QKeyEvent) -> None:  # noqa: N802  Qt's name
        if event.matches(QtGui.QKeySequence.Undo) or event.key() == QtCore.Qt.Key_Backspace:
            self._undo()
        else:
            super().keyPressEvent(event)

    def _undo(self) -> None:
        """The last prompt goes, and what is left of them holds; nothing is said of none."""
        if self._prompts:
            del self._prompts[-1]
            self.update()
            if self._prompts:
                self._ask()

    def _write(self, painter: QtGui.QPainter, top: int) -> None:
        """The sentence below ``top``, in white on a dark ground, whatever is under it."""
        how = QtCore.Qt.AlignCenter | QtCore.Qt.TextWordWrap
        space = QtCore.QRect(6, top + 6, self.width() - 12, self.height() - top - 12)
        ground = painter.boundingRect(space, how, self.sentence).adjusted(-6, -6, 6, 6)
        painter.fillRect(ground, QtGui.QColor(0, 0, 0, 200))
        painter.setPen(QtCore.Qt.white)
        painter.drawText(space, how, self.sentence)


def _places(text: str) -> list[Point | Box]:
    """The points and boxes among prompts, which may be anybody's."""
    found = []
    for part in split_prompts(text):
        with suppress(BadInput):
            found.append(parse_prompt(part))
    return [prompt for prompt in found if isinstance(prompt, Point | Box)]


_canvases: weakref.WeakSet[_Canvas] = weakref.WeakSet()
_repeats = Repeats()


def _slot_failed(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """In place of ``sys.excepthook``: PyQt5 aborts the process at an exception in a slot, unless there is another hook.

    What is typed into a field of the window, or set by another script, is converted and passed on by code that GNU
    Radio Companion writes. What that cannot convert reaches no block. The other exceptions end the program as ever.
    """
    in_slot = trace is not None and trace.tb_frame.f_back is not None
    if not in_slot or not isinstance(error, Exception):
        sys.__excepthook__(kind, error, trace)
        if in_slot:
            QtCore.QCoreApplication.exit(1)
        return
    what = plain.line(sentence_of(error), MAX_LENGTH)
    sentence = f"a control of the window failed: {what}; what it sets may stay as it was"
    times = _repeats.count(sentence)
    if printed(times):
        gr.logger("window").error(plain.line(with_times(sentence, times)))
    for canvas in list(_canvases):
        canvas.said.emit(plain.line(sentence), times)


class qt_image_view(message_block):
    """Shows the latest image PDU in a Qt widget, with the measured SNR, PSNR and ROI-PSNR where the metadata have them.

    Why an image was given up is written over the picture until the next one arrives, and what arrives on ``status``
    for some seconds; what is said again is counted. An exception in a control of the window, where PyQt5 would end the
    process, is shown in the same way, unless ``sys.excepthook`` is somebody else's already.

    Where ``prompts`` is connected, the picture takes prompts: a click is a point inside, with Shift a point outside,
    a drag a box; the right button, Backspace or Ctrl+Z takes the last one back. All that were given on a picture are
    sent each time, and drawn. Another picture, by name or size, begins without.

    A QApplication must exist; GRC's Qt flowgraphs make one.

    Parameters
    ----------
    title : str
        Shown above the picture.
    parent : QWidget, optional
        The widget's parent.

    Attributes
    ----------
    sentence : str
        What is written over the picture; empty where nothing is.

    Notes
    -----
    Ports: in ``in`` (image or mask PDU), ``mask`` (mask PDU, drawn over the picture), ``status`` (of other blocks);
    out ``prompts`` (a dictionary with the key ``prompts``, a text, for a SAM Segmenter).
    """

    def __init__(self, title: str = "Image", parent: QtWidgets.QWidget | None = None):
        message_block.__init__(self, "Qt Image View")
        self._canvas = _Canvas(title, parent)
        _canvases.add(self._canvas)
        if sys.excepthook is sys.__excepthook__:
            sys.excepthook = _slot_failed
        # its own port status is one that it hears on
        for port, handler in (("in", self._handle), ("mask", self._handle_mask), ("status", self._hear)):
            self.message_port_register_in(pmt.intern(port))
            self.set_msg_handler(pmt.intern(port), handler)
        self.message_port_register_out(PROMPTS)

    def start(self) -> bool:
        """Called by the scheduler; from now on the picture takes prompts, if anybody hears them."""
        if not pmt.is_null(self.message_subscribers(PROMPTS)):
            self._canvas.prompted = self._prompt
        return message_block.start(self)

    def _prompt(self, text: str) -> None:
        self.message_port_pub(PROMPTS, pdu.message({KEY: text}))

    @property
    def sentence(self) -> str:
        """What is written over the picture."""
        return self._canvas.sentence

    def qwidget(self) -> QtWidgets.QWidget:
        """The widget, for a layout."""
        return self._canvas

    def report(self, name: str, sentence: str, error: BaseException | None = None, **more: bool) -> None:
        """What is wrong with what arrived, in the log and over the picture."""
        times = self._repeats.count(sentence)
        if printed(times):
            self.logger.error(plain.line(with_times(sentence, times)))
        self._canvas.said.emit(plain.line(sentence), times)

    def _hear(self, msg: pmt.pmt_base) -> None:
        meta = pdu.dictionary(msg)
        # what was said of images that are well is no error
        if "sentence" in meta:
            self._canvas.said.emit(plain.line(meta["sentence"]), int(meta["times"]))
        elif meta.get("fatal"):
            self._canvas.said.emit(plain.line(meta["status"]), 1)

    def _handle(self, msg: pmt.pmt_base) -> None:
        try:
            meta = pdu.meta_of(msg)
            if "silence" in meta:
                return
            if "error" in meta:  # the block that gave the image up has said so in the log
                self._canvas.said.emit(plain.line(meta["error"]), 0)
                return
            image = pdu.to_image(msg)
            if image.ndim == 3 and image.shape[2] != 3:
                raise BadInput(f"a picture of {image.shape[2]} channels cannot be shown; send RGB or grey")
        except ValueError as error:
            self.report("", str(error), error)
            return
        figures = (("snr_db", "SNR"), ("psnr_db", "PSNR"), ("roi_psnr_db", "ROI-PSNR"))
        note = "  ".join(f"{label} {meta[key]:.1f} dB" for key, label in figures if isinstance(meta.get(key), float))
        self._canvas.arrived.emit(image, note, str(meta.get("name", "")))

    def _handle_mask(self, msg: pmt.pmt_base) -> None:
        try:
            meta = pdu.meta_of(msg)
            if "silence" in meta or "error" in meta:
                return
            mask = pdu.to_image(msg)
        except ValueError as error:
            self.report("", str(error), error)
            return
        inside = (mask.max(axis=2) if mask.ndim == 3 else mask) > 0
        self._canvas.mask_arrived.emit(inside, str(meta.get(KEY, "")))
