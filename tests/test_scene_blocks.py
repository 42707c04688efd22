# SPDX-License-Identifier: GPL-3.0-or-later
"""ES-ISC in flowgraphs: unequal protection, parts as they come, and what is lost."""

from __future__ import annotations

import json

import numpy as np
import pmt
import pytest
from gnuradio import gr, semcom
from gnuradio.semcom import digital
from gnuradio.semcom.blocks import pdu as pdus
from gnuradio.semcom.errors import BadInput
from gnuradio.semcom.links.loopback import LoopbackSettings, loopback
from gnuradio.semcom.links.transceiver import trailer_samples
from gnuradio.semcom.scene import Protection, Scene, SubImage, decode_scene, parts
from gnuradio.semcom.scene.appearance import measure
from gnuradio.semcom.scene.coding import container
from gnuradio.semcom.segment import SceneObject
from PIL import Image
from test_digital_blocks import messages

VOC_DOG = 12


class Probe:
    """What a block publishes and reports."""

    def __init__(self, block):
        self.out, self.said = [], []
        block.publish = lambda port, msg: self.out.append((port, msg))
        block.report = lambda name, sentence, error=None: self.said.append(sentence)

    def at(self, port):
        return [msg for where, msg in self.out if where == port]


def scene(height=96, width=128):
    from gnuradio.semcom import codec

    rng = np.random.default_rng(4)
    image = np.kron(rng.integers(0, 255, (6, 8, 3), np.uint8), np.ones((16, 16, 1), np.uint8))
    labels = np.zeros((height, width), np.uint8)
    labels[20:70, 30:90] = VOC_DOG
    segments = np.ones((height, width), np.uint8)
    segments[:, 64:] = 2
    sub = SubImage((32, 16, 64, 48), codec.encode(image[16:48, 32:64].copy(), "avif", 900).data)
    return Scene(
        height, width, "A dog on a chequered floor.", labels, (SceneObject(VOC_DOG, (30, 20, 90, 70), 3000),),
        measure(image, (labels > 0).astype(np.uint8) + 1), segments, measure(image, segments), (sub,),
    )  # fmt: skip


def sent(plan, number=7):
    """The bursts that a Digital Encoder makes of a plan: [(metadata, PDU)]."""
    encoder = semcom.digital_encoder()
    probe = Probe(encoder)
    data = b"".join(part.data for part in plan)
    meta = {"image_id": number, "height": 96, "width": 128, "scheme": 5}
    msg = pdus.from_bytes(data, meta | {"plan": digital.plan_text(plan)})
    encoder.work_on("bytes", msg, pdus.meta_of(msg))
    return [(pdus.meta_of(msg), msg) for msg in probe.at("symbols")]


def test_plan_of_parts_is_read_as_it_was_written():
    plan = parts(scene())
    data = b"".join(part.data for part in plan)
    assert digital.planned(data, digital.plan_text(plan)) == plan
    for wrong in ("", "10@0", "10@0x1", f"{len(data)}@99x1", f"{len(data)}@0x1,", "1e3@0x1"):
        with pytest.raises(BadInput):
            digital.planned(data, wrong)


def test_sections_are_protected_by_their_importance():
    plan = parts(scene(), Protection(semantics=0, detail=2, sub_images=10, bursts=4))
    assert [part.mcs.index for part in plan] == [0, 2, 10]
    kinds = [[section.name for section in decode_scene(part.data).sections] for part in plan]
    assert kinds == [["text", "A-seg", "boxes"], ["colours", "B-seg"], ["S-img"]]
    assert b"".join(part.data for part in plan) == container.encode(scene())
    bursts = sent(plan)
    # those that are spread take turns from beginning to end; the last burst of the last part ends the image
    assert [meta["mcs"] for meta, _ in bursts] == [0, 2] * 4 + [10]
    assert [meta["fragment"] for meta, _ in bursts] == [0, 0, 1, 1, 2, 2, 3, 3, 0]
    with pytest.raises(BadInput):
        Protection(bursts=0)


