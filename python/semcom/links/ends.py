# SPDX-License-Identifier: GPL-3.0-or-later
"""The two ends of a link in processes, or on hosts, of their own."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pmt
from gnuradio import gr

from .. import schemes
from .. import semcom_python as native
from ..blocks import pdu
from ..blocks.base import STATUS, message_block
from ..blocks.credits import Credits
from ..blocks.image_sink import image_sink
from ..blocks.image_source import image_source
from ..blocks.sam_segmenter import sam_segmenter
from ..errors import BadInput, Ended
from ..schemes import AUTO, Region, Scheme
from ..segment import join_prompts
from .radio import is_radio, parse_via, radio_sink, radio_source
from .transceiver import idle_samples, receiver, transmitter

OUT, STATUS_IN = pmt.intern("out"), pmt.intern("status_in")
SAMPLE_RATE = 1e6
WINDOW = 2  # one image is encoded while another is sent
PICTURE = 8  # bursts as which a picture counts that is not written yet: writing may be slower than decoding
PATIENCE = 2.0  # seconds without progress after which somebody wants to know what is waited for
LONG_PATIENCE = 10.0  # the same where samples have arrived before: a transmitter may take that long for an image
RADIO_AMPLITUDE = 0.1  # OFDM has peaks some 10 dB above its mean, and a radio clips at 1


@dataclass(frozen=True)
class FrontEnd:
    """Where the samples go to, or where they are from, as of :class:`.radio.radio_sink`.

    Attributes
    ----------
    via : str
        ``KIND:REST``.
    samp_rate : float or None
        Samples a second; None for that of the recording, or 1e6.
    frequency : float
        Centre frequency, Hz.
    gain : float
        dB.
    bandwidth : float
        Analogue, Hz; 0 for the sample rate.
    antenna : str
        A name that the device knows; empty for the one it has by itself.
    swap_iq : bool
        A receiver's samples have I and Q swapped.
    key : str
        Key file: bursts are sealed with it, and ZeroMQ is encrypted. Empty for none.
    """

    via: str
    samp_rate: float | None = None
    frequency: float = 2.45e9
    gain: float = 0.0
    bandwidth: float = 0.0
    antenna: str = ""
    swap_iq: bool = False
    key: str = ""


@dataclass(frozen=True)
class Coding:
    """What is sent, and the waveform.

    Attributes
    ----------
    scheme : str
        Of a receiver: "auto", or the only scheme that is decoded.
    options : mapping
        Options of the scheme, by name.
    params : ofdm_params
        The same at both ends.
    region : Region
        Of a transmitter: the region of interest of each image, and what is made of it.
    """

    scheme: str = schemes.USUAL_SCHEME
    options: Mapping[str, Any] = field(default_factory=dict)
    params: native.ofdm_params = field(default_factory=native.ofdm_params)
    region: Region = field(default_factory=Region)


Event = tuple[str, pdu.Meta, pmt.pmt_base | None]


class _Standstill:
    """Tells once of each time that a figure stays what it is for too long."""

    def __init__(self) -> None:
        self._figure: object = None
        self._since, self._told = time.monotonic(), False

    def noticed(self, figure: object, patience: float) -> bool:
        """Whether the figure has been the same for ``patience`` seconds, and that was not told yet."""
        now = time.monotonic()
        if figure != self._figure:
            self._figure, self._since, self._told = figure, now, False
        elif not self._told and now - self._since >= patience:
            self._told = True
            return True
        return False


class _listener(message_block):
    """Puts (port, metadata, message) into ``events``, for the thread that waits for them, which passes it on.

    The end of the flowgraph overtakes messages: what ends it must hear of them here, on ``out``, and not before. And
    what would send more than the reader takes must hear of none that the reader has not taken.

    A block with message ports only ends as soon as one of its neighbours does: no block may be a neighbour that ends
    while others wait for what the reader says to their messages.

    Parameters
    ----------
    events : list of str
        Ports whose messages are events.
    at_once : mapping of str to callable
        Ports whose messages are none: what is called with the metadata of each, in the scheduler's thread.
    """

    def __init__(self, events: list[str], at_once: Mapping[str, Callable[[pdu.Meta], None]]):
        message_block.__init__(self, "Listener")
        self.events: queue.SimpleQueue[Event] = queue.SimpleQueue()
        self.message_port_register_out(OUT)
        self.message_port_register_out(STATUS)
        self._at_once = at_once
        for port in (*events, *at_once):
            self.message_port_register_in(pmt.intern(port))
            self.set_msg_handler(pmt.intern(port), self._handler_for(port))

    def _handler_for(self, port: str) -> Callable[[pmt.pmt_base], None]:
        def handle(msg: pmt.pmt_base) -> None:
            head = pmt.car(msg) if pmt.is_pair(msg) and not pmt.is_dict(msg) else msg
            meta = pdu.dictionary(head) if pmt.is_dict(head) else {}
            if port in self._at_once:
                self._at_once[port](meta)
            else:
                self.events.put((port, meta, msg))

        return handle

    def pass_on(self, msg: pmt.pmt_base | None) -> None:
        """Called by the reader when it has dealt with an event."""
        if msg is not None:
            self.message_port_pub(OUT, msg)


class _watcher(message_block):
    """Makes an event of what one block does not survive: one watcher each, for it ends with that block.

    Parameters
    ----------
    events : queue
        Of a listener.
    """

    def __init__(self, events: queue.SimpleQueue[Event]):
        message_block.__init__(self, "Watcher")
        self._events = events
        self.message_port_register_out(STATUS)
        # the port status of every block is one that it sends on
        self.message_port_register_in(STATUS_IN)
        self.set_msg_handler(STATUS_IN, self._status)

    def _status(self, msg: pmt.pmt_base) -> None:
        meta = pdu.dictionary(msg)
        if meta.get("fatal"):
            self._events.put(("fatal", meta, None))

    def last_words(self) -> str:
        """After the end of the flowgraph, what the block died of where the end has overtaken its word; else empty."""
        left = self.to_basic_block()
        while left.nmsgs(STATUS_IN):
            meta = pdu.dictionary(left.delete_head_nowait(STATUS_IN))
            if meta.get("fatal"):
                return str(meta["status"])
        return ""


class _end(gr.top_block):
    """A flowgraph that a thread waits for, while another one reads its events."""

    def __init__(self, name: str, events: list[str], at_once: Mapping[str, Callable[[pdu.Meta], None]]):
        gr.top_block.__init__(self, name, catch_exceptions=True)
        self._listener = _listener(events, at_once)
        self._watchers: list[_watcher] = []

    def _watch(self, *watched: gr.basic_block) -> None:
        """End with a sentence when one of these blocks dies."""
        for block in watched:
            watcher = _watcher(self._listener.events)
            self.msg_connect(block, "status", watcher, "status_in")
            self._watchers.append(watcher)

    def _events(self, patience: float | None = None) -> Iterator[tuple[str, pdu.Meta]]:
        """Run; what the listener hears, and ("", {}) when it heard nothing for ``patience`` seconds.

        Ends with the flowgraph, which stops when the reader does, or at Ctrl-C.

        Raises
        ------
        Ended
            A block has died.
        """
        events = self._listener.events
        self.start()
        waiter = threading.Thread(target=self._wait_and_tell, name="flowgraph", daemon=True)
        waiter.start()
        try:
            while True:
                try:
                    port, meta, msg = events.get(timeout=patience)
                except queue.Empty:
                    port, meta, msg = "", {}, None
                if port == "over":
                    for watcher in self._watchers:
                        if words := watcher.last_words():
                            raise Ended(words)
                    return
                if port == "fatal":
                    raise Ended(str(meta.get("status")))
                yield port, meta
                self._listener.pass_on(msg)
        except KeyboardInterrupt:
            return
        finally:
            self.stop()
            waiter.join()

    def _wait_and_tell(self) -> None:
        # gr.top_block.wait polls, and takes Ctrl-C for itself
        gr.top_block_wait_unlocked(self._impl)
        self._listener.events.put(("over", {}, None))


class transmitting_end(_end):
    """Image Source -> [SAM Segmenter] -> coder and modulator -> Radio Sink.

    An image counts as sent when its last sample has gone to the Radio Sink; the next but one is encoded then. ZeroMQ, a
    file or a radio takes the samples at its own speed, and the rest waits.

    Parameters
    ----------
    images : list of Path
        Files and folders.
    front : FrontEnd
        Where the samples go to.
    coding : Coding
        What is sent, and the waveform.
    rate : float, optional
        k/n; None for the scheme's own.
    snr_db : float
        Es/N0 that the encoder reckons with, dB.
    amplitude : float, optional
        Root mean square of a burst; None for 0.1 on a radio and 1 elsewhere.
    repeat : int
        How many times everything is sent; 0 without end.
    transmission : int
        Number of this run in the headers, 0 to 255; -1 draws one.

    Raises
    ------
    BadInput, Missing
        What cannot be, in a sentence.
    """

    def __init__(
        self,
        images: list[Path],
        front: FrontEnd,
        coding: Coding,
        rate: float | None = None,
        snr_db: float = 10.0,
        amplitude: float | None = None,
        repeat: int = 1,
        transmission: int = -1,
    ):
        _end.__init__(self, "Transmitting end", ["sent", "failed"], {})
        scheme = schemes.get(coding.scheme)
        # which weights are missing is said before anything runs
        region = coding.region.implied(scheme)
        options = region.options(scheme, coding.options)
        made = scheme.options(options)
        scheme.load(made)
        scheme.check_rate(rate, made)
        segmenter = _segmenter(region, scheme)
        radio = is_radio(front.via)
        source = image_source(images, repeat, WINDOW)
        if amplitude is None:
            amplitude = RADIO_AMPLITUDE if radio else 1.0
        if not 0 < amplitude < float("inf"):
            raise BadInput(f"an amplitude of {amplitude:g} makes no sense; give a number above 0")
        # a radio wants samples all the time
        sender = transmitter(
            scheme, rate or 0.0, snr_db, params=coding.params, amplitude=amplitude, continuous=radio,
            use_mask=region.weighed, background=region.outside, options=options, transmission=transmission,
            key=front.key,
        )  # fmt: skip
        # whoever runs this end shows what was not sent
        sender.encoder.logs_failures = False
        self.radio = radio_sink(
            front.via, front.samp_rate or SAMPLE_RATE, front.frequency, front.gain, front.bandwidth, front.antenna,
            key=front.key,
        )  # fmt: skip
        self._sender = sender
        self.connect(sender, self.radio)
        for port in ("sent", "failed"):
            self.msg_connect(sender, port, self._listener, port)
        self.msg_connect(self._listener, "out", source, "ack")
        self._watch(source, sender, self.radio)
        if segmenter is None:
            self.msg_connect(source, "image", sender, "image")
            return
        self._watch(segmenter)
        self.msg_connect(source, "image", segmenter, "image")
        if region.weighed:
            self.msg_connect(source, "image", sender, "image")
            self.msg_connect(segmenter, "mask", sender, "mask")
        else:
            self.msg_connect(segmenter, "roi", sender, "image")

    def run_and_tell(self, waiting: Callable[[], None] | None = None) -> Iterator[dict]:
        """Run to the end, and report each image as it has left.

        Parameters
        ----------
        waiting : callable, optional
            Called when there are samples that nobody has taken for two seconds, as over ZeroMQ without a receiver; once
            for each such time.

        Yields
        ------
        dict
            ``image_id``, ``name``, ``bursts``... of the image, with ``error`` where it was not sent.

        Raises
        ------
        BadInput
            The recording cannot be written.
        """
        still = _Standstill()
        try:
            for port, meta in self._events(PATIENCE / 2 if waiting else None):
                taken, made = self.radio.taken(), self._sender.modulator.nitems_written(0)
                if waiting and still.noticed((taken, taken < made), PATIENCE) and taken < made:
                    waiting()
                if not port or "silence" in meta or "left" in meta:
                    continue
                yield meta | ({"scheme": schemes.name_of(meta["scheme"])} if "scheme" in meta else {})
        except Ended:
            if self.radio.error is None:
                raise
        if self.radio.error is not None:
            raise self.radio.error


def _segmenter(region: Region, scheme: Scheme) -> sam_segmenter | None:
    """What finds the region where something is made of it, with its weights loaded."""
    if region.roi == "whole":
        if region.prompts and not scheme.takes_prompts:
            raise BadInput("whole makes nothing of the prompts; choose masked, power, skip or layers", field="roi")
        return None
    segmenter = sam_segmenter(join_prompts(region.prompts), levels=region.levels)
    segmenter.logs_failures = False
    segmenter.load()
    return segmenter


def listening(front: FrontEnd, hold: bool = False) -> radio_source:
    """The Radio Source of a front end, at the rate of a recording where none is given.

    Parameters
    ----------
    front : FrontEnd
        Where the samples are from.
    hold : bool
        As of the Radio Source.
    """
    rate = front.samp_rate or (0.0 if parse_via(front.via)[0] == "sigmf" else SAMPLE_RATE)
    return radio_source(
        front.via, rate, front.frequency, front.gain, front.bandwidth, front.antenna, hold=hold, key=front.key
    )


def _key(meta: pdu.Meta) -> int | str:
    """What a message of the decoder, and the sink's answer to it, are told by."""
    return "silence" if "silence" in meta else pdu.number_of(meta)


