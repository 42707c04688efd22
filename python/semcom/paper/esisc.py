# SPDX-License-Identifier: GPL-3.0-or-later
"""Ye et al., "ES-ISC Demo": its claims measured in bytes and in channel uses, beside its peers.

The paper sends caption, class map, boundaries and sub-images of an image over standard digital coding and modulation,
rebuilds a picture at more than a hundredth of the bytes, and has captioning and segmentation for nothing. Here each
way is given the same channel uses, over AWGN at symbol level; what a peer's receiver would have to do for caption and
map is done: the same networks look at its picture.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image as Pillow

from .. import __version__, files, scene, schemes, values
from ..channel.symbol import SymbolChannel
from ..errors import BadInput, Undecodable
from ..image import io, metrics
from ..image.stlpips import StLpips
from ..provenance import provenance
from ..scene.caption.captioners import captioner
from ..scene.caption.scores import bleu4, cider, words
from ..scene.render.esrim import AUTO, PLAIN, EsRim, checked_painter
from ..schemes import Conditions
from ..schemes.receive import Image, News, Reception
from ..segment import ClassSegmenter
from ..segment.classes import VOC
from ..segment.instances import objects
from ..segment.metrics import confusion, iou
from ..segment.semantic import look
from ..sweep.journal import Journal
from ..sweep.tasks import BLANK
from .measuring import Job, added_up, available, gathered, key_of, publish

SIDE = 512
RATES = (0.03, 0.07)  # k/n
SNR_DB = 5.0
SNRS = (0.0, 5.0, 10.0, 15.0)  # at the first rate
BUDGET = 5000  # bytes of the scenes whose compression is told
MAX_CAPTIONS = 2**26  # bytes of a file of captions


@dataclass(frozen=True)
class Way:
    """A way to send a picture.

    Attributes
    ----------
    name : str
        In figures and tables.
    scheme : str
        Of the registry.
    options : dict
        Of the scheme.
    refined : bool
        Whether the received picture is refined by ES-RIM, which is told nothing but the picture.
    """

    name: str
    scheme: str
    options: Mapping[str, Any] = field(default_factory=dict, hash=False)
    refined: bool = False


# the channel has the SNR that the link adapter is told: a margin would only cost
AVIF, JPEG = ({"codec": codec, "margin": 0.0} for codec in ("avif", "jpeg"))
WAYS = (
    Way("esisc, explain", "esisc"),
    Way("esisc, perception", "esisc", {"purpose": "perception"}),
    Way("semcom", "semcom"),
    Way("semcom, perceptual", "semcom", {"variant": "perceptual"}),
    Way("AVIF", "digital", AVIF),
    Way("AVIF, refined", "digital", AVIF, refined=True),
    Way("JPEG", "digital", JPEG),
)


@dataclass(frozen=True)
class Settings:
    """What is measured.

    Attributes
    ----------
    images : Path
        Folder of photographs, stretched to 512x512.
    captions : Path or None
        JSON list of objects with ``file`` and ``captions``, what people wrote of each; without it captions are not
        judged.
    out : Path
        Folder for figures.json, quality.svg and verdict.md.
    limit : int
        Pictures at most; 0 for all.
    workers : int
        Processes.
    """

    images: Path
    captions: Path | None
    out: Path
    limit: int = 0
    workers: int = 2


Point = tuple[Way, float, float]


def points(ways: list[Way]) -> list[Point]:
    """Way, k/n and Es/N0 in dB of everything that is measured.

    Parameters
    ----------
    ways : list of Way
        That are here.

    Returns
    -------
    list of Point
        Each rate at ``SNR_DB``, and the first one at ``SNRS``.
    """
    places = dict.fromkeys([(rate, SNR_DB) for rate in RATES] + [(RATES[0], snr_db) for snr_db in SNRS])
    return [(way, rate, snr_db) for way in ways for rate, snr_db in places]


class Looks:
    """The networks that judge what arrives."""

    def __init__(self) -> None:
        self.distance, self.segmenter, self.writer = StLpips(), ClassSegmenter(), captioner("network")
        painter = checked_painter(AUTO)
        self.painter = None if painter == PLAIN else EsRim(painter)

    def caption(self, picture: np.ndarray) -> str:
        """What the captioner of scenes writes of a picture, uint8 [H, W, 3]."""
        seen = look(self.segmenter, picture)
        return self.writer.caption(picture, seen.labels, objects(seen.labels, seen.detections)) or ""

    def refined(self, picture: np.ndarray) -> np.ndarray:
        """A picture, uint8 [H, W, 3], as ES-RIM paints on it."""
        if self.painter is None:
            return picture
        height, width = picture.shape[:2]
        whole = scene.Scene(height, width, sub_images=(scene.SubImage((0, 0, width, height), b""),))
        return self.painter.refine(picture, whole)


class Original:
    """A picture that is sent, and what it is compared by.

    Parameters
    ----------
    image : uint8 [H, W, 3]
        RGB.
    looks : Looks
        Networks.
    """

    def __init__(self, image: np.ndarray, looks: Looks) -> None:
        self.image, self.looks = image, looks
        self.labels, self.distance = looks.segmenter.segment(image), looks.distance.beside(image)


def measured(original: Original, point: Point, seed: int) -> dict[str, Any]:
    """One picture sent one way.

    Parameters
    ----------
    original : Original
        The picture.
    point : Point
        How it is sent.
    seed : int
        Of the noise.

    Returns
    -------
    dict
        ``psnr_db``, ``st_lpips``, ``kn``, ``caption``; and ``map``, the confusion of the class map that the receiver
        has with that of the original. What cannot be decoded is mid-grey and silent.
    """
    image, looks = original.image, original.looks
    way, rate, snr_db = point
    scheme = schemes.get(way.scheme)
    sent = scheme.encode(image, Conditions(rate, snr_db), scheme.options(way.options))
    headers, symbols = zip(*schemes.bursts(sent, scheme), strict=True)
    picture, caption, found = _received(scheme, headers, SymbolChannel("awgn", snr_db, seed=seed).apply_all(symbols))
    if picture is None:
        picture, lost = np.full_like(image, BLANK), True
    else:
        picture, lost = looks.refined(picture) if way.refined else picture, False
    if found is None:
        found = looks.segmenter.segment(picture)
    if caption is None:
        caption = "" if lost or "text_view" in scheme.views else looks.caption(picture)
    return {
        "psnr_db": metrics.psnr(image, picture),
        "st_lpips": original.distance(picture),
        "kn": sum(header.n_symbols for header in headers) / image.size,
        "caption": caption,
        "map": confusion(found, original.labels, len(VOC)).tolist(),
    }


def _received(scheme, headers, heard) -> tuple[np.ndarray | None, str | None, np.ndarray | None]:
    """Picture, text and class map, as far as they arrived."""
    reception, reports = Reception(scheme), []
    for header, burst in zip(headers, heard, strict=True):
        reports += reception.feed(header.fields() | {"noise_var": burst.noise_var}, burst.symbols)
    image = next(report for report in reports if isinstance(report, Image))
    if image.failure is not None and not isinstance(image.failure, Undecodable):
        raise image.failure
    told = [report.decoded for report in reports if isinstance(report, News)]
    told += [image.decoded] if image.decoded else []
    text = next((decoded.text for decoded in told if decoded.text is not None), None)
    labels = next((decoded.labels.values for decoded in told if decoded.labels is not None), None)
    return image.decoded.image if image.decoded else None, text, labels


def of_picture(image: np.ndarray, seed: int, todo: list[Point]) -> list[dict[str, Any]]:
    """The points of one picture; see :func:`measured`."""
    if not todo:
        return []
    original = Original(image, Looks())
    return [measured(original, point, seed) for point in todo]


def reproduce(settings: Settings, say: Callable[[str], None]) -> dict[str, Any]:
    """Measure everything that is not measured yet, and write figures and verdict.

    Parameters
    ----------
    settings : Settings
        What is measured.
    say : callable
        Told how far it is, in a line.

    Returns
    -------
    dict
        What figures.json holds.

    Raises
    ------
    BadInput
        No pictures there, a file of captions that is none, or a folder that cannot be written.
    Missing
        Weights or Matplotlib are not here.
    """
    from .esisc_figures import draw, verdict

    begun = time.perf_counter()
    ways, weights = available(WAYS, say)
    paths = io.listed(settings.images)
    paths = paths[: settings.limit] if settings.limit else paths
    references = captions_of(settings.captions)
    pictures = [stretched(io.load(path)) for path in paths]
    wanted = points(ways)
    with Journal(settings.out / "figures.json.journal") as journal:
        jobs = []
        for seed, image in enumerate(pictures):
            digest = hashlib.sha256(image).hexdigest()
            keys = {
                (way, rate, snr): key_of(digest, seed, weights, way.name, way.scheme, dict(way.options), rate, snr)
                for way, rate, snr in wanted
            }
            jobs.append(Job(of_picture, (image, seed), keys))
        found = gathered(journal, jobs, settings.workers, say)
        known = [references.get(path.name) for path in paths]
        with added_up(journal):
            rows = [_row(point, measured, known) for point, measured in found.items()]
        record = {
            "what": "the claims of Ye et al., ES-ISC Demo, at equal channel uses over AWGN; means over the pictures",
            "command": _command(settings),
            "version": __version__,
            "provenance": provenance(),
            "pictures": [path.name for path in paths],
            "size": [SIDE, SIDE],
            "references": sum(texts is not None for texts in known),
            "weights": weights,
            "compression": _compression(pictures),
            "rows": rows,
            "seconds": round(time.perf_counter() - begun, 1),
        }
        publish(settings.out, record, verdict(record))
        draw(record, settings.out)
        journal.remove()
    return record


def stretched(image: np.ndarray) -> np.ndarray:
    """An image at the size that all are measured at.

    Parameters
    ----------
    image : uint8 [H, W, 3]
        RGB.

    Returns
    -------
    uint8 [SIDE, SIDE, 3]
        RGB.
    """
    return np.asarray(Pillow.fromarray(image).resize((SIDE, SIDE), Pillow.Resampling.LANCZOS))


def captions_of(path: Path | None) -> dict[str, list[str]]:
    """What people wrote of photographs.

    Parameters
    ----------
    path : Path or None
        See :class:`Settings`.

    Returns
    -------
    dict of str to list of str
        By file name; nothing without a file.

    Raises
    ------
    BadInput
        The file is no such list.
    """
    if path is None:
        return {}
    try:
        return {
            values.text(each["file"], "file"): [values.text(text, "captions") for text in each["captions"]]
            for each in files.read_json(path, "a file of captions", MAX_CAPTIONS)
        }
    except (ValueError, KeyError, TypeError):
        raise BadInput(f"{path} is no JSON list of objects with file and captions") from None


def _compression(pictures: list[np.ndarray]) -> dict[str, Any]:
    """Bytes of scenes of ``BUDGET``, with sub-images and without."""
    encoder = scene.SemanticEncoder(scene.EncoderSettings(budget=BUDGET))
    rows = []
    for image in pictures:
        made = encoder.encode(image)
        rows.append([len(scene.encode_scene(made))])
        rows[-1].append(
            len(scene.encode_scene(made)) - sum(len(s.data) for s in scene.sections(made) if s.name == "S-img")
        )
    with_pictures, without = np.mean(rows, axis=0)
    whole = float(np.mean([image.size for image in pictures]))
    return {
        "bytes": round(float(with_pictures), 1),
        "times": round(whole / with_pictures, 1),
        "bytes_without_sub_images": round(float(without), 1),
        "times_without_sub_images": round(whole / without, 1),
    }


def _row(point: Point, values: list[dict[str, Any]], references: list[list[str] | None]) -> dict[str, Any]:
    way, rate, snr_db = point
    counts = np.sum([value["map"] for value in values], axis=0)
    row: dict[str, Any] = {"way": way.name, "rate": rate, "snr_db": snr_db, "n": len(values)}
    row |= {name: round(float(np.mean([value[name] for value in values])), 4) for name in ("psnr_db", "st_lpips", "kn")}
    row["miou"] = round(float(iou(counts)[counts.sum(axis=1) > 0].mean()), 4)
    judged = [(words(value["caption"]), texts) for value, texts in zip(values, references, strict=True) if texts]
    if judged:
        said, others = [each for each, _ in judged], [[words(text) for text in texts] for _, texts in judged]
        row |= {"bleu4": round(bleu4(said, others), 4), "cider_d": round(cider(said, others), 4)}
    return row


def _command(settings: Settings) -> str:
    told = ["semcom", "paper", "esisc", "--images", settings.images.name]
    told += ["--captions", settings.captions.name] if settings.captions else []
    told += ["--out", str(settings.out)]
    return " ".join(told + (["--limit", str(settings.limit)] if settings.limit else []))
