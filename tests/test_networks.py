# SPDX-License-Identifier: GPL-3.0-or-later
"""The networks of training: what their papers fix, and the parts that have an oracle."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from PIL import Image

torch = pytest.importorskip("torch")

from gnuradio.semcom import schemes  # noqa: E402
from gnuradio.semcom.errors import BadInput  # noqa: E402
from gnuradio.semcom.jscc import mapcode  # noqa: E402
from gnuradio.semcom.jscc.allocation import Allocation, tables  # noqa: E402
from gnuradio.semcom.jscc.semcom import NO_BASE  # noqa: E402
from gnuradio.semcom.jscc.softcast import softcast  # noqa: E402
from gnuradio.semcom.jscc.symbols import ReceivedSymbols, scale_value  # noqa: E402
from gnuradio.semcom.train.channels import Conditions, Fading, normalised  # noqa: E402
from gnuradio.semcom.train.complexity import complexity  # noqa: E402
from gnuradio.semcom.train.export import export, load_network  # noqa: E402
from gnuradio.semcom.train.models import NETWORKS, SAMSC, WITT, DeepJSCC, Semcom  # noqa: E402
from gnuradio.semcom.train.models import semcom as ours  # noqa: E402
from gnuradio.semcom.train.models.deepjscc import GDN  # noqa: E402
from gnuradio.semcom.train.models.witt import WindowAttention, Windows  # noqa: E402
from gnuradio.semcom.zoo import weights  # noqa: E402

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


def semcom_inputs(
    net: Semcom, x: torch.Tensor, snr_db: float = 10.0, channels: int = 128, weight: float = 1.0, based: int = 3
):
    """What both ends tell their networks: conditions, importance, profiles, amplitudes, base and what it leaves."""
    snr, count = torch.full((len(x),), snr_db), torch.full((len(x),), float(channels))
    weights = torch.full((len(x), 1, x.shape[2] // 16, x.shape[3] // 16), weight)
    base = net.base(x, torch.full((len(x),), based), torch.full((len(x),), 0.5))
    return ours.condition(snr, count), weights, *net.plan(x, snr, count, weights, based=base), *base


@pytest.mark.parametrize("scheme", NETWORKS)
def test_one_protocol_and_gradients_everywhere(scheme):
    """Any multiple of 16 pixels, and no parameter that training cannot move."""
    net = small(scheme)
    x = torch.rand(2, 3, 48, 80)
    assert net.stride == 16
    assert net.link(x, torch.tensor([1.0, 13.0])).shape == x.shape
    perturbed(net).training_loss(x, Conditions(uneven=1.0, skipped=0.3)).backward()
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


@pytest.mark.parametrize("snr_db", [0.0, 13.0])
def test_semcom_starts_where_softcast_ends(astronaut, snr_db):
    """The same map, allocation and noise on both: the pictures agree."""
    image = np.asarray(Image.open(astronaut).convert("RGB"))[:256, :256]
    scheme = schemes.get("softcast")
    sent = scheme.encode(image, schemes.Conditions(snr_db=snr_db), scheme.options({}))
    data, symbols = (part.payload for part in sent.parts)
    n0 = 10 ** (-snr_db / 10)
    noise = np.random.default_rng(1).standard_normal(2 * len(symbols)).astype(np.float32) * math.sqrt(n0 / 2)
    heard = symbols + noise.view(np.complex64)
    of_part = ReceivedSymbols(heard, np.full(len(heard), n0, np.float32), sent.header.scale)
    received, cells = softcast().decode_adaptive(data, [of_part], sent.header)

    known = mapcode.decode(data, sent.header)[1]
    assert known.count > 0
    profile, level = cells.patches(256, 256, tables().profiles)
    allocation = Allocation(tables().based(known), profile, level, 2 * len(symbols), sent.header.snr_enc)
    base, left = torch.zeros(1, 6, 16, 16), torch.full((1, 6, 1, 1), NO_BASE)
    base[0, : known.count] = torch.from_numpy(known.coefficients().T.reshape(known.values.shape).copy())
    left[0, : known.count] = 2.0 ** (known.level / 16)
    here = torch.from_numpy(allocation.scatter(np.ones(allocation.size, np.float32)))[None] > 0
    y = torch.from_numpy(allocation.scatter(heard.view(np.float32)))[None]
    with torch.no_grad():
        x_hat = (
            Semcom()
            .decode(
                y,
                torch.where(here, torch.tensor(n0), ours.LOST),
                ours.condition(torch.tensor([snr_db]), torch.tensor([float(sent.header.channels)])),
                torch.full((1, 1, 1, 1), scale_value(sent.header.scale)),
                torch.ones(1, 1, 16, 16),
                torch.from_numpy(profile.astype(np.int64))[None],
                torch.from_numpy(allocation.amplitude_grid())[None],
                base,
                left,
            )
            .clamp(0, 1)
        )
    picture = x_hat[0].permute(1, 2, 0).numpy() * 255
    assert np.mean((picture - image) ** 2) == pytest.approx(np.mean((received.astype(float) - image) ** 2), rel=0.02)
    assert np.abs(picture - received).max() < 2


@pytest.mark.parametrize("importance", [False, True])
def test_semcom_trains_with_the_allocation_that_is_sent(astronaut, importance):
    """Of the same profiles both ends' arithmetic chooses the same coefficients, but for those that tie."""
    image = np.asarray(Image.open(astronaut).convert("RGB"))[:192, :256]
    x = torch.from_numpy(image.copy()).permute(2, 0, 1)[None].float() / 255
    level = np.zeros((12, 16), np.uint8)
    level[:6] = 3 * importance
    snr, count = torch.tensor([7.0]), torch.tensor([100.0])
    profile, amplitude = Semcom().plan(x, snr, count, torch.from_numpy(0.5 ** level.astype(np.float32))[None, None])
    assert len(profile.unique()) > 5
    sent = Allocation(tables(), profile[0].numpy().astype(np.uint8), level, 100 * 192, 7.0)
    expected = sent.amplitude_grid()
    both = (amplitude[0].numpy() > 0) & (expected > 0)
    assert both.sum() > 0.99 * max((expected > 0).sum(), int((amplitude > 0).sum()))
    assert amplitude[0].numpy()[both] == pytest.approx(expected[both], rel=2e-3)


