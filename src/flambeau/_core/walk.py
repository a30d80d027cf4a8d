"""`backward` and `grad`: walking the graph from the newest node to the oldest, as PyTorch does.

Each node records one call. Normally the walk works on values; with `create_graph` on tensors, so that it is recorded itself.
"""

from __future__ import annotations

import heapq
import itertools
import threading
from collections.abc import Sequence
from typing import Any

import numpy as np

from flambeau._core.autograd import (
    TENSORS,
    VALUES,
    AccumulateGrad,
    Node,
    check_hook,
    check_hook_tuple,
    edge_of,
    ones_value,
    zeros_value,
)
from flambeau._core.modes import modes
from flambeau._core.plain_walk import run_plain
from flambeau._core.storage import Storage
from flambeau._core.tensor import Tensor
from flambeau._core.trace import describe_line, local


def _dependencies(roots: Sequence[Node]) -> dict[Node, int]:
    """How many edges lead to each node that the roots reach."""
    counts: dict[Node, int] = dict.fromkeys(roots, 0)
    stack = list(counts)
    while stack:
        for edge in stack.pop().edges:
            if edge is not None:
                node = edge[0]
                if node not in counts:
                    counts[node] = 0
                    stack.append(node)
                counts[node] += 1
    return counts


def _leading_to(targets: set[Node], counts: dict[Node, int]) -> set[Node]:
    """The nodes from which some target can be reached; only they need to run for `autograd.grad`."""
    users: dict[Node, list[Node]] = {}
    for node in counts:
        for edge in node.edges:
            if edge is not None:
                users.setdefault(edge[0], []).append(node)
    found, stack = set(targets), list(targets)
    while stack:
        for user in users.get(stack.pop(), ()):
            if user not in found:
                found.add(user)
                stack.append(user)
    return found


class Walk:
    """One walk through the graph: what it reaches, and where it stops."""

    def __init__(self, counts: dict[Node, int], needed: set[Node] | None, accumulate: bool) -> None:
        self.reached = frozenset(counts)
        self.needed = needed
        self.accumulate = accumulate

    def runs(self, node: Node) -> bool:
        """Whether this node's gradients are computed on the way."""
        if self.needed is None:
            return node in self.reached
        if node not in self.needed:
            return False
        if isinstance(node, AccumulateGrad):
            return self.accumulate
        # A captured place needs nothing beyond itself, unless another one lies behind it.
        return any(edge is not None and edge[0] in self.needed for edge in node.edges)


class _Walks(threading.local):
    def __init__(self) -> None:
        self.stack: list[Walk] = []


_walks = _Walks()


def current_walk() -> Walk | None:
    """The walk that this thread is on; None outside of `backward` and `grad`."""
    return _walks.stack[-1] if _walks.stack else None


def run_backward(
    roots: Sequence[tuple[Node, int, Any]], work: Any, keep_graph: bool,
    captures: dict[tuple[Node, int], list[int]] | None = None, accumulate: bool = True,
) -> dict[int, Any]:  # fmt: skip
    """Walks the graph from `roots` (node, output, cotangent).

    With `captures` (places whose gradient is wanted, each with the numbers under which it is handed back) only what leads
    to them runs, and leaves accumulate nothing unless `accumulate`.
    """
    counts = _dependencies([node for node, _, _ in roots])
    walk = Walk(
        counts, None if captures is None else _leading_to({node for node, _ in captures}, counts), accumulate
    )
    buffers: dict[Node, list[Any]] = {}
    for node, index, cotangent in roots:
        buffer = buffers.setdefault(node, [None] * len(node.results))
        buffer[index] = cotangent if buffer[index] is None else work.add(buffer[index], cotangent)
    ready = [(-node.sequence, i, node) for i, node in enumerate(buffers) if counts[node] == 0]
    heapq.heapify(ready)
    captured: dict[int, Any] = {}
    _walks.stack.append(walk)
    try:
        _walk(walk, ready, counts, buffers, work, keep_graph, captures or {}, captured)
    finally:
        _walks.stack.pop()
    return captured


