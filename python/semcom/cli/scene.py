# SPDX-License-Identifier: GPL-3.0-or-later
"""``semcom scene``: scenes in files, with no radio."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from .. import codec as codecs
from .. import files
from ..errors import BadInput
from ..image import io
from ..schemes.esisc import captioners, purposes
from ..segment.backends import DEFAULT
from .common import complain, put, put_json, wrote
from .help import Group, commands
from .options import JsonOption, SamOption, choice
from .progress import working

MAX_SCENE = 2**24  # bytes of a scene file


def app() -> typer.Typer:
    """The sub-commands."""
    made = typer.Typer(help="Explainable semantics of an image in a file: encode, show, decode.", cls=Group)
    return commands(made, (("encode", encode), ("show", show), ("decode", decode)))


def encode(
    image: Annotated[Path, typer.Argument(help="photograph")],
    out: Annotated[Path, typer.Option("--out", "-o", help="scene file")],
    prompt: Annotated[
        list[str] | None,
        typer.Option(help="what the sub-images show: class:NAME, box:X0,Y0,X1,Y1, point:X,Y or mask:FILE; repeatable"),
    ] = None,
    purpose: Annotated[str, choice(f"what the scene is for: {', '.join(purposes())}", purposes())] = "explain",
    budget: Annotated[int, typer.Option(help="bytes of the whole scene")] = 5000,
    boundaries: Annotated[bool, typer.Option(help="send B-seg, the outlines that SAM finds")] = True,
    sub_images: Annotated[int, typer.Option(help="sub-images at most; 0 for none")] = 3,
    captioner: Annotated[str, choice(f"what writes the text: {', '.join(captioners())}", captioners())] = "network",
    codec: Annotated[str, choice(f"of the sub-images: {', '.join(codecs.CODECS)}", codecs.CODECS)] = "avif",
    sam: SamOption = DEFAULT,
    as_json: JsonOption = False,
) -> int:
    """Caption, class map, boxes, boundaries and sub-images of a photograph."""
    from ..scene import EncoderSettings, SemanticEncoder, decode_scene, describe_scene, encode_scene

    settings = EncoderSettings(
        purpose=purpose,
        budget=budget,
        prompts=tuple(prompt or ()),
        captioner=captioner,
        boundaries=boundaries,
        sub_images=sub_images,
        codec=codec,
        sam=sam,
    )
    picture = io.load(image)
    encoder = SemanticEncoder(settings)
    with working(f"encoding {image}"):
        data = encode_scene(encoder.encode(picture))
    files.replace(out, lambda stream: stream.write(data))
    decoded = decode_scene(data)
    if as_json:
        seconds = {stage: round(value, 4) for stage, value in encoder.seconds.items()}
        put_json(_record(data, decoded) | {"seconds": seconds, "weights": encoder.weights})
    else:
        put(*describe_scene(data, decoded).split("\n"))
        wrote(out)
    return 0


def show(
    file: Annotated[Path, typer.Argument(help="scene file")],
    drawing: Annotated[
        Path | None, typer.Option("--map", help="draw the class map, with legend, into this PNG")
    ] = None,
    as_json: JsonOption = False,
) -> int:
    """What a person can read in a scene, and its map."""
    from ..scene import decode_scene, describe_scene, draw, terminal_map

    data = files.read(file, MAX_SCENE, "a scene file")
    decoded = decode_scene(data)
    found = decoded.scene
    if as_json:
        put_json(_record(data, decoded))
    else:
        put(*describe_scene(data, decoded).split("\n"))
        if found.labels is not None and sys.stdout.isatty():
            sys.stdout.write(terminal_map(found.labels) + "\n")
    if drawing is not None:
        if found.labels is None:
            raise BadInput(f"{file} has no class map to draw")
        drawn = draw.class_map(found.labels, found.objects or (), found.classes, found.height, found.width)
        io.save_png(drawing, drawn)
        if not as_json:
            wrote(drawing)
    return 0 if decoded.sections else 1


def decode(
    file: Annotated[Path, typer.Argument(help="scene file")],
    out: Annotated[Path, typer.Option("--out", "-o", help="picture, PNG")],
    seed: Annotated[int, typer.Option(help="of the synthetic texture and of what ES-RIM draws")] = 0,
    painter: Annotated[
        str, choice("what refines the picture: auto, esrim, or plain", ("auto", "esrim", "plain"))
    ] = "auto",
    strength: Annotated[float, typer.Option(help="of ES-RIM: 0, faithful, to 2, vivid")] = 1.0,
) -> int:
    """The picture that is rebuilt from a scene."""
    from ..scene import decode_scene, reconstruct

    decoded = decode_scene(files.read(file, MAX_SCENE, "a scene file"))
    for sentence in decoded.problems:
        complain(sentence)
    if not decoded.sections or not decoded.scene.height:
        complain(f"{file} holds nothing of a scene; was it written by semcom scene encode?")
        return 1
    with working(f"painting {file}"):
        picture = reconstruct(decoded.scene, seed, painter=painter, strength=strength)
    io.save_png(out, picture)
    wrote(out)
    return 0


def _record(data: bytes, decoded) -> dict:
    found = decoded.scene
    from ..scene import sizes

    return {
        "height": found.height,
        "width": found.width,
        "bytes": len(data),
        "compression": round(3 * found.height * found.width / max(1, len(data)), 1),
        "sections": sizes(decoded.sections),
        "caption": found.caption,
        "objects": [{"class": found.classes[o.label], "box": list(o.box)} for o in found.objects or ()],
        "segments": None if found.segments is None else int(found.segments.max()),
        "sub_images": [{"box": list(sub.box), "bytes": len(sub.data)} for sub in found.sub_images],
        "problems": list(decoded.problems),
    }
