"""Seconds from nothing to something: import, first loss cold and warm, beside `import jax`.

    python benchmarks/start.py

Each figure is the median of several fresh processes. Cold: an empty cache of compiled programs; warm: the second start.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time

SCRIPT = """
import time, sys
started = time.perf_counter()
import flambeau as torch
from flambeau import nn
import flambeau.nn.functional as F
torch.manual_seed(0)
model = nn.Sequential(nn.Conv2d(1, 32, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(32 * 196, 10))
optimizer = torch.optim.Adam(model.parameters())
x, y = torch.randn(64, 1, 28, 28), torch.randint(10, (64,))
marks = []
for _ in range(20):
    optimizer.zero_grad()
    loss = F.cross_entropy(model(x), y)
    loss.backward()
    optimizer.step()
    loss.item()
    marks.append(time.perf_counter() - started)
print(marks[0], marks[-1])
"""


def seconds(code: str, environment: dict[str, str]) -> tuple[float, list[float]]:
    started = time.perf_counter()
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ | environment
    )
    return time.perf_counter() - started, [float(word) for word in run.stdout.split()]


def main() -> None:
    imports = {name: [] for name in ("jax", "flambeau")}
    for _ in range(5):
        for name, found in imports.items():
            found.append(seconds(f"import {name}", {})[0])
    jax, flambeau = (statistics.median(found) for found in imports.values())
    print(f"import jax {jax:.2f} s, import flambeau {flambeau:.2f} s: {flambeau / jax:.2f} times")
    cold, warm = [], []
    for _ in range(3):
        with tempfile.TemporaryDirectory() as cache:
            cold.append(seconds(SCRIPT, {"FLAMBEAU_CACHE": cache})[1])
            warm.append(seconds(SCRIPT, {"FLAMBEAU_CACHE": cache})[1])
    for name, found in (("cold", cold), ("warm", warm)):
        first, twentieth = (statistics.median(column) for column in zip(*found, strict=True))
        print(
            f"{name}: first loss after {first:.2f} s, the twentieth after {twentieth:.2f} s, import included"
        )


if __name__ == "__main__":
    main()
