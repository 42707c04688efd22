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
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
from gnuradio import blocks, gr, zeromq
from PyQt5 import QtCore, QtTest, QtWidgets

PATIENCE_MS = 60_000
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
        if script.stem.startswith(("tx", "esisc_tx")):
            address = f"ipc://{script.with_suffix('.socket')}"
            self.flow = made(image=photo, via=f"zmq:{address}", **({"boundaries": 0} if "esisc" in script.stem else {}))
            source = zeromq.pull_source(gr.sizeof_gr_complex, 1, address, 100, False, 8)
            self.drain.connect(source, blocks.null_sink(gr.sizeof_gr_complex))
        else:
            self.flow = made(image=photo)
        self.said: list[str] = []
        self.pictures = 0
        self.log: list[dict] = []
        self.views = [each for each in vars(self.flow).values() if type(each).__name__ == "qt_image_view"]
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
        act, self.until = step
        # in a slot of its own: what it raises must not end this one
        QtCore.QTimer.singleShot(0, act)

    def _steps(self, fields: dict) -> Iterator[tuple]:
        """What is done, and when the next may follow."""
        yield lambda: None, lambda: self.pictures > 0
        for field, good in fields.items():
            edit = getattr(self.flow, f"_{field}_line_edit", None)
            for value in [*RUBBISH, *(OF_IMAGES if edit else [])]:
                typed = edit is not None and isinstance(value, str)
                if typed and not value.strip() and good == "":
                    continue
                # where the encoder knows no SNR the channel does, and takes this for no noise at all
                if field == "snr_db" and "budget" in fields and isinstance(value, float) and value > 300:
                    continue
                act = partial(self._type, edit) if typed else getattr(self.flow, f"set_{field}")
                yield partial(act, value), partial(self._answered, len(self.said), marks(value))
                self.log.append({"field": field, "value": repr(value)[:40]})
            yield partial(getattr(self.flow, f"set_{field}"), good), partial(self._seen, self.pictures + 2)
            self.log.append({"field": field, "good": getattr(self.flow, field) == good})

    def _answered(self, heard: int, wanted: tuple[str, ...]) -> bool:
        """Whether a sentence since then is about the value, or about the slot, which is said at once."""
        # the voltage of the noise is made of what is set
        known = ("control of the window", "noise_voltage must", *wanted)
        return any(mark in sentence for sentence in self.said[heard:] for mark in known)

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
