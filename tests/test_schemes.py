# SPDX-License-Identifier: GPL-3.0-or-later
"""Schemes: the registry, a scheme of one's own everywhere, and what a receiver makes of what it does not know."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml
from conftest import ROOT
from gnuradio import gr, semcom
from gnuradio.semcom import burst, schemes
from gnuradio.semcom.cli import main
from gnuradio.semcom.errors import BadInput
from gnuradio.semcom.image import io
from gnuradio.semcom.links.loopback import LoopbackSettings, loopback
from gnuradio.semcom.schemes import registry
from gnuradio.semcom.sweep import SweepSettings, in_process, sweep
from PIL import Image

OWN_CODER = ROOT / "examples" / "own_coder"
COMMAND = Path(sys.prefix) / "bin" / "semcom"
MAX_SECONDS = 100  # seconds that a process may take


@pytest.fixture
def toy(monkeypatch):
    """The thirty lines of the example, registered for one test."""
    monkeypatch.syspath_prepend(OWN_CODER)
    monkeypatch.setattr(registry, "_registered", dict(registry._registered))
    from toy_scheme import Toy

    return schemes.register(Toy)


@pytest.fixture
def pair(tmp_path) -> str:
    """Two networks that any tool could have exported: a strided convolution, and one that undoes it."""
    return f"onnx:{network(tmp_path / 'enc.onnx', 'encoder')},{network(tmp_path / 'dec.onnx', 'decoder')}"


def network(path: Path, role: str, channels: int = 12, change=None) -> Path:
    """Means of 8x8 pixels of each colour, rotated into ``channels`` channels, and back."""
    onnx = pytest.importorskip("onnx")
    stride = 8
    rng = np.random.default_rng(1)
    # the first three channels are the colours' means, the others are of no use
    weight = np.zeros((channels, 3, stride, stride), np.float32)
    for colour in range(3):
        weight[colour, colour] = 1 / stride**2
    weight[3:] = rng.standard_normal((channels - 3, 3, stride, stride)) * 1e-3
    back = np.zeros((channels, 3, stride, stride), np.float32)
    for colour in range(3):
        back[colour, colour] = 1
    op, value = ("Conv", weight) if role == "encoder" else ("ConvTranspose", back)
    free = {"encoder": (["1", "3", "H", "W"], [1, channels, "h", "w"]), "decoder": ([1, channels, "h", "w"], None)}
    shape_in = [1, 3, "H", "W"] if role == "encoder" else free["decoder"][0]
    shape_out = free["encoder"][1] if role == "encoder" else [1, 3, "H", "W"]
    names = ("image", "latent") if role == "encoder" else ("latent", "image")
    about = {
        "nodes": [onnx.helper.make_node(op, [names[0], "w"], [names[1]], strides=[stride, stride])],
        "inputs": [onnx.helper.make_tensor_value_info(names[0], onnx.TensorProto.FLOAT, shape_in)],
        "outputs": [onnx.helper.make_tensor_value_info(names[1], onnx.TensorProto.FLOAT, shape_out)],
        "initializer": [onnx.numpy_helper.from_array(value, "w")],
        "opset": 17,
    }
    if change:
        change(onnx, about)
    graph = onnx.helper.make_graph(
        about["nodes"], role, about["inputs"], about["outputs"], initializer=about["initializer"]
    )
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", about["opset"])], ir_version=8)
    path.write_bytes(model.SerializeToString())
    return path


@pytest.fixture
def photo(tmp_path, astronaut) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    with Image.open(astronaut) as picture:
        picture.convert("RGB").resize((192, 160)).save(folder / "a.png")
    return folder / "a.png"


def address() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"zmq:tcp://127.0.0.1:{probe.getsockname()[1]}"


def both_levels_and_a_sweep(scheme, photo: Path, tmp_path: Path, options: dict | None = None) -> None:
    """A scheme through the flowgraphs at both levels, and a sweep that gives the same figures."""
    for level in ("symbol", "waveform"):
        settings = LoopbackSettings(
            photo, tmp_path / level, scheme, options or {}, snr_db=15.0, seed=3, level=level, st_lpips=False
        )
        report = loopback(settings).measure()
        assert "error" not in report and report["lost"] == 0 and report["psnr_db"] > 15
        if level == "symbol":
            at_symbol_level = report
    outcome = sweep(SweepSettings(photo, tmp_path / "s.json", scheme, options or {}, snr=(15.0,), seed=3), in_process)
    point = json.loads(outcome.path.read_text())["points"][0]
    assert point["psnr_db"] == pytest.approx(at_symbol_level["psnr_db"], abs=0.002)
    assert point["payload_kn"] == at_symbol_level["payload_kn"]


def two_processes(scheme: str, photo: Path, tmp_path: Path, env: dict, receiver: str = "auto") -> None:
    """``semcom tx`` and ``semcom rx`` over ZeroMQ."""
    via = ("--via", address())
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "env": os.environ | env}
    rx = [COMMAND, "rx", *via, "--count", "1", "--out", tmp_path / "rx", "--json", "--scheme", receiver]
    listening = subprocess.Popen(rx, **pipes)
    sending = subprocess.Popen([COMMAND, "tx", photo, *via, "--scheme", scheme, "--json"], **pipes)
    for process in (sending, listening):
        out, err = process.communicate(timeout=MAX_SECONDS)
        assert (process.returncode, err) == (0, "")
        (report,) = (json.loads(line) for line in out.splitlines())
        assert report["scheme"] == scheme.split(":")[0] or report["scheme"] == scheme
    assert Image.open(report["images"]["received"]).size == (192, 160)


def flowgraph(scheme: str, photo: Path, tmp_path: Path, env: dict, variant: str = "") -> None:
    """The example over the waveform, with another scheme typed into it, by grcc."""
    graph = yaml.safe_load((ROOT / "examples" / "headless" / "jscc_over_waveform.grc").read_text())
    graph["options"]["parameters"]["id"] = "own"
    for block in graph["blocks"]:
        if block["id"] == "semcom_sam_segmenter":
            block["parameters"]["prompts"] = "point:90,60"
        if block["id"] in ("semcom_transmitter", "semcom_receiver"):
            sends = block["id"].endswith("transmitter")
            block["parameters"] |= {"scheme": repr(scheme), "variant": repr(variant if sends else "auto")}
    example = tmp_path / "own.grc"
    example.write_text(yaml.dump(graph))
    env = os.environ | env | {"GRC_BLOCKS_PATH": str(Path(sys.prefix) / "share/gnuradio/grc/blocks")}
    run = {"capture_output": True, "text": True, "timeout": MAX_SECONDS, "env": env, "cwd": tmp_path}
    done = subprocess.run([shutil.which("grcc"), "-o", tmp_path, example], **run)
    assert done.returncode == 0, done.stdout + done.stderr
    done = subprocess.run([sys.executable, tmp_path / "own.py", "--image", photo, "--out", tmp_path / "grcc"], **run)
    assert done.returncode == 0 and "Traceback" not in done.stderr, done.stderr
    (report,) = (tmp_path / "grcc").glob("*.json")
    assert json.loads(report.read_text())["scheme"] == (scheme.rpartition(":")[2] if ".py:" in scheme else scheme)


@pytest.fixture
def installed(tmp_path) -> dict:
    """What makes a process find the toy by its entry point, as an installed package would."""
    site = tmp_path / "site"
    (site / "toy-1.0.dist-info").mkdir(parents=True)
    shutil.copy(OWN_CODER / "toy_scheme.py", site)
    (site / "toy-1.0.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: toy\nVersion: 1.0\n")
    (site / "toy-1.0.dist-info" / "entry_points.txt").write_text("[semcom.schemes]\ntoy = toy_scheme:Toy\n")
    return {"PYTHONPATH": os.pathsep.join([str(site), os.environ.get("PYTHONPATH", "")])}


@pytest.mark.parametrize(
    ("scheme", "options"),
    [
        ("softcast", None),
        ("samsc", {"variant": "masked"}),
        ("semcom", None),
        ("segsc", None),
        ("digital", {"codec": "jpeg2000", "mcs": 10}),
        ("esisc", {"boundaries": False}),
    ],
)
def test_what_ships_gives_the_same_figures_everywhere(photo, tmp_path, scheme, options):
    both_levels_and_a_sweep(scheme, photo, tmp_path, options)


def test_a_registered_scheme_is_one_of_them(toy, photo, tmp_path, capsys):
    both_levels_and_a_sweep("toy", photo, tmp_path)
    # the command, which knows it too
    assert main(["loopback", str(photo), "--scheme", "toy", "--json", "--out", str(tmp_path / "c")]) == 0
    assert json.loads(capsys.readouterr().out)["scheme"] == "toy"


def test_an_entry_point_is_found_by_tx_rx_sweep_and_grcc(photo, tmp_path, installed):
    two_processes("toy", photo, tmp_path, installed)
    flowgraph("toy", photo, tmp_path, installed)
    args = [
        "sweep",
        "--scheme",
        "toy",
        "--images",
        photo,
        "--snr",
        "15",
        "--workers",
        "1",
        "--out",
        tmp_path / "s.json",
    ]
    done = subprocess.run(
        [COMMAND, *args], capture_output=True, text=True, timeout=MAX_SECONDS, env=os.environ | installed
    )
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "s.json").read_text())["scheme"] == "toy"


def test_an_entry_point_that_does_not_load_costs_only_itself(tmp_path, installed):
    (tmp_path / "site" / "toy_scheme.py").write_text("raise RuntimeError('broken')")
    code = "from gnuradio.semcom import schemes; print(schemes.names())"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, env=os.environ | installed
    )
    assert "softcast" in done.stdout and "toy" not in done.stdout
    assert "the scheme toy of toy_scheme:Toy does not load: broken" in done.stderr


def test_two_onnx_files_are_a_scheme(pair, photo, tmp_path):
    both_levels_and_a_sweep(pair, photo, tmp_path)
    two_processes(pair, photo, tmp_path, {}, receiver=pair)
    flowgraph(pair, photo, tmp_path, {})


def test_an_onnx_pair_tells_its_rate_and_takes_snr_and_noise(tmp_path, smooth_image):
    """12 channels at a stride of 8: 12 reals for 192 values; the decoder's optional inputs are fed."""

    def with_conditions(onnx, about):
        kinds = onnx.TensorProto.FLOAT
        about["inputs"] += [
            onnx.helper.make_tensor_value_info("snr", kinds, [1]),
            onnx.helper.make_tensor_value_info("noise_var", kinds, [1, 12, "h", "w"]),
        ]
        # no noise, no change: latent * 1 / (1 + noise_var) + 0 * snr
        about["nodes"] = [
            onnx.helper.make_node("Add", ["noise_var", "one"], ["n"]),
            onnx.helper.make_node("Div", ["latent", "n"], ["weighed"]),
            onnx.helper.make_node("Mul", ["snr", "zero"], ["nothing"]),
            onnx.helper.make_node("Add", ["weighed", "nothing"], ["y"]),
            onnx.helper.make_node("ConvTranspose", ["y", "w"], ["image"], strides=[8, 8]),
        ]
        about["initializer"] += [
            onnx.numpy_helper.from_array(np.array([value], np.float32), name)
            for name, value in (("one", 1), ("zero", 0))
        ]

    encoder = network(tmp_path / "e.onnx", "encoder")
    decoder = network(tmp_path / "d.onnx", "decoder", change=with_conditions)
    coder = schemes.get(f"onnx:{encoder},{decoder}").coder("")
    image = smooth_image(50, 70)
    sent = coder.encode(image)
    assert len(sent.symbols) == 7 * 9 * 12 // 2
    back = coder.decode(sent.symbols, np.zeros(len(sent.symbols), np.float32), sent.header)
    lost = coder.decode(sent.symbols, np.full(len(sent.symbols), np.inf, np.float32), sent.header)
    assert np.abs(back.astype(int) - image).mean() < 12 and lost.max() <= 1
    with pytest.raises(BadInput, match=r"k/n = 0\.03125 only"):
        coder.encode(image, rate=1 / 12)


