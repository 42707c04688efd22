# SPDX-License-Identifier: GPL-3.0-or-later
"""The training loop: seconds, not epochs, are the budget, so that schemes compare at equal cost."""

from __future__ import annotations

import csv
import dataclasses
import json
import math
import time
from collections.abc import Callable
from pathlib import Path

import torch

from ..errors import BadInput
from .channels import Conditions
from .data import Photographs
from .models import NETWORKS

CHECKPOINT = "last.pt"


EMA = 0.999
HELD_OUT = 16  # photographs
VALIDATION_SNRS = (1, 4, 7, 10, 13)


@torch.no_grad()
def validate(net: torch.nn.Module, photographs: Photographs, device: str) -> dict[int, float]:
    """Mean PSNR in dB over the photographs held out at each of ``VALIDATION_SNRS``, AWGN, always the same noise."""
    x = photographs.validation().to(device, memory_format=torch.channels_last)
    figures = {}
    with torch.random.fork_rng():
        torch.manual_seed(0)
        for snr in VALIDATION_SNRS:
            errors = []
            for part in x.split(4):
                x_hat = net.link(part, torch.full((len(part),), float(snr), device=device)).clamp(0, 1)
                errors.append((part - x_hat).square().mean(dim=(1, 2, 3)))
            figures[snr] = float(-10 * torch.cat(errors).log10().mean())
    return figures


@torch.no_grad()
def _average(averages: list[torch.Tensor], values: list[torch.Tensor], count: torch.Tensor) -> None:
    """Exponential moving average whose memory grows with the steps taken, up to ``EMA``: it forgets its start."""
    decay = min(EMA, (1 + int(count)) / (10 + int(count)))
    torch._foreach_lerp_(averages, values, 1 - decay)


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
    conditions: Conditions = Conditions(),
    validate_every: float = 300,
    report: Callable[[str], None] = lambda line: None,
) -> Path:
    """Train one network and return its last checkpoint; started again on the same ``out`` it goes on.

    The learning rate follows a cosine over the seconds; an exponential moving average of the weights (decay 0.999) is
    what is kept for use. ``out`` receives ``last.pt``, ``log.csv`` and ``recipe.json``.

    Parameters
    ----------
    scheme : a key of ``NETWORKS``.
    seconds : training time, all runs of this ``out`` together, start-up and validation not counted; on a CPU those
        that the processor spent per thread, so that a busy machine does not shorten the training.
    rate : peak learning rate (Adam).
    conditions : what the network is trained to get through.
    validate_every : seconds of training between two rows of ``log.csv`` with the PSNR on photographs held out.

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
    clock = time.monotonic if device == "cuda" else lambda: time.process_time() / threads
    checkpoint = out / CHECKPOINT
    state = torch.load(checkpoint, map_location=device, weights_only=True) if checkpoint.exists() else None
    photographs = Photographs(data, crop, masks, seed + (state["step"] if state else 0), HELD_OUT)
    recipe = {
        "scheme": scheme, "data": [p.name for p in data], "masks": [p.name for p in masks or []],
        "images": len(photographs), "seconds": seconds, "crop": crop, "batch": batch, "rate": rate,
        "threads": threads, "seed": seed, "device": device, "loss": "per-image log MSE",
        "conditions": dataclasses.asdict(conditions),
        "ema": EMA, "schedule": "cosine over seconds", "optimizer": "Adam", "torch": torch.__version__,
    }  # fmt: skip
    (out / "recipe.json").write_text(json.dumps(recipe, indent=2) + "\n")

    net = NETWORKS[scheme]()
    if state is None and hasattr(net, "initialise"):
        net.initialise(photographs)
    net = net.to(device, memory_format=torch.channels_last)
    ema = torch.optim.swa_utils.AveragedModel(net, multi_avg_fn=_average)
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
            log.writerow(["step", "seconds", "training_psnr_db", *(f"psnr_{snr}_db" for snr in VALIDATION_SNRS)])
            figures = validate(net, photographs, device)
            log.writerow([0, 0, "", *(round(v, 3) for v in figures.values())])
            report(f"before training: {figures}")
        validated = spent
        while spent < seconds:
            begun = clock()
            warm = min(1.0, (step + 1) / 200)
            for group in optimizer.param_groups:
                group["lr"] = rate * warm * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * min(1.0, spent / seconds))))
            x = photographs.batch(batch).to(device, memory_format=torch.channels_last)
            loss = net.training_loss(x, conditions)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
            optimizer.step()
            ema.update_parameters(net)
            losses.append(loss.item())
            step += 1
            spent += clock() - begun
            if step % 100 == 0:
                psnr = -10 / math.log(10) * sum(losses) / len(losses)
                report(f"step {step}  {spent:.0f}/{seconds:.0f} s  {psnr:.2f} dB on training crops")
            if spent - validated >= validate_every or spent >= seconds:
                validated = spent
                psnr = -10 / math.log(10) * sum(losses) / len(losses)
                figures = validate(ema.module, photographs, device)
                log.writerow([step, round(spent, 1), round(psnr, 3), *(round(v, 3) for v in figures.values())])
                file.flush()
                report("held out: " + "  ".join(f"{snr} dB {v:.2f}" for snr, v in figures.items()))
                losses.clear()
                save()
            if step % 500 == 0:
                save()
    save()
    return checkpoint
