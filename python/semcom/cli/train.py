# SPDX-License-Identifier: GPL-3.0-or-later
"""``semcom train``."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from ..errors import BadInput, Missing

NETWORKS = ("samsc", "deepjscc", "witt", "semcom")

# which options mean something to which scheme; every other option is for all networks
APPLIES = {
    "--snr": ("deepjscc", "witt", "semcom"),
    "--channels": ("semcom",),
    "--variant": ("deepjscc",),
    "--masks": (*NETWORKS, "aseg"),
    "--teacher": ("aseg",),
    "--export": NETWORKS,
}
# where a scheme's own default differs: learning rate, crop, batch
DEFAULTS = {"aseg": (1.5e-3, 256, 12)}


def span(option: str, text: str) -> tuple[float, float]:
    """``LO:HI`` or one number -> (lowest, highest)."""
    low, _, high = text.partition(":")
    try:
        ends = float(low), float(high or low)
    except ValueError:
        ends = (1.0, 0.0)
    if not -100 <= ends[0] <= ends[1] <= 1000:
        raise BadInput(f"{option} {text} is no range; write LO:HI or one number, such as {option} 1:13 or {option} 10")
    return ends


def latent_channels(text: str) -> tuple[int, int]:
    """The value of ``--channels``."""
    low, high = span("--channels", text)
    if not (low >= 2 and high <= 256 and low % 2 == high % 2 == 0):
        raise BadInput(f"--channels {text} must be even numbers from 2 to 256, such as --channels 32:256")
    return int(low), int(high)


@contextmanager
def on_terminal(seconds: float) -> Iterator[tuple[Callable[[str], None], Callable[[float, str], None]]]:
    """(what takes a line, what takes seconds spent and a state): a bar on standard error, lines only off a terminal."""
    if not sys.stderr.isatty():
        yield lambda line: sys.stderr.write(line + "\n"), lambda spent, what: None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:.0f} %"))
    with Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True)) as bar:
        task = bar.add_task("starting", total=seconds)
        yield (
            lambda line: bar.console.print(line, highlight=False, markup=False),
            lambda spent, what: bar.update(task, completed=spent, description=what),
        )


def train(
    scheme: Annotated[
        str, typer.Argument(help="softcast (closed form), samsc, deepjscc, witt, semcom, or aseg, the segmenter")
    ],
    data: Annotated[list[Path], typer.Option(help="folder or tar of photographs; repeatable")],
    out: Annotated[Path, typer.Option(help="folder for checkpoints, log and recipe")],
    masks: Annotated[list[Path] | None, typer.Option(help="class maps, to train on masked photographs")] = None,
    teacher: Annotated[Path | None, typer.Option(help="aseg: TFLite network that labels what has no class map")] = None,
    variant: Annotated[str | None, typer.Option(help="deepjscc: prelu (as the paper, the default) or gdn")] = None,
    snr: Annotated[str | None, typer.Option(help="Es/N0 of the training channel, dB: LO:HI or one number")] = None,
    channels: Annotated[str | None, typer.Option(help="semcom: latent channels sent, LO:HI; k/n = N/1536")] = None,
    learning_rate: Annotated[float | None, typer.Option(help="peak learning rate: 1e-3, aseg 1.5e-3")] = None,
    seconds: Annotated[float, typer.Option(help="training time, all runs of this folder together")] = 3600.0,
    crop: Annotated[
        int | None, typer.Option(help="side of the training crops, pixels: 128, a multiple of 16; aseg 256, of 64")
    ] = None,
    batch: Annotated[int | None, typer.Option(help="crops per step and process: 8, aseg 12")] = None,
    precision: Annotated[str, typer.Option(help="no, bf16, or auto: bf16 on a GPU that has it")] = "auto",
    threads: Annotated[int, typer.Option(help="CPU threads")] = 2,
    seed: Annotated[int, typer.Option(help="of weights and crops")] = 0,
    validate_every: Annotated[float, typer.Option(help="seconds between validations on photographs held out")] = 300.0,
    export: Annotated[str | None, typer.Option(help="also export ONNX files under this variant name")] = None,
) -> int:
    """Train a coder or the segmenter; started again on the same folder it goes on where it was.

    Several GPUs or hosts: accelerate launch -m semcom.train SCHEME ... with the same options.
    """
    if scheme not in ("softcast", *NETWORKS, "aseg"):
        raise BadInput(f"{scheme} is not a trainable scheme; choose softcast, {', '.join(NETWORKS)}, aseg")
    given = {
        "--snr": snr, "--channels": channels, "--variant": variant, "--masks": masks, "--teacher": teacher,
        "--export": export,
    }  # fmt: skip
    for option, value in given.items():
        if value and scheme not in APPLIES[option]:
            raise BadInput(f"{option} means nothing to {scheme}, only to {', '.join(APPLIES[option])}; leave it out")
    if scheme == "softcast":
        from ..train.klt import fit_klt

        sys.stderr.write(f"{fit_klt(data, out)}\n")
        return 0
    usual = DEFAULTS.get(scheme, (1e-3, 128, 8))
    learning_rate, crop, batch = (
        default if value is None else value for value, default in zip((learning_rate, crop, batch), usual, strict=True)
    )
    for option, value in (("--learning-rate", learning_rate), ("--seconds", seconds), ("--batch", batch)):
        if value <= 0:
            raise BadInput(f"{option} {value} must be above 0")
    least = 64 if scheme == "aseg" else 16
    if crop < least or crop % least:
        raise BadInput(f"--crop {crop} must be a multiple of {least} pixels")
    if scheme == "aseg":
        return _train_segmenter(
            data, masks or [], teacher, out, seconds=seconds, crop=crop, batch=batch, rate=learning_rate,
            threads=threads, seed=seed, validate_every=validate_every,
        )  # fmt: skip
    try:
        from ..train import coders
        from ..train.channels import Conditions
        from ..train.trainer import is_first_process
    except ModuleNotFoundError as error:
        raise Missing(f"training needs {error.name}; install it with pip install '.[train]'") from None
    drawn = {"snr_db": span("--snr", snr)} if snr else {}
    if channels:
        drawn["channels"] = latent_channels(channels)
    with on_terminal(seconds) as (report, progress):
        checkpoint = coders.train(
            scheme,
            data,
            out,
            options={"activation": variant or "prelu"} if scheme == "deepjscc" else None,
            masks=masks,
            seconds=seconds,
            crop=crop,
            batch=batch,
            rate=learning_rate,
            threads=threads,
            seed=seed,
            conditions=Conditions(**drawn),
            validate_every=validate_every,
            precision=precision,
            report=report,
            progress=progress,
        )
    if export and is_first_process():
        from ..train.export import export as write

        for path in write(checkpoint, export, out, {}):
            sys.stderr.write(f"{path}\n")
    return 0


def _train_segmenter(data: list[Path], masks: list[Path], teacher: Path | None, out: Path, **settings) -> int:
    """Train A-seg and write its ONNX file and card into ``out``."""
    if not masks:
        raise BadInput("aseg learns from class maps; name a folder or tar of them with --masks")
    try:
        from ..train import segmenter
    except ModuleNotFoundError as error:
        raise Missing(f"training needs {error.name}; install it with pip install '.[train]'") from None
    with on_terminal(settings["seconds"]) as (report, progress):
        checkpoint = segmenter.train(data, masks, teacher, out, report=report, progress=progress, **settings)
    sys.stderr.write(f"{segmenter.export(checkpoint, out, {})}\n")
    return 0
