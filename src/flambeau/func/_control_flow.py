"""Decisions and loops that values decide, inside a program: `cond`, `while_loop`, `scan`, `associative_scan`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from flambeau._core.declare import registry
from flambeau._core.pytree import tree_flatten, tree_unflatten
from flambeau._core.tape import run_call
from flambeau._core.tensor import Tensor
from flambeau._core.value import Value
from flambeau.func._region import (
    Region,
    accumulated,
    edge_meta,
    outside,
    recorded,
    region_call,
    with_history,
)


def _tensors(tree: Any, message: str) -> tuple[list[Tensor], Any]:
    """The leaves of a tree of tensors; `message` is the error for another, in which {} is the tree."""
    leaves, spec = tree_flatten(tree)
    if not all(isinstance(leaf, Tensor) for leaf in leaves):
        raise RuntimeError(message.format(tree))
    return leaves, spec


def cond(
    pred: bool | int | float | Tensor, true_fn: Callable[..., Any], false_fn: Callable[..., Any],
    operands: tuple[Any, ...] | list[Any] = (),
) -> Any:  # fmt: skip
    """`true_fn(*operands)` where `pred` holds, else `false_fn(*operands)`; only one of them is computed.

    Args:
        pred: a bool, or a tensor with one element.
        true_fn, false_fn: are both recorded, and return tensors of the same structure, shapes and dtypes.
        operands: tensors, in containers too.

    >>> import flambeau
    >>> x = flambeau.tensor([-1.0, 2.0])
    >>> flambeau.cond(x.sum() > 0, lambda x: x * 2, lambda x: -x, (x,))
    tensor([-2.,  4.])
    """
    if not isinstance(pred, (bool, int, float, Tensor)):
        raise RuntimeError(f"Expected pred to be bool or tensor, but got {pred}.")
    if isinstance(pred, Tensor) and pred.numel() != 1:
        raise RuntimeError(f"Expected pred to be bool or single-element tensor, but got {pred}.")
    if not (callable(true_fn) and callable(false_fn)):
        raise RuntimeError("Expect both branches to be callable.")
    message = (
        "Expect operands to be a tuple of possibly nested dict/list/tuple that only consists of tensor leaves, but got "
        "{}."
    )
    if not isinstance(operands, (tuple, list)):
        raise RuntimeError(message.format(operands))
    flat, spec = _tensors(operands, message)
    if not isinstance(pred, Tensor):
        return (true_fn if pred else false_fn)(*operands)
    metas, requires = [t._meta for t in flat], [t.requires_grad for t in flat]
    regions = [
        Region(
            f"inside a branch of cond ({name})",
            lambda *given, function=function: function(*tree_unflatten(given, spec)),
            metas,
            requires,
        )
        for name, function in (("true_fn", true_fn), ("false_fn", false_fn))
    ]
    first, second = regions
    if first.spec != second.spec or first.metas != second.metas:
        raise RuntimeError(
            f"cond: both branches must return tensors of the same structure, shapes and dtypes, but true_fn gave "
            f"{first.spec} of {list(first.metas)} and false_fn {second.spec} of {list(second.metas)}."
        )
    values = [pred._read(), *[t._read() for t in flat], *first.outer, *second.outer]
    numbers, kinds = first.numbers + second.numbers, first.kinds + second.kinds
    split = len(first.kinds)
    count = len(flat)
    second_outer = 1 + count + len(first.outer)
    end = second_outer + len(second.outer)

    def choose(arrays: Sequence[Any], numbers: Sequence[Any], cotangents: Sequence[Any] | None) -> Any:
        def branch(region: Region, outer: Sequence[Any], own: Sequence[Any]) -> Any:
            given = [*arrays[1 : 1 + count]]
            if cotangents is None:
                return tuple(region.run(region.forward, given, outer, own))
            gradients = []
            if region.backward is not None:
                wanted = [
                    g for g, place in zip(cotangents, region.cotangents, strict=True) if place is not None
                ]
                gradients = region.run(region.backward, [*given, *wanted], outer, own)
            return tuple(accumulated(region.edges, gradients, edges, edge_metas))

        return lax.cond(
            arrays[0].reshape(()).astype(bool),
            lambda: branch(first, arrays[1 + count : second_outer], numbers[:split]),
            lambda: branch(second, arrays[second_outer:end], numbers[split:]),
        )

    edges = list(dict.fromkeys([*first.edges, *second.edges]))
    edge_metas = [edge_meta(edge, metas) for edge in edges]
    key = first.key, second.key
    call = region_call(
        "cond", key, lambda arrays, numbers: choose(arrays, numbers, None), values, kinds, first.metas
    )
    places = tuple([region.edges.index(e) if e in region.edges else -1 for region in regions for e in edges])

    def pulled(cotangents: Sequence[Value]) -> Sequence[Value]:
        backward = region_call(
            "cond.backward", (key, places), lambda arrays, numbers: choose(arrays[:end], numbers, arrays[end:]),
            [*values, *cotangents], kinds, edge_metas,
        )  # fmt: skip
        return recorded(backward, [*values, *cotangents], numbers)

    results = with_history(recorded(call, values, numbers), "CondOpBackward", outside(edges, flat), pulled)
    return tree_unflatten(results, first.spec)


def while_loop(cond_fn: Callable[..., Any], body_fn: Callable[..., Any], carried_inputs: Any) -> Any:
    """Applies `body_fn` to the carried tensors as long as `cond_fn` holds for them. It has no gradient.

    Args:
        cond_fn: gives a tensor with one element.
        body_fn: gives the next carried tensors, of the same shapes and dtypes.
        carried_inputs: a tuple of tensors, in containers too.

    >>> import flambeau
    >>> start = (flambeau.tensor(0), flambeau.ones(2))
    >>> while_loop(lambda i, x: i < 3, lambda i, x: (i + 1, x * 2), start)
    (tensor(3), tensor([8., 8.]))
    """
    if not (callable(cond_fn) and callable(body_fn)):
        raise RuntimeError("Expect cond_fn and body_fn to be callable.")
    message = "Expect carried_inputs to be a tuple of possibly nested dict/list/tuple of tensors, but got {}."
    if not isinstance(carried_inputs, (tuple, list)):
        raise RuntimeError(message.format(carried_inputs))
    flat, spec = _tensors(carried_inputs, message)
    metas, requires = [t._meta for t in flat], [t.requires_grad for t in flat]
    test = Region(
        "inside cond_fn of while_loop", lambda *given: cond_fn(*tree_unflatten(given, spec)), metas, requires
    )
    body = Region(
        "inside body_fn of while_loop", lambda *given: body_fn(*tree_unflatten(given, spec)), metas, requires
    )
    if len(test.metas) != 1 or test.metas[0].numel != 1:
        raise RuntimeError("while_loop: cond_fn must return a tensor with one element.")
    if list(body.metas) != metas:
        raise RuntimeError(
            f"while_loop: body_fn must return tensors like those carried, {metas}, but gave {list(body.metas)}."
        )
    values = [*[t._read() for t in flat], *test.outer, *body.outer]
    count, split, start = len(flat), len(test.kinds), len(flat) + len(test.outer)

    def run(arrays: Sequence[Any], numbers: Sequence[Any]) -> Any:
        return lax.while_loop(
            lambda carry: test.run(test.forward, carry, arrays[count:start], numbers[:split])[0].reshape(()).astype(bool),
            lambda carry: tuple(body.run(body.forward, carry, arrays[start:], numbers[split:])),
            tuple(arrays[:count]),
        )  # fmt: skip

    call = region_call("while_loop", (test.key, body.key), run, values, test.kinds + body.kinds, body.metas)
    found = recorded(call, values, test.numbers + body.numbers)
    results = with_history(
        found, "WhileLoopOpBackward", outside(body.edges, flat),
        "while_loop has no gradient here: how often it runs is known only when it has run. Use scan, or a Python loop.",
    )  # fmt: skip
    return tree_unflatten(results, spec)


def scan(
    combine_fn: Callable[[Any, Any], tuple[Any, Any]],
    init: Any,
    xs: Any,
    *,
    dim: int = 0,
    reverse: bool = False,
) -> tuple[Any, Any]:
    """Carries `init` along the slices of `xs`: `carry, y = combine_fn(carry, x)`; gives the last carry and all `y`, stacked.

    Args:
        dim: the dimension of `xs` to go along; the results have it first.
        reverse: go from the last slice to the first.

    >>> import flambeau
    >>> scan(lambda total, x: (total + x, total * 1), flambeau.tensor(0.0), flambeau.tensor([1.0, 2.0, 3.0]))
    (tensor(6.), tensor([0., 1., 3.]))
    """
    if not callable(combine_fn):
        raise RuntimeError(f"Combine_fn must be a callable, but got {combine_fn}")
    carried, carry_spec = _tensors(init, "All init leaves must be a Tensor but got {}")
    rows, rows_spec = _tensors(xs, "All xs leaves must be a Tensor but got {}")
    if not rows:
        raise RuntimeError("scan() operator requires at least one tensor in xs.")
    rows = [registry["movedim"](row, dim, 0) if dim else row for row in rows]
    length = rows[0].shape[0]
    if any(row.shape[0] != length for row in rows):
        raise RuntimeError("scan: all tensors in xs must have the same size along the dimension to scan.")
    width = len(carried)
    metas = [*[c._meta for c in carried], *[row._meta.with_shape(row._meta.shape[1:]) for row in rows]]
    # What is carried wants gradients as soon as anything does.
    any_grad = any(t.requires_grad for t in (*carried, *rows))
    requires = [meta.tracked and (any_grad or number < width) for number, meta in enumerate(metas)]

    def step(*given: Tensor) -> Any:
        result = combine_fn(
            tree_unflatten(given[:width], carry_spec), tree_unflatten(given[width:], rows_spec)
        )
        if not (isinstance(result, (tuple, list)) and len(result) == 2):
            raise RuntimeError("scan: combine_fn must return a pair: the next carry, and the output.")
        carry, carry_structure = tree_flatten(result[0])
        if carry_structure != carry_spec or [c._meta for c in carry] != metas[:width]:
            raise RuntimeError(
                f"scan: combine_fn must return a carry like the one it takes, {metas[:width]}, but gave "
                f"{[getattr(c, '_meta', c) for c in carry]}."
            )
        return (carry, result[1])

    region = Region("inside scan", step, metas, requires)
    out_metas = region.metas[width:]
    stacked = [meta.with_shape((length, *meta.shape)) for meta in out_metas]
    values = [*[c._read() for c in carried], *[row._read() for row in rows], *region.outer]
    count = len(metas)
    end = count + len(region.outer)

    def forward(arrays: Sequence[Any], numbers: Sequence[Any]) -> Any:
        def once(carry: Any, x: Any) -> Any:
            found = region.run(region.forward, [*carry, *x], arrays[count:end], numbers)
            return tuple(found[:width]), (tuple(found[width:]), carry)

        return lax.scan(
            once, tuple(arrays[:width]), tuple(arrays[width:count]), length=length, reverse=reverse
        )

    def run(arrays: Sequence[Any], numbers: Sequence[Any]) -> Any:
        carry, (ys, _) = forward(arrays, numbers)
        return (*carry, *ys)

    call = region_call(
        "scan", (region.key, length, reverse), run, values, region.kinds, [*metas[:width], *stacked]
    )
    edges: list[Any] = list(region.edges)
    arguments = [*carried, *rows]
    wanted = [edge for edge in edges if edge[0] is not None or arguments[edge[1]].requires_grad]  # type: ignore[index]
    wanted_metas = [edge_meta(edge, [*metas[:width], *[row._meta for row in rows]]) for edge in wanted]

    def backward(arrays: Sequence[Any], numbers: Sequence[Any]) -> Any:
        cotangents = arrays[end:]
        _, (_, carries) = forward(arrays, numbers)
        outer_edges = [edge for edge in edges if edge[0] is not None]  # type: ignore[index]
        totals = [jnp.zeros(m.shape, m.np) for m in (edge_meta(e, metas) for e in outer_edges)]

        def once(state: Any, now: Any) -> Any:
            of_carry, totals = state
            carry, x, of_y = now
            given = [
                g for g, place in zip((*of_carry, *of_y), region.cotangents, strict=True) if place is not None
            ]
            assert region.backward is not None
            found = region.run(region.backward, [*carry, *x, *given], arrays[count:end], numbers)
            known: dict[Any, Any] = dict(zip(edges, found, strict=True))
            before = [known.get((None, i), jnp.zeros(metas[i].shape, metas[i].np)) for i in range(width)]  # type: ignore[call-overload]
            of_x = [known[None, i] for i in range(width, count) if (None, i) in known]  # type: ignore[index]
            totals = [total + known[edge] for total, edge in zip(totals, outer_edges, strict=True)]
            return (tuple(before), totals), tuple(of_x)

        start = (tuple(cotangents[:width]), totals)
        rows_now = (carries, tuple(arrays[width:count]), tuple(cotangents[width:]))
        (first, totals), of_rows = lax.scan(once, start, rows_now, length=length, reverse=not reverse)
        places = [i for i in range(width, count) if (None, i) in edges]
        known = {(None, i): g for i, g in enumerate(first)} | dict(
            zip([(None, i) for i in places], of_rows, strict=True)
        )
        known |= dict(zip(outer_edges, totals, strict=True))  # type: ignore[arg-type]
        return [known[edge] for edge in wanted]  # type: ignore[index]

    chosen = tuple([edges.index(edge) for edge in wanted])

    def pulled(cotangents: Sequence[Value]) -> Sequence[Value]:
        whole = [*values, *cotangents]
        pull = region_call(
            "scan.backward",
            (region.key, length, reverse, chosen),
            backward,
            whole,
            region.kinds,
            wanted_metas,
        )
        return recorded(pull, whole, region.numbers)

    found = recorded(call, values, region.numbers)
    results = with_history(found, "ScanAutogradOpBackward", outside(wanted, arguments), pulled)
    carry, ys = tree_unflatten(results, region.spec)
    return tree_unflatten(tree_flatten(carry)[0], carry_spec), ys


def associative_scan(
    combine_fn: Callable[[Any, Any], Any], xs: Any, dim: int, reverse: bool = False, combine_mode: str = "pointwise"
) -> Any:  # fmt: skip
    """All results of combining the slices of `xs` one after the other by an associative `combine_fn`, in parallel.

    Args:
        dim: the dimension of `xs` to go along.
        reverse: combine from the last slice to the first.
        combine_mode: "generic"; PyTorch has "pointwise" on GPUs alone, where both are the same here.

    >>> import flambeau
    >>> associative_scan(lambda a, b: a + b, flambeau.tensor([1.0, 2.0, 3.0]), 0, combine_mode="generic")
    tensor([1., 3., 6.])
    """
    if not callable(combine_fn):
        raise ValueError(f"Combine_fn must be a callable, but got {combine_fn}")
    if combine_mode not in ("pointwise", "generic"):
        raise ValueError(f"Combine_mode must either 'pointwise' or 'generic', but got {combine_mode}")
    flat, spec = _tensors(xs, "xs leaves must be tensors, but got {}")
    if combine_mode == "pointwise" and any(t.device.type not in ("cuda", "xpu") for t in flat):
        raise ValueError("For combine_mode='pointwise', all input tensors need to be on CUDA or XPU")
    rows = [registry["movedim"](t, dim, 0) if dim else t for t in flat]
    metas = [row._meta.with_shape(row._meta.shape[1:]) for row in rows]
    width = len(rows)
    region = Region(
        "inside associative_scan",
        lambda *given: combine_fn(tree_unflatten(given[:width], spec), tree_unflatten(given[width:], spec)),
        [*metas, *metas],
        [False] * (2 * width),
    )
    if region.spec != spec or list(region.metas) != metas:
        raise RuntimeError(
            f"associative_scan: combine_fn must return what it takes, {metas}, but gave {list(region.metas)}."
        )
    if region.edges:
        raise RuntimeError(
            "associative_scan: combine_fn reads a tensor of the outside that requires grad. Give it along in xs."
        )

    def run(arrays: Sequence[Any], numbers: Sequence[Any]) -> Any:
        def combine(a: Any, b: Any) -> Any:
            def once(*given: Any) -> tuple[Any, ...]:
                return tuple(region.run(region.forward, given, arrays[width:], numbers))

            return jax.vmap(once)(*a, *b)

        return lax.associative_scan(combine, tuple(arrays[:width]), reverse=reverse)

    values = [*[row._read() for row in rows], *region.outer]
    call = region_call(
        "associative_scan", (region.key, reverse), run, values, region.kinds, [row._meta for row in rows]
    )
    results: list[Any] = run_call(
        call, [*rows, *[Tensor._of(value) for value in region.outer]], region.numbers
    )
    return tree_unflatten([registry["movedim"](r, 0, dim) if dim else r for r in results], spec)
