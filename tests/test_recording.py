# SPDX-License-Identifier: GPL-3.0-or-later
"""SigMF recordings of others: every complex type, archives, missing fields, hashes, and archives that are hostile."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
import sigmf
from gnuradio import blocks, gr, semcom
from gnuradio.semcom import archives as tars
from gnuradio.semcom import recording
from gnuradio.semcom.blocks.recording import recording_source
from gnuradio.semcom.cli import main
from gnuradio.semcom.errors import BadInput
from PIL import Image

TYPES = [
    "cf32_le", "cf32_be", "cf64_le", "cf64_be", "ci32_le", "ci32_be", "ci16_le", "ci16_be", "ci8", "cu32_le", "cu32_be",
    "cu16_le", "cu16_be", "cu8",
]  # fmt: skip


def stored(samples: np.ndarray, datatype: str) -> bytes:
    """Samples as a data file has them: integers of a quarter of their range."""
    kind, order = datatype[1], {"be": ">"}.get(datatype[-2:], "<")
    size = int(datatype[2:].split("_")[0]) // 8
    parts = samples.view(np.float32).astype(float)
    if kind != "f":
        half = 2.0 ** (8 * size - 1)
        parts = np.clip(np.round(parts / 4 * half), -half, half - 1) + (half if kind == "u" else 0)
    return parts.astype(f"{order}{kind}{size}").tobytes()


def put(path: Path, data: bytes, **fields) -> dict:
    """A recording of one capture at 1 Msps; fields of None are left out. Its metadata."""
    meta = recording.metadata(1e6)
    for key, value in fields.items():
        if value is None:
            meta["global"].pop(f"core:{key}")
        else:
            meta["global"][f"core:{key}"] = value
    path.with_name(path.name + ".sigmf-data").write_bytes(data)
    path.with_name(path.name + ".sigmf-meta").write_text(json.dumps(meta))
    return meta


def replayed(name: Path, rate: float = 0.0) -> np.ndarray:
    tb, sink = gr.top_block(), blocks.vector_sink_c()
    tb.connect(semcom.radio_source(f"sigmf:{name}", rate), sink)
    tb.run()
    return np.array(sink.data(), np.complex64)


@pytest.fixture
def said(capfd):
    """What was said since the last call, by GNU Radio's log as well, which is on either stream."""
    return lambda: "".join(capfd.readouterr())


@pytest.fixture
def noise() -> np.ndarray:
    """complex64 [100000], of which some values are beyond what integers take."""
    return np.random.default_rng(1).standard_normal(200_000, np.float32).view(np.complex64) * np.float32(1.2)


@pytest.fixture(scope="module")
def air(tmp_path_factory) -> Path:
    """One small picture as softcast sends it."""
    folder = tmp_path_factory.mktemp("air")
    y, x = np.mgrid[:96, :96].astype(float)
    picture = np.stack([y + x, 2 * y, 255 - x], axis=2)
    Image.fromarray(np.clip(picture, 0, 255).astype(np.uint8)).save(folder / "picture.png")
    arguments = ["tx", folder / "picture.png", "--via", f"sigmf:{folder / 'air'}", "--scheme", "softcast"]
    assert main([str(argument) for argument in arguments]) == 0
    return folder / "air"


@pytest.fixture
def rx(said, tmp_path):
    """The receiver within this process: (exit status, pictures, what was said beside what was written)."""

    def run(name: Path, *more) -> tuple[int, int, str]:
        said()
        out = tmp_path / "out"
        status = main([str(each) for each in ("rx", "--via", f"sigmf:{name}", "--out", out, *more)])
        lines = [line for line in said().splitlines(keepends=True) if not line.startswith("wrote ")]
        return status, len(list(out.glob("*.png"))), "".join(lines)

    return run


