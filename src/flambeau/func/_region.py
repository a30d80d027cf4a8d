"""A function that runs as a part of one call: a branch, the body of a loop, a step of a scan.

It is recorded once, on placeholders, and its backward along with it, through the tape: so its gradient follows the
operations' own rules, and reaches the tensors outside that it reads. Those have inputs of their own among the call's, its
*routes*, through which the gradients go.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np

from flambeau._core.autograd import VALUES, Edge, Node, attach, edge_of
from flambeau._core.block import run_steps
from flambeau._core.call import Call
from flambeau._core.capture import Check, Draw, Recording, Structure, structure_of
from flambeau._core.gradient import Saving
from flambeau._core.modes import modes
from flambeau._core.node_kind import next_sequence
from flambeau._core.pytree import tree_flatten
from flambeau._core.remembered import Remembered
from flambeau._core.storage import Storage
from flambeau._core.tape import named_node_class
from flambeau._core.tensor import Tensor
from flambeau._core.trace import concrete, local, record
from flambeau._core.value import Meta, Value
from flambeau._core.walk import run_backward


class DrawsNumbers(Exception):
    """A region draws random numbers, which have to be others each time that it runs."""


class _RegionRecording(Recording):
    def allow_write(self, storage: Storage, value: Value) -> None:
        raise RuntimeError(
            f"A tensor of the outside is written to {self.where}. Return its next value instead."
        )

    def draw(self, draw: Draw, meta: Meta) -> Value:
        raise DrawsNumbers(
            f"Random numbers {self.where} would be the same each time it runs. Draw them outside and give them along."
        )

    def apply_function(self, function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Runs a custom function on tensors of the outside as on what was made here, which tells their values."""
        own = [
            arg.view_as(arg) if isinstance(arg, Tensor) and arg.requires_grad else arg  # type: ignore[attr-defined]
            for arg in args
        ]
        return function._apply(*own, **kwargs)


