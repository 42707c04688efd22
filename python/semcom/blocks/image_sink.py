# SPDX-License-Identifier: GPL-3.0-or-later
"""Image Sink: received images as PNG files, acknowledged to the source."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from itertools import count

import numpy as np
import pmt

from ..errors import BadInput
from ..image import io
from . import pdu
from .held import Held, overdue
from .worker import worker_block

MAX_NAME = 100  # characters; file systems take 255 bytes, titles and suffix included


def stem_of(meta: pdu.Meta) -> str:
    """What the files of an image are called, without a suffix: its name, or its number where it has none."""
    # the name is from whoever sent the image: it is a name, and no path
    name = re.sub(r"[^\w .()+-]", "_", str(meta.get("name") or "")).lstrip(".")[:MAX_NAME]
    return name or f"{pdu.number_of(meta):05d}"


class image_sink(worker_block):
    """Writes each image as ``NAME_TITLE.png`` and its figures into ``NAME.json``, and acknowledges it.

    The figures are PNG text as well. With several titles the sink has an input for each, ``in0``, ``in1``, ...; it
    waits for all of them and also writes ``NAME.png``, the pictures side by side under their titles. Every image is
    acknowledged, delivered or given up. What a file name cannot hold in the ``name`` of an image is replaced by
    underscores. Pictures that wait for their counterparts are given up, oldest first, beyond the limits of
    :mod:`.held`.

    Parameters
    ----------
    folder : str
        Where the files go; made if it is not there. Empty: nothing is written, images are only acknowledged.
    titles : tuple of str
        One title per input; the last input is the received image, whose metadata count.
    keep : bool
        Whether a picture never replaces a file that is there; its name then ends in ``_2``, ``_3``, ... A receiver
        needs it whose transmitter may be started again, and count from 0 again.

    Attributes
    ----------
    results : list of dict
        After the run, for each image its metadata with ``images`` (title to file), and with ``error`` where it was
        given up.

    Raises
    ------
    BadInput
        The folder cannot be made, or titles that are empty or not different.

    Notes
    -----
    Ports: in ``in`` (or ``in0``...); out ``ack`` (``image_id``), ``status``.
    """

    def __init__(self, folder: str = "received", titles: tuple[str, ...] = ("received",), keep: bool = False):
        titles = tuple(titles)
        if not titles or len(set(titles)) != len(titles):
            raise BadInput("an Image Sink needs one or more titles, all different")
        ports = ["in"] if len(titles) == 1 else [f"in{i}" for i in range(len(titles))]
        worker_block.__init__(self, "Image Sink", ports, [])
        self.message_port_register_out(pmt.intern("ack"))
        self._keep = keep
        self._titles = dict(zip(ports, titles, strict=True))
        self._folder = io.made_folder(folder)
        self._held: Held = {}
        self.results: list[dict] = []

    def work_on(self, port: str, msg: pmt.pmt_base, meta: pdu.Meta) -> None:
        """One panel of an image."""
        self._collect(port, pdu.to_image(msg), meta)

    def pass_failure(self, port: str, msg: pmt.pmt_base) -> None:
        """A panel that was given up counts as arrived."""
        self._collect(port, None, pdu.meta_of(msg))

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
        elif self._folder:
            result["images"] = self._write(held, result)
        self._close(number, result)

    def _write(self, held: dict, meta: pdu.Meta) -> dict[str, str]:
        stem = stem_of(meta)
        if self._keep:
            stem = next(s for s in self._numbered(stem) if not (self._folder / f"{s}.json").exists())
        text = {k: f"{v:.6g}" if isinstance(v, float) else str(v) for k, v in meta.items() if np.isscalar(v)}
        files = {}
        for port, title in self._titles.items():
            path = self._folder / f"{stem}_{title.replace(' ', '_')}.png"
            io.save_png(path, held[port][0], text)
            files[title] = str(path)
        if len(self._titles) > 1:
            path = self._folder / f"{stem}.png"
            panels = [(title, held[port][0]) for port, title in self._titles.items()]
            io.save_png(path, io.side_by_side(panels), text)
            files["side by side"] = str(path)
        record = {k: v for k, v in meta.items() if np.isscalar(v)} | {"images": files}
        (self._folder / f"{stem}.json").write_text(json.dumps(record, indent=2) + "\n")
        return files

    @staticmethod
    def _numbered(stem: str) -> Iterator[str]:
        yield stem
        yield from (f"{stem}_{number}" for number in count(2))

    def _close(self, number: int, result: dict) -> None:
        self.results.append(result)
        name = str(result.get("name", number))
        if "error" in result:
            self.report(name, f"not received: {result['error']}")
        else:
            psnr = f", {result['psnr_db']:.2f} dB PSNR" if isinstance(result.get("psnr_db"), float) else ""
            self.report(name, f"received{psnr}")
        self.message_port_pub(pmt.intern("ack"), pdu.message({"image_id": number}))
