# SPDX-License-Identifier: GPL-3.0-or-later
"""``semcom tx`` and ``semcom rx``."""

from __future__ import annotations

import math
import signal
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from .. import schemes
from ..errors import BadInput
from ..memory import keep_steady
from ..repeats import Repeats, with_times
from ..schemes import AUTO, USUAL_PIXELS
from .common import complain, finite, interruptible, parse_rate, put, put_json, require
from .completion import among, scheme_names, variant_names
from .options import (
    KNOWN_SCHEMES,
    BackgroundOption,
    JsonLinesOption,
    LevelsOption,
    PromptOption,
    RateOption,
    RoiOption,
    SchemeOption,
)
from .scheme_options import check_used

Via = Annotated[
    str,
    typer.Option(
        help="zmq:ADDRESS, sigmf:FILE, soapy:ARGS, uhd:ARGS or pluto:URI",
        metavar="KIND:REST",
        autocompletion=among(("zmq:", "sigmf:", "soapy:", "uhd:", "pluto:")),
    ),
]
SampRate = Annotated[
    float | None,
    typer.Option(
        help="samples a second; when receiving a recording its own, and to be given where it tells none; else 1e6",
        metavar="HZ",
    ),
]
Freq = Annotated[float, typer.Option(help="centre frequency", metavar="HZ")]
Gain = Annotated[float, typer.Option(help="of the radio", metavar="DB")]
Bandwidth = Annotated[float, typer.Option(help="of the radio; 0: the sample rate", metavar="HZ")]
Antenna = Annotated[str, typer.Option(help="of the radio, by its name there", metavar="NAME")]
SwapIq = Annotated[bool, typer.Option("--swap-iq", help="the radio delivers I as Q and Q as I")]
KeyFile = Annotated[
    Path | None,
    typer.Option("--key", help="key file, made by semcom key: seals bursts, encrypts ZeroMQ", metavar="FILE"),
]
FftLen = Annotated[
    int,
    typer.Option(help="64, 128, 256 or 512; the same at both ends", autocompletion=among(("64", "128", "256", "512"))),
]
Oversampling = Annotated[
    int, typer.Option(help="1, 2, 4 or 8; the same at both ends", autocompletion=among(("1", "2", "4", "8")))
]


def tx(
    images: Annotated[list[Path], typer.Argument(help="photographs and folders of them")],
    via: Via,
    scheme: SchemeOption = schemes.USUAL_SCHEME,
    rate: RateOption = None,
    snr: Annotated[
        float, typer.Option(help="Es/N0 that the encoder or link adapter reckons with", metavar="DB")
    ] = 10.0,
    prompt: PromptOption = None,
    roi: RoiOption = "whole",
    background: BackgroundOption = 0.1,
    levels: LevelsOption = False,
    amplitude: Annotated[float | None, typer.Option(help="root mean square of a burst; 0.1 on a radio, else 1")] = None,
    repeat: Annotated[int, typer.Option(help="how many times everything is sent; 0: until Ctrl-C")] = 1,
    transmission: Annotated[
        int | None, typer.Option(help="number of this run in every burst, 0 to 255; drawn at random if left out")
    ] = None,
    samp_rate: SampRate = None,
    freq: Freq = 2.45e9,
    gain: Gain = 0.0,
    bandwidth: Bandwidth = 0.0,
    antenna: Antenna = "",
    fft_len: FftLen = 64,
    oversampling: Oversampling = 1,
    key: KeyFile = None,
    as_json: JsonLinesOption = False,
    *,
    scheme_options: dict,
) -> int:
    """Send photographs; a semcom rx elsewhere receives them."""
    ends = require("..links.ends")
    check_used([schemes.get(scheme)], scheme_options)
    region = schemes.Region(tuple(prompt or ()), roi, background, levels)
    finite("--snr", snr)
    if repeat < 0:
        raise BadInput(f"--repeat {repeat} makes no sense; give a number of times, or 0 for without end")
    keep_steady()
    front = ends.FrontEnd(via, rate_of_samples(samp_rate), freq, gain, bandwidth, antenna, key=str(key or ""))
    coding = ends.Coding(scheme, scheme_options, waveform(fft_len, oversampling), region)
    number = -1 if transmission is None else transmission
    sent = 0
    with interruptible():
        end = ends.transmitting_end(images, front, coding, parse_rate(rate), snr, amplitude, repeat, number)
        receiver = f"a receiver at {via}; start semcom rx --via zmq:ADDRESS"
        waiting = partial(complain, f"waiting for {receiver if via.startswith('zmq:') else f'{via} to take samples'}")
        with left_early(end.run_and_tell(waiting)) as images_sent:
            for image in images_sent:
                if "error" in image:
                    complain(f"not sent: {image['error']}")
                    continue
                sent += 1
                say(as_json, image, f"{image.get('name', image['image_id'])}: sent in {image['bursts']} bursts")
    # nothing but the system's own Ctrl-C gets through to ZeroMQ
    with notices(signal.SIGINT, signal.SIG_DFL):
        end.radio.drain()
    return 0 if sent else 1


