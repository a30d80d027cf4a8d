"""Milliseconds of a call of every layer, forward and with backward, beside PyTorch.

    python benchmarks/layers.py [--only 'Conv*'] [--size large] [--rounds 5] [--json FILE]

Forward is a call of the layer in `eval()` without grad; "train" is a call in `train()` with the gradients of its parameters
and inputs. Each library runs in a process of its own; they take turns, layer by layer. Each figure is the median of a round's
calls, and the best of the rounds: whatever else runs makes PyTorch, whose threads wait in a loop, many times slower.
A call ends when its results are there. flambeau is warm: it is called until its programs run (`flambeau.inspect.engine()`).
"""

from __future__ import annotations

import argparse
import fnmatch
import json
import statistics
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from layer_cases import make_inputs
from layer_sizes import CASES, class_of

MODES = ("forward", "train")
LIBRARIES = ("torch", "flambeau")
# Seconds that a round of one case takes, at most, and that its first calls may take.
ROUND, WARMING = 0.04, 8.0
SLOW = 1.5


class Subject:
    """One layer in one library, ready to be called."""

    def __init__(self, lib: Any, text: str, specs: Any, mode: str) -> None:
        lib.manual_seed(0)
        scope = {"torch": lib, "F": lib.nn.functional}
        self.layer = eval("torch.nn." + text, scope).train(mode == "train")
        self.lib, self.mode = lib, mode
        if isinstance(specs, str):
            self.inputs = list(eval(specs, scope))
            self.inputs[0].requires_grad_()
        else:
            # Clones: what shares its memory with NumPy is read anew at each use.
            self.inputs = [
                each.detach().clone().requires_grad_(each.requires_grad) for each in make_inputs(lib, specs)
            ]
        tensors = [each for each in self.inputs if isinstance(each, lib.Tensor)]
        self.leaves = [each for each in [*tensors, *self.layer.parameters()] if each.requires_grad]
        self.cotangent: Any = None

    def call(self) -> list[Any]:
        """The tensors that the call leaves behind."""
        if self.mode == "forward":
            with self.lib.no_grad():
                found = self.layer(*self.inputs)
            return [found[0] if isinstance(found, tuple) else found]
        for leaf in self.leaves:
            leaf.grad = None
        found = self.layer(*self.inputs)
        output = found[0] if isinstance(found, tuple) else found
        if self.cotangent is None:
            self.cotangent = self.lib.randn(output.shape)
        output.backward(self.cotangent)
        return [output, *[leaf.grad for leaf in self.leaves if leaf.grad is not None]]


def read(tensors: list[Any]) -> None:
    """Waits for tensors of flambeau, as printing them would, without an operation that PyTorch would not have."""
    for tensor in tensors:
        tensor._read().numpy()


def warm(call: Callable[[], None], engine: Callable[[], Any] | None) -> str:
    """Calls until nothing changes any more; says what flambeau then runs."""
    for _ in range(3):
        call()
    if engine is None:
        return "eager"
    started, alike, before, gave_up = time.perf_counter(), 0, engine(), engine().went_back
    ran: set[int] = set()
    while alike < 6 and time.perf_counter() - started < WARMING:
        call()
        now = engine()
        tiers = {tier for tier, count in now.tiers.items() if count > before.tiers.get(tier, 0)}
        settled = 1 not in tiers or now.went_back > gave_up
        alike = alike + 1 if settled and tiers == ran else 0
        ran, before = tiers, now
    names = {0: "NumPy", 1: "calls", 2: "compiled"}
    return "+".join(names[tier] for tier in sorted(ran))


def serve(library: str) -> None:
    """Answers requests, one a line: a case to get ready, or null for a round of the last one."""
    if library == "torch":
        import torch as lib

        engine = None
    else:
        import flambeau as lib

        engine = lib.inspect.engine
    warnings.simplefilter("ignore")
    call: Any = None
    for line in sys.stdin:
        request = json.loads(line)
        try:
            if request is not None:
                size, number, mode = request
                subject = Subject(lib, *CASES[size][number], mode)
                if library == "torch":
                    call = subject.call
                else:
                    call = lambda subject=subject: read(subject.call())  # noqa: E731
                answer: Any = warm(call, engine)
            else:
                answer = time_calls(call)
        except Exception as error:  # told in the table
            answer = {"error": f"{type(error).__name__}: {error}".splitlines()[0][:90]}
        print(json.dumps(answer), flush=True)