def _walk(
    walk: Walk, ready: list[tuple[int, int, Node]], counts: dict[Node, int], buffers: dict[Node, list[Any]], work: Any,
    keep_graph: bool, captures: dict[tuple[Node, int], list[int]], captured: dict[int, Any],
) -> None:  # fmt: skip
    order = itertools.count(len(ready))
    while ready:
        node = heapq.heappop(ready)[2]
        cotangents = buffers.pop(node, None)
        if cotangents is None:
            cotangents = [None] * len(node.results)
        runs = walk.runs(node)
        hooked = node.tensor_hooks or node.retained
        if hooked and not runs:
            cotangents = _run_tensor_hooks(node, cotangents, work)
        if captures:
            # As in PyTorch, hooks have had their say here only if the walk ends at this node.
            for index, cotangent in enumerate(cotangents):
                for number in captures.get((node, index), ()):
                    captured[number] = cotangent
        gradients: Sequence[Any] = ()
        if runs:
            if hooked:
                cotangents = _run_tensor_hooks(node, cotangents, work)
            if node.prehooks:
                cotangents = _run_prehooks(node, cotangents, work)
            gradients = _run_node(node, cotangents, work, keep_graph)
        for edge, gradient in itertools.zip_longest(node.edges, gradients):
            if edge is None:
                continue
            target, index = edge
            if gradient is not None:
                buffer = buffers.get(target)
                if buffer is None:
                    buffer = buffers[target] = [None] * len(target.results)
                buffer[index] = gradient if buffer[index] is None else work.add(buffer[index], gradient)
            counts[target] -= 1
            if counts[target] == 0:
                heapq.heappush(ready, (-target.sequence, next(order), target))


def _run_node(node: Node, cotangents: list[Any], work: Any, keep_graph: bool) -> Sequence[Any]:
    if all(g is None for g in cotangents) and not getattr(node, "runs_without_gradients", False):
        gradients: Sequence[Any] = [None] * len(node.edges)
    elif modes.anomaly:
        gradients = _run_with_anomaly_checks(node, cotangents, work)
    else:
        gradients = node.pull(cotangents, work)
    if node.hooks:
        gradients = _run_posthooks(node, cotangents, gradients, work)
    if not keep_graph:
        node.release()
    return gradients


def _wrapped(items: Sequence[Any], work: Any) -> tuple[Any, ...]:
    return tuple(None if item is None else work.wrap(item) for item in items)


def _run_tensor_hooks(node: Node, cotangents: list[Any], work: Any) -> list[Any]:
    """Hooks on the tensors that the node made, then the grads that those retain."""
    cotangents = list(cotangents)
    for index, hooks in list((node.tensor_hooks or {}).items()):
        for hook in list(hooks.values()):
            if cotangents[index] is not None:
                given = work.wrap(cotangents[index])
                result = check_hook(hook, hook(given), given)
                if result is not None:
                    cotangents[index] = work.unwrap(result)
    for index, reference in (node.retained or {}).items():
        tensor = reference()
        if tensor is not None and cotangents[index] is not None:
            new = work.wrap(cotangents[index])
            if not Storage.direct:
                local.trace.note_gradient(tensor)
            tensor._grad = new if tensor._grad is None else TENSORS.add(tensor._grad, new)
    return cotangents


def _run_prehooks(node: Node, cotangents: list[Any], work: Any) -> list[Any]:
    for hook in list((node.prehooks or {}).values()):
        result = hook(_wrapped(cotangents, work))
        if result is not None:
            cotangents = check_hook_tuple(hook, result, cotangents, work)
    return cotangents


def _run_posthooks(node: Node, cotangents: list[Any], gradients: Sequence[Any], work: Any) -> Sequence[Any]:
    places = node.places()
    shown = [None if place is None else gradients[place] for place in places]
    for hook in list((node.hooks or {}).values()):
        result = hook(_wrapped(shown, work), _wrapped(cotangents, work))
        if result is not None:
            shown = check_hook_tuple(hook, result, shown, work)
    found = {place: gradient for place, gradient in zip(places, shown, strict=True) if place is not None}
    return [found[place] for place in range(len(gradients))]


def _run_with_anomaly_checks(node: Node, cotangents: list[Any], work: Any) -> Sequence[Any]:
    try:
        gradients = node.pull(cotangents, work)
    except Exception as error:
        if node.line is not None:
            error.add_note(f"The forward call of {node.name()} was at {describe_line(node.line)}.")
        raise
    if modes.anomaly_check_nan:
        for number, gradient in enumerate(gradients):
            if gradient is None:
                continue
            array = work.wrap(gradient)._host_array()
            if array.dtype.kind in "fc" and np.isnan(array).any():
                found = RuntimeError(
                    f"Function '{node.name()}' returned nan values in its {number}th output."
                )
                if node.line is not None:
                    found.add_note(f"The forward call of {node.name()} was at {describe_line(node.line)}.")
                raise found
    return gradients


# -- the public ways in ----------------------------------------------------------------------------


