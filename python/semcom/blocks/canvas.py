# SPDX-License-Identifier: GPL-3.0-or-later
"""What the windows for pictures have in common: a picture that a busy GUI may skip, its title, and what is wrong."""

from __future__ import annotations

import sys
import threading
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import numpy as np
import pmt
from gnuradio import gr
from PyQt5 import QtCore, QtGui, QtWidgets

from .. import plain
from ..errors import BadInput, sentence_of
from ..repeats import Repeats, with_times
from . import pdu
from .base import message_block
from .live import MAX_LENGTH, STATUS

SHOWN_MS = 10_000
"""How long a sentence of ``status`` stays over the picture; that of an image stays until the next picture."""

_FIGURES = (("snr_db", "SNR"), ("psnr_db", "PSNR"), ("roi_psnr_db", "ROI-PSNR"))


def figures(meta: pdu.Meta) -> str:
    """What was measured of a picture, as far as its metadata say."""
    return "  ".join(f"{label} {meta[key]:.1f} dB" for key, label in _FIGURES if isinstance(meta.get(key), float))


def shown_image(msg: pmt.pmt_base) -> np.ndarray:
    """The picture of a PDU, uint8 [H, W, 3] or [H, W]; ValueError where it is none that can be shown."""
    image = pdu.to_image(msg)
    if image.ndim == 3 and image.shape[2] != 3:
        raise BadInput(f"a picture of {image.shape[2]} channels cannot be shown; send RGB or grey")
    return image


def image_of(picture: np.ndarray) -> QtGui.QImage:
    """A picture, uint8 [H, W, 3], [H, W, 4] with its opacity, or [H, W], as Qt has it; a copy."""
    layouts = {3: QtGui.QImage.Format_RGB888, 4: QtGui.QImage.Format_RGBA8888}
    layout = layouts[picture.shape[2]] if picture.ndim == 3 else QtGui.QImage.Format_Grayscale8
    picture = np.ascontiguousarray(picture)
    height, width = picture.shape[:2]
    return QtGui.QImage(picture.data, width, height, picture.strides[0], layout).copy()


class Newest:
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
class Said:
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