@pytest.mark.parametrize("datatype", TYPES)
def test_every_complex_type_is_read_as_the_sigmf_package_reads_it(datatype, noise, tmp_path):
    put(tmp_path / "x", stored(noise, datatype), datatype=datatype)
    oracle = sigmf.sigmffile.fromfile(str(tmp_path / "x.sigmf-meta")).read_samples()
    got = replayed(tmp_path / "x")
    # the package takes half of the range off unsigned integers when they are floats of 24 bits already
    assert np.allclose(got, oracle, rtol=0, atol=3e-7 if datatype.startswith("cu32") else 0) and len(got) == len(noise)
    if "f" not in datatype:  # what was within the range, to a step of it
        inside = np.abs(noise.view(np.float32)) < 3.9
        assert np.max(np.abs(4 * got.view(np.float32) - noise.view(np.float32))[inside]) < 4 * 2.0**-7


@pytest.mark.parametrize("datatype", ["ci16_le", "ci8", "cf32_be", "cu8"])
def test_pictures_arrive_from_recordings_of_other_types(datatype, air, rx, tmp_path):
    samples = np.fromfile(air.with_suffix(".sigmf-data"), np.complex64)
    put(tmp_path / "x", stored(samples, datatype), datatype=datatype)
    assert rx(tmp_path / "x") == (0, 1, "")


def test_a_recording_without_a_sample_rate_needs_one(air, rx, tmp_path):
    data = air.with_suffix(".sigmf-data").read_bytes()
    put(tmp_path / "x", data, sample_rate=None)
    status, pictures, err = rx(tmp_path / "x")
    assert (status, pictures) == (2, 0)
    assert err.startswith("semcom: --samp-rate must be given: ") and err.count("\n") == 1
    assert rx(tmp_path / "x", "--samp-rate", "1e6") == (0, 1, "")
    assert semcom.radio_source(f"sigmf:{tmp_path / 'x'}", 2e6).samp_rate == 2e6
    # what it tells holds
    put(tmp_path / "x", data)
    assert recording.read(tmp_path / "x", 5.0).sample_rate == 1e6


def test_fields_that_may_be_left_out_and_an_offset(noise, tmp_path, said):
    """No captures stand for one; numbers of samples begin at core:offset; a dataset may be its own file."""
    meta = put(tmp_path / "x", noise.tobytes(), offset=1000, dataset="x.sigmf-data", num_channels=None)
    meta["captures"] = []
    meta["annotations"] = [{"core:sample_start": 1000, "core:sample_count": len(noise)}]
    (tmp_path / "x.sigmf-meta").write_text(json.dumps(meta))
    assert np.array_equal(replayed(tmp_path / "x"), noise) and said() == ""
    meta["annotations"][0]["core:sample_count"] += 1
    (tmp_path / "x.sigmf-meta").write_text(json.dumps(meta))
    assert len(replayed(tmp_path / "x")) == len(noise) and "the end is missing" in said()


def test_an_extension_that_must_be_known_is_named(noise, tmp_path, said):
    extensions = [{"name": name, "version": "1", "optional": name == "b"} for name in ("a", "b", "semcom")]
    put(tmp_path / "x", noise.tobytes(), extensions=extensions)
    assert len(replayed(tmp_path / "x")) == len(noise)
    assert "cannot be read without a, which is not known here" in said()