def _as_tuple(value: Any) -> tuple[Any, ...]:
    if value is None:
        return ()
    if isinstance(value, Tensor) or _is_edge(value):
        return (value,)
    return tuple(value)


def _is_edge(value: Any) -> bool:
    return isinstance(value, tuple) and hasattr(value, "output_nr")  # a GradientEdge


def _start(number: int, tensor: Tensor, gradient: Tensor | None, work: Any) -> tuple[Node, int, Any]:
    """The root for one tensor: its node, output number and cotangent."""
    if not tensor.requires_grad:
        raise RuntimeError(f"element {number} of tensors does not require grad and does not have a grad_fn")
    if gradient is None:
        if tensor.numel() != 1:
            raise RuntimeError("grad can be implicitly created only for scalar outputs")
        if not tensor.dtype.is_floating_point:
            raise RuntimeError(
                f"grad can be implicitly created only for real scalar outputs but got {tensor.dtype}"
            )
        value = ones_value(tensor._meta)
        cotangent: Any = value if work is VALUES else Tensor._of(value)
    else:
        if not isinstance(gradient, Tensor):
            raise TypeError(f"gradients can be either Tensors or None, but got {type(gradient).__name__}")
        if gradient._meta.shape != tensor._meta.shape:
            raise RuntimeError(
                f"Mismatch in shape: grad_output[{number}] has a shape of {gradient.shape} and output[{number}] has a shape of "
                f"{tensor.shape}."
            )
        if gradient.is_complex() and not tensor.is_complex():
            raise RuntimeError(
                "For complex Tensors, both grad_output and output are required to have the same dtype. Mismatch in dtype: "
                f"grad_output[{number}] has a dtype of {gradient.dtype} and output[{number}] has a dtype of {tensor.dtype}."
            )
        if gradient.dtype is not tensor.dtype:
            gradient = gradient.to(tensor.dtype)  # type: ignore[attr-defined]
        cotangent = work.unwrap(gradient)
    edge = edge_of(tensor)
    assert edge is not None
    return edge[0], edge[1], cotangent


def _explained(error: RuntimeError, tensor: Tensor) -> RuntimeError:
    """Says what to do about a root that has no graph or is no scalar."""
    text = str(error)
    if "does not require grad" in text:
        error.add_note(
            "Nothing that led to this tensor was recorded: it was computed under no_grad() or from detached tensors, or "
            "none of the inputs has requires_grad=True."
        )
    elif "scalar outputs" in text:
        error.add_note(
            f"The tensor has shape {list(tensor.shape)}: reduce it first, with .mean() or .sum() (or a loss's "
            "reduction='mean'), or pass gradient=."
        )
    return error


def _roots(tensors: Sequence[Tensor], gradients: Sequence[Any], work: Any) -> list[Any]:
    roots = []
    for number, (tensor, gradient) in enumerate(zip(tensors, gradients, strict=False)):
        try:
            roots.append(_start(number, tensor, gradient, work))
        except RuntimeError as error:
            raise _explained(error, tensor) from None
    if len(tensors) != len(gradients):
        raise RuntimeError(f"got {len(tensors)} tensors and {len(gradients)} gradients")
    return roots


def _captures(inputs: Sequence[Any]) -> dict[tuple[Node, int], list[int]]:
    places: dict[tuple[Node, int], list[int]] = {}
    for number, tensor in enumerate(inputs):
        if _is_edge(tensor):
            places.setdefault((tensor[0], tensor[1]), []).append(number)
            continue
        if not isinstance(tensor, Tensor):
            kind = type(tensor).__name__
            raise RuntimeError(f"all inputs have to be Tensors or GradientEdges, but got {kind}")
        if not tensor.requires_grad:
            raise RuntimeError("One of the differentiated Tensors does not require grad")
        places.setdefault(edge_of(tensor), []).append(number)  # type: ignore[arg-type]
    return places