def wrong(**fields):
    """A change of a network's description."""
    return lambda onnx, about: about.update({name: make(onnx) for name, make in fields.items()})


@pytest.mark.parametrize(
    ("role", "change", "sentence"),
    [
        ("encoder", wrong(opset=lambda o: 99), "export it with an opset"),
        (
            "encoder",
            wrong(inputs=lambda o: [o.helper.make_tensor_value_info("image", o.TensorProto.FLOAT, [1, 4, "H", "W"])]),
            r"an image \[1, 3, H, W\] was expected|cannot be loaded",
        ),
        (
            "encoder",
            wrong(inputs=lambda o: [o.helper.make_tensor_value_info("image", o.TensorProto.FLOAT, None)]),
            r"it must take an image \[1, 3, H, W\]",
        ),
        (
            "encoder",
            wrong(nodes=lambda o: [o.helper.make_node("Conv", ["image", "w"], ["c"], strides=[8, 8]),
                                   o.helper.make_node("Log", ["c"], ["d"]),
                                   o.helper.make_node("Log", ["d"], ["latent"])]),
            "values that are not finite",
        ),
        (
            "encoder",
            wrong(nodes=lambda o: [o.helper.make_node("Conv", ["image", "w"], ["c"], strides=[8, 8]),
                                   o.helper.make_node("Flatten", ["c"], ["latent"])],
                  outputs=lambda o: [o.helper.make_tensor_value_info("latent", o.TensorProto.FLOAT, None)]),
            r"\[1, C, h, w\] was expected",
        ),
        (
            "decoder",
            wrong(nodes=lambda o: [o.helper.make_node("ConvTranspose", ["latent", "w"], ["image"], strides=[4, 4])]),
            r"\[1, 3, 64, 64\] was expected",
        ),
        (
            "decoder",
            wrong(inputs=lambda o: [o.helper.make_tensor_value_info(n, o.TensorProto.FLOAT, [1, 12, "h", "w"])
                                    for n in ("latent", "other")]),
            "has 2 inputs beside",
        ),
    ],
)  # fmt: skip
def test_a_wrong_network_gets_one_sentence(tmp_path, role, change, sentence):
    files = {name: network(tmp_path / f"{name}.onnx", name) for name in ("encoder", "decoder")}
    network(files[role], role, change=change)
    with pytest.raises(BadInput, match=sentence) as caught:
        schemes.get(f"onnx:{files['encoder']},{files['decoder']}").coder("")
    assert "\n" not in str(caught.value) and files[role].name in str(caught.value)