@pytest.mark.parametrize("lost", [(), (2,), (8,), (0, 2, 4, 6), (0, 2, 4, 6, 8)])
def test_what_is_lost_costs_only_its_part(lost):
    """One burst of a robust part is not missed; a part that is gone takes its sections and no others."""
    decoder, reader = semcom.digital_decoder("esisc", 12.0), semcom.esisc_decoder(True)
    got, shown = Probe(decoder), Probe(reader)
    for i, (meta, msg) in enumerate(sent(parts(scene()))):
        meta = meta | {"noise_var": np.full(meta["n_symbols"], 0.06, np.float32)}
        symbols = pdus.to_symbols(msg) if i not in lost else np.zeros(0, np.complex64)
        if i in lost:
            del meta["noise_var"]
        decoder._take("symbols", pdus.from_symbols(symbols, meta))
    for port, msg in got.out:
        assert port in ("part", "bytes")
        reader._take("bytes", msg)
    (picture,) = shown.at("image")
    meta = pdus.meta_of(picture)
    assert "error" not in meta
    expected = ["text", "A-seg", "boxes", "colours", "B-seg", "S-img"]
    if 0 in lost:
        expected = expected[3:]
    if 8 in lost:
        expected.remove("S-img")
    assert meta["sections"].split() == expected
    assert pdus.to_image(picture).shape == (96, 128, 3)
    assert len(shown.at("text")) == len(shown.at("labels")) == (0 not in lost)
    # whatever was lost, each view came once
    for view in ("text_view", "labels_view", "segments_view"):
        assert len(shown.at(view)) == 1
    if 0 not in lost:
        assert pdus.to_bytes(shown.at("text")[0]).decode() == "A dog on a chequered floor."
        labels = pdus.meta_of(shown.at("labels")[0])
        assert labels["objects"] == "dog 30,20,90,70"
        # the caption is there before the last burst came
        order = [port for port, _ in got.out]
        assert order.index("part") < order.index("bytes")
    assert len(shown.at("preview")) == len(got.at("part"))


def test_a_scene_of_which_nothing_came_is_given_up_everywhere():
    reader = semcom.esisc_decoder()
    shown = Probe(reader)
    reader._take("bytes", pdus.from_bytes(b"\0" * 300, {"image_id": 3, "height": 96, "width": 128}))
    for port in ("image", "text_view", "labels_view", "segments_view"):
        assert "error" in pdus.meta_of(shown.at(port)[0])


def test_damage_is_told_and_the_rest_used():
    reader = semcom.esisc_decoder()
    shown = Probe(reader)
    data = bytearray(container.encode(scene()))
    data[container.HEADER_BYTES + 8] ^= 1
    reader._take("bytes", pdus.from_bytes(bytes(data), {"image_id": 1, "height": 96, "width": 128}))
    assert any("damaged" in sentence for sentence in shown.said)
    assert not shown.at("text")
    assert pdus.meta_of(shown.at("image")[0])["sections"].startswith("A-seg")


@pytest.mark.parametrize("level", ["symbol", "waveform"])
def test_loopback_of_a_photograph(tmp_path, level):
    settings = LoopbackSettings(
        semcom.sample_image("skimage_chelsea.png"),
        tmp_path,
        "esisc",
        {"boundaries": False, "budget": 3000},
        8.0,
        level=level,
    )
    report = loopback(settings).measure()
    assert "error" not in report
    assert "cat" in report["caption"]
    assert 2000 < report["bytes"] <= 3000
    assert report["psnr_db"] > 24
    assert report["lost"] == 0
    assert report["air_uses"] >= report["payload_uses"] > 0


def test_a_loopback_of_which_nothing_arrives_ends(tmp_path, astronaut):
    """The first image of a run, too: silence that nothing went before is silence."""
    settings = LoopbackSettings(astronaut, tmp_path, "softcast", {}, -25.0, level="waveform", st_lpips=False)
    assert "without a picture" in loopback(settings).measure()["error"]