def test_semcom_may_share_an_allocation_and_send_no_map(astronaut):
    image = np.asarray(Image.open(astronaut).convert("RGB"))
    crops = [image[:128, :128], image[200:328, 200:328]]
    x = torch.stack([torch.from_numpy(crop.copy()).permute(2, 0, 1) for crop in crops]).float() / 255
    net, snr, count, ones = Semcom(), torch.full((2,), 10.0), torch.full((2,), 64.0), torch.ones(2, 1, 8, 8)
    alone = net.plan(x, snr, count, ones)[1] > 0
    together = net.plan(x, snr, count, ones, groups=1)[1] > 0
    total = 2 * 64 * 64
    assert [int(each.sum()) for each in alone] == [total // 2] * 2
    assert int(together.sum()) == total and int(together[0].sum()) != int(together[1].sum())
    profile, amplitude = net.plan(x, snr, count, ones, side=torch.tensor([0, 2]))
    assert profile[0].unique().tolist() == [0]
    first, last = amplitude[0, :, 0, 0], amplitude[0, :, 7, 7]
    assert torch.allclose(first[last > 0], last[last > 0]) and (first > 0).sum() >= (last > 0).sum() > 60
    large = profile[1].view(4, 2, 4, 2)
    assert torch.equal(large, large[:, :1, :, :1].expand_as(large))


def test_semcom_is_told_conditions_and_importance():
    net = Semcom()
    x = torch.rand(1, 3, 32, 48)
    seen = {}
    decode = net.decode
    net.decode = lambda y, noise, *others: seen.update(y=y, noise=noise) or decode(y, noise, *others)
    with torch.no_grad():
        net.link(x, torch.tensor([10.0]), channels=torch.tensor([64.0]))
        sent = seen["noise"] < ours.LOST
        assert int(sent.sum()) == 64 * 6 and torch.all(seen["y"][~sent] == 0) and torch.all(seen["y"][sent] != 0)
        # what is sent carries all the power: 64 * 6 reals of variance 1/2, and 0.05 each of noise
        assert float(seen["y"].square().sum()) == pytest.approx(64 * 6 * 0.55, rel=0.15)
        assert seen["noise"][sent].unique().tolist() == pytest.approx([0.1])
        told = semcom_inputs(net, x)
        even = net.encode(x, *told)
        rest = net.analysis(x - net.mean)
        rest[:, :6] -= told[4]
        assert torch.allclose(even, rest * told[3], atol=0.02)
        perturbed(net)
        even = net.encode(x, *told)
        others = semcom_inputs(net, x, 0.0), semcom_inputs(net, x, 10.0, 64), semcom_inputs(net, x, weight=0.25)
        without = semcom_inputs(net, x, based=0)
        for number, other in ((0, others[0][0]), (0, others[1][0]), (1, others[2][1]), (5, without[5])):
            change = net.encode(x, *told[:number], other, *told[number + 1 :]) - even
            assert change.abs().max() > 1e-4


@pytest.mark.parametrize("noise_of_lost", [ours.LOST, 1e12, math.inf])
def test_semcom_lost_symbols_have_no_influence(noise_of_lost):
    """Whatever stands where nothing was received, the picture is the same to the last bit."""
    net = perturbed(Semcom())
    y = torch.randn(1, 512, 2, 3)
    lost = torch.rand(1, 512, 2, 3) < 0.3
    lost[:, :2] = True  # two channels gone everywhere
    noise = torch.where(lost, torch.tensor(noise_of_lost), torch.tensor(0.1))
    told = semcom_inputs(net, torch.rand(1, 3, 32, 48))
    scale = torch.full((1, 1, 1, 1), 2.0)
    with torch.no_grad():
        expected = net.decode(torch.where(lost, 0.0, y), noise, told[0], scale, *told[1:])
        for value in (1.0, -3e4, 1e30):
            assert torch.equal(net.decode(torch.where(lost, value, y), noise, told[0], scale, *told[1:]), expected)
    assert torch.isfinite(expected).all()


def test_semcom_survives_fragments_lost():
    """Each fragment lost costs a little of everything; all of them leave the base, or without one the mean grey."""
    net = Semcom()
    x = torch.nn.functional.interpolate(torch.rand(4, 3, 4, 4), size=(64, 64), mode="bicubic").clamp(0, 1)
    snr = torch.full((4,), 13.0)
    with torch.no_grad():
        whole, some, none = (
            float((net.link(x, snr, fading=fading) - x).square().mean())
            for fading in (Fading(), Fading(erasures=1.0, lost=0.5), Fading(erasures=1.0, lost=1e9))
        )
        nothing = net.link(x, snr, fading=Fading(erasures=1.0, lost=1e9), count=torch.zeros(4))
    grey = float((x - net.mean).square().mean())
    assert whole < some < none < 0.7 * grey
    assert float((nothing - x).square().mean()) == pytest.approx(grey, rel=1e-4)


def test_complexity_against_counting_by_hand():
    counted = complexity(SAMSC(), 64, 32)
    chain, encoder, grid = (3, 48, 96, 192, 128), 0, 64 * 32
    for a, b in pairwise(chain):
        grid //= 4
        encoder += grid * a * b * 25
    # a transposed convolution does the same products as the convolution it mirrors
    assert (counted.encoder_macs, counted.decoder_macs) == (encoder, encoder)
    kernels = sum(a * b * 25 for a, b in pairwise(chain))
    assert counted.encoder_parameters == kernels + sum(chain[1:]) + sum(chain[1:4])
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
    # both ends compute the amplitudes, and what the analysis makes of a base
    shared = sum(w.numel() for w in (*Semcom().amplitude.parameters(), Semcom().analysis.weight))
    assert counted.encoder_parameters + counted.decoder_parameters == counted.parameters + shared


def test_semcom_exports_what_it_computes(tmp_path):
    """Folded, stored in half precision, of any size, with the name of the tables that it allocates by."""
    onnxruntime = pytest.importorskip("onnxruntime")
    options = {"coarse": 32, "middle": 16, "fine": 8}
    torch.manual_seed(3)
    net = perturbed(Semcom(**options))
    ema = {f"module.{name}": value for name, value in net.state_dict().items()}
    state = {"scheme": "semcom", "options": options, "ema": ema, "step": 0, "seconds": 0.0}
    torch.save(state, tmp_path / "last.pt")
    (tmp_path / "recipe.json").write_text('{"scheme": "semcom"}')
    encoder, decoder = export(tmp_path / "last.pt", "mine", tmp_path, {})
    assert encoder.name == "semcom_mine_encoder.onnx"
    rounded = load_network(tmp_path / "last.pt")
    for height, width in ((64, 96), (32, 16)):
        x = torch.rand(1, 3, height, width)
        told, weight, profile, amplitude, base, left = semcom_inputs(rounded, x, weight=0.5)
        shared = {"importance": weight, "profile": profile, "amplitude": amplitude, "base": base, "left": left}
        feeds = {"x": x, "told": told} | shared
        session = onnxruntime.InferenceSession(encoder)
        (y,) = session.run(None, {name: value.numpy() for name, value in feeds.items()})
        with torch.no_grad():
            expected = rounded.encode(*feeds.values()).numpy()
        assert np.abs(y - expected).max() < 2e-3 * np.abs(expected).max()
        noise = torch.where(amplitude > 0, 0.1, ours.LOST)
        feeds = {
            "y": torch.from_numpy(y),
            "noise": noise,
            "told": told,
            "scale": torch.full((1, 1, 1, 1), 1.5),
        } | shared
        (x_hat,) = onnxruntime.InferenceSession(decoder).run(None, {n: v.numpy() for n, v in feeds.items()})
        with torch.no_grad():
            expected = rounded.decode(*feeds.values()).numpy()
        assert np.abs(x_hat - expected).max() < 2e-3 * np.abs(expected).max()
    about = session.get_modelmeta().custom_metadata_map
    assert about == {"power": "as encoded", "tables": weights.sha256("softcast_klt")}
