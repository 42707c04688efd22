# SPDX-License-Identifier: GPL-3.0-or-later
"""Arguments of the ``semcom`` command; each sub-command calls what the blocks call."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from .. import __version__, keys, schemes, values
from .. import files as reader
from ..channel import symbol
from ..errors import BadInput
from ..image.quality import METRICS, TASKS
from ..segment.backends import DEFAULT
from . import models, paper, scene
from . import sweep as sweep_commands
from .common import complain, console, finite, interruptible, one_of, parse_rate, put, put_json, require, shown, wrote
from .doctor import report as examined
from .ends import rx, tx
from .help import Group, commands
from .listing import list_schemes
from .options import (
    LEVELS,
    MULTIPATH,
    BackgroundOption,
    ChannelOption,
    CsiOption,
    EmptyOption,
    JsonLinesOption,
    JsonOption,
    KFactorOption,
    LevelOption,
    LevelsOption,
    MetricsOption,
    OutOption,
    PromptOption,
    RateOption,
    RoiOption,
    SamOption,
    SchemeOption,
    SnrOption,
)
from .probe import probe
from .progress import working
from .scheme_options import check_used, with_scheme_options
from .train import train


def click_exceptions() -> type[Exception]:
    """The base class of usage errors of whichever click typer brings along."""
    module = importlib.import_module(typer.BadParameter.__mro__[1].__module__)
    return module.ClickException


def app() -> typer.Typer:
    """The command, with the options of every scheme that is known now."""
    made = typer.Typer(name="semcom", cls=Group)
    made.callback()(semcom)
    return commands(
        made,
        (
            ("loopback", with_scheme_options(loopback)),
            ("tx", with_scheme_options(tx)),
            ("rx", rx),
            ("probe", probe),
            ("sweep", with_scheme_options(sweep_commands.sweep, several=True)),
            ("plot", sweep_commands.plot),
            ("reproduce", sweep_commands.reproduce),
            ("report", report),
            ("schemes", list_schemes),
            ("train", train),
            ("scene", scene.app()),
            ("models", models.app()),
            ("paper", paper.app()),
            ("key", key),
            ("doctor", doctor),
        ),
    )


def show_version(wanted: bool) -> None:
    """Print the version and end."""
    if wanted:
        put(f"semcom {__version__}")
        raise typer.Exit()


def semcom(
    version: Annotated[
        bool, typer.Option("--version", help="print the version", callback=show_version, is_eager=True)
    ] = False,
) -> None:
    """Semantic communication over GNU Radio: images by meaning, over the air.

    Figures and pictures go to standard output and files, all else to standard error.
    """


def key(file: Annotated[Path, typer.Argument(help="key file to write; it must not be there yet")]) -> int:
    """Make a key for both ends of a link.

    Copy the file to the other end by a way that you trust, and give it to semcom tx and semcom rx as --key, or to the
    blocks as Key File. The receiver then drops bursts that were not sealed with it, and a connection over ZeroMQ is
    encrypted.
    """
    keys.make(file)
    wrote(file)
    return 0


def loopback(
    image: Annotated[Path, typer.Argument(help="photograph to send")],
    scheme: SchemeOption = schemes.USUAL_SCHEME,
    level: LevelOption = "symbol",
    snr: SnrOption = 10.0,
    csi: CsiOption = None,
    rate: RateOption = None,
    channel: ChannelOption = "awgn",
    doppler: Annotated[float, typer.Option(help="maximum Doppler shift, over the waveform", metavar="HZ")] = 0.0,
    cfo: Annotated[float, typer.Option(help="carrier offset, over the waveform", metavar="HZ")] = 0.0,
    sfo: Annotated[float, typer.Option(help="sampling clock offset, over the waveform", metavar="PPM")] = 0.0,
    k_factor: KFactorOption = 10.0,
    prompt: PromptOption = None,
    roi: RoiOption = "whole",
    background: BackgroundOption = 0.1,
    levels: LevelsOption = False,
    empty: EmptyOption = "refuse",
    sam: SamOption = DEFAULT,
    metrics: MetricsOption = ",".join(METRICS),
    seed: Annotated[int, typer.Option(help="of fading and noise, 0 to 2^32 - 1")] = 0,
    out: OutOption = Path("received"),
    as_json: JsonOption = False,
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
    with interruptible(patient=False) as interruption, working(f"{scheme} over {channel}"):
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
        for name, path in measured["images"].items():
            wrote(path, name)
    if error is not None:
        complain(f"no picture was received: {error}")
        return 1
    return 0


def csi_of(level: str, channel: str, csi: str | None, impaired: bool) -> str:
    """The channel knowledge, by default that of the level; refuses what a level does not have."""
    one_of("--level", level, LEVELS)
    if level == "symbol":
        if channel in MULTIPATH:
            raise BadInput(f"--channel {channel} is multipath; add --level waveform or choose awgn, rayleigh or rician")
        if impaired:
            raise BadInput("--doppler, --cfo and --sfo belong to the waveform; add --level waveform")
        one_of("--channel", channel, symbol.MODELS)
    else:
        one_of("--channel", channel, symbol.MODELS + MULTIPATH)
        if csi not in ("pilot", None):
            raise BadInput(f"--csi {csi} is not available over the waveform, where pilots tell; leave it out")
    if csi is None:
        return {"symbol": "ideal", "waveform": "pilot"}[level]
    return one_of("--csi", csi, symbol.CSI)


def metrics_of(text: str) -> tuple[str, ...]:
    """The value of ``--metrics``."""
    if text.strip() == "none":
        return ()
    return tuple(one_of("--metrics", part.strip(), (*METRICS, *TASKS)) for part in text.split(","))


MAX_REPORT = 2**20  # bytes of what an Image Sink writes of one picture
MAX_NAME, MAX_PATH = 200, 2**16  # characters
TEXTS = frozenset({"caption"})  # of ROWS; all others are numbers
ROWS = (
    ("SNR set", "snr_set_db", "{:.2f} dB"),
    ("SNR measured", "snr_measured_db", "{:.2f} dB"),
    ("SNR measured", "snr_db", "{:.2f} dB"),
    ("caption", "caption", "{}"),
    ("predicted IoU of the ROI", "roi_predicted_iou", "{:.3f}"),
    ("share of the image in the ROI", "roi_share", "{:.1%}"),
    ("PSNR", "psnr_db", "{:.2f} dB"),
    ("PSNR against the whole image", "psnr_original_db", "{:.2f} dB"),
    ("ROI-PSNR", "roi_psnr_db", "{:.2f} dB"),
    ("MS-SSIM", "ms_ssim", "{:.4f}"),
    ("MS-SSIM of the ROI", "roi_ms_ssim", "{:.4f}"),
    ("ST-LPIPS", "st_lpips", "{:.4f}"),
    ("ST-LPIPS of the ROI", "roi_st_lpips", "{:.4f}"),
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
    """What was measured as a table for a person."""
    table = Table("figure", "value", title=shown(title))
    for label, key, form in ROWS:
        if figures.get(key) is not None:
            table.add_row(label, shown(form.format(figures[key])))
    for stage, seconds in figures.get("seconds", {}).items():
        table.add_row(shown(f"{stage} time"), f"{seconds:.2f} s")
    console().print(table)


def report(
    files: Annotated[list[Path], typer.Argument(help="JSON files that an Image Sink wrote")],
    as_json: JsonLinesOption = False,
) -> int:
    """Show what was measured of received images."""
    for file in files:
        found = reader.read_json(file, "a report of an Image Sink", MAX_REPORT)
        try:
            figures = as_report(found)
        except BadInput as error:
            raise BadInput(f"{file} is no report of an Image Sink: {error}") from None
        if as_json:
            put_json({"file": str(file)} | figures)
            continue
        show_figures(file.stem, figures)
        for name, path in figures.get("images", {}).items():
            put(f"{name}: {path}")
    return 0


def as_report(figures: Any) -> dict:
    """What an Image Sink wrote, in the words of a loopback's report; BadInput where it wrote something else."""
    figures = dict(values.mapping(figures, "it"))
    named = {"roi_predicted_iou": figures.get("score"), "roi_share": figures.get("share")}
    figures |= {key: value for key, value in named.items() if value is not None}
    for name, path in values.mapping(figures.get("images", {}), "images").items():
        values.text(name, "images", MAX_NAME)
        values.text(path, name, MAX_PATH)
    for stage, seconds in values.mapping(figures.get("seconds", {}), "seconds").items():
        values.number(seconds, values.text(stage, "seconds", MAX_NAME))
    for _, key, _ in ROWS:
        value = figures.get(key)
        if key in TEXTS and value is not None:
            values.text(value, key)
        elif value is not None:
            values.number(value, key)
    return figures


def doctor(
    fix: Annotated[bool, typer.Option("--fix", help="run the commands that mend what is missing")] = False,
    as_json: JsonOption = False,
) -> int:
    """What this installation has and what it lacks, with the commands that mend it."""
    return examined(fix, as_json)
