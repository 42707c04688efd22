# SPDX-License-Identifier: GPL-3.0-or-later
"""A scheme of one's own in thirty lines: 8x8 means of each colour as symbols, in no order at all."""

import numpy as np
from gnuradio.semcom.burst import ImageHeader
from gnuradio.semcom.schemes import Decoded, Part, Scheme, Transmission

CELL = 8


class Toy(Scheme):
    """Means of 8x8 pixels, one real value each, two to a symbol; k/n = 1/128."""

    name = "toy"
    code = 200
    title = "Toy (means of 8x8)"
    rates = (1 / 128, 1 / 128)

    def encode(self, image, conditions, options, importance=None):
        height, width = (side // CELL * CELL for side in image.shape[:2])
        cells = image[:height, :width].reshape(height // CELL, CELL, width // CELL, CELL, 3).mean(axis=(1, 3))
        values = np.append(cells.ravel(), 127.5)[: cells.size // 2 * 2 + cells.size % 2 * 2]
        symbols = ((values - 127.5) / 64).astype(np.float32).view(np.complex64)
        return Transmission((Part(symbols),), ImageHeader(*image.shape[:2], self.name))

    def symbols(self, header, part, variant):
        return (header.height // CELL * (header.width // CELL) * 3 + 1) // 2

    def decoder(self, header, variant):
        return ToyDecoder(header)


class ToyDecoder:
    def __init__(self, header):
        self.header, self.symbols = header, None

    def feed(self, part):
        self.symbols = part.payload
        return Decoded()

    def finish(self):
        rows, columns = self.header.height // CELL, self.header.width // CELL
        cells = self.symbols.view(np.float32)[: rows * columns * 3].reshape(rows, columns, 3) * 64 + 127.5
        image = np.clip(np.kron(cells, np.ones((CELL, CELL, 1))), 0, 255).astype(np.uint8)
        bottom, right = self.header.height - rows * CELL, self.header.width - columns * CELL
        return Decoded(image=np.pad(image, ((0, bottom), (0, right), (0, 0)), mode="edge"))
