"""From recordings of a module at several sizes to one program with sizes that vary.

Each recording has its sizes as plain numbers. What is equal in all of them is a constant; what varies has to follow from the
dims of the inputs, or of what was computed from them. Anything else, a branch that goes the other way included, raises.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from flambeau._core.block import BlockStep
from flambeau._core.call import Call
from flambeau._core.capture import Recorded
from flambeau._core.declare import Op, typed
from flambeau._core.gradient import backward_run
from flambeau._core.value import Meta
from flambeau.export._dims import ExportError

Vector = tuple[Any, ...]  # a number or size at each of the points


class Varying:
    """Expressions in JAX's symbolic dims for the sizes that were seen at the points."""

    def __init__(self, symbols: dict[Vector, Any]) -> None:
        self._known = dict(symbols)

    def learn(self, sizes: Vector, dim: Any, name: str) -> None:
        """Notes the symbolic size of a computed array."""
        if _is_constant(sizes):
            if not isinstance(dim, int) or dim != sizes[0]:
                raise ExportError(
                    f"the size {dim} of a result of `{name}` is {sizes[0]} at all sizes that were tried"
                )
        elif isinstance(dim, int):
            raise ExportError(
                f"a size was baked in: `{name}` gives {sizes} at the sizes that were tried, but always {dim}"
            )
        else:
            self._known.setdefault(sizes, dim)

    def of(self, values: Vector, where: str) -> Any:
        """The expression for values that vary.

        Raises: ExportError where none is found.
        """
        if _is_constant(values):
            return values[0]
        if all(isinstance(v, (int, np.integer)) and not isinstance(v, bool) for v in values):
            found = self._linear(values)
            if found is not None:
                return found
        if all(isinstance(v, float) for v in values):
            found = self._inverse(values)
            if found is not None:
                return found
        raise ExportError(
            f"{where} is {', '.join(map(str, values))} at the sizes that were tried, which follows from no size of the inputs "
            "in a way that can be exported: let it depend on shapes through sums and products, or do not make the size dynamic"
        )

    def number(self, values: Vector, where: str) -> Any:
        """The same for a number that enters the computation: whole multiples of a size, and what is divided by one."""
        if _is_constant(values):
            return values[0]
        whole = [int(v) for v in values]
        if whole == list(values):
            return jnp.asarray(self.of(tuple(whole), where))
        return self.of(values, where)

    def _inverse(self, values: Vector) -> Any:
        """A number divided by a size; and a size divided by one less, as in the variance of a sample."""
        for sizes, dim in self._known.items():
            products = [v * size for v, size in zip(values, sizes, strict=True)]
            if all(abs(p - products[0]) <= 1e-12 * abs(products[0]) for p in products):
                return round(products[0], 12) / jnp.asarray(dim, np.float64)
        if all(v > 1 for v in values):
            beyond = [1 / (v - 1) for v in values]
            whole = tuple([round(b) for b in beyond])
            if all(abs(b - w) < 1e-3 for b, w in zip(beyond, whole, strict=True)):
                found = self._linear(whole)
                return None if found is None else 1 + 1 / jnp.asarray(found, np.float64)
        return None

    def _linear(self, values: Vector) -> Any:
        if values in self._known:
            return self._known[values]
        entries = list(self._known.items())
        products = [
            (tuple(x * y for x, y in zip(a, b, strict=True)), (p, q))
            for i, (a, p) in enumerate(entries) for b, q in entries[i:]
        ]  # fmt: skip
        for sizes, expression in [*((a, (p,)) for a, p in entries), *products]:
            fitted = _fit(values, sizes)
            if fitted is not None:
                (numerator, denominator), offset = fitted
                whole = expression[0] if len(expression) == 1 else expression[0] * expression[1]
                return (
                    (numerator * whole if numerator != 1 else whole) // denominator + offset
                    if denominator != 1
                    else (numerator * whole + offset)
                )
        return None


