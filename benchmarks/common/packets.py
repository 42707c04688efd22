# SPDX-License-Identifier: GPL-3.0-or-later
"""Packets of QPSK without FEC, over this project's burst modem and over GNU Radio's own OFDM blocks, FFT length 64."""

from __future__ import annotations

import threading
from collections.abc import Callable

import numpy as np
from gnuradio import blocks, digital, gr, semcom

BYTES = 192
PATIENCE = 60  # seconds that a flowgraph may take: ofdm_rx can stall
KEY = "packet_len"
OCCUPIED = 52  # carriers of ofdm_tx

Channel = Callable[[np.random.Generator, np.ndarray], np.ndarray]


def contents(count: int) -> list[bytes]:
    """As many packets, each different."""
    rng = np.random.default_rng(9)
    return [rng.integers(0, 256, BYTES, dtype=np.uint8).tobytes() for _ in range(count)]


class Ours:
    """One burst for each packet."""

    def __init__(self) -> None:
        self.frame = semcom.ofdm_frame()
        self._transmitter = semcom.burst_transmitter(self.frame)

    def modulated(self, packets: list[bytes]) -> list[np.ndarray]:
        """complex64 [N] of each, of power 1."""
        return [
            self._transmitter.modulate(semcom.burst_header(image_id=number, n_symbols=4 * BYTES), _qpsk(packet))
            for number, packet in enumerate(packets)
        ]

    def noise_power(self, snr_db: float) -> float:
        """Of white noise at an Es/N0 per carrier."""
        return self.frame.noise_voltage(snr_db) ** 2

    def received(self, samples: np.ndarray) -> list[bytes]:
        """All packets that are received."""
        receiver = semcom.burst_receiver(self.frame)
        return [_bytes(burst.symbols) for burst in receiver.work(samples)]


class Theirs:
    """``ofdm_tx`` and ``ofdm_rx``, which check a CRC."""

    def modulated(self, packets: list[bytes]) -> list[np.ndarray]:
        """complex64 [N] of each, of power 1."""
        sink = blocks.vector_sink_c()
        tb = gr.top_block()
        tb.connect(
            blocks.vector_source_b(list(b"".join(packets))),
            blocks.stream_to_tagged_stream(1, 1, BYTES, KEY),
            digital.ofdm_tx(fft_len=64, cp_len=16, packet_length_tag_key=KEY, bps_payload=2),
            sink,
        )
        tb.run()
        samples = np.array(sink.data(), np.complex64)
        return list((samples / np.sqrt(np.mean(np.abs(samples) ** 2))).reshape(len(packets), -1))

    def noise_power(self, snr_db: float) -> float:
        """Of white noise at an Es/N0 per carrier."""
        return 64 / OCCUPIED / 10 ** (snr_db / 10)

    def received(self, samples: np.ndarray) -> list[bytes]:
        """All packets that are received; of a flowgraph that stalls those before."""
        sink, tb = blocks.vector_sink_b(), gr.top_block()
        # what is still in the pipeline at the end of a vector would be lost
        silence = np.zeros(64 * 80, np.complex64)
        source = blocks.vector_source_c(np.concatenate([samples, silence]))
        receiver = digital.ofdm_rx(fft_len=64, cp_len=16, packet_length_tag_key="rx_len", bps_payload=2)
        tb.connect(source, receiver, sink)
        tb.start()
        waiter = threading.Thread(target=tb.wait, daemon=True)
        waiter.start()
        waiter.join(PATIENCE)
        tb.stop()
        waiter.join()
        data = bytes(sink.data())
        return [data[at : at + BYTES] for at in range(0, len(data), BYTES)]


def _qpsk(packet: bytes) -> np.ndarray:
    bits = np.unpackbits(np.frombuffer(packet, np.uint8)).astype(np.float32)
    return ((1 - 2 * bits) / np.sqrt(np.float32(2))).view(np.complex64)


def _bytes(symbols: np.ndarray) -> bytes:
    return np.packbits(symbols.view(np.float32) < 0).tobytes()
