# SPDX-License-Identifier: GPL-3.0-or-later
"""Blocks of ``docs/results/waveform.md``."""

from __future__ import annotations

from collections.abc import Iterable

from .pages import named
from .results import Record, Results, chosen, one
from .words import each, listed, paragraph, rounded, spread, table

KODAK = (1, 5, 10, 20)
SCHEMES = ("softcast", "samsc", "semcom")


@named("waveform-modem")
def modem(results: Results) -> list[str]:
    record = results["modem"]
    lowest = record["lowest"]["fraction_by_esn0_db"]
    low = sorted((snr for snr in lowest if -4 <= float(snr) <= -1), key=float, reverse=True)
    awgn = [record["awgn"]["by_esn0_db"][snr]["sinr_db"] for snr in ("0", "10", "20")]
    fading = [record[f"fading_{profile}"]["median_loss_db"] for profile in ("epa", "eva")]
    detected, oscillator, alarms = record["detection_0db"], record["oscillator"], record["false_alarms"]
    speed = record["throughput"]
    return table(
        ["", ""],
        [
            [
                f"{detected['bursts']:,} bursts at {detected['esn0_db']:g} dB Es/N0, carrier offset anywhere within"
                " +-48 kHz at 1 Msps",
                f"{detected['delivered']:,} delivered",
            ],
            [
                f"delivered at {' / '.join(low)} dB",
                f"{' / '.join(_short(100 * lowest[snr]) for snr in low)} %",
            ],
            [f"false alarms in {_power(alarms['noise_samples'])} noise samples", alarms["bursts"]],
            ["SINR after equalisation at 0 / 10 / 20 dB set", f"{' / '.join(each(awgn))} dB"],
            [
                "EPA / EVA, FFT 512, 7.68 Msps, 5 Hz, 10 dB: median loss to ideal CSI",
                f"{' / '.join(each(fading, 2))} dB",
            ],
            [
                f"20 ppm carrier and sampling offset, 100 Hz linewidth, 10 dB, {oscillator['bursts']:,} bursts",
                f"{oscillator['lost'] or 'none'} lost",
            ],
            ["channel uses on the air over payload, full burst", rounded(record["air_uses"]["fft_64"], 2)],
            [
                "receiver, transmitter on one core (GNU Radio's `ofdm_rx`, `ofdm_tx` in the same run)",
                f"{', '.join(each((speed['flowgraph_rx_msps'], speed['flowgraph_tx_msps']), 0))} Msps"
                f" ({', '.join(each((speed['gnuradio_ofdm_rx_msps'], speed['gnuradio_ofdm_tx_msps'])))})",
            ],
        ],
    )


def _power(count: int) -> str:
    """A power of ten as such, any other number as it is."""
    zeros = len(str(count)) - 1
    return f"10^{zeros}" if count == 10**zeros else f"{count:,}"


def _short(value: float) -> str:
    """With a digit, but 100 as it is."""
    return rounded(value, 0 if value == round(value) else 1)


def _lost(rows: Iterable[Record], of: int) -> str:
    """How many bursts were lost at each of several settings."""
    lost = [row["lost"] for row in rows]
    counts = ", ".join(map(str, lost)) if any(lost) else "0"
    return f"{counts} of {of}"


def _most(rows: Iterable[Record], of: int) -> str:
    """How many bursts were lost at the worst of many settings."""
    most = max(row["lost"] for row in rows)
    return f"{most} of {of}{' at most' if most else ''}"


def _losses(rows: Iterable[Record], digits: int = 1, key: str = "loss_db") -> str:
    return f"{', '.join(each((row[key] for row in rows), digits))} dB"


