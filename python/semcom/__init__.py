# SPDX-License-Identifier: GPL-3.0-or-later
"""gr-semcom: semantic communication blocks for GNU Radio.

Blocks and bindings load on first use, so that the domain packages (``semcom.image``, ``semcom.jscc``, ...) work on a
machine with no GNU Radio, and so that importing the module costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from .errors import NO_GNURADIO, lacks_gnuradio

__version__ = "0.2.0"  # the one place: CMake, pyproject.toml and the command read it

_EXPORTS = {
    "image_source": ".blocks.image_source",
    "sam_segmenter": ".blocks.sam_segmenter",
    "task_quality": ".blocks.task_quality",
    "jscc_encoder": ".blocks.jscc_encoder",
    "jscc_decoder": ".blocks.jscc_decoder",
    "digital_encoder": ".blocks.digital_encoder",
    "digital_decoder": ".blocks.digital_decoder",
    "link_adapter": ".blocks.link_adapter",
    "image_codec_encoder": ".blocks.image_codec_encoder",
    "image_codec_decoder": ".blocks.image_codec_decoder",
    "esisc_encoder": ".blocks.esisc_encoder",
    "esisc_decoder": ".blocks.esisc_decoder",
    "text_sink": ".blocks.text_sink",
    "label_map_sink": ".blocks.label_map_sink",
    "scene_inspector": ".blocks.scene_inspector",
    "image_quality": ".blocks.image_quality",
    "image_sink": ".blocks.image_sink",
    "qt_image_view": ".blocks.qt_image_view",
    "qt_scene_view": ".blocks.qt_scene_view",
    "symbol_channel": ".blocks.compiled",
    "sample_image": ".image.samples",
    "waveform_channel": ".links.waveform_channel",
    "transmitter": ".links.transceiver",
    "receiver": ".links.transceiver",
    "radio_sink": ".links.radio",
    "radio_source": ".links.radio",
    "burst_demodulator": ".blocks.compiled",
    "burst_detector": ".semcom_python",
    "burst_detector_cc": ".blocks.compiled",
    "burst_header": ".semcom_python",
    "burst_header_codec": ".semcom_python",
    "burst_header_format": ".semcom_python",
    "burst_modulator": ".blocks.compiled",
    "burst_receiver": ".semcom_python",
    "burst_transmitter": ".semcom_python",
    "constellation_points": ".digital.constellation",
    "nr_ldpc_decoder": ".semcom_python",
    "nr_ldpc_encoder": ".semcom_python",
    "ofdm_equalizer_mmse": ".semcom_python",
    "ofdm_frame": ".semcom_python",
    "ofdm_params": ".semcom_python",
    "soft_demapper": ".blocks.compiled",
}

_PACKAGES = {
    "schemes": ".schemes",  # for those who bring a scheme of their own
    "companion": ".links.companion",  # for the assertions of the blocks
}

__all__ = ["__version__", *_EXPORTS, *_PACKAGES]


def __getattr__(name: str) -> Any:
    if name in _PACKAGES:
        return import_module(_PACKAGES[name], __name__)
    if name not in _EXPORTS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        value = getattr(import_module(_EXPORTS[name], __name__), name)
    except ImportError as error:
        if lacks_gnuradio(error):
            raise ImportError(f"{name} needs {NO_GNURADIO}") from error
        raise
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
