# SPDX-License-Identifier: GPL-3.0-or-later
"""The window of Qt Scene View: a caption whose words are linked to objects, maps, picture, and what has arrived."""

from __future__ import annotations

import html
from dataclasses import dataclass

import numpy as np
from PyQt5 import QtCore, QtGui, QtWidgets

from .. import plain
from ..scene.caption.grounding import MAX_CHARACTERS
from ..scene.coding.container import A_SEG, B_SEG, BOXES
from ..scene.render.panes import Panes
from ..segment import PALETTE, outline
from .canvas import Canvas, Newest, image_of

LIT = QtGui.QColor(255, 210, 0)
"""Of the words and boxes of what the mouse points at."""
MUTED = QtGui.QColor(110, 110, 110)
"""Of what is said in place of a section; readable on light and dark ground."""
MAX_BOXES = 40
"""Boxes that are drawn with names on the class map when nothing is pointed at; more would hide it."""
MAX_PROBLEMS = 4
PREVIEW = "what has arrived so far"

Lit = frozenset[int]
NOBODY: Lit = frozenset()


@dataclass(frozen=True, eq=False)
class Picture:
    """A picture for the window.

    Attributes
    ----------
    number : int
        Of the image.
    values : uint8 [H, W, 3] or [H, W]
        RGB or grey.
    note : str
        What was measured of it.
    complete : bool
        Whether nothing more of it follows.
    """

    number: int
    values: np.ndarray
    note: str
    complete: bool


@dataclass(frozen=True)
class _Linked:
    """Words that are a link: where they are in the document, and their objects."""

    start: int
    end: int
    objects: Lit


class _Caption(QtWidgets.QTextBrowser):
    """The caption; words that name objects are links."""

    pointed = QtCore.pyqtSignal(object)
    """The objects of the link under the mouse, none beside a link."""
    picked = QtCore.pyqtSignal(object)
    """The objects of the link that was clicked."""

    def __init__(self, parent: QtWidgets.QWidget):
        super().__init__(parent)
        self.setOpenLinks(False)  # they lead to objects, not to files
        self.setFrameShape(QtWidgets.QFrame.NoFrame)
        self.setFixedHeight(5 * self.fontMetrics().lineSpacing())
        self._shows: tuple | None = None
        self._links: list[_Linked] = []
        self.highlighted[str].connect(lambda name: self.pointed.emit(self._meant(name)))
        self.anchorClicked.connect(lambda url: self.picked.emit(self._meant(url.toString())))

    def show_panes(self, shown: Panes) -> None:
        """The caption of a scene, or that there is none."""
        shows = shown.scene.caption, shown.words, shown.absent
        if shows == self._shows:  # another part of the same scene: what the mouse is at stays
            return
        self._shows, self._links = shows, []
        # of the same length, so that the links are where they were
        text = plain.text(shown.scene.caption or "")[:MAX_CHARACTERS]
        text = "".join(letter if letter.isprintable() else " " for letter in text)
        self.clear()
        cursor, usual = self.textCursor(), QtGui.QTextCharFormat()
        usual.setFontPointSize(1.3 * self.font().pointSizeF())
        if not text:
            usual.setForeground(MUTED)
            cursor.insertText(f"The caption {shown.absent}.", usual)
            return
        at = 0
        for link in shown.words:
            cursor.insertText(text[at : link.start], usual)
            form = QtGui.QTextCharFormat(usual)
            form.setAnchor(True)
            form.setAnchorHref(str(len(self._links)))
            form.setForeground(self.palette().link())
            form.setFontUnderline(True)
            start, at = cursor.position(), link.end  # Qt counts the halves of UTF-16 pairs
            cursor.insertText(text[link.start : link.end], form)
            self._links.append(_Linked(start, cursor.position(), frozenset(link.objects)))
        cursor.insertText(text[at:], usual)

    @property
    def links(self) -> list[_Linked]:
        """The words that are links."""
        return self._links

    def light(self, lit: Lit) -> None:
        """Mark the words that name one of some objects."""
        marks = []
        for link in self._links:
            if lit & link.objects:
                mark = QtWidgets.QTextEdit.ExtraSelection()
                mark.cursor = self.textCursor()
                mark.cursor.setPosition(link.start)
                mark.cursor.setPosition(link.end, QtGui.QTextCursor.KeepAnchor)
                mark.format.setBackground(LIT)
                mark.format.setForeground(QtCore.Qt.black)
                marks.append(mark)
        self.setExtraSelections(marks)

    def leaveEvent(self, event: QtCore.QEvent) -> None:  # noqa: N802  Qt's name
        """Nothing is pointed at any more."""
        self.pointed.emit(NOBODY)
        super().leaveEvent(event)

    def _meant(self, name: str) -> Lit:
        return self._links[int(name)].objects if name.isdigit() and int(name) < len(self._links) else NOBODY


