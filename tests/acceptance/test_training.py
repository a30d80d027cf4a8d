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
