# SPDX-License-Identifier: GPL-3.0-or-later
"""Trained checkpoint -> ONNX files and model cards that the run time loads."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper

from .. import files
from ..errors import SemcomError
from ..zoo.onnx import AS_ENCODED, POWER, UNIT
from ..zoo.quantise import int8
from .checkpoints import averaged, read, replace
from .files import write_card
from .models import network
from .network import Network


@dataclass(frozen=True)
class Part:
    """One direction of a coder, as it is exported.

    Attributes
    ----------
    name : str
        "encoder" or "decoder".
    function : str
        Method of the network.
    inputs : dict of str to torch.Tensor
        ONNX input name -> a sample tensor. Batch and the sides of feature maps are dynamic.
    output : str
        ONNX output name.
    """

    name: str
    function: str
    inputs: dict[str, torch.Tensor]
    output: str

    def dynamic_axes(self) -> dict[str, dict[int, str]]:
        """Sides of 1 are of a scalar, not of a map."""
        axes = {}
        for name, sample in self.inputs.items():
            axes[name] = {0: "batch"}
            if sample.dim() > 2 and sample.shape[-1] > 1:
                axes[name] |= {sample.dim() - 2: f"{name}_rows", sample.dim() - 1: f"{name}_columns"}
        return axes


class _Half(torch.nn.Module):
    """One direction of a coder as a module of its own."""

    def __init__(self, net: torch.nn.Module, function: str):
        super().__init__()
        self.net, self.function = net, function

    def forward(self, *tensors: torch.Tensor) -> torch.Tensor:
        return getattr(self.net, self.function)(*tensors)


def parts(net: Network) -> list[Part]:
    """What a network is exported as.

    Parameters
    ----------
    net : Network
        A coder.

    Returns
    -------
    list of Part
        The encoder first.
    """
    return [Part(*entry) for entry in net.parts()]


def store_half_precision(model: onnx.ModelProto) -> None:
    """Keep the weights as float16, widened when the session loads: half the size, the arithmetic stays float32.

    Parameters
    ----------
    model : onnx.ModelProto
        Is changed.
    """
    graph = model.graph
    casts = []
    for tensor in graph.initializer:
        if tensor.data_type != TensorProto.FLOAT or not tensor.dims:
            continue
        values = numpy_helper.to_array(tensor).astype(np.float16)
        name = tensor.name
        tensor.CopyFrom(numpy_helper.from_array(values, name + "_f16"))
        casts.append(helper.make_node("Cast", [name + "_f16"], [name], to=TensorProto.FLOAT))
    nodes = list(graph.node)
    del graph.node[:]
    graph.node.extend(casts + nodes)


def as_shipped(net: torch.nn.Module) -> torch.nn.Module:
    """The network with its weights rounded to float16 as they ship, in eval mode and without gradients.

    Parameters
    ----------
    net : torch.nn.Module
        Is changed.

    Returns
    -------
    torch.nn.Module
        The same.

    Raises
    ------
    SemcomError
        A weight is not finite in float16.
    """
    for name, value in net.half().state_dict().items():
        if not value.isfinite().all():
            raise SemcomError(
                f"{name} of the weights is not finite, so nothing was exported; export another checkpoint"
            )
    return net.float().eval().requires_grad_(False)


def load_network(checkpoint: Path) -> torch.nn.Module:
    """The averaged weights of a checkpoint, rounded to float16 as they ship, in eval mode.

    Parameters
    ----------
    checkpoint : Path
        File that a training wrote.

    Returns
    -------
    torch.nn.Module
        Without gradients.
    """
    return _network(read(checkpoint), checkpoint.parent)


def _network(state: dict, folder: Path) -> Network:
    net = network(state["scheme"], state.get("options", {}), folder)
    net.load_state_dict(averaged(state))
    return as_shipped(net)


def trained_recipe(checkpoint: Path) -> dict:
    """What a card says of a training.

    Parameters
    ----------
    checkpoint : Path
        File that the training wrote.

    Returns
    -------
    dict
        The recipe that lies beside it, and how far it got.
    """
    state = read(checkpoint)
    recipe = files.read_json(checkpoint.parent / "recipe.json", "the recipe of a training")
    return recipe | {"steps": state["step"], "seconds_trained": round(state["seconds"])}


def write_onnx(
    module: torch.nn.Module,
    name: str,
    out: Path,
    inputs: dict[str, torch.Tensor],
    outputs: Sequence[str],
    dynamic_axes: dict[str, dict[int, str]],
    about: dict,
    metadata: dict[str, str] | None = None,
    eight_bits: bool = False,
) -> Path:
    """Write ``NAME.onnx``, its weights as float16 or in eight bits, and its card.

    Parameters
    ----------
    module : torch.nn.Module
        What is exported.
    name : str
        Of the weights, and of the file.
    out : Path
        Folder, made if it is not there.
    inputs : dict of str to torch.Tensor
        Name -> a sample.
    outputs : sequence of str
        Their names.
    dynamic_axes : dict of str to dict of int to str
        Names of the axes of inputs and outputs that may have any size.
    about : dict
        What the card says beside the file's own properties.
    metadata : dict of str to str, optional
        Goes into the file.
    eight_bits : bool, default False
        Whether matrices and filters are rounded to eight bits for each channel, see ``zoo.quantise``.

    Returns
    -------
    Path
        The ONNX file.
    """
    out.mkdir(parents=True, exist_ok=True)
    path = out / f"{name}.onnx"
    with tempfile.TemporaryDirectory(prefix="semcom-") as folder:
        torch.onnx.export(
            module,
            tuple(inputs.values()),
            str(Path(folder) / path.name),
            input_names=list(inputs),
            output_names=list(outputs),
            dynamic_axes=dynamic_axes,
            opset_version=17,
            dynamo=False,
        )
        model = onnx.load(Path(folder) / path.name)
    parameters = sum(math.prod(tensor.dims) for tensor in model.graph.initializer)
    if eight_bits:
        model = onnx.load_from_string(int8(model.SerializeToString()))
    store_half_precision(model)
    if metadata:
        onnx.helper.set_model_props(model, metadata)
    onnx.checker.check_model(model)
    replace(path, lambda file: file.write(model.SerializeToString()))
    stored = {"weights_stored": "8 bits for each channel"} if eight_bits else {}
    write_card(path, name, {"parameters": parameters} | stored | about)
    return path


def export(checkpoint: Path, variant: str, out: Path, card: dict, eight_bits: bool = False) -> list[Path]:
    """Write ``SCHEME_VARIANT_encoder.onnx`` and ``..._decoder.onnx`` with a card each.

    Where only the decoder learned it is written alone.
    Inputs and outputs are float32 and of any size, see :func:`parts`; with an empty ``variant`` the names have none.
    ``card`` is merged into both model cards, beside the training recipe that lies next to the checkpoint.

    Parameters
    ----------
    checkpoint : Path
        File that a training wrote.
    variant : str
        Of the file names; may be empty.
    out : Path
        Folder, made if it is not there.
    card : dict
        Goes into both model cards.
    eight_bits : bool, default False
        See :func:`write_onnx`.

    Returns
    -------
    list of Path
        The ONNX files.
    """
    state = read(checkpoint)
    net = _network(state, checkpoint.parent)
    if hasattr(net, "fold"):
        net.fold()
    recipe = trained_recipe(checkpoint)
    scheme = state["scheme"].rpartition(":")[2]
    if scheme != state["scheme"]:  # a class of one's own may take images of the training's size only
        net.probe = recipe["crop"]
        card = {"scheme": scheme} | card
    doc = (type(getattr(net, "coder", net)).__doc__ or scheme).strip().splitlines()[0]
    return [
        write_onnx(
            _Half(net, part.function),
            "_".join(filter(None, (scheme, variant, part.name))),
            out,
            part.inputs,
            [part.output],
            part.dynamic_axes(),
            {"description": doc, "recipe": recipe} | card,
            {POWER: UNIT if net.unit_power else AS_ENCODED} | net.metadata(),
            eight_bits,
        )
        for part in parts(net)
        if part.name == "decoder" or not recipe.get("decoder_only")
    ]