def test_encoder_sends_what_the_prompts_say(tmp_path, astronaut):
    encoder = semcom.esisc_encoder("box:10,20,110,140", budget=2500, boundaries=False)
    probe = Probe(encoder)
    image = np.asarray(Image.open(astronaut).convert("RGB").resize((256, 256)))
    for prompts in ("box:10,20,110,140", "mask:" + str(tmp_path / "mask.png")):
        mask = np.zeros((256, 256), np.uint8)
        mask[40:100, 60:200] = 255
        Image.fromarray(mask).save(tmp_path / "mask.png")
        encoder.set_prompts(prompts)
        encoder._take("image", pdus.from_image(image, {"image_id": 1, "name": "a"}))
    assert not probe.said
    boxes = [decode_scene(pdus.to_bytes(msg)).scene.sub_images[0].box for msg in probe.at("bytes")]
    x0, y0, x1, y1 = boxes[1]
    assert x0 <= 60 < 200 <= x1 and y0 <= 40 < 100 <= y1 and (x1 - x0) * (y1 - y0) < 2 * 140 * 60
    meta = pdus.meta_of(probe.at("bytes")[0])
    assert meta["scheme"] == 5 and meta["caption"] and meta["bytes"] <= 2500
    with pytest.raises(BadInput):
        encoder.set_prompts("box:1,2")
    with pytest.raises(BadInput):
        encoder.set_budget(3)


def test_sinks_write_what_came(tmp_path, capsys):
    text = semcom.text_sink(str(tmp_path / "captions.txt"))
    text._take("in", pdus.from_bytes(b"A dog\nand a\tcat", {"image_id": 5}))
    assert (tmp_path / "captions.txt").read_text() == "00005\tA dog and a cat\n" == capsys.readouterr().out
    assert text.texts == {5: "A dog and a cat"}

    maps = semcom.label_map_sink(str(tmp_path))
    probe = Probe(maps)
    labels = np.zeros((60, 80), np.uint8)
    labels[10:30, 20:60] = VOC_DOG
    maps._take("in", pdus.from_image(labels, {"image_id": 5, "objects": "dog 20,10,60,30"}))
    assert not probe.said
    assert np.array_equal(np.asarray(Image.open(tmp_path / "00005_map.png")), labels)
    written = json.loads((tmp_path / "00005_objects.json").read_text())
    assert written["objects"] == [{"class": "dog", "box": [20, 10, 60, 30]}]
    assert written["classes"] == {"background": 4000, "dog": 800}
    drawn = pdus.to_image(probe.at("image")[0])
    assert drawn.shape[1] == 80 and drawn.shape[0] > 60
    for bad in ({"objects": "dog 0,0,90,90"}, {"objects": "unicorn 0,0,9,9"}, {"classes": "background dog"}):
        maps._take("in", pdus.from_image(labels, {"image_id": 6} | bad))
    assert len(probe.said) == 3

    inspector = semcom.scene_inspector()
    probe = Probe(inspector)
    inspector._take("in", pdus.from_bytes(container.encode(scene()), {"image_id": 2}))
    assert "object   dog, 60x50 at 30,20" in capsys.readouterr().out
    assert set(inspector.results[0]["sections"]) == {"text", "A-seg", "boxes", "colours", "B-seg", "S-img"}
    assert pmt.is_dict(probe.at("report")[0])


def test_scene_over_a_noisy_waveform_at_0_db_keeps_what_matters():
    """S-img at its MCS cannot be read there; text, A-seg and boxes can."""

    plan = parts(scene(), Protection(sub_images=10))
    meta = {"height": 96, "width": 128, "scheme": 5, "plan": digital.plan_text(plan)}
    tb, source = gr.top_block(), messages([(b"".join(part.data for part in plan), meta)])
    params = semcom.ofdm_params()
    encoder, receiver = semcom.digital_encoder(), semcom.receiver()
    modulator = semcom.burst_modulator(params, trailer=trailer_samples(params))
    tb.connect(modulator, semcom.waveform_channel(snr_db=0.0, params=params, seed=5), receiver)
    tb.msg_connect(source, "bytes", encoder, "bytes")
    tb.msg_connect(encoder, "symbols", modulator, "symbols")
    tb.msg_connect(receiver, "image", source, "answer")
    tb.run()
    ((_, result),) = source.got
    assert result["sections"].split() == ["text", "A-seg", "boxes", "colours", "B-seg"]
    assert result["caption"] == "A dog on a chequered floor."