def backward(
    tensors: Any, grad_tensors: Any = None, retain_graph: bool | None = None, create_graph: bool = False,
    grad_variables: Any = None, inputs: Any = None,
) -> None:  # fmt: skip
    """Accumulates the sum of gradients of `tensors` into the leaves (or into `inputs` alone).

    Args:
        grad_tensors: the vector of the vector-Jacobian product, one for each tensor; may be None for scalars.
        retain_graph: keep what was saved, so that the graph can be walked again; defaults to `create_graph`.
        create_graph: record the walk, so that it can be differentiated.
    """
    tensors = _as_tuple(tensors)
    gradients = (
        _as_tuple(grad_tensors) if isinstance(grad_tensors, (tuple, list)) else (grad_tensors,) * len(tensors)
    )
    if inputs is not None and isinstance(inputs, (tuple, list)) and not inputs:
        raise RuntimeError("`inputs` argument to `backward()` cannot be empty.")
    work: Any = TENSORS if create_graph else VALUES
    keep = create_graph if retain_graph is None else retain_graph
    previous = modes.grad
    modes.grad = create_graph
    try:
        roots = _roots(tensors, gradients, work)
        if inputs is None:
            plain = work is VALUES and len(roots) == 1 and not modes.anomaly
            if not (plain and run_plain(roots[0], keep)):
                run_backward(roots, work, keep)
        else:
            wanted = _as_tuple(inputs)
            for tensor in wanted:
                if tensor.requires_grad:
                    tensor.retain_grad()
            captured = run_backward(roots, work, keep, _captures(wanted), accumulate=False)
            for number, tensor in enumerate(wanted):
                if tensor._node is None and captured.get(number) is not None:
                    target = AccumulateGrad(tensor)
                    target.pull([captured[number]], work)
    finally:
        modes.grad = previous
    if not create_graph:
        local.trace.armed = True


def grad(
    outputs: Any, inputs: Any, grad_outputs: Any = None, retain_graph: bool | None = None, create_graph: bool = False,
    only_inputs: bool = True, allow_unused: bool | None = None, is_grads_batched: bool = False,
    materialize_grads: bool = False,
) -> tuple[Any, ...]:  # fmt: skip
    """The sum of gradients of `outputs` with respect to `inputs`, returned instead of accumulated.

    Raises: RuntimeError, if an input is not part of the graph (unless `allow_unused`).

    >>> import flambeau
    >>> x = flambeau.tensor(3.0, requires_grad=True)
    >>> flambeau.autograd.grad(x ** 2, x)
    (tensor(6.),)
    """
    if materialize_grads and allow_unused is False:
        raise ValueError(
            "Expected allow_unused to be True or not passed when materialize_grads=True, but got: allow_unused=False."
        )
    allow_unused = materialize_grads if allow_unused is None else allow_unused
    if is_grads_batched:
        return _batched_grad(outputs, inputs, grad_outputs, create_graph, allow_unused, materialize_grads)
    outputs, inputs = _as_tuple(outputs), _as_tuple(inputs)
    gradients = (
        _as_tuple(grad_outputs) if isinstance(grad_outputs, (tuple, list)) else (grad_outputs,) * len(outputs)
    )
    work: Any = TENSORS if create_graph else VALUES
    keep = create_graph if retain_graph is None else retain_graph
    previous = modes.grad
    modes.grad = create_graph
    try:
        roots = _roots(outputs, gradients, work)
        captured = run_backward(roots, work, keep, _captures(inputs), accumulate=False)
        found: list[Any] = [
            None if captured.get(i) is None else work.wrap(captured[i]) for i in range(len(inputs))
        ]
    finally:
        modes.grad = previous
    for number, tensor in enumerate(inputs):
        if found[number] is None and not allow_unused:
            raise RuntimeError(
                f"The differentiated Tensor at index {number} appears to not have been used in the graph. Set "
                "allow_unused=True if this is the desired behavior."
            )
        if found[number] is None and materialize_grads:
            meta = tensor[0].results[tensor[1]] if isinstance(tensor, tuple) else tensor._meta
            found[number] = Tensor._of(zeros_value(meta))
    return tuple(found)


def _batched_grad(
    outputs: Any, inputs: Any, grad_outputs: Any, create_graph: bool, allow_unused: bool, materialize: bool
) -> tuple[Any, ...]:
    """`grad` for a batch of vectors at once."""
    from flambeau._core.lift import run_batched

    gradients = _as_tuple(grad_outputs)
    given = [gradient for gradient in gradients if gradient is not None]
    size = given[0].shape[0]
    there: list[bool] = []

    def function(*elements: Tensor) -> list[Tensor]:
        waiting = iter(elements)
        vectors = [None if gradient is None else next(waiting) for gradient in gradients]
        found = grad(
            outputs, inputs, vectors, retain_graph=True, create_graph=create_graph, allow_unused=allow_unused,
            materialize_grads=materialize,
        )  # fmt: skip
        there.extend(gradient is not None for gradient in found)
        return [gradient for gradient in found if gradient is not None]

    rows = iter(run_batched(function, given, size, "error"))
    whole = []
    for is_there in there:
        tensor, has_batch = next(rows) if is_there else (None, True)
        whole.append(tensor if has_batch else tensor.expand(size, *tensor.shape))  # type: ignore[union-attr]
    return tuple(whole)
