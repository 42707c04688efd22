# SPDX-License-Identifier: GPL-3.0-or-later
"""What several test files use."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
SHARED = ROOT.parent / "shared"


def until(application, true: Callable[[], bool], seconds: float = 20) -> bool:
    """Let the windows work until something is so; whether it came to be."""
    from PyQt5 import QtCore

    ends = time.monotonic() + seconds
    while not true() and time.monotonic() < ends:
        application.processEvents(QtCore.QEventLoop.WaitForMoreEvents | QtCore.QEventLoop.AllEvents, 50)
    return true()


@pytest.fixture(scope="module")
def application():
    """Qt, off the screen."""
    from PyQt5 import QtWidgets

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("QT_QPA_PLATFORM", "offscreen")
        yield QtWidgets.QApplication.instance() or QtWidgets.QApplication(["test"])


@pytest.fixture
def astronaut() -> Path:
    return ROOT / "examples" / "images" / "skimage_astronaut.png"


@pytest.fixture(scope="session")
def smooth_image():
    """A small picture with structure, different for each seed: uint8 [height,width,3]."""

    def make(height: int = 64, width: int = 80, seed: int = 0) -> np.ndarray:
        rng = np.random.default_rng(seed)
        # mostly grey, as photographs are: the transforms keep few colour components
        coarse = (rng.integers(40, 200, (3, 3, 1)) + rng.integers(0, 40, (3, 3, 3))).astype(np.uint8)
        return np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC))

    return make


@pytest.fixture
def kodak() -> list[Path]:
    files = sorted((SHARED / "data" / "kodak").glob("*.png"))
    if not files:
        pytest.skip("the Kodak images are not beside this checkout")
    return files


@pytest.fixture
def command(capfd):
    """The command within this process: (exit status, standard output, standard error)."""

    from gnuradio.semcom.cli import main

    def run(*args) -> tuple[int, str, str]:
        capfd.readouterr()
        status = main([str(arg) for arg in args])
        return (status, *capfd.readouterr())

    return run


@pytest.fixture(scope="session")
def platform():
    """GNU Radio Companion's own view of the blocks, without its window."""
    from gnuradio import gr
    from gnuradio.grc.core.platform import Platform

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRC_BLOCKS_PATH", str(ROOT / "grc"))
        made = Platform(version="test", version_parts=("3", "10", "5"), prefs=gr.prefs())
        made.build_library()
    return made
