# SPDX-License-Identifier: GPL-3.0-or-later
"""SAM from the checkpoints that its authors published, in PyTorch: vit_b, vit_l, vit_h, and MobileSAM's vit_t.

What a checkpoint holds, and how large its network is, is read from the shapes of its weights. The modules are those of
the package ``segment-anything``, whose ``__init__`` needs torchvision and is not run; the encoder of MobileSAM, which
is not in that package, is ours.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from ... import files
from ...errors import BadInput, Missing
from ...zoo import checkpoint
from ..masks import SIDE, Embedding
from .base import PADDING, Answers, Drawn, frame
from .decoder import CELLS, HEADS, WIDTH

INSTALL = "pip install '.[sam]'"
_PACKAGE = "segment_anything"
_HEAD = ("image_encoder.norm_head.", "image_encoder.head.")
"""MobileSAM's file holds the classifier that its encoder was trained with first."""
_KINDS = range(4)

State = Mapping[str, Any]


class Checkpoint:
    """A checkpoint, loaded.

    Parameters
    ----------
    path : str or Path
        File of weights.
    threads : int
        Threads that torch may use.
    provider : str
        ``cpu`` or ``cuda``.

    Raises
    ------
    BadInput
        The file is no checkpoint of SAM, is cut short, or holds more than weights.
    Missing
        torch or segment-anything is not installed, or CUDA was asked for and is not available.
    """

    def __init__(self, path: str | Path, threads: int, provider: str) -> None:
        path = files.named(path)
        self._torch, self._modules = _libraries()
        if provider == "cuda" and not self._torch.cuda.is_available():
            raise Missing("CUDA was asked for, but this PyTorch finds none; use provider cpu")
        state = _state(self._torch, path)
        try:
            self._encoder = _encoder(self._torch, self._modules, state)
            self._prompts, self._decoder = _decoder(self._modules, state)
            for name, part in (
                ("image_encoder", self._encoder),
                ("prompt_encoder", self._prompts),
                ("mask_decoder", self._decoder),
            ):
                part.load_state_dict(_under(state, name))
                part.to(provider).eval()
        except (KeyError, IndexError, ValueError, RuntimeError, TypeError, AttributeError, ArithmeticError) as error:
            why = " ".join(str(error).split())[:160]
            raise BadInput(
                f"{path.name} is not a checkpoint of SAM that can be used ({why}); take vit_b, vit_l, vit_h or "
                "MobileSAM's vit_t"
            ) from error
        self._threads, self._device = threads, provider
        self.weights = {path.name: files.sha256(path)}

    def embed(self, image: np.ndarray) -> Embedding:
        """See :class:`~.base.Backend`."""
        self._torch.set_num_threads(self._threads)
        with self._torch.inference_mode():
            features = self._encoder(self._tensor(frame(image))).cpu().numpy()
        features.flags.writeable = False
        return Embedding(features, *image.shape[:2])

    def ask(self, embedding: Embedding, points: np.ndarray, labels: np.ndarray) -> Answers:
        """See :class:`~.base.Backend`."""
        self._torch.set_num_threads(self._threads)
        with self._torch.inference_mode():
            sparse = self._sparse(self._tensor(points), self._tensor(labels))
            dense = self._prompts.no_mask_embed.weight.reshape(1, WIDTH, 1, 1)
            masks, scores = self._decoder.predict_masks(
                # copied: torch takes no array that may not be written to
                image_embeddings=self._tensor(embedding.features.copy()),
                image_pe=self._prompts.get_dense_pe(),
                sparse_prompt_embeddings=sparse,
                dense_prompt_embeddings=dense.expand(1, WIDTH, CELLS, CELLS),
            )
        return Drawn(masks.cpu().numpy(), scores.cpu().numpy())

    def _sparse(self, points: Any, labels: Any) -> Any:
        """Tokens of points and of corners of boxes, as the published code makes them."""
        encoded = self._prompts.pe_layer.forward_with_coords(points + 0.5, (SIDE, SIDE))
        labels = labels[..., None]
        encoded = encoded * (labels != PADDING) + self._prompts.not_a_point_embed.weight * (labels == PADDING)
        for kind in _KINDS:
            encoded = encoded + self._prompts.point_embeddings[kind].weight * (labels == kind)
        return encoded

    def _tensor(self, array: np.ndarray) -> Any:
        return self._torch.from_numpy(array).to(self._device)


