# SPDX-License-Identifier: GPL-3.0-or-later
"""What is known of an image, on the ports of a decoder."""

from __future__ import annotations

from ..schemes import Decoded
from . import pdu
from .worker import worker_block

PORTS = ("text", "labels", "segments")
VIEWS = ("text_view", "labels_view", "segments_view")


def publish_decoded(block: worker_block, decoded: Decoded, meta: pdu.Meta) -> None:
    """Send text, maps and their drawings on the ports of these names, where there are any.

    Parameters
    ----------
    block : worker_block
        Has the ports ``PORTS`` and ``VIEWS``.
    decoded : Decoded
        What is known of the image.
    meta : dict
        Metadata of the image.
    """
    if decoded.text is not None:
        block.publish("text", pdu.from_bytes(decoded.text.encode("utf-8"), meta))
    if decoded.labels is not None:
        keys = {"classes": " ".join(decoded.labels.classes), "objects": "\n".join(decoded.labels.objects)}
        block.publish("labels", pdu.from_image(decoded.labels.values, meta | keys))
    if decoded.segments is not None:
        block.publish("segments", pdu.from_image(decoded.segments, meta))
    for port, drawn in decoded.views.items():
        block.publish(port, pdu.from_image(drawn, meta))
    for sentence in decoded.problems:
        block.report(str(meta.get("name", "")), sentence)
