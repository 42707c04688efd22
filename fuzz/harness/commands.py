# SPDX-License-Identifier: GPL-3.0-or-later
"""Command lines of words that belong together, and of words that do not."""

from __future__ import annotations

import io
import os
import random
import shutil
import tempfile
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

from gnuradio.semcom import cli, schemes
from PIL import Image

from . import hostile
from .common import picture, require
from .journals import RECORD, REPORT

NUMBERS = [
    "0", "1", "-1", "10", "1e3", "1e999", "1e999999999", "0:1e999999:1e-999999", "nan", "inf", "-0", "0x10", "1/12",
    "1/0", "9" * 400, "1:3:1", "1:20:1e-9", "", " ", "1,2", ",", ":::",
]  # fmt: skip
WORDS = [
    "", "x", "awgn", "rayleigh", "epa", "ideal", "pilot", "none", "psnr", "masked", "symbol", "waveform", "auto",
    "point:3,3", "box:0,0,9,9", "point:nan,1", "mask:photo.png", "mask:none", "class:dog", "everything", "..", "/", "~",
    "a\nb", "\x1b[31m", "\udcff", "$x$", "%s", "{}", "--", "-", "mine.py:Mine", "onnx:a,b", "x" * 5000,
]  # fmt: skip
FILES = ["photo.png", "report.json", "record.json", "none.png", ".", "zeros", "out.json", "out.svg", "out.png"]
# nothing that fetches, trains for long, opens a radio or waits for somebody
COMMANDS = {
    "loopback": ["--snr", "--rate", "--channel", "--csi", "--level", "--k-factor", "--prompt", "--roi", "--background",
                 "--metrics", "--seed", "--scheme", "--variant", "--doppler", "--cfo", "--sfo", "--empty", "--mcs"],
    "sweep": ["--images", "--out", "--snr", "--rate", "--channel", "--csi", "--seeds", "--draws", "--lose", "--metrics",
              "--scheme", "--k-factor", "--snr-enc"],
    "plot": ["-o", "--metric", "--x", "--channel", "--anchors"],
    "report": ["--json"],
    "schemes": ["--json"],
    "models list": ["--json"],
    "scene show": ["--map", "--json"],
    "scene decode": ["-o", "--seed", "--strength"],
}  # fmt: skip
STATUSES = {0, 1, 2, 3}


class Commands:
    """One command line; it ends with a known status, and where it fails, with one sentence."""

    def __init__(self, seed: int):
        self.rng = random.Random(seed)
        self.back = Path.cwd()
        self.folder = Path(tempfile.mkdtemp(prefix="semcom-fuzz-"))
        os.chdir(self.folder)
        Image.fromarray(picture(16, 24, 1)).save("photo.png")
        Path("report.json").write_bytes(hostile.as_json(REPORT))
        Path("record.json").write_bytes(hostile.as_json(RECORD))
        Path("zeros").write_bytes(bytes(5000))
        self.schemes = [*schemes.schemes(), "softcast,digital", "none", "mine.py:Mine", "onnx:zeros,zeros"]
        self.spent = 0

    def close(self) -> None:
        """Remove what was written."""
        os.chdir(self.back)
        shutil.rmtree(self.folder)

    def _words(self) -> list[str]:
        rng = self.rng
        name = rng.choice(list(COMMANDS))
        words = name.split()
        if name in ("loopback", "report", "plot", "scene show", "scene decode"):
            words.append(rng.choice(FILES))
        if name == "sweep":
            # no worker processes, and little to do
            words += ["--workers", "0", "--images", rng.choice(FILES), "--out", rng.choice(["out.json", *FILES])]
            words += ["--scheme", "softcast", "--metrics", "psnr"]
        if name == "loopback":
            words += ["--scheme", "softcast", "--metrics", "none", "--out", "received"]
        if name in ("plot", "scene decode"):
            words += ["-o", rng.choice(["out.svg", "out.png", *FILES])]
        for _ in range(rng.choice([0, 1, 1, 2, 3])):
            option = rng.choice(COMMANDS[name])
            words.append(option)
            if option != "--json":
                words.append(rng.choice([*NUMBERS, *WORDS, *FILES, *self.schemes]))
        if rng.random() < 0.1:
            words.insert(
                rng.randrange(len(words) + 1), rng.choice([*WORDS, *NUMBERS, "--help", "--version", "--nothing"])
            )
        return words

    def step(self) -> bool:
        """One command line; whether something was done."""
        words = self._words()
        out, err = io.StringIO(), io.StringIO()
        with redirect_stdout(out), redirect_stderr(err):
            status = cli.main(words)
        said = err.getvalue()
        require(status in STATUSES, f"{words} ended with {status}: {said[:300]}")
        require("fault of gr-semcom" not in said and "Traceback" not in said, f"{words}: {said[:1000]}")
        require(not status or said.strip() or out.getvalue(), f"{words} ended with {status} and said nothing")
        require(max(map(len, said.splitlines()), default=0) <= 2000, f"{words} said a page: {said[:300]}")
        return status == 0