@pytest.mark.parametrize(
    ("scheme", "status", "sentence"),
    [
        ("onnx:nowhere.onnx,gone.onnx", 3, "nowhere.onnx is not here"),
        ("onnx:only.onnx", 2, "write onnx:ENCODER.onnx,DECODER.onnx"),
        ("h266", 2, "there is no scheme 'h266'"),
    ],
)
def test_a_scheme_that_there_is_not_gets_one_sentence(photo, capsys, scheme, status, sentence):
    assert main(["loopback", str(photo), "--scheme", scheme]) == status
    err = capsys.readouterr().err
    assert sentence in err and err.count("\n") == 1


def test_names_and_codes_are_taken_once(toy):
    class Other(schemes.Scheme):
        name, code = "other", 200

    with pytest.raises(BadInput, match="which is that of toy"):
        schemes.register(Other)
    Other.code = 5
    with pytest.raises(BadInput, match="choose one from 128 to 253"):
        schemes.register(Other)
    for name in ("softcast", "auto", "onnx:x", ""):
        Other.name, Other.code = name, 201
        with pytest.raises(BadInput, match="a name of its own"):
            schemes.register(Other)
    with pytest.raises(BadInput, match="is not a scheme"):
        schemes.register(int)
    assert schemes.register(toy) is toy