class Region:
    """A recorded function, and its backward.

    Args:
        where: how messages call the place.
        function: takes a tensor for each of `metas`, and returns tensors in containers.
        requires: which of its arguments want gradients.

    Attributes:
        outer: the values that it takes from outside.
        edges: where the gradients go that its backward gives; those of arguments are (None, number).
        routes: for each edge that leads outside, the value that its tensor has.
        checks: of values that it makes; `check_metas` describes those.
    """

    def __init__(
        self, where: str, function: Callable[..., Any], metas: Sequence[Meta], requires: Sequence[bool]
    ) -> None:
        recording = _RegionRecording(where)
        started = next_sequence()
        with recording:
            values = [recording.placeholder(meta) for meta in metas]
            tensors = [Tensor._of(value) for value in values]
            for tensor, required in zip(tensors, requires, strict=True):
                tensor._rg = required and modes.grad
            outputs, self.spec = tree_flatten(function(*tensors))
            for output in outputs:
                if not isinstance(output, Tensor):
                    raise RuntimeError(f"Expected tensors to be returned {where}, but got {type(output)}.")
            for tensor, value in zip(tensors, values, strict=True):
                if tensor._storage.value is not value:
                    raise RuntimeError(
                        f"An argument is written to in place {where}. Return its next value instead."
                    )
            results = [output._read() for output in outputs]
            self.metas = tuple([value.meta for value in results])
            self.checks: list[Check] = list(recording.checks)
            self.check_metas = [check.value.meta for check in self.checks]
            self.forward = structure_of(
                recording, [*results, *[check.value for check in self.checks]], whole=False
            )
            self.places = {value.slot: number for number, value in enumerate(values)}
            self.backward: Structure | None = None
            self.edges: list[Edge] = []
            self._record_backward(recording, outputs, tensors, started)
        self.routes = {
            edge: _outside(recording, value)
            for edge, value in self._values_of_edges(recording, outputs).items()
        }
        self.outer = [leaf for leaf in recording.leaves if leaf.trace is not recording]
        self._outer_slots = {
            -1 - number: place
            for place, number in enumerate(
                number for number, leaf in enumerate(recording.leaves) if leaf.trace is not recording
            )
        }
        self.floats, self.ints = recording.floats, recording.ints
        self.key = (
            self.forward, self.backward, len(self.floats), len(self.ints), tuple(self._outer_slots),
            tuple([edge[1] if edge[0] is None else -1 for edge in self.edges]),  # type: ignore[index]
        )  # fmt: skip

    def _record_backward(
        self, recording: Recording, outputs: Sequence[Tensor], tensors: Sequence[Tensor], started: int
    ) -> None:
        tracked = [output for output in outputs if output.requires_grad]
        if not tracked:
            return
        captures: dict[tuple[Node, int], list[int]] = {}
        stack: list[Any] = [edge_of(output) for output in tracked]
        seen = set()
        while stack:
            edge = stack.pop()
            if edge is None or edge in seen:
                continue
            seen.add(edge)
            if edge[0].sequence > started and not _is_leaf(edge[0]):
                stack += edge[0].edges
            else:
                captures[edge] = [len(captures)]
        roots = []
        self.cotangents: list[int | None] = []
        count = len(tensors)
        for output in outputs:
            if not output.requires_grad:
                self.cotangents.append(None)
                continue
            cotangent = recording.placeholder(output._meta)
            self.places[cotangent.slot] = count
            self.cotangents.append(count)
            count += 1
            roots.append((*edge_of(output), cotangent))  # type: ignore[misc]
        previous = modes.grad
        modes.grad = False
        try:
            found = run_backward(roots, VALUES, True, captures, accumulate=False)
        finally:
            modes.grad = previous
        own = {id(tensor): number for number, tensor in enumerate(tensors)}
        gradients = []
        for (node, index), (number,) in captures.items():
            gradient = found.get(number)
            if gradient is None:
                continue
            argument = own.get(id(getattr(node, "variable", None)))
            self.edges.append((node, index) if argument is None else (None, argument))  # type: ignore[arg-type]
            gradients.append(gradient)
        self.backward = structure_of(recording, gradients, whole=False)

    def _values_of_edges(self, recording: Recording, outputs: Sequence[Tensor]) -> dict[Edge, Value]:
        """What the tensors hold whose gradients leave the region: seen where they enter an operation, or are returned."""
        wanted = {edge for edge in self.edges if edge[0] is not None}  # type: ignore[index]
        found: dict[Edge, Value] = {}
        for node, slots in recording.tape.items():
            for edge, slot in zip(node.edges, slots, strict=True):
                if edge in wanted:
                    found[edge] = recording.outputs[slot] if slot >= 0 else recording.leaves[-1 - slot]
        for output in outputs:
            if output.requires_grad and edge_of(output) in wanted:
                found[edge_of(output)] = output._read()
        return found

    def run(
        self, structure: Structure, arguments: Sequence[Any], outer: Sequence[Any], numbers: Sequence[Any]
    ) -> list[Any]:
        """What a structure gives for the arguments, then cotangents, and the outer values: for JAX to trace."""
        arrays = [
            arguments[self.places[-1 - number]] if -1 - number in self.places else outer[self._outer_slots[-1 - number]]
            for number in structure.leaves
        ]  # fmt: skip
        count = len(self.floats)
        return run_steps(structure.block.steps, structure.places, arrays, numbers[:count], numbers[count:])

    def pulled(
        self,
        arguments: Sequence[Any],
        outer: Sequence[Any],
        numbers: Sequence[Any],
        cotangents: Sequence[Any],
    ) -> list[Any]:
        """The gradients of `edges`, given one cotangent for each result."""
        if self.backward is None:
            return []
        wanted = [g for g, place in zip(cotangents, self.cotangents, strict=False) if place is not None]
        return self.run(self.backward, [*arguments, *wanted], outer, numbers)

    @property
    def numbers(self) -> list[Any]:
        return [*self.floats, *self.ints]

    @property
    def kinds(self) -> str:
        return "f" * len(self.floats) + "i" * len(self.ints)


def _is_leaf(node: Node) -> bool:
    return hasattr(node, "variable")


def _outside(recording: Recording, value: Value) -> Value:
    """A value of the region that follows from values outside alone, computed there."""
    if value.trace is not recording:
        return value
    structure = structure_of(recording, [value], whole=False)
    leaves = [recording.leaves[number] for number in structure.leaves]
    (found,) = record(structure.block, leaves, [*recording.floats, *recording.ints])
    return found


def routed(edge: Edge, value: Value) -> Tensor:
    """A tensor that holds the value, and whose gradient goes where the edge leads."""
    tensor = Tensor._of(value)
    attach(tensor, edge)
    return tensor


Run = Callable[[Sequence[Any], Sequence[Any]], Sequence[Any]]
# Gives the gradients of all inputs, None for those without, from arrays, numbers and a cotangent for each result.
Pull = Callable[[Sequence[Any], Sequence[Any], Sequence[Any]], Sequence[Any]]

_calls: Remembered[Call] = Remembered(200)


def region_call(
    name: str, node: str, key: Any, run: Run, pull: Pull, values: Sequence[Value], kinds: str, results: Sequence[Meta],
    once: str | None = None,
) -> Call:  # fmt: skip
    """The call that `run` describes and `pull` is the gradient of, the same for equal keys.

    Second derivatives raise a RuntimeError with `once` as its message; without one they are what `jax.vjp` gives.
    """
    metas = tuple([value.meta for value in values])
    results = tuple(results)
    return _calls.find(
        (name, key, metas, kinds, results), lambda: _call(name, node, run, pull, metas, kinds, results, once)
    )


