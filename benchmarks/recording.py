"""Microseconds of Python that recording an operation takes, beside PyTorch running it on a tiny tensor.

    python benchmarks/recording.py

Each row: recording without and with a node on the tape, and PyTorch's eager call (in a process of its own). Nothing is run:
the trace is thrown away now and then, outside the timing.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time

CASES = {
    "add": "x + y", "mul by number": "x * 0.5", "relu": "F.relu(x)", "linear": "F.linear(x, w, b)", "sum": "x.sum()",
    "transpose": "x.transpose(0, 1)", "x[1]": "x[1]", "layer_norm": "F.layer_norm(x, (8,), b, b)",
}  # fmt: skip
BATCH, ROUNDS = 200, 60


def measure(library: str, tracked: bool) -> dict[str, float]:
    """Median microseconds a call, over rounds of `BATCH` calls."""
    if library == "torch":
        import torch as lib
        import torch.nn.functional as F
    else:
        import flambeau as lib
        from flambeau._core.trace import local
        from flambeau.nn import functional as F
    scope = {
        "F": F, "x": lib.ones(8, 8, requires_grad=tracked), "y": lib.ones(8, 8), "w": lib.ones(8, 8), "b": lib.ones(8),
    }  # fmt: skip
    found = {}
    for name, text in CASES.items():
        code = compile(text, name, "eval")
        rounds = []
        for _ in range(ROUNDS):
            started = time.perf_counter()
            for _ in range(BATCH):
                eval(code, scope)
            rounds.append((time.perf_counter() - started) / BATCH * 1e6)
            if library == "flambeau":
                local.trace.reset()
        found[name] = statistics.median(rounds)
    return found


def main() -> None:
    if len(sys.argv) > 1:
        print(json.dumps(measure(sys.argv[1], sys.argv[2] == "tracked")))
        return
    columns = {}
    for library in ("flambeau", "torch"):
        for how in ("plain", "tracked"):
            run = subprocess.run(
                [sys.executable, __file__, library, how], capture_output=True, text=True, check=True
            )
            columns[f"{library} {how}"] = json.loads(run.stdout.splitlines()[-1])
    print(f"{'':14}" + "".join(f"{column:>18}" for column in columns))
    for name in CASES:
        print(f"{name:14}" + "".join(f"{column[name]:18.2f}" for column in columns.values()))


if __name__ == "__main__":
    main()
