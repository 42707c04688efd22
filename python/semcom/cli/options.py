# SPDX-License-Identifier: GPL-3.0-or-later
"""Options of sub-commands, their choices as the modules below know them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import typer

from .. import schemes
from ..channel import symbol
from ..image.quality import METRICS, TASKS
from ..schemes.esisc import SAM_HELP
from ..segment.backends import NAMES
from ..segment.classes import VOC
from .completion import among, scheme_names

LEVELS = ("symbol", "waveform")
MULTIPATH = ("epa", "eva", "etu")
EMPTY = ("refuse", "send", "whole")
ALL_METRICS = ", ".join((*METRICS, *TASKS))


def choice(help: str, values: Iterable[str], several: bool = False) -> Any:
    """An option that is one of some names, or several with commas."""
    metavar = "NAME[,NAME...]" if several else "NAME"
    return typer.Option(help=help, metavar=metavar, autocompletion=among(values, several))


KNOWN_SCHEMES = ", ".join(schemes.names())
SchemeOption = Annotated[
    str,
    typer.Option(
        help=f"what is sent: {KNOWN_SCHEMES}, onnx:ENCODER.onnx,DECODER.onnx or FILE.py:CLASS for a coder of your own; "
        "semcom schemes says more",
        metavar="NAME",
        autocompletion=among(scheme_names),
    ),
]
SamOption = Annotated[str, choice(SAM_HELP, NAMES)]
PromptOption = Annotated[
    list[str] | None,
    typer.Option(
        help="point:X,Y[,0|1], box:X0,Y0,X1,Y1, mask:FILE, class:NAME or everything; repeatable; the ROI",
        metavar="PROMPT",
        autocompletion=among(["point:", "box:", "mask:", "everything", *(f"class:{name}" for name in VOC[1:])]),
    ),
]
RateOption = Annotated[
    str | None,
    typer.Option(help="complex channel uses per real source value; the scheme's own if left out", metavar="K/N"),
]
SnrsOption = Annotated[
    str, typer.Option(help="Es/N0 per complex symbol, dB: LO:HI:STEP (both count) or A,B,C", metavar="DB[,DB...]")
]
JsonOption = Annotated[bool, typer.Option("--json", help="print one JSON object and nothing else on standard output")]
JsonLinesOption = Annotated[
    bool, typer.Option("--json", help="print JSON objects, one a line, and nothing else on standard output")
]
RoiOption = Annotated[
    str,
    choice(
        "what is done with the ROI: whole (only measured), masked, power (the rest counts less; softcast, semcom, "
        "segsc), skip (the rest counts nothing; the same) or layers (as power, and ROI and rest are parts of their "
        "own, the ROI first; segsc always does so)",
        schemes.TREATMENTS,
    ),
]
BackgroundOption = Annotated[
    float, typer.Option(help="importance outside the ROI, 0 to 1, with --roi power or layers; of segsc its rate")
]
LevelsOption = Annotated[
    bool,
    typer.Option(help="each --prompt is a region of its own: the first counts most, each further one half as much"),
]
LevelOption = Annotated[str, choice(" or ".join(LEVELS), LEVELS)]
SnrOption = Annotated[float, typer.Option(help="Es/N0 per complex symbol, dB", metavar="DB")]
KFactorOption = Annotated[float, typer.Option(help="Rician K factor", metavar="DB")]
CsiOption = Annotated[
    str | None,
    choice(
        f"what the receiver knows of the channel: {', '.join(symbol.CSI)}; over the waveform pilot only", symbol.CSI
    ),
]
ChannelOption = Annotated[
    str,
    choice(f"{', '.join(symbol.MODELS)}; over the waveform also {', '.join(MULTIPATH)}", (*symbol.MODELS, *MULTIPATH)),
]
EmptyOption = Annotated[
    str,
    choice(
        "what is sent where the prompts find nothing, with a --roi other than whole: refuse (nothing), send (the empty "
        "ROI) or whole (the whole image is the ROI)",
        EMPTY,
    ),
]
MetricsOption = Annotated[
    str,
    choice(
        f"{ALL_METRICS}, separated by commas, or none; they take longer than the link. The last three are what is "
        "still recognised, segmented by SAM and detected: the ROI, or else all objects",
        ("none", *METRICS, *TASKS),
        several=True,
    ),
]
SchemesOption = Annotated[
    str,
    typer.Option(
        "--scheme",
        "--coder",
        help=f"schemes, separated by commas, of {KNOWN_SCHEMES} and your own; NAME:VARIANT for weights of a variant",
        metavar="NAME[,NAME...]",
        autocompletion=among(scheme_names, several=True),
    ),
]
ChannelsOption = Annotated[str, choice(f"{', '.join(symbol.MODELS)}; separated by commas", symbol.MODELS, several=True)]
CsisOption = Annotated[
    str, choice(f"channel knowledge: {', '.join(symbol.CSI)}; separated by commas", symbol.CSI, several=True)
]
RatesOption = Annotated[
    str | None,
    typer.Option(
        help="complex channel uses per real source value; the scheme's own if left out", metavar="K/N[,K/N...]"
    ),
]
SweepMetricsOption = Annotated[
    str,
    choice(
        f"{ALL_METRICS}, separated by commas; the last three of all objects that are seen",
        (*METRICS, *TASKS),
        several=True,
    ),
]
OutOption = Annotated[Path, typer.Option(help="folder for the pictures")]
