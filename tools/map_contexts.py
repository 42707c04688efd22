#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fit what neighbouring cells say of a profile to the maps that the planner makes of photographs.

    python tools/map_contexts.py --data train_256.tar --out python/semcom/jscc/mapcode_contexts.json

The planner reckons with these very tables, so maps and tables are made in turn. Every photograph is planned at another
rate and SNR. The model is a softmax regression on the profiles of four neighbours; its weights become integers of 1/16
octave.
"""

from __future__ import annotations

import argparse
import io
import itertools
import json
import sys
import tarfile
from pathlib import Path

import numpy as np
import torch
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "python"))

from semcom.jscc import mapcode
from semcom.jscc.allocation import CELLS, STEPS, tables
from semcom.jscc.planning import Coefficients, maps
from semcom.schemes import Conditions
from semcom.schemes.allocated import map_cost

RATES, SNRS = (1 / 48, 1 / 24, 1 / 12, 1 / 6), (1, 4, 7, 10, 13)
RIDGE = 2e-5
NEVER = -4 * STEPS  # of profile 0, which the planner does not use beside others


def photographs(archive: Path, count: int) -> list[np.ndarray]:
    """Every so many-th photograph of a tar, ``count`` in all."""
    with tarfile.open(archive) as tar:
        members = [member for member in tar if member.isfile() and member.name.endswith((".jpg", ".png"))]
        members = members[:: max(1, len(members) // count)][:count]
        return [np.asarray(Image.open(io.BytesIO(tar.extractfile(m).read())).convert("RGB")) for m in members]


def planned(images: list[np.ndarray]) -> dict[int, list[np.ndarray]]:
    """Profiles that the planner chooses, by side of a cell."""
    out: dict[int, list[np.ndarray]] = {cell: [] for cell in CELLS}
    for image, (rate, snr_db) in zip(images, itertools.cycle(itertools.product(RATES, SNRS)), strict=False):
        coefficients = Coefficients(image, tables())
        level = np.zeros((coefficients.rows, coefficients.columns), np.uint8)
        cost = map_cost(Conditions(snr_db=float(snr_db)))
        for cells in maps(coefficients, int(rate * image.size), snr_db, cost, level):
            out[cells.cell].append(cells.profile)
    return out


def fitted(known: list[np.ndarray]) -> tuple[np.ndarray, float]:
    """int [4, profiles + 1, profiles] and bits per cell, by maximum likelihood."""
    profiles = tables().profiles
    near = [
        torch.from_numpy(np.concatenate(each).astype(np.int64))
        for each in zip(*([n.ravel() for n in mapcode.neighbours(profile)] for profile in known), strict=True)
    ]
    own = torch.from_numpy(np.concatenate([profile.ravel() for profile in known]).astype(np.int64)) - 1
    weight = torch.zeros(len(near), profiles + 1, profiles - 1, requires_grad=True)
    optimiser = torch.optim.LBFGS([weight], max_iter=80, history_size=20, line_search_fn="strong_wolfe")

    def loss() -> torch.Tensor:
        optimiser.zero_grad()
        scores = sum(weight[number][profile] for number, profile in enumerate(near))
        value = torch.nn.functional.cross_entropy(scores, own) + RIDGE * weight.square().sum() / weight.shape[1]
        value.backward()
        return value

    optimiser.step(loss)
    found = np.full((len(near), profiles + 1, profiles), NEVER)
    found[:, :, 1:] = np.rint(weight.detach().numpy() * STEPS / np.log(2))
    found[:, 0] = 0
    return found, float(loss().detach()) / np.log(2)


def main() -> None:
    """Write the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="tar of photographs")
    parser.add_argument("--out", type=Path, required=True, help="the table")
    parser.add_argument("--images", type=int, default=1200, help="photographs used")
    parser.add_argument("--rounds", type=int, default=2, help="how often maps and tables are made")
    args = parser.parse_args()
    torch.set_num_threads(1)
    images = photographs(args.data, args.images)
    for number in range(args.rounds):
        found, table = planned(images), {}
        for cell in CELLS:
            exponents, bits = fitted(found[cell])
            table[str(cell)] = exponents.astype(int).tolist()
            print(f"round {number + 1}: {bits:.3f} bits for a cell of {cell} pixels")
        about = {"data": [args.data.name], "images": len(images), "rounds": number + 1}
        args.out.write_text(json.dumps({"recipe": about, "exponents": table}, separators=(",", ":")) + "\n")
        mapcode.exponents.cache_clear()


if __name__ == "__main__":
    main()
