"""Training steps of six more networks, and of ever deeper ones, beside PyTorch; `shared/bench` has the usual nine.

    python benchmarks/steps.py [--cases unet,vae,...] [--impls torch,torch-compile,flambeau,flambeau-compile] [--rounds 3]
    python benchmarks/steps.py --cases depth8,depth32,depth128,depth512      cost by the number of layers
    python benchmarks/steps.py --cases vae --steps 10000 --thirds            whether a step gets dearer with time

Each implementation runs in a process of its own; they take turns. Printed are the median of a step, its ratio to the faster
of PyTorch eager and `torch.compile`, seconds of the first step, and the largest memory of the process.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

IMPLS = "torch,torch-compile,flambeau,flambeau-compile"
CASES = "unet,vae,gan,transformer,depthwise,inference"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", default=CASES)
    parser.add_argument("--impls", default=IMPLS)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--warm", type=int, default=10)
    parser.add_argument(
        "--thirds", action="store_true", help="the median of the first, second and last third of the steps"
    )
    parser.add_argument("--run", nargs=2, metavar=("IMPL", "CASE"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.run:
        print(json.dumps(measure(*options.run, options.steps, options.warm)))
        return
    for case in options.cases.split(","):
        found: dict[str, list[dict[str, Any]]] = {}
        for _ in range(options.rounds):
            for impl in options.impls.split(","):
                found.setdefault(impl, []).append(in_process(impl, case, options.steps, options.warm))
        report(case, found, options.thirds)


def in_process(impl: str, case: str, steps: int, warm: int) -> dict[str, Any]:
    command = [sys.executable, __file__, "--run", impl, case, "--steps", str(steps), "--warm", str(warm)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{impl} failed at {case}:\n{done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def report(case: str, found: dict[str, list[dict[str, Any]]], thirds: bool) -> None:
    medians = {impl: statistics.median(each["median"] for each in rounds) for impl, rounds in found.items()}
    peer = min((value for impl, value in medians.items() if impl.startswith("torch")), default=float("nan"))
    for impl, rounds in found.items():
        first = statistics.median(each["first"] for each in rounds)
        memory = statistics.median(each["memory"] for each in rounds)
        line = f"{case:12} {impl:17} {1e3 * medians[impl]:9.3f} ms {medians[impl] / peer:6.2f}"
        line += f"  first {first:6.2f} s  {memory:5.0f} MB"
        if thirds:
            line += "  thirds " + " ".join(f"{1e3 * value:.3f}" for value in rounds[-1]["thirds"]) + " ms"
        print(line + f"  loss {rounds[0]['losses'][0]:.4f} -> {rounds[0]['losses'][1]:.4f}", flush=True)


def measure(impl: str, case: str, steps: int, warm: int) -> dict[str, Any]:
    """Seconds of the steps of one case, in this process."""
    if impl.startswith("flambeau"):
        import flambeau

        flambeau.install_as_torch()
    import torch

    if impl.startswith("torch"):
        torch.set_num_threads(os.cpu_count() or 1)
    torch.manual_seed(0)
    make = (
        depth(int(case.removeprefix("depth")))
        if case.startswith("depth") and case[5:].isdigit()
        else globals()[case]
    )
    # PyTorch compiles networks, flambeau whole steps.
    step = make(torch, torch.compile if impl == "torch-compile" else lambda module: module)
    if impl == "flambeau-compile":
        step = torch.compile(step)
    seconds, losses = [], []
    for _ in range(warm + steps):
        started = time.perf_counter()
        losses.append(float(step().detach()))
        seconds.append(time.perf_counter() - started)
    warmed = seconds[warm:]
    third = max(len(warmed) // 3, 1)
    return {
        "median": statistics.median(warmed),
        "first": seconds[0],
        "losses": [losses[0], losses[-1]],
        "memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "thirds": [statistics.median(warmed[i * third : (i + 1) * third]) for i in range(3)],
    }


# -- the cases: each makes a step, a function without arguments that gives a loss -------------------

Compile = Callable[[Any], Any]


def trained(optimizer: Any, loss_of: Callable[[], Any]) -> Callable[[], Any]:
    """The usual step."""

    def step() -> Any:
        optimizer.zero_grad()
        loss = loss_of()
        loss.backward()
        optimizer.step()
        return loss

    return step


def unet(torch: Any, compiled: Compile) -> Callable[[], Any]:
    """A U-Net of three levels that segments 8 images of 64x64."""
    nn, F = torch.nn, torch.nn.functional

    def double(i: int, o: int) -> Any:
        return nn.Sequential(
            nn.Conv2d(i, o, 3, padding=1, bias=False), nn.BatchNorm2d(o), nn.ReLU(),
            nn.Conv2d(o, o, 3, padding=1, bias=False), nn.BatchNorm2d(o), nn.ReLU(),
        )  # fmt: skip

    class UNet(nn.Module):
        def __init__(self):
            super().__init__()
            self.down = nn.ModuleList([double(1, 16), double(16, 32), double(32, 64)])
            self.up = nn.ModuleList([nn.ConvTranspose2d(64, 32, 2, 2), nn.ConvTranspose2d(32, 16, 2, 2)])
            self.merge = nn.ModuleList([double(64, 32), double(32, 16)])
            self.out = nn.Conv2d(16, 1, 1)

        def forward(self, x):
            kept = []
            for number, block in enumerate(self.down):
                x = block(x if number == 0 else F.max_pool2d(x, 2))
                kept.append(x)
            for up, merge, skip in zip(self.up, self.merge, reversed(kept[:-1]), strict=True):
                x = merge(torch.cat([up(x), skip], dim=1))
            return self.out(x)

    model = UNet()
    x, y = torch.randn(8, 1, 64, 64), (torch.rand(8, 1, 64, 64) > 0.5).float()
    optimizer, forward = torch.optim.Adam(model.parameters(), 1e-3), compiled(model)

    return trained(optimizer, lambda: F.binary_cross_entropy_with_logits(forward(x), y))


def vae(torch: Any, compiled: Compile) -> Callable[[], Any]:
    """The variational autoencoder of the tutorials: 784-400-20-400-784, 128 images."""
    nn, F = torch.nn, torch.nn.functional

    class VAE(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner, self.mean, self.logvar = nn.Linear(784, 400), nn.Linear(400, 20), nn.Linear(400, 20)
            self.decoder = nn.Sequential(nn.Linear(20, 400), nn.ReLU(), nn.Linear(400, 784), nn.Sigmoid())

        def forward(self, x):
            hidden = F.relu(self.inner(x))
            mean, logvar = self.mean(hidden), self.logvar(hidden)
            z = mean + torch.randn_like(mean) * torch.exp(0.5 * logvar)
            return self.decoder(z), mean, logvar

    model, x = VAE(), torch.rand(128, 784)
    optimizer, forward = torch.optim.Adam(model.parameters(), 1e-3), compiled(model)

    def loss_of() -> Any:
        made, mean, logvar = forward(x)
        apart = -0.5 * torch.sum(1 + logvar - mean.pow(2) - logvar.exp())
        return F.binary_cross_entropy(made, x, reduction="sum") + apart

    return trained(optimizer, loss_of)


def gan(torch: Any, compiled: Compile) -> Callable[[], Any]:
    """A convolutional GAN on 32 images of 28x28: two networks and two optimizers in one step."""
    nn, F = torch.nn, torch.nn.functional
    maker = nn.Sequential(
        nn.Linear(64, 64 * 49), nn.ReLU(), nn.Unflatten(1, (64, 7, 7)),
        nn.ConvTranspose2d(64, 32, 4, 2, 1), nn.BatchNorm2d(32), nn.ReLU(), nn.ConvTranspose2d(32, 1, 4, 2, 1), nn.Tanh(),
    )  # fmt: skip
    judge = nn.Sequential(
        nn.Conv2d(1, 32, 4, 2, 1), nn.LeakyReLU(0.2), nn.Conv2d(32, 64, 4, 2, 1), nn.LeakyReLU(0.2),
        nn.Flatten(), nn.Linear(64 * 49, 1),
    )  # fmt: skip
    by_maker, by_judge = (torch.optim.Adam(net.parameters(), 2e-4, (0.5, 0.999)) for net in (maker, judge))
    make, judged = compiled(maker), compiled(judge)
    real, yes, no = torch.rand(32, 1, 28, 28) * 2 - 1, torch.ones(32, 1), torch.zeros(32, 1)

    def step() -> Any:
        fake = make(torch.randn(32, 64))
        by_judge.zero_grad()
        loss = F.binary_cross_entropy_with_logits(judged(real), yes)
        loss = loss + F.binary_cross_entropy_with_logits(judged(fake.detach()), no)
        loss.backward()
        by_judge.step()
        by_maker.zero_grad()
        F.binary_cross_entropy_with_logits(judged(fake), yes).backward()
        by_maker.step()
        return loss

    return step


def transformer(torch: Any, compiled: Compile) -> Callable[[], Any]:
    """`nn.TransformerEncoder`, 4 layers of width 128, on 16 sequences of up to 64, padded."""
    nn, F = torch.nn, torch.nn.functional

    class Classifier(nn.Module):
        def __init__(self):
            super().__init__()
            self.embed = nn.Embedding(1000, 128)
            layer = nn.TransformerEncoderLayer(128, 4, 512, dropout=0.1, batch_first=True)
            self.encoder, self.out = nn.TransformerEncoder(layer, 4), nn.Linear(128, 10)

        def forward(self, ids, padding):
            found = self.encoder(self.embed(ids), src_key_padding_mask=padding)
            return self.out(found.masked_fill(padding.unsqueeze(-1), 0).sum(1))

    model, ids, y = Classifier(), torch.randint(1000, (16, 64)), torch.randint(10, (16,))
    padding = torch.arange(64) >= torch.randint(16, 65, (16, 1))
    optimizer, forward = torch.optim.AdamW(model.parameters(), 1e-3), compiled(model)

    return trained(optimizer, lambda: F.cross_entropy(forward(ids, padding), y))


def depthwise(torch: Any, compiled: Compile) -> Callable[[], Any]:
    """Depthwise-separable convolutions (MobileNet's) on 16 images of 32x32."""
    nn, F = torch.nn, torch.nn.functional

    def separable(i: int, o: int, stride: int) -> Any:
        return nn.Sequential(
            nn.Conv2d(i, i, 3, stride, 1, groups=i, bias=False), nn.BatchNorm2d(i), nn.ReLU6(),
            nn.Conv2d(i, o, 1, bias=False), nn.BatchNorm2d(o), nn.ReLU6(),
        )  # fmt: skip

    plan = [(32, 64, 1), (64, 128, 2), (128, 128, 1), (128, 256, 2), (256, 256, 1)]
    model = nn.Sequential(
        nn.Conv2d(3, 32, 3, 1, 1, bias=False), nn.BatchNorm2d(32), nn.ReLU6(),
        *[separable(*sizes) for sizes in plan], nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(256, 10),
    )  # fmt: skip
    x, y = torch.randn(16, 3, 32, 32), torch.randint(10, (16,))
    optimizer, forward = torch.optim.SGD(model.parameters(), 0.05, momentum=0.9), compiled(model)

    return trained(optimizer, lambda: F.cross_entropy(forward(x), y))


def inference(torch: Any, compiled: Compile) -> Callable[[], Any]:
    """One image of 3x64x64 through a small residual network, in `eval()` and without grad."""
    nn, F = torch.nn, torch.nn.functional

    class Block(nn.Module):
        def __init__(self, width):
            super().__init__()
            self.first, self.second = (nn.Conv2d(width, width, 3, padding=1, bias=False) for _ in range(2))
            self.norms = nn.ModuleList([nn.BatchNorm2d(width), nn.BatchNorm2d(width)])

        def forward(self, x):
            found = self.norms[1](self.second(F.relu(self.norms[0](self.first(x)))))
            return F.relu(found + x)

    model = nn.Sequential(
        nn.Conv2d(3, 32, 7, 2, 3), nn.ReLU(), *[Block(32) for _ in range(3)],
        nn.Conv2d(32, 64, 3, 2, 1), nn.ReLU(), *[Block(64) for _ in range(3)],
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10),
    ).eval()  # fmt: skip
    x, forward = torch.randn(1, 3, 64, 64), compiled(model)

    @torch.no_grad()
    def step() -> Any:
        return forward(x).max()

    return step


def depth(layers: int) -> Callable[[Any, Compile], Callable[[], Any]]:
    """An MLP with so many layers of width 32, on 32 rows."""

    def make(torch: Any, compiled: Compile) -> Callable[[], Any]:
        nn, F = torch.nn, torch.nn.functional
        model = nn.Sequential(*[part for _ in range(layers) for part in (nn.Linear(32, 32), nn.ReLU())])
        x, y = torch.randn(32, 32), torch.randint(32, (32,))
        optimizer, forward = torch.optim.Adam(model.parameters(), 1e-3), compiled(model)

        return trained(optimizer, lambda: F.cross_entropy(forward(x), y))

    return make


if __name__ == "__main__":
    main()
