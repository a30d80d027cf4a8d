"""Generating text with a sequence that grows by `torch.cat`, beside PyTorch: every step has shapes of its own.

    python benchmarks/generate.py [--tokens 200] [--rounds 3]

A small GPT (4 blocks of width 128) reads its whole context anew for each token, as a first version of such a program does.
Prints seconds for all tokens, each library in a process of its own, and the ratio of the medians.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time


def generate(library: str, tokens: int) -> dict[str, float]:
    if library == "torch":
        import torch
    else:
        import flambeau

        flambeau.install_as_torch()
        import torch
    from torch import nn
    from torch.nn import functional as F

    width, heads, vocabulary = 128, 4, 65

    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.before, self.after = nn.LayerNorm(width), nn.LayerNorm(width)
            self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
            self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

        def forward(self, x):
            batch, length, _ = x.shape
            q, k, v = self.qkv(self.before(x)).split(width, dim=2)
            q, k, v = (t.view(batch, length, heads, width // heads).transpose(1, 2) for t in (q, k, v))
            y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
            x = x + self.out(y.transpose(1, 2).reshape(batch, length, width))
            return x + self.mlp(self.after(x))

    class GPT(nn.Module):
        def __init__(self):
            super().__init__()
            self.tokens, self.places = nn.Embedding(vocabulary, width), nn.Embedding(512, width)
            self.blocks = nn.Sequential(*[Block() for _ in range(4)])
            self.head = nn.Linear(width, vocabulary)

        def forward(self, ids):
            x = self.tokens(ids) + self.places(torch.arange(ids.shape[1]))
            return self.head(self.blocks(x))

    torch.manual_seed(0)
    model = GPT().eval()
    ids = torch.zeros(1, 1, dtype=torch.long)
    started = time.perf_counter()
    with torch.no_grad():
        for _ in range(tokens):
            probabilities = F.softmax(model(ids)[:, -1] / 0.8, dim=-1)
            ids = torch.cat([ids, torch.multinomial(probabilities, 1)], dim=1)
    last = ids[0].tolist()[-5:]
    return {"seconds": time.perf_counter() - started, "last": last}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tokens", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--library")
    options = parser.parse_args()
    if options.library:
        print(json.dumps(generate(options.library, options.tokens)))
        return
    seconds: dict[str, list[float]] = {"torch": [], "flambeau": []}
    for _ in range(options.rounds):
        for library, found in seconds.items():
            command = [sys.executable, __file__, "--library", library, "--tokens", str(options.tokens)]
            run = subprocess.run(command, capture_output=True, text=True, check=True)
            found.append(json.loads(run.stdout.splitlines()[-1])["seconds"])
    torch, flambeau = (statistics.median(found) for found in seconds.values())
    print(
        f"{options.tokens} tokens: PyTorch {torch:.2f} s, flambeau {flambeau:.2f} s, ratio {flambeau / torch:.2f}"
    )


if __name__ == "__main__":
    main()
