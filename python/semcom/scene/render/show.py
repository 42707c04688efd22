# SPDX-License-Identifier: GPL-3.0-or-later
"""What a person can read in a scene, as lines of text."""

from __future__ import annotations

import numpy as np

from ... import plain
from ...segment.classes import PALETTE
from ..coding.container import HEADER_BYTES, Decoded
from ..model import at_size

_COLUMNS = 64


def describe_scene(data: bytes, decoded: Decoded) -> str:
    """Size, sections, caption, objects and problems of a scene, one to a line.

    Parameters
    ----------
    data : bytes
        The container.
    decoded : Decoded
        What was read of it.

    Returns
    -------
    str
        Lines, safe to print whatever the caption is.
    """
    scene = decoded.scene
    lines = []
    if scene.height:
        ratio = 3 * scene.height * scene.width / max(1, len(data))
        lines.append(f"{scene.width}x{scene.height} in {len(data)} bytes, {ratio:.0f} times less than its pixels")
    if scene.caption:
        lines.append(f"text     {scene.caption}")
    for instance in scene.objects or ():
        x0, y0, x1, y1 = instance.box
        lines.append(f"object   {scene.classes[instance.label]}, {x1 - x0}x{y1 - y0} at {x0},{y0}")
    if scene.labels is not None:
        shares = np.bincount(scene.labels.ravel()) / scene.labels.size
        parts = [f"{scene.classes[i]} {100 * shares[i]:.0f} %" for i in np.argsort(-shares) if shares[i]]
        lines.append(f"A-seg    {scene.labels.shape[1]}x{scene.labels.shape[0]}: {', '.join(parts)}")
    if scene.segments is not None:
        lines.append(f"B-seg    {scene.segments.shape[1]}x{scene.segments.shape[0]}: {scene.segments.max()} segments")
    for sub in scene.sub_images:
        x0, y0, x1, y1 = sub.box
        lines.append(f"S-img    {x1 - x0}x{y1 - y0} at {x0},{y0}: {len(sub.data)} bytes")
    if scene.painting is not None:
        lines.append(f"painting {scene.painting:g} of what a network adds is good for it")
    if decoded.sections:
        sizes = ", ".join(f"{section.name} {len(section.data)}" for section in decoded.sections)
        lines.append(f"bytes    header {HEADER_BYTES}, {sizes}")
    lines += [f"problem  {sentence}" for sentence in decoded.problems]
    return "\n".join(map(plain.line, lines))


def terminal_map(labels: np.ndarray, columns: int = _COLUMNS) -> str:
    """A class map as coloured blocks for a terminal, two pixels a character, in ANSI's 24-bit colours.

    Parameters
    ----------
    labels : uint8 [H, W]
        The class map.
    columns : int, default ``_COLUMNS``
        Characters across, at most.

    Returns
    -------
    str
        Lines.
    """
    columns = min(columns, labels.shape[1])
    rows = max(2, round(columns * labels.shape[0] / labels.shape[1] / 2) * 2)
    small = PALETTE[np.minimum(at_size(labels, rows, columns), len(PALETTE) - 1)]
    lines = []
    for upper, lower in zip(small[::2], small[1::2], strict=True):
        cells = (
            f"\x1b[38;2;{a};{b};{c}m\x1b[48;2;{d};{e};{f}m\u2580"
            for (a, b, c), (d, e, f) in zip(upper.tolist(), lower.tolist(), strict=True)
        )
        lines.append("".join(cells) + "\x1b[0m")
    return "\n".join(lines)
