#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Takes the pictures in ``docs/images``: flowgraphs as GNU Radio Companion draws them, and the windows of two examples.

    xvfb-run -a -s "-screen 0 1366x768x24" python tools/docs_pictures.py

Run it inside ``./bootstrap shell`` when an example or a block has changed. Pictures are kept in the repository, since
the machine that makes the pages may have no screen.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from grc_canvas import drawn, platform  # before the module below, which cannot be the first

from gnuradio.grc.gui import Utils  # isort: skip
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
WINDOWS = ("sam_jscc_loopback", "esisc_scene_loopback")
COLOURS = 64  # of a drawing of boxes and lines
# runs an example until some pictures have arrived and were drawn, and takes its window
DRIVER = """
import sys
from PyQt5 import Qt
import {name} as flow
app = Qt.QApplication(sys.argv)
tb = flow.{name}(repeat=4)
flow.snippets_main_after_init(tb)
tb.start()
tb.show()
turns = []
def look():
    turns.extend(tb.sink.results[3:4])
    if len(turns) == 40:
        tb.grab().save({out!r})
        app.quit()
timer = Qt.QTimer()
timer.timeout.connect(look)
timer.start(50)
app.exec_()
tb.stop()
tb.wait()
"""


def reduced(path: Path, colours: int) -> None:
    """A PNG with fewer colours."""
    with Image.open(path) as picture:
        small = picture.convert("RGB").quantize(colours, dither=Image.Dither.NONE)
    small.save(path, optimize=True)


def window(name: str, out: Path) -> None:
    """The window of an example of ``examples/gui``."""
    with tempfile.TemporaryDirectory() as folder:
        example = ROOT / "examples" / "gui" / f"{name}.grc"
        subprocess.run(["grcc", "-o", folder, example], check=True, stdout=subprocess.DEVNULL)
        (script,) = Path(folder).glob("*.py")
        (Path(folder) / "drive.py").write_text(DRIVER.format(name=script.stem, out=str(out)))
        subprocess.run([sys.executable, "drive.py"], check=True, cwd=folder, timeout=600)
    reduced(out, 200)


def main() -> int:
    """Take all of them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "images")
    out = parser.parse_args().out.resolve()
    for folder in ("flowgraphs", "windows"):
        (out / folder).mkdir(parents=True, exist_ok=True)
    known = platform()
    for path in sorted((ROOT / "examples").glob("*/*.grc")):
        where = out / "flowgraphs" / f"{path.parent.name}-{path.stem}.png"
        Utils.make_screenshot(drawn(known, path), str(where))
        reduced(where, COLOURS)
    for name in WINDOWS:
        window(name, out / "windows" / f"{name}.png")
    return 0


if __name__ == "__main__":
    sys.exit(main())
