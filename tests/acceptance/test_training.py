"""Whole training runs, from the seed alone, print the losses that PyTorch prints."""

from __future__ import annotations

import importlib

import numpy as np
import pytest


def mlp(torch):
    nn = torch.nn
    return nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Dropout(0.2), nn.Linear(32, 10)), (64,)


def lenet(torch):
    nn, functional = torch.nn, torch.nn.functional

    class LeNet(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv1, self.conv2 = nn.Conv2d(1, 6, 5, padding=2), nn.Conv2d(6, 16, 5)
            self.norm = nn.BatchNorm2d(16)
            self.fc1, self.fc2, self.dropout = nn.Linear(16, 24), nn.Linear(24, 10), nn.Dropout(0.5)

        def forward(self, x):
            x = functional.max_pool2d(functional.relu(self.conv1(x)), 2)
            x = functional.max_pool2d(functional.relu(self.norm(self.conv2(x))), 2)
            return self.fc2(self.dropout(functional.relu(self.fc1(x.flatten(1)))))

    return LeNet(), (1, 14, 14)


def losses(library: str, make, optimizer: str) -> list[float]:
    """Losses of 20 steps; data, weights, order and dropout all come from `manual_seed(0)`."""
    torch = importlib.import_module(library)
    torch.manual_seed(0)
    model, shape = make(torch)
    data = torch.utils.data.TensorDataset(torch.randn(40, *shape), torch.randint(0, 10, (40,)))
    loader = torch.utils.data.DataLoader(data, batch_size=16, shuffle=True)
    step = getattr(torch.optim, optimizer)(model.parameters(), lr=0.01)
    found = []
    while len(found) < 20:
        for images, labels in loader:
            step.zero_grad()
            loss = torch.nn.functional.cross_entropy(model(images), labels)
            loss.backward()
            step.step()
            found.append(loss.item())
    return found[:20]


@pytest.mark.slow
@pytest.mark.parametrize("optimizer", ["SGD", "Adam", "AdamW"])
@pytest.mark.parametrize("make", [mlp, lenet])
def test_twenty_steps(make, optimizer):
    importlib.import_module("torch.utils.data")
    np.testing.assert_allclose(
        losses("flambeau", make, optimizer), losses("torch", make, optimizer), rtol=1e-4
    )


def encoder(torch):
    """Classifies sequences of different lengths; the dropout and the padding mask take part."""
    nn = torch.nn

    class Encoder(nn.Module):
        def __init__(self):
            super().__init__()
            self.embedding = nn.Embedding(20, 16, padding_idx=0)
            layer = nn.TransformerEncoderLayer(16, 4, 32, dropout=0.1, batch_first=True)
            self.encoder = nn.TransformerEncoder(layer, 2)
            self.head = nn.Linear(16, 5)

        def forward(self, words):
            padding = words == 0
            hidden = self.encoder(self.embedding(words), src_key_padding_mask=padding)
            kept = (~padding).unsqueeze(-1).to(hidden.dtype)
            return self.head((hidden * kept).sum(1) / kept.sum(1))

    words = torch.randint(1, 20, (8, 9))
    lengths = torch.randint(3, 10, (8,))
    words = words.masked_fill(torch.arange(9) >= lengths.unsqueeze(1), 0)
    labels = torch.randint(0, 5, (8,))
    model = Encoder()
    return model, lambda: nn.functional.cross_entropy(model(words), labels)


def unet(torch):
    """Segments images: two levels down and up, joined by `cat`."""
    nn = torch.nn

    def block(channels_in, channels_out):
        return nn.Sequential(
            nn.Conv2d(channels_in, channels_out, 3, padding=1),
            nn.BatchNorm2d(channels_out),
            nn.ReLU(inplace=True),
        )

    class UNet(nn.Module):
        def __init__(self):
            super().__init__()
            self.down1, self.down2, self.bottom = block(1, 4), block(4, 8), block(8, 16)
            self.pool = nn.MaxPool2d(2)
            self.widen2, self.widen1 = nn.ConvTranspose2d(16, 8, 2, 2), nn.ConvTranspose2d(8, 4, 2, 2)
            self.up2, self.up1, self.head = block(16, 8), block(8, 4), nn.Conv2d(4, 1, 1)

        def forward(self, x):
            fine = self.down1(x)
            coarse = self.down2(self.pool(fine))
            x = self.widen2(self.bottom(self.pool(coarse)))
            x = self.widen1(self.up2(torch.cat([coarse, x], dim=1)))
            return self.head(self.up1(torch.cat([fine, x], dim=1)))

    model = UNet()
    images = torch.randn(4, 1, 16, 16)
    masks = (images > 0.5).float()
    return model, lambda: nn.functional.binary_cross_entropy_with_logits(model(images), masks)


def vae(torch):
    """Its noise comes anew from `randn_like` in each step."""
    nn, functional = torch.nn, torch.nn.functional

    class VAE(nn.Module):
        def __init__(self):
            super().__init__()
            self.encode, self.mean, self.log_variance = nn.Linear(64, 32), nn.Linear(32, 8), nn.Linear(32, 8)
            self.decode = nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 64), nn.Sigmoid())

        def forward(self, x):
            hidden = functional.relu(self.encode(x))
            mean, log_variance = self.mean(hidden), self.log_variance(hidden)
            latent = mean + torch.randn_like(mean) * torch.exp(0.5 * log_variance)
            return self.decode(latent), mean, log_variance

    model = VAE()
    images = torch.rand(16, 64)

    def loss():
        found, mean, log_variance = model(images)
        likelihood = functional.binary_cross_entropy(found, images, reduction="sum")
        divergence = -0.5 * torch.sum(1 + log_variance - mean.pow(2) - log_variance.exp())
        return likelihood + divergence

    return model, loss


def losses_of_architecture(library: str, make) -> list[float]:
    """Losses of 20 steps of Adam on one batch; everything random comes from `manual_seed(0)`."""
    torch = importlib.import_module(library)
    torch.manual_seed(0)
    model, compute = make(torch)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    found = []
    for _ in range(20):
        optimizer.zero_grad()
        loss = compute()
        loss.backward()
        optimizer.step()
        found.append(loss.item())
    return found


@pytest.mark.slow
@pytest.mark.parametrize("make", [encoder, unet, vae])
def test_twenty_steps_of_an_architecture(make):
    found = losses_of_architecture("flambeau", make)
    expected = losses_of_architecture("torch", make)
    assert expected[-1] < expected[0]
    np.testing.assert_allclose(found, expected, rtol=1e-4)
