# SPDX-License-Identifier: GPL-3.0-or-later
"""Qt Image View: the pictures of a message port in a Qt window, and what is wrong with them."""

from __future__ import annotations

import sys
import threading
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType

import numpy as np
import pmt
from gnuradio import gr
from PyQt5 import QtCore, QtGui, QtWidgets

from .. import plain
from ..errors import BadInput, sentence_of
from . import pdu
from .base import message_block
from .live import MAX_LENGTH, Repeats, printed, with_times

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
        self._picture: tuple[np.ndarray, str] | None = None

    def emit(self, image: np.ndarray, note: str) -> None:
        """In any thread."""
        with self._lock:
            waits, self._picture = self._picture is not None, (image, note)
        if not waits:
            self._wake()

    def take(self) -> tuple[np.ndarray, str]:
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
    """A picture with a title line above it, scaled to the space there is, and a sentence over it."""

    _woken = QtCore.pyqtSignal()
    said = QtCore.pyqtSignal(str, int)
    """In any thread: a sentence, and how often it was said; 0 where it arrives in place of an image."""

    def __init__(self, title: str, parent: QtWidgets.QWidget | None):
        super().__init__(parent)
        self._title, self._note, self._picture = title, "", None
        self._said: _Said | None = None
        self._forget = QtCore.QTimer(self)
        self._forget.setSingleShot(True)
        self._forget.timeout.connect(self._hush)
        self.setMinimumSize(260, 260)
        self._woken.connect(self._show)  # queued: painting belongs to the GUI thread, messages arrive on another
        self.said.connect(self._say)
        self.arrived = _Newest(self._woken.emit)

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
        image, note = self.arrived.take()
        height, width = image.shape[:2]
        layout = QtGui.QImage.Format_RGB888 if image.ndim == 3 else QtGui.QImage.Format_Grayscale8
        stride = image.strides[0]
        self._picture = QtGui.QImage(image.data, width, height, stride, layout).copy()
        self._note = note
        if self._said is not None and self._said.images:
            self._said = None
        self.update()

    def paintEvent(self, event: QtGui.QPaintEvent) -> None:  # noqa: N802  Qt's name
        painter = QtGui.QPainter(self)
        bar = 2 * painter.fontMetrics().height() + 6
        text = f"{self._title}\n{self._note}"
        painter.drawText(QtCore.QRect(0, 0, self.width(), bar), QtCore.Qt.AlignCenter, text)
        if self._picture is not None:
            space = QtCore.QSize(self.width(), self.height() - bar)
            size = self._picture.size().scaled(space, QtCore.Qt.KeepAspectRatio)
            left = (self.width() - size.width()) // 2
            painter.setRenderHint(QtGui.QPainter.SmoothPixmapTransform)
            painter.drawImage(QtCore.QRect(QtCore.QPoint(left, bar), size), self._picture)
        if self._said is not None:
            self._write(painter, bar)
        painter.end()

    def _write(self, painter: QtGui.QPainter, top: int) -> None:
        """The sentence below ``top``, in white on a dark ground, whatever is under it."""
        how = QtCore.Qt.AlignCenter | QtCore.Qt.TextWordWrap
        space = QtCore.QRect(6, top + 6, self.width() - 12, self.height() - top - 12)
        ground = painter.boundingRect(space, how, self.sentence).adjusted(-6, -6, 6, 6)
        painter.fillRect(ground, QtGui.QColor(0, 0, 0, 200))
        painter.setPen(QtCore.Qt.white)
        painter.drawText(space, how, self.sentence)


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
    """Shows the latest image PDU in a Qt widget, with the measured SNR and PSNR where the metadata have them.

    Why an image was given up is written over the picture until the next one arrives, and what arrives on ``status``
    for some seconds; what is said again is counted. An exception in a control of the window, where PyQt5 would end the
    process, is shown in the same way, unless ``sys.excepthook`` is somebody else's already.

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
    Ports: in ``in`` (image or mask PDU), ``status`` (of other blocks).
    """

    def __init__(self, title: str = "Image", parent: QtWidgets.QWidget | None = None):
        message_block.__init__(self, "Qt Image View")
        self._canvas = _Canvas(title, parent)
        _canvases.add(self._canvas)
        if sys.excepthook is sys.__excepthook__:
            sys.excepthook = _slot_failed
        # its own port status is one that it hears on
        for port, handler in (("in", self._handle), ("status", self._hear)):
            self.message_port_register_in(pmt.intern(port))
            self.set_msg_handler(pmt.intern(port), handler)

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
        figures = (("snr_db", "SNR"), ("psnr_db", "PSNR"))
        note = "  ".join(f"{label} {meta[key]:.1f} dB" for key, label in figures if isinstance(meta.get(key), float))
        self._canvas.arrived.emit(image, note)
