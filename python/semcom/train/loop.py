# SPDX-License-Identifier: GPL-3.0-or-later
"""The training loop: seconds, not epochs, are the budget, so that schemes compare at equal cost."""

from __future__ import annotations

import csv
import dataclasses
import json
import math
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import torch
from accelerate import Accelerator, PartialState
from accelerate.utils import broadcast, parse_flag_from_env

from ..errors import BadInput
from .channels import Conditions
from .checkpoint import save_checkpoint
from .data import Photographs
from .models import NETWORKS

CHECKPOINT = "last.pt"

EMA = 0.999
HELD_OUT = 16  # photographs
VALIDATION_SNRS = (1, 4, 7, 10, 13)
WARM_UP = 200  # steps
LOWEST_RATE = 0.02  # where the cosine ends, as a share of the peak
MAX_GRADIENT = 1.0  # norm
REPORT_EVERY = 100  # steps
SAVE_EVERY = 500
PRECISIONS = ("auto", "no", "bf16")


@torch.no_grad()
def validate(net: torch.nn.Module, photographs: Photographs, device: torch.device) -> dict[int, float]:
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


class _Loss(torch.nn.Module):
    """A network's training loss as what ``forward`` returns, which is what gets distributed and autocast."""

    def __init__(self, net: torch.nn.Module, conditions: Conditions):
        super().__init__()
        self.net, self.conditions = net, conditions

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.net.training_loss(x, self.conditions)


class _Log:
    """``log.csv``, and TensorBoard's events beside it where TensorBoard is installed."""

    def __init__(self, out: Path, step: int, report: Callable[[str], None]):
        new = not (out / "log.csv").exists()
        self._file = (out / "log.csv").open("a", newline="")
        self._rows = csv.writer(self._file)
        if new:
            self._rows.writerow(["step", "seconds", "training_psnr_db", *(f"psnr_{s}_db" for s in VALIDATION_SNRS)])
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ModuleNotFoundError:
            self._board = None
            report("TensorBoard is not installed: the figures go to log.csv only")
        else:
            # what a killed run wrote after its last checkpoint is dropped
            self._board = SummaryWriter(str(out / "tensorboard"), purge_step=step)

    def scalar(self, name: str, value: float, step: int) -> None:
        """One point of one TensorBoard curve."""
        if self._board:
            self._board.add_scalar(name, value, step)

    def validated(self, step: int, seconds: float, training_psnr: float | None, figures: dict[int, float]) -> None:
        """A row of the table."""
        training = "" if training_psnr is None else round(training_psnr, 3)
        self._rows.writerow([step, round(seconds, 1), training, *(round(v, 3) for v in figures.values())])
        self._file.flush()
        for snr, psnr in figures.items():
            self.scalar(f"held_out_psnr_db/{snr}_db", psnr, step)

    def close(self) -> None:
        """Flush both."""
        self._file.close()
        if self._board:
            self._board.close()


def _mixed_precision(precision: str, device: torch.device) -> str:
    if precision not in PRECISIONS:
        raise BadInput(f"--precision {precision} is not known; choose {', '.join(PRECISIONS)}")
    if precision == "auto":
        return "bf16" if device.type == "cuda" and torch.cuda.is_bf16_supported() else "no"
    return precision


def _named(scheme: str, options: dict[str, str]) -> str:
    return " ".join([scheme, *(f"{key}={value}" for key, value in options.items())])


def is_first_process() -> bool:
    """Whether this is the process that writes, of those that ``accelerate launch`` started."""
    return PartialState().is_main_process


