# SPDX-License-Identifier: GPL-3.0-or-later
"""Radio Sink and Radio Source: one pair of blocks for every way that samples leave this process."""

from __future__ import annotations

import math
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from types import ModuleType

import pmt
from gnuradio import blocks, gr

from .. import keys, values
from .. import semcom_python as native
from ..blocks.base import live_hier_block, message_block
from ..blocks.live import live
from ..blocks.recording import recording_sink, recording_source
from ..blocks.zmq_sink import zmq_sink
from ..blocks.zmq_sockets import is_local
from ..blocks.zmq_source import zmq_source
from ..errors import BadInput, Missing
from .transceiver import IDLE_BURSTS

# kind -> (module of GNU Radio, all in the Debian package gnuradio; example)
KINDS = {
    "zmq": ("", "zmq:tcp://127.0.0.1:5555"),
    "sigmf": ("", "sigmf:recording"),
    "soapy": ("soapy", "soapy:driver=rtlsdr"),
    "uhd": ("uhd", "uhd:type=b200"),
    "pluto": ("iio", "pluto:ip:192.168.2.1"),
}
RADIOS = ("soapy", "uhd", "pluto")

# Messages of some 32 kB that ZeroMQ holds at each end: what a receiver loses when it dies should be little, and its own
# buffers and those of the network are more.
QUEUE = 8
POLL_MS = 100

PLUTO_RATE = (65105, 61.44e6)
PLUTO_FREQUENCY = (47e6, 6e9)
PLUTO_BANDWIDTH = (200e3, 40e6)
PLUTO_BUFFER = 0x8000


def parse_via(via: str) -> tuple[str, str]:
    """``KIND:REST`` as its two parts.

    Parameters
    ----------
    via : str
        Where the samples go to, or where they are from.

    Returns
    -------
    str, str
        Kind and rest.

    Raises
    ------
    BadInput
        There is no such kind, or nothing behind it where something must be.
    """
    kind, colon, rest = via.partition(":")
    if kind not in KINDS or not colon:
        raise BadInput(f"via {via!r} is not known; write {', '.join(example for _, example in KINDS.values())}")
    if not rest and kind in ("zmq", "sigmf"):
        raise BadInput(f"via {via!r} lacks what belongs behind the colon; write such as {KINDS[kind][1]}")
    return kind, rest


def is_radio(via: str) -> bool:
    """Whether there is hardware behind it: it wants samples all the time, and none above 1."""
    return parse_via(via)[0] in RADIOS


def _check(samp_rate: float, frequency: float, gain: float, bandwidth: float) -> None:
    values.number(samp_rate, "samp_rate", 0, above=True)
    values.number(frequency, "frequency", 0)
    values.number(bandwidth, "bandwidth", 0)
    values.number(gain, "gain")


def _module(kind: str) -> ModuleType:
    """The part of GNU Radio that drives this kind."""
    name = KINDS[kind][0]
    # its own greeting is written by a thread, whenever that likes
    os.environ.setdefault("UHD_LOG_CONSOLE_LEVEL", "warning")
    try:
        return import_module(f"gnuradio.{name}")
    except ImportError as error:
        raise Missing(
            f"{kind} needs gnuradio.{name}, which does not load ({error}); install the Debian package gnuradio"
        ) from None


