# SPDX-License-Identifier: GPL-3.0-or-later
"""Checkpoints on the disk."""

from __future__ import annotations

from pathlib import Path

import torch


def save_checkpoint(parts: dict, checkpoint: Path) -> None:
    """Write a checkpoint, so that a killed run never leaves half a file.

    Parameters
    ----------
    parts : dict
        What is saved, by name.
    checkpoint : Path
        Name of the file.
    """
    unfinished = checkpoint.with_suffix(".part")
    torch.save(parts, unfinished)
    unfinished.replace(checkpoint)
