# SPDX-License-Identifier: GPL-3.0-or-later
"""Unequal protection: what a scene cannot do without goes out at the most robust MCS."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from ...digital import ADAPTIVE, BURSTS, LOW_RATE, Mcs, ProtectedBytes, fastest, mcs_of, message_loss, spread
from ...errors import BadInput
from ..model import Scene
from . import container

LEVELS = (
    (container.TEXT, container.PAINTING, container.A_SEG, container.BOXES),
    (container.COLOURS, container.B_SEG),
    (container.S_IMG,),
)
"""Kinds of sections that are protected alike, the most important first."""

MAX_LOSS = 0.02  # of a level
# Of each level, the code blocks of which none may be lost, since a picture is gone with any of them; and, where nothing
# fades, by how many dB the SNR may be less than expected.
_BLOCKS, _MARGINS_DB = (1, 2, 8), (3.0, 1.5, 0.0)
# Half of the headers can be read there (``results/modem.json``).
_UNHEARD_DB = -4.7


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
    bursts: int = BURSTS

    def __post_init__(self) -> None:
        for index in self.levels:
            mcs_of(index)
        if not 1 <= self.bursts <= 64:
            raise BadInput(f"a scene cannot be spread over {self.bursts} bursts; choose 1 to 64")

    @property
    def levels(self) -> tuple[int, int, int]:
        """MCS index of each of ``LEVELS``."""
        return self.semantics, self.detail, self.sub_images

    def least(self, level: int) -> int:
        """Bursts over which a level is spread at least."""
        return self.bursts if level < 2 else 1


@lru_cache(maxsize=256)
def adapted(snr_db: float, channel: str = "awgn", k_factor_db: float = 10.0, bursts: int = 0) -> Protection:
    """As little protection as the link allows.

    Parameters
    ----------
    snr_db : float
        Mean Es/N0, dB.
    channel : str
        "awgn", "rayleigh" or "rician".
    k_factor_db : float
        Rician K, dB.
    bursts : int, default 0
        As of :class:`Protection`; 0: 4, and 8 where the channel fades.

    Returns
    -------
    Protection
        With the fastest MCS that loses little enough of each level, at a margin; the more important a level, the less
        is lost. Text, A-seg and boxes may go out at the low rates of TS 38.214, Table 5.1.3.1-3.

    Raises
    ------
    BadInput
        A channel that is not known.
    """
    bursts = bursts or spread(channel)
    # bursts that follow one another fade alike
    fades = max(1, bursts // 2)

    def chosen(level: int) -> int:
        def survives(mcs: Mcs) -> bool:
            lost = message_loss(
                snr_db - (_MARGINS_DB[level] if channel == "awgn" else 0),
                mcs,
                blocks=_BLOCKS[level],
                channel=channel,
                depth=fades,
                k_factor_db=k_factor_db,
                unheard_db=_UNHEARD_DB,
            )
            return lost <= MAX_LOSS

        return fastest(ADAPTIVE if level else (*LOW_RATE, *ADAPTIVE), survives).index

    return Protection(*map(chosen, range(len(LEVELS))), bursts)


def protected(scene: Scene, protection: Protection) -> list[ProtectedBytes]:
    """What a container of ``scene`` consists of, from its header on: one part for each level, some perhaps empty.

    Parameters
    ----------
    scene : Scene
        What is to be sent.
    protection : Protection
        How well.

    Returns
    -------
    list of ProtectedBytes
        The most important first.
    """
    found = container.sections(scene)
    head, out = container.header(scene.height, scene.width), []
    for level, (kinds, mcs) in enumerate(zip(LEVELS, protection.levels, strict=True)):
        data = head + b"".join(section.data for section in found if section.type in kinds)
        out.append(ProtectedBytes(data, mcs_of(mcs), protection.least(level)))
        head = b""
    return out


def parts(scene: Scene, protection: Protection | None = None) -> list[ProtectedBytes]:
    """What is sent of ``scene``, by how well it is protected.

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
    return [part for part in protected(scene, protection or Protection()) if part.data]
