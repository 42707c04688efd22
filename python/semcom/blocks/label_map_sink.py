# SPDX-License-Identifier: GPL-3.0-or-later
"""Label Map Sink: received class maps as pictures with a legend."""

from __future__ import annotations

import re
from functools import partial

import numpy as np
import pmt
from PIL import Image

from .. import files
from ..errors import BadInput
from ..image import io
from ..scene import draw
from ..segment.classes import VOC
from ..segment.instances import SceneObject
from . import pdu
from .image_sink import stem_of
from .worker import worker_block

_OBJECT = re.compile(r"(\S+) (\d{1,5}),(\d{1,5}),(\d{1,5}),(\d{1,5})")


class label_map_sink(worker_block):
    """Draws each class map in VOC's colours, with the objects' boxes and a legend."""

    def __init__(self, folder: str = "received", legend: bool = True):
        """Make the block.

        Parameters
        ----------
        folder : str
            Gets ``NAME_labels.png`` (the drawing), ``NAME_map.png`` (the labels themselves, one byte a pixel, with
            VOC's palette) and ``NAME_objects.json``; the name ends in ``_2``, ``_3``, ... where one of this run has it.
            Empty: nothing is written.
        legend : bool
            Whether the colours are explained below the map.

        Raises
        ------
        BadInput
            The folder cannot be made.

        Notes
        -----
        Ports: in ``in`` (labels PDU; keys ``classes``, names separated by spaces, and ``objects``, as of the ES-ISC
        Decoder); out ``image`` (the drawing, for a Qt Image View), ``status``.
        """
        worker_block.__init__(self, "Label Map Sink", ["in"], ["image"])
        self._legend = legend
        made = io.made_folder(folder)
        self._files = files.Received(made) if made else None
        self.results: list[dict] = []

    def stop(self) -> bool:
        """Called by the scheduler; what is held is written, and the run is over."""
        stopped = worker_block.stop(self)
        if self._files:
            self._files.close()
        return stopped

    def work_on(self, port: str, msg: pmt.pmt_base, meta: pdu.Meta) -> None:
        """One map."""
        labels = pdu.to_image(msg)
        if labels.ndim != 2:
            raise BadInput(f"a picture of {list(labels.shape)} arrived where a label map belongs, one byte a pixel")
        classes = tuple(str(meta.get("classes") or " ".join(VOC)).split())
        if int(labels.max()) >= len(classes):
            raise BadInput(f"a map arrived with label {labels.max()}, and its metadata name {len(classes)} classes")
        objects = _objects(str(meta.get("objects", "")), classes, labels)
        drawn = np.ascontiguousarray(draw.class_map(labels, objects, classes, legend=self._legend))
        record = {"classes": {classes[i]: int(n) for i, n in enumerate(np.bincount(labels.ravel())) if n}}
        record["objects"] = [{"class": classes[item.label], "box": list(item.box)} for item in objects]
        if self._files:
            record["images"] = self._write(labels, drawn, record, meta)
        self.results.append({"image_id": pdu.number_of(meta)} | record)
        del self.results[:-_MAX_RESULTS]
        self.publish("image", pdu.from_image(drawn, meta))

    def _write(self, labels: np.ndarray, drawn: np.ndarray, record: dict, meta: pdu.Meta) -> dict[str, str]:
        indexed = Image.fromarray(labels, mode="P")
        indexed.putpalette(draw.PALETTE.tobytes())
        pictures = {"_labels.png": io.png(drawn), "_map.png": partial(indexed.save, format="PNG")}
        written = self._files.add(stem_of(meta), pictures, "_objects.json", lambda places: record)
        return {key: str(written[f"_{key}.png"]) for key in ("labels", "map")}


_MAX_RESULTS = 4096


def _objects(text: str, classes: tuple[str, ...], labels: np.ndarray) -> list[SceneObject]:
    """What the ``objects`` key says, as far as it can be true."""
    out = []
    for line in text.splitlines():
        found = _OBJECT.fullmatch(line)
        if not found or found[1] not in classes:
            raise BadInput(f"a map arrived whose objects say {line!r}, which is no NAME X0,Y0,X1,Y1")
        x0, y0, x1, y1 = map(int, found.groups()[1:])
        if not (x0 < x1 <= labels.shape[1] and y0 < y1 <= labels.shape[0]):
            raise BadInput(f"a map arrived with an object outside of it, {line!r}")
        out.append(SceneObject(classes.index(found[1]), (x0, y0, x1, y1), (x1 - x0) * (y1 - y0)))
    return out