def _libraries() -> tuple[Any, Any]:
    """The packages torch and segment_anything.modeling."""
    try:
        torch = importlib.import_module("torch")
        return torch, _modeling()
    except ImportError as error:
        needed = str(error.name or error).split(".")[0].replace(_PACKAGE, "segment-anything")
        raise Missing(f"this checkpoint needs {needed}; install it with {INSTALL}") from None


def _modeling() -> Any:
    """The package's modules without what it imports for masks of everything, torchvision."""
    name = f"{_PACKAGE}.modeling"
    if _PACKAGE in sys.modules or name in sys.modules:
        return importlib.import_module(name)
    spec = importlib.util.find_spec(_PACKAGE)
    if spec is None:
        raise ModuleNotFoundError(_PACKAGE, name=_PACKAGE)
    bare = ModuleType(_PACKAGE)
    bare.__path__ = spec.submodule_search_locations
    sys.modules[_PACKAGE] = bare
    try:
        return importlib.import_module(name)
    finally:
        del sys.modules[_PACKAGE]  # whoever imports the package gets all of it


def _state(torch: Any, path: Path) -> State:
    """The tensors of a file by name."""
    remedy = "it is cut short or holds more than weights; take a checkpoint of SAM"
    state = checkpoint.load([path], "a checkpoint of SAM", remedy)
    if not isinstance(state, dict) or not all(
        isinstance(name, str) and isinstance(value, torch.Tensor) for name, value in state.items()
    ):
        raise BadInput(f"{path.name} does not hold weights by name; take a checkpoint of SAM")
    return {name: value for name, value in state.items() if not name.startswith(_HEAD)}


def _under(state: State, name: str) -> dict[str, Any]:
    """The weights of one part, by their names within it."""
    return {key.removeprefix(f"{name}."): value for key, value in state.items() if key.startswith(f"{name}.")}


def _encoder(torch: Any, modules: Any, state: State) -> Any:
    found = _under(state, "image_encoder")
    if "patch_embed.seq.0.c.weight" in found:
        return importlib.import_module(".tinyvit", __package__).tinyvit(found)
    if "patch_embed.proj.weight" not in found:
        raise KeyError("it has no image encoder of SAM")
    channels, _, patch, _ = found["patch_embed.proj.weight"].shape
    side = found["pos_embed"].shape[1] * patch
    if side != SIDE:
        raise ValueError(f"its encoder sees {side} pixels a side, not {SIDE}")
    depth = 1 + max(int(name.split(".")[1]) for name in found if name.startswith("blocks."))
    reach = [found[f"blocks.{i}.attn.rel_pos_h"].shape for i in range(depth)]
    windows = [(each[0] + 1) // 2 for each in reach]
    whole = side // patch
    return modules.ImageEncoderViT(
        img_size=side,
        patch_size=patch,
        embed_dim=channels,
        depth=depth,
        num_heads=channels // reach[0][1],
        mlp_ratio=found["blocks.0.mlp.lin1.weight"].shape[0] / channels,
        out_chans=found["neck.0.weight"].shape[0],
        norm_layer=partial(torch.nn.LayerNorm, eps=1e-6),
        use_rel_pos=True,
        window_size=min(windows) if min(windows) < whole else 0,
        global_attn_indexes=tuple(i for i, window in enumerate(windows) if window == whole),
    )


def _decoder(modules: Any, state: State) -> tuple[Any, Any]:
    """Prompt encoder and mask decoder."""
    found = _under(state, "mask_decoder")
    masks, width = found["mask_tokens.weight"].shape
    if (masks, width) != (1 + 3, WIDTH):
        raise ValueError(f"its decoder has {masks} masks of width {width}, not 4 of {WIDTH}")
    transformer = modules.TwoWayTransformer(
        depth=1 + max(int(name.split(".")[2]) for name in found if name.startswith("transformer.layers.")),
        embedding_dim=width,
        mlp_dim=found["transformer.layers.0.mlp.lin1.weight"].shape[0],
        num_heads=HEADS,
    )
    quality = [name for name in found if name.startswith("iou_prediction_head.layers.") and name.endswith(".weight")]
    decoder = modules.MaskDecoder(
        transformer_dim=width,
        transformer=transformer,
        num_multimask_outputs=masks - 1,
        iou_head_depth=len(quality),
        iou_head_hidden_dim=found["iou_prediction_head.layers.0.weight"].shape[0],
    )
    channels = state["prompt_encoder.mask_downscaling.3.weight"].shape[0]
    prompts = modules.PromptEncoder(
        embed_dim=width,
        image_embedding_size=(CELLS, CELLS),
        input_image_size=(SIDE, SIDE),
        mask_in_chans=channels,
    )
    return prompts, decoder
