"""A `Call`: an operation with everything about its arguments that is not data, ready to run on arrays."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np

from flambeau._core import store, xla
from flambeau._core.device import device as Device
from flambeau._core.statistics import statistics
from flambeau._core.value import Meta

_ids = itertools.count()

# run(xp, arrays, numbers) -> results
Run = Callable[[Any, Sequence[Any], Sequence[Any]], tuple[Any, ...]]


class Call:
    """One operation at fixed shapes, dtypes, device and static arguments.

    The same call is recorded again and again, so all that can be known about it is worked out once: the metas of its
    results, how to run it on NumPy and JAX arrays, and its executable.

    Args:
        run: computes the results from arrays and numbers, in NumPy or jax.numpy.
        inputs, results: metas of the arrays that go in and come out.
        numbers: for each Python number that goes in, "f" (float64) or "i" (int64).
        dual: whether `run` works with NumPy, too.
        cost: elements touched, roughly; for choosing where to run.
    """

    __slots__ = (
        "channels_last", "cost", "device", "dual", "executable", "id", "inputs", "name", "nbytes", "node_kinds", "numbers",
        "op", "results", "run", "source", "stable", "strides", "values",
    )  # fmt: skip

    def __init__(
        self,
        name: str,
        run: Run,
        inputs: tuple[Meta, ...],
        results: tuple[Meta, ...],
        device: Device,
        *,
        numbers: str = "",
        dual: bool = False,
        cost: int | None = None,
        op: Any = None,
    ) -> None:
        self.id = next(_ids)
        self.name = name
        self.run = run
        self.inputs = inputs
        self.results = results
        self.device = device
        self.numbers = numbers
        self.op = op
        self.channels_last: bool = op is not None and op.channels_last
        # 16-bit and 8-bit floats are left to XLA: NumPy has no fast kernels for them.
        self.dual = dual and not any(m.tracked and m.dtype.itemsize < 4 for m in inputs + results)
        self.nbytes = sum(m.nbytes for m in results)
        self.cost = cost if cost is not None else sum(m.numel for m in inputs) + sum(m.numel for m in results)
        self.executable: Any = None
        self.source: Any = None
        # Of results that do not lie row by row; None for one that does. Empty: all do.
        self.strides: tuple[Sequence[int] | None, ...] = ()
        self.stable: str | None = None  # set for calls that are not of an operation
        self.node_kinds: dict[tuple[bool, ...], Any] = {}  # by which inputs want gradients
        self.values: dict[Any, Any] = {}  # derived calls: gradients, scatters, strides

    def __repr__(self) -> str:
        return f"{self.name}({', '.join(map(str, self.inputs))})"

    def pack(self, numbers: Sequence[float], floats: list[float], ints: list[int]) -> None:
        """Appends this call's numbers to a segment's two vectors."""
        if len(numbers) == 1:
            (floats if self.numbers == "f" else ints).append(numbers[0])  # type: ignore[arg-type]
            return
        for kind, number in zip(self.numbers, numbers, strict=True):
            if kind == "f":
                floats.append(number)
            else:
                ints.append(number)  # type: ignore[arg-type]

    def unpack(self, floats: Any, ints: Any, at: list[int]) -> list[Any]:
        """This call's numbers from the vectors, moving the two cursors in `at` on."""
        numbers = []
        for kind in self.numbers:
            if kind == "f":
                numbers.append(floats[at[0]])
                at[0] += 1
            else:
                numbers.append(ints[at[1]])
                at[1] += 1
        return numbers

    def run_numpy(self, arrays: Sequence[Any], numbers: Sequence[Any]) -> list[np.ndarray[Any, Any]]:
        arrays = [array if type(array) is np.ndarray else xla.host(array) for array in arrays]
        results = self.run(np, arrays, numbers)
        return [
            result if type(result) is np.ndarray and result.dtype == meta.np else np.asarray(result, meta.np)
            for result, meta in zip(results, self.results, strict=True)
        ]

    def program(self, donate: tuple[int, ...] = ()) -> Callable[..., Any]:
        """The executable `f(floats, ints, *arrays)`: compiled, or loaded from the store, on first use.

        `donate` are the inputs whose memory it may take over.
        """
        found = self.executable if not donate else self.values.get(("donating", donate))
        if found is None:
            name = self.stable_name()
            if name is not None and donate:
                name = repr((name, "donating", donate))
            found = store.load(name)
            if found is None:
                started = time.perf_counter()

                def whole(floats: Any, ints: Any, *arrays: Any) -> tuple[Any, ...]:
                    return self.run(jnp, arrays, self.unpack(floats, ints, [0, 0]))

                counts = number_specs(self.numbers.count("f"), self.numbers.count("i"))
                specs = [*counts, *map(xla.spec, self.inputs)]
                found = xla.compile_program(whole, specs, self.device, tuple([i + 2 for i in donate]))
                statistics.compiled(self.name, time.perf_counter() - started, 1)
                store.save(name, found)
            else:
                statistics.loaded()
            if donate:
                self.values["donating", donate] = found
            else:
                self.executable = found
        return found

    def has_program(self, donate: tuple[int, ...]) -> bool:
        """Whether `program(donate)` is there already."""
        return ("donating", donate) in self.values if donate else self.executable is not None

    def stable_name(self) -> str | None:
        """What the call computes, in words that mean the same in another process; None where there are none."""
        if self.stable is None and self.op is not None:
            self.stable = repr(
                (self.op.identity, self.source.entries, self.source.casts, str(self.source.compute))
            )
        if self.stable is None:
            return None
        return repr((self.stable, self.inputs, self.results, self.numbers, str(self.device)))


def number_specs(floats: int, ints: int) -> list[Any]:
    import jax

    return [jax.ShapeDtypeStruct((floats,), np.float64), jax.ShapeDtypeStruct((ints,), np.int64)]
