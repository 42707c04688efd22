# SPDX-License-Identifier: GPL-3.0-or-later
"""Quality figures against closed forms and against torchmetrics."""

import math
from pathlib import Path

import numpy as np
import pytest
from gnuradio.semcom.errors import BadInput
from gnuradio.semcom.image.io import load
from gnuradio.semcom.image.metrics import MS_SSIM_MIN_SIDE, ms_ssim, psnr, roi_psnr

IMAGES = Path(__file__).parents[1] / "examples" / "images"


def noisy(image, deviation, seed=0):
    noise = np.random.default_rng(seed).normal(0, deviation, image.shape)
    return np.clip(np.rint(image + noise), 0, 255).astype(np.uint8)


def test_psnr_closed_forms():
    grey = np.full((32, 48, 3), 100, np.uint8)
    assert psnr(grey, grey) == math.inf
    assert psnr(grey, grey + np.uint8(5)) == pytest.approx(20 * math.log10(255 / 5))
    assert psnr(grey * 0, grey * 0 + np.uint8(255)) == pytest.approx(0)
    one = grey.copy()
    one[3, 4, 1] += 10
    assert psnr(grey, one) == pytest.approx(10 * math.log10(255**2 * grey.size / 100))


def test_psnr_of_gaussian_noise():
    grey = np.full((256, 256, 3), 128, np.uint8)
    # rounding to bytes adds 1/12 to the variance
    assert psnr(grey, noisy(grey, 10)) == pytest.approx(10 * math.log10(255**2 / (100 + 1 / 12)), abs=0.05)


def test_roi_psnr_counts_the_mask_only():
    original = np.full((40, 40, 3), 100, np.uint8)
    mask = np.zeros((40, 40), bool)
    mask[10:20, 10:30] = True
    received = np.where(mask[..., None], original + np.uint8(5), 0).astype(np.uint8)
    assert roi_psnr(original, received, mask) == pytest.approx(20 * math.log10(255 / 5))
    assert roi_psnr(original, received, mask.astype(np.uint8)) == roi_psnr(original, received, mask)
    assert roi_psnr(original, original, mask) == math.inf
    assert roi_psnr(original, received, np.ones_like(mask)) == pytest.approx(psnr(original, received))
    assert roi_psnr(original, received, np.zeros_like(mask)) is None


def reference_ms_ssim(a, b):
    torch = pytest.importorskip("torch")
    metrics = pytest.importorskip("torchmetrics.functional.image")
    x, y = (torch.from_numpy(image.transpose(2, 0, 1)[None].astype(np.float32)) for image in (a, b))
    return metrics.multiscale_structural_similarity_index_measure(x, y, data_range=255.0).item()


@pytest.mark.parametrize("name", ["skimage_astronaut.png", "skimage_chelsea.png"])
def test_ms_ssim_is_that_of_torchmetrics(name):
    image = load(IMAGES / name)
    for other in (noisy(image, 8), noisy(image, 60), np.roll(image, 4, axis=0), image // 2):
        assert ms_ssim(image, other) == pytest.approx(reference_ms_ssim(image, other), abs=1e-4)


def test_ms_ssim_of_small_and_odd_sizes():
    image = load(IMAGES / "skimage_coffee.png")
    side = MS_SSIM_MIN_SIDE
    assert side == 161
    a = image[:177, :237]
    assert ms_ssim(a, noisy(a, 20)) == pytest.approx(reference_ms_ssim(a, noisy(a, 20)), abs=1e-4)
    # torchmetrics refuses sides under 176, where its own arithmetic still works: the value must go on smoothly
    b = image[:176, :176]
    least = image[:side, :side]
    assert ms_ssim(least, noisy(least, 20)) == pytest.approx(ms_ssim(b, noisy(b, 20)), abs=0.01)
    assert ms_ssim(image[: side - 1], image[: side - 1]) is None


def test_ms_ssim_bounds():
    image = load(IMAGES / "skimage_coffee.png")
    assert ms_ssim(image, image) == pytest.approx(1, abs=1e-12)
    assert ms_ssim(image, 255 - image) == 0
    black = np.zeros((200, 200, 3), np.uint8)
    assert ms_ssim(black, black) == pytest.approx(1)


@pytest.mark.parametrize("measure", [psnr, ms_ssim, lambda a, b: roi_psnr(a, b, np.ones(a.shape[:2], bool))])
def test_what_cannot_be_compared(measure):
    image = np.zeros((20, 30, 3), np.uint8)
    with pytest.raises(BadInput, match=r"images of sizes \(20, 30\) and \(19, 30\) cannot be compared; give two of"):
        measure(image, image[1:])
    with pytest.raises(BadInput, match=r"measured on RGB images uint8 \[H, W, 3\], not float64"):
        measure(image.astype(float), image)
    with pytest.raises(BadInput, match=r"not uint8 \[20, 30\]"):
        measure(image[..., 0], image[..., 0])


def test_roi_psnr_needs_a_mask_of_the_images_size():
    image = np.zeros((20, 30, 3), np.uint8)
    with pytest.raises(BadInput, match=r"the mask's size \(30, 20\) is not the images' \(20, 30\)"):
        roi_psnr(image, image, np.ones((30, 20), bool))