def rx(
    via: Via,
    scheme: Annotated[
        str,
        typer.Option(
            help=f"auto, or the only scheme that is received: {KNOWN_SCHEMES}, or onnx:ENCODER.onnx,DECODER.onnx",
            metavar="NAME",
            autocompletion=among(lambda: [AUTO, *scheme_names()]),
        ),
    ] = AUTO,
    variant: Annotated[
        str,
        typer.Option(
            help="auto, or the only weights that are used",
            metavar="NAME",
            autocompletion=among(lambda: [AUTO, *variant_names()]),
        ),
    ] = AUTO,
    out: Annotated[Path, typer.Option(help="folder for the pictures and what was measured of them")] = Path("received"),
    count: Annotated[int | None, typer.Option(help="end after so many pictures")] = None,
    idle: Annotated[
        float | None,
        typer.Option(help="end after so many seconds of signal without a burst; without any samples, by the clock"),
    ] = None,
    max_pixels: Annotated[int, typer.Option(help="of an image; larger ones are refused")] = USUAL_PIXELS,
    keep: Annotated[
        int | None,
        typer.Option(
            help="how many pictures stay in the folder, the newest of this run; older ones of it are removed, and no "
            "files that were there before"
        ),
    ] = None,
    samp_rate: SampRate = None,
    freq: Freq = 2.45e9,
    gain: Gain = 0.0,
    bandwidth: Bandwidth = 0.0,
    antenna: Antenna = "",
    swap_iq: SwapIq = False,
    fft_len: FftLen = 64,
    oversampling: Oversampling = 1,
    key: KeyFile = None,
    as_json: JsonLinesOption = False,
) -> int:
    """Receive what a semcom tx sends, until Ctrl-C, the end of a recording, --count or --idle."""
    ends = require("..links.ends")
    if count is not None and count < 1:
        raise BadInput(f"--count {count} makes no sense; give 1 or more pictures")
    if idle is not None and not (math.isfinite(idle) and idle > 0):
        raise BadInput(f"--idle {idle:g} makes no sense; give seconds above 0")
    if keep is not None and keep < 1:
        raise BadInput(f"--keep {keep} makes no sense; give 1 or more pictures")
    keep_steady()
    front = ends.FrontEnd(via, rate_of_samples(samp_rate), freq, gain, bandwidth, antenna, swap_iq, str(key or ""))
    coding = ends.Coding(scheme, {"variant": variant}, waveform(fft_len, oversampling))
    delivered, failures = 0, Repeats()
    with interruptible():
        end = ends.receiving_end(front, coding, out, max_pixels, keep or 0)
        # a transmitter over ZeroMQ listens to one receiver at a time
        alone = ", and no other receiver connected to it" if via.startswith("zmq:") else ""
        said = {
            "samples": f"waiting for samples from {via}; is a transmitter running there{alone}?",
            "bursts": f"samples arrive from {via}, but no burst so far; see frequency, gain, --fft-len, --oversampling",
        }
        with left_early(end.pictures(count, idle, lambda what: complain(said[what]))) as pictures:
            for picture in pictures:
                if "error" in picture:
                    complain_of_lost(picture, failures)
                    continue
                delivered += 1
                snr = f"{picture['snr_db']:.1f} dB, " if "snr_db" in picture else ""
                lost = f"{picture['lost']} of {picture['fragments']} fragments lost"
                where = picture["images"]["received"]
                say(as_json, picture, f"wrote {where}: {picture['width']}x{picture['height']}, {snr}{lost}")
    if failures.left_out:
        complain(f"{failures.left_out} more images were not received, for reasons of the kinds above")
    if not delivered:
        complain("no picture was received")
    return 0 if delivered else 1


def complain_of_lost(picture: Mapping[str, Any], failures: Repeats) -> None:
    """Why an image was not received, the 1st, 2nd, 4th, 8th, ... time that there is such a reason."""
    reason = str(picture["error"])
    times = failures.count(reason)
    if failures.is_printed(times):
        complain(with_times(f"image {picture.get('image_id')} was not received: {reason}", times))


@contextmanager
def left_early(events: Iterator[dict]) -> Iterator[Iterator[dict]]:
    """A request to quit ends a run wherever it is, and what was done counts."""
    with suppress(KeyboardInterrupt), closing(events):
        yield events


@contextmanager
def notices(number: int, handler: Any) -> Iterator[None]:
    """A signal is handled in another way."""
    before = signal.signal(number, handler)
    try:
        yield
    finally:
        signal.signal(number, before)


def say(as_json: bool, figures: Mapping[str, Any], line: str) -> None:
    """One image, for a program or for a person."""
    if as_json:
        put_json({k: v for k, v in figures.items() if isinstance(v, str | int | float | dict)})
    else:
        put(line)


def rate_of_samples(value: float | None) -> float | None:
    """The value of ``--samp-rate``."""
    if value is not None and not (math.isfinite(value) and value > 0):
        raise BadInput(f"--samp-rate {value:g} makes no sense; give samples a second")
    return value


def waveform(fft_len: int, oversampling: int) -> Any:
    """The waveform of the bursts."""
    if fft_len not in (64, 128, 256, 512) or oversampling not in (1, 2, 4, 8):
        raise BadInput("--fft-len is 64, 128, 256 or 512, and --oversampling 1, 2, 4 or 8")
    return require("..semcom_python").ofdm_params(fft_len=fft_len, oversampling=oversampling)
