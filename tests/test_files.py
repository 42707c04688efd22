# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading what a user names, and writing what was received."""

from __future__ import annotations

import json
import os
import stat
import threading
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest
from gnuradio import semcom
from gnuradio.semcom import files
from gnuradio.semcom.blocks import pdu as pdus
from gnuradio.semcom.blocks.recording import recording_sink
from gnuradio.semcom.errors import BadInput
from gnuradio.semcom.image import io
from gnuradio.semcom.sweep.journal import Journal
from gnuradio.semcom.train.files import pictures
from PIL import Image


def text(content: str):
    return lambda stream: stream.write(content.encode())


def put(folder: files.Received, stem: str, content: str = "x", end: str = "_received.png") -> str:
    places = folder.add(stem, {end: text(content)}, ".json", lambda places: {"images": [str(places[end])]})
    return places[end].name


@pytest.fixture
def pipe(tmp_path) -> Path:
    path = tmp_path / "pipe.png"
    os.mkfifo(path)
    return path


@pytest.mark.parametrize("reader", [io.load, files.read_json, files.sha256, lambda path: files.read(path, 100)])
def test_only_regular_files_are_read(tmp_path, pipe, reader):
    for path, why in (
        (pipe, "is a pipe or a device"),
        ("/dev/zero", "is a pipe or a device"),
        (tmp_path, "is a folder"),
    ):
        with pytest.raises(BadInput, match=why):
            reader(path)
    with pytest.raises(BadInput, match="does not exist"):
        reader(tmp_path / "none")
    with pytest.raises(BadInput, match="is no name of a file"):
        reader("a\0b")


def test_a_file_has_a_size_that_can_be_true(tmp_path):
    path = tmp_path / "large.png"
    with path.open("wb") as stream:
        stream.truncate(io.MAX_BYTES + 1)  # takes no room on the disk
    with pytest.raises(
        BadInput, match=r"has 269,484,033 bytes where at most 269,484,032 are taken; name a picture file"
    ):
        io.load(path)
    # a limit is no amount of memory
    (tmp_path / "small").write_bytes(b"abc")
    assert files.read(tmp_path / "small", files.MAX_WEIGHTS) == b"abc"
    # says that it is empty
    with pytest.raises(BadInput, match="has more than 10 bytes"):
        files.read("/proc/self/status", 10)


def test_home_and_a_tilde_that_is_none(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "a.json").write_text("[1]")
    assert files.read_json("~/a.json") == [1]
    assert files.named("~nobody-of-that-name/a") == Path("~nobody-of-that-name/a")


@pytest.mark.parametrize("content", [b"{", b"\xff\xfe\xff", b"[" * 100_000, b""])
def test_damaged_json_is_a_sentence(tmp_path, content):
    (tmp_path / "a.json").write_bytes(content)
    with pytest.raises(BadInput, match=r"name a JSON file$"):
        files.read_json(tmp_path / "a.json")


def test_only_the_formats_that_are_meant_are_decoded(tmp_path):
    postscript = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\nshowpage\n"
    (tmp_path / "a.png").write_bytes(postscript)
    Image.new("RGB", (4, 4)).save(tmp_path / "b.png", "PCX")
    for name in ("a.png", "b.png"):
        with pytest.raises(BadInput, match="is not a picture of a known format"):
            io.load(tmp_path / name)


def test_training_leaves_out_what_is_no_file(tmp_path, pipe):
    Image.new("RGB", (4, 4)).save(tmp_path / "good.png")
    (tmp_path / "eps.png").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n")
    unreadable: list[str] = []
    assert [stem for stem, _, _ in pictures([tmp_path], unreadable)] == ["good"]
    assert [name.split("/")[1] for name in unreadable] == ["eps", "pipe"]


@pytest.mark.parametrize(
    "writer",
    [
        lambda path: files.growing(path, "ab"),
        lambda path: semcom.text_sink(str(path)),
        lambda path: Journal(path),
        lambda path: recording_sink(str(path).removesuffix(".sigmf-data"), 1e6),
    ],
    ids=["file", "text sink", "journal", "recording"],
)
def test_nobody_waits_for_the_reader_of_a_pipe(tmp_path, writer):
    os.mkfifo(path := tmp_path / "a.sigmf-data")
    with pytest.raises(BadInput, match=r"a\.sigmf-data cannot be written \(it is a pipe or a device\); name a file in"):
        writer(path)
    # nor writes into one that is read
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    with pytest.raises(BadInput, match="it is a pipe or a device"):
        writer(path)
    os.close(reader)


