# SPDX-License-Identifier: GPL-3.0-or-later
"""The Python fuzz harness, a moment of each target; ``fuzz/run.py`` runs it for long and under sanitizers."""

from __future__ import annotations

import time

import numpy as np
import pytest
from gnuradio.semcom.burst import Fragment

from harness import loop
from harness.common import Broken

# what starts a flowgraph for each input needs longer
SECONDS = {"flowgraph": 1.0, "afterwards": 1.0, "command": 2.0}


@pytest.mark.parametrize("target", [name for name in loop.TARGETS if name != "decoder_samsc"])
def test_a_moment_of_fuzzing(target):
    assert loop.run(target, seconds=SECONDS.get(target, 0.5), seed=1)["iterations"] > 0


def test_the_harness_notices_a_mistake(monkeypatch):
    def wrong(*_):
        raise TypeError("planted")

    monkeypatch.setattr(Fragment, "of", wrong)
    with pytest.raises(Broken, match="planted"):
        loop.run("decoder", seconds=5, seed=1)


class Greedy:
    """Takes memory that Python's own tracing would not see, and gives it back at once."""

    spent = 0

    def __init__(self, seed: int):
        pass

    def step(self) -> bool:
        # mapped by the C library and touched
        held = np.ones(2**26, np.float64)
        return bool(held[-1])


def test_the_harness_notices_memory_that_is_gone_again(monkeypatch):
    monkeypatch.setitem(loop.TARGETS, "greedy", Greedy)
    with pytest.raises(Broken, match="bytes became resident where"):
        loop.run("greedy", seconds=5, seed=1)


def test_what_a_step_takes_is_measured():
    accepted, risen, spent = loop.peak_of(lambda: bool(np.ones(2**22)[0]))
    assert accepted and risen >= 2**25 * 0.9 and 0 <= spent < loop.SLOW
    begun = time.process_time()
    assert loop.peak_of(lambda: False)[0] is False and time.process_time() - begun < 1
