# SPDX-License-Identifier: GPL-3.0-or-later
"""The training loop: seconds, not epochs, are the budget, so that schemes compare at equal cost."""

from __future__ import annotations

import csv
import json
import math
import time
from collections.abc import Callable
from pathlib import Path

import torch

from ..errors import BadInput
from .data import Photographs
from .models import NETWORKS

CHECKPOINT = "last.pt"


def log_mse(x: torch.Tensor, x_hat: torch.Tensor) -> torch.Tensor:
    """Mean over the batch of log(MSE of one image): averages decibels, so no image rules the others."""
    return (x - x_hat).square().mean(dim=(1, 2, 3)).clamp_min(1e-7).log().mean()


def train(
    scheme: str,
    data: list[Path],
    out: Path,
    *,
    masks: list[Path] | None = None,
    seconds: float = 3600,
    crop: int = 160,
    batch: int = 8,
    rate: float = 1e-3,
    threads: int = 2,
    seed: int = 0,
    report: Callable[[str], None] = lambda line: None,
) -> Path:
    """Train one network and return its last checkpoint; started again on the same ``out`` it goes on.

    The learning rate follows a cosine over the seconds; an exponential moving average of the weights (decay 0.999) is
    what is kept for use. ``out`` receives ``last.pt``, ``log.csv`` and ``recipe.json``.

    Parameters
    ----------
    scheme : a key of ``NETWORKS``.
    seconds : training time, all runs of this ``out`` together, start-up not counted.
    rate : peak learning rate (Adam).

    Raises
    ------
    BadInput : unknown scheme or no usable image.
    """
    if scheme not in NETWORKS:
        raise BadInput(f"{scheme} is not a trainable scheme; choose one of {', '.join(NETWORKS)}")
    torch.set_num_threads(threads)
    torch.manual_seed(seed)
    out.mkdir(parents=True, exist_ok=True)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    checkpoint = out / CHECKPOINT
    state = torch.load(checkpoint, map_location=device, weights_only=True) if checkpoint.exists() else None
    photographs = Photographs(data, crop, masks, seed + (state["step"] if state else 0))
    recipe = {
        "scheme": scheme, "data": [p.name for p in data], "masks": [p.name for p in masks or []],
        "images": len(photographs), "seconds": seconds, "crop": crop, "batch": batch, "rate": rate,
        "threads": threads, "seed": seed, "device": device, "loss": "per-image log MSE", "noise": None,
        "ema": 0.999, "schedule": "cosine over seconds", "optimizer": "Adam", "torch": torch.__version__,
    }  # fmt: skip
    (out / "recipe.json").write_text(json.dumps(recipe, indent=2) + "\n")

    net = NETWORKS[scheme]()
    if state is None and hasattr(net, "init_from_klt"):
        net.init_from_klt(photographs.batch(400))
    net = net.to(device, memory_format=torch.channels_last)
    ema = torch.optim.swa_utils.AveragedModel(net, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(0.999))
    optimizer = torch.optim.Adam(net.parameters(), lr=rate)
    step, spent, losses = 0, 0.0, []
    if state:
        net.load_state_dict(state["net"])
        ema.load_state_dict(state["ema"])
        optimizer.load_state_dict(state["optimizer"])
        step, spent = state["step"], state["seconds"]

    def save() -> None:
        parts = {
            "scheme": scheme,
            "net": net.state_dict(),
            "ema": ema.state_dict(),
            "optimizer": optimizer.state_dict(),
            "step": step,
            "seconds": spent,
        }
        torch.save(parts, checkpoint.with_suffix(".part"))
        checkpoint.with_suffix(".part").replace(checkpoint)  # a killed run never leaves half a file

    with (out / "log.csv").open("a", newline="") as file:
        log = csv.writer(file)
        if not state:
            log.writerow(["step", "seconds", "psnr_db"])
        while spent < seconds:
            begun = time.monotonic()
            warm = min(1.0, (step + 1) / 200)
            for group in optimizer.param_groups:
                group["lr"] = rate * warm * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * min(1.0, spent / seconds))))
            x = photographs.batch(batch).to(device, memory_format=torch.channels_last)
            loss = log_mse(x, net(x))
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
            optimizer.step()
            ema.update_parameters(net)
            losses.append(loss.item())
            step += 1
            spent += time.monotonic() - begun
            if step % 100 == 0:
                psnr = -10 / math.log(10) * sum(losses) / len(losses)
                log.writerow([step, round(spent, 1), round(psnr, 3)])
                file.flush()
                report(f"step {step}  {spent:.0f}/{seconds:.0f} s  {psnr:.2f} dB on training crops")
                losses.clear()
            if step % 500 == 0:
                save()
    save()
    return checkpoint
