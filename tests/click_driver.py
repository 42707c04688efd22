# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs the compiled example click_to_prompt, prompts it with mouse and keys, and prints what happened as JSON.

    python click_driver.py SCRIPT.py PHOTOGRAPH

Pixels are those of the photograph, which shows an astronaut at the left and a rocket at the right.
"""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Callable
from pathlib import Path

from PyQt5 import QtCore, QtGui, QtTest, QtWidgets

PATIENCE_MS = 60_000
RUBBISH = ("point:9999,9999", "box:1,2", "no such thing", "mask:/nowhere.png", "class:unicorn", "point:", ";", "x" * 90)
LEFT, NONE = QtCore.Qt.LeftButton, QtCore.Qt.NoButton


class Clicked:
    """The window, and what was seen of it.

    Parameters
    ----------
    script : Path
        Written by grcc.
    photo : str
        What is sent.
    """

    def __init__(self, script: Path, photo: str):
        sys.path.insert(0, str(script.parent))
        self.flow = getattr(importlib.import_module(script.stem), script.stem)(image=photo)
        self.sent, self.received = self.flow.view_before.qwidget(), self.flow.view_after.qwidget()
        self.pictures = self.masks = 0
        self.said: list[str] = []
        self.log: list[dict] = []
        # connected after the window's own slots, so that what they show is there
        self.received._woken.connect(lambda: self._count("pictures"))
        self.sent._mask_woken.connect(lambda: self._count("masks"))
        self.sent.said.connect(lambda sentence, times: self.said.append(sentence))

    def _count(self, what: str) -> None:
        setattr(self, what, getattr(self, what) + 1)

    def wait(self, true: Callable[[], bool]) -> bool:
        """Until something is so; whether it came to be."""
        waited = QtCore.QElapsedTimer()
        waited.start()
        while not true() and waited.elapsed() < PATIENCE_MS:
            QtWidgets.QApplication.processEvents(QtCore.QEventLoop.AllEvents, 20)
        return true()

    def at(self, x: float, y: float) -> QtCore.QPoint:
        """Where a pixel is in the view of what was sent."""
        place, size = self.sent._place(), self.sent._picture.size()
        return place.topLeft() + QtCore.QPoint(
            int((x + 0.5) * place.width() / size.width()), int((y + 0.5) * place.height() / size.height())
        )

    def click(self, x: float, y: float, modifier: QtCore.Qt.KeyboardModifier = QtCore.Qt.NoModifier) -> None:
        """With the left button."""
        QtTest.QTest.mouseClick(self.sent, LEFT, modifier, self.at(x, y))

    def right_click(self) -> None:
        """Anywhere on the picture."""
        QtTest.QTest.mouseClick(self.sent, QtCore.Qt.RightButton, QtCore.Qt.NoModifier, self.at(5, 5))

    def drag(self, x0: float, y0: float, x1: float, y1: float) -> None:
        """Press, move, release."""
        kinds = QtCore.QEvent.MouseButtonPress, QtCore.QEvent.MouseMove, QtCore.QEvent.MouseButtonRelease
        for kind, x, y in zip(kinds, (x0, x1, x1), (y0, y1, y1), strict=True):
            button = NONE if kind == QtCore.QEvent.MouseMove else LEFT
            held = NONE if kind == QtCore.QEvent.MouseButtonRelease else LEFT
            position = QtCore.QPointF(self.at(x, y))
            event = QtGui.QMouseEvent(kind, position, button, held, QtCore.Qt.NoModifier)
            QtWidgets.QApplication.sendEvent(self.sent, event)

    def type(self, text: str) -> None:
        """Into the field for words, key by key, and Enter."""
        field = self.flow.findChild(QtWidgets.QLineEdit, "qtgui_editboxmsg_val")
        field.clear()
        QtTest.QTest.keyClicks(field, text)
        QtTest.QTest.keyClick(field, QtCore.Qt.Key_Return)

    def answered(self, name: str, act: Callable[[], None], picture: bool = True) -> None:
        """Do something, and note whether mask and picture follow."""
        masks, pictures = self.masks, self.pictures
        act()
        followed = self.wait(lambda: self.masks > masks and self.pictures > pictures - (not picture))
        self.log.append({"did": name, "followed": followed, "prompts": self.sent.prompts, "note": self.received._note})

    def run(self) -> None:
        """All that a person does."""
        self.flow.start()
        self.flow.show()
        self.wait(lambda: self.pictures and self.masks)
        self.log.append({"did": "nothing", "followed": self.pictures == 1, "prompts": "", "note": self.received._note})
        self.answered("click", lambda: self.click(110, 40))
        self.answered("shift", lambda: self.click(20, 20, QtCore.Qt.ShiftModifier), picture=False)
        self.answered("undo", lambda: QtTest.QTest.keyClick(self.sent, QtCore.Qt.Key_Backspace), picture=False)
        self.answered("drag", lambda: self.drag(185, 60, 250, 170))
        self.answered("right", self.right_click, picture=False)
        self.answered("words", lambda: self.type("the woman"))
        for text in RUBBISH:
            heard = len(self.said)
            self.type(text)
            self.log.append({"typed": text, "answered": self.wait(lambda heard=heard: len(self.said) > heard)})
        self.answered("box", lambda: self.type("box:5,5,250,250"))
        self.flow.stop()
        self.flow.wait()


if __name__ == "__main__":
    application = QtWidgets.QApplication(sys.argv[:1])
    window = Clicked(Path(sys.argv[1]), sys.argv[2])
    window.run()
    print("DONE", json.dumps(window.log))
