# SPDX-License-Identifier: GPL-3.0-or-later
"""The blocks in C++ with live setters, which behave in a running flowgraph as those in Python do."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial, wraps
from typing import Any
from weakref import WeakKeyDictionary

from gnuradio import gr

from .. import semcom_python as native
from .. import values
from ..repeats import Repeats
from .live import live, speaking

_whole = partial(values.whole, low=-(2**31), high=2**31 - 1)

SETTERS: dict[type, dict[str, Callable[[object, str], object]]] = {
    native.symbol_channel: {
        "set_model": values.text,
        "set_snr_db": values.number,
        "set_csi": values.text,
        "set_k_factor_db": values.number,
        "set_loss": values.number,
    },
    native.soft_demapper: {"set_snr_db": values.number},
    native.burst_modulator: {"set_amplitude": values.number, "set_gap": _whole},
    native.burst_demodulator: {"set_sample_rate": values.number},
    native.burst_detector_cc: {"set_sample_rate": values.number},
}
"""Live setters of each class, and what takes a value of any type for them; the limits are the blocks' own."""

_repeats: WeakKeyDictionary[gr.basic_block, Repeats] = WeakKeyDictionary()


def _guarded(setter: Callable, take: Callable[[object, str], object]) -> Callable:
    """A setter of a binding, which by itself answers a value of another type with the signatures it has."""
    field = setter.__name__.removeprefix("set_")

    @wraps(setter)
    def checked(self: gr.basic_block, *args: Any, **options: Any) -> None:
        setter(self, *(take(value, field) for value in args), **{name: take(options[name], field) for name in options})

    return live(checked)


for _block, _setters in SETTERS.items():
    _block.has_run, _block.report = speaking.has_run, speaking.report
    # an object of a binding takes no attributes
    _block._repeats = property(lambda self: _repeats.setdefault(self, Repeats()))
    _block.logger = property(lambda self: gr.logger(self.alias()))
    for _name, _take in _setters.items():
        setattr(_block, _name, _guarded(getattr(_block, _name), _take))

burst_demodulator = native.burst_demodulator
burst_detector_cc = native.burst_detector_cc
burst_modulator = native.burst_modulator
soft_demapper = native.soft_demapper
symbol_channel = native.symbol_channel
