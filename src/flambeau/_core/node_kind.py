"""What all nodes of one call have in common, given which of its inputs want gradients.

A node is made for each recorded operation that has something to differentiate, so making one is written out as source
once for each pattern of inputs and saved values, without a loop.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from flambeau._core.gradient import Saving, backward_call, reaching, saving

if TYPE_CHECKING:
    from flambeau._core.call import Call

Make = Callable[..., Any]

_sequence = itertools.count()
next_sequence = _sequence.__next__


def next_sequences(count: int) -> list[int]:
    """As many numbers as `count` calls of `next_sequence` give."""
    return list(itertools.islice(_sequence, count))


INFERENCE = (
    "Inference tensors cannot be saved for backward. Please do not use Tensors created in inference mode in "
    "computation tracked by autograd. To work around this, you can make a clone to get a normal tensor and "
    "use it in autograd, or use `torch.no_grad()` instead of `torch.inference_mode()`."
)


class NodeKind:
    """A call and the inputs of it that want gradients; `needs` are those that get one.

    `make(kind, tensors, values, results, numbers)` gives a new node; `results` are the storages of the call's outputs.
    """

    __slots__ = ("_backwards", "call", "make", "needs", "node_class", "saving")

    def __init__(self, call: Call, needs: tuple[bool, ...], node_class: type) -> None:
        self.call = call
        self.needs = reaching(call, needs)
        self.node_class = node_class
        self.saving = saving(call, self.needs)
        self.make = _maker(needs, self.saving)
        self._backwards: dict[tuple[bool, ...], Call] = {}

    def backward(self, present: tuple[bool, ...]) -> Call:
        """The call of the gradients, given which outputs have a cotangent."""
        found = self._backwards.get(present)
        if found is None:
            found = self._backwards[present] = backward_call(self.call, self.needs, present)
        return found


_makers: dict[tuple[tuple[bool, ...], Saving], Make] = {}


def _maker(needs: tuple[bool, ...], plan: Saving) -> Make:
    found = _makers.get((needs, plan))
    if found is None:
        found = _makers[needs, plan] = _written_out(needs, plan)
    return found


def _written_out(needs: tuple[bool, ...], plan: Saving) -> Make:
    """The function that makes a node, for one pattern of inputs."""
    from flambeau._core.autograd import accumulator, finish_watched
    from flambeau._core.modes import modes

    edges = [
        f"(t{i}._node, t{i}._index) if t{i}._node is not None else (accumulator(t{i}), 0)" if need else "None"
        for i, need in enumerate(needs)
    ]
    lines = ["    " + "".join(f"t{i}, " for i in range(len(needs))) + "= tensors"]
    lines += [f"    if t{i}._inference: raise RuntimeError(INFERENCE)" for i in plan.inputs]
    lines += [
        "    node = new(kind.node_class)",
        "    node.kind, node.sequence = kind, next_sequence()",
        f"    node.edges = ({', '.join(edges)},)",
        "    if numbers: node.numbers = numbers",
    ]
    saved = [f"values[{i}]" for i in plan.inputs] + [f"results[{i}].value" for i in plan.outputs]
    if saved:
        lines += [f"    s{i} = t{i}._storage" for i in plan.guarded_inputs]
        guards = [f"(s{i}, s{i}.version, {-1 - i}, s{i}.hidden, t{i}._views)" for i in plan.guarded_inputs]
        guarded_outputs = [i for i in plan.outputs if i not in plan.unguarded_outputs]
        guards += [f"(results[{i}], 0, {i}, 0, ())" for i in guarded_outputs]
        lines.append(f"    node.saved = [{', '.join(saved)}]")
        if guards:
            lines.append(f"    node.guards = [{', '.join(guards)}]")
    lines += ["    if modes.watched: finish_watched(node)", "    return node"]
    source = "\n".join(["def make(kind, tensors, values, results, numbers):", *lines])
    scope: dict[str, Any] = {
        "new": object.__new__, "next_sequence": next_sequence, "accumulator": accumulator, "modes": modes,
        "finish_watched": finish_watched, "INFERENCE": INFERENCE, "__name__": __name__,
    }  # fmt: skip
    exec(source, scope)
    return scope["make"]
