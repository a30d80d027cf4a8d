"""Trains LeNet-5 on handwritten digits, saves it, loads it again.

    make demo                                 # or, with flambeau installed:
    python examples/lenet_mnist.py --epochs 3

This is a plain PyTorch script. Only its imports were changed: `torch` became `flambeau`.
"""

import argparse
import sys
import time
from pathlib import Path

import numpy as np

import flambeau as torch
import flambeau.nn.functional as F
from flambeau import nn
from flambeau.optim import AdamW
from flambeau.optim.lr_scheduler import OneCycleLR
from flambeau.utils.data import DataLoader, Dataset, Subset

HERE = Path(__file__).resolve().parent


class Digits(Dataset):
    """5,000 images of MNIST, 500 of each digit."""

    def __init__(self, path):
        data = np.load(path)
        self.images = torch.from_numpy(data["images"]).unsqueeze(1).float() / 255
        self.labels = torch.from_numpy(data["labels"]).long()

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, index):
        return self.images[index], self.labels[index]


class LeNet(nn.Module):
    """LeNet-5 (LeCun et al. 1998) with today's habits: ReLU, max pooling, dropout."""

    def __init__(self, classes=10):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 16, kernel_size=5, padding=2)
        self.conv2 = nn.Conv2d(16, 32, kernel_size=5)
        self.fc1 = nn.Linear(32 * 5 * 5, 120)
        self.fc2 = nn.Linear(120, 84)
        self.dropout = nn.Dropout(0.3)
        self.out = nn.Linear(84, classes)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        x = torch.flatten(x, 1)
        x = self.dropout(F.relu(self.fc1(x)))
        x = self.dropout(F.relu(self.fc2(x)))
        return self.out(x)


class Progress:
    """One line per epoch, redrawn while it runs; where nobody watches, the finished line alone."""

    WIDTH = 24

    def __init__(self, title, steps):
        self.title, self.steps, self.done = title, steps, 0
        self.watched = sys.stdout.isatty()
        self.start = self.drawn = time.perf_counter()

    def step(self, **numbers):
        self.done += 1
        now = time.perf_counter()
        if self.watched and now - self.drawn > 0.1:
            self.drawn = now
            self._draw(numbers, end="")

    def close(self, **numbers):
        self._draw(numbers, end="\n")

    def _draw(self, numbers, end):
        filled = self.WIDTH * self.done // self.steps
        bar = "━" * filled + " " * (self.WIDTH - filled)
        told = "  ".join(f"{name} {value:.4f}" for name, value in numbers.items())
        seconds = time.perf_counter() - self.start
        start = "\r" if self.watched else ""
        print(
            f"{start}{self.title} {bar} {self.done}/{self.steps}  {seconds:4.1f} s  {told}",
            end=end,
            flush=True,
        )


def train(model, loader, optimizer, schedule, title):
    """One pass over the training images; returns the mean loss."""
    model.train()
    progress, total = Progress(title, len(loader)), 0.0
    for images, labels in loader:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(images), labels)
        loss.backward()
        optimizer.step()
        schedule.step()
        total += loss.item()
        progress.step(loss=total / (progress.done + 1))
    progress.close(loss=total / len(loader))
    return total / len(loader)


@torch.no_grad()
def predict(model, loader):
    """The scores of all images, and their labels."""
    model.eval()
    batches = [(model(images), labels) for images, labels in loader]
    return torch.cat([scores for scores, _ in batches]), torch.cat([labels for _, labels in batches])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=15)
    parser.add_argument("--batch-size", type=int, default=50)
    parser.add_argument("--lr", type=float, default=4e-3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--data", type=Path, default=HERE / "data" / "mnist_5k.npz")
    parser.add_argument("--out", type=Path, default=HERE / "out" / "lenet_mnist.pt")
    options = parser.parse_args()
    torch.manual_seed(options.seed)

    digits = Digits(options.data)
    order = torch.randperm(len(digits)).tolist()  # the file is sorted by digit
    held_back = len(digits) // 5
    test_set, train_set = Subset(digits, order[:held_back]), Subset(digits, order[held_back:])
    train_loader = DataLoader(train_set, batch_size=options.batch_size, shuffle=True)
    test_loader = DataLoader(test_set, batch_size=250)

    model = LeNet()
    print(model)
    size = sum(p.numel() for p in model.parameters())
    print(f"{size:,} parameters, {len(train_set):,} images to learn from\n")

    optimizer = AdamW(model.parameters(), lr=options.lr, weight_decay=0.05)
    schedule = OneCycleLR(optimizer, max_lr=options.lr, total_steps=options.epochs * len(train_loader))
    for epoch in range(1, options.epochs + 1):
        train(model, train_loader, optimizer, schedule, f"epoch {epoch:2}/{options.epochs}")

    scores, labels = predict(model, test_loader)
    accuracy = (scores.argmax(1) == labels).float().mean().item()
    print(f"\naccuracy on {held_back:,} images held back: {accuracy:.2%}")

    options.out.parent.mkdir(parents=True, exist_ok=True)
    torch.save(model.state_dict(), options.out)
    restored = LeNet()
    restored.load_state_dict(torch.load(options.out))
    again, _ = predict(restored, test_loader)
    same = torch.equal(scores, again)
    print(f"saved to {options.out} and loaded into a new network")
    print("predictions are equal" if same else "predictions DIFFER")
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main())