def test_every_scheme_says_what_it_is():
    codes = [scheme.code for scheme in schemes.schemes().values()]
    assert len(set(codes)) == len(codes)
    for scheme in schemes.schemes().values():
        assert scheme.title and scheme.reference and scheme.__doc__
        for item in scheme.Options.__dataclass_fields__.values():
            assert item.metadata["help"]


@pytest.mark.parametrize(
    ("scheme", "options", "sentence"),
    [
        ("digital", {"codec": "gif"}, "codec must be one of jpeg, jpeg2000, avif, got gif"),
        ("digital", {"mcs": 40}, "there is no MCS 40"),
        ("digital", {"mcs": "fast"}, "mcs fast is not a number"),
        ("digital", {"loss": 2}, "loss must be between 0 and 1, got 2"),
        ("esisc", {"budget": 3}, "budget must be from 64 to 900000, got 3"),
        ("esisc", {"bursts": 65}, "bursts must be from 0 to 64, got 65"),
        ("esisc", {"boundaries": "yes"}, "boundaries must be true or false"),
        ("esisc", {"budget": "many"}, "budget must be of type int"),
        (
            "softcast",
            {"codec": "avif"},
            "codec is not an option of scheme softcast; its options are layers, allocation",
        ),
    ],
)
def test_options_that_cannot_be(scheme, options, sentence):
    with pytest.raises(BadInput, match=sentence):
        schemes.get(scheme).options(options)


