# SPDX-License-Identifier: GPL-3.0-or-later
"""Captioning networks, loaded from tiny ones with weights made here."""

from __future__ import annotations

import re
import sys

import numpy as np
import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from gnuradio.semcom.errors import BadInput, Missing  # noqa: E402
from gnuradio.semcom.scene.caption import captioners, networks  # noqa: E402
from gnuradio.semcom.zoo.weights import cache_folder  # noqa: E402

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "dog", "cat"]
CLS, SEP, DOG = WORDS.index("[CLS]"), WORDS.index("[SEP]"), WORDS.index("dog")
SMALL = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
VISION = SMALL | {"image_size": 32, "patch_size": 16}
TEXT = {"vocab_size": len(WORDS), "bos_token_id": CLS, "eos_token_id": SEP, "pad_token_id": 0}
IMAGE = np.random.default_rng(0).integers(0, 256, (40, 50, 3), np.uint8)


def blip():
    text = SMALL | TEXT | {"projection_dim": 16, "encoder_hidden_size": 16, "sep_token_id": SEP}
    net = transformers.BlipForConditionalGeneration(transformers.BlipConfig(text_config=text, vision_config=VISION))
    return net, net.text_decoder.cls.predictions.decoder, transformers.BlipImageProcessorPil


def git():
    net = transformers.GitForCausalLM(transformers.GitConfig(vision_config=VISION, **SMALL, **TEXT))
    return net, net.output, transformers.CLIPImageProcessorPil


def vit_gpt2():
    decoder = transformers.GPT2Config(n_positions=64, n_embd=16, n_layer=1, n_head=2, add_cross_attention=True,
                                      is_decoder=True, **TEXT)  # fmt: skip
    pair = transformers.VisionEncoderDecoderConfig.from_encoder_decoder_configs(
        transformers.ViTConfig(**VISION), decoder
    )
    net = transformers.VisionEncoderDecoderModel(pair)
    net.generation_config.update(decoder_start_token_id=CLS, pad_token_id=0)
    return net, net.decoder.transformer.ln_f, transformers.ViTImageProcessorPil


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return cache_folder() / "captioners.json"


@pytest.fixture
def folder(tmp_path, request):
    """A checkpoint that says dog whatever it sees."""
    torch.manual_seed(0)
    net, last, processor = request.param()
    with torch.no_grad():
        if last.weight.dim() == 1:  # GPT-2's scores have no bias: make what they are computed from dog's embedding
            last.weight.zero_()
            last.bias.copy_(100 * net.decoder.transformer.wte.weight[DOG])
        else:
            last.bias[DOG] = 100
    net.save_pretrained(tmp_path / "net")
    sides = {"height": 32, "width": 32}
    processor(size=sides, crop_size=sides).save_pretrained(tmp_path / "net")
    transformers.BertTokenizer(vocab={word: i for i, word in enumerate(WORDS)}).save_pretrained(tmp_path / "net")
    return tmp_path / "net"


@pytest.mark.parametrize(
    ("model", "folder"), [("blip", blip), ("git", git), ("vit-gpt2", vit_gpt2)], indirect=["folder"]
)
def test_each_network_speaks(model, folder, cache):
    asked = []
    captioner = networks.TransformersCaptioner(model, 1, lambda checkpoint: asked.append(checkpoint) or folder)
    said = captioner.caption(IMAGE, np.zeros((40, 50), np.uint8), [])
    assert re.fullmatch(r"Dog( dog){10,23}\.", said)
    captioner.caption(IMAGE[:, ::2], np.zeros((40, 25), np.uint8), [])
    assert asked == [networks.CHECKPOINTS[model]] and cache.exists()
    assert "torchvision" not in sys.modules


@pytest.mark.parametrize("folder", [git], indirect=True)
def test_files_must_stay_those_of_the_first_time(folder, cache):
    def caption():
        return networks.TransformersCaptioner("git", 1, lambda checkpoint: folder).caption(IMAGE, None, [])

    first = caption()
    assert caption() == first
    weights = folder / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    with pytest.raises(Missing, match=r"model\.safetensors of microsoft/git-base-coco is not the file"):
        caption()
    cache.unlink()
    weights.write_bytes(content[: len(content) // 2])
    with pytest.raises(Missing, match="cannot be loaded"):
        caption()


def test_what_is_missing_is_named(monkeypatch, cache):
    with pytest.raises(BadInput, match="no captioner 'clip'; choose from network, composed, blip, git, vit-gpt2"):
        captioners.captioner("clip")
    with pytest.raises(BadInput, match="RGB image"):
        captioners.captioner("blip").caption(IMAGE[..., 0], None, [])

    def unreachable(*names, **settings):
        raise OSError("no route to host\nand more")

    monkeypatch.setattr("huggingface_hub.snapshot_download", unreachable)
    with pytest.raises(Missing, match=r"cannot be downloaded \(no route to host\).*choose the captioner composed"):
        captioners.captioner("blip").caption(IMAGE, None, [])
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(Missing, match=r"needs transformers; install it with pip install '\.\[caption\]'"):
        captioners.captioner("git").caption(IMAGE, None, [])


def test_revisions_are_commits():
    assert all(re.fullmatch("[0-9a-f]{40}", c.revision) for c in networks.CHECKPOINTS.values())
