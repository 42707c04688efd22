# SPDX-License-Identifier: GPL-3.0-or-later
"""Images that wait for their counterparts on other ports, in bounded memory."""

from __future__ import annotations

import numpy as np

from . import pdu

MOST_IMAGES = 1024
MOST_BYTES = 2**30

Held = dict[int, dict[str, tuple[np.ndarray | None, pdu.Meta]]]


def overdue(held: Held) -> list[int]:
    """The numbers that have waited longest, as many as must go to come under both limits.

    held : image number -> port -> (picture or None, metadata), in the order in which the first of each came.
    """
    sizes = {
        number: sum(image.nbytes for image, _ in panels.values() if image is not None)
        for number, panels in held.items()
    }
    total, out = sum(sizes.values()), []
    for number, size in sizes.items():
        if len(held) - len(out) <= MOST_IMAGES and total <= MOST_BYTES:
            break
        out.append(number)
        total -= size
    return out
