# SPDX-License-Identifier: GPL-3.0-or-later
"""``semcom paper``: the figures of a paper, measured anew."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..errors import BadInput
from .common import complain, wrote
from .help import Group, commands
from .options import SnrsOption


def app() -> typer.Typer:
    """The sub-commands."""
    made = typer.Typer(help="Figures of the papers, measured anew, with a verdict.", cls=Group)
    return commands(made, (("samsc", samsc), ("esisc", esisc)))


def samsc(
    voc: Annotated[Path, typer.Option(help="folder with images/*.jpg and masks/*.png, class maps as PASCAL VOC's")],
    out: Annotated[Path, typer.Option(help="folder for figures.json, fig4.svg, fig5.svg, fig6.svg, verdict.md")] = Path(
        "results/paper_samsc"
    ),
    cache: Annotated[
        Path | None, typer.Option(help="folder for the masks that SAM finds, used again; OUT/masks")
    ] = None,
    snr: SnrsOption = "1,5,10,15,20",
    limit: Annotated[int, typer.Option(help="pictures at most; 0 for all")] = 0,
    workers: Annotated[int, typer.Option(help="processes")] = 2,
) -> int:
    """Fig. 4 to 6 of "Segment Anything Meets Semantic Communication", and a verdict on its claims.

    Stopped, the same command goes on from what is measured so far.
    """
    from ..paper.samsc import Settings, reproduce
    from ..sweep.settings import parse_snrs

    if workers < 1 or limit < 0:
        raise BadInput(f"--workers must be 1 or more and --limit 0 or more, got {workers} and {limit}")
    settings = Settings(voc, out, cache or out / "masks", tuple(sorted(parse_snrs(snr))), limit, workers)
    try:
        reproduce(settings, complain)
    except KeyboardInterrupt:
        complain("interrupted; the same command goes on from what is measured so far")
        return 130
    wrote(out / "verdict.md")
    return 0


def esisc(
    images: Annotated[Path, typer.Option(help="folder of photographs")],
    captions: Annotated[
        Path | None, typer.Option(help="JSON list of objects with file and captions: what people wrote of them")
    ] = None,
    out: Annotated[Path, typer.Option(help="folder for figures.json, quality.svg, verdict.md")] = Path(
        "results/paper_esisc"
    ),
    limit: Annotated[int, typer.Option(help="pictures at most; 0 for all")] = 0,
    workers: Annotated[int, typer.Option(help="processes")] = 2,
) -> int:
    """The claims of "ES-ISC Demo", at equal channel uses beside JSCC and image codecs, and a verdict.

    Stopped, the same command goes on from what is measured so far.
    """
    from ..paper.esisc import Settings, reproduce

    if workers < 1 or limit < 0:
        raise BadInput(f"--workers must be 1 or more and --limit 0 or more, got {workers} and {limit}")
    try:
        reproduce(Settings(images, captions, out, limit, workers), complain)
    except KeyboardInterrupt:
        complain("interrupted; the same command goes on from what is measured so far")
        return 130
    wrote(out / "verdict.md")
    return 0
