# SPDX-License-Identifier: GPL-3.0-or-later
"""Picture files of every kind that people have, and the broken ones."""

import struct
import subprocess
import sys
import warnings
import zlib

import numpy as np
import pytest
from gnuradio.semcom.errors import BadInput
from gnuradio.semcom.image.io import MAX_PIXELS, load, load_mask, save_png, side_by_side
from PIL import Image


def photo(height=20, width=30, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def png(header, *chunks):
    """The bytes of a PNG file with this IHDR content and these further chunks."""
    found = b"\x89PNG\r\n\x1a\n"
    for kind, content in ((b"IHDR", header), *chunks):
        found += struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
    return found


def test_colour_comes_back_as_it_was_saved(tmp_path):
    image = photo()
    save_png(tmp_path / "a.png", image)
    found = load(tmp_path / "a.png")
    assert found.dtype == np.uint8 and found.flags.writeable
    np.testing.assert_array_equal(found, image)
    np.testing.assert_array_equal(load(str(tmp_path / "a.png")), image)


def test_one_pixel(tmp_path):
    save_png(tmp_path / "a.png", photo(1, 1))
    assert load(tmp_path / "a.png").shape == (1, 1, 3)


def test_grey_and_black_and_white(tmp_path):
    grey = photo()[..., 0]
    Image.fromarray(grey).save(tmp_path / "grey.png")
    np.testing.assert_array_equal(load(tmp_path / "grey.png"), np.repeat(grey[..., None], 3, axis=2))
    Image.fromarray(grey > 100).save(tmp_path / "bits.png")
    np.testing.assert_array_equal(load(tmp_path / "bits.png")[..., 1], np.where(grey > 100, 255, 0))


def test_palette(tmp_path):
    image = np.zeros((4, 6, 3), np.uint8)
    image[:, 3:] = (10, 200, 30)
    Image.fromarray(image).quantize(2).save(tmp_path / "a.png")
    np.testing.assert_array_equal(load(tmp_path / "a.png"), image)


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_16_bit_grey_is_scaled(tmp_path, suffix):
    levels = np.array([[0, 128, 129, 257, 32768, 65278, 65407, 65535]], np.uint16)
    Image.fromarray(levels).save(tmp_path / f"a.{suffix}")
    expected = np.rint(levels / 257).astype(np.uint8)
    np.testing.assert_array_equal(load(tmp_path / f"a.{suffix}"), np.repeat(expected[..., None], 3, axis=2))


def test_16_bit_grey_with_a_transparent_level(tmp_path):
    rows = b"\x00" + struct.pack(">2H", 1000, 65535 // 3)
    header = struct.pack(">IIBBBBB", 2, 1, 16, 0, 0, 0, 0)
    chunks = [(b"tRNS", struct.pack(">H", 1000)), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    (tmp_path / "a.png").write_bytes(png(header, *chunks))
    assert load(tmp_path / "a.png")[0, :, 0].tolist() == [255, 85]


def test_16_bit_colour_keeps_the_upper_bytes(tmp_path):
    row = b"\x00" + struct.pack(">3H", 0xFF12, 0x8034, 0x0056)
    header = struct.pack(">IIBBBBB", 1, 1, 16, 2, 0, 0, 0)
    (tmp_path / "a.png").write_bytes(png(header, (b"IDAT", zlib.compress(row)), (b"IEND", b"")))
    assert load(tmp_path / "a.png").tolist() == [[[255, 128, 0]]]


@pytest.mark.parametrize("array", [np.ones((3, 3), np.float32), np.full((3, 3), 70000, np.int32)])
def test_numbers_that_are_no_grey_levels(tmp_path, array):
    Image.fromarray(array).save(tmp_path / "a.tif")
    with pytest.raises(BadInput, match=r"a\.tif holds numbers that are no 16-bit grey levels; convert it"):
        load(tmp_path / "a.tif")


def test_transparency_lies_on_white(tmp_path):
    rgba = np.zeros((1, 3, 4), np.uint8)
    rgba[0, :, 0] = 200
    rgba[0, :, 3] = (0, 51, 255)
    Image.fromarray(rgba).save(tmp_path / "a.png")
    np.testing.assert_allclose(load(tmp_path / "a.png")[0], [[255, 255, 255], [244, 204, 204], [200, 0, 0]], atol=1)
    picture = Image.new("P", (2, 1))
    picture.putpalette([9, 9, 9, 8, 8, 8])
    picture.putpixel((1, 0), 1)
    picture.save(tmp_path / "p.png", transparency=0)
    assert load(tmp_path / "p.png").tolist() == [[[255] * 3, [8] * 3]]


def test_exif_orientation_is_applied(tmp_path):
    image = np.zeros((16, 32, 3), np.uint8)
    image[:, :16] = 255
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(image).save(tmp_path / "a.jpg", exif=exif, quality=95)
    found = load(tmp_path / "a.jpg")
    assert found.shape == (32, 16, 3)
    assert found[:14].min() > 240 and found[18:].max() < 15


def test_cmyk(tmp_path):
    Image.new("CMYK", (8, 8), (0, 255, 255, 0)).save(tmp_path / "a.jpg", quality=100)
    np.testing.assert_allclose(load(tmp_path / "a.jpg")[4, 4], [255, 0, 0], atol=6)


def test_first_frame_of_an_animation(tmp_path):
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    assert load(tmp_path / "a.gif")[4, 4].tolist() == [255, 0, 0]


def test_files_that_are_none(tmp_path):
    with pytest.raises(BadInput, match=r"none\.png does not exist; name a picture file$") as caught:
        load(tmp_path / "none.png")
    assert caught.value.exit_status == 2
    with pytest.raises(BadInput, match="is a folder; name a picture file in it"):
        load(tmp_path)
    (tmp_path / "note.png").write_text("not a picture")
    with pytest.raises(BadInput, match=r"note\.png is not a picture of a known format"):
        load(tmp_path / "note.png")
    with pytest.raises(BadInput, match="does not exist"):
        load(tmp_path / "note.png" / "inside.png")
    (tmp_path / "empty.jpg").touch()
    with pytest.raises(BadInput, match="is not a picture of a known format"):
        load(tmp_path / "empty.jpg")


@pytest.mark.parametrize("suffix", ["png", "jpg", "gif", "tif", "bmp", "webp"])
def test_truncated_files(tmp_path, suffix):
    path = tmp_path / f"a.{suffix}"
    Image.fromarray(photo(64, 64)).save(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
    with pytest.raises(BadInput, match=r"cannot be read \(.*\); it may be damaged or cut short|known format"):
        load(path)


def test_damaged_png(tmp_path):
    path = tmp_path / "a.png"
    save_png(path, photo(64, 64))
    content = bytearray(path.read_bytes())
    content[200:300] = bytes(100)
    path.write_bytes(content)
    with pytest.raises(BadInput, match="it may be damaged or cut short"):
        load(path)


@pytest.mark.parametrize(
    ("width", "height", "number"),
    [(2**13, 2**12 + 1, "33,562,624"), (12000, 10000, "120,000,000"), (60000, 60000, "far more")],
)
def test_too_many_pixels_are_refused_before_decoding(tmp_path, width, height, number):
    assert width * height > MAX_PIXELS
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    (tmp_path / "a.png").write_bytes(png(header, (b"IDAT", b""), (b"IEND", b"")))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(BadInput, match=f"has {number} pixels where at most 33,554,432 are taken; make it smaller"):
            load(tmp_path / "a.png")


@pytest.mark.parametrize("mode", ["RGB", "I;16", "RGBA", "P", "LA"])
def test_what_is_converted_by_strips_is_the_picture(tmp_path, monkeypatch, mode):
    image = photo(33, 21)
    if mode == "I;16":
        made = Image.fromarray(image[..., 0].astype(np.uint16) * 257)
    else:
        made = Image.fromarray(image).convert(mode)
        if mode in ("RGBA", "LA"):
            made.putalpha(Image.fromarray(image[..., 1]))
    made.save(tmp_path / "a.png")
    whole = load(tmp_path / "a.png")
    monkeypatch.setattr("gnuradio.semcom.image.io._STRIP", 50)
    np.testing.assert_array_equal(load(tmp_path / "a.png"), whole)
    assert len(np.unique(whole)) > 5


RISE = """
import sys
from gnuradio.semcom.image.io import load

def memory():
    return int(next(l for l in open("/proc/self/status") if l.startswith("VmHWM")).split()[1])

load(sys.argv[2])  # what Pillow loads with the first picture
before = memory()
load(sys.argv[1])
print((memory() - before) // 1024)
"""


@pytest.mark.parametrize(("mode", "layers"), [("RGB", 4), ("I;16", 2), ("RGBA", 4), ("P", 1)])
def test_reading_a_large_picture_takes_itself_and_what_it_becomes(tmp_path, mode, layers):
    height, width = 2048, 4096
    levels = np.add.outer(np.arange(height), np.arange(width)).astype(np.uint16)
    made = Image.fromarray(levels * 9) if mode == "I;16" else Image.fromarray(levels.astype(np.uint8)).convert(mode)
    made.save(tmp_path / "a.png", compress_level=1)
    save_png(tmp_path / "small.png", photo())
    command = [sys.executable, "-c", RISE, str(tmp_path / "a.png"), str(tmp_path / "small.png")]
    said = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    assert int(said.stdout) < (layers + 3) * height * width / 2**20 + 32


def test_masks_of_all_kinds(tmp_path):
    inside = np.zeros((6, 9), bool)
    inside[1:4, 2:7] = True
    Image.fromarray(inside).save(tmp_path / "bits.png")
    Image.fromarray(inside.astype(np.uint8)).save(tmp_path / "faint.png")
    Image.fromarray(inside.astype(np.uint16) * 300).save(tmp_path / "deep.png")
    Image.fromarray(inside[..., None] * np.array([0, 0, 90], np.uint8)).save(tmp_path / "blue.png")
    alpha = np.dstack([np.full((6, 9, 3), 255, np.uint8), np.where(inside, np.uint8(255), np.uint8(0))])
    Image.fromarray(alpha).save(tmp_path / "alpha.png")
    for name in ("bits", "faint", "deep", "blue", "alpha"):
        np.testing.assert_array_equal(load_mask(tmp_path / f"{name}.png", 6, 9), inside, err_msg=name)


def test_text_chunks(tmp_path):
    save_png(tmp_path / "a.png", photo(), {"scheme": "samsc", "note": "Größe →"})
    with Image.open(tmp_path / "a.png") as picture:
        assert picture.text == {"scheme": "samsc", "note": "Größe →"}
    assert b"tEXtscheme\0samsc" in (tmp_path / "a.png").read_bytes()


def test_save_replaces_whole_files_only(tmp_path, monkeypatch):
    path = tmp_path / "a.png"
    first, second = photo(seed=1), photo(seed=2)
    save_png(path, first)
    with monkeypatch.context() as patch:

        def full(self, stream, *args, **kwargs):
            stream.write(b"half a pict")
            raise OSError(28, "No space left on device")

        patch.setattr(Image.Image, "save", full)
        with pytest.raises(BadInput, match=r"a\.png cannot be written \(No space left on device\); name a file in"):
            save_png(path, second)
    np.testing.assert_array_equal(load(path), first)
    save_png(path, second)
    np.testing.assert_array_equal(load(path), second)
    assert [p.name for p in tmp_path.iterdir()] == ["a.png"]


def test_places_that_cannot_be_written(tmp_path):
    (tmp_path / "file").touch()
    for path in (tmp_path / "none" / "a.png", tmp_path / "file" / "a.png", tmp_path):
        with pytest.raises(BadInput, match=r"cannot be written .*; name a file in a folder that you may write to"):
            save_png(path, photo())
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("array", [np.zeros((4, 4, 3)), np.zeros((4, 4), np.uint8), np.zeros((0, 4, 3), np.uint8)])
def test_arrays_that_are_no_image(tmp_path, array):
    with pytest.raises(BadInput, match=r"is no image; give uint8 \[H, W, 3\] or bool \[H, W\]"):
        save_png(tmp_path / "a.png", array)


def test_montage():
    left, right = np.full((200, 100, 3), 40, np.uint8), np.full((50, 50, 3), 90, np.uint8)
    montage = side_by_side([("sent", left), ("received at 10 dB", right)])
    assert montage.dtype == np.uint8 and montage.shape[2] == 3
    # 200 rows of each panel, the second one enlarged four times, beneath a title bar with black letters on white
    assert (montage == 40).all(axis=2).sum() >= 200 * 100
    assert (montage == 90).all(axis=2).sum() >= 200 * 200
    bar = montage[: montage.shape[0] - 200 - 8]
    assert bar.min() < 60 and np.median(bar) == 255
    assert (montage[:, 0] == 255).all()


def test_montage_of_odd_panels():
    tiny = side_by_side([("a long title over one pixel", np.zeros((1, 1, 3), np.uint8)), ("", np.ones((3, 4), bool))])
    assert 96 < tiny.shape[0] < 150
    huge = side_by_side([("huge", np.zeros((3000, 1000, 3), np.uint8))])
    assert 1024 < huge.shape[0] < 1100 and huge.shape[1] < 400
    with pytest.raises(BadInput, match="a montage needs at least one panel"):
        side_by_side([])


def test_a_long_thin_picture_does_not_make_a_montage_of_gigabytes():
    strip = np.zeros((1, 32767, 3), np.uint8)
    montage = side_by_side([("strip", strip), ("square", np.zeros((1024, 1024, 3), np.uint8))])
    assert montage.shape[1] < 6000


def test_a_pillow_without_avif_reads_the_others(tmp_path, astronaut, monkeypatch):
    monkeypatch.delitem(Image.OPEN, "AVIF")
    assert load(astronaut).shape == (512, 512, 3)
    (tmp_path / "text.png").write_text("no picture")
    with pytest.raises(BadInput, match="not a picture of a known format"):
        load(tmp_path / "text.png")