def bursts_of(name, image, options=None, number=0, transmission=0, conditions=None, title=""):
    """The metadata and symbols of an image's bursts, as they leave a channel without noise."""
    scheme = schemes.get(name)
    sent = scheme.encode(image, conditions or schemes.Conditions(), scheme.options(options))
    made = schemes.bursts(sent, scheme, title, number, transmission)
    return [(h.fields() | {"noise_var": np.full(len(s), 1e-4, np.float32)}, s) for h, s in made]


def received(bursts, **options):
    """(images, sentences) that a reception makes of bursts."""
    reception = schemes.Reception(**options)
    reports = [report for meta, symbols in bursts for report in reception.feed(meta, symbols)]
    reports += reception.finish()
    images = [report for report in reports if isinstance(report, schemes.Image)]
    return images, [report.sentence for report in reports if isinstance(report, burst.Dropped)]


def test_schemes_mixed_on_one_channel_all_arrive(smooth_image):
    """Two senders with the same numbers, bursts interleaved: each image is decoded by its own scheme."""
    image = smooth_image(96, 128)
    sent = {
        "softcast": bursts_of("softcast", image),
        "semcom": bursts_of("semcom", image, transmission=1),
        "digital": bursts_of("digital", image, transmission=2, title="Käse"),
        "samsc": bursts_of("samsc", image, {"variant": "masked"}),
    }
    longest = max(map(len, sent.values()))
    mixed = [bursts[i] for i in range(longest) for bursts in sent.values() if i < len(bursts)]
    images, said = received(mixed)
    assert said == [] and {i.meta["scheme"] for i in images} == set(sent) and not any(i.error for i in images)
    for each in images:
        assert np.abs(each.decoded.image.astype(int) - image).mean() < 6
    # what carries bits carries the name as well, where there is room
    names = {i.meta["scheme"]: i.meta.get("name") for i in images}
    assert names["softcast"] is None and names["digital"] in (None, "Käse")


def test_a_name_travels_where_there_is_room(smooth_image):
    """Behind the bytes, in the padding or in what the budget leaves; the bytes themselves stay as they are."""
    image = smooth_image(96, 128)
    found = []
    for rate in (1 / 6, 1 / 12, 1 / 24):
        conditions = schemes.Conditions(rate=rate)
        plain, named = (bursts_of("digital", image, conditions=conditions, title=t) for t in ("", "skimage_chelsea"))
        assert sum(len(s) for _, s in named) <= rate * image.size
        (a,), _ = received(plain)
        (b,), _ = received(named)
        assert np.array_equal(a.decoded.image, b.decoded.image) and a.meta["bytes"] == b.meta["bytes"]
        assert "name" not in a.meta
        found.append(b.meta.get("name"))
    assert "skimage_chelsea" in found and set(found) <= {"skimage_chelsea", None}


@pytest.mark.parametrize(
    ("sender", "receiver", "sentence"),
    [
        (("samsc", {"variant": "masked"}), {"scheme": "samsc", "variant": "original"}, "weights 'masked'"),
        (("samsc", {"variant": "original"}), {"variant": "masked"}, "weights 'original'"),
        (("softcast", None), {"scheme": "semcom"}, "of scheme softcast arrived at a receiver set to semcom"),
        (("digital", None), {"scheme": "softcast"}, "of scheme digital arrived at a receiver set to softcast"),
    ],
)
def test_what_a_receiver_is_not_set_to_is_one_sentence_and_no_picture(smooth_image, sender, receiver, sentence):
    image = smooth_image(96, 160)
    good = receiver.get("scheme", "samsc"), ({"variant": receiver["variant"]} if "variant" in receiver else None)
    before, wrong_ones, after = (
        bursts_of(*who, number=number) if isinstance(who, tuple) else who
        for number, who in enumerate(
            ((good[0], image, good[1]), (sender[0], image, sender[1]), (good[0], image, good[1]))
        )
    )
    images, said = received([*before, *wrong_ones, *after], **receiver)
    assert [(i.meta["image_id"], bool(i.error)) for i in images] == [(0, False), (1, True), (2, False)]
    assert len(said) == 1 and sentence in said[0] and sentence in images[1].error