def test_a_replaced_file_is_whole_and_no_link_is_followed(tmp_path):
    (tmp_path / "elsewhere").write_text("mine")
    (tmp_path / "a").symlink_to(tmp_path / "elsewhere")
    files.replace(tmp_path / "a", text("new"))
    assert (tmp_path / "a").read_text() == "new" and (tmp_path / "elsewhere").read_text() == "mine"
    with pytest.raises(BadInput, match="cannot be written"):
        files.replace(tmp_path / "none" / "a", text("new"))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a", "elsewhere"]


def test_no_picture_replaces_another_of_the_run(tmp_path):
    folder = files.Received(tmp_path)
    assert [put(folder, "photo", str(i)) for i in range(3)] == [
        "photo_received.png", "photo_2_received.png", "photo_3_received.png"
    ]  # fmt: skip
    # names that meet although the stems differ
    put(folder, "x", end="_received.png")
    assert put(folder, "x_received", end=".png") == "x_received_2.png"
    for record in tmp_path.glob("*.json"):
        assert all(Path(name).is_file() for name in json.loads(record.read_text())["images"])
    assert not list(tmp_path.glob(".*"))


@pytest.mark.parametrize("keep", [False, True])
def test_files_of_earlier_runs_are_replaced_unless_kept(tmp_path, keep):
    earlier = files.Received(tmp_path)
    put(earlier, "photo", "old")
    earlier.close()
    for path in tmp_path.iterdir():
        os.utime(path, (1, 1))
    folder = files.Received(tmp_path, keep)
    assert put(folder, "photo", "new") == ("photo_2_received.png" if keep else "photo_received.png")
    assert put(folder, "photo", "newer") == ("photo_3_received.png" if keep else "photo_2_received.png")
    assert (tmp_path / "photo_received.png").read_text() == ("old" if keep else "new")