@pytest.mark.parametrize("rest", [b"", b"1234567"])
@pytest.mark.parametrize("datatype", ["cf32_le", "ci8"])
def test_a_wrong_hash_is_said_after_the_last_sample(datatype, rest, noise, tmp_path, said):
    """Bytes that make no sample count as well; a source that begins anew hashes anew."""
    data = stored(noise, datatype) + rest
    put(tmp_path / "x", data, datatype=datatype, sha512=hashlib.sha512(data).hexdigest().upper())
    tb, source, sink = gr.top_block(), recording_source(str(tmp_path / "x")), blocks.vector_sink_c()
    tb.connect(source, sink)
    for _ in range(2):
        tb.run()
    assert len(sink.data()) == 2 * len(noise) + 2 * (len(rest) // 2 if datatype == "ci8" else 0)
    assert said() == ""
    (tmp_path / "x.sigmf-data").write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    tb.run()
    assert "x.sigmf-data was changed or damaged" in said()


def test_a_wrong_hash_takes_no_picture_away(air, rx, tmp_path):
    put(tmp_path / "x", air.with_suffix(".sigmf-data").read_bytes(), sha512="0" * 128)
    status, pictures, err = rx(tmp_path / "x")
    assert (status, pictures) == (0, 1) and err.count("core:sha512") == 1 and "read nevertheless" in err


def packed(path: Path, members: list[tuple[str, bytes | str]], **options) -> Path:
    """A tar; a member whose content is a text is a link to it."""
    with tarfile.open(path, "w", **options) as tar:
        for name, content in members:
            info = tarfile.TarInfo(name)
            if isinstance(content, str):
                info.type, info.linkname = tarfile.SYMTYPE, content
                tar.addfile(info)
            else:
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
    return path


@pytest.fixture
def parts(noise, tmp_path) -> tuple[bytes, bytes]:
    """Metadata and data of a recording of 16-bit integers."""
    data = stored(noise, "ci16_le")
    meta = put(tmp_path / "parts", data, datatype="ci16_le", sha512=hashlib.sha512(data).hexdigest())
    return json.dumps(meta).encode(), data


def test_an_archive_of_the_sigmf_package_is_read(parts, tmp_path, said):
    sigmf.sigmffile.fromfile(str(tmp_path / "parts.sigmf-meta")).archive(str(tmp_path / "x.sigmf"))
    expected = replayed(tmp_path / "parts")
    before = sorted(tmp_path.iterdir())
    for name in ("x.sigmf", "x"):
        assert np.array_equal(replayed(tmp_path / name), expected)
    assert sorted(tmp_path.iterdir()) == before and said() == ""


@pytest.mark.parametrize("form", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT])
@pytest.mark.parametrize("name", ["x", "./x", "a/b/x", "/etc/x", "../x", "\N{SNOWMAN}" * 60])
def test_names_in_an_archive_lead_nowhere(form, name, parts, tmp_path):
    """Nor are files that do not belong to the recording in the way."""
    more = [("._x.sigmf-meta", b"of macOS"), ("README", b"x" * 10_000), ("link", "/etc/passwd")]
    members = [*more, (f"{name}.sigmf-data", parts[1]), (f"{name}.sigmf-meta", parts[0]), ("folder/", b"")]
    packed(tmp_path / "x.sigmf", members, format=form)
    assert np.array_equal(replayed(tmp_path / "x.sigmf"), replayed(tmp_path / "parts"))


def test_an_archive_that_is_cut_off_gives_what_is_there(parts, tmp_path, said):
    archive = packed(tmp_path / "x.sigmf", [("x.sigmf-meta", parts[0]), ("x.sigmf-data", parts[1])])
    end = archive.read_bytes().index(parts[1][:64]) + 4 * 777 + 3
    os.truncate(archive, end)
    assert np.array_equal(replayed(archive), replayed(tmp_path / "parts")[:777])
    err = said()
    assert "holds 777 samples where 100000 are spoken of: the end is missing" in err and "sha512" not in err


def resized(archive: Path, name: bytes, size: bytes) -> None:
    """Give a member another size, with the right checksum."""
    content = bytearray(archive.read_bytes())
    at = content.index(name)
    content[at + 124 : at + 136] = size
    content[at + 148 : at + 156] = b" " * 8
    content[at + 148 : at + 156] = b"%06o\0 " % sum(content[at : at + 512])
    archive.write_bytes(content)


