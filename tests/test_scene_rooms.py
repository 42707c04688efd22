# SPDX-License-Identifier: GPL-3.0-or-later
"""What the receiver of a scene, and the data model, do without."""

from __future__ import annotations

import subprocess
import sys

import pytest

ENCODING = (
    "gnuradio.semcom.scene.encoder",
    "gnuradio.semcom.scene.appearance",
    "gnuradio.semcom.scene.caption.captioners",
    "gnuradio.semcom.segment.sam",
    "gnuradio.semcom.segment.semantic",
    "onnxruntime",
    "torch",
    "transformers",
)
PAINTING = tuple(f"gnuradio.semcom.scene.render.{name}" for name in ("paint", "surfaces", "draw"))


def imported_of(names, code):
    """Those of ``names`` that a fresh interpreter has imported after ``code``."""
    code = f"{code}\nimport sys\nprint(*(name for name in {names!r} if name in sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    return done.stdout.split()


@pytest.mark.parametrize(
    "code",
    [
        "from gnuradio.semcom.scene.coding.container import decode",
        "from gnuradio.semcom.scene import Scene, decode_scene, describe_scene, draw, reconstruct",
        "import numpy as np\n"
        "from gnuradio.semcom.scene import Scene, decode_scene, encode_scene, reconstruct\n"
        "reconstruct(decode_scene(encode_scene(Scene(16, 24, 'A dog.', np.ones((16, 24), np.uint8)))).scene)",
    ],
    ids=["container", "names", "a scene read"],
)
def test_the_receiver_imports_nothing_of_the_encoder(code):
    assert imported_of(ENCODING, code) == []
    assert "gnuradio.semcom.scene.encoder" in imported_of(ENCODING, code + "\nfrom gnuradio.semcom.scene import *")


def test_the_data_model_imports_no_painter():
    code = (
        "import sys, types\n"
        "from gnuradio import semcom\n"
        "room = types.ModuleType('gnuradio.semcom.scene')\n"
        "room.__path__ = [semcom.__path__[0] + '/scene']\n"
        "sys.modules[room.__name__] = room\n"
        "import gnuradio.semcom.scene.model\n"
    )
    assert imported_of(PAINTING, code) == []