class _Pane(Canvas):
    """A map or picture of the scene, with the boxes of objects over it.

    Attributes
    ----------
    objects_shown : bool
        Whether the picture is of the scene whose objects are known.
    """

    pointed = QtCore.pyqtSignal(object)
    """The object under the mouse, none beside the objects."""
    picked = QtCore.pyqtSignal(object)
    """The object that was clicked."""

    def __init__(self, title: str, parent: QtWidgets.QWidget, always: bool = False):
        super().__init__(title, parent)
        self._always = always  # whether boxes are drawn that nobody points at
        self._panes: Panes | None = None
        self._lit = NOBODY
        self._shade: QtGui.QImage | None = None
        self._absent = ""
        self.objects_shown = True
        self.setMinimumSize(160, 120)
        self.setMouseTracking(True)

    def show_panes(self, shown: Panes) -> None:
        """The scene whose objects are over the picture."""
        self._panes = shown
        self.light(NOBODY)

    def say_absent(self, absent: str) -> None:
        """What stands in place of the picture where there is none."""
        self._absent = absent
        self.update()

    @property
    def absent(self) -> str:
        """What stands in place of the picture; empty where there is one."""
        return self._absent if self._picture is None else ""

    @property
    def title(self) -> str:
        """What is written above, title and note."""
        return f"{self._title}: {self._note}" if self._note else self._title

    def light(self, lit: Lit) -> None:
        """Show some objects, and put the rest into shade."""
        owners = None if self._panes is None else self._panes.owners
        self._lit, self._shade = lit, None
        if lit and owners is not None:
            inside = np.isin(owners, list(lit))
            shade = np.zeros((*owners.shape, 4), np.uint8)
            shade[~inside] = (0, 0, 0, 150)
            shade[outline(inside)] = (LIT.red(), LIT.green(), LIT.blue(), 255)
            self._shade = image_of(shade)
        self.update()

    def paintEvent(self, event: QtGui.QPaintEvent) -> None:  # noqa: N802  Qt's name
        """As of the base; where there is no picture, why."""
        super().paintEvent(event)
        if self._picture is None and self._said is None:
            painter = QtGui.QPainter(self)
            space = self.rect().adjusted(8, self._bar(), -8, -8)
            painter.fillRect(space, self.palette().color(QtGui.QPalette.Base))
            painter.setPen(MUTED)
            painter.drawText(space, QtCore.Qt.AlignCenter | QtCore.Qt.TextWordWrap, self._absent)
            painter.end()

    def draw_over(self, painter: QtGui.QPainter, place: QtCore.QRect) -> None:
        """The shade, and boxes with names."""
        if not self.objects_shown:
            return
        if self._shade is not None:
            painter.drawImage(place, self._shade)
        scene = None if self._panes is None else self._panes.scene
        if scene is None or not scene.objects or not scene.height:
            return
        across, down = place.width() / scene.width, place.height() / scene.height
        few = self._always and not self._lit and len(scene.objects) <= MAX_BOXES
        for index, each in enumerate(scene.objects):
            if index in self._lit or few:
                x0, y0, x1, y1 = each.box
                box = QtCore.QRectF(x0 * across, y0 * down, (x1 - x0) * across, (y1 - y0) * down)
                self._draw_box(painter, box.translated(QtCore.QPointF(place.topLeft())), scene.classes[each.label])

    def _draw_box(self, painter: QtGui.QPainter, box: QtCore.QRectF, name: str) -> None:
        colour = LIT if self._lit else QtGui.QColor(QtCore.Qt.white)
        painter.setBrush(QtCore.Qt.NoBrush)
        painter.setPen(QtGui.QPen(colour, 2))
        painter.drawRect(box.adjusted(1, 1, -1, -1))
        metrics = painter.fontMetrics()
        label = QtCore.QRectF(box.left(), box.top(), metrics.horizontalAdvance(name) + 8, metrics.height() + 2)
        # what would stick out of the pane at the right is moved in
        label.moveLeft(max(0.0, min(label.left(), self.width() - label.width())))
        painter.fillRect(label, colour)
        painter.setPen(QtCore.Qt.black)
        painter.drawText(label, QtCore.Qt.AlignCenter, name)

    def _under(self, position: QtCore.QPoint) -> Lit:
        """The object at a position of the widget: by its pixels, else the smallest box."""
        shown = self._panes
        if self._picture is None or shown is None or not self.objects_shown or not self._place().contains(position):
            return NOBODY
        place = self._place()
        x = (position.x() - place.left() + 0.5) / place.width()
        y = (position.y() - place.top() + 0.5) / place.height()
        if shown.owners is not None:
            height, width = shown.owners.shape
            owner = int(shown.owners[min(int(y * height), height - 1), min(int(x * width), width - 1)])
            return frozenset({owner}) if owner >= 0 else NOBODY
        scene = shown.scene
        boxes = [(index, each.box) for index, each in enumerate(scene.objects or ())]
        px, py = x * scene.width, y * scene.height
        hit = [(b, i) for i, b in boxes if b[0] <= px < b[2] and b[1] <= py < b[3]]
        return frozenset({min(hit, key=lambda h: (h[0][2] - h[0][0]) * (h[0][3] - h[0][1]))[1]}) if hit else NOBODY

    def mouseMoveEvent(self, event: QtGui.QMouseEvent) -> None:  # noqa: N802  Qt's name
        """Whatever is under the mouse is pointed at."""
        self.pointed.emit(self._under(event.pos()))

    def leaveEvent(self, event: QtCore.QEvent) -> None:  # noqa: N802  Qt's name
        """Nothing is pointed at any more."""
        self.pointed.emit(NOBODY)
        super().leaveEvent(event)

    def mousePressEvent(self, event: QtGui.QMouseEvent) -> None:  # noqa: N802  Qt's name
        """What is clicked stays lit."""
        if event.button() == QtCore.Qt.LeftButton:
            self.picked.emit(self._under(event.pos()))