@named("waveform-robustness")
def robustness(results: Results) -> list[str]:
    record = results["robustness"]
    spurs = [
        row for name in ("on_data", "on_pilot", "between_carriers") for row in record[f"spur_{name}"]["by_dbc"].values()
    ]
    rows = [
        [
            "spur of -30 to 0 dB over the burst, on a data carrier, a pilot or between two, 20 dB Es/N0",
            _most(spurs, record["spur_on_data"]["bursts_per_point"]),
            f"{spread(row['loss_db'] for row in spurs)} dB",
        ]
    ]
    for label, name in (
        ("DC offset of 0 to +20 dB over the burst, carrier offset anywhere within +-48 kHz", "dc_offset"),
        ("tone outside the band, 0 to +15 dB", "tone_outside"),
    ):
        tones = list(record[name]["by_dbc"].values())
        rows.append(
            [label, _most(tones, record[name]["bursts_per_point"]), f"{spread((r['loss_db'] for r in tones), 2)} dB"]
        )
    for label, name, fades in (("flat Rayleigh", "motion_flat", " (in fades)"), ("EPA", "motion_epa", "")):
        for snr, head in ((10, f"{label}, 0 / 50 / 100 Hz, 10 dB: median"), (20, "the same at 20 dB")):
            moved = [record[name]["by_doppler_and_esn0"][f"{hertz} Hz, {snr} dB"] for hertz in (0, 50, 100)]
            lost = _lost(moved, record[name]["bursts_per_point"]) + (fades if snr == 10 else "")
            rows.append([head, lost, _losses(moved, 2, "median_loss_db")])
    return table(["", "lost", "loss"], rows + _front_end(record) + _pulses(record["pulses"]) + _dropped(record["gaps"]))


def _front_end(record: Record) -> list[list[str]]:
    clock = [record["clock"]["by_ppm"][ppm] for ppm in ("20", "100", "200", "400")]
    iq = [
        record["iq_imbalance"]["by_imbalance"][f"{gain} dB, {angle} degrees"]
        for gain, angle in (("0.5", 2), ("1", 5), ("2", 10))
    ]
    images = " / ".join(rounded(row["image_dbc"], 0) for row in iq)
    clipped = [record["clipping"]["by_db_over_rms"][level] for level in ("9", "6", "3", "0")]
    steps = record["gain_steps"]["by_step"]
    between = [steps[f"{step} dB between"] for step in (6, 20, 40)]
    within = [steps[f"{step} dB within"] for step in (1, 3, 6)]
    of = record["clock"]["bursts_per_point"]
    return [
        ["sampling clock off by 20 / 100 / 200 / 400 ppm, 20 dB", _lost(clock, of), _losses(clock, 2)],
        [
            f"I and Q off by 0.5 dB, 2 degrees / 1 dB, 5 degrees / 2 dB, 10 degrees (image at {images} dBc), 20 dB",
            _lost(iq, of),
            _losses(iq),
        ],
        ["I and Q clipped 9 / 6 / 3 / 0 dB over the mean, 20 dB", _lost(clipped, of), _losses(clipped)],
        [
            "gain that steps by up to 40 dB between bursts / by 1, 3, 6 dB within each, 20 dB",
            _lost(between + within, of),
            f"{spread((row['loss_db'] for row in between), 2)} / {_losses(within)}",
        ],
    ]


def _pulses(record: Record) -> list[list[str]]:
    out = []
    for length, period in ((20, 1000), (100, 4000)):
        rows = [record["by_pulse"][f"{length} of {period} samples, {dbc} dBc"] for dbc in (0, 10, 20)]
        out.append(
            [
                f"noise in {length} of every {period:,} samples, 0 / 10 / 20 dB over the burst, 20 dB",
                _lost(rows, record["bursts_per_point"]),
                _losses(rows),
            ]
        )
    return out


def _dropped(gaps: Record) -> list[list[str]]:
    samples = gaps["by_samples"]
    between = [row[whose] for name, row in samples.items() if name.endswith("between") for whose in ("hit", "others")]
    within = [row for name, row in samples.items() if name.endswith("within")]
    others = [row["others"] for row in within]
    return [
        [
            "samples dropped between bursts, 20 dB",
            _most(between, gaps["bursts_per_point"]),
            f"{spread((row['loss_db'] for row in between), 2)} dB",
        ],
        [
            "1 to 4,096 samples dropped within every other burst, 20 dB",
            f"of the others {max(row['lost'] for row in others)}, of those hit"
            f" {spread((row['hit']['lost'] for row in within), 0)} of {gaps['hit_per_point']}",
            f"others {spread((row['loss_db'] for row in others), 2)} dB; of those hit what came before the gap is kept,"
            f" {_losses([samples[f'{number} within']['hit'] for number in (1, 16, 256)])} with 1, 16 and 256 dropped",
        ],
    ]


@named("waveform-fuzzing")
def fuzzing(results: Results) -> list[str]:
    record = results["fuzz"]
    targets = record["targets"]
    inputs = sum(target["iterations"] for target in targets)
    fallen = {target["target"]: target["crashes"] for target in targets if target["crashes"]}
    found = listed(f"{count} in `{name}`" for name, count in fallen.items())
    return paragraph(
        f"The {len(targets)} targets together ran for {rounded(record['seconds'] / 60, 0)} minutes of processor time:",
        f"{inputs:,} inputs, of which",
        f"{sum(fallen.values())} broke a limit or ended the process ({found}; mended since)" if fallen else "none fell",
        f"(`{record['command']}`, `results/fuzz.json`).",
    )


