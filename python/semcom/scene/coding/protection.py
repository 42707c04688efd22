# SPDX-License-Identifier: GPL-3.0-or-later
"""Unequal protection: what a scene cannot do without goes out at the most robust MCS."""

from __future__ import annotations

from dataclasses import dataclass

from ...digital import ProtectedBytes, mcs_of
from ...errors import BadInput
from ..model import Scene
from . import container

_LEVELS = (
    (container.TEXT, container.A_SEG, container.BOXES),
    (container.COLOURS, container.B_SEG),
    (container.S_IMG,),
)


@dataclass(frozen=True)
class Protection:
    """How well the parts of a scene are protected.

    Attributes
    ----------
    semantics : int, default 0
        MCS index of text, A-seg and boxes.
    detail : int, default 2
        MCS index of colours and B-seg.
    sub_images : int, default 4
        MCS index of S-img.
    bursts : int, default 4
        Over how many the first two are spread at least, so that one fade does not take them.
    """

    semantics: int = 0
    detail: int = 2
    sub_images: int = 4
    bursts: int = 4

    def __post_init__(self) -> None:
        for index in (self.semantics, self.detail, self.sub_images):
            mcs_of(index)
        if not 1 <= self.bursts <= 64:
            raise BadInput(f"a scene cannot be spread over {self.bursts} bursts; choose 1 to 64")


def parts(scene: Scene, protection: Protection | None = None) -> list[ProtectedBytes]:
    """What a container of ``scene`` consists of, from its header on, by how well it is protected.

    Each part holds whole sections, so that what arrives of it can be used while others are missing.

    Parameters
    ----------
    scene : Scene
        What is to be sent.
    protection : Protection, optional
        How well; the default of ``Protection`` unless given.

    Returns
    -------
    list of ProtectedBytes
        The most important first.
    """
    protection = protection or Protection()
    plan = zip(_LEVELS, (protection.semantics, protection.detail, protection.sub_images), strict=True)
    found = container.sections(scene)
    head, out = container.header(scene.height, scene.width), []
    for level, (kinds, mcs) in enumerate(plan):
        data = head + b"".join(section.data for section in found if section.type in kinds)
        head = b""
        if data:
            out.append(ProtectedBytes(data, mcs_of(mcs), protection.bursts if level < 2 else 1))
    return out
