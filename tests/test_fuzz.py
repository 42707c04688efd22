# SPDX-License-Identifier: GPL-3.0-or-later
"""The fuzz harness for reassembly, a moment of each target; ``fuzz/run.py`` runs it for long and under sanitizers."""

from __future__ import annotations

import importlib.util
import runpy
import sys
from pathlib import Path

import pytest

SPEC = importlib.util.spec_from_file_location("reassembly", Path(__file__).parents[1] / "fuzz" / "reassembly.py")
reassembly = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(reassembly)
# the scripts of recordings and scenes add their targets to those of the other
sys.modules["reassembly"] = reassembly
for script in ("recordings.py", "scenes.py"):
    runpy.run_path(str(Path(__file__).parents[1] / "fuzz" / script))


@pytest.mark.parametrize(
    "target", ["decoder", "decoder_digital", "join", "sink", "flowgraph", "codec", "sigmf", "scene"]
)
def test_a_moment_of_fuzzing(target):
    assert reassembly.run(target, seconds=0.5, seed=1)["iterations"] > 0


def test_the_harness_notices_a_mistake(monkeypatch):
    def wrong(*_):
        raise TypeError("planted")

    monkeypatch.setattr(reassembly.reassembler.reassembler, "_read", wrong)
    with pytest.raises(reassembly.Broken, match="planted"):
        reassembly.run("decoder", seconds=5, seed=1)