def train(
    scheme: str,
    data: list[Path],
    out: Path,
    *,
    options: dict[str, str] | None = None,
    masks: list[Path] | None = None,
    seconds: float = 3600,
    crop: int = 160,
    batch: int = 8,
    rate: float = 1e-3,
    threads: int = 2,
    seed: int = 0,
    conditions: Conditions = Conditions(),
    validate_every: float = 300,
    precision: str = "auto",
    report: Callable[[str], None] = lambda line: None,
    progress: Callable[[float, str], None] = lambda spent, what: None,
) -> Path:
    """Train one network and return its last checkpoint; started again on the same ``out`` it goes on.

    The learning rate follows a cosine over the seconds; an exponential moving average of the weights (decay 0.999) is
    what is kept for use. ``out`` receives ``last.pt``, ``log.csv``, ``recipe.json`` and, where TensorBoard is
    installed, its events under ``tensorboard``.

    Under ``accelerate launch`` (``torchrun`` for several processes on CPUs) every process takes ``batch`` crops of its
    own per step and gradients are averaged over all of them; the first process keeps time, validates and writes.

    Parameters
    ----------
    scheme : str
        A key of ``NETWORKS``.
    options : dict of str to str, optional
        Arguments of the network's constructor, such as ``{"activation": "gdn"}``.
    seconds : float, default 3600
        Training time, all runs of this ``out`` together, start-up and validation not counted; on a CPU those that the
        processor spent per thread, so that a busy machine does not shorten the training.
    rate : float, default 0.001
        Peak learning rate (Adam).
    conditions : Conditions, optional
        What the network is trained to get through.
    validate_every : float, default 300
        Seconds of training between two rows of ``log.csv`` with the PSNR on photographs held out.
    precision : str, default "auto"
        "no", "bf16" (mixed) or "auto": bf16 on a GPU that has it.
    report : callable, optional
        Takes a line of what happened.
    progress : callable, optional
        Takes the seconds spent and the state of the last step, after every step.

    Raises
    ------
    BadInput
        Unknown scheme, no usable image, or an ``out`` that holds a training of something else.
    """
    if scheme not in NETWORKS:
        raise BadInput(f"{scheme} is not a trainable scheme; choose one of {', '.join(NETWORKS)}")
    options = options or {}
    cpu = parse_flag_from_env("ACCELERATE_USE_CPU") or not torch.cuda.is_available()
    device = PartialState(cpu).device
    mixed = _mixed_precision(precision, device)
    accelerator = Accelerator(mixed_precision=mixed, cpu=cpu)
    torch.set_num_threads(threads)
    torch.manual_seed(seed)
    torch.backends.cudnn.benchmark = True  # crops are all of one size
    net = NETWORKS[scheme](**options)
    main, rank = accelerator.is_main_process, accelerator.process_index
    if not main:
        report, progress = (lambda line: None), (lambda spent, what: None)
    clock = (lambda: time.process_time() / threads) if device.type == "cpu" else time.monotonic
    checkpoint = out / CHECKPOINT
    state = torch.load(checkpoint, map_location=device, weights_only=True) if checkpoint.exists() else None
    if state and (state["scheme"], state.get("options", {})) != (scheme, options):
        raise BadInput(f"{out} holds a training of {_named(state['scheme'], state.get('options', {}))}, not of "
                       f"{_named(scheme, options)}; choose another folder")  # fmt: skip
    # each process draws crops and noise of its own; the first those of a training with one process
    photographs = Photographs(data, crop, masks, seed + (state["step"] if state else 0) + 1_000_003 * rank, HELD_OUT)
    recipe = {
        "scheme": scheme, "options": options, "data": [p.name for p in data], "masks": [p.name for p in masks or []],
        "images": len(photographs), "held_out": HELD_OUT, "seconds": seconds, "crop": crop, "batch": batch,
        "processes": accelerator.num_processes, "rate": rate, "threads": threads, "seed": seed, "device": device.type,
        "precision": mixed, "loss": "per-image log MSE", "conditions": dataclasses.asdict(conditions),
        "ema": EMA, "schedule": "cosine over seconds", "warm_up_steps": WARM_UP, "lowest_rate": LOWEST_RATE,
        "largest_gradient": MAX_GRADIENT, "validate_every": validate_every, "optimizer": "Adam",
        "torch": torch.__version__, "accelerate": version("accelerate"),
    }  # fmt: skip
    if main:
        out.mkdir(parents=True, exist_ok=True)
        (out / "recipe.json").write_text(json.dumps(recipe, indent=2) + "\n")

    if state is None and hasattr(net, "initialise"):
        net.initialise(photographs)
    net = net.to(device, memory_format=torch.channels_last)
    training_loss = accelerator.prepare(_Loss(net, conditions))
    ema = torch.optim.swa_utils.AveragedModel(net, multi_avg_fn=_average)
    optimizer = torch.optim.Adam(net.parameters(), lr=rate)
    step, spent, losses = 0, 0.0, []
    if state:
        net.load_state_dict(state["net"])
        ema.load_state_dict(state["ema"])
        optimizer.load_state_dict(state["optimizer"])
        step, spent = state["step"], state["seconds"]
    if rank:
        torch.manual_seed(seed + 1_000_003 * rank)

    def save() -> None:
        if not main:
            return
        parts = {
            "scheme": scheme,
            "options": options,
            "net": net.state_dict(),
            "ema": ema.state_dict(),
            "optimizer": optimizer.state_dict(),
            "step": step,
            "seconds": spent,
        }
        save_checkpoint(parts, checkpoint)

    log = _Log(out, step, report) if main else None
    try:
        if log and not state:
            figures = validate(net, photographs, device)
            log.validated(0, 0, None, figures)
            report(f"before training: {_decibels(figures)}")
        validated = spent
        while spent < seconds:
            begun = clock()
            warm = min(1.0, (step + 1) / WARM_UP)
            cosine = 0.5 * (1 + math.cos(math.pi * min(1.0, spent / seconds)))
            for group in optimizer.param_groups:
                group["lr"] = rate * warm * (LOWEST_RATE + (1 - LOWEST_RATE) * cosine)
            x = photographs.batch(batch).to(device, memory_format=torch.channels_last)
            loss = training_loss(x)
            optimizer.zero_grad(set_to_none=True)
            accelerator.backward(loss)
            torch.nn.utils.clip_grad_norm_(net.parameters(), MAX_GRADIENT)
            optimizer.step()
            ema.update_parameters(net)
            losses.append(loss.item())
            step += 1
            spent += clock() - begun
            if accelerator.num_processes > 1:
                # all processes stop at the same step and follow the same learning rate
                spent = broadcast(torch.tensor(spent, dtype=torch.float64, device=device)).item()
            psnr = -10 / math.log(10) * sum(losses) / len(losses)
            progress(spent, f"step {step}  {psnr:.2f} dB on training crops")
            if step % REPORT_EVERY == 0:
                report(f"step {step}  {spent:.0f}/{seconds:.0f} s  {psnr:.2f} dB on training crops")
                if log:
                    log.scalar("training_psnr_db", psnr, step)
                    log.scalar("learning_rate", optimizer.param_groups[0]["lr"], step)
            if spent - validated >= validate_every or spent >= seconds:
                validated = spent
                if log:
                    figures = validate(ema.module, photographs, device)
                    log.validated(step, spent, psnr, figures)
                    report(f"held out: {_decibels(figures)}")
                losses.clear()
                save()
            if step % SAVE_EVERY == 0:
                save()
        save()
    finally:
        if log:
            log.close()
    accelerator.wait_for_everyone()
    accelerator.end_training()
    return checkpoint


def _decibels(figures: dict[int, float]) -> str:
    return "  ".join(f"{snr} dB {psnr:.2f}" for snr, psnr in figures.items())
