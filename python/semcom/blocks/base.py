# SPDX-License-Identifier: GPL-3.0-or-later
"""What all Python blocks of the module have in common."""

from __future__ import annotations

import pmt
from gnuradio import gr

from .. import plain
from .. import semcom_python as native
from . import pdu

STATUS = pmt.intern("status")

# each block that was connected, and how many held its C++ half when no flowgraph did
_connected: dict[gr.basic_block, int] = {}


class kept_block:
    """A Python block, of whatever base, that lives as long as a flowgraph has it, and may run any number of times.

    GNU Radio holds a Python block by its C++ half alone: one that is connected and then forgotten by Python is
    collected, and the flowgraph calls into freed memory. A block that is connected is therefore kept here as long as
    its C++ half has an owner besides the Python one. What a flowgraph has let go is found when the next is built.
    """

    def to_basic_block(self):
        """Called by every connect."""
        basic = super().to_basic_block()
        _connected.setdefault(self, native.holders(basic))
        for block, alone in list(_connected.items()):
            if block is not self and native.holders(block.gateway.to_basic_block()) <= alone:
                del _connected[block]
        return basic

    def start(self) -> bool:
        """Called by the scheduler before any block works."""
        native.forget_earlier_end(self.gateway.to_basic_block())
        return True


class message_block(kept_block, gr.basic_block):
    """A block with message ports only."""

    def __init__(self, name: str):
        gr.basic_block.__init__(self, name=name, in_sig=None, out_sig=None)

    def report(self, name: str, sentence: str, error: Exception | None = None) -> None:
        """One sentence on the ``status`` port, which the block must have, and, when it is an error, in the log."""
        where = f"{name}: " if name else ""
        if error is not None:
            self.logger.error(plain.line(where + sentence))
        self.message_port_pub(STATUS, pdu.message({"block": self.name(), "status": where + sentence}))
