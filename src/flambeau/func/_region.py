"""A function that runs as a part of one call: a branch, the body of a loop, a step of a scan.

It is recorded once, on placeholders, and its backward along with it, through the tape: so its gradient follows the
operations' own rules, and reaches the tensors outside that it reads.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax.numpy as jnp

from flambeau._core.autograd import VALUES, Edge, Node, edge_of, zeros_value
from flambeau._core.block import run_steps
from flambeau._core.call import Call
from flambeau._core.capture import Draw, Recording, Structure, structure_of
from flambeau._core.modes import modes
from flambeau._core.pytree import tree_flatten
from flambeau._core.remembered import Remembered
from flambeau._core.storage import Storage
from flambeau._core.tensor import Tensor
from flambeau._core.trace import record
from flambeau._core.value import Meta, Value
from flambeau._core.walk import run_backward


class _RegionRecording(Recording):
    def allow_write(self, storage: Storage, value: Value) -> None:
        raise RuntimeError(
            f"A tensor of the outside is written to {self.where}. Return its next value instead."
        )

    def draw(self, draw: Draw, meta: Meta) -> Value:
        raise RuntimeError(
            f"Random numbers {self.where} would be the same each time it runs. Draw them outside and give them along."
        )


class Region:
    """A recorded function, and its backward.

    Args:
        where: how messages call the place.
        function: takes a tensor for each of `metas`, and returns tensors in containers.
        requires: which of its arguments want gradients.

    Attributes:
        edges: where the gradients go that its backward gives; those of arguments are (None, number).
        outer: the values that it takes from outside.
    """

    def __init__(
        self, where: str, function: Callable[..., Any], metas: Sequence[Meta], requires: Sequence[bool]
    ) -> None:
        recording = _RegionRecording(where)
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
            self.forward = structure_of(recording, results, whole=False)
            self.places = {value.slot: number for number, value in enumerate(values)}
            self.backward: Structure | None = None
            self.edges: list[Edge] = []
            self._record_backward(recording, outputs, tensors)
        self.outer = [leaf for leaf in recording.leaves if leaf.trace is not recording]
        self._outer_slots = {
            -1 - number: place
            for place, number in enumerate(
                number for number, leaf in enumerate(recording.leaves) if leaf.trace is not recording
            )
        }
        self.floats, self.ints = recording.floats, recording.ints
        self.key = (self.forward, self.backward, len(self.floats), len(self.ints), tuple(self._outer_slots))

    def _record_backward(
        self, recording: Recording, outputs: Sequence[Tensor], tensors: Sequence[Tensor]
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
            if edge[0] in recording.tape:
                stack += edge[0].edges
            elif edge[0].sequence > self._start(recording) and edge[0].kind is None and not _is_leaf(edge[0]):
                raise RuntimeError(f"The gradient of {edge[0].name()} cannot be recorded {recording.where}.")
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

    @staticmethod
    def _start(recording: Recording) -> int:
        return min((node.sequence for node in recording.tape), default=1 << 62)

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

    @property
    def numbers(self) -> list[Any]:
        return [*self.floats, *self.ints]

    @property
    def kinds(self) -> str:
        return "f" * len(self.floats) + "i" * len(self.ints)


def _is_leaf(node: Node) -> bool:
    return hasattr(node, "variable")


_calls: Remembered[Call] = Remembered(200)


def region_call(
    name: str, key: Any, run: Callable[[Sequence[Any], Sequence[Any]], Sequence[Any]], values: Sequence[Value],
    kinds: str, results: Sequence[Meta],
) -> Call:  # fmt: skip
    """The call that `run(arrays, numbers)` describes, the same for equal keys."""
    metas = tuple([value.meta for value in values])
    results = tuple(results)
    return _calls.find(
        (name, key, metas, kinds, results),
        lambda: Call(
            name, lambda xp, arrays, numbers: tuple(run(arrays, numbers)), metas, results,
            (metas or results)[0].device, numbers=kinds,
        ),
    )  # fmt: skip


class RegionNode(Node):
    """The node of a call that runs regions.

    `pulled(cotangents)` records the gradients of `edges`.
    """

    def __init__(
        self, name: str, results: Sequence[Meta], edges: Sequence[Edge],
        pulled: Callable[[Sequence[Value]], Sequence[Value]] | str,
    ) -> None:  # fmt: skip
        super().__init__()
        self._name, self.results, self.edges, self._pulled = name, results, tuple(edges), pulled

    def name(self) -> str:
        return self._name

    def pull(self, cotangents: list[Any], work: Any) -> Sequence[Any]:
        if isinstance(self._pulled, str):
            raise RuntimeError(self._pulled)
        if work is not VALUES:
            raise RuntimeError(
                f"{self._name}: the gradient of a recorded region cannot be differentiated again (create_graph=True)."
            )
        given = [
            zeros_value(meta) if g is None else g for g, meta in zip(cotangents, self.results, strict=True)
        ]
        return self._pulled(given)


def with_history(
    values: Sequence[Value], name: str, edges: Sequence[Edge], pulled: Callable[[Sequence[Value]], Sequence[Value]] | str
) -> list[Tensor]:  # fmt: skip
    """The values as tensors that a region's call made."""
    tensors = [Tensor._of(value) for value in values]
    if edges:
        node = RegionNode(name, [value.meta for value in values], edges, pulled)
        for index, tensor in enumerate(tensors):
            if tensor._meta.tracked:
                tensor._set_history(node, index)
    return tensors


def accumulated(
    edges: Sequence[Edge], arrays: Sequence[Any], wanted: Sequence[Edge], metas: Sequence[Meta]
) -> list[Any]:
    """The gradients of the wanted edges, zeros where there is none."""
    known = dict(zip(edges, arrays, strict=True))
    return [known.get(edge, jnp.zeros(meta.shape, meta.np)) for edge, meta in zip(wanted, metas, strict=True)]


def edge_meta(edge: Edge, arguments: Sequence[Meta]) -> Meta:
    node, index = edge  # type: ignore[misc]
    return arguments[index] if node is None else node.results[index]


def outside(edges: Sequence[Edge], arguments: Sequence[Tensor]) -> list[Edge]:
    """Edges of a region as those of its call: arguments' edges where it has (None, number)."""
    return [edge_of(arguments[edge[1]]) if edge[0] is None else edge for edge in edges]  # type: ignore[index]


def recorded(call: Call, values: Sequence[Value], numbers: Sequence[Any]) -> list[Value]:
    return record(call, values, numbers)
