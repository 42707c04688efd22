# SPDX-License-Identifier: GPL-3.0-or-later
"""``semcom sweep``, ``semcom plot`` and ``semcom reproduce``."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import asdict, fields
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from .. import schemes
from ..channel import symbol
from ..errors import BadInput
from ..image.quality import METRICS, TASKS
from ..schemes import Options, Scheme
from .common import complain, console, put, put_json, shown, wrote
from .options import (
    ALL_METRICS,
    BackgroundOption,
    ChannelsOption,
    CsisOption,
    JsonOption,
    KFactorOption,
    LevelsOption,
    PromptOption,
    RatesOption,
    RoiOption,
    SchemesOption,
    SnrsOption,
    SweepMetricsOption,
    choice,
)
from .progress import working
from .scheme_options import VARIANT, check_used, own

if TYPE_CHECKING:
    from ..sweep import Executor, SweepSettings
    from ..sweep.reproduce import Comparison


WorkersOption = Annotated[
    int | None, typer.Option(help="worker processes of one thread; all cores if left out; 0: this process alone")
]


def sweep(
    images: Annotated[Path, typer.Option(help="folder of photographs, or one")],
    out: Annotated[Path, typer.Option(help="JSON file; with several schemes NAME.json becomes NAME_SCHEME.json")],
    scheme: SchemesOption = schemes.USUAL_SCHEME,
    snr: SnrsOption = "10",
    channel: ChannelsOption = "awgn",
    csi: CsisOption = "ideal",
    rate: RatesOption = None,
    snr_enc: Annotated[float | None, typer.Option(help="Es/N0 that the encoder assumes, dB; --snr if left out")] = None,
    snr_error: Annotated[
        str, typer.Option(help="how many dB more than there are the encoder assumes, LO:HI:STEP or a list")
    ] = "0",
    k_factor: KFactorOption = 10.0,
    draws: Annotated[int, typer.Option(help="fades drawn per image, seed and SNR, on fading channels")] = 1,
    seed: Annotated[int, typer.Option(help="first one, of fading, noise and losses")] = 0,
    seeds: Annotated[int, typer.Option(help="realisations of noise per image, on every channel")] = 1,
    lose: Annotated[float, typer.Option(help="share of the fragments that is lost, at random")] = 0.0,
    metrics: SweepMetricsOption = "psnr,ms_ssim",
    prompt: PromptOption = None,
    roi: RoiOption = "whole",
    background: BackgroundOption = 0.1,
    levels: LevelsOption = False,
    workers: WorkersOption = None,
    cluster: Annotated[str | None, typer.Option(help="address of a running Dask scheduler, tcp://host:8786")] = None,
    *,
    scheme_options: dict,
) -> int:
    """Measure schemes over SNR, channel and rate at symbol level; killed and started again it goes on."""
    from .. import sweep as domain
    from ..image import io

    if cluster is not None and workers is not None:
        raise BadInput("--workers and --cluster exclude each other; give one of them")
    wanted = list(_variations(_schemes(scheme), scheme_options))
    all_settings = [
        domain.SweepSettings(
            images=images,
            out=out if len(wanted) == 1 else out.with_name(f"{out.stem}_{chosen.short_name(made)}{out.suffix}"),
            scheme=chosen,
            options=options,
            snr=domain.parse_snrs(snr),
            channel=_listed(channel),
            csi=_listed(csi),
            rates=domain.parse_rates(rate),
            snr_enc=snr_enc,
            snr_error=domain.parse_snrs(snr_error, "snr_error"),
            k_factor=k_factor,
            seed=seed,
            seeds=seeds,
            draws=draws,
            lose=lose,
            metrics=_listed(metrics),
            region=schemes.Region(tuple(prompt or ()), roi, background, levels),
        )
        for chosen, options, made in wanted
    ]
    # what is wrong with the images is said before any worker starts
    io.listed(images)
    executors = domain.dask_cluster(cluster) if cluster is not None else _workers(workers)
    # a batch system's notice to quit is taken like Ctrl-C: workers are stopped and the journal stays
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with executors as executor:
            outcomes = [_one(settings, executor) for settings in all_settings]
    except KeyboardInterrupt:
        complain("interrupted; the same command goes on from what is measured so far")
        return 130
    return 0 if any(outcomes) else 1


def reproduce(
    record: Annotated[
        Path, typer.Argument(help="JSON file that semcom sweep or a benchmark wrote, or the name of one in results/")
    ],
    data: Annotated[
        Path,
        typer.Option(help="folder of the photographs that a sweep was of, or the one above it"),
    ],
    share: Annotated[
        float, typer.Option(help="share of the photographs, or of a benchmark's rows, that is measured, drawn by lot")
    ] = 0.1,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="draw fades and noise anew, and compare within the 95 % interval")
    ] = False,
    workers: WorkersOption = None,
    as_json: JsonOption = False,
) -> int:
    """Measure figures again, or a tenth of them, and compare them with their record; status 1 where they differ.

    Benchmarks are those of a checkout of gr-semcom, in which the command must be run; their times are not compared.
    """
    from .. import files
    from ..sweep.reproduce import folder_of, is_sweep
    from ..sweep.reproduce import reproduce as run
    from ..sweep.rerun import is_benchmark

    named = Path("results") / f"{record.name}.json"
    record = named if len(record.parts) == 1 and not record.exists() and named.exists() else record
    terminal = console(stderr=True)
    known = files.read_json(record, "a record of figures")
    if is_benchmark(known):
        return _run_again(record, data, share, as_json)
    if not is_sweep(known):
        raise BadInput(f"{record} is neither a sweep's record nor a benchmark's; run the command that it names")
    images = folder_of(known, data)
    with _workers(workers) as executor, _bar(record.stem) as progress:
        done = run(
            record,
            images,
            share,
            fresh,
            executor,
            progress,
            lambda sentence: terminal.print(shown(f"semcom: {sentence}")),
        )
    agreed = all(point.holds for point in done.comparisons)
    if as_json:
        points = [asdict(point) | {"holds": point.holds} for point in done.comparisons]
        put_json({"record": str(record), "images": list(done.images), "agrees": agreed, "points": points})
    else:
        _show(record, done.images, done.comparisons)
    if done.other_weights:
        complain(f"these weights are others than those of the record: {', '.join(done.other_weights)}")
    if any(point.within is None for point in done.comparisons):
        complain("a record with one draw of each picture does not say how far another may be; leave out --fresh")
    return 0 if agreed else 1


def _run_again(record: Path, data: Path, share: float, as_json: bool) -> int:
    """A benchmark."""
    from ..sweep.rerun import rerun

    done = rerun(record, data, share, complain)
    if as_json:
        differences = [asdict(each) for each in done.differences]
        report = {"record": str(record), "rows": list(done.rows), "compared": done.compared}
        put_json(report | {"agrees": not differences, "differences": differences})
    else:
        for each in done.differences:
            put(shown(f"{each.where}: recorded {each.recorded}, again {each.found}"))
        of = f" of {', '.join(done.rows)}" if done.rows else ""
        put(f"{record.stem}: {done.compared} figures{of} compared, {len(done.differences)} differ")
    return 1 if done.differences or not done.compared else 0


def _show(record: Path, images: Sequence[str], comparisons: Sequence[Comparison]) -> None:
    """A row for each point."""
    title = f"{record.stem}, {len(images)} images: mean PSNR, dB"
    table = Table("channel", "CSI", "k/n", "Es/N0", "recorded", "again", "may differ by", "", title=shown(title))
    for point in comparisons:
        snr = f"{point.snr_db:g}"
        snr += "" if point.snr_enc_db == point.snr_db else f", taken for {point.snr_enc_db:g}"
        figures = ["-" if value is None else f"{value:.2f}" for value in (point.recorded, point.found, point.within)]
        row = (point.channel, point.csi, point.rate or "own", snr, *figures, "agrees" if point.holds else "DIFFERS")
        table.add_row(*map(shown, row))
    console().print(table)


def plot(
    files: Annotated[list[Path], typer.Argument(help="JSON files that semcom sweep wrote")],
    out: Annotated[Path, typer.Option("--out", "-o", help="SVG, PNG or PDF, by its suffix")],
    metric: Annotated[str, choice(f"one of {ALL_METRICS}", (*METRICS, *TASKS))] = "psnr",
    anchors: Annotated[
        Path | None, typer.Option(help="JSON file of curves to stand beside, in place of the published ones")
    ] = None,
    x: Annotated[
        str,
        choice("what the lines run over: snr, rate or error (of the SNR that is assumed)", ("snr", "rate", "error")),
    ] = "snr",
    channel: Annotated[str | None, choice(f"only this one: {', '.join(symbol.MODELS)}", symbol.MODELS)] = None,
) -> int:
    """Draw what sweeps measured, beside published figures where they are of the same images and rate."""
    from ..sweep.plot import plot as draw

    with working(f"drawing {out}"):
        draw(files, out, metric, x, channel, anchors)
    wrote(out)
    return 0


def _workers(count: int | None) -> AbstractContextManager[Executor]:
    """The processes that are asked for; None for as many as there are cores, 0 for this one."""
    from .. import sweep as domain

    if count == 0:
        return nullcontext(domain.in_process)
    return domain.dask_workers(len(os.sched_getaffinity(0)) if count is None else count)


@contextmanager
def _bar(name: str) -> Iterator[Callable[[int, int], None]]:
    """A bar of progress on a terminal; called with what is done and what there is."""
    terminal = console(stderr=True)
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=terminal, disable=not terminal.is_terminal, transient=True) as bar:
        task = bar.add_task(name)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def _one(settings: SweepSettings, executor: Executor) -> bool:
    """One scheme; whether anything was measured."""
    from ..sweep import sweep as run

    name = settings.scheme_options()[0].name
    terminal = console(stderr=True)
    with _bar(name) as progress:
        outcome = run(
            settings,
            executor,
            progress=progress,
            say=lambda sentence: terminal.print(shown(f"semcom: {name}: {sentence}"), soft_wrap=True),
        )
    if outcome.path is None:
        complain(f"{name}: no picture was received at any point")
        return False
    reused = f", {outcome.reused} taken from the journal" if outcome.reused else ""
    wrote(outcome.path, f"{outcome.points} points, {outcome.images} images, {outcome.measured} measured{reused}")
    return True


def _schemes(text: str) -> list[tuple[Scheme, dict[str, str]]]:
    """``softcast,samsc:masked,onnx:a.onnx,b.onnx`` -> schemes and the variants that are named with them.

    Two files belong to the onnx before them.
    """
    names: list[str] = []
    for part in _listed(text):
        if names and names[-1].startswith("onnx:") and "," not in names[-1]:
            names[-1] += f",{part}"
        else:
            names.append(part)
    return [_with_variant(name) for name in names]


def _with_variant(text: str) -> tuple[Scheme, dict[str, str]]:
    name, separator, variant = text.rpartition(":")
    # the colon of FILE.py:CLASS is followed by no variant
    if not separator or name == "onnx" or text.startswith("onnx:") or name.endswith(".py"):
        return schemes.get(text), {}
    scheme = schemes.get(name)
    if VARIANT not in {item.name for item in fields(scheme.Options)}:
        raise BadInput(f"{text} names a variant, but {scheme.name} has none; write {name} alone", field="scheme")
    if not variant:
        raise BadInput(f"{text} names no variant after the colon; give one, or {name} alone", field="scheme")
    return scheme, {VARIANT: variant}


def _variations(
    chosen: list[tuple[Scheme, dict[str, str]]], given: dict[str, str]
) -> Iterator[tuple[Scheme, dict[str, Any], Options]]:
    """Each scheme with every combination of the values that are listed for its options."""
    # what is named with a scheme goes before what is listed for all
    check_used([each for each, named in chosen], given)
    for each, named in chosen:
        mine = own(each, given) | named
        several = {item.name for item in fields(each.Options) if item.metadata.get("several")}
        values = [_listed(text) if name in several else (text,) for name, text in mine.items()]
        for combination in product(*values):
            options = dict(zip(mine, combination, strict=True))
            yield each, options, each.options(options)


def _listed(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())