def test_weights_of_a_stranger_are_refused(smooth_image):
    image = smooth_image(48, 64)
    strange = [(meta | {"weights_id": meta["weights_id"] ^ 0x55}, s) for meta, s in bursts_of("semcom", image)]
    unknown = [(meta | {"scheme": 77}, s) for meta, s in bursts_of("softcast", image, number=1)]
    unsaid = [(meta | {"weights_id": 0}, s) for meta, s in bursts_of("semcom", image, number=2)]
    images, said = received([*strange, *unknown, *unsaid])
    assert [bool(i.error) for i in images] == [True, True, False]
    assert len(said) == 2 and "which are not here" in said[0] and "number 77" in said[1]


@pytest.mark.parametrize("receiver", [{"scheme": "semcom"}, {"variant": "masked"}])
def test_a_flowgraph_of_two_minds_ends(photo, receiver):
    """Before, it waited for ever: nobody acknowledged what the decoder refused."""
    tb, sink = gr.top_block(), semcom.image_sink("")
    source, encoder = semcom.image_source(str(photo), 3, 1), semcom.jscc_encoder("samsc")
    decoder = semcom.jscc_decoder(**receiver)
    tb.msg_connect(source, "image", encoder, "image")
    tb.msg_connect(encoder, "symbols", decoder, "symbols")
    tb.msg_connect(decoder, "image", sink, "in")
    tb.msg_connect(sink, "ack", source, "ack")
    tb.run()
    assert len(sink.results) == 3 and all("scheme samsc arrived" in r["error"] for r in sink.results)


def test_a_scheme_of_several_parts(smooth_image):
    """Bits that say what the symbols mean, and symbols: one lost part costs itself only; the bits are read first."""
    image = smooth_image(40, 56)

    class Two(schemes.Scheme):
        name, code, title = "two", 210, "bits and symbols"
        carries = frozenset({schemes.BITS, schemes.SYMBOLS})

        def encode(self, image, conditions, options, importance=None):
            header = burst.ImageHeader(*image.shape[:2], self.name)
            mean = bytes([int(image.mean())])
            symbols = np.exp(1j * np.arange(5000)).astype(np.complex64)
            return schemes.Transmission((schemes.Part(mean, 0, 0, bursts=2), schemes.Part(symbols, 1)), header)

        def symbols(self, header, part, variant):
            return 5000

        def decoder(self, header, variant):
            return Grey(header)

    class Grey:
        def __init__(self, header):
            self.header, self.fed = header, {}

        def feed(self, part):
            self.fed[part.index] = part
            return schemes.Decoded(text=str(part.payload[0])) if part.index == 0 else schemes.Decoded()

        def finish(self):
            value = self.fed[0].payload[0] if 0 in self.fed else 0
            finite = np.isfinite(self.fed[1].noise_var).all() if 1 in self.fed else False
            return schemes.Decoded(np.full((40, 56, 3), value, np.uint8), about={"all": bool(finite)})

    before = dict(registry._registered)
    schemes.register(Two)
    try:
        sent = bursts_of("two", image)
        assert [(m["part"], m["fragment"], m["fragments"], m["mcs"] == burst.ANALOGUE) for m, _ in sent] == [
            (0, 0, 2, False), (1, 0, 2, True), (0, 1, 2, False), (1, 1, 2, True)
        ]  # fmt: skip
        reception, order = schemes.Reception(), []
        for meta, symbols in sent:
            order += [type(report).__name__ for report in reception.feed(meta, symbols)]
        assert order == ["PartRead", "News", "Image"]
        for lost, grey, whole in (({0}, int(image.mean()), True), ({3}, int(image.mean()), False), ({0, 2}, 0, True)):
            (found,), _ = received([b for i, b in enumerate(sent) if i not in lost])
            assert found.meta["lost"] in (len(lost), 1) and found.meta["all"] == whole
            assert (found.decoded.image == grey).all()
    finally:
        registry._registered.clear()
        registry._registered.update(before)


