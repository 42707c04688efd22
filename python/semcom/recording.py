# SPDX-License-Identifier: GPL-3.0-or-later
"""Recordings of complex baseband: SigMF files of 32-bit floats (cf32_le), read with distrust.

Format: SigMF, https://sigmf.org, as the ``sigmf`` package validates it.
"""

from __future__ import annotations

import json
import math
import os
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import __version__, files
from .errors import BadInput, Missing

SAMPLE_BYTES = 8
DATATYPE = "cf32_le"
MAX_METADATA = 2**26
"""Bytes of metadata that are read."""
MAX_BURSTS = 100_000
"""Bursts that are annotated; what follows is recorded all the same."""

NAMESPACE = "semcom"


@dataclass(frozen=True)
class Burst:
    """Where a burst lies in the samples, and its header.

    Attributes
    ----------
    start : int
        Its first sample.
    samples : int
        Its length.
    header : mapping of str to int
        The fields of the burst header.
    """

    start: int
    samples: int
    header: Mapping[str, int]


@dataclass(frozen=True)
class Recording:
    """What a recording says of itself, checked against its data file.

    Attributes
    ----------
    data : Path
        The data file.
    samples : int
        Samples that there are.
    promised : int
        Samples that the metadata speak of; more than ``samples`` when the end is missing.
    sample_rate : float
        Samples a second.
    frequency : float or None
        Of the carrier, Hz; None where it is not said.
    """

    data: Path
    samples: int
    promised: int
    sample_rate: float
    frequency: float | None


def paths(name: str | os.PathLike[str]) -> tuple[Path, Path]:
    """(metadata file, data file) of a recording, named with or without one of the suffixes."""
    path = files.named(name)
    if path.suffix in (".sigmf-meta", ".sigmf-data", ".sigmf"):
        path = path.with_suffix("")
    if not path.name:
        raise BadInput("a recording needs a name, such as sigmf:recording")
    return path.with_name(path.name + ".sigmf-meta"), path.with_name(path.name + ".sigmf-data")


def metadata(
    sample_rate: float,
    bursts: Iterable[Burst] = (),
    frequency: float | None = None,
    sha512: str | None = None,
    starts: Iterable[int] = (),
) -> dict[str, Any]:
    """The SigMF metadata of a recording, one annotation for each burst.

    Parameters
    ----------
    sample_rate : float
        Samples a second.
    bursts : iterable of Burst
        In order.
    frequency : float, optional
        Of the carrier, Hz.
    sha512 : str, optional
        Of the data file, hexadecimal digits.
    starts : iterable of int
        First sample of each capture, in order; by default of one, 0.

    Returns
    -------
    dict
        What JSON can hold.
    """
    whole = {
        "core:datatype": DATATYPE,
        "core:sample_rate": sample_rate,
        "core:version": "1.2.0",
        "core:num_channels": 1,
        "core:author": "gr-semcom",
        "core:recorder": f"gr-semcom {__version__}",
        "core:description": "Images as OFDM bursts, as a transmitter sends them",
        "core:extensions": [{"name": NAMESPACE, "version": __version__, "optional": True}],
    }
    if sha512:
        whole["core:sha512"] = sha512
    carrier = {} if frequency is None else {"core:frequency": frequency}
    captures = [{"core:sample_start": start} | carrier for start in tuple(starts) or (0,)]
    return {"global": whole, "captures": captures, "annotations": [_annotation(burst) for burst in bursts]}


def _annotation(burst: Burst) -> dict[str, Any]:
    header = burst.header
    return {
        "core:sample_start": burst.start,
        "core:sample_count": burst.samples,
        "core:label": f"{header['image_id']} {header['fragment'] + 1}/{header['fragments']}",
        "core:generator": "gr-semcom",
    } | {f"{NAMESPACE}:{key}": value for key, value in header.items()}


def check_package() -> None:
    """Missing when there is nothing here to validate recordings with."""
    _validator()


def _validator() -> Any:
    try:
        from sigmf import validate
    except ModuleNotFoundError as error:
        raise Missing(f"recordings need {error.name}; run ./bootstrap build, or pip install '.[radio]'") from None
    return validate


def write_metadata(path: Path, content: Mapping[str, Any]) -> None:
    """Write metadata so that the file is there whole or not at all."""
    files.replace(path, lambda stream: stream.write((json.dumps(content, indent=1) + "\n").encode()))


def read(name: str | os.PathLike[str]) -> Recording:
    """What the recording ``name`` holds; its samples stay where they are.

    Parameters
    ----------
    name : str or os.PathLike[str]
        With or without one of the suffixes.

    Returns
    -------
    Recording
        Checked against its data file.

    Raises
    ------
    BadInput
        There is no such recording, or its metadata are damaged, of another sample format, or cannot be true.
    Missing
        The ``sigmf`` package is not here.
    """
    meta_file, data_file = paths(name)
    said = _load(meta_file)
    whole, captures = said["global"], said["captures"]
    if whole["core:datatype"] != DATATYPE:
        raise BadInput(f"{meta_file} is of {_short(whole['core:datatype'])} samples; convert it to {DATATYPE}")
    if whole.get("core:num_channels", 1) != 1:
        raise BadInput(f"{meta_file} has more than one channel; choose one and record it as {DATATYPE}")
    if whole.get("core:metadata_only") or "core:dataset" in whole or whole.get("core:trailing_bytes"):
        raise BadInput(f"{meta_file} has no plain data file of its own; record it as {DATATYPE} beside its metadata")
    if any(capture.get("core:header_bytes") for capture in captures):
        raise BadInput(f"{meta_file} has headers between its samples; record it as plain {DATATYPE}")
    if not captures:
        raise BadInput(f"{meta_file} describes no capture; a recording has at least one")
    rate = _number(whole.get("core:sample_rate"), 1e-3, 1e12)
    if rate is None:
        raise BadInput(f"{meta_file} names no sample rate that could be true; write core:sample_rate, samples a second")
    try:
        samples = data_file.stat().st_size // SAMPLE_BYTES if data_file.is_file() else 0
    except OSError as error:
        raise BadInput(f"{data_file} cannot be read: {error.strerror}") from None
    if samples == 0:
        raise BadInput(f"{data_file} is not there or holds no samples; the metadata alone cannot be replayed")
    ends = [capture["core:sample_start"] for capture in captures]
    ends += [mark["core:sample_start"] + mark.get("core:sample_count", 0) for mark in said.get("annotations", [])]
    frequency = _number(captures[0].get("core:frequency"), -1e12, 1e12)
    return Recording(data_file, samples, int(max(samples, *ends)), rate, frequency)


def _load(path: Path) -> dict[str, Any]:
    """The metadata, valid by the schema of SigMF."""
    validator = _validator()
    said = files.read_json(path, "a recording", MAX_METADATA)
    with warnings.catch_warnings():  # extensions that nobody declared do not concern us
        warnings.simplefilter("ignore")
        try:
            validator.validate(said)
        except Exception as error:  # a library meets what it was not written for: whatever it raises, it is not valid
            raise BadInput(f"{path} is no valid SigMF: {_short(getattr(error, 'message', error))}") from None
    return said


def _number(value: object, low: float, high: float) -> float | None:
    """``value`` where it is a finite number between the two."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if low <= value <= high and math.isfinite(value) else None


def _short(what: object) -> str:
    """The first line of it, in not too many characters."""
    line = (str(what).splitlines() or [""])[0]
    return line if len(line) <= 120 else line[:117] + "..."
