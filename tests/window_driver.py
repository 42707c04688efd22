# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs a compiled example off the screen, puts rubbish into each of its live fields, and prints what happened as JSON.

    python window_driver.py SCRIPT.py PHOTOGRAPH '{"FIELD": GOOD, ...}'

A value is set in a slot, as Qt sets it: an exception that gets out of it is what ends a window.
"""

from __future__ import annotations

import importlib
import json
import math
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
from gnuradio import blocks, gr, zeromq
from PyQt5 import QtCore, QtTest, QtWidgets

PATIENCE_MS = 60_000
VIEWS = ("qt_image_view", "qt_scene_view")
RUBBISH = [
    "", "abc", " ", "10 dB", "1e400", "\x1b[2J", "../../etc/passwd", "ß漢\udce9", "9" * 5000, "point:1", "point:x,y",
    None, math.nan, math.inf, -math.inf, 1e300, 10**400, -(10**400), -1e9, [], [1, 2], {}, {"a": 1}, (), set(), b"",
    b"\xff", object(), 1j, type, slice(3), np.zeros(3), range(5), ...,
]  # fmt: skip
# found out with the next image only
OF_IMAGES = ["point:9999,9999", "box:0,0,9999,9999", "class:unicorn", "mask:/nowhere/at/all.png", "point:-1,5"]


def marks(value: object) -> tuple[str, ...]:
    """How a sentence about a value shows it."""
    if isinstance(value, str):
        shown = value[-6:] if value.isprintable() else repr(value)[1:3]
        return (shown,) if value.strip() else ("got none", repr(value))
    whole = isinstance(value, float) and math.isfinite(value)
    return (repr(value)[:8], *([str(int(value))[:8]] if whole else []))


class Window:
    """A flowgraph with its window, and what is said in it.

    Parameters
    ----------
    script : Path
        Written by grcc.
    photo : str
        What is sent.
    fields : dict of str to float or str
        Name of each live variable to a good value.
    """

    def __init__(self, script: Path, photo: str, fields: dict):
        sys.path.insert(0, str(script.parent))
        made = getattr(importlib.import_module(script.stem), script.stem)
        self.drain = gr.top_block()
        quick = {"boundaries": 0} if "esisc" in script.stem else {}
        if script.stem.startswith(("tx", "esisc_tx")):
            address = f"ipc://{script.with_suffix('.socket')}"
            self.flow = made(image=photo, via=f"zmq:{address}", **quick)
            source = zeromq.pull_source(gr.sizeof_gr_complex, 1, address, 100, False, 8)
            self.drain.connect(source, blocks.null_sink(gr.sizeof_gr_complex))
        else:
            self.flow = made(image=photo, **quick)
        self.said: list[str] = []
        self.pictures = 0
        self.log: list[dict] = []
        self.views = [each for each in vars(self.flow).values() if type(each).__name__ in VIEWS]
        for view in self.views:
            view.qwidget().said.connect(lambda sentence, times: self.said.append(sentence))
        self.views[-1].qwidget()._woken.connect(self._count)
        self.steps = self._steps(fields)
        self.until = lambda: True
        self.waited = QtCore.QElapsedTimer()
        self.timer = QtCore.QTimer()
        self.timer.timeout.connect(self._look)

    def _count(self) -> None:
        self.pictures += 1

    def run(self) -> None:
        """Until every field has been through everything."""
        self.drain.start()
        self.flow.start()
        self.flow.show()
        self.waited.start()
        self.timer.start(5)
        QtWidgets.QApplication.instance().exec_()
        for each in (self.flow, self.drain):
            each.stop()
            each.wait()

    def _look(self) -> None:
        late = self.waited.elapsed() > PATIENCE_MS
        if not late and not self.until():
            return
        if late:
            self.log.append({"late": self.said[-3:]})
        self.waited.restart()
        step = next(self.steps, None)
        if step is None:
            self.timer.stop()
            QtWidgets.QApplication.instance().quit()
            return
        acts, self.until = step
        for act in acts:  # each in a slot of its own, which an exception ends
            QtCore.QTimer.singleShot(0, act)

    def _steps(self, fields: dict) -> Iterator[tuple]:
        """What is done, and when the next may follow."""
        yield [], partial(self._seen, 1)
        for field, good in fields.items():
            edit = getattr(self.flow, f"_{field}_line_edit", None)
            values = [value for value in RUBBISH if not self._is_good(field, value, fields)]
            acts = [
                partial(self._type, edit) if edit and isinstance(value, str) else self._setter(field)
                for value in values
            ]
            yield (
                [partial(act, value) for act, value in zip(acts, values, strict=True)],
                partial(self._answered, len(self.said), values),
            )
            for value in OF_IMAGES if edit else []:
                yield [partial(self._type, edit, value)], partial(self._answered, len(self.said), [value])
            yield [partial(self._setter(field), good)], partial(self._seen, self.pictures + 2)
            self.log.append({"field": field, "good": getattr(self.flow, field) == good, "tried": len(values)})

    def _setter(self, field: str) -> Callable[[object], None]:
        return getattr(self.flow, f"set_{field}")

    @staticmethod
    def _is_good(field: str, value: object, fields: dict) -> bool:
        """Where the encoder takes no prompt for its own choice."""
        return isinstance(value, str) and fields[field] == "" and not value.strip()

    def _answered(self, heard: int, values: list) -> bool:
        """Whether there is a sentence since then about each value, or about the slot."""
        said = self.said[heard:]
        left = [value for value in values if not any(mark in each for mark in marks(value) for each in said)]
        return len(left) <= sum("control of the window" in each for each in said)

    def _seen(self, pictures: int) -> bool:
        return self.pictures >= pictures

    def _type(self, edit: QtWidgets.QLineEdit, value: str) -> None:
        """Into the field, key by key as far as a keyboard has the keys, and Enter."""
        edit.clear()
        if value.isascii() and value.isprintable() and len(value) < 100:
            QtTest.QTest.keyClicks(edit, value)
        else:
            edit.setText(value.encode("utf-8", "replace").decode())
        QtTest.QTest.keyClick(edit, QtCore.Qt.Key_Return)


if __name__ == "__main__":
    application = QtWidgets.QApplication(sys.argv[:1])
    window = Window(Path(sys.argv[1]), sys.argv[2], json.loads(sys.argv[3]))
    window.run()
    print("DONE", json.dumps(window.log))
