# SPDX-License-Identifier: GPL-3.0-or-later
"""Qt Scene View: the last semantic scene in a Qt window, at either end."""

from __future__ import annotations

import threading
from contextlib import suppress

import pmt
from PyQt5 import QtWidgets

from .. import plain
from ..errors import BadInput, Missing, sentence_of
from ..scene.caption import grounding
from ..scene.last import Gathered, LastScene
from ..scene.render.panes import panes
from ..schemes.esisc import EsIsc
from . import pdu
from .canvas import Newest, figures, shown_image, window_block
from .scene_window import Picture, SceneWindow

MAX_NAME = 80


class qt_scene_view(window_block):
    """Shows the last scene in a Qt widget, at either end: what is sent, or what has arrived so far."""

    def __init__(self, title: str = "Scene", label: str = "Picture", parent: QtWidgets.QWidget | None = None):
        """Make the block.

        The caption, the class map with objects and their boxes, the outlines, the picture, and a list of the sections
        with their bytes; of each that is not here the widget says so. Words of the caption that name objects of the map
        are links: pointing at one, or at an object in a map or in the picture, highlights both, and a click holds the
        highlight. The words are tied to the objects by spaCy's English model, or by a table of nouns without it.

        Scenes are read in a thread of the block's own, which takes the newest when it has time: neither it nor a busy
        GUI holds back the flowgraph. One scene and one picture are kept, at most two while a picture waits for its
        scene. What is wrong is written over the picture, as by the Qt Image View.

        Parameters
        ----------
        title : str
            Shown above all.
        label : str
            What the picture is.
        parent : QWidget, optional
            The widget's parent.

        Attributes
        ----------
        sentence : str
            What is written over the picture; empty where nothing is.

        Notes
        -----
        Ports: in ``bytes`` (scene containers: those of an ES-ISC Encoder or Transmitter, or both ``part`` and ``bytes``
        of a Digital Decoder, or ``part`` of a Receiver), ``image`` (the picture, with ``psnr_db`` and ``snr_db`` where
        they were measured), ``preview`` (the picture so far), ``status`` (of other blocks).
        """
        self._window = SceneWindow(title, label, parent)
        window_block.__init__(self, "Qt Scene View", self._window.picture)
        self._last = LastScene()
        self._wake = threading.Event()
        self._scenes = Newest(self._wake.set)  # (Gathered, name)
        self._thread: threading.Thread | None = None
        self._ended = False
        for port, handler in (
            ("bytes", self._take_bytes),
            ("image", self._take_image),
            ("preview", self._take_preview),
        ):
            self.message_port_register_in(pmt.intern(port))
            self.take_all(port, handler)

    def qwidget(self) -> QtWidgets.QWidget:
        """The widget, for a layout."""
        return self._window

    def start(self) -> bool:
        """Called by the scheduler; starts the thread that reads scenes."""
        self._ended = False
        self._thread = threading.Thread(target=self._read, name=f"{self.name()}-reader", daemon=True)
        self._thread.start()
        return window_block.start(self)

    def stop(self) -> bool:
        """Called by the scheduler; the scene that waits is still read."""
        thread, self._thread = self._thread, None
        self._ended = True
        self._wake.set()
        if thread is not None:
            thread.join()
        return window_block.stop(self)

    def _read(self) -> None:
        """On the thread: the newest scene, whenever there is one."""
        with suppress(Missing):  # each scene says so itself
            grounding.load()
        ended = False
        while not ended:
            self._wake.wait()
            self._wake.clear()
            ended = self._ended
            if (scene := self._scenes.take()) is not None:
                self._show(*scene)

    def _show(self, scene: Gathered, name: str) -> None:
        try:
            self._window.scenes.emit(scene.number, name, panes(scene.data, scene.whole))
        except Exception as error:  # a thread that dies would show nothing any more
            self.report("", f"the scene cannot be shown: {sentence_of(error)}", error)

    def _opened(self, msg: pmt.pmt_base) -> pdu.Meta | None:
        """The metadata of what is to be shown; None for a mark, and for an image that was given up, which is said."""
        meta = pdu.meta_of(msg)
        if "error" in meta:
            self.give_up(meta)
        return None if meta.keys() & {"error", "silence"} else meta

    def _take_bytes(self, msg: pmt.pmt_base) -> None:
        meta = self._opened(msg)
        if meta is None:
            return
        if meta.get("scheme", EsIsc.code) not in (EsIsc.code, EsIsc.name):
            raise BadInput("bytes arrived whose scheme is not esisc; a scene view shows scenes only")
        number, data = pdu.number_of(meta), pdu.to_bytes(msg)
        if "part" not in meta:
            scene = self._last.add_whole(number, data, not meta.get("blocks_lost"))
        elif type(meta["part"]) is int:
            scene = self._last.add_part(number, meta["part"], data)
        else:
            raise BadInput("a bytes PDU arrived whose part is not an integer")
        self._scenes.emit(scene, plain.line(meta.get("name", ""), MAX_NAME))

    def _take_image(self, msg: pmt.pmt_base) -> None:
        self._take_picture(msg, True)

    def _take_preview(self, msg: pmt.pmt_base) -> None:
        self._take_picture(msg, False)

    def _take_picture(self, msg: pmt.pmt_base, complete: bool) -> None:
        meta = self._opened(msg)
        if meta is not None:
            picture = Picture(pdu.number_of(meta), shown_image(msg), figures(meta), complete)
            self._window.pictures.emit(picture)
