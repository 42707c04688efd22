# SPDX-License-Identifier: GPL-3.0-or-later
"""Image Source: photographs from files, no faster than the flowgraph takes them."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from os import PathLike
from pathlib import Path

import pmt

from ..errors import BadInput
from ..image import io
from . import pdu
from .base import DONE, STATUS, SYSTEM, message_block
from .waiting import MAX_PICTURES

PATIENCE = 5.0
"""Seconds after which a source asks for the images under way."""
IMPATIENCE = 0.1
"""The same, once images were given up that way."""

IMAGE, ACK, IDLE = (pmt.intern(s) for s in ("image", "ack", "idle"))


class image_source(message_block):
    """Reads an image file, or every image of a folder in name order, and sends each as an image PDU."""

    def __init__(self, path: str | Sequence[str], repeat: int = 1, window: int = 2, stay: bool = False):
        """Make the block.

        Message ports have no back-pressure, so the source keeps count: at most ``window`` images are under way, and the
        next is sent when the sink acknowledges one on ``ack``. After the last acknowledgement the source finishes the
        flowgraph, unless it is to ``stay``. A file that cannot be read is reported and skipped.

        Over a real channel all of an image can be lost, and nobody acknowledges what nobody saw: in a loopback of
        bursts connect ``idle`` to the ``idle`` output of the JSCC Decoder and use a window of 1. What is under way when
        the channel stayed silent for a whole period is given up; if some of it arrives later it is still delivered.
        Where the receiver is elsewhere, connect the ``sent`` output of the modulator to ``ack``.

        Where no word of an image returns for ``PATIENCE`` seconds, the source sends a mark behind it: a PDU of no
        content with the key ``silence``. At symbol level it returns by the sink. A Burst Modulator makes of it as much
        silence as any receiver needs to call the channel idle, and then the receiver's mark returns. Images that were
        sent before are given up. So symbols or samples decide; the clock only says when to ask for them.

        A source that was stopped goes on with the next image when it is started again, and does not wait for those that
        were under way. One that had sent everything sends it again. Numbers go on counting.

        Parameters
        ----------
        path : str or sequence of str
            File or folder, or several of them.
        repeat : int
            How many times everything is sent; 0 for without end.
        window : int
            Images under way at most.
        stay : bool
            The flowgraph goes on after the last acknowledgement, until somebody stops it: a SAM Segmenter can still be
            prompted on what was sent.

        Raises
        ------
        BadInput
            No such file, or a folder without images, or a repeat or window out of range.

        Notes
        -----
        Ports: out ``image`` (keys ``image_id`` 0..65535, ``name`` file stem), out ``status``; in ``ack``, ``idle``.
        """
        message_block.__init__(self, "Image Source")
        if repeat < 0 or not 1 <= window <= MAX_PICTURES:
            raise BadInput(
                f"repeat must be 0 or more and window 1 or more, at most {MAX_PICTURES}, not {repeat} and {window}"
            )
        paths = [path] if isinstance(path, str | PathLike) else path
        self._files = [file for each in paths for file in io.listed(each)]
        if not self._files:
            raise BadInput("an Image Source needs a photograph or a folder of them")
        self._repeat, self._window, self._stay = repeat, window, stay
        self._outstanding: set[int] = set()
        self._asked = 0  # marks sent
        self._asked_last = False  # nothing was sent after the last of them
        self._left = 0  # the last mark that is known to have left the encoder
        self._patience = PATIENCE
        self._number = 0
        self._to_send = self._schedule()
        self._changed = threading.Condition()
        self._stopping = False
        self._thread: threading.Thread | None = None
        self.message_port_register_out(IMAGE)
        self.message_port_register_out(STATUS)
        for port, handler in ((ACK, self._acknowledged), (IDLE, self._idle)):
            self.message_port_register_in(port)
            self.set_msg_handler(port, handler)

    def start(self) -> bool:
        """Called by the scheduler; starts sending."""
        message_block.start(self)
        self._stopping = False
        # what was under way when the flowgraph stopped may be lost, and its late word counts for no other image
        self._outstanding.clear()
        self._asked_last = False
        self._thread = threading.Thread(target=self._run, name="image-source", daemon=True)
        self._thread.start()
        return True

    def stop(self) -> bool:
        """Called by the scheduler; nothing more is sent."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        thread, self._thread = self._thread, None
        if thread:
            thread.join()
        return True

    def _acknowledged(self, msg: pmt.pmt_base) -> None:
        try:
            whole_pdu = pmt.is_pair(msg) and pmt.is_dict(pmt.car(msg))
            meta = pdu.dictionary(pmt.car(msg) if whole_pdu else msg)
            if "silence" in meta or "left" in meta:
                self._mark(meta)
                return
            number = pdu.number_of({"image_id": None} | meta)
        except ValueError:  # raised here it would end the scheduler's thread, and the flowgraph would wait for ever
            sentence = "a message arrived on ack that says no image_id; connect the ack output of an Image Sink"
            self.report("", sentence, BadInput(sentence))
            return
        with self._changed:
            self._outstanding.discard(number)
            self._changed.notify_all()

    def _idle(self, msg: pmt.pmt_base) -> None:
        # where marks were sent the silence may be theirs, and may have overtaken a picture: their own mark tells
        if not self._asked:
            self._give_up()

    def _mark(self, meta: pdu.Meta) -> None:
        """Word of a mark: it left the encoder, or returned; or a receiver heard a whole period of silence."""
        if "left" in meta:
            self._left = max(self._left, int(meta["left"]))
            return
        number = int(meta["silence"])
        left = self._left in (0, self._asked)  # 0: the port failed is not connected
        is_answer = self._asked_last and (number == self._asked or (number < 0 and left))
        # an answer that found nothing under way says nothing of the channel
        if is_answer and self._give_up():
            self._patience = IMPATIENCE

    def _give_up(self) -> bool:
        """Wait no longer for what is under way; whether there was anything."""
        with self._changed:
            lost = sorted(self._outstanding)
            self._outstanding.clear()
            self._changed.notify_all()
        for number in lost:
            lost_image = BadInput(f"image {number} was given up: nothing of it was received")
            self.report("", str(lost_image), lost_image)
        return bool(lost)

    def _wait_for(self, room: int) -> bool:
        """Until fewer than ``room`` images are under way; False when the flowgraph stops."""
        with self._changed:
            while not self._changed.wait_for(
                lambda: self._stopping or len(self._outstanding) < room, None if self._asked_last else self._patience
            ):
                self._asked += 1
                self._asked_last = True
                self.message_port_pub(IMAGE, pdu.silence(self._asked))
            return not self._stopping

    def _schedule(self) -> Iterator[Path]:
        rounds = 0
        while self._repeat == 0 or rounds < self._repeat:
            yield from self._files
            rounds += 1

    def _run(self) -> None:
        try:
            self._send_all()
        except BaseException as error:  # a source that is silently dead would never end its flowgraph
            self.end_with(error)

    def _send_all(self) -> None:
        unreadable = 0
        # a room first: a file that was taken and not sent would be lost when the flowgraph stops
        while self._wait_for(self._window):
            file = next(self._to_send, None)
            if file is None or unreadable >= len(self._files):  # a round of bad files only would repeat for ever
                break
            try:
                message = pdu.from_image(io.load(file), {"image_id": self._number, "name": file.stem})
            except ValueError as error:  # BadInput of the file, or sides that no PDU carries
                self.report("", str(error), error)
                unreadable += 1
                continue
            unreadable = 0
            with self._changed:
                self._outstanding.add(self._number)
                self._asked_last = False
            self.message_port_pub(IMAGE, message)
            self._number = (self._number + 1) % 65536
        if self._wait_for(1):
            self._to_send = self._schedule()
            if not self._stay:
                self._post(SYSTEM, DONE)