def _in_bytes(*sizes: int | None) -> str:
    """The bytes of sections together, in words; empty where none of them is here."""
    known = [size for size in sizes if size is not None]
    return f"{sum(known):,} bytes" if known else ""


class _Contents(QtWidgets.QTextBrowser):
    """What is in the scene, and what is not, as a list."""

    def __init__(self, parent: QtWidgets.QWidget):
        super().__init__(parent)
        self.setOpenLinks(False)
        self.setFrameShape(QtWidgets.QFrame.NoFrame)
        self.setMinimumSize(160, 120)

    def show_panes(self, shown: Panes) -> None:
        """Size, sections, classes and problems of a scene."""
        scene, lines = shown.scene, []
        size = f"<b>{shown.total:,} bytes</b>"
        if scene.height and shown.total:
            ratio = 3 * scene.height * scene.width / shown.total
            size += f", {ratio:,.0f} times fewer than {scene.width} x {scene.height} pixels have"
        for row in shown.rows:
            what = f"{row.size:,} bytes" if row.size is not None else f"<i>{shown.absent}</i>"
            lines.append(f"<tr><td>{row.title} ({row.name})</td><td>&nbsp;&nbsp;{what}</td></tr>")
        text = f"{size}<table>{''.join(lines)}</table>"
        if shown.shares:
            text += "<p>" + "&nbsp; ".join(
                f'<span style="color:{self._colour(label)}">&#9632;</span>&nbsp;{html.escape(name)}&nbsp;{share:.0%}'
                for name, label, share in shown.shares
            )
        notes = [*shown.problems[:MAX_PROBLEMS], *([shown.note] if shown.note else [])]
        if len(shown.problems) > MAX_PROBLEMS:
            notes.append(f"and {len(shown.problems) - MAX_PROBLEMS} more problems")
        text += "".join(f"<p><i>{html.escape(plain.line(note))}</i>" for note in notes)
        self.setHtml(text)

    @staticmethod
    def _colour(label: int) -> str:
        return "#" + "".join(f"{channel:02x}" for channel in PALETTE[min(label, len(PALETTE) - 1)].tolist())


