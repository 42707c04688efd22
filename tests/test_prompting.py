# SPDX-License-Identifier: GPL-3.0-or-later
"""Prompts in messages, answered on a picture that was sent; regions sent again; and the window that is clicked."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pmt
import pytest
from gnuradio import gr, semcom
from gnuradio.semcom import schemes
from gnuradio.semcom.blocks import pdu
from gnuradio.semcom.blocks.prompting import prompts_of
from gnuradio.semcom.errors import BadInput
from gnuradio.semcom.image import io
from gnuradio.semcom.scene.caption.grounding import named_in
from gnuradio.semcom.schemes import Conditions
from gnuradio.semcom.schemes.update import MAX_RATE, SHARPER, Updates
from gnuradio.semcom.segment import Box, ClassName, Mask, Point, Sam, Segmentation
from PIL import Image
from test_live import Known

ROOT = Path(__file__).resolve().parents[1]
ENV = os.environ | {"QT_QPA_PLATFORM": "offscreen"}


def text_pdu(text: str):
    return pdu.from_bytes(text.encode(), {})


@pytest.mark.parametrize(
    "message, prompts",
    [
        (pmt.intern("point:3,4"), (Point(3, 4),)),
        (pmt.cons(pmt.intern("prompts"), pmt.intern("point:3,4,0;box:1,2,3,4")), (Point(3, 4, 0), Box(1, 2, 3, 4))),
        (pdu.message({"prompts": "class:dog", "image_id": 7}), (ClassName("dog"),)),
        (text_pdu("point:3,4"), (Point(3, 4),)),
        (text_pdu("the dogs and a woman"), (ClassName("dog"), ClassName("person"))),
        (pmt.cons(pdu.message({"prompts": "box:1,2,3,4"}), pmt.init_u8vector(0, [])), (Box(1, 2, 3, 4),)),
    ],
)
def test_prompts_arrive_in_many_forms(message, prompts):
    assert prompts_of(message) == prompts


def test_a_mask_is_a_prompt():
    inside = np.zeros((4, 6), np.uint8)
    inside[1:3, 2:5] = 255
    for pixels in (inside, np.repeat(inside[..., None], 3, axis=2)):
        (prompt,) = prompts_of(pdu.from_image(pixels, {}))
        assert isinstance(prompt, Mask) and np.array_equal(prompt.inside, inside > 0)


@pytest.mark.parametrize(
    "message, sentence",
    [
        (pmt.PMT_NIL, "no text"),
        (pmt.from_long(3), "no text"),
        (pmt.intern(""), "without a prompt"),
        (pmt.intern(" ; "), "without a prompt"),
        (pmt.intern("point:1"), "point:X,Y"),
        (pmt.intern("unicorns"), "names no class"),
        (text_pdu("x" * 100_000), "too long"),
        (pdu.message({"image_id": 3}), "no text"),
        (pmt.cons(pdu.message({"height": 3, "width": 3, "channels": 1}), pmt.init_u8vector(2, [1, 1])), "3"),
        (pmt.cons(pmt.PMT_NIL, pmt.init_f32vector(1, [0.0])), "no text"),
    ],
)
def test_messages_that_are_no_prompts_get_one_sentence(message, sentence):
    with pytest.raises(ValueError, match=sentence):
        prompts_of(message)


def test_words_name_classes():
    assert named_in("Two men, some sheep and the dining tables") == ["person", "sheep", "diningtable"]
    assert named_in("a bus; a bus") == ["bus"]
    assert named_in("background") == [] == named_in("")


class Painter(Known):
    """Knows a mask for each point: the columns left of it. Counts what it was asked."""

    rank = Sam.rank

    def __init__(self):
        Known.__init__(self, lambda: None)
        self.embedded = self.asked = 0

    def embed(self, image):
        self.embedded += 1
        return Known.embed(self, image)

    def segment(self, embedding, prompts, labels=None, found=None):
        self.asked += 1
        mask = np.zeros((embedding.height, embedding.width), bool)
        for prompt in prompts:
            if isinstance(prompt, Point):
                mask[:, : int(prompt.x)] = True
            elif isinstance(prompt, Mask):
                mask |= prompt.inside
        return Segmentation(mask, 0.9)


def segmenter(prompts=""):
    """A SAM Segmenter, what it publishes, and what it says."""
    block, published, said = semcom.sam_segmenter(prompts), [], []
    block._sam = Painter()
    block.publish = lambda port, msg: published.append((port, pdu.meta_of(msg), msg))
    block.report = lambda name, sentence, error=None, **more: said.append(sentence)
    return block, published, said


def ask(block, prompts) -> None:
    """A message on the port, answered."""
    block._prompted(pmt.intern(prompts) if isinstance(prompts, str) else prompts)
    while block._queue.qsize():
        block.work_on(*block._queue.get(), {})


def show(block, image, **meta) -> None:
    msg = pdu.from_image(image, meta)
    block.work_on("image", msg, pdu.meta_of(msg))


def masks(published) -> list:
    return [(meta, pdu.to_image(msg) > 0) for port, meta, msg in published if port == "mask"]


def test_a_prompt_on_a_picture_that_was_sent_is_answered_without_the_encoder(smooth_image):
    block, published, said = segmenter()
    show(block, smooth_image(48, 64, 1), image_id=3, name="p")
    ask(block, "point:10,5")
    (first, whole), (again, left) = masks(published)
    assert whole.all() and "update" not in first and first["prompts"] == ""
    assert again["update"] == 1 and again["image_id"] == 3 and again["name"] == "p"
    assert again["prompts"] == "point:10,5,1" and left[:, :10].all() and not left[:, 10:].any()
    assert block._sam.embedded == 1 and not said
    assert [port for port, _, _ in published] == 2 * ["image", "mask", "roi", "overlay"]
    show(block, smooth_image(48, 64, 1), image_id=4)  # the same picture: the prompt holds, and the encoder rests
    assert np.array_equal(masks(published)[-1][1], left) and "update" not in masks(published)[-1][0]
    assert block._sam.embedded == 1
    inside = np.zeros((48, 64), np.uint8)
    inside[5:9, 40:50] = 1
    ask(block, pdu.from_image(inside, {}))
    assert np.array_equal(masks(published)[-1][1], inside > 0)


def test_few_pictures_are_kept(smooth_image):
    block, _, _ = segmenter("point:5,5")
    for seed in (*range(6), 5, 2, 0):
        show(block, smooth_image(32, 32, seed), image_id=seed)
    assert block._sam.embedded == 7 and len(block._known) == 4


@pytest.mark.parametrize(
    "prompts, sentence",
    [
        ("point:64,5", "outside the image"),
        ("box:0,0,65,5", "outside the image"),
        ("mask:/nowhere.png", "nowhere.png"),
        ("unicorn", "names no class"),
        (pdu.from_image(np.ones((3, 3), np.uint8), {}), "does not fit"),
    ],
)
def test_a_bad_prompt_costs_no_image_and_the_last_good_one_stays(prompts, sentence, smooth_image):
    block, published, said = segmenter("point:7,5")
    show(block, smooth_image(48, 64), image_id=1)
    before = len(published)
    ask(block, prompts)
    assert len(published) == before and len(said) == 1
    assert sentence in said[0] and said[0].endswith("the last good prompts stay")
    show(block, smooth_image(48, 64), image_id=2)
    assert masks(published)[-1][1][:, :7].all()


def test_a_picture_that_was_given_up_is_sent_when_a_good_prompt_arrives(smooth_image):
    block, published, said = segmenter("point:1,1")
    block._sam.segment, real = None, block._sam.segment  # it fails
    with pytest.raises(TypeError):
        show(block, smooth_image(48, 64), image_id=1)
    block._sam.segment = real
    ask(block, "point:9,1")
    ask(block, "point:0,1")
    ((meta, _),) = masks(published)
    assert "update" not in meta and "nothing in the image" in said[0]


def test_of_prompts_faster_than_answers_the_newest_is_answered(smooth_image):
    block, published, _ = segmenter()
    show(block, smooth_image(48, 64), image_id=1)
    for x in range(1, 60):
        block._prompted(pmt.intern(f"point:{x},5"))
    assert block._queue.qsize() == 1
    block.work_on(*block._queue.get(), {})
    assert block._sam.asked == 1 and masks(published)[-1][1].sum() == 59 * 48


def test_a_region_is_sent_once_and_again_when_it_is_asked_for_again():
    updates, region = Updates(), np.zeros((10, 20), bool)
    region[:, :8] = True
    updates.sent_whole(1)
    assert np.array_equal(updates.fresh(1, region), region)
    grown = region.copy()
    grown[:, :12] = True
    assert np.array_equal(updates.fresh(1, grown), grown & ~region)
    assert not updates.fresh(1, region).any()  # it shrank: all of it was sent
    assert np.array_equal(updates.fresh(1, region), region)  # asked for twice
    updates.sent_whole(2)
    assert np.array_equal(updates.fresh(2, region), region)


def test_an_update_takes_the_uses_of_its_region():
    region = np.zeros((100, 100), bool)
    region[:10] = True
    assert Updates.rate(1 / 24, region, None) == pytest.approx(SHARPER / 240)
    assert Updates.rate(1 / 6, region, None) == pytest.approx(MAX_RATE / 10)
    assert Updates.rate(None, region, (1 / 20, 1 / 6)) == 1 / 20
    assert Updates.rate(1 / 24, np.ones_like(region), None) == 1 / 24


def receive(reception, scheme, image, rate, importance=None, noise=0.1, number=3):
    """Send an image; the last that is reported, and the symbols that it took."""
    rng = np.random.default_rng(5)
    made = scheme.encode(image, Conditions(rate=rate), scheme.options(), importance)
    reports, uses = [], 0
    for header, symbols in schemes.bursts(made, scheme, "", number, 1):
        variance = noise if header.mcs == 63 else 1e-3  # the map arrives
        noisy = symbols + np.sqrt(variance / 2) * (rng.normal(size=(len(symbols), 2)) @ [1, 1j])
        meta = {"noise_var": np.full(len(symbols), variance, np.float32)} | header.fields()
        reports += reception.feed(meta, noisy.astype(np.complex64))
        uses += len(symbols)
    return reports[-1], uses


def psnr(received, image, where) -> float:
    return 10 * np.log10(255**2 / np.mean((received[where].astype(float) - image[where]) ** 2))


@pytest.mark.parametrize("name", ["softcast", "semcom"])
def test_a_region_arrives_sharper_over_the_picture_that_is_there(name, astronaut):
    image, scheme, reception = io.load(astronaut)[:256, 96:352], schemes.get(name), schemes.Reception()
    region = np.zeros(image.shape[:2], bool)
    region[48:144, 64:160] = True  # whole cells
    first, uses = receive(reception, scheme, image, 1 / 24)
    rate = Updates.rate(1 / 24, region, scheme.rates)
    second, again = receive(reception, scheme, image, rate, region.astype(np.float32))
    assert "update" not in first.meta and second.meta["update"] == 1 and again < 0.75 * uses
    gained = psnr(second.decoded.image, image, region) - psnr(first.decoded.image, image, region)
    assert gained > 2.5, gained
    assert np.array_equal(second.decoded.image[~region], first.decoded.image[~region])
    # what a fade took is not put over what is better
    third, _ = receive(reception, scheme, image, rate, region.astype(np.float32), noise=10.0)
    assert psnr(third.decoded.image, image, region) > psnr(second.decoded.image, image, region) - 0.1
    # another image's region is no update
    other, _ = receive(reception, scheme, image, rate, region.astype(np.float32), number=4)
    assert "update" not in other.meta
    assert psnr(other.decoded.image, image, ~region) < 20


def test_expected_error_is_the_error(astronaut):
    image, scheme = io.load(astronaut)[:256, 96:352], schemes.get("softcast")
    for allocation, noise in (("adaptive", 0.1), ("fixed", 0.1), ("adaptive", 0.5), ("fixed", 0.5)):
        reception = schemes.Reception()
        made = scheme.encode(image, Conditions(rate=1 / 12), scheme.options({"allocation": allocation}))
        rng = np.random.default_rng(1)
        for header, symbols in schemes.bursts(made, scheme, "", 0, 1):
            noisy = symbols + np.sqrt(noise / 2) * (rng.normal(size=(len(symbols), 2)) @ [1, 1j]) * (header.mcs == 63)
            meta = {"noise_var": np.full(len(symbols), noise, np.float32)} | header.fields()
            *_, report = reception.feed(meta, noisy.astype(np.complex64)) or [None]
        expected = report.decoded.error().sum() / 256
        actual = np.sum((report.decoded.image.astype(float) - image) ** 2) / 255**2
        assert 0.6 < expected / actual < 1.7, (allocation, noise, expected, actual)


def test_the_flowgraph_sends_a_region_again_and_the_source_stays(astronaut, tmp_path):
    """Image Source -> segmenter -> JSCC -> sink; a prompt when the picture is there, then the end."""
    photo = tmp_path / "photo.png"
    Image.open(astronaut).crop((96, 0, 352, 256)).save(photo)
    tb, got, ends = gr.top_block(), [], threading.Event()
    source, block = semcom.image_source(str(photo), 1, 1, stay=True), semcom.sam_segmenter("")
    block._sam = Painter()
    encoder, decoder = semcom.jscc_encoder("softcast", rate=1 / 24, use_mask=True), semcom.jscc_decoder()
    channel, sink = semcom.symbol_channel("awgn", 10.0, "ideal"), semcom.image_sink("")
    for link in (
        (source, "image", block, "image"), (block, "image", encoder, "image"), (block, "mask", encoder, "mask"),
        (encoder, "symbols", channel, "symbols"), (channel, "symbols", decoder, "symbols"),
        (decoder, "image", sink, "in"), (sink, "ack", source, "ack"),
    ):  # fmt: skip
        tb.msg_connect(*link)
    take = sink.work_on

    def seen(port, msg, meta):
        take(port, msg, meta)
        got.append((meta, pdu.to_image(msg)))
        if len(got) == 1:
            block.to_basic_block()._post(pmt.intern("prompts"), pmt.intern("point:96,5"))
        else:
            ends.set()

    sink.work_on = seen
    tb.start()
    arrived = ends.wait(60)
    tb.stop()
    tb.wait()
    assert arrived
    image = io.load(photo)
    (first, before), (second, after) = got
    assert second["update"] == 1 and first["image_id"] == second["image_id"]
    assert second["payload_uses"] < 1.05 * first["payload_uses"]
    assert psnr(after, image, np.s_[:, :96]) > psnr(before, image, np.s_[:, :96]) + 2.5
    assert np.array_equal(after[:, 96:], before[:, 96:])


@pytest.mark.gui
@pytest.mark.slow
def test_a_click_in_the_running_window_prompts_anew_and_the_picture_follows(astronaut, tmp_path):
    grcc = [shutil.which("grcc"), "-o", tmp_path, ROOT / "examples" / "gui" / "click_to_prompt.grc"]
    assert subprocess.run(grcc, capture_output=True, timeout=120, env=ENV).returncode == 0
    (script,) = tmp_path.glob("*.py")
    Image.open(astronaut).resize((256, 256)).save(tmp_path / "photo.png")
    driver = [sys.executable, ROOT / "tests" / "click_driver.py", script, tmp_path / "photo.png"]
    done = subprocess.run(driver, capture_output=True, text=True, timeout=300, env=ENV, cwd=tmp_path)
    assert done.returncode == 0, done.stderr[-3000:]
    log = json.loads(done.stdout.split("DONE", 1)[1])
    acts = {entry["did"]: entry for entry in log if "did" in entry}
    assert all(entry["followed"] for entry in acts.values()), log
    assert all(entry["answered"] for entry in log if "typed" in entry), log
    click, drag = (acts[name]["prompts"] for name in ("click", "drag"))
    assert click.startswith("point:110.") and click.endswith(",1") and ";" not in click
    assert acts["shift"]["prompts"].startswith(click + ";point:20.") and acts["shift"]["prompts"].endswith(",0")
    assert acts["undo"]["prompts"] == acts["right"]["prompts"] == click
    assert drag.startswith(click + ";box:185.")
    assert acts["words"]["prompts"] == "" and acts["box"]["prompts"] == "box:5,5,250,250"
    assert "ROI-PSNR" in acts["click"]["note"] != acts["nothing"]["note"]
    assert "Traceback" not in done.stderr, done.stderr[-3000:]


def test_bad_prompts_at_construction_are_refused():
    with pytest.raises(BadInput):
        semcom.sam_segmenter("point:1")
    block = semcom.sam_segmenter("")
    with pytest.raises(BadInput):
        block.set_prompts(" ")
