"""What all derivatives of functions share: variables of their own, and results that belong to the outside again.

A transform differentiates through the tape, so transforms nest with one another and with `backward`. Each has variables of
its own: a leaf, or a step from the tensor outside if that has a history which goes on.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from flambeau._core.autograd import AccumulateGrad, zeros_value
from flambeau._core.declare import RAW, Array
from flambeau._core.dispatch import op
from flambeau._core.modes import modes
from flambeau._core.node_kind import next_sequence
from flambeau._core.pytree import TreeSpec, tree_map
from flambeau._core.tensor import Tensor


@op(promote=RAW, shape=lambda input: input)
def entered(xp: Any, input: Array) -> Array:
    """The input, as the variable of a transform."""
    return input


@entered.gradient("input")
def _(xp: Any, g: Array) -> Array:
    return g


class Level:
    """A context in which one transform's function runs; gradients are recorded in it whatever holds outside."""

    def __enter__(self) -> Level:
        self._modes = modes.grad, modes.inference
        modes.grad, modes.inference = True, False
        self._went_forwards, modes.forwards = modes.forwards, False
        modes.levels += 1
        self._started = next_sequence()
        self._is_open = True
        return self

    def __exit__(self, *error: object) -> None:
        modes.grad, modes.inference = self._modes
        modes.forwards = self._went_forwards
        modes.levels -= 1
        self._is_open = False

    def variable(self, tensor: Any) -> Tensor:
        """The tensor as a variable of this level."""
        if not isinstance(tensor, Tensor):
            raise ValueError(f"Thing passed to transform API must be Tensor, got {type(tensor)}")
        if self._modes[0] and tensor.requires_grad:
            return entered(tensor)
        if not tensor._meta.tracked:
            raise RuntimeError("only Tensors of floating point dtype can require gradients")
        variable = tensor.detach()
        variable._rg = True
        self.own(variable)
        return variable

    def own(self, leaf: Tensor) -> None:
        """Makes a leaf one that nobody outside knows of."""
        leaf._level = self  # type: ignore[attr-defined]

    def _is_outside(self, leaf: Tensor) -> bool:
        """Whether a leaf is the user's, or that of a transform around this one."""
        level = getattr(leaf, "_level", None)
        return level is None or (level is not self and level._is_open)

    def reaches_outside(self, tensors: Iterable[Tensor]) -> bool:
        """Whether gradients flow on to something outside, so that derivatives must be differentiable themselves."""
        if not self._modes[0]:
            return False
        stack: list[Any] = []
        for tensor in tensors:
            if tensor.requires_grad:
                if tensor._node is None and self._is_outside(tensor):
                    return True
                stack.append(tensor._node)
        seen = set(stack)
        while stack:
            node = stack.pop()
            if node is None:
                continue
            if isinstance(node, AccumulateGrad):
                if self._is_outside(node.variable):
                    return True
            elif node.sequence < self._started:
                return True
            for edge in node.edges:
                if edge is not None and edge[0] not in seen:
                    seen.add(edge[0])
                    stack.append(edge[0])
        return False

    def result(self, tensor: Any) -> Any:
        """A tensor as the outside gets it: without a history that is only this level's."""
        if isinstance(tensor, Tensor) and tensor.requires_grad and not self.reaches_outside([tensor]):
            return tensor.detach()
        return tensor

    def results(self, tree: Any) -> Any:
        return tree_map(self.result, tree)


def gradients(
    outputs: Sequence[Tensor], inputs: Sequence[Tensor], cotangents: Sequence[Tensor | None], create_graph: bool,
    keep_graph: bool = True,
) -> list[Tensor]:  # fmt: skip
    """The gradients of the inputs, zeros where nothing flows."""
    from flambeau._core.walk import grad

    pairs = [(y, g) for y, g in zip(outputs, cotangents, strict=True) if y.requires_grad]
    if not pairs:
        return [Tensor._of(zeros_value(x._meta)) for x in inputs]
    return list(
        grad(
            [y for y, _ in pairs], inputs, [g for _, g in pairs], retain_graph=keep_graph,
            create_graph=create_graph, allow_unused=True, materialize_grads=True,
        )
    )  # fmt: skip


def check_only_tensors(leaves: Iterable[Any], transform: str) -> None:
    for leaf in leaves:
        if not isinstance(leaf, Tensor):
            raise RuntimeError(
                f"{transform}: expected f(*primals) to return only tensors, got unsupported type {type(leaf)}"
            )


def split_aux(result: Any, has_aux: bool, transform: str) -> tuple[Any, Any]:
    """The output and what comes beside it."""
    if not has_aux:
        return result, None
    if not (isinstance(result, tuple) and len(result) == 2):
        raise RuntimeError(
            f"{transform}: output of function f should be a tuple: (output, aux) if has_aux is True"
        )
    return result


def check_aux(leaves: Iterable[Any]) -> None:
    for leaf in leaves:
        if not isinstance(leaf, Tensor):
            raise RuntimeError(f"Expected tensors, got unsupported type {type(leaf)}")


def shown(spec: TreeSpec) -> str:
    """A structure as messages on cotangents show it: `(*, *)`."""
    if spec.is_leaf():
        return "*"
    inner = ", ".join(shown(child) for child in spec.children_specs)
    if spec.type is list:
        return f"[{inner}]"
    if spec.type is tuple:
        return f"({inner}{',' if spec.num_children == 1 else ''})"
    return repr(spec)


def chosen(argnums: Any, count: int) -> tuple[int, ...]:
    """The places of the arguments to differentiate, from 0 upward.

    Raises: RuntimeError for what names none.
    """
    if isinstance(argnums, bool) or not isinstance(argnums, (int, tuple)):
        raise RuntimeError(f"argnums must be int or Tuple[int, ...], got: {type(argnums)}")
    given = (argnums,) if isinstance(argnums, int) else argnums
    if not given:
        raise RuntimeError("argnums must be non-empty")
    places = []
    for argnum in given:
        if not isinstance(argnum, int):
            raise RuntimeError(f"argnum must be int, got: {type(argnum)}")
        if not -count <= argnum < count:
            raise RuntimeError(f"Got argnum={argnum}, but only {count} positional inputs")
        places.append(argnum % count)
    if len(set(places)) != len(places):
        raise RuntimeError(f"argnums elements must be unique, got {argnums}")
    return tuple(places)
