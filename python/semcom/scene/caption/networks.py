# SPDX-License-Identifier: GPL-3.0-or-later
"""Captions by a captioning network, through ``transformers``.

The networks are public checkpoints, each at one stated revision. Nobody here can vouch for the sha256 of files that do
not ship with gr-semcom; so what is downloaded first is written down, and every later load must find the same bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ... import files, plain, values
from ...errors import BadInput, Missing
from ...image.io import check_rgb
from ...segment.instances import SceneObject
from ...zoo.weights import cache_folder

INSTALL = "pip install '.[caption]'"
MAX_TOKENS = 24
"""Tokens that a network may say: about a hundred characters."""

_SEEN = "captioners.json"
_LONGEST = 200  # characters of what a library says


@dataclass(frozen=True)
class Checkpoint:
    """A public captioning network.

    Attributes
    ----------
    repository : str
        Owner/name on the Hugging Face hub.
    revision : str
        Commit of that repository, 40 hexadecimal digits.
    network : str
        Class of ``transformers`` that loads it.
    licence : str
        As its owner states it.
    """

    repository: str
    revision: str
    network: str
    licence: str


CHECKPOINTS = {
    "blip": Checkpoint(
        "Salesforce/blip-image-captioning-base",
        "82a37760796d32b1411fe092ab5d4e227313294b",
        "BlipForConditionalGeneration",
        "BSD-3-Clause",
    ),
    "git": Checkpoint(
        "microsoft/git-base-coco",
        "a13141da42abd4a8cbf283601a8104265f537cee",
        "GitForCausalLM",
        "MIT",
    ),
    "vit-gpt2": Checkpoint(
        "nlpconnect/vit-gpt2-image-captioning",
        "dc68f91c06a1ba6f15268e5b9c13ae7a7c514084",
        "VisionEncoderDecoderModel",
        "Apache-2.0",
    ),
}
"""BLIP (Li et al., ICML 2022), GIT (Wang et al., TMLR 2022), and ViT with GPT-2 on top."""

Download = Callable[[Checkpoint], Path]


class TransformersCaptioner:
    """A captioning network; the class map and the objects are not looked at.

    ``caption`` raises ``Missing`` when ``transformers`` is not installed, the checkpoint is not available, or its files
    are not those of the first time. The network is loaded when it is used first.

    Parameters
    ----------
    model : str
        A key of ``CHECKPOINTS``.
    threads : int, default 2
        Threads that torch may use.
    download : Download, optional
        Finds the folder of a checkpoint's files; by default the hub's cache, filled from the network.

    Raises
    ------
    BadInput
        No such model.
    """

    def __init__(self, model: str, threads: int = 2, download: Download | None = None) -> None:
        if model not in CHECKPOINTS:
            raise BadInput(f"there is no captioning network {model!r}; choose from {', '.join(CHECKPOINTS)}")
        self.checkpoint = CHECKPOINTS[model]
        self._threads = threads
        self._download = download or _from_hub
        self._loaded: tuple[Any, Any, Any] | None = None

    def caption(self, image: np.ndarray, labels: np.ndarray, objects: Sequence[SceneObject]) -> str:
        """See :class:`~.captioners.Captioner`."""
        check_rgb(image, "a captioner takes")
        torch, _ = _libraries()
        network, processor, tokenizer = self._load()
        torch.set_num_threads(self._threads)
        pixels = processor(images=Image.fromarray(image), return_tensors="pt").pixel_values
        with torch.inference_mode():
            tokens = network.generate(pixel_values=pixels, max_new_tokens=MAX_TOKENS, num_beams=3, do_sample=False)
        said = " ".join(tokenizer.decode(tokens[0], skip_special_tokens=True).split())
        return _sentence(said)

    def load(self) -> None:
        """Load the network now instead of with the first image; ``Missing`` as ``caption``."""
        self._load()

    def _load(self) -> tuple[Any, Any, Any]:
        """Network, image processor and tokenizer."""
        if self._loaded is None:
            _, transformers = _libraries()
            transformers.utils.logging.disable_progress_bar()
            folder = self._download(self.checkpoint)
            _check_seen(self.checkpoint, folder)
            try:
                network = getattr(transformers, self.checkpoint.network).from_pretrained(folder, local_files_only=True)
                # Pillow's image processor: the other one needs torchvision, whose wheels clash with the pinned torch
                processor = transformers.AutoImageProcessor.from_pretrained(
                    folder, local_files_only=True, backend="pil"
                )
                tokenizer = transformers.AutoTokenizer.from_pretrained(folder, local_files_only=True)
            except Exception as error:  # of the library, of its tokenizers and of safetensors, each its own
                raise Missing(
                    f"{self.checkpoint.repository} in {folder} cannot be loaded ({_first_line(error)}); "
                    "remove that folder to have it downloaded again"
                ) from error
            self._loaded = network.eval(), processor, tokenizer
        return self._loaded


def _libraries() -> tuple[Any, Any]:
    """The packages torch and transformers."""
    try:
        import torch
        import transformers
    except ImportError as error:
        raise Missing(f"this captioner needs {error.name or error}; install it with {INSTALL}") from None
    return torch, transformers


def _from_hub(checkpoint: Checkpoint) -> Path:
    """The folder of a checkpoint in the hub's cache, downloaded when it is not there."""
    try:
        from huggingface_hub import snapshot_download
        from huggingface_hub.utils import logging
    except ImportError as error:
        raise Missing(f"this captioner needs {error.name or error}; install it with {INSTALL}") from None
    # it would say of each attempt what is said once below
    logging.set_verbosity_error()
    try:
        return Path(
            snapshot_download(
                checkpoint.repository,
                revision=checkpoint.revision,
                allow_patterns=["*.json", "*.txt", "*.safetensors", "pytorch_model.bin"],
            )
        )
    except Exception as error:  # the hub's own exceptions, those of its HTTP library, and of the disk
        raise Missing(
            f"{checkpoint.repository} cannot be downloaded ({_first_line(error)}); connect to the network once, "
            "or choose the captioner composed"
        ) from error


def _check_seen(checkpoint: Checkpoint, folder: Path) -> None:
    """Hold every file against its sha256 of the first time, which is written down if this is the first time."""
    now = {
        file.relative_to(folder).as_posix(): files.sha256(file) for file in sorted(folder.rglob("*")) if file.is_file()
    }
    record, key = cache_folder() / _SEEN, f"{checkpoint.repository}@{checkpoint.revision}"
    try:
        seen = dict(values.mapping(files.read_json(record), "it")) if record.exists() else {}
        of_this = values.mapping(seen.get(key, now), key)
    except BadInput as error:
        raise Missing(f"{record} cannot be read ({error}); remove it to trust what is downloaded now") from error
    if key not in seen:
        record.parent.mkdir(parents=True, exist_ok=True)
        text = files.json_text({**seen, key: now}, 1)
        files.replace(record, lambda stream: stream.write(text.encode()))
        return
    changed = sorted(name for name in of_this.keys() | now.keys() if of_this.get(name) != now.get(name))
    if changed:
        raise Missing(
            f"{changed[0]} of {checkpoint.repository} is not the file that was downloaded first; remove {folder} to "
            f"have it downloaded again, or its entry in {record} to trust it"
        )


def _first_line(error: Exception) -> str:
    return plain.line((str(error).strip().splitlines() or [type(error).__name__])[0], _LONGEST)


def _sentence(said: str) -> str:
    """With a capital letter and a full stop, as captions are written."""
    if not said:
        return ""
    return said[0].upper() + said[1:] + ("" if said[-1] in ".!?" else ".")
