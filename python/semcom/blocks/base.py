# SPDX-License-Identifier: GPL-3.0-or-later
"""What all Python blocks of the module have in common."""

from __future__ import annotations

import functools
from collections.abc import Callable

import pmt
from gnuradio import gr

from .. import semcom_python as native
from ..errors import sentence_of
from .live import STATUS, speaking

SYSTEM = pmt.intern("system")
DONE = pmt.cons(pmt.intern("done"), pmt.from_long(1))
AT_ONCE = 1000
"""Messages that a handler of ``take_all`` takes in one turn."""

# each block that was connected, and how many held its C++ half when no flowgraph did
_connected: dict[gr.basic_block, int] = {}


def _guarded(function: Callable[[kept_block], bool]) -> Callable[[kept_block], bool]:
    """A ``start`` or ``stop`` whose exception is a sentence: in the scheduler it would end the process."""

    @functools.wraps(function)
    def call(self: kept_block) -> bool:
        try:
            return function(self)
        except Exception as error:
            self.end_with(error)
            return True

    return call


class kept_block(speaking):
    """A Python block, of whatever base, that lives as long as a flowgraph has it, and may run any number of times.

    GNU Radio holds a Python block by its C++ half alone: one that is connected and then forgotten by Python is
    collected, and the flowgraph calls into freed memory. A block that is connected is therefore kept here as long as
    its C++ half has an owner besides the Python one. What a flowgraph has let go is found when the next is built.
    """

    def __init_subclass__(cls, **more):
        super().__init_subclass__(**more)
        for name in ("start", "stop"):
            if name in vars(cls):
                setattr(cls, name, _guarded(vars(cls)[name]))

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

    def set_msg_handler(self, port: pmt.pmt_base, handler: Callable[[pmt.pmt_base], None]) -> None:
        """As GNU Radio's, but an exception in the handler is reported and does not end the scheduler's thread."""

        def guarded(msg: pmt.pmt_base) -> None:
            try:
                handler(msg)
            except Exception as error:
                self.report("", f"{self.name()}: {sentence_of(error)}", error)

        # GNU Radio finds a handler by its name
        guarded.__name__ = f"_guarded_{pmt.symbol_to_string(port)}"
        setattr(self, guarded.__name__, guarded)
        super().set_msg_handler(port, guarded)

    def take_all(self, port: str, take: Callable[[pmt.pmt_base], None]) -> None:
        """As :meth:`set_msg_handler`, for a block beside whose handler a thread computes in Python.

        GNU Radio's own queue has no bound: there the scheduler's thread gets its turn every few milliseconds only, so
        the handler takes all that is there.
        """
        name = pmt.intern(port)

        def handle(msg: pmt.pmt_base) -> None:
            for left in reversed(range(AT_ONCE)):
                take(msg)
                msg = self.gateway.delete_head_nowait(name) if left else None
                if msg is None:
                    return

        self.set_msg_handler(name, handle)

    def handle_general_work(self, *args) -> int:
        """Called by the scheduler in place of ``work``; an exception there ends the flowgraph with a sentence."""
        try:
            return super().handle_general_work(*args)
        except Exception as error:
            self.end_with(error)
            return -1

    def end_with(self, error: BaseException) -> None:
        """A thread of the block cannot go on: say so on ``status``, with the key ``fatal``, and end the flowgraph.

        A block that is silently deaf would let everything else wait for it.
        """
        # in the log only where nobody listens: who listens says it
        unheard = error if pmt.is_null(self.message_subscribers(STATUS)) else None
        self.report("", f"{self.name()} cannot go on: {sentence_of(error)}", unheard, fatal=True)
        self._post(SYSTEM, DONE)


class message_block(kept_block, gr.basic_block):
    """A block with message ports only."""

    def __init__(self, name: str):
        gr.basic_block.__init__(self, name=name, in_sig=None, out_sig=None)


class live_hier_block(speaking, gr.hier_block2):
    """A hierarchical block with live setters of its own, and a port ``status``.

    It sends no messages by itself, and a block for nothing but that would never end, and the flowgraph wait for it. So
    it speaks through one of its blocks.

    Parameters
    ----------
    name : str
        Of the block.
    inputs, outputs : io_signature
        Of its streams.
    """

    def __init__(self, name: str, inputs: gr.io_signature, outputs: gr.io_signature):
        gr.hier_block2.__init__(self, name, inputs, outputs)
        self.logger = gr.logger(name)
        self._inside: gr.basic_block | None = None
        self.message_port_register_hier_out("status")

    def speak_through(self, block: gr.basic_block) -> None:
        """Say everything on the port ``status`` of a block inside, which gets one where it has none."""
        self._inside = block
        if "status" not in pmt.to_python(block.message_ports_out()):
            block.message_port_register_out(STATUS)
        self.msg_connect(block, "status", self, "status")

    def has_run(self) -> bool:
        """Whether a flowgraph with the block was ever started."""
        return self._inside is not None and native.has_run(self._inside.to_basic_block())

    def message_port_pub(self, port: pmt.pmt_base, msg: pmt.pmt_base) -> None:
        """As of a block."""
        self._inside.message_port_pub(port, msg)
