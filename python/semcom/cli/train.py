# SPDX-License-Identifier: GPL-3.0-or-later
"""``semcom train``."""

from __future__ import annotations

import ast
import re
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from .. import own, schemes
from ..errors import BadInput, Missing
from . import guarded
from .common import console, note, shown
from .completion import among

# not of all
OPTIONS = (
    *("snr", "channels", "masks", "teacher", "detector", "captions", "export", "set", "loss", "channel", "track"),
    *("licence", "decoder_only", "int8"),
)
MAX_PROCESSES = 64
SchemeArgument = Annotated[
    str,
    typer.Argument(
        metavar="SCHEME",
        help=f"{', '.join(name for name, each in schemes.schemes().items() if each.trains_with is not None)}, aseg "
        "(segmenter), captioner, esrim (what paints scenes), or your own FILE.py:CLASS",
        autocompletion=among(lambda: trainables()),
    ),
]
LossOption = Annotated[
    str | None, typer.Option(help="training loss: st_lpips, beside the MSE, or your own FILE.py:NAME")
]
DetectorOption = Annotated[
    Path | None, typer.Option(help="aseg: ONNX detector of COCO's categories, whose boxes tell objects apart")
]
DecoderOnlyOption = Annotated[
    bool, typer.Option("--decoder-only", help="the encoder stays what --from has, and only the decoder learns")
]
OF_NETWORKS = frozenset({"set", "loss", "channel", "track", "licence", "decoder_only", "int8"})


@dataclass(frozen=True)
class Trainable:
    """What can be trained: its own options, its defaults, and what trains it."""

    options: frozenset[str]
    run: Callable[[Request], int]
    crop: int = 128
    multiple: int = 16  # of pixels, of the side of a crop


@dataclass(frozen=True)
class Request:
    """One call of ``semcom train``, its settings checked."""

    name: str
    data: list[Path]
    out: Path
    given: dict[str, Any]
    more: dict[str, Any]  # of every training, beside its settings
    settings: dict[str, Any]  # of the loop, which checks them


def trainables() -> dict[str, Trainable]:
    """By name: the schemes that can be trained, the segmenter, the captioner, and the receiver's painter."""
    found = {
        each.name: Trainable(each.trains_with, _fit)
        if each.closed_form
        else Trainable(each.trains_with | OF_NETWORKS, _train_coder)
        for each in schemes.schemes().values()
        if each.trains_with is not None
    }
    return found | {
        "aseg": Trainable(frozenset({"masks", "teacher", "detector"}), _train_segmenter, 256, 64),
        "captioner": Trainable(frozenset({"captions"}), _train_captioner, 224, 32),
        "esrim": Trainable(frozenset({"licence"}), _train_painter),
    }


def trainable(scheme: str) -> Trainable:
    """What trains a scheme, the segmenter, the captioner, or a class of one's own."""
    known = trainables()
    if scheme in known:
        return known[scheme]
    if own.split(scheme) is not None:
        name = own.split(scheme)[1]
        if name in schemes.schemes():
            raise BadInput(f"{scheme} is called as scheme {name} is; give the class a name of its own")
        return Trainable(frozenset({"snr", "masks", "export"}) | OF_NETWORKS, _train_coder)
    raise BadInput(f"{scheme} is not a trainable scheme; choose {', '.join(known)}, or FILE.py:CLASS of your own")


def network_settings(texts: list[str]) -> dict[str, Any]:
    """``NAME=VALUE`` of ``--set``: numbers, true and false, lists with commas, and otherwise text."""
    found: dict[str, Any] = {}
    for text in texts:
        name, separator, value = text.partition("=")
        if not separator or not name.isidentifier():
            raise BadInput(f"{text} sets nothing; write NAME=VALUE, such as --set widths=16,32,64", field="set")
        try:
            found[name] = (
                {"true": True, "false": False}[value] if value in ("true", "false") else ast.literal_eval(value)
            )
        except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
            found[name] = value
    return found


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
def on_terminal(total: float) -> Iterator[tuple[Callable[[str], None], Callable[[float, str], None]]]:
    """(what takes a line, what takes an amount and a state): a bar on standard error, lines only off a terminal."""
    if not sys.stderr.isatty():
        yield note, lambda spent, what: None
        return
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), TextColumn("{task.percentage:.0f} %"))
    with Progress(*columns, TimeRemainingColumn(), console=console(stderr=True)) as bar:
        task = bar.add_task("starting", total=total)
        yield (
            lambda line: bar.console.print(shown(line)),
            lambda spent, what: bar.update(task, completed=spent, description=what),
        )