def _weight(meta: pdu.Meta) -> int:
    """Bursts as which a message of the decoder counts until it is dealt with: more of a large picture."""
    if "silence" in meta:
        return 1
    pixels = 0 if "error" in meta else int(meta.get("height", 0)) * int(meta.get("width", 0))
    return PICTURE * max(1, pixels >> 20)


class receiving_end(_end):
    """Radio Source -> demodulator and decoder -> Image Sink.

    Parameters
    ----------
    front : FrontEnd
        Where the samples are from.
    coding : Coding
        What is received, and the waveform.
    out : Path
        Folder for the pictures; none that is there is replaced.
    max_pixels : int
        Larger images are refused.
    newest : int
        Of how many pictures, the last ones of this run, the files stay; 0 for all.

    Raises
    ------
    BadInput, Missing
        What cannot be, in a sentence.
    """

    def __init__(
        self, front: FrontEnd, coding: Coding, out: Path, max_pixels: int = schemes.USUAL_PIXELS, newest: int = 0
    ):
        hears = {"image": self._on_its_way, "symbols": self._burst, "idle": self._silent}
        _end.__init__(self, "Receiving end", ["ack"], hears)
        # which weights are missing is said before anything runs
        schemes.load_decoder(coding.scheme, coding.options.get("variant", AUTO))
        self._recording = parse_via(front.via)[0] == "sigmf"
        source = listening(front, hold=True)
        variant = coding.options.get("variant") or AUTO
        self._receiver = receiver(
            coding.scheme, variant, coding.params, source.samp_rate, max_pixels, front.swap_iq, front.key
        )
        self._idle_seconds = idle_samples(coding.params) / source.samp_rate
        self._sink = image_sink(str(out), keep=True, newest=newest)
        # whoever runs this end shows what was not received
        self._receiver.decoder.logs_failures = self._sink.logs_failures = False
        self._credits = Credits(self._receiver.put, self._receiver.taken)
        self._pictures = 0  # that the decoder has delivered
        self._silence = 0.0  # seconds of signal
        self._bursts = 0
        self.connect(source, self._receiver)
        self.msg_connect(self._receiver, "image", self._sink, "in")
        self.msg_connect(self._receiver, "idle", source, "idle")
        for port in hears:
            self.msg_connect(self._receiver, port, self._listener, port)
        self.msg_connect(self._sink, "ack", self._listener, "ack")
        self._watch(source, self._receiver, self._sink)

    # These are called as messages arrive, however slow whoever reads the pictures is: so it is the receiver that waits.

    def _on_its_way(self, meta: pdu.Meta) -> None:
        self._pictures += 1
        self._credits.put(_key(meta), _weight(meta))

    def _burst(self, meta: pdu.Meta) -> None:
        self._silence = 0.0
        self._bursts += 1

    def _silent(self, meta: pdu.Meta) -> None:
        self._silence += self._idle_seconds

    def pictures(
        self, count: int | None = None, idle: float | None = None, waiting: Callable[[str], None] | None = None
    ) -> Iterator[dict]:
        """Run, and report each picture; a recording ends by itself, everything else goes on until Ctrl-C.

        While the reader of this iterator is busy no more than a few pictures are received: samples are held back where
        they can be.

        Parameters
        ----------
        count : int, optional
            End after so many pictures.
        idle : float, optional
            End after so many seconds of signal in which no burst arrived. They are counted in samples, in steps of 16
            of the longest bursts; where no samples arrive at all, as over ZeroMQ without a transmitter, by the clock.
        waiting : callable, optional
            Called with what is waited for, "samples" or the first of the "bursts", once for each time that this has
            taken seconds; not for a recording.

        Yields
        ------
        dict
            What the Image Sink wrote of the picture, with ``error`` where it could not be received.

        Raises
        ------
        Ended
            A block has died.
        """
        delivered = written = 0
        samples, since = 0, time.monotonic()
        patience = [PATIENCE / 2] if waiting else []
        patience += [] if idle is None else [max(idle / 8, 0.01)]
        no_samples, no_bursts = _Standstill(), _Standstill()
        for port, meta in self._events(min(patience, default=None)):
            if waiting and not self._recording:
                arrived, busy = self._receiver.samples(), self._receiver.waiting() > 0
                if no_samples.noticed((arrived, busy), LONG_PATIENCE if arrived else PATIENCE) and not busy:
                    waiting("samples")
                if no_bursts.noticed((arrived > 0, self._bursts > 0), LONG_PATIENCE) and arrived and not self._bursts:
                    waiting("bursts")
            if port == "ack":
                written += 1
                for result in self._results():
                    delivered += "error" not in result
                    yield result
                self._credits.taken(_key(meta))
            if idle is not None:
                if self._receiver.samples() != samples or self._receiver.waiting():
                    samples, since = self._receiver.samples(), time.monotonic()
                dead = not self._recording and time.monotonic() - since >= idle
                if self._pictures <= written and (self._silence >= idle or dead):
                    break
            if count is not None and delivered >= count:
                break
        yield from self._results()

    def _results(self) -> Iterator[dict]:
        """Take out what the sink has finished."""
        while self._sink.results:
            yield self._sink.results.pop(0)
