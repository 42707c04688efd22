# SPDX-License-Identifier: GPL-3.0-or-later
"""The networks of training: what their papers fix, and the parts that have an oracle."""

from __future__ import annotations

import json
import math
from itertools import pairwise

import numpy as np
import pytest
from PIL import Image

torch = pytest.importorskip("torch")

from gnuradio.semcom.errors import BadInput  # noqa: E402
from gnuradio.semcom.jscc.semcom import MIN_POWER, power_allocation  # noqa: E402
from gnuradio.semcom.jscc.softcast import softcast  # noqa: E402
from gnuradio.semcom.train.channels import Conditions, Fading, normalised  # noqa: E402
from gnuradio.semcom.train.complexity import complexity  # noqa: E402
from gnuradio.semcom.train.export import export, load_network  # noqa: E402
from gnuradio.semcom.train.models import NETWORKS, SAMSC, WITT, DeepJSCC, Semcom  # noqa: E402
from gnuradio.semcom.train.models import semcom as ours  # noqa: E402
from gnuradio.semcom.train.models.deepjscc import GDN  # noqa: E402
from gnuradio.semcom.train.models.witt import WindowAttention, Windows  # noqa: E402

NARROW = {"widths": (8, 12, 16, 20), "depths": (2, 2, 2, 2), "heads": (2, 2, 2, 2), "window": 4}


@pytest.fixture(autouse=True)
def seeded():
    torch.set_num_threads(1)
    torch.manual_seed(0)


def small(scheme: str) -> torch.nn.Module:
    """The network, WITT in a size that a test can afford."""
    return WITT(**NARROW) if scheme == "witt" else NETWORKS[scheme]()


def perturbed(net: torch.nn.Module) -> torch.nn.Module:
    """Away from the start, where much is zero by design."""
    with torch.no_grad():
        for weight in net.parameters():
            weight.add_(0.05 * torch.randn_like(weight))
    return net