class SceneWindow(QtWidgets.QWidget):
    """Caption, class map, outlines, picture and contents of the last scene.

    Parameters
    ----------
    title : str
        Shown above all.
    label : str
        What the picture is.
    parent : QWidget, optional
        The widget's parent.
    """

    _woken = QtCore.pyqtSignal()
    _picture_woken = QtCore.pyqtSignal()

    def __init__(self, title: str, label: str, parent: QtWidgets.QWidget | None):
        super().__init__(parent)
        self.setMinimumSize(440, 520)
        self._heading = QtWidgets.QLabel(self)
        self._title = title
        self._heading.setAlignment(QtCore.Qt.AlignCenter)
        self._heading.setTextFormat(QtCore.Qt.PlainText)
        self.caption = _Caption(self)
        self.labels = _Pane("Class map and objects", self, always=True)
        self.outlines = _Pane("Outlines", self)
        self.picture = _Pane(label, self)
        self.contents = _Contents(self)
        grid = QtWidgets.QGridLayout(self)
        grid.addWidget(self._heading, 0, 0, 1, 2)
        grid.addWidget(self.caption, 1, 0, 1, 2)
        for place, widget in enumerate((self.labels, self.picture, self.outlines, self.contents)):
            grid.addWidget(widget, 2 + place // 2, place % 2)
        for line in (2, 3):
            grid.setRowStretch(line, 1)
        for column in (0, 1):
            grid.setColumnStretch(column, 1)
        self._pointed = self._picked = NOBODY
        for each in (self.caption, self.labels, self.outlines, self.picture):
            each.pointed.connect(self._point)
            each.picked.connect(self._pick)
        self._number: int | None = None
        self._before: int | None = None
        self._objects: tuple | None = None
        self._drawn: Picture | None = None
        self._waiting: Picture | None = None
        # queued: painting belongs to the GUI thread, messages arrive on others
        self._woken.connect(self._show_scene)
        self.scenes = Newest(self._woken.emit)
        self._picture_woken.connect(self._take_picture)
        self.pictures = Newest(self._picture_woken.emit)
        self._say_nothing_yet()

    @property
    def said(self) -> QtCore.pyqtBoundSignal:
        """In any thread: a sentence, and how often it was said; as of a :class:`Canvas`."""
        return self.picture.said

    @property
    def lit(self) -> Lit:
        """The objects that are highlighted."""
        return self._pointed or self._picked

    @property
    def heading(self) -> str:
        """What is written above all."""
        return self._heading.text()

    def _say_nothing_yet(self) -> None:
        self._heading.setText(self._title)
        for pane in (self.labels, self.outlines, self.picture):
            pane.say_absent("no scene yet")

    def _show_scene(self) -> None:
        number, name, shown = self.scenes.take()
        if number != self._number:
            self._before, self._number = self._number, number
        if shown.scene.objects != self._objects:
            self._pointed = self._picked = NOBODY
            self._objects = shown.scene.objects
        self._heading.setText(f"{self._title}: {name}" if name else self._title)
        self.caption.show_panes(shown)
        self.contents.show_panes(shown)
        for pane, drawn, size, what in (
            (self.labels, shown.labels, _in_bytes(shown.size(A_SEG), shown.size(BOXES)), "class map (A-seg)"),
            (self.outlines, shown.outlines, _in_bytes(shown.size(B_SEG)), "map of outlines (B-seg)"),
        ):
            pane.show_panes(shown)
            pane.show_picture(None if drawn is None else image_of(drawn), size)
            pane.say_absent(f"The {what} {shown.absent}.")
        self.picture.say_absent("The picture has not been painted yet.")
        self.picture.show_panes(shown)
        waiting, self._waiting = self._waiting, None
        if waiting is not None and waiting.number == number:
            self._drawn = waiting
        self._draw()
        self._light()

    def _take_picture(self) -> None:
        (picture,) = self.pictures.take()
        if self._number is None or picture.number in (self._number, self._before):
            self._drawn = picture
            self._draw()
        else:  # its scene is still on its way
            self._waiting = picture

    def _draw(self) -> None:
        """The picture, and what is known of it."""
        drawn = self._drawn
        if drawn is None:
            return
        old = self._number not in (drawn.number, None)
        notes = ("" if drawn.complete else PREVIEW, "of an earlier scene" if old else "", drawn.note)
        self.picture.show_picture(image_of(drawn.values), "  ".join(filter(None, notes)))
        self.picture.objects_shown = not old

    def _point(self, objects: Lit) -> None:
        if objects != self._pointed:
            self._pointed = objects
            self._light()

    def _pick(self, objects: Lit) -> None:
        """A click holds; a second one, or one beside the objects, ends it."""
        self._picked = NOBODY if objects == self._picked else objects
        self._light()

    def _light(self) -> None:
        for each in (self.caption, self.labels, self.outlines, self.picture):
            each.light(self.lit)
