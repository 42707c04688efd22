# SPDX-License-Identifier: GPL-3.0-or-later
"""The Python fuzz harness, a moment of each target; ``fuzz/run.py`` runs it for long and under sanitizers."""

from __future__ import annotations

import pytest
from gnuradio.semcom.burst import Fragment

from harness import loop
from harness.common import Broken


@pytest.mark.parametrize(
    "target", ["decoder", "decoder_digital", "reception", "join", "sink", "flowgraph", "codec", "sigmf", "scene", "map"]
)
def test_a_moment_of_fuzzing(target):
    assert loop.run(target, seconds=0.5, seed=1)["iterations"] > 0


def test_the_harness_notices_a_mistake(monkeypatch):
    def wrong(*_):
        raise TypeError("planted")

    monkeypatch.setattr(Fragment, "of", wrong)
    with pytest.raises(Broken, match="planted"):
        loop.run("decoder", seconds=5, seed=1)