def semcom_inputs(x: torch.Tensor, snr_db: float = 10.0, channels: int = 128):
    told = ours.condition(torch.full((len(x),), snr_db), torch.full((len(x),), float(channels)))
    allocation = (softcast_variance() ** -0.25).view(1, -1, 1, 1).expand(len(x), -1, 1, 1)
    return told, torch.ones(len(x), 1, x.shape[2] // 16, x.shape[3] // 16), allocation


def softcast_variance() -> torch.Tensor:
    return torch.from_numpy(softcast()._variance)


@pytest.mark.parametrize("scheme", NETWORKS)
def test_one_protocol_and_gradients_everywhere(scheme):
    """Any multiple of 16 pixels, and no parameter that training cannot move."""
    net = small(scheme)
    x = torch.rand(2, 3, 48, 80)
    assert net.stride == 16
    assert net.link(x, torch.tensor([1.0, 13.0])).shape == x.shape
    perturbed(net).training_loss(x, Conditions(uneven=1.0)).backward()
    still = [name for name, weight in net.named_parameters() if weight.grad is None or not weight.grad.any()]
    assert not still


@pytest.mark.parametrize("scheme", ["samsc", "deepjscc", "witt"])
def test_one_twelfth_of_the_source_values(scheme):
    net = small(scheme)
    x = torch.rand(2, 3, 48, 80) * torch.tensor([1.0, 0.1]).view(2, 1, 1, 1)
    y = net.encode(x, torch.full((2,), 10.0)) if scheme == "witt" else net.encode(x)
    assert y.shape == (2, 128, 3, 5)
    uses = y[0].numel() // 2
    assert uses / x[0].numel() == 1 / 12
    z, _ = normalised(y, torch.ones(1, 128, 1, 1))
    assert z.square().sum(dim=(1, 2, 3)).tolist() == pytest.approx([uses, uses], rel=1e-4)  # each image by itself


def test_deepjscc_latent_is_the_papers_rearranged():
    net = DeepJSCC()
    x = torch.rand(1, 3, 32, 48)
    paper = net.g_a(x)
    assert paper.shape == (1, 8, 8, 12)
    y = net.encode(x)
    assert torch.equal(y[0, 3 * 16 + 2 * 4 + 1], paper[0, 3, 2::4, 1::4])
    assert torch.equal(net.decode(y), net.g_s(paper))
    with pytest.raises(BadInput, match="choose prelu, gdn"):
        DeepJSCC(activation="relu")


@pytest.mark.parametrize("inverse", [False, True])
def test_gdn_against_numpy(inverse):
    gdn = GDN(3, inverse)
    with torch.no_grad():
        gdn.root_beta.copy_(torch.tensor([0.5, 1.0, -4.0]))  # the last one below its bound
        gdn.root_gamma.uniform_(-0.2, 0.6)
    x = torch.randn(2, 3, 4, 5)
    beta = np.maximum(gdn.root_beta.detach().double().numpy(), math.sqrt(1e-6 + 2**-36)) ** 2 - 2**-36
    gamma = np.maximum(gdn.root_gamma.detach().double().numpy(), 2**-18) ** 2 - 2**-36
    assert gamma.min() < 1e-11 and gamma.max() > 0.1
    divisor = np.sqrt(beta[None, :, None, None] + np.einsum("ij,bjhw->bihw", gamma, x.double().numpy() ** 2))
    expected = x.numpy() * divisor if inverse else x.numpy() / divisor
    out = gdn(x)
    assert np.abs(out.detach().numpy() / expected - 1).max() < 1e-4
    # a value under its bound can rise again but not fall further
    (gdn.beta[2] * torch.tensor(-1.0)).backward()
    assert gdn.root_beta.grad[2] != 0
    gdn.root_beta.grad = None
    gdn.beta[2].backward()
    assert gdn.root_beta.grad[2] == 0


@pytest.mark.parametrize(("rows", "columns", "shifted"), [(8, 12, False), (8, 12, True), (6, 9, True), (3, 8, True)])
def test_window_attention_against_a_loop_over_pairs(rows, columns, shifted):
    """Position by position: who may attend to whom follows from where windows lie, not from masks and rolls."""
    size, heads, width = 4, 2, 8
    attention = perturbed(WindowAttention(width, heads, size))
    x = torch.randn(2, rows, columns, width)
    windows = Windows(rows, columns, size, shifted, x.device)
    out = windows.merge(attention(windows.partition(x), windows.mask))

    def window_of(at: int, length: int) -> int:
        shift = size // 2 if shifted and length > size else 0
        return (at - shift) // size  # -1 is the half window at the edge

    table = attention.bias.detach()
    q, k, v = attention.qkv(x).reshape(2, rows, columns, 3, heads, width // heads).unbind(3)
    places = [(r, c) for r in range(rows) for c in range(columns)]
    mixed = torch.zeros_like(q)
    for r, c in places:
        here = window_of(r, rows), window_of(c, columns)
        mates = [(i, j) for i, j in places if (window_of(i, rows), window_of(j, columns)) == here]
        i, j = (torch.tensor(side) for side in zip(*mates, strict=True))
        score = torch.einsum("bhd,bnhd->bnh", q[:, r, c], k[:, i, j]) / math.sqrt(width // heads)
        score = score + table[(r - i + size - 1) * (2 * size - 1) + (c - j + size - 1)]
        mixed[:, r, c] = torch.einsum("bnh,bnhd->bhd", score.softmax(1), v[:, i, j])
    expected = attention.project(mixed.reshape(2, rows, columns, width))
    assert float((out - expected).detach().abs().max()) < 1e-5


def test_witt_listens_to_the_snr():
    net = perturbed(WITT(**NARROW))
    x = torch.rand(1, 3, 32, 32)
    with torch.no_grad():
        low, high = (net.encode(x, torch.tensor([snr])) for snr in (0.0, 20.0))
        assert float((low - high).abs().max()) > 1e-3 * float(low.abs().max())
        low, high = (net.decode(low, torch.tensor([snr])) for snr in (0.0, 20.0))
        assert float((low - high).abs().max()) > 1e-3 * float(low.abs().max())


@pytest.mark.parametrize("apart", [None, 3])
def test_attention_is_its_formula(apart):
    torch.manual_seed(0)
    attention = WindowAttention(24, 3, 4)
    torch.nn.init.normal_(attention.bias)
    tiles = torch.randn(2 * 3, 16, 24, requires_grad=True)
    mask = None if apart is None else torch.where(torch.rand(apart, 1, 16, 16) < 0.3, -1e4, 0.0)
    q, k, v = attention.qkv(tiles).view(6, 16, 3, 3, 8).permute(2, 0, 3, 1, 4)
    score = q @ k.transpose(2, 3) / 8**0.5 + attention.bias[attention.pair].permute(2, 0, 1)
    if mask is not None:
        score = score + mask.repeat(2, 1, 1, 1)  # windows of one image lie together
    expected = attention.project((score.softmax(dim=-1) @ v).transpose(1, 2).reshape(6, 16, 24))
    found = attention(tiles, mask)
    assert torch.allclose(found, expected, atol=1e-5)
    learnt = [tiles, *attention.parameters()]
    gradients = (torch.autograd.grad(y.square().sum(), learnt) for y in (found, expected))
    for mine, theirs in zip(*gradients, strict=True):
        assert torch.allclose(mine, theirs, atol=1e-4, rtol=1e-4)


def test_witt_exports_with_sizes_left_open(tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime")
    net = perturbed(WITT(widths=(8, 12), depths=(2, 2), heads=(2, 2), window=4, latent=16)).eval()

    class Encoder(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.net = net

        def forward(self, x, snr_db):
            return self.net.encode(x, snr_db)

    path = tmp_path / "witt.onnx"
    axes = {"x": {0: "batch", 2: "rows", 3: "columns"}, "snr_db": {0: "batch"}}
    sample = (torch.rand(1, 3, 32, 48), torch.tensor([5.0]))
    torch.onnx.export(
        Encoder(), sample, path, input_names=list(axes), dynamic_axes=axes, opset_version=17, dynamo=False
    )
    session = onnxruntime.InferenceSession(path)
    for batch, height, width in ((1, 32, 32), (2, 28, 4)):
        x, snr_db = torch.rand(batch, 3, height, width), torch.linspace(1, 13, batch)
        (y,) = session.run(None, {"x": x.numpy(), "snr_db": snr_db.numpy()})
        assert np.abs(y - net.encode(x, snr_db).detach().numpy()).max() < 1e-5


def as_softcast(net: Semcom) -> Semcom:
    """The linear path with the transform that ships, instead of one fitted here."""
    coder = softcast()
    with torch.no_grad():
        net.mean.copy_(torch.from_numpy(coder._mean).view(1, 3, 1, 1))
        net.variance.copy_(torch.from_numpy(coder._variance).view(1, -1, 1, 1))
        basis = (
            torch.from_numpy(coder._basis[:, : net.analysis.weight.shape[0]].T.copy())
            .reshape(-1, 16, 16, 3)
            .permute(0, 3, 1, 2)
        )
        net.analysis.weight.copy_(basis)
        net.synthesis.weight.copy_(basis)
        net.allocations.copy_((net.variance**-0.25).flatten().expand_as(net.allocations))
    return net


@pytest.mark.parametrize("snr_db", [0.0, 13.0])
def test_semcom_starts_where_softcast_ends(astronaut, snr_db, monkeypatch):
    """The very same noise and softcast's power allocation on both: the pictures agree."""
    image = np.asarray(Image.open(astronaut).convert("RGB"))[:256, :256]
    coder = softcast()
    sent = coder.encode(image, snr_db=snr_db)
    n0 = 10 ** (-snr_db / 10)
    noise = np.random.default_rng(1).standard_normal(2 * len(sent.symbols)).astype(np.float32) * math.sqrt(n0 / 2)
    heard = sent.symbols + noise.view(np.complex64)
    received = coder.decode(heard, np.full(len(heard), n0, np.float32), sent.header)
    linear = np.mean((received.astype(float) - image) ** 2)

    # softcast sends patch by patch, channel by channel
    on_latent = torch.from_numpy(noise.reshape(1, 16, 16, 128)).permute(0, 3, 1, 2)
    on_latent = torch.cat([on_latent, torch.zeros_like(on_latent)], dim=1)
    monkeypatch.setattr(Semcom, "through", lambda net, z, snr, fading: (z + on_latent, torch.full_like(z, n0)))
    x = torch.from_numpy(image.copy()).permute(2, 0, 1)[None].float() / 255
    with torch.no_grad():
        x_hat = as_softcast(Semcom()).link(x, torch.tensor([snr_db])).clamp(0, 1)
    network = float((x_hat - x).square().mean()) * 255**2
    assert 10 * math.log10(linear / network) == pytest.approx(0, abs=0.1)
    assert np.abs(x_hat[0].permute(1, 2, 0).numpy() * 255 - received).max() < 2


@pytest.mark.parametrize("snr_db", [-2, 10, 20])
@pytest.mark.parametrize("channels", [32, 256])
def test_power_allocation_is_the_best_a_linear_coder_can_do(snr_db, channels):
    """On average 1 but for the floor, softcast's at high SNR, and moving power between channels never helps."""
    variance = softcast()._variance.astype(float)
    noise = 10 ** (-snr_db / 10)
    power = power_allocation(variance, snr_db, channels)[:channels] ** 2 * variance[:channels]
    free = power > MIN_POWER * 1.01
    assert power.mean() == pytest.approx(1, rel=1e-4) if free.all() else 1 < power.mean() < 1 + MIN_POWER
    if snr_db == 20:
        assert power.mean() == pytest.approx(1, rel=1e-4)
        root = np.sqrt(variance[:channels])
        assert power == pytest.approx(root / root.mean(), rel=0.15)

    def error(p):
        return (variance[:channels] * noise / (p + noise)).sum()

    rng, least = np.random.default_rng(0), error(power)
    for _ in range(200):
        a, b = rng.choice(np.flatnonzero(free), 2, replace=False)
        moved = power.copy()
        step = min(0.2 * power[a], 0.1)
        moved[a], moved[b] = moved[a] - step, moved[b] + step
        assert error(moved) > least


def test_semcom_prefix_importance_and_conditions():
    net = as_softcast(Semcom())
    x = torch.rand(1, 3, 32, 48)
    told, ones, allocation = semcom_inputs(x)
    seen = {}
    decode = net.decode
    net.decode = lambda y, noise, *others: seen.update(y=y, noise=noise) or decode(y, noise, *others)
    with torch.no_grad():
        net.link(x, torch.tensor([10.0]), channels=torch.tensor([64.0]))
        assert torch.all(seen["y"][:, 64:] == 0) and torch.all(seen["noise"][:, 64:] == ours.LOST)
        assert torch.all(seen["y"][:, :64] != 0)
        # 64 channels carry all the power: 64 * 6 reals of variance 1/2, and 0.05 each of noise
        assert float(seen["y"].square().sum()) == pytest.approx(64 * 6 * 0.55, rel=0.15)
        assert seen["noise"][:, :64].unique().tolist() == pytest.approx([0.1])
        # importance 1 is no importance at all; less of it takes power away, most where detail is
        even = net.encode(x, told, ones, allocation)
        expected = net.analysis(x - net.mean) * net.variance**-0.25
        assert float((even - expected).abs().max()) < 1e-4 * float(expected.abs().max())
        less = (net.encode(x, told, 0.1 * ones, allocation) / even).abs()
        assert less.max() < 1 and float(less[:, -1].mean()) < float(less[:, 0].mean()) < 1
        perturbed(net)
        change = net.encode(x, *semcom_inputs(x, 0.0)) - net.encode(x, told, ones, allocation)
        assert change.abs().max() > 1e-3
        change = net.encode(x, *semcom_inputs(x, 10.0, 64)) - net.encode(x, told, ones, allocation)
        assert change.abs().max() > 1e-3


@pytest.mark.parametrize("noise_of_lost", [ours.LOST, 1e12, math.inf])
def test_semcom_lost_symbols_have_no_influence(noise_of_lost):
    """Whatever stands where nothing was received, the picture is the same to the last bit."""
    net = perturbed(as_softcast(Semcom()))
    y = torch.randn(1, 256, 2, 3)
    lost = torch.rand(1, 128, 2, 3).repeat_interleave(2, dim=1) < 0.3
    lost[:, :2] = True  # two channels gone everywhere
    noise = torch.where(lost, torch.tensor(noise_of_lost), torch.tensor(0.1))
    told, _, allocation = semcom_inputs(torch.empty(1, 3, 32, 48))
    scale = torch.full((1, 1, 1, 1), 2.0)
    with torch.no_grad():
        expected = net.decode(torch.where(lost, 0.0, y), noise, told, scale, allocation)
        for value in (1.0, -3e4, 1e30):
            assert torch.equal(net.decode(torch.where(lost, value, y), noise, told, scale, allocation), expected)
    assert torch.isfinite(expected).all()


def test_semcom_survives_fragments_lost():
    """Each fragment lost costs a little of everything, and all of them leave the mean grey."""
    net = as_softcast(Semcom())
    x = torch.nn.functional.interpolate(torch.rand(4, 3, 4, 4), size=(64, 64), mode="bicubic").clamp(0, 1)
    snr = torch.full((4,), 13.0)
    with torch.no_grad():
        whole, some, none = (
            float((net.link(x, snr, fading=fading) - x).square().mean())
            for fading in (Fading(), Fading(erasures=1.0, lost=0.5), Fading(erasures=1.0, lost=1e9))
        )
    assert whole < some < none
    assert none == pytest.approx(float((x - net.mean).square().mean()), rel=1e-4)


def test_complexity_against_counting_by_hand():
    counted = complexity(SAMSC(), 64, 32)
    chain, encoder, grid = (3, 48, 96, 192, 128), 0, 64 * 32
    for a, b in pairwise(chain):
        grid //= 4
        encoder += grid * a * b * 25
    # a transposed convolution does the same products as the convolution it mirrors
    assert (counted.encoder_macs, counted.decoder_macs) == (encoder, encoder)
    weights = sum(a * b * 25 for a, b in pairwise(chain))
    assert counted.encoder_parameters == weights + sum(chain[1:]) + sum(chain[1:4])
    assert counted.parameters == counted.encoder_parameters + counted.decoder_parameters

    width, tokens = 8, 16 * 16  # one stage of a WITT of one stage: 32x32 pixels, windows of 4
    net = WITT(widths=(width,), depths=(2,), heads=(2,), window=4, latent=16)
    per_token = 12 * width**2 + 2 * 16 * width  # qkv, projection, perceptron; scores and their sum over a window
    hidden = width * 3 // 2
    modnet = tokens * (2 * width * hidden + 6 * hidden**2) + 7 * (hidden + 2 * hidden**2)
    body = 2 * tokens * per_token + modnet + tokens * width * 16
    counted = complexity(net, 32, 32)
    assert counted.encoder_macs == body + tokens * 12 * width
    assert counted.decoder_macs == body + tokens * width * 12
    assert counted.encoder_parameters + counted.decoder_parameters == counted.parameters

    counted = complexity(Semcom(), 64, 64)
    shared = sum(w.numel() for w in Semcom().amplitude.parameters())  # both ends compute the amplitudes
    assert counted.encoder_parameters + counted.decoder_parameters == counted.parameters + shared


def test_semcom_exports_what_it_computes(tmp_path):
    """Folded, stored in half precision, of any size, with the variances that the coder allocates power by."""
    onnxruntime = pytest.importorskip("onnxruntime")
    options = {"coarse": 32, "middle": 16, "fine": 8}
    torch.manual_seed(3)
    net = perturbed(as_softcast(Semcom(**options)))
    ema = {f"module.{name}": value for name, value in net.state_dict().items()}
    state = {"scheme": "semcom", "options": options, "ema": ema, "step": 0, "seconds": 0.0}
    torch.save(state, tmp_path / "last.pt")
    (tmp_path / "recipe.json").write_text('{"scheme": "semcom"}')
    encoder, decoder = export(tmp_path / "last.pt", "mine", tmp_path, {})
    assert encoder.name == "semcom_mine_encoder.onnx"
    rounded = load_network(tmp_path / "last.pt")
    for height, width in ((64, 96), (32, 16)):
        x = torch.rand(1, 3, height, width)
        told, ones, allocation = semcom_inputs(x)
        feeds = {"x": x, "told": told, "importance": 0.5 * ones, "allocation": allocation}
        session = onnxruntime.InferenceSession(encoder)
        (y,) = session.run(None, {name: value.numpy() for name, value in feeds.items()})
        with torch.no_grad():
            expected = rounded.encode(*feeds.values()).numpy()
        assert np.abs(y - expected).max() < 2e-3 * np.abs(expected).max()
        noise = torch.where(torch.arange(256).view(1, -1, 1, 1) < 128, 0.1, ours.LOST).expand(y.shape)
        sent = torch.where(noise < 1, torch.from_numpy(y), 0.0)
        feeds = {
            "y": sent,
            "noise": noise,
            "told": told,
            "scale": torch.full((1, 1, 1, 1), 1.5),
            "allocation": allocation,
        }
        (x_hat,) = onnxruntime.InferenceSession(decoder).run(None, {n: v.numpy() for n, v in feeds.items()})
        with torch.no_grad():
            expected = rounded.decode(*feeds.values()).numpy()
        assert np.abs(x_hat - expected).max() < 2e-3 * np.abs(expected).max()
    variance = json.loads(session.get_modelmeta().custom_metadata_map["variance"])
    assert np.allclose(variance, rounded.variance.flatten(), rtol=1e-6)