def _call(
    name: str, node: str, run: Run, pull: Pull, metas: tuple[Meta, ...], kinds: str, results: tuple[Meta, ...],
    once: str | None,
) -> Call:  # fmt: skip
    call = Call(
        name, lambda xp, arrays, numbers: tuple(run(arrays, numbers)), metas, results, (metas or results)[0].device,
        numbers=kinds,
    )  # fmt: skip
    call.values["node"] = named_node_class(node)
    call.values["gradient"] = _Gradient(call, pull, once)
    return call


def plain_region_call(
    name: str, key: Any, run: Run, values: Sequence[Value], kinds: str, results: Sequence[Meta]
) -> Call:  # fmt: skip
    """The same for a call whose gradient is what `jax.vjp` makes of it."""
    metas = tuple([value.meta for value in values])
    results = tuple(results)
    return _calls.find(
        (name, key, metas, kinds, results),
        lambda: Call(
            name, lambda xp, arrays, numbers: tuple(run(arrays, numbers)), metas, results,
            (metas or results)[0].device, numbers=kinds,
        ),
    )  # fmt: skip


class _Gradient:
    """The gradient of a region's call."""

    def __init__(self, call: Call, pull: Pull, once: str | None) -> None:
        self._call, self._pull, self._once = call, pull, once

    def saving(self, needs: tuple[bool, ...]) -> Saving:
        every = tuple(range(len(self._call.inputs)))
        return Saving(every, (), every)

    def backward(self, needs: tuple[bool, ...], present: tuple[bool, ...]) -> Call:
        call, pull = self._call, self._pull
        given = [meta for meta, here in zip(call.results, present, strict=True) if here]
        wanted = [i for i, need in enumerate(needs) if need]

        def run(xp: Any, arrays: Sequence[Any], numbers: Sequence[Any]) -> tuple[Any, ...]:
            waiting = iter(arrays)
            cotangents = [
                next(waiting) if here else jnp.zeros(meta.shape, meta.np)
                for meta, here in zip(call.results, present, strict=True)
            ]
            found = pull(arrays[len(given) :], numbers, cotangents)
            return tuple(
                [
                    jnp.zeros(call.inputs[i].shape, call.inputs[i].np) if found[i] is None else found[i]
                    for i in wanted
                ]
            )

        made = Call(
            f"{call.name}.backward", run, (*given, *call.inputs), tuple([call.inputs[i] for i in wanted]), call.device,
            numbers=call.numbers, cost=2 * call.cost,
        )  # fmt: skip
        if self._once is not None:
            made.values["gradient"] = _Refusal(self._once)
        return made


class _Refusal:
    """The gradient of what has none."""

    def __init__(self, message: str) -> None:
        self._message = message

    def saving(self, needs: tuple[bool, ...]) -> Saving:
        return Saving((), (), ())

    def backward(self, needs: tuple[bool, ...], present: tuple[bool, ...]) -> Call:
        raise RuntimeError(self._message)


# -- checks of values that regions make ----------------------------------------------------------------


def packed(arrays: Sequence[Any]) -> list[Any]:
    """Values to be checked as they leave a region that ran: a one, and their elements."""
    return [jnp.concatenate([jnp.ones(1, a.dtype), a.reshape(-1)]) for a in arrays]


def nothing_packed(metas: Sequence[Meta]) -> list[Any]:
    """The same for a region that did not run."""
    return [jnp.zeros(1 + meta.numel, meta.np) for meta in metas]


def packed_metas(metas: Sequence[Meta]) -> list[Meta]:
    return [meta.with_shape((1 + meta.numel,)) for meta in metas]


def check_packed(checks: Sequence[Check], tensors: Sequence[Tensor]) -> None:
    """Has the values checked that left regions, where those ran."""
    for check, tensor in zip(checks, tensors, strict=True):
        value = tensor._read()
        run = functools.partial(_check_packed, check.check, check.value.meta.shape)
        if value.trace is None:
            run(value)
        else:
            local.trace.check(value, run, tensor.device.type != "cpu")


def _check_packed(check: Callable[[Value], None], shape: tuple[int, ...], known: Value) -> None:
    rows = known.numpy().reshape(-1, known.meta.shape[-1])
    rows = rows[rows[:, 0].astype(bool), 1:]
    if len(rows):
        array = np.ascontiguousarray(rows.reshape(len(rows), *shape))
        check(concrete(array, known.meta.with_shape(array.shape)))
