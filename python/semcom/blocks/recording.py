# SPDX-License-Identifier: GPL-3.0-or-later
"""Samples into a SigMF recording and out of one."""

from __future__ import annotations

import hashlib
import os

import numpy as np
import pmt
from gnuradio import gr

from .. import files, plain, recording, schemes
from ..errors import BadInput
from . import pdu
from .base import STATUS, kept_block

BURST = pmt.intern("tx_burst")
IDLE = pmt.intern("idle")


class recording_sink(kept_block, gr.sync_block):
    """Writes complex samples into ``NAME.sigmf-data`` and, at the end, their metadata into ``NAME.sigmf-meta``.

    Every burst that a Burst Modulator has tagged becomes an annotation with its header; the first
    ``recording.MAX_BURSTS`` of them. A recording that was cut off has metadata without annotations. A flowgraph that is
    started again, or was locked and unlocked, adds to the recording: another capture begins there.

    Parameters
    ----------
    name : str
        Of the recording, with or without the suffix; files that are there are replaced.
    sample_rate : float
        Samples a second.
    frequency : float, optional
        Of the carrier, Hz; None where there is none.

    Attributes
    ----------
    error : BadInput or None
        After the run, what could not be written; samples that arrive after that are discarded, so that the flowgraph
        ends.

    Raises
    ------
    BadInput
        The files cannot be made.
    Missing
        The ``sigmf`` package is not here.

    Notes
    -----
    Ports: in complex samples; out message ``status``.
    """

    def __init__(self, name: str, sample_rate: float, frequency: float | None = None):
        gr.sync_block.__init__(self, name="Recording Sink", in_sig=[np.complex64], out_sig=None)
        self.message_port_register_out(STATUS)
        recording.check_package()
        self._meta, path = recording.paths(name)
        self._rate, self._frequency = sample_rate, frequency
        self._bursts: list[recording.Burst] = []
        self._captures: list[int] = []  # first samples
        self._written = 0  # samples
        self._begins = True  # the next samples are the first since a start
        self._hash = hashlib.sha512()
        self.error: BadInput | None = None
        self._file = files.growing(path, "wb")
        recording.write_metadata(self._meta, recording.metadata(sample_rate, (), frequency))

    def start(self) -> bool:
        """Called by the scheduler; what follows is another capture."""
        self._begins = True
        if self.error is None and self._file.closed:
            try:
                self._file = files.growing(self._file.name, "ab")
            except BadInput as error:
                self._give_up(error)
        return kept_block.start(self)

    def work(self, input_items: list, output_items: list) -> int:
        """Samples into the file, tags into the list."""
        samples = input_items[0]
        if self.error is None:
            try:
                self._file.write(samples)
            except OSError as error:
                self._give_up(BadInput(f"the recording {self._file.name} cannot be written: {error.strerror}"))
                return len(samples)
            if self._begins:
                self._begins = False
                self._captures.append(self._written)
            self._hash.update(samples)
            # GNU Radio counts anew at each start
            earlier = self._written - self.nitems_read(0)
            self._written += len(samples)
            for tag in self.get_tags_in_window(0, 0, len(samples), BURST):
                header = pdu.dictionary(tag.value)
                length = header.pop("samples")
                header["scheme"] = schemes.name_of(header["scheme"])
                if len(self._bursts) < recording.MAX_BURSTS:
                    self._bursts.append(recording.Burst(earlier + tag.offset, length, header))
        return len(samples)

    def stop(self) -> bool:
        """Called by the scheduler; the metadata are written."""
        try:
            self._file.close()
            if self.error is None:
                content = recording.metadata(
                    self._rate, self._bursts, self._frequency, self._hash.hexdigest(), self._captures
                )
                recording.write_metadata(self._meta, content)
        except OSError as error:  # what was buffered found no room
            self._give_up(BadInput(f"the recording {self._file.name} cannot be written: {error.strerror}"))
        except BadInput as error:
            self._give_up(error)
        return True

    def _give_up(self, error: BadInput) -> None:
        self.error = error
        self.report("", str(error), error, fatal=True)


class recording_source(kept_block, gr.sync_block):
    """The samples of a SigMF recording, once.

    That they do not have the hash that their metadata speak of is said after the last one. A file that shrinks while it
    is read just ends earlier. A source that was stopped goes on with the next sample when it is started again; one that
    had come to its end begins anew.

    Parameters
    ----------
    name : str
        Of the recording, with or without the suffix, or of an archive.
    hold : bool
        Whether, after the last sample, silence is sent until a receiver says on ``idle`` that it has heard that
        silence, and so has passed on all that was before it; only then the flowgraph ends. Without it the flowgraph
        ends with the last sample, and what a decoder is still working on may be lost.
    silence : int
        Samples of silence; at least as long as the receiver needs to call the channel idle.
    sample_rate : float, optional
        Samples a second of a recording that does not tell.

    Attributes
    ----------
    recording : Recording
        What the metadata say.

    Raises
    ------
    BadInput, Missing
        As :func:`..recording.read`.

    Notes
    -----
    Ports: in ``idle`` (as of a JSCC Receiver); out complex samples, message ``status``.
    """

    def __init__(self, name: str, hold: bool = False, silence: int = 0, sample_rate: float | None = None):
        gr.sync_block.__init__(self, name="Recording Source", in_sig=None, out_sig=[np.complex64])
        self.recording = recording.read(name, sample_rate)
        self._samples = recording.Samples(self.recording)
        self._hold, self._silence = hold, silence
        self._rewind()
        self.message_port_register_out(STATUS)
        self.message_port_register_in(IDLE)
        self.set_msg_handler(IDLE, self._idle)
        for remark in self.recording.remarks:
            self.logger.warn(plain.line(remark))

    def _rewind(self) -> None:
        self._samples.rewind()
        self._owed = self._silence if self._hold else 0
        self._passed = 0  # samples of the recording in this stream
        self._over = not self._hold

    def start(self) -> bool:
        """Called by the scheduler."""
        if self._samples.left == 0 and self._over:
            self._rewind()
        if self.nitems_written(0) == 0:  # a new stream, in which the receiver counts anew
            self._passed = 0
        return kept_block.start(self)

    def _idle(self, msg: pmt.pmt_base) -> None:
        when = pdu.dictionary(msg).get("samples") if pmt.is_dict(msg) else None
        # a silence in the middle of the recording may be reported after its last sample was sent
        self._over |= self._samples.left == 0 and (type(when) is not int or when >= self._passed)
        if self._samples.left == 0 and self._owed == 0:
            # the channel in between may hold samples back: more of them will pass
            self._owed = self._silence

    def work(self, input_items: list, output_items: list) -> int:
        """As much as fits."""
        out = output_items[0]
        if self._samples.left:
            got = self._read(out)
            self._passed += got
            if got:
                return got
        if self._over:
            return -1
        quiet = min(len(out), self._owed)
        out[:quiet] = 0
        self._owed -= quiet
        return quiet

    def _read(self, out: np.ndarray) -> int:
        """The next samples; what is wrong with the recording is said."""
        try:
            got = self._samples.read(out)
        except (BadInput, OSError) as error:
            reason = error if isinstance(error, BadInput) else os.strerror(error.errno)
            self.report("", f"{self.recording.data} cannot be read any further: {reason}", error)
            self._samples.left = 0
            return 0
        if self._samples.left == 0 and self._samples.verdict:
            self.logger.warn(plain.line(self._samples.verdict))
            self.report("", self._samples.verdict)
        return got

    def stop(self) -> bool:
        """Called by the scheduler."""
        self._samples.close()
        return True
