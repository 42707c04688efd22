# SPDX-License-Identifier: GPL-3.0-or-later
"""Image Sink: received images as PNG files, acknowledged to the source."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import numpy as np
import pmt

from .. import files, values
from ..errors import BadInput
from ..image import io
from . import pdu
from .held import Held, overdue
from .worker import worker_block

MAX_RESULTS = 4096
"""Of the images that were written last."""
MAX_NEWEST = 10**5


def stem_of(meta: pdu.Meta) -> str:
    """What the files of an image are called, without a suffix: its name, or its number where it has none."""
    # the name is from whoever sent the image: it is a name, and no path
    name = unicodedata.normalize("NFC", str(meta.get("name") or ""))
    name = "".join(each if each in " .()+-_" or _of_a_word(each) else "_" for each in name)
    return name.lstrip(".").strip() or f"{pdu.number_of(meta):05d}"


def _of_a_word(character: str) -> bool:
    """Letters and digits of any script, and the marks on them."""
    return unicodedata.category(character)[0] in "LNM"


class image_sink(worker_block):
    """Writes each image as NAME_TITLE.png and its figures into NAME.json, and acknowledges it."""

    def __init__(
        self, folder: str = "received", titles: tuple[str, ...] = ("received",), keep: bool = False, newest: int = 0
    ):
        """Make the block.

        The figures are PNG text as well. With several titles the sink has an input for each, ``in0``, ``in1``, ...; it
        waits for all of them and also writes ``NAME.png``, the pictures side by side under their titles. Every image is
        acknowledged, delivered or given up. What a file name cannot hold in the ``name`` of an image is replaced by
        underscores, and where a picture of that name has been written, by this flowgraph or by another that runs at the
        same time, the name ends in ``_2``, ``_3``, ... Pictures that wait for their counterparts are given up, oldest
        first, beyond the limits of :mod:`.held`.

        Parameters
        ----------
        folder : str
            Where the files go; made if it is not there. Empty: nothing is written, images are only acknowledged.
        titles : tuple of str
            One title per input; the last input is the received image, whose metadata count.
        keep : bool
            Whether files of earlier runs are kept as well. A receiver needs it whose transmitter may be started again,
            and count from 0 again.
        newest : int
            Of how many images, the last ones of this run, the files stay; those of the images before them are removed,
            and no others. 0: all stay.

        Attributes
        ----------
        results : list of dict
            For each of the last ``MAX_RESULTS`` images its metadata with ``images`` (title to file), and with ``error``
            where it was given up.
        delivered, given_up : int
            Images, from the first one on.

        Raises
        ------
        BadInput
            The folder cannot be made, titles that are empty or not different, or a ``newest`` below 0.

        Notes
        -----
        Ports: in ``in`` (or ``in0``...); out ``ack`` (``image_id``), ``status``.
        """
        titles = tuple(titles)
        if not titles or len(set(titles)) != len(titles):
            raise BadInput("an Image Sink needs one or more titles, all different")
        ports = ["in"] if len(titles) == 1 else [f"in{i}" for i in range(len(titles))]
        worker_block.__init__(self, "Image Sink", ports, [])
        self.message_port_register_out(pmt.intern("ack"))
        self.last_port = ports[-1]
        self._titles = dict(zip(ports, titles, strict=True))
        newest = values.whole(newest, "newest", 0, MAX_NEWEST)
        made = io.made_folder(folder)
        self._files = files.Received(made, keep, newest) if made else None
        self._held: Held = {}
        self.results: list[dict] = []
        self.delivered = self.given_up = 0

    def stop(self) -> bool:
        """Called by the scheduler; what is held is written, and the run is over."""
        stopped = worker_block.stop(self)
        if self._files:
            self._files.close()
        return stopped

    def work_on(self, port: str, msg: pmt.pmt_base, meta: pdu.Meta) -> None:
        """One panel of an image."""
        self._collect(port, pdu.to_image(msg), meta)

    def pass_failure(self, port: str, msg: pmt.pmt_base) -> None:
        """A panel that was given up counts as arrived."""
        self._collect(port, None, pdu.meta_of(msg))

    def is_incomplete(self) -> bool:
        """Other panels may take longer than the last one."""
        return any(self.last_port in panels for panels in self._held.values())

    def pass_silence(self, port: str, msg: pmt.pmt_base) -> None:
        """All pictures before it were acknowledged."""
        self.message_port_pub(pmt.intern("ack"), pdu.message({"silence": pdu.meta_of(msg)["silence"]}))

    def fail(self, meta: pdu.Meta, sentence: str) -> None:
        """A panel that could not be read or written: the image is still acknowledged."""
        number = pdu.number_of(meta)
        self._held.pop(number, None)
        self._close(number, meta | {"error": sentence})

    def _collect(self, port: str, image: np.ndarray | None, meta: pdu.Meta) -> None:
        number = pdu.number_of(meta)
        held = self._held.setdefault(number, {})
        held[port] = (image, meta)
        if len(held) < len(self._titles):
            for old in overdue(self._held):
                _, known = next(iter(self._held[old].values()))
                self.fail(known, "its other pictures never arrived")
            return
        del self._held[number]
        *_, last = self._titles
        result = dict(held[last][1])
        # the name may not have crossed the air, while another of the pictures has it
        named = [known["name"] for _, known in held.values() if known.get("name")]
        if named:
            result.setdefault("name", named[0])
        errors = [m["error"] for _, m in held.values() if "error" in m]
        if errors:
            result["error"] = errors[0]
        elif self._files:
            result["images"] = self._write(held, result)
        self._close(number, result)

    def _write(self, held: dict, meta: pdu.Meta) -> dict[str, str]:
        facts = {k: v for k, v in meta.items() if np.isscalar(v)}
        text = {k: f"{v:.6g}" if isinstance(v, float) else str(v) for k, v in facts.items()}
        ends = {title: f"_{title.replace(' ', '_')}.png" for title in self._titles.values()}
        pictures = {ends[title]: io.png(held[port][0], text) for port, title in self._titles.items()}
        if len(self._titles) > 1:
            ends["side by side"] = ".png"
            panels = [(title, held[port][0]) for port, title in self._titles.items()]
            pictures[".png"] = io.png(io.side_by_side(panels), text)

        def images(places: dict[str, Path]) -> dict[str, str]:
            return {title: str(places[end]) for title, end in ends.items()}

        written = self._files.add(stem_of(meta), pictures, ".json", lambda places: facts | {"images": images(places)})
        return images(written)

    def _close(self, number: int, result: dict) -> None:
        self.results.append(result)
        del self.results[:-MAX_RESULTS]
        self.given_up += "error" in result
        self.delivered += "error" not in result
        name = str(result.get("name", number))
        if "error" in result:
            self.report(name, f"not received: {result['error']}")
        else:
            psnr = f", {result['psnr_db']:.2f} dB PSNR" if isinstance(result.get("psnr_db"), float) else ""
            self.report(name, f"received{psnr}")
        self.message_port_pub(pmt.intern("ack"), pdu.message({"image_id": number}))