def test_links_and_folders_of_the_name_are_left_alone(tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (tmp_path / "precious").write_text("mine")
    folder = files.Received(out)
    (out / "photo_received.png").symlink_to(tmp_path / "precious")
    (out / "other.json").mkdir()
    os.utime(out / "other.json", (1, 1))
    assert put(folder, "photo") == "photo_2_received.png"
    assert put(folder, "other") == "other_2_received.png"
    assert (tmp_path / "precious").read_text() == "mine"


def test_a_long_name_is_cut_in_bytes_at_a_whole_character(tmp_path):
    folder = files.Received(tmp_path)
    for stem in ("長" * 75, "長" * 83, "é" * 127, "a" * 251, "😀" * 63):
        names = [put(folder, stem) for _ in range(2)]
        assert len(set(names)) == 2 and all(len(os.fsencode(name)) <= 255 for name in names)
        assert names[0].removesuffix("_received.png") in stem
    assert put(folder, "長" * 75).startswith("長" * 75)


def test_without_hard_links_names_are_taken_all_the_same(tmp_path, monkeypatch):
    def link(source, target):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", link)
    folder = files.Received(tmp_path)
    assert [put(folder, "a", str(i)) for i in range(2)] == ["a_received.png", "a_2_received.png"]
    assert (tmp_path / "a_received.png").read_text() == "0"


def test_what_cannot_be_written_whole_is_not_there(tmp_path):
    def full(stream):
        stream.write(b"half")
        raise OSError(28, "No space left on device")

    folder = files.Received(tmp_path)
    with pytest.raises(BadInput, match=r"a cannot be written \(No space left on device\); make room"):
        folder.add("a", {"_x.png": text("x"), "_y.png": full}, ".json", lambda places: {})
    assert not list(tmp_path.iterdir())


def test_the_record_is_json_whatever_was_measured(tmp_path):
    files.Received(tmp_path).add("a", {}, ".json", lambda places: {"psnr_db": float("inf"), "all": [float("nan"), 1]})
    said = json.loads((tmp_path / "a.json").read_text(), parse_constant=pytest.fail)
    assert said == {"psnr_db": None, "all": [None, 1]}
    assert stat.S_IMODE((tmp_path / "a.json").stat().st_mode) & 0o600 == 0o600


def receive(folder: Path, keep: bool, sender: int, count: int) -> files.Received:
    received = files.Received(folder, keep)
    for number in range(count):
        put(received, f"{number:05d}", f"{sender} {number}")
    return received


@pytest.mark.parametrize("keep", [False, True])
def test_several_processes_lose_nothing_in_one_folder(tmp_path, keep):
    first = receive(tmp_path, keep, 0, 40)  # goes on while the others begin
    context = get_context("spawn")
    senders = [context.Process(target=receive, args=(tmp_path, keep, sender, 40)) for sender in (1, 2)]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join(120)
    first.close()
    written = sorted(path.read_text() for path in tmp_path.glob("*.png"))
    assert written == sorted(f"{sender} {number}" for sender in range(3) for number in range(40))
    assert len(list(tmp_path.glob("*.json"))) == len(written)
    assert not list(tmp_path.glob(".*"))


def test_several_threads_lose_nothing_in_one_folder(tmp_path):
    threads = [threading.Thread(target=receive, args=(tmp_path, True, n, 40)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({path.read_text() for path in tmp_path.glob("*.png")}) == 160


def test_masks_as_tools_write_them(tmp_path):
    """A soft edge, compression, video levels, VOC's void border and a shape on nothing are taken as they are meant."""
    rows, columns = np.mgrid[:96, :128]
    distance = np.hypot(rows - 48, columns - 64)
    inside = distance < 30
    drawn = np.where(inside, np.uint8(255), np.uint8(0))
    Image.fromarray(drawn).save(tmp_path / "jpeg.jpg", quality=50)
    Image.fromarray(drawn).save(tmp_path / "webp.webp", quality=60)
    Image.fromarray(np.where(inside, np.uint8(235), np.uint8(16))).save(tmp_path / "video.png")
    Image.fromarray(np.clip(127.6 + 12 * (30 - distance), 0, 255).astype(np.uint8)).save(tmp_path / "soft.png")
    Image.fromarray(np.dstack([drawn * 0] * 3 + [drawn])).save(tmp_path / "shape.png")
    void = np.where(inside, np.uint8(15), np.uint8(0))
    void[(distance >= 30) & (distance < 35)] = 255
    Image.fromarray(void).save(tmp_path / "void.png")
    palette = np.zeros((256, 3), np.uint8)
    palette[15], palette[255] = (192, 128, 128), (224, 224, 192)
    indexed = Image.fromarray(void, mode="P")
    indexed.putpalette(palette.tobytes())
    indexed.save(tmp_path / "voc.png")
    for name in ("jpeg.jpg", "webp.webp", "video.png", "soft.png", "shape.png", "void.png", "voc.png"):
        got = io.load_mask(tmp_path / name, 96, 128)
        assert (got & inside).sum() / (got | inside).sum() > 0.98, name


def test_only_the_newest_pictures_of_a_run_are_kept(tmp_path):
    """With all their files; what was there before stays, whatever it is called."""
    before = {name: f"old {name}" for name in ("photo_received.png", "photo.json", "other.txt")}
    for name, content in before.items():
        (tmp_path / name).write_text(content)
    folder = files.Received(tmp_path, keep=True, newest=2)
    names = [put(folder, "photo", str(i)) for i in range(5)]
    here = {path.name for path in tmp_path.iterdir()}
    assert here == before.keys() | {f"photo_{n}{end}" for n in (5, 6) for end in ("_received.png", ".json")}
    assert names[-1] == "photo_6_received.png"
    assert all((tmp_path / name).read_text() == content for name, content in before.items())


def test_a_file_that_took_the_name_of_a_removed_one_stays(tmp_path):
    folder = files.Received(tmp_path, newest=1)
    put(folder, "a", "mine")
    (tmp_path / "a_received.png").unlink()
    (tmp_path / "a_received.png").write_text("somebody else's")
    put(folder, "b")
    assert (tmp_path / "a_received.png").read_text() == "somebody else's" and not (tmp_path / "a.json").exists()


def test_a_sink_keeps_as_many_pictures_as_it_is_told(tmp_path, smooth_image):
    sink = semcom.image_sink(str(tmp_path), ("sent", "received"), newest=1)
    sink.message_port_pub = lambda port, msg: None
    for number in range(3):
        for port in ("in0", "in1"):
            msg = pdus.from_image(smooth_image(8, 8), {"image_id": number})
            sink.work_on(port, msg, pdus.meta_of(msg))
    assert {path.name for path in tmp_path.iterdir()} == {
        f"00002{end}" for end in ("_sent.png", "_received.png", ".png", ".json")
    }
    with pytest.raises(BadInput, match="newest must be"):
        semcom.image_sink(str(tmp_path), newest=-1)


def test_the_longest_recording_is_read_again(tmp_path):
    """As many bursts as are annotated, each with its header."""
    from gnuradio.semcom import recording

    header = {name: 4095 for name in ("transmission", "image_id", "part", "parts", "fragment", "fragments", "scheme")}
    header |= {name: 4095 for name in ("height", "width", "rate", "scale", "snr_enc", "mcs", "weights_id", "n_symbols")}
    marks = [recording.Burst(20_000 * number, 15_000, header) for number in range(2000)]
    text = json.dumps(recording.metadata(1e6, marks, 1e9), indent=1)
    # what the longest one has is in proportion
    share = recording.MAX_BURSTS / len(marks)
    assert share * len(text) < recording.MAX_METADATA
    assert share * sum(map(text.count, ",[{")) < recording.MAX_METADATA // files.VALUE_BYTES