@named("waveform-pictures-and-packets")
def pictures_and_packets(results: Results) -> list[str]:
    record = results["robustness"]
    pictures, packets = record["digital_pictures"], record["ofdm_rx"]["lost_by_impairment"]
    choices: dict[str, list[Record]] = {}
    for name, row in pictures["by_codec"].items():
        choices.setdefault(name.partition(", ")[2], []).append(row)
    said = "; ".join(f"{choice} ({rows[0]['mcs']}), {_pictures_lost(rows)}" for choice, rows in choices.items())
    spurs = [packets[name]["gnuradio"] for name in packets if name.startswith("spur")]
    ours = {name: row["semcom"] for name, row in packets.items() if row["semcom"]}
    lost = listed(f"{count} ({name})" for name, count in ours.items()) if ours else "none"
    return paragraph(
        f"Digital pictures of four bursts beside a spur of -20 to 0 dBc on any carrier, {pictures['esn0_db']} dB; lost",
        f"of {pictures['pictures_per_point']}, by what the adapter goes by (and its MCS): {said}. Of",
        f"{record['ofdm_rx']['packets_per_point']} packets of 192 bytes (QPSK without FEC, 20 dB) GNU Radio's",
        f"`ofdm_rx` loses {packets['EPA, 5 Hz']['gnuradio']} over EPA, {spread(spurs, 0)} beside those spurs,",
        f"{packets['DC offset of 0 dBc']['gnuradio']} beside a DC offset of 0 dBc and {packets['15 dB']['gnuradio']}",
        f"at 15 dB; this receiver {lost}, and none in the other {len(packets) - len(ours)} cases of row `ofdm_rx`.",
    )


def _pictures_lost(rows: list[Record]) -> str:
    """Pictures that were lost, over codecs and levels of the spur."""

    def lost(how: str, with_spur: bool) -> str:
        return spread((n for row in rows for spur, n in row[how].items() if (spur != "none") == with_spur), 0)

    if not any(n for row in rows for how in ("lost_from_the_start", "lost_heard_before") for n in row[how].values()):
        return "none at any level"
    return (
        f"{lost('lost_heard_before', False)} without a spur, {lost('lost_heard_before', True)} beside one that the"
        f" receiver has heard before, {lost('lost_from_the_start', True)} where the recording begins with the picture"
    )


def _apart(record: Record, scheme: str) -> float:
    """The most that the waveform costs, dB."""
    return max(row["psnr_db_symbol"] - row["psnr_db_waveform"] for row in chosen(record["rows"], scheme=scheme))


@named("waveform-pictures")
def pictures(results: Results) -> list[str]:
    record = results["waveform"]
    rows = []
    for scheme in SCHEMES:
        points = [one(record, "rows", scheme=scheme, snr_db=snr_db) for snr_db in KODAK]
        rows.append([f"`{scheme}`", *(" / ".join(each((p["psnr_db_symbol"], p["psnr_db_waveform"]))) for p in points)])
    return table(["Kodak mean PSNR, symbol level / waveform", *(f"{snr_db} dB" for snr_db in KODAK)], rows)


@named("waveform-pictures-loss")
def pictures_loss(results: Results) -> list[str]:
    record = results["waveform"]
    most = [f"`{scheme}` {rounded(_apart(record, scheme))}" for scheme in SCHEMES]
    return paragraph(
        f"What pictures over the waveform lose against symbol level at the same SNR is at most, in dB: {listed(most)}",
        "(AWGN, 3 kHz carrier offset; `python benchmarks/waveform.py --kodak DIR --out results/waveform.json`):",
    )


@named("waveform-endurance")
def endurance(results: Results) -> list[str]:
    record = results["endurance"]
    sent, delivered = record["images_sent"], record["images_delivered"]
    only = ", and only those that were hit lose anything" if record["lost_only_where_knocked_out"] else ""
    return paragraph(
        f"Of {sent} images with 1 % of the bursts blanked on the air {'all' if delivered == sent else delivered}",
        f"arrive{only} (`python benchmarks/endurance.py --image examples/images/skimage_astronaut.png --out",
        "results/endurance.json`).",
    )
