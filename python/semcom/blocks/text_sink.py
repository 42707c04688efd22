# SPDX-License-Identifier: GPL-3.0-or-later
"""Text Sink: received captions, one line each."""

from __future__ import annotations

import io
import sys

import pmt

from .. import files, plain
from ..errors import BadInput
from . import pdu
from .worker import worker_block

_MAX_TEXTS = 65536


class text_sink(worker_block):
    """Writes each text as a line NAME<tab>TEXT to a file, and to standard output."""

    def __init__(self, file: str = "", show: bool = True):
        """Make the block.

        Parameters
        ----------
        file : str
            Lines are added at its end; empty: no file.
        show : bool
            Whether the text goes to standard output as well.

        Attributes
        ----------
        texts : dict of int to str
            After the run, ``image_id`` to the text that arrived last.

        Raises
        ------
        BadInput
            The file cannot be written.

        Notes
        -----
        Ports: in ``in`` (u8vector, UTF-8); out ``status``.
        """
        worker_block.__init__(self, "Text Sink", ["in"], [])
        self._show = show
        self._file = files.named(file) if file else None
        self.texts: dict[int, str] = {}
        if self._file:
            try:
                self._file.parent.mkdir(parents=True, exist_ok=True)
                files.growing(self._file, "ab").close()
            except OSError as error:
                raise BadInput(f"the file {self._file} cannot be written: {error.strerror}") from None

    def work_on(self, port: str, msg: pmt.pmt_base, meta: pdu.Meta) -> None:
        """One text."""
        number = pdu.number_of(meta)
        # it arrived over the air: no line of it may look like another's
        text = plain.line(pdu.to_bytes(msg).decode("utf-8", "replace"))
        self.texts.pop(number, None)
        self.texts[number] = text
        if len(self.texts) > _MAX_TEXTS:
            del self.texts[next(iter(self.texts))]
        name = plain.line(meta.get("name") or f"{number:05d}")
        if self._show:
            plain.write(sys.stdout, [(name, text)])
        if self._file:
            with io.TextIOWrapper(files.growing(self._file, "ab"), encoding="utf-8") as lines:
                plain.write(lines, [(name, text)])