def archives(folder: Path, meta: bytes, data: bytes) -> dict[str, Path]:
    """Archives that hold no recording that could be read, by what is said of them."""
    both = [("x.sigmf-meta", meta), ("x.sigmf-data", data)]
    made = {
        "holds no .sigmf-meta": packed(folder / "1.sigmf", both[1:]),
        "holds no .sigmf-data beside x.sigmf-meta": packed(folder / "2.sigmf", [*both[:1], ("y.sigmf-data", data)]),
        "holds 2 recordings; unpack it": packed(folder / "3.sigmf", [*both, ("a/x.sigmf-meta", meta)]),
        "is there twice": packed(folder / "4.sigmf", [*both, both[1]]),
        "is a link or no plain file": packed(folder / "5.sigmf", [*both[:1], ("x.sigmf-data", "/etc/passwd")]),
        "has headers of more bytes": packed(folder / "6.sigmf", [*((str(i), b"") for i in range(1100)), *both]),
        "x.sigmf-meta in .* is no valid SigMF": packed(folder / "7.sigmf", [("x.sigmf-meta", b"[1]"), both[1]]),
        "where at most 67,108,864": packed(folder / "8.sigmf", both[::-1]),
        "no tar; unpack what is compressed": folder / "9.sigmf",
        "has headers of more bytes than are read": packed(
            folder / "10.sigmf", both, format=tarfile.PAX_FORMAT, pax_headers={"comment": "1" * 100_000}
        ),
        "is no tar": folder / "11.sigmf",
        "is a compressed archive": folder / "12.sigmf.gz",
        "holds no samples": packed(folder / "13.sigmf", [both[0], ("x.sigmf-data", b"")]),
    }
    resized(folder / "8.sigmf", b"x.sigmf-meta", b"77777777777\0")
    (folder / "9.sigmf").write_bytes(gzip.compress((folder / "4.sigmf").read_bytes()))
    (folder / "12.sigmf.gz").write_bytes(b"")
    with zipfile.ZipFile(folder / "11.sigmf", "w") as file:
        file.writestr("x.sigmf-meta", meta)
    return made


def test_hostile_archives_are_one_sentence(parts, tmp_path):
    for sentence, archive in archives(tmp_path, *parts).items():
        with pytest.raises(BadInput, match=sentence) as caught:
            semcom.radio_source(f"sigmf:{archive}", 1e6)
        assert "\n" not in str(caught.value) and len(str(caught.value)) < 400


@pytest.mark.parametrize("size", [b"77777777777\0", b"\x80" + b"\x7f" * 11, b"\xff" * 12])
def test_a_size_that_cannot_be_true_ends_with_the_file(size, parts, tmp_path):
    """Of gigabytes, of more than there are numbers for, and below 0."""
    archive = packed(tmp_path / "x.sigmf", [("x.sigmf-meta", parts[0]), ("x.sigmf-data", parts[1])])
    resized(archive, b"x.sigmf-data", size)
    if size[0] == 0xFF:
        # Pythons since 2025 take a negative size for the end of the archive (CVE-2025-8194)
        with pytest.raises(BadInput, match=r"no plain file|holds no \.sigmf-data"):
            semcom.radio_source(f"sigmf:{archive}", 1e6)
        return
    assert np.array_equal(replayed(archive)[:100_000], replayed(tmp_path / "parts"))


def test_a_pipe_in_place_of_the_samples_is_not_waited_for(noise, tmp_path):
    put(tmp_path / "x", noise.tobytes())
    source = recording.Samples(recording.read(tmp_path / "x"))
    (tmp_path / "x.sigmf-data").unlink()
    os.mkfifo(tmp_path / "x.sigmf-data")
    with pytest.raises(BadInput, match="is a pipe"):
        source.read(np.empty(10, np.complex64))
    with pytest.raises(BadInput, match="is a pipe"):
        recording.read(tmp_path / "x")


def test_a_tar_is_read_no_further_than_its_headers(tmp_path):
    """However large the members: a tar of 2^40 bytes that takes no room on the disk."""
    member = tarfile.TarInfo("x.sigmf-data")
    member.size = 2**40
    with (tmp_path / "x.sigmf").open("wb") as file:
        file.write(member.tobuf(tarfile.GNU_FORMAT))
        file.truncate(512 + 2**40 + 1024)
    found = tars.packed(tmp_path / "x.sigmf", (".sigmf-data",), "a recording")
    assert found == {"x.sigmf-data": tars.Piece(512, 2**40)}
