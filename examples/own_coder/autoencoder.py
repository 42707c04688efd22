# SPDX-License-Identifier: GPL-3.0-or-later
"""A coder of one's own: python autoencoder.py PHOTOGRAPHS trains it, and writes encoder.onnx and decoder.onnx."""

import sys
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import nn

torch.manual_seed(1)
CHANNELS, SIDE, STEPS = 32, 64, 600  # at a stride of 8: k/n = 32 / (6 * 8 * 8) = 1/12


class Encoder(nn.Sequential):
    def forward(self, image):  # [1, 3, H, W] in [0, 1] -> [1, C, H/8, W/8] of unit power
        latent = super().forward(image - 0.5)
        return latent * latent.square().mean((1, 2, 3), keepdim=True).rsqrt()


class Decoder(nn.Sequential):
    def forward(self, latent, noise_var):  # how far each value can be trusted is a second set of channels
        return super().forward(torch.cat((latent, 1 / (1 + noise_var)), 1)) + 0.5


encoder = Encoder(nn.Conv2d(3, 96, 4, 4), nn.PReLU(), nn.Conv2d(96, CHANNELS, 2, 2))
decoder = Decoder(nn.ConvTranspose2d(2 * CHANNELS, 96, 2, 2), nn.PReLU(), nn.ConvTranspose2d(96, 3, 4, 4))
files = sorted(file for file in Path(sys.argv[1]).iterdir() if file.suffix in (".png", ".jpg"))
photographs = [torch.from_numpy(np.array(Image.open(file).convert("RGB"))).permute(2, 0, 1) / 255 for file in files]
adam = torch.optim.Adam([*encoder.parameters(), *decoder.parameters()], 3e-3)
schedule = torch.optim.lr_scheduler.OneCycleLR(adam, 3e-3, STEPS)
for _ in range(STEPS):
    corners = [(p, *(int(torch.randint(side - SIDE, ())) for side in p.shape[1:])) for p in photographs * 2]
    batch = torch.stack([p[:, y : y + SIDE, x : x + SIDE] for p, y, x in corners])
    latent = encoder(batch)
    noise_var = 10 ** (-2 * torch.rand(len(batch), 1, 1, 1)).expand_as(latent)  # Es/N0 from 0 to 20 dB
    loss = nn.functional.mse_loss(decoder(latent + noise_var.sqrt() * torch.randn_like(latent), noise_var), batch)
    adam.zero_grad()
    loss.backward()
    adam.step()
    schedule.step()
print(f"mean squared error of the last step: {loss:.4f}")
networks = {"encoder": (encoder, {"image": batch}), "decoder": (decoder, {"latent": latent, "noise_var": noise_var})}
for name, (network, inputs) in networks.items():
    free = {each: {2: "rows", 3: "columns"} for each in (*inputs, "out")}  # any height and width
    how = {"input_names": list(inputs), "output_names": ["out"], "dynamic_axes": free}
    samples = tuple(each[:1].detach() for each in inputs.values())
    torch.onnx.export(network, samples, f"{name}.onnx", opset_version=17, dynamo=False, **how)
