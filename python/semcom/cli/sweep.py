# SPDX-License-Identifier: GPL-3.0-or-later
"""``semcom sweep`` and ``semcom plot``."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import fields
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from .. import schemes
from ..channel import symbol
from ..errors import BadInput
from ..image.quality import METRICS, TASKS
from ..schemes import Options, Scheme
from .common import complain, console, shown, wrote
from .options import (
    ALL_METRICS,
    BackgroundOption,
    ChannelsOption,
    CsisOption,
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


def sweep(
    images: Annotated[Path, typer.Option(help="folder of photographs, or one")],
    out: Annotated[Path, typer.Option(help="JSON file; with several schemes NAME.json becomes NAME_SCHEME.json")],
    scheme: SchemesOption = schemes.USUAL_SCHEME,
    snr: SnrsOption = "10",
    channel: ChannelsOption = "awgn",
    csi: CsisOption = "ideal",
    rate: RatesOption = None,
    snr_enc: Annotated[float | None, typer.Option(help="Es/N0 that the encoder assumes, dB; --snr if left out")] = None,
    k_factor: KFactorOption = 10.0,
    draws: Annotated[int, typer.Option(help="fades drawn per image and seed, on fading channels")] = 1,
    seed: Annotated[int, typer.Option(help="first one, of fading, noise and losses")] = 0,
    seeds: Annotated[int, typer.Option(help="realisations of noise per image, on every channel")] = 1,
    lose: Annotated[float, typer.Option(help="share of the fragments that is lost, at random")] = 0.0,
    metrics: SweepMetricsOption = "psnr,ms_ssim",
    prompt: PromptOption = None,
    roi: RoiOption = "whole",
    background: BackgroundOption = 0.1,
    levels: LevelsOption = False,
    workers: Annotated[
        int | None, typer.Option(help="worker processes of one thread; all cores if left out; 0: this process alone")
    ] = None,
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
    if cluster is not None:
        executors = domain.dask_cluster(cluster)
    elif workers == 0:
        executors = nullcontext(domain.in_process)
    else:
        executors = domain.dask_workers(len(os.sched_getaffinity(0)) if workers is None else workers)
    # a batch system's notice to quit is taken like Ctrl-C: workers are stopped and the journal stays
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with executors as executor:
            outcomes = [_one(settings, executor) for settings in all_settings]
    except KeyboardInterrupt:
        complain("interrupted; the same command goes on from what is measured so far")
        return 130
    return 0 if any(outcomes) else 1


def plot(
    files: Annotated[list[Path], typer.Argument(help="JSON files that semcom sweep wrote")],
    out: Annotated[Path, typer.Option("--out", "-o", help="SVG, PNG or PDF, by its suffix")],
    metric: Annotated[str, choice(f"one of {ALL_METRICS}", (*METRICS, *TASKS))] = "psnr",
    anchors: Annotated[
        Path | None, typer.Option(help="JSON file of curves to stand beside, in place of the published ones")
    ] = None,
    x: Annotated[str, choice("what the lines run over: snr or rate", ("snr", "rate"))] = "snr",
    channel: Annotated[str | None, choice(f"only this one: {', '.join(symbol.MODELS)}", symbol.MODELS)] = None,
) -> int:
    """Draw what sweeps measured, beside published figures where they are of the same images and rate."""
    from ..sweep.plot import plot as draw

    with working(f"drawing {out}"):
        draw(files, out, metric, x, channel, anchors)
    wrote(out)
    return 0


def _one(settings: SweepSettings, executor: Executor) -> bool:
    """One scheme; whether anything was measured."""
    from ..sweep import sweep as run

    name = settings.scheme_options()[0].name
    terminal = console(stderr=True)
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=terminal, disable=not terminal.is_terminal, transient=True) as bar:
        task = bar.add_task(name)
        outcome = run(
            settings,
            executor,
            progress=lambda done, total: bar.update(task, completed=done, total=total),
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