def train(
    scheme: SchemeArgument,
    data: Annotated[list[Path], typer.Option(help="folder or tar of photographs; repeatable")],
    out: Annotated[Path, typer.Option(help="folder for checkpoints, log and recipe")],
    masks: Annotated[list[Path] | None, typer.Option(help="class maps, to train on masked photographs")] = None,
    teacher: Annotated[Path | None, typer.Option(help="aseg: TFLite network that labels what has no class map")] = None,
    captions: Annotated[Path | None, typer.Option(help="captioner: file of lines NAME.jpg#N, tab, text")] = None,
    detector: DetectorOption = None,
    set: Annotated[
        list[str] | None, typer.Option(help="setting of the network, NAME=VALUE, such as widths=16,32,64; repeatable")
    ] = None,
    loss: LossOption = None,
    decoder_only: DecoderOnlyOption = False,
    channel: Annotated[str | None, typer.Option(help="training channel of your own, FILE.py:NAME")] = None,
    track: Annotated[str | None, typer.Option(help="tracker of your own, FILE.py:NAME: gets step, figures")] = None,
    snr: Annotated[str | None, typer.Option(help="Es/N0 of the training channel, dB: LO:HI or one number")] = None,
    channels: Annotated[str | None, typer.Option(help="semcom: latent channels sent, LO:HI; k/n = N/1536")] = None,
    start: Annotated[
        Path | None,
        typer.Option(
            "--from", help="averages.pt or a checkpoint, or its folder: a new training starts from its weights"
        ),
    ] = None,
    learning_rate: Annotated[
        float | None,
        typer.Option(help="peak learning rate: 1e-3, aseg 1.5e-3; on a GPU it grows with the batch's root"),
    ] = None,
    seconds: Annotated[
        float | None,
        typer.Option(help="training time, all runs of this folder together: 3600; on a CPU the processor's"),
    ] = None,
    steps: Annotated[
        int | None, typer.Option(help="steps of all runs of this folder together, in place of --seconds")
    ] = None,
    wall: Annotated[
        bool, typer.Option("--wall", help="--seconds are the wall's, start-up, validations and export included")
    ] = False,
    val: Annotated[
        list[Path] | None,
        typer.Option(help="photographs to validate on, whole; those of --data named alike are left out"),
    ] = None,
    crop: Annotated[
        int | None, typer.Option(help="side of crops, pixels: 128, a multiple of 16; aseg 256, of 64; captioner 224")
    ] = None,
    batch: Annotated[int | None, typer.Option(help="crops per step and process: 8, on a GPU 32; aseg 12")] = None,
    precision: Annotated[str, typer.Option(help="no, bf16, or auto: bf16 where the device computes with it")] = "auto",
    threads: Annotated[int, typer.Option(help="CPU threads of a process")] = 2,
    processes: Annotated[
        int, typer.Option(help="that train together on this machine, each with batches of its own")
    ] = 1,
    seed: Annotated[int, typer.Option(help="of weights and crops")] = 0,
    validate_every: Annotated[
        float, typer.Option(help="seconds, with --steps steps, between validations on photographs held out")
    ] = 300.0,
    force: Annotated[bool, typer.Option("--force", help="go on with other data or conditions than before")] = False,
    export: Annotated[str | None, typer.Option(help="also export ONNX files under this variant name")] = None,
    int8: Annotated[bool, typer.Option("--int8", help="export the weights in eight bits, at half the size")] = False,
    licence: Annotated[str | None, typer.Option(help="of the weights that are exported, such as CC-BY-4.0")] = None,
) -> int:
    """Train a coder, the segmenter, the captioner or what paints scenes; it goes on where its folder was.

    Ctrl-C or SIGTERM saves and stops; the same command goes on.

    Several hosts: accelerate launch -m semcom.cli train SCHEME ... with the same options.
    """
    chosen = locals()
    began = time.monotonic()
    target = trainable(scheme)
    given = {name: chosen[name] for name in OPTIONS if chosen[name]}
    crop = target.crop if crop is None else crop
    _check(scheme, target, given, {"steps": steps, "wall": wall, "val": val, "from": start, "force": force}, crop)
    settings = {
        "seconds": seconds, "steps": steps, "wall": began if wall else None, "learning_rate": learning_rate,
        "batch": batch, "threads": threads, "seed": seed, "validate_every": validate_every, "precision": precision,
        "start": start, "force": force,
    }  # fmt: skip
    request = Request(scheme, data, out, given, {"crop": crop, "val": val}, settings)
    return run(request) if processes == 1 else spread(target, processes, request)


def spread(target: Trainable, processes: int, request: Request) -> int:
    """Train in several processes."""
    if not 1 <= processes <= MAX_PROCESSES:
        raise BadInput(f"{processes} makes no sense; give 1 to {MAX_PROCESSES}", field="processes")
    if target.run is _fit:
        raise BadInput(f"means nothing to {request.name}, which is fitted in closed form", field="processes")
    try:
        from ..train.processes import together
    except ModuleNotFoundError as error:
        raise _missing(error) from None
    status, said = together(processes, run_one, request)
    if said:
        note(said)
    return status


def run(request: Request) -> int:
    """Train what is asked for, in this process."""
    return trainable(request.name).run(request)