def time_calls(call: Callable[[], None]) -> float:
    """Median milliseconds of a call: at least three of them."""
    times = []
    started = time.perf_counter()
    while len(times) < 3 or time.perf_counter() - started < ROUND:
        before = time.perf_counter()
        call()
        times.append(time.perf_counter() - before)
    return statistics.median(times) * 1e3


class Server:
    """A library in a process of its own."""

    def __init__(self, library: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, __file__, "--serve", library],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def ask(self, request: Any) -> Any:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        print(json.dumps(request), file=self.process.stdin, flush=True)
        return json.loads(self.process.stdout.readline())


def measure(servers: dict[str, Server], size: str, number: int, mode: str, rounds: int) -> dict[str, Any]:
    row: dict[str, Any] = {"case": CASES[size][number][0], "size": size, "mode": mode}
    for library, server in servers.items():
        ready = server.ask((size, number, mode))
        if isinstance(ready, dict):
            return row | {"error": f"{library}: {ready['error']}"}
        if library == "flambeau":
            row["ran"] = ready
    times: dict[str, list[float]] = {library: [] for library in servers}
    for _ in range(rounds):
        for library, server in servers.items():
            times[library].append(server.ask(None))
    best = {library: min(found) for library, found in times.items()}
    return row | best | {"ratio": best["flambeau"] / best["torch"]}


def show(rows: list[dict[str, Any]]) -> None:
    """The rows, slowest first, and how many are within `SLOW` times PyTorch."""
    measured = sorted((row for row in rows if "error" not in row), key=lambda row: -row["ratio"])
    print(f"{'ratio':>6} {'PyTorch ms':>11} {'flambeau ms':>11}  {'':14} {'':8} layer")
    for row in measured:
        what = f"{row['size']} {row['mode']}"
        print(
            f"{row['ratio']:6.2f} {row['torch']:11.3f} {row['flambeau']:11.3f}  {what:14} {row['ran']:8} {row['case']}"
        )
    for row in rows:
        if "error" in row:
            print(f"not measured: {row['case']} {row['size']} {row['mode']}: {row['error']}")
    for size in CASES:
        ratios = sorted(row["ratio"] for row in measured if row["size"] == size)
        if ratios:
            slow = sum(ratio > SLOW for ratio in ratios)
            quarters = ", ".join(
                f"{ratios[int(share * (len(ratios) - 1))]:.2f}" for share in (0.25, 0.5, 0.75, 0.9)
            )
            print(f"{size}: {len(ratios)} rows, {slow} above {SLOW}; quantiles 25, 50, 75, 90 %: {quarters}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="*", help="patterns of class names, with commas between")
    parser.add_argument("--size", choices=list(CASES), help="one of the two sizes")
    parser.add_argument("--mode", choices=MODES)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", help="where the rows go; those of other cases that it holds stay")
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve(options.serve)
        return
    patterns = options.only.split(",")
    servers = {library: Server(library) for library in LIBRARIES}
    rows: list[dict[str, Any]] = []
    for size in [options.size] if options.size else CASES:
        for number, (text, _) in enumerate(CASES[size]):
            if any(fnmatch.fnmatchcase(class_of(text), pattern) for pattern in patterns):
                for mode in [options.mode] if options.mode else MODES:
                    rows.append(measure(servers, size, number, mode, options.rounds))
                    if options.json:
                        keep(rows[-1], Path(options.json))
    show(rows)


def keep(row: dict[str, Any], path: Path) -> None:
    """Puts the row in the place of the one of the same case, or at the end."""
    rows = json.loads(path.read_text()) if path.exists() else []
    identity = [row[key] for key in ("case", "size", "mode")]
    rows = [each for each in rows if [each[key] for key in ("case", "size", "mode")] != identity]
    path.write_text(json.dumps([*rows, row], indent=1))


if __name__ == "__main__":
    main()
