# SPDX-License-Identifier: GPL-3.0-or-later
"""Qt Image View: the pictures of a message port in a Qt window, and what is wrong with them."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from contextlib import suppress

import numpy as np
import pmt
from PyQt5 import QtCore, QtGui, QtWidgets

from ..errors import BadInput
from ..segment import Box, Point, join_prompts, outline, parse_prompt, split_prompts
from . import pdu
from .canvas import Canvas, Newest, figures, image_of, shown_image, window_block
from .prompting import KEY

PROMPTS = pmt.intern("prompts")
TINT = (0, 200, 255)
"""RGB of a mask."""


class _Canvas(Canvas):
    """A picture, over it a mask and the prompts that were given with the mouse, and a sentence."""

    _woken = QtCore.pyqtSignal()
    _mask_woken = QtCore.pyqtSignal()

    def __init__(self, title: str, parent: QtWidgets.QWidget | None):
        super().__init__(title, parent)
        self._name = ""
        self._mask: QtGui.QImage | None = None
        self._prompts: list[Point | Box] = []
        self._sent: deque[str] = deque(maxlen=64)  # prompts that came from here
        self._pressed: QtCore.QPoint | None = None
        self._dragged: QtCore.QPoint | None = None
        self.prompted: Callable[[str], None] | None = None
        self.setMinimumSize(260, 260)
        self._woken.connect(self._show)  # queued: painting belongs to the GUI thread, messages arrive on another
        self.arrived = Newest(self._woken.emit)
        self._mask_woken.connect(self._show_mask)
        self.mask_arrived = Newest(self._mask_woken.emit)
        self.setFocusPolicy(QtCore.Qt.StrongFocus)

    @property
    def prompts(self) -> str:
        """The prompts that were given with the mouse on this picture, as text."""
        return join_prompts(map(str, self._prompts))

    def _show(self) -> None:
        image, note, name = self.arrived.take()
        height, width = image.shape[:2]
        if self._picture is not None and (name, self._picture.size()) != (self._name, QtCore.QSize(width, height)):
            self._prompts, self._mask = [], None  # they are another picture's
        self._name = name
        self.show_picture(image_of(image), note)

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
        self._mask = image_of(tint)
        self.update()

    def draw_over(self, painter: QtGui.QPainter, place: QtCore.QRect) -> None:
        """The mask and the prompts."""
        if self._mask is not None:
            painter.drawImage(place, self._mask)
        self._mark(painter, place)

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


def _places(text: str) -> list[Point | Box]:
    """The points and boxes among prompts, which may be anybody's."""
    found = []
    for part in split_prompts(text):
        with suppress(BadInput):
            found.append(parse_prompt(part))
    return [prompt for prompt in found if isinstance(prompt, Point | Box)]


class qt_image_view(window_block):
    """Shows the latest image PDU in a Qt widget, with SNR, PSNR and ROI-PSNR where they were measured."""

    def __init__(self, title: str = "Image", parent: QtWidgets.QWidget | None = None):
        """Make the block.

        Why an image was given up is written over the picture until the next one arrives, and what arrives on ``status``
        for some seconds; what is said again is counted. An exception in a control of the window, where PyQt5 would end
        the process, is shown in the same way, unless ``sys.excepthook`` is somebody else's already.

        Where ``prompts`` is connected, the picture takes prompts: a click is a point inside, with Shift a point
        outside, a drag a box; the right button, Backspace or Ctrl+Z takes the last one back. All that were given on a
        picture are sent each time, and drawn. Another picture, by name or size, begins without.

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
        window_block.__init__(self, "Qt Image View", _Canvas(title, parent))
        for port, handler in (("in", self._handle), ("mask", self._handle_mask)):
            self.message_port_register_in(pmt.intern(port))
            self.set_msg_handler(pmt.intern(port), handler)
        self.message_port_register_out(PROMPTS)

    def start(self) -> bool:
        """Called by the scheduler; from now on the picture takes prompts, if anybody hears them."""
        if not pmt.is_null(self.message_subscribers(PROMPTS)):
            self._canvas.prompted = self._prompt
        return window_block.start(self)

    def _prompt(self, text: str) -> None:
        self.message_port_pub(PROMPTS, pdu.message({KEY: text}))

    def _handle(self, msg: pmt.pmt_base) -> None:
        try:
            meta = pdu.meta_of(msg)
            if "silence" in meta:
                return
            if "error" in meta:  # the block that gave the image up has said so in the log
                self.give_up(meta)
                return
            image = shown_image(msg)
        except ValueError as error:
            self.report("", str(error), error)
            return
        self._canvas.arrived.emit(image, figures(meta), str(meta.get("name", "")))

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