@contextmanager
def _held_back() -> Iterator[None]:
    """What drivers write on the standard error is shown only when all goes well: an exception says it better."""
    sys.stderr.flush()
    with tempfile.TemporaryFile() as said:
        saved = os.dup(2)
        os.dup2(said.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(saved, 2)
            os.close(saved)
        said.seek(0)
        os.write(2, said.read())


def _check_pluto(samp_rate: float, frequency: float, bandwidth: float) -> None:
    for what, value, (low, high) in (
        ("sample rate", samp_rate, PLUTO_RATE),
        ("centre frequency", frequency, PLUTO_FREQUENCY),
        ("bandwidth", bandwidth, PLUTO_BANDWIDTH),
    ):
        if not low <= value <= high:
            raise BadInput(f"a Pluto takes a {what} from {low:g} to {high:g}, not {value:g}")


ADVICE = {
    "zmq": "write an address such as zmq:tcp://127.0.0.1:5555 that no other transmitter binds",
    "soapy": "connect the device, and install its driver from the Debian package soapysdr-module-all",
    "uhd": "connect the device and see what uhd_find_devices of the Debian package uhd-host finds",
    "pluto": "connect the Pluto and see what iio_info -s of the Debian package libiio-utils finds",
}


def _attenuation(gain: float) -> float:
    """A Pluto's transmitter knows no gain, only 0 to 89.75 dB of attenuation."""
    if not -89.75 <= gain <= 0:
        raise BadInput(f"a Pluto transmits with a gain from -89.75 to 0 dB, not {gain:g}")
    return -gain


class _ignore(message_block):
    """Takes messages that mean nothing here."""

    def __init__(self):
        message_block.__init__(self, "Ignore")
        self.message_port_register_in(pmt.intern("in"))
        self.set_msg_handler(pmt.intern("in"), self._handle)

    def _handle(self, msg: pmt.pmt_base) -> None:
        pass


class _front_end(live_hier_block):
    """What both ends have in common: opening a device, and its live controls; over ZeroMQ and files they do nothing."""

    def __init__(self, name: str, sends: bool, via: str, samp_rate: float, key: str):
        none, one = gr.io_signature(0, 0, 0), gr.io_signature(1, 1, gr.sizeof_gr_complex)
        live_hier_block.__init__(self, name, *((one, none) if sends else (none, one)))
        self._sends, self._samp_rate, self._via = sends, samp_rate, via
        self._kind, self._address = parse_via(via)
        self._key = keys.given(key)

    def _open(self, frequency: float, gain: float, bandwidth: float, antenna: str) -> gr.basic_block:
        """The block that talks to ZeroMQ or to the device."""
        if self._kind == "zmq":
            return self._open_zmq()
        module = _module(self._kind)
        if self._kind == "pluto":
            _check_pluto(self._samp_rate, frequency, bandwidth or max(self._samp_rate, PLUTO_BANDWIDTH[0]))
            if self._sends:
                _attenuation(gain)
        try:
            with _held_back():
                self._device = getattr(self, f"_open_{self._kind}")(module)
                self.set_frequency(frequency)
                self.set_bandwidth(bandwidth)
                self.set_gain(gain)
                if antenna and self._kind != "pluto":
                    self._device.set_antenna(*self._of_channel(antenna))
        except (RuntimeError, ValueError, IndexError, TypeError, OverflowError) as error:
            reason = " ".join(str(error).split())
            raise BadInput(f"{self._via} cannot be opened ({reason}); {ADVICE[self._kind]}") from None
        return self._device

    def _open_zmq(self) -> gr.basic_block:
        end = zmq_sink if self._sends else zmq_source
        try:
            self._device = end(self._address, POLL_MS / 1000, QUEUE, self._key)
        except BadInput as error:
            raise BadInput(f"{self._via} cannot be opened ({error}); {ADVICE['zmq']}") from None
        if self._key is None and not is_local(self._address):
            what = "anybody can read the samples" if self._sends else "the samples may be anybody's"
            self.logger.warn(
                f"{self._via} is reached over the network without a key: {what}; give both ends the same key file, or "
                "use 127.0.0.1"
            )
        return self._device

    def _open_soapy(self, soapy: ModuleType) -> gr.basic_block:
        make = soapy.sink if self._sends else soapy.source
        device = make(self._address, "fc32", 1, "", "", [""], [""])
        device.set_sample_rate(0, self._samp_rate)
        return device

    def _open_uhd(self, uhd: ModuleType) -> gr.basic_block:
        make = uhd.usrp_sink if self._sends else uhd.usrp_source
        device = make(self._address, uhd.stream_args(cpu_format="fc32", channels=[0]))
        device.set_samp_rate(self._samp_rate)
        return device

    def _open_pluto(self, iio: ModuleType) -> gr.basic_block:
        uri = self._address or iio.get_pluto_uri()
        if self._sends:
            device = iio.fmcomms2_sink_fc32(uri, [True, True], PLUTO_BUFFER, False)
        else:
            device = iio.fmcomms2_source_fc32(uri, [True, True], PLUTO_BUFFER)
            device.set_gain_mode(0, "manual")
            device.set_quadrature(True)
            device.set_rfdc(True)
            device.set_bbdc(True)
        device.set_len_tag_key("")
        device.set_samplerate(int(self._samp_rate))
        # below 2.084 million samples a second the device needs a filter
        device.set_filter_params("Auto", "", 0, 0)
        return device

    def _of_channel(self, value: float | str) -> tuple:
        """Arguments that set something of channel 0; the two drivers disagree on their order."""
        return (0, value) if self._kind == "soapy" else (value, 0)

    @live
    def set_frequency(self, frequency: float) -> None:
        """Change the centre frequency, Hz, while running."""
        _check(1.0, frequency, 0.0, 0.0)
        if self._kind == "soapy":
            self._device.set_frequency(0, frequency)
        elif self._kind == "uhd":
            self._device.set_center_freq(frequency, 0)
        elif self._kind == "pluto":
            self._device.set_frequency(int(frequency))

    @live
    def set_gain(self, gain: float) -> None:
        """Change the gain, dB, while running."""
        _check(1.0, 0.0, gain, 0.0)
        if self._kind in ("soapy", "uhd"):
            self._device.set_gain(*self._of_channel(gain))
        elif self._kind == "pluto" and self._sends:
            self._device.set_attenuation(0, _attenuation(gain))
        elif self._kind == "pluto":
            self._device.set_gain(0, gain)

    @live
    def set_bandwidth(self, bandwidth: float) -> None:
        """Change the analogue bandwidth, Hz, while running; 0 for the sample rate."""
        _check(1.0, 0.0, 0.0, bandwidth)
        wide = bandwidth or self._samp_rate
        if self._kind in ("soapy", "uhd"):
            self._device.set_bandwidth(*self._of_channel(wide))
        elif self._kind == "pluto":
            self._device.set_bandwidth(int(max(wide, PLUTO_BANDWIDTH[0])))


class radio_sink(_front_end):
    """Samples out of this process: over ZeroMQ, into a SigMF recording, or onto the air."""

    def __init__(
        self,
        via: str,
        samp_rate: float = 1e6,
        frequency: float = 2.45e9,
        gain: float = 0.0,
        bandwidth: float = 0.0,
        antenna: str = "",
        paced: bool = False,
        key: str = "",
    ):
        """Make the block.

        Over ZeroMQ the sink binds a PUSH socket: it holds the flowgraph back while nobody takes the samples, and a
        receiver that dies takes with it only what was on its way. One receiver at a time: a second one waits until the
        first has gone. When the flowgraph has ended, what ZeroMQ still holds goes out before the process ends, however
        long that takes.

        Parameters
        ----------
        via : str
            ``zmq:ADDRESS`` (to bind, such as ``tcp://*:5555``), ``sigmf:FILE``, ``soapy:ARGS``, ``uhd:ARGS`` or
            ``pluto:URI``.
        samp_rate : float
            Samples a second.
        frequency : float
            Centre frequency, Hz.
        gain : float
            In dB; of a Pluto 0 (full power) and less.
        bandwidth : float
            Analogue, Hz; 0 for the sample rate.
        antenna : str
            A name that the device knows; empty for the one it has by itself.
        paced : bool
            Whether samples leave no faster than ``samp_rate`` over ZeroMQ; a radio does that by itself.
        key : str
            Key file: ZeroMQ is encrypted, and lets in nobody without it. Empty for none.

        Raises
        ------
        BadInput
            An unknown ``via``, a device that is not there, a number out of range.
        Missing
            The driver does not load.

        Notes
        -----
        Ports: in complex samples; out message ``status`` (of a recording, and of a value that a setter
        refused). The tags "tx_burst" of a Burst
        Modulator become annotations of a recording.
        """
        _front_end.__init__(self, "Radio Sink", True, via, samp_rate, key)
        _check(samp_rate, frequency, gain, bandwidth)
        if self._kind == "sigmf":
            self._device = recording_sink(self._address, samp_rate, frequency)
        else:
            self._open(frequency, gain, bandwidth, antenna)
        self.speak_through(self._device)
        if self._kind == "zmq" and paced:
            self.connect(self, blocks.throttle(gr.sizeof_gr_complex, samp_rate), self._device)
        else:
            self.connect(self, self._device)

    def taken(self) -> int:
        """Samples that have left so far."""
        return self._device.nitems_read(0)

    def drain(self) -> None:
        """Wait until ZeroMQ has sent what it holds; after the end of the flowgraph, which then cannot run again."""
        if self._kind == "zmq":
            self._device.drain()

    @property
    def error(self) -> BadInput | None:
        """What went wrong with a recording while it was written."""
        return self._device.error if self._kind == "sigmf" else None


class radio_source(_front_end):
    """Samples into this process: over ZeroMQ, out of a SigMF recording, or from the air."""

    def __init__(
        self,
        via: str,
        samp_rate: float = 1e6,
        frequency: float = 2.45e9,
        gain: float = 0.0,
        bandwidth: float = 0.0,
        antenna: str = "",
        hold: bool = False,
        key: str = "",
    ):
        """Make the block.

        Over ZeroMQ the source connects a PULL socket to a Radio Sink; it waits for one that is not there, and finds
        it again when it was started anew.

        Parameters
        ----------
        via : str
            As of :class:`radio_sink`; the address of ZeroMQ is the one to connect to.
        samp_rate : float
            Samples a second; 0 takes that of a recording, and one that tells none needs it. It is an attribute as well:
            the rate that the samples have.
        frequency : float
            Centre frequency, Hz.
        gain : float
            In dB; of a Pluto 0 to 73.
        bandwidth : float
            Analogue, Hz; 0 for the sample rate.
        antenna : str
            A name that the device knows; empty for the one it has by itself.
        hold : bool
            Whether a recording ends the flowgraph only when the receiver, connected to ``idle``, has passed on all that
            arrived; otherwise it ends with its last sample.
        key : str
            As of :class:`radio_sink`.

        Raises
        ------
        BadInput
            An unknown ``via``, a device that is not there, a number out of range, a recording that is none, or is of
            another sample rate.
        Missing
            The driver does not load.

        Notes
        -----
        Ports: in message ``idle`` (as of a JSCC Receiver; it matters to a recording only); out complex samples, message
        ``status`` (of a recording, and of a value that a setter refused).
        """
        _front_end.__init__(self, "Radio Source", False, via, samp_rate, key)
        _check(samp_rate if samp_rate or self._kind != "sigmf" else 1.0, frequency, gain, bandwidth)
        self.message_port_register_hier_in("idle")
        if self._kind == "sigmf":
            self._device = self._open_recording(hold)
            self.msg_connect(self, "idle", self._device, "idle")
        else:
            self._open(frequency, gain, bandwidth, antenna)
            # the port of a hierarchical block must lead somewhere
            self.msg_connect(self, "idle", _ignore(), "in")
        self.speak_through(self._device)
        self.connect(self._device, self)

    @property
    def samp_rate(self) -> float:
        """Samples a second."""
        return self._samp_rate

    @property
    def recorded_at(self) -> float | None:
        """Centre frequency of a recording, Hz; None where it does not tell."""
        return self._device.recording.frequency if self._kind == "sigmf" else None

    def _open_recording(self, hold: bool) -> recording_source:
        # enough silence for a receiver of any waveform that there is: two idle periods and what it looks back
        longest = native.ofdm_frame(native.ofdm_params(fft_len=512, oversampling=8)).burst_samples(4096)
        device = recording_source(self._address, hold, (2 * IDLE_BURSTS + 4) * longest, self._samp_rate or None)
        found = device.recording.sample_rate
        if self._samp_rate and not math.isclose(found, self._samp_rate, rel_tol=1e-6):
            raise BadInput(
                f"the recording {self._address} has {found:.12g} samples a second, not {self._samp_rate:.12g}; "
                f"set the sample rate to {found:.12g}"
            )
        self._samp_rate = found
        return device
