# SPDX-License-Identifier: GPL-3.0-or-later
"""Qt Image View: the pictures of a message port in a Qt window."""

from __future__ import annotations

import threading
from collections.abc import Callable

import numpy as np
import pmt
from PyQt5 import QtCore, QtGui, QtWidgets

from ..errors import BadInput
from . import pdu
from .base import message_block


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


class _Canvas(QtWidgets.QWidget):
    """A picture with a title line above it, scaled to the space there is."""

    _woken = QtCore.pyqtSignal()

    def __init__(self, title: str, parent: QtWidgets.QWidget | None):
        super().__init__(parent)
        self._title, self._note, self._picture = title, "", None
        self.setMinimumSize(260, 260)
        self._woken.connect(self._show)  # queued: painting belongs to the GUI thread, messages arrive on another
        self.arrived = _Newest(self._woken.emit)

    def _show(self) -> None:
        image, note = self.arrived.take()
        height, width = image.shape[:2]
        layout = QtGui.QImage.Format_RGB888 if image.ndim == 3 else QtGui.QImage.Format_Grayscale8
        stride = image.strides[0]
        self._picture = QtGui.QImage(image.data, width, height, stride, layout).copy()
        self._note = note
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
        painter.end()


class qt_image_view(message_block):
    """Shows the latest image PDU in a Qt widget, with the measured SNR and PSNR where the metadata have them.

    A QApplication must exist; GRC's Qt flowgraphs make one.

    Parameters
    ----------
    title : str
        Shown above the picture.
    parent : QWidget, optional
        The widget's parent.

    Notes
    -----
    Ports: in ``in`` (image or mask PDU).
    """

    def __init__(self, title: str = "Image", parent: QtWidgets.QWidget | None = None):
        message_block.__init__(self, "Qt Image View")
        self._canvas = _Canvas(title, parent)
        self.message_port_register_in(pmt.intern("in"))
        self.set_msg_handler(pmt.intern("in"), self._handle)

    def qwidget(self) -> QtWidgets.QWidget:
        """The widget, for a layout."""
        return self._canvas

    def _handle(self, msg: pmt.pmt_base) -> None:
        try:
            meta = pdu.meta_of(msg)
            if "silence" in meta:
                return
            if "error" in meta:
                raise BadInput(str(meta["error"]))
            image = pdu.to_image(msg)
            if image.ndim == 3 and image.shape[2] != 3:
                raise BadInput(f"a picture of {image.shape[2]} channels cannot be shown; send RGB or grey")
        except ValueError as error:  # raised here it would end the scheduler's thread
            self.logger.error(str(error))
            return
        figures = (("snr_db", "SNR"), ("psnr_db", "PSNR"))
        note = "  ".join(f"{label} {meta[key]:.1f} dB" for key, label in figures if isinstance(meta.get(key), float))
        self._canvas.arrived.emit(image, note)
