# SPDX-License-Identifier: GPL-3.0-or-later
"""What comes with weights of others: cards, tables, networks, checkpoints and archives, spoilt."""

from __future__ import annotations

import hashlib
import io
import os
import random
import shutil
import tarfile
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from gnuradio.semcom import archives
from gnuradio.semcom.errors import SemcomError
from gnuradio.semcom.zoo import arrays, graph, weights

from . import hostile
from .common import allocating, require

MAX_BYTES = 2**26  # that one spoilt file of a few kB may take
TABLE = {"mean": np.zeros(3, "f4"), "levels": np.ones((4, 6), "i2"), "words": np.frombuffer(b"one\ntwo", np.uint8)}


class Stores:
    """One file in a folder of models, spoilt in another way each time; nothing is written anywhere."""

    def __init__(self, seed: int):
        self.rng = random.Random(seed)
        self.root = Path(tempfile.mkdtemp(prefix="semcom-fuzz-"))
        self.folder = self.root / "a" / "models"
        self.folder.mkdir(parents=True)
        self.before = {name: os.environ.get(name) for name in ("SEMCOM_MODELS", "XDG_CACHE_HOME")}
        os.environ |= {"SEMCOM_MODELS": str(self.folder), "XDG_CACHE_HOME": str(self.root / "a" / "cache")}
        self.card = {"name": "mine", "file": "mine.npz", "sha256": hashlib.sha256(b"mine").hexdigest(), "bytes": 4,
                     "licence": "CC0-1.0", "description": "of a test", "scheme": ""}  # fmt: skip
        (self.folder / "mine.npz").write_bytes(b"mine")
        packed = io.BytesIO()
        np.savez_compressed(packed, **TABLE)
        self.table = packed.getvalue()
        build = graph.Builder(17)
        x = build.input("x", 1, "n")
        self.network = build.model(build("MatMul", x, build.weight(np.ones((4, 5), np.float32))))
        self.tars = [self._tar(form) for form in (tarfile.GNU_FORMAT, tarfile.PAX_FORMAT)]
        weights.registry()
        self.spent = 0

    @staticmethod
    def _tar(form: int) -> bytes:
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w", format=form) as tar:
            for name in ("package/dist/a.onnx", "x" * 150, "../b"):
                info = tarfile.TarInfo(name)
                info.size = 700
                tar.addfile(info, io.BytesIO(bytes(700)))
        return out.getvalue()

    def close(self) -> None:
        """Remove what was written, and look for weights where they were."""
        for name, value in self.before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
        shutil.rmtree(self.root)

    def step(self) -> bool:
        """One file; whether it was taken."""
        what: Callable[[], object] = self.rng.choice([self._card, self._table, self._network, self._archive])
        before = sorted(self.root.parent.glob("escape*"))
        try:
            _, spent = allocating(what)
            taken = True
        except SemcomError as error:
            require("\n" not in str(error) and len(str(error)) < 2000, f"no sentence: {error}")
            taken, spent = False, 0
        self.spent = max(self.spent, spent)
        require(spent < MAX_BYTES, f"{spent} bytes were allocated for a file of a few kB")
        names = {path.name for path in (self.root / "a").iterdir()}
        require(names <= {"models", "cache"}, f"something was written outside of its folder: {names}")
        require(sorted(self.root.parent.glob("escape*")) == before, "something was written outside of its folder")
        return taken

    def _card(self) -> None:
        content = hostile.as_json(hostile.lied(self.rng, self.card))
        if self.rng.random() < 0.5:
            content = hostile.spoilt(self.rng, content)
        (self.folder / "mine.json").write_bytes(content)
        try:
            known = weights.registry()
            if "mine" in known:
                found = weights.find("mine")
                require(found.read_bytes() == b"mine", "a file was found that has another hash")
        finally:
            (self.folder / "mine.json").unlink()

    def _written(self, content: bytes) -> Path:
        path = self.root / "a" / "cache" / "file"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(hostile.spoilt(self.rng, content))
        return path

    def _table(self) -> None:
        found = arrays.load(self._written(self.table), 2**22, "a table")
        require(sum(array.nbytes for array in found.values()) <= 2**22, "more was read than was to be taken")

    def _network(self) -> None:
        graph.state(hostile.spoilt(self.rng, self.network))

    def _archive(self) -> None:
        content = self.rng.choice(self.tars)
        for member in archives.members(self._written(content), 2**20, 4, "a tar"):
            if member.size <= 2**16:
                require(len(member.read()) == member.size, "a member has another size than it says")