def _fit(values: Vector, sizes: Vector) -> tuple[tuple[int, int], int] | None:
    """`values = a * sizes // b + c`, with a or b 1; None if that is not so."""
    pairs = sorted(set(zip(sizes, values, strict=True)))
    (low, first), (high, last) = pairs[0], pairs[-1]
    if high == low:
        return None
    slope = (last - first) / (high - low)
    if slope == int(slope) and slope:
        offset = first - int(slope) * low
        return ((int(slope), 1), offset) if all(v == int(slope) * s + offset for s, v in pairs) else None
    if not 0 < slope < 1:
        return None
    for divisor in {int(1 / slope), int(1 / slope) + 1, round(1 / slope)} - {0, 1}:
        offset = first - low // divisor
        if all(v == s // divisor + offset for s, v in pairs):
            return (1, divisor), offset
    return None


def _is_constant(values: Sequence[Any]) -> bool:
    first = typed(values[0]) if isinstance(values[0], (int, float, tuple)) else values[0]
    return all((typed(v) if isinstance(v, (int, float, tuple)) else v) == first for v in values[1:])


# Whether memory is copied or shown anew depends on strides, and so on which sizes are 1; the values are the same.
_COPIES = ("clone_values",)
_SAME_VALUES = {"reshaped_copy": "reshape_view"}


def _name(call: Call) -> str:
    """The name of a call, or of the gradient of one, for what it computes."""
    name, *rest = call.name.split(".")
    return ".".join([_SAME_VALUES.get(name, name), *rest])


class _Point:
    """A recording without mere copies, its slots numbered anew."""

    def __init__(self, recorded: Recorded) -> None:
        self.recorded = recorded
        self.outer = recorded.outer
        count = len(recorded.block.inputs)
        names = {slot: slot for slot in range(count)}
        self.steps: list[BlockStep] = []
        for step in recorded.block.steps:
            given = tuple([names[slot] for slot in step.inputs])
            if step.call.name in _COPIES and step.call.op is not None:
                names[step.outputs[0]] = given[0]
                continue
            made = tuple(range(count, count + len(step.outputs)))
            count += len(made)
            names.update(zip(step.outputs, made, strict=True))
            self.steps.append(BlockStep(step.call, given, made, step.floats, step.ints))
        self.slots = tuple([names[slot] for slot in recorded.slots])

    def numbers_of(self, step: BlockStep) -> list[Any]:
        """The numbers that a step takes, in its order."""
        numbers, kinds = self.recorded.numbers, self.recorded.block.numbers
        floats = [n for n, kind in zip(numbers, kinds, strict=True) if kind == "f"]
        ints = [n for n, kind in zip(numbers, kinds, strict=True) if kind == "i"]
        return step.call.unpack(floats, ints, [step.floats, step.ints])


class General:
    """The program that all recordings are cases of.

    Args:
        points: the recordings.

    Raises: ExportError, if the recordings are no cases of one program.
    """

    def __init__(self, points: Sequence[Recorded]) -> None:
        self._points = [_Point(point) for point in points]
        for other in self._points[1:]:
            _compare(self._points[0], other)

    def constants(self) -> list[Any]:
        """The values from outside: an array where they are equal in all recordings, None where they vary."""
        found: list[Any] = []
        for values in zip(*[point.outer for point in self._points], strict=True):
            arrays = [value.numpy() for value in values]
            same = all(
                a.shape == arrays[0].shape and np.array_equal(a, arrays[0], equal_nan=_can_be_nan(a))
                for a in arrays
            )
            found.append(values[0] if same else None)
        return found

    def run(self, arrays: Sequence[Any], constants: Sequence[Any], symbols: dict[Vector, Any]) -> list[Any]:
        """The program on JAX's values of symbolic shapes; `constants` as `constants()` gave them, as arrays."""
        first = self._points[0]
        varying = Varying(symbols)
        outer = [
            self._made_from_sizes(i, varying) if constant is None else constant
            for i, constant in enumerate(constants)
        ]
        slots: dict[int, Any] = dict(enumerate([*arrays, *outer]))
        for number, step in enumerate(first.steps):
            steps = [point.steps[number] for point in self._points]
            results = self._step(steps, [slots[i] for i in step.inputs], varying)
            for place, (slot, result) in enumerate(zip(step.outputs, results, strict=True)):
                metas = [each.call.results[place] for each in steps]
                result = jnp.asarray(result, metas[0].np)
                for sizes, dim in zip(
                    zip(*[meta.shape for meta in metas], strict=True), result.shape, strict=True
                ):
                    varying.learn(sizes, dim, step.call.name)
                slots[slot] = result
        return [slots[slot] for slot in first.slots]

    def _step(self, steps: Sequence[BlockStep], given: list[Any], varying: Varying) -> Sequence[Any]:
        name = steps[0].call.name
        seen = [point.numbers_of(step) for point, step in zip(self._points, steps, strict=True)]
        numbers = [
            varying.number(values, f"a number that `{name}` takes") for values in zip(*seen, strict=True)
        ]
        return _general_run([step.call for step in steps], varying)(jnp, given, numbers)

    def _made_from_sizes(self, place: int, varying: Varying) -> Any:
        """A value from outside that was made anew at each size: one number everywhere, or a range."""
        arrays = [point.outer[place].numpy() for point in self._points]
        where = f"a tensor that was made from a size ({arrays[0].dtype}{list(arrays[0].shape)} at the example's sizes)"
        if len({array.ndim for array in arrays}) == 1:
            shape = [
                varying.of(sizes, f"a size of {where}")
                for sizes in zip(*[a.shape for a in arrays], strict=True)
            ]
            fills = [array.reshape(-1)[0].item() for array in arrays if array.size]
            if all((array == array.reshape(-1)[:1]).all() for array in arrays) and fills:
                return jnp.full(
                    shape, varying.number(tuple(fills), f"the content of {where}"), arrays[0].dtype
                )
            if arrays[0].ndim == 1 and arrays[0].dtype.kind in "iuf":
                start, step = _range(max(arrays, key=len))
                if all(np.array_equal(array, start + step * np.arange(len(array))) for array in arrays):
                    return (start + step * jnp.arange(shape[0])).astype(arrays[0].dtype)
        raise ExportError(
            f"{where} varies with the sizes, and neither is one number everywhere nor counts: make it from the inputs, or once "
            "as a buffer and cut what is needed out of it"
        )


def _can_be_nan(array: Any) -> bool:
    return array.dtype.kind in "fc"


def _range(array: Any) -> tuple[Any, Any]:
    start = array[0].item()
    return start, (array[1].item() - start if len(array) > 1 else 1)


def _source(call: Call) -> Any:
    """What a call's static arguments are written in; those of a write through a view are the view's."""
    return call.values["of"].source if "of" in call.values else call.source


def _taken_back(call: Call) -> tuple[Call, list[Any]]:
    """The call that one is the gradient of, or the gradient of the gradient; and of what kinds those are."""
    how = []
    while "backward of" in call.values:
        call, *kind = call.values["backward of"]
        how.append(kind)
    return call, how


def _compare(a: _Point, b: _Point) -> None:
    """Raises unless the two are the same calls on the same slots."""
    words = "the module does other things at other sizes"
    advice = "a Python `if` or loop over a size? Give the Dim bounds within which it goes one way, or make that size static"
    if len(a.steps) != len(b.steps) or len(a.outer) != len(b.outer):
        raise ExportError(
            f"{words} ({len(a.steps)} and {len(b.steps)} operations at {_shapes(a)} and {_shapes(b)}): {advice}"
        )
    for x, y in zip(a.steps, b.steps, strict=True):
        if x.call is y.call and x.inputs == y.inputs:
            continue
        name, other_name = _name(x.call), _name(y.call)
        if name != other_name or x.inputs != y.inputs or x.outputs != y.outputs:
            raise ExportError(
                f"{words}: `{x.call.name}` at {_shapes(a)}, `{y.call.name}` at {_shapes(b)}, on other inputs perhaps; {advice}"
            )
        if "any size" in x.call.values:  # it looks at its arrays alone
            continue
        (call, how), (other_call, other_how) = _taken_back(x.call), _taken_back(y.call)
        one, other = _source(call), _source(other_call)
        if one is None or other is None or "gradient" in call.values:
            raise ExportError(f"`{x.call.name}` cannot be exported with sizes that vary")
        same = (
            call.numbers == other_call.numbers and one.casts == other.casts and one.compute == other.compute
        )
        same = (
            same and how == other_how and (call.op is other_call.op or _name(call) in _SAME_VALUES.values())
        )
        if not same or [kind for kind, _ in one.entries] != [kind for kind, _ in other.entries]:
            raise ExportError(
                f"{words}: `{x.call.name}` is called in two ways, at {_shapes(a)} and {_shapes(b)}; {advice}"
            )
    if a.slots != b.slots or a.recorded.spec != b.recorded.spec:
        raise ExportError(f"{words}: it returns something else at {_shapes(a)} and {_shapes(b)}; {advice}")
    for leaf, other_leaf in zip(a.recorded.leaves, b.recorded.leaves, strict=True):
        if (leaf is None) != (other_leaf is None) or (leaf is not None and leaf.kept != other_leaf.kept):
            raise ExportError(
                "the module returns a number that varies with the sizes: return tensors, or leave it out"
            )


def _shapes(point: _Point) -> str:
    return str(list(point.recorded.recording.placeholders[-1].meta.shape))


def _general_run(calls: Sequence[Call], varying: Varying) -> Callable[..., Sequence[Any]]:
    """`Call.run` for calls that differ in sizes only, with expressions in the place of sizes."""
    call = calls[0]
    if all(each is call for each in calls) or "any size" in call.values:
        return call.run
    if "backward of" in call.values:
        _, needs, present = call.values["backward of"]
        parents = [each.values["backward of"][0] for each in calls]
        return backward_run(_GeneralCall(parents, varying), needs, present)  # type: ignore[arg-type]
    return _general_source(calls, varying)[1]


class _GeneralMeta:
    """A `Meta` whose sizes are expressions."""

    def __init__(self, metas: Sequence[Meta], varying: Varying) -> None:
        first = metas[0]
        where = f"a size of a tensor of {first.dtype}{list(first.shape)}"
        self.shape = tuple(
            [varying.of(sizes, where) for sizes in zip(*[meta.shape for meta in metas], strict=True)]
        )
        self.dtype, self.device, self.np, self.tracked = first.dtype, first.device, first.np, first.tracked
        self.numel: Any = math.prod(self.shape)
        self.ndim = len(self.shape)


class _GeneralCall:
    """What describes calls that differ in sizes only: for their gradient."""

    def __init__(self, calls: Sequence[Call], varying: Varying) -> None:
        call = calls[0]
        self.name, self.op, self.numbers = call.name, call.op, call.numbers
        self.values = {name: call.values[name] for name in ("linear",) if name in call.values}
        self.inputs, self.results = (
            tuple([_GeneralMeta(metas, varying) for metas in zip(*columns, strict=True)])
            for columns in ([each.inputs for each in calls], [each.results for each in calls])
        )
        self.source, self.run = _general_source(calls, varying)


def _general_source(calls: Sequence[Call], varying: Varying) -> tuple[Any, Callable[..., Sequence[Any]]]:
    """What the static arguments are written in, with expressions in the place of sizes, and how the calls then are run."""
    call = calls[0]
    source = copy.copy(_source(call))
    source.entries = []
    for entries in zip(*[_source(each).entries for each in calls], strict=True):
        kind, what = entries[0]
        if kind == "static":
            where = f"an argument of `{call.name}`"
            what = _general_static(tuple(entry[1] for entry in entries), varying, where)
        source.entries.append((kind, what))
    if "of" in call.values:
        op: Op = call.values["of"].op

        def scatter(xp: Any, arrays: Any, numbers: Any) -> tuple[Any, ...]:
            _, *arguments = source.arguments(xp, [arrays[0]], numbers)
            return (op.scatter_rule(xp, arrays[0], arrays[1], *arguments),)

        return source, scatter
    results: tuple[Meta, ...] = call.results
    return source, call.op._runner(source, call.inputs, lambda: results)


def _general_static(values: Vector, varying: Varying, where: str) -> Any:
    if _is_constant(values):
        return values[0]
    if all(isinstance(value, tuple) for value in values) and len({len(value) for value in values}) == 1:
        return tuple(_general_static(each, varying, where) for each in zip(*values, strict=True))
    return varying.of(values, where)


def symbols_for(
    dims: Sequence[Any], points: Sequence[Sequence[int]]
) -> tuple[dict[str, Any], dict[Vector, Any]]:
    """JAX's symbolic dims, by the names of `dims` and by their sizes at the points."""
    if not dims:
        return {}, {}
    bounds = [f"{d.__name__} >= {d.least}" for d in dims] + [
        f"{d.__name__} <= {d.max}" for d in dims if d.max is not None
    ]
    symbols = jax.export.symbolic_shape(", ".join(d.__name__ for d in dims), constraints=bounds)
    named = {d.__name__: symbol for d, symbol in zip(dims, symbols, strict=True)}
    return named, dict(zip(map(tuple, points), symbols, strict=True))