class Canvas(QtWidgets.QWidget):
    """A picture with a title and a note above it, scaled to the space there is, and a sentence over it.

    Parameters
    ----------
    title : str
        Shown above the picture.
    parent : QWidget, optional
        The widget's parent.
    """

    said = QtCore.pyqtSignal(str, int)
    """In any thread: a sentence, and how often it was said; 0 where it arrives in place of an image."""

    def __init__(self, title: str, parent: QtWidgets.QWidget | None):
        super().__init__(parent)
        self._title, self._note = title, ""
        self._picture: QtGui.QImage | None = None
        self._said: Said | None = None
        self._forget = QtCore.QTimer(self)
        self._forget.setSingleShot(True)
        self._forget.timeout.connect(self._hush)
        self.said.connect(self._say)  # queued where the thread is another than the GUI's

    @property
    def sentence(self) -> str:
        """What is written over the picture; empty where nothing is."""
        return "" if self._said is None else str(self._said)

    def _say(self, sentence: str, times: int) -> None:
        if self._said is None or self._said.sentence != sentence:
            self._said = Said(sentence)
        self._said.told = max(self._said.told, times)
        self._said.images += not times
        self._forget.start(SHOWN_MS)
        self.update()

    def _hush(self) -> None:
        if self._said is not None and not self._said.images:
            self._said = None
            self.update()

    def show_picture(self, picture: QtGui.QImage | None, note: str) -> None:
        """The next picture, or none, and what is known of it; why the one before was given up is no longer said."""
        self._picture, self._note = picture, note
        if self._said is not None and self._said.images:
            self._said = None
        self.update()

    def paintEvent(self, event: QtGui.QPaintEvent) -> None:  # noqa: N802  Qt's name
        """The title, the picture with what is drawn over it, and the sentence."""
        painter = QtGui.QPainter(self)
        bar = self._bar()
        text = f"{self._title}\n{self._note}"
        painter.drawText(QtCore.QRect(0, 0, self.width(), bar), QtCore.Qt.AlignCenter, text)
        if self._picture is not None:
            place = self._place()
            painter.setRenderHint(QtGui.QPainter.SmoothPixmapTransform)
            painter.drawImage(place, self._picture)
            self.draw_over(painter, place)
        if self._said is not None:
            self._write(painter, bar)
        painter.end()

    def draw_over(self, painter: QtGui.QPainter, place: QtCore.QRect) -> None:
        """What is drawn over the picture, which is at ``place``; to be overridden."""

    def _bar(self) -> int:
        """Height of the title."""
        return 2 * self.fontMetrics().height() + 6

    def _place(self) -> QtCore.QRect:
        """Where the picture is drawn."""
        space = QtCore.QSize(self.width(), max(1, self.height() - self._bar()))
        size = self._picture.size().scaled(space, QtCore.Qt.KeepAspectRatio)
        return QtCore.QRect(QtCore.QPoint((self.width() - size.width()) // 2, self._bar()), size)

    def _write(self, painter: QtGui.QPainter, top: int) -> None:
        """The sentence below ``top``, in white on a dark ground, whatever is under it."""
        how = QtCore.Qt.AlignCenter | QtCore.Qt.TextWordWrap
        space = QtCore.QRect(6, top + 6, self.width() - 12, self.height() - top - 12)
        ground = painter.boundingRect(space, how, self.sentence).adjusted(-6, -6, 6, 6)
        painter.fillRect(ground, QtGui.QColor(0, 0, 0, 200))
        painter.setPen(QtCore.Qt.white)
        painter.drawText(space, how, self.sentence)


_canvases: weakref.WeakSet[Canvas] = weakref.WeakSet()
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
    if _repeats.is_printed(times):
        gr.logger("window").error(plain.line(with_times(sentence, times)))
    for canvas in list(_canvases):
        canvas.said.emit(plain.line(sentence), times)


class window_block(message_block):
    """A block with a window, over whose picture it writes what is wrong with what arrives.

    Why an image was given up is written until the next one arrives, and what arrives on ``status`` for some seconds;
    what is said again is counted. An exception in a control of the window, where PyQt5 would end the process, is shown
    in the same way, unless ``sys.excepthook`` is somebody else's already. A QApplication must exist; GRC's Qt
    flowgraphs make one.

    Parameters
    ----------
    name : str
        Of the block.
    canvas : Canvas
        Takes the sentences.

    Attributes
    ----------
    sentence : str
        What is written over the picture; empty where nothing is.

    Notes
    -----
    The port ``status`` is one that it hears on.
    """

    def __init__(self, name: str, canvas: Canvas):
        message_block.__init__(self, name)
        self._canvas = canvas
        _canvases.add(canvas)
        if sys.excepthook is sys.__excepthook__:
            sys.excepthook = _slot_failed
        self.message_port_register_in(STATUS)
        self.set_msg_handler(STATUS, self._hear)

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
        if self._repeats.is_printed(times):
            self.logger.error(plain.line(with_times(sentence, times)))
        self._canvas.said.emit(plain.line(sentence), times)

    def give_up(self, meta: pdu.Meta) -> None:
        """In place of an image: the block that gave it up has said so in the log."""
        self._canvas.said.emit(plain.line(meta["error"]), 0)

    def _hear(self, msg: pmt.pmt_base) -> None:
        meta = pdu.dictionary(msg)
        # what was said of images that are well is no error
        if "sentence" in meta:
            self._canvas.said.emit(plain.line(meta["sentence"]), int(meta["times"]))
        elif meta.get("fatal"):
            self._canvas.said.emit(plain.line(meta["status"]), 1)