def run_one(request: Request) -> int:
    """Exit status of one of several processes."""
    return guarded(lambda: run(request))


def _check(scheme: str, target: Trainable, given: dict[str, Any], of_loop: dict[str, Any], crop: int) -> None:
    """Refuse what means nothing to what is trained, or cannot be."""
    for name in given:
        if name not in target.options:
            having = ", ".join(other for other, each in trainables().items() if name in each.options)
            raise BadInput(f"means nothing to {scheme}, only to {having}; leave it out", field=name)
    for name, value in of_loop.items():
        if value and target.run is _fit:
            raise BadInput(f"means nothing to {scheme}, which is fitted in closed form; leave it out", field=name)
    export = given.get("export")
    if export is not None and not re.fullmatch(r"\w[\w.-]*", export):
        raise BadInput(f"{export!r} is no name of files; give letters, digits, - and _", field="export")
    if crop < target.multiple or crop % target.multiple:
        raise BadInput(f"{crop} must be a multiple of {target.multiple} pixels", field="crop")


def _fit(request: Request) -> int:
    """Weights in closed form."""
    from ..train.klt import fit_klt

    path = fit_klt(request.data, request.out, note)
    note(f"wrote {path}")
    return 0


def _missing(error: ModuleNotFoundError) -> Missing:
    return Missing(f"training needs {error.name}; install it with pip install '.[train]'")


def _train_coder(request: Request) -> int:
    """Train a coder, and export it where that is asked for."""
    try:
        from ..train import coders
        from ..train.channels import Conditions
        from ..train.export import export
        from ..train.network import function_of
        from ..train.trainer import Settings, is_first_process
    except ModuleNotFoundError as error:
        raise _missing(error) from None
    given, settings = request.given, Settings(**request.settings)
    drawn = {"snr_db": span("--snr", given["snr"])} if "snr" in given else {}
    if "channels" in given:
        drawn["channels"] = latent_channels(given["channels"])

    def exported(checkpoint: Path, out: Path) -> list[Path]:
        card = {"licence": given["licence"]} if "licence" in given else {}
        return export(checkpoint, given["export"], out, card, given.get("int8", False))

    with on_terminal(settings.total) as (report, progress):
        checkpoint = coders.train(
            request.name,
            request.data,
            request.out,
            settings,
            options=network_settings(given.get("set", [])),
            loss=given.get("loss"),
            decoder_only=given.get("decoder_only", False),
            channel=given.get("channel"),
            masks=given.get("masks"),
            conditions=Conditions(**drawn),
            rehearsed=exported if "export" in given else None,
            report=report,
            progress=progress,
            track=function_of(given["track"], "track") if "track" in given else None,
            **request.more,
        )
    if "export" in given and is_first_process():
        for path in exported(checkpoint, request.out):
            note(f"wrote {path}")
    return 0


def _train_alone(
    request: Request, train: Callable[..., Path], export: Callable[[Path, Path, dict[str, str]], list[Path]]
) -> int:
    """Train what is no coder, and write its ONNX files and cards."""
    from ..train.trainer import Settings, is_first_process

    settings, licence = Settings(**request.settings), request.given.get("licence")

    def exported(checkpoint: Path, folder: Path) -> list[Path]:
        return export(checkpoint, folder, {"licence": licence} if licence else {})

    with on_terminal(settings.total) as (report, progress):
        checkpoint = train(request.out, settings, rehearsed=exported, report=report, progress=progress)
    if is_first_process():
        for path in exported(checkpoint, request.out):
            note(f"wrote {path}")
    return 0


def _train_painter(request: Request) -> int:
    """Train ES-RIM."""
    try:
        from ..train import painting
    except ModuleNotFoundError as error:
        raise _missing(error) from None
    return _train_alone(request, partial(painting.train, request.data, **request.more), painting.export)


def _train_segmenter(request: Request) -> int:
    """Train A-seg."""
    masks = request.given.get("masks")
    if not masks:
        raise BadInput("is missing: the segmenter learns from class maps; name a folder or tar of them", field="masks")
    try:
        from ..train import segmenter
    except ModuleNotFoundError as error:
        raise _missing(error) from None
    teacher, detector = request.given.get("teacher"), request.given.get("detector")
    train = partial(segmenter.train, request.data, masks, teacher, detector=detector, **request.more)
    return _train_alone(request, train, segmenter.export)


def _train_captioner(request: Request) -> int:
    """Train the captioner."""
    captions = request.given.get("captions")
    if not captions:
        raise BadInput("is missing: the captioner learns from captions; name a file of them", field="captions")
    if request.more["val"]:
        raise BadInput("means nothing to captioner, which holds out by name; leave it out", field="val")
    try:
        from ..train import captioner, trainer
    except ModuleNotFoundError as error:
        raise _missing(error) from None
    task = captioner.CaptionTask(request.data, captions, request.out, request.more["crop"])
    return _train_alone(request, partial(trainer.train, task), partial(captioner.export, task))