def test_received_files_carry_the_name(photo, tmp_path):
    """Through a recording, so that nothing but the air can have carried it."""
    named = photo.with_name("harbour.png")
    photo.rename(named)
    via = f"sigmf:{tmp_path / 'air'}"
    assert main(["tx", str(named), "--via", via, "--scheme", "digital"]) == 0
    assert main(["rx", "--via", via, "--out", str(tmp_path / "got")]) == 0
    marks = json.loads((tmp_path / "air.sigmf-meta").read_text())["annotations"]
    assert {mark["semcom:scheme"] for mark in marks} == {"digital"}
    record = json.loads((tmp_path / "got" / "harbour.json").read_text())
    assert record["scheme"] == "digital" and Path(record["images"]["received"]).name == "harbour_received.png"
    assert io.load(Path(record["images"]["received"])).shape == (160, 192, 3)


def test_a_mistake_in_a_scheme_of_ones_own_is_found_by_its_line(toy, photo, tmp_path, monkeypatch):
    """In encode and in the decoder alike: type, file and line, and the flowgraph ends."""

    class Broken:
        def feed(self, part):
            raise AttributeError("no such field")

    for name, value in (("encode", lambda *_: None), ("decoder", lambda *_: Broken())):
        monkeypatch.setattr(toy, name, value)
        report = loopback(LoopbackSettings(photo, tmp_path / name, "toy", st_lpips=False)).measure()
        assert "AttributeError at" in report["error"] and ".py:" in report["error"]
        monkeypatch.undo()
        monkeypatch.setattr(registry, "_registered", registry._registered | {"toy": toy()})


@pytest.mark.parametrize("rate", ["1/6", "1/12"])
def test_a_rate_that_a_pair_does_not_have_is_a_bad_argument(pair, photo, tmp_path, capsys, rate):
    args = ["loopback", str(photo), "--scheme", pair, "--rate", rate, "--out", str(tmp_path / "o")]
    assert main(args) == 2
    err = capsys.readouterr().err
    assert "k/n = 0.03125 only" in err and err.count("\n") == 1


def test_a_pair_that_the_receiver_does_not_have_is_named(pair, smooth_image):
    images, said = received(bursts_of(pair, smooth_image(48, 64)))
    assert images[0].error and len(said) == 1
    assert "set the receiver to onnx:ENCODER.onnx,DECODER.onnx" in said[0]


def test_schemes_are_at_hand_after_one_import():
    code = "from gnuradio import semcom; print(semcom.schemes.get('softcast').code)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout == "0\n" and done.stderr == ""


def test_pictures_over_the_waveform_have_the_names_of_what_was_sent(photo, tmp_path):
    """Where the name does not cross the air the sender's picture beside them has it."""
    settings = LoopbackSettings(photo, tmp_path / "o", "softcast", level="waveform", st_lpips=False)
    assert Path(loopback(settings).measure()["images"]["received"]).name == "a_received.png"


def test_an_image_that_is_too_large_for_the_receiver_is_refused(smooth_image):
    scheme, image = schemes.get("digital"), smooth_image(32, 40, 1)
    sent = scheme.encode(image, schemes.Conditions(1 / 6, 15.0), scheme.options({}))
    headers, symbols = zip(*schemes.bursts(sent, scheme), strict=True)
    for most, sentence in ((32 * 40, ""), (32 * 40 - 1, "40x32 pixels arrived at a receiver that takes 1,279 at most")):
        reception = schemes.Reception(max_pixels=most)
        reports = [r for h, s in zip(headers, symbols, strict=True) for r in reception.feed(h.fields(), s)]
        (came,) = (report for report in reports if isinstance(report, schemes.Image))
        assert (came.decoded is None) == bool(sentence) and sentence in came.error
    with pytest.raises(BadInput, match="max_pixels must be a whole number from 1"):
        schemes.Reception(max_pixels=0)
