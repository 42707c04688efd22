# SPDX-License-Identifier: GPL-3.0-or-later
"""Scene Inspector: what scenes consist of, and what of them arrived."""

from __future__ import annotations

import sys

import pmt

from .. import plain
from ..scene import decode_scene, describe_scene, sizes
from . import pdu
from .worker import worker_block


class scene_inspector(worker_block):
    """Reports of each scene its sections, their sizes, and what a person can read in them."""

    def __init__(self, show: bool = True):
        """Make the block.

        Parameters
        ----------
        show : bool
            Whether that is written to standard output, as ``semcom scene show`` does.

        Attributes
        ----------
        results : list of dict
            After the run, what was sent on ``report``.

        Notes
        -----
        Ports: in ``in`` (scene containers, or parts of one); out ``report`` (a dictionary for each: ``image_id``,
        ``text``, ``sections``, ``problems``), ``status``.
        """
        worker_block.__init__(self, "Scene Inspector", ["in"], [])
        self.message_port_register_out(pmt.intern("report"))
        self._show = show
        self.results: list[dict] = []

    def work_on(self, port: str, msg: pmt.pmt_base, meta: pdu.Meta) -> None:
        """One scene, or a part of one."""
        data = pdu.to_bytes(msg)
        decoded = decode_scene(data)
        text = describe_scene(data, decoded)
        record = {
            "image_id": pdu.number_of(meta),
            "text": text,
            "sections": sizes(decoded.sections),
            "problems": list(decoded.problems),
        }
        self.results.append(record)
        del self.results[:-_MAX_RESULTS]
        if self._show:
            name = meta.get("name") or f"{record['image_id']:05d}"
            part = f", part from burst {meta['part']}" if "part" in meta else ""
            plain.write(sys.stdout, [f"{name}{part}", *text.split("\n")])
        said = record | {"sections": " ".join(record["sections"]), "problems": " ".join(record["problems"])}
        self.publish("report", pdu.message(said))


_MAX_RESULTS = 4096
