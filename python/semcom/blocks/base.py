# SPDX-License-Identifier: GPL-3.0-or-later
"""What all Python blocks of the module have in common."""

from __future__ import annotations

import pmt
from gnuradio import gr

from .. import plain
from . import pdu

STATUS = pmt.intern("status")

_connected: set[gr.basic_block] = set()


class kept_block:
    """A Python block, of whatever base, that lives as long as the flowgraph needs it.

    GNU Radio holds a Python block by its C++ half alone: one that is connected and then forgotten by Python is
    collected, and the flowgraph calls into freed memory. A block that is connected is therefore kept here until the
    flowgraph has stopped it.
    """

    def to_basic_block(self):
        """Called by every connect."""
        _connected.add(self)
        return super().to_basic_block()

    def stop(self) -> bool:
        """Called by the scheduler when the block has done its last work."""
        _connected.discard(self)
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
