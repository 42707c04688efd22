# SPDX-License-Identifier: GPL-3.0-or-later
"""Training of ES-RIM: scenes of photographs as a receiver has them, and what their pictures ought to look like."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageFilter
from torch.func import functional_call
from torch.nn import functional

from .. import codec, scene
from ..errors import BadInput
from ..image.stlpips import StLpips as Metric
from ..scene.render.esrim import CELL, NETWORK, NOISE, STRIDE, WORDS, maps_of, word_counts
from ..segment import ClassSegmenter
from ..segment.regions import merged
from ..zoo import arrays
from . import checkpoints, trainer
from .export import as_shipped, trained_recipe, write_onnx
from .files import left_out, pictures
from .models.esrim import Discriminator, EsRim, image_encoder
from .perceptual import StLpips

SCENES = "scenes"  # folder of what was made of the photographs
PER_FILE = 50  # photographs
HELD_OUT = 24
MAX_CACHE = 2**33  # bytes of the scenes of one file
MIN_SIDE = 64  # of a photograph, pixels
WHOLE_BYTES = (120, 3000)  # of a sub-image that shows the whole photograph, of 256x256
BOUNDARY_BYTES = (150, 1400)
MAX_SEGMENTS = (12, 96)
COLOURS = (6, 20)
L1, PERCEPTUAL, FEATURES, ADVERSARIAL = 2.0, 0.6, 0.3, 0.05  # weights of the losses
SHRUNK = (0.5, 1.0)  # sides at which ST-LPIPS is taken, so that no grid of pixels can be played to


@dataclass(frozen=True)
class Sample:
    """A scene as a receiver has it, and the photograph.

    Attributes
    ----------
    photograph, picture : uint8 [H, W, 3]
        What was sent, and what is painted without weights of what arrived.
    labels : uint8 [H, W]
        The class map.
    drawn : uint8 [H, W]
        Bit 0: outlines; bit 1: within sub-images.
    caption : str
        The text.
    """

    photograph: np.ndarray
    picture: np.ndarray
    labels: np.ndarray
    drawn: np.ndarray
    caption: str


def quick_cut(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Segments of one colour each, in place of SAM's: a hundred times quicker, and as large and as ragged.

    Parameters
    ----------
    image : uint8 [H, W, 3]
        RGB.
    rng : numpy.random.Generator
        Of the number of colours and of segments.

    Returns
    -------
    uint8 [H, W]
        Segments from 1.
    """
    smooth = Image.fromarray(image).filter(ImageFilter.GaussianBlur(2))
    colours = smooth.quantize(int(rng.integers(*COLOURS)), Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    settled = np.asarray(Image.fromarray(np.asarray(colours)).filter(ImageFilter.ModeFilter(7)))
    return (merged(settled, max(16, settled.size // 1500), int(rng.integers(*MAX_SEGMENTS)))[0] + 1).astype(np.uint8)


def samples(photograph: np.ndarray, segmenter: ClassSegmenter, seed: int) -> list[Sample]:
    """Two scenes of a photograph: with sub-images of its objects or none, and with a small picture of all of it.

    Parameters
    ----------
    photograph : uint8 [H, W, 3]
        RGB.
    segmenter : ClassSegmenter
        Of A-seg.
    seed : int
        Of budgets and segments.

    Returns
    -------
    list of Sample
        One of each.
    """
    rng = np.random.default_rng(seed)
    settings = scene.EncoderSettings(
        budget=int(rng.integers(1500, 5000)),
        boundary_budget=int(rng.integers(*BOUNDARY_BYTES)),
        sub_images=int(rng.integers(0, 3)),
        captioner="composed",
    )
    encoder = scene.SemanticEncoder(settings, segmenter, cut=lambda image: quick_cut(image, rng))
    made = encoder.encode(photograph)
    height, width = photograph.shape[:2]
    found = [_sample(photograph, made)]
    try:
        data = codec.encode(photograph, "avif", int(np.exp(rng.uniform(*np.log(WHOLE_BYTES))))).data
    except BadInput:  # not even the smallest picture has so few bytes
        return found
    whole = replace(made, sub_images=(scene.SubImage((0, 0, width, height), data),))
    if rng.random() < 0.5:
        whole = replace(whole, segments=None, details=None)
    return [*found, _sample(photograph, whole)]


def _sample(photograph: np.ndarray, sent: scene.Scene) -> Sample:
    labels, drawn = maps_of(sent)
    bits = (drawn[0] + 2 * drawn[1]).astype(np.uint8)
    return Sample(photograph, scene.reconstruct(sent), labels, bits, sent.caption or "")


class Scenes:
    """Scenes of photographs, made once and kept in files; random crops of them.

    Parameters
    ----------
    data : list of Path
        Folders or tars of photographs.
    cache : Path
        Folder that keeps what was made of them.
    seed : int, default 0
        Of the crops.
    val : list of Path, optional
        Folders or tars of photographs that are held out instead of some of ``data``; none of ``data`` with the file
        name of one of these is drawn.
    report : callable, optional
        Takes a line now and then while scenes are made.

    Raises
    ------
    BadInput
        There are fewer than two photographs.
    """

    def __init__(
        self,
        data: list[Path],
        cache: Path,
        seed: int = 0,
        val: list[Path] | None = None,
        report: Callable[[str], None] = lambda line: None,
    ):
        self.rng = np.random.default_rng(seed)
        unreadable: list[str] = []
        self._cache, self._report = cache, report
        apart = [
            (stem, name, np.asarray(picture.convert("RGB"))) for stem, name, picture in pictures(val or [], unreadable)
        ]
        held, kept = {stem for stem, _, _ in apart}, [(name, image) for _, name, image in apart]
        found = [(name, np.asarray(picture.convert("RGB"))) for stem, name, picture in pictures(data, unreadable)
                 if stem not in held and min(picture.size) >= MIN_SIDE]  # fmt: skip
        if not val:
            # by name, so that what is added to the data moves none
            found.sort(key=lambda each: zlib.crc32(each[0].encode()))
            count = min(HELD_OUT, len(found) // 8 or 1)
            kept, found = found[:count], found[count:]
        if not kept or not found:
            raise BadInput(
                f"{len(found)} photographs of {MIN_SIDE} pixels or more in {', '.join(map(str, data))}, beside those "
                "held out, are too few; give two or more"
            )
        self.held_out_names = [name for name, _ in kept]
        self.held_out = self._made(kept, "held_out")
        self.samples = self._made(found, "train")
        self.photographs = len(found)
        self.about = left_out(unreadable)

    def _made(self, photographs: list[tuple[str, np.ndarray]], what: str) -> list[Sample]:
        self._cache.mkdir(parents=True, exist_ok=True)
        segmenter = ClassSegmenter(threads=1)
        out: list[Sample] = []
        for first in range(0, len(photographs), PER_FILE):
            some = photographs[first : first + PER_FILE]
            made_with = WHOLE_BYTES, BOUNDARY_BYTES, MAX_SEGMENTS, COLOURS
            key = zlib.crc32(repr(([name for name, _ in some], made_with)).encode())
            path = self._cache / f"{what}_{first // PER_FILE:04d}_{key:08x}.npz"
            if not path.exists():
                self._report(f"scenes of photographs {first + 1} to {first + len(some)} of {len(photographs)}")
                _write(path, [each for name, image in some
                              for each in samples(image, segmenter, zlib.crc32(name.encode()))])  # fmt: skip
            out += _read(path)
        return out

    def batch(self, size: int, side: int) -> tuple[torch.Tensor, ...]:
        """Random crops.

        Parameters
        ----------
        size : int
            How many.
        side : int
            Of each, in pixels, a multiple of ``STRIDE``.

        Returns
        -------
        tuple of torch.Tensor
            Pictures [size, 3, side, side] and photographs, RGB in [0, 1]; labels, int64 [size, side / 4, side / 4];
            what is drawn [size, 2, side, side]; counts of words [size, WORDS].
        """
        return _stacked([self._crop(side) for _ in range(size)])

    def _crop(self, side: int) -> Sample:
        sample = self.samples[self.rng.integers(len(self.samples))]
        height, width = sample.labels.shape
        down, across = (int(self.rng.integers(max(1, length - side + 1))) for length in (height, width))
        flip = slice(None, None, -1 if self.rng.random() < 0.5 else 1)

        def cut(plane: np.ndarray) -> np.ndarray:
            piece = plane[down : down + side, across : across + side][:, flip]
            margin = [(0, side - piece.shape[0]), (0, side - piece.shape[1])] + [(0, 0)] * (plane.ndim - 2)
            return np.pad(piece, margin, mode="edge")

        maps = (sample.photograph, sample.picture, sample.labels, sample.drawn)
        return Sample(*map(cut, maps), sample.caption)


def _write(path: Path, made: list[Sample]) -> None:
    planes = {f"{field}_{i}": getattr(sample, field) for i, sample in enumerate(made)
              for field in ("photograph", "picture", "labels", "drawn")}  # fmt: skip
    captions = np.array([sample.caption for sample in made])
    checkpoints.replace(path, lambda file: np.savez_compressed(file, captions=captions, **planes))


def _read(path: Path) -> list[Sample]:
    held = arrays.load(path, MAX_CACHE, "scenes that a training made")
    try:
        return [
            Sample(*(held[f"{field}_{i}"] for field in ("photograph", "picture", "labels", "drawn")), str(caption))
            for i, caption in enumerate(held["captions"])
        ]
    except (KeyError, TypeError) as error:
        raise BadInput(f"{path} holds no scenes that a training made ({error}); take it away") from None


def _stacked(crops: list[Sample]) -> tuple[torch.Tensor, ...]:
    """See :meth:`Scenes.batch`."""

    def images(field: str) -> torch.Tensor:
        stacked = np.stack([getattr(crop, field) for crop in crops])
        return torch.from_numpy(np.ascontiguousarray(stacked)).permute(0, 3, 1, 2).float() / 255

    labels = np.stack([crop.labels[CELL // 2 :: CELL, CELL // 2 :: CELL] for crop in crops])
    bits = np.stack([crop.drawn for crop in crops])
    drawn = np.stack([bits & 1, bits >> 1], axis=1).astype(np.float32)
    words = np.stack([word_counts(crop.caption) for crop in crops])
    return (
        images("picture"),
        images("photograph"),
        torch.from_numpy(labels.astype(np.int64)),
        torch.from_numpy(drawn),
        torch.from_numpy(words),
    )


def _noise(picture: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Z_N, grain and a strength of 1."""
    return (
        torch.randn(len(picture), NOISE, device=picture.device),
        torch.randn_like(picture[:, :1]),
        torch.ones(len(picture), device=picture.device),
    )


class Painter(torch.nn.Module):
    """What is trained: the network that refines, and the one that it is to deceive."""

    def __init__(self) -> None:
        super().__init__()
        self.generator = EsRim()
        self.discriminator = Discriminator(image_encoder())


class _Loss(torch.nn.Module):
    """L1, ST-LPIPS, an image encoder's features and the hinge loss of both networks, matching-aware.

    One optimizer descends both.

    The verdict on the refined picture is given twice: with the generator held for the discriminator's sake, and with
    the discriminator held for the generator's.
    """

    def __init__(self, net: Painter):
        super().__init__()
        self.net, self.perceptual = net, StLpips()

    def forward(
        self,
        picture: torch.Tensor,
        photograph: torch.Tensor,
        labels: torch.Tensor,
        drawn: torch.Tensor,
        words: torch.Tensor,
    ) -> torch.Tensor:
        painted = self.net.generator(picture, labels, drawn, words, *_noise(picture))
        judge = self.net.discriminator
        with torch.no_grad():
            true = judge.see(photograph)
        seen = judge.see(painted)
        false = [each.detach() for each in seen]
        verdicts = (
            judge(photograph, true, words),
            judge(painted.detach(), false, words),
            judge(photograph, true, words.roll(1, 0)),
        )
        lies = sum(
            torch.relu(1 - a).mean() + torch.relu(1 + b).mean() / 2 + (torch.relu(1 + c).mean() / 2 if i else 0)
            for i, (a, b, c) in enumerate(zip(*verdicts, strict=True))  # texture has nothing to do with the text
        )
        held = {name: value.detach() for name, value in judge.named_parameters()}
        deceived = -sum(verdict.mean() for verdict in functional_call(judge, held, (painted, seen, words)))
        apart = sum((a - b).abs().mean() / b.abs().mean() for a, b in zip(seen, true, strict=True))
        alike = L1 * (painted - photograph).abs().mean() + FEATURES * apart
        return alike + PERCEPTUAL * self._distance(painted, photograph) + ADVERSARIAL * deceived + lies

    def _distance(self, painted: torch.Tensor, photograph: torch.Tensor) -> torch.Tensor:
        """ST-LPIPS at sides drawn anew each time."""
        low, high = SHRUNK
        side = round(painted.shape[-1] * (low + (high - low) * float(torch.rand(()))))
        small = (
            functional.interpolate(each, (side, side), mode="bilinear", antialias=True, align_corners=False)
            for each in (painted, photograph)
        )
        return self.perceptual(*small).mean()


class PainterTask(trainer.Task):
    """:class:`~.models.esrim.EsRim` on random crops of scenes.

    Parameters
    ----------
    data : list of Path
        See :class:`Scenes`.
    cache : Path
        See :class:`Scenes`.
    crop : int
        Side of the crops, a multiple of ``STRIDE``.
    val : list of Path, optional
        See :class:`Scenes`.
    report : callable, optional
        See :class:`Scenes`.
    """

    scheme = NETWORK
    columns = ("loss", "held_out_st_lpips")
    decimals = 4
    ema = 0.998
    warm_up = 100
    max_gradient = 5.0
    usual_batch = 8
    usual_rate = 5e-4
    gpu_batch = 32
    mixes = True
    report_every = 50
    evaluates_start = True

    def __init__(
        self,
        data: list[Path],
        cache: Path,
        crop: int,
        val: list[Path] | None = None,
        report: Callable[[str], None] = lambda line: None,
    ):
        self.options: dict[str, str] = {}
        self._data, self._cache, self._crop, self._val, self._report = data, cache, crop, val or [], report
        self._scenes: Scenes | None = None

    def network(self) -> Painter:
        """See :class:`~.trainer.Task`."""
        return Painter()

    def load(self, seed: int, device: torch.device) -> str:
        """See :class:`~.trainer.Task`."""
        found = self._scenes = Scenes(self._data, self._cache, seed, self._val, self._report)
        counts = f"{len(found.samples)} scenes of {found.photographs} photographs"
        counts += f", {len(found.held_out_names)} photographs held out"
        return "; ".join(filter(None, (counts, found.about)))

    def recipe(self) -> dict[str, Any]:
        """See :class:`~.trainer.Task`."""
        found = self._scenes
        return {
            "data": [p.name for p in self._data], "val": [p.name for p in self._val],
            "photographs": found.photographs, "scenes": len(found.samples),
            "held_out": len(found.held_out_names), "held_out_names": found.held_out_names, "crop": self._crop,
            "loss": "L1, ST-LPIPS (AlexNet, at sides drawn anew), EfficientNet-Lite0's features, hinge "
            "(matching-aware, on these features; texture, on pixels)",
            "loss_weights": [L1, PERCEPTUAL, FEATURES, ADVERSARIAL], "shrunk": SHRUNK, "optimizer": "AdamW",
            "segments": "of plain colours, not SAM's", "sub_image_bytes": WHOLE_BYTES,
        }  # fmt: skip

    def lasting(self, recipe: dict[str, Any]) -> dict[str, Any]:
        """See :class:`~.trainer.Task`."""
        return {
            "data": [*recipe.get("data", []), f"({recipe.get('photographs')} photographs)"],
            "val": recipe.get("val"), "crop": recipe.get("crop"),
        }  # fmt: skip

    def stream(self) -> np.random.Generator:
        """See :class:`~.trainer.Task`."""
        return self._scenes.rng

    def start(self, net: Painter) -> None:
        """The generator starts as nothing at all, see its class."""

    def optimizer(self, net: Painter, rate: float) -> torch.optim.Optimizer:
        """See :class:`~.trainer.Task`."""
        learnt = [p for p in net.parameters() if p.requires_grad]
        return torch.optim.AdamW(
            [{"params": learnt, "share": 1.0}], lr=rate, betas=(0.5, 0.99), weight_decay=1e-4, fused=True
        )

    def loss(self, net: Painter) -> torch.nn.Module:
        """See :class:`~.trainer.Task`."""
        return _Loss(net)

    def batch(self, size: int) -> tuple[torch.Tensor, ...]:
        """See :class:`~.trainer.Task`."""
        return self._scenes.batch(size, self._crop)

    def score(self, figures: list[float]) -> float:
        """Less distance is better."""
        return -figures[0]

    @torch.no_grad()
    def evaluate(self, net: Painter, device: torch.device) -> list[float]:
        """See :class:`~.trainer.Task`."""
        measure, found = Metric(threads=1), []
        generator = torch.Generator().manual_seed(0)
        for sample in self._scenes.held_out:
            height, width = (side // STRIDE * STRIDE for side in sample.labels.shape)
            maps = (sample.photograph, sample.picture, sample.labels, sample.drawn)
            whole = Sample(*(each[:height, :width] for each in maps), sample.caption)
            picture, _, labels, drawn, words = _stacked([whole])
            noise = torch.randn(1, NOISE, generator=generator), torch.randn(picture[:, :1].shape, generator=generator)
            inputs = (picture, labels, drawn, words, *noise, torch.ones(1))
            painted = net.generator(*(each.to(device) for each in inputs))[0].permute(1, 2, 0)
            pixels = (255 * painted.clamp(0, 1)).round().byte().cpu().numpy()
            found.append(measure(pixels, np.ascontiguousarray(whole.photograph)))
        return [float(np.mean(found))]

    def evaluation_line(self, figures: list[float]) -> str:
        """See :class:`~.trainer.Task`."""
        return f"ST-LPIPS {figures[0]:.4f}"


def train(
    data: list[Path],
    out: Path,
    settings: trainer.Settings = trainer.Settings(),
    *,
    crop: int = 128,
    val: list[Path] | None = None,
    rehearsed: Callable[[Path, Path], object] | None = None,
    report: Callable[[str], None] = lambda line: None,
    progress: Callable[[float, str], None] = lambda spent, what: None,
) -> Path:
    """Train :class:`~.models.esrim.EsRim`, see :func:`trainer.train`; AdamW.

    Parameters
    ----------
    data : list of Path
        See :class:`Scenes`.
    out : Path
        Folder of checkpoint, log, recipe and scenes.
    settings : trainer.Settings, optional
        How it is trained.
    crop : int, default 128
        Side of the crops, a multiple of ``STRIDE``.
    val : list of Path, optional
        Folders or tars of photographs that are held out, see :class:`Scenes`.
    rehearsed, report, progress : callable, optional
        See :func:`trainer.train`.

    Returns
    -------
    Path
        The last checkpoint.

    Raises
    ------
    BadInput
        Too few photographs, or ``out`` holds a training of something else.
    Missing
        The ImageNet features, or weights of A-seg or ST-LPIPS, are not here.
    """
    task = PainterTask(data, out / SCENES, crop, val, report)
    return trainer.train(task, out, settings, rehearsed=rehearsed, report=report, progress=progress)


def load_network(checkpoint: Path) -> EsRim:
    """The averaged weights of a checkpoint, rounded to float16 as they ship, in eval mode.

    Parameters
    ----------
    checkpoint : Path
        File that a training wrote.

    Returns
    -------
    EsRim
        Without gradients.
    """
    state = checkpoints.averaged(checkpoints.read(checkpoint))
    net = EsRim()
    own = "generator."
    net.load_state_dict({name.removeprefix(own): value for name, value in state.items() if name.startswith(own)})
    return as_shipped(net)


def graph_inputs() -> tuple[dict[str, torch.Tensor], dict[str, dict[int, str]]]:
    """What the exported network takes.

    Returns
    -------
    inputs : dict of str to torch.Tensor
        Name -> a sample.
    axes : dict of str to dict of int to str
        Names of the axes of inputs and output that may have any size.
    """
    side = 64
    inputs = {
        "picture": torch.zeros(1, 3, side, side),
        "labels": torch.zeros(1, side // CELL, side // CELL, dtype=torch.int64),
        "drawn": torch.zeros(1, 2, side, side),
        "words": torch.zeros(1, WORDS),
        "noise": torch.zeros(1, NOISE),
        "grain": torch.zeros(1, 1, side, side),
        "strength": torch.ones(1),
    }
    axes = {name: {2: "rows", 3: "columns"} for name in ("picture", "drawn", "grain", "refined")}
    return inputs, axes | {"labels": {1: "cell_rows", 2: "cell_columns"}}


def export(checkpoint: Path, out: Path, card: dict) -> list[Path]:
    """Write ``esrim.onnx`` with its card, into which ``card`` is merged.

    Inputs and output are those of :meth:`~.models.esrim.EsRim.forward`, one picture at a time. Weights are rounded to
    eight bits for each channel.

    Parameters
    ----------
    checkpoint : Path
        File that a training wrote.
    out : Path
        Folder, made if it is not there.
    card : dict
        Goes into the model card.

    Returns
    -------
    list of Path
        The ONNX file.
    """
    inputs, axes = graph_inputs()
    about = {"description": (EsRim.__doc__ or "").strip().splitlines()[0], "recipe": trained_recipe(checkpoint)}
    net = load_network(checkpoint)
    return [write_onnx(net, NETWORK, out, inputs, ("refined",), axes, about | card, eight_bits=True)]
