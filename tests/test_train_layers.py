# SPDX-License-Identifier: GPL-3.0-or-later
"""Layers made for speed against torch's own: the same results, the same gradients, the same weights."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from gnuradio.semcom.train.models import layers  # noqa: E402
from gnuradio.semcom.train.models.semcom import Bottleneck, Separable  # noqa: E402
from torch import nn  # noqa: E402


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


def gradients(function, module, *inputs):
    """The output, and the gradients by inputs and weights of a scalar that depends on all of it."""
    inputs = [tensor.clone().requires_grad_() for tensor in inputs]
    y = function(*inputs)
    weights = torch.linspace(-1, 1, y.numel()).view(y.shape)
    return [y, *torch.autograd.grad((y * weights).sum(), [*inputs, *module.parameters()])]


def agree(first, second, tolerance=2e-6):
    assert len(first) == len(second)
    for a, b in zip(first, second, strict=True):
        assert a.shape == b.shape
        a, b = a.detach(), b.detach()
        assert (a - b).norm() <= tolerance * b.norm() + 1e-9


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize(
    ("mine", "torchs", "channels"),
    [
        (layers.Pointwise(6, 10), nn.Conv2d(6, 10, 1), 6),
        (layers.Depthwise(6, 5), nn.Conv2d(6, 6, 5, 1, 2, groups=6), 6),
        (layers.Depthwise(6, 3), nn.Conv2d(6, 6, 3, 1, 1, groups=6), 6),
        (layers.PatchAnalysis(3, 20, 8), nn.Conv2d(3, 20, 8, 8, bias=False), 3),
        (layers.PatchSynthesis(20, 3, 8), nn.ConvTranspose2d(20, 3, 8, 8, bias=False), 20),
    ],
    ids=["pointwise", "depthwise 5", "depthwise 3", "analysis", "synthesis"],
)
def test_layers_are_torchs(mine, torchs, channels, layout):
    torchs.load_state_dict(mine.state_dict())
    x = torch.randn(3, channels, 16, 24).to(memory_format=layout)
    agree(gradients(mine, mine, x), gradients(torchs, torchs, x))
    with torch.no_grad():
        traced = torch.jit.trace(mine, x)
        agree([traced(x)], [torchs(x)])
    assert any("conv" in node.kind() for node in traced.inlined_graph.nodes())  # what is exported stays a convolution


@pytest.mark.parametrize(("kind", "grid"), [(Separable, 4), (Separable, 12), (Bottleneck, 12)])
def test_blocks_are_what_they_are_written_as(kind, grid):
    """Modulation and gain go into the weights; written out they are passes over the features."""
    block = kind(16, 8)
    nn.init.normal_(block.modulation.to_both.weight, std=0.3)
    nn.init.normal_(block.modulation.to_both.bias, std=0.3)
    x, features = torch.randn(3, 16, grid, grid), torch.randn(3, 8)

    def written_out(x, features):
        if kind is Separable:
            y = block.widen(block.modulation(block.depthwise(x), features))
            branch = block.narrow(nn.functional.leaky_relu(y, 0.1))
        else:
            branch = block.layers(block.modulation(x, features))
        return x + block.gain * branch

    agree(gradients(block, block, x, features), gradients(written_out, block, x, features))
    plain = block(x, features).detach()
    block.fold()
    agree([block(x, features)], [plain])


def test_mixed_precision_goes_through_them():
    block = Separable(16, 8)
    x, features = torch.randn(3, 16, 12, 12), torch.randn(3, 8)
    exact = gradients(block, block, x, features)
    with torch.autocast("cpu", torch.bfloat16):
        mixed = gradients(block, block, x, features)
    agree(mixed, exact, tolerance=0.02)
    analysis, synthesis = layers.PatchAnalysis(3, 192, 8), layers.PatchSynthesis(192, 3, 8)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):  # the linear path is exact all the same
        nn.init.orthogonal_(analysis.weight.view(192, 192))
        synthesis.weight.copy_(analysis.weight)
        image = torch.rand(1, 3, 32, 32)
        agree([synthesis(analysis(image))], [image], tolerance=1e-5)
