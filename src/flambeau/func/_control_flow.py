"""Decisions and loops that values decide, inside a program: `cond`, `while_loop`, `scan`, `map`, `associative_scan`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from flambeau._core.declare import registry
from flambeau._core.lift import is_batched
from flambeau._core.pytree import TreeSpec, tree_flatten, tree_unflatten
from flambeau._core.tape import run_call
from flambeau._core.tensor import Tensor
from flambeau._core.trace import local
from flambeau._core.value import Meta
from flambeau.func._region import (
    DrawsNumbers,
    Region,
    check_packed,
    nothing_packed,
    packed,
    packed_metas,
    plain_region_call,
    region_call,
    routed,
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
    if is_batched(pred):
        return _chosen(pred, true_fn, false_fn, operands)
    try:
        return _cond(pred, true_fn, false_fn, flat, spec)
    except DrawsNumbers as error:
        if local.trace.records:
            raise RuntimeError(str(error)) from None
        return (true_fn if pred else false_fn)(*operands)


def _check_branches(first: tuple[Any, Sequence[Meta]], second: tuple[Any, Sequence[Meta]]) -> None:
    if first[0] != second[0] or tuple(first[1]) != tuple(second[1]):
        raise RuntimeError(
            f"cond: both branches must return tensors of the same structure, shapes and dtypes, but true_fn gave "
            f"{first[0]} of {list(first[1])} and false_fn {second[0]} of {list(second[1])}."
        )


def _chosen(pred: Tensor, true_fn: Callable[..., Any], false_fn: Callable[..., Any], operands: Any) -> Any:
    """`cond` for elements of a batch that decide each for itself: both branches are computed."""
    (yes, spec), (no, no_spec) = (tree_flatten(function(*operands)) for function in (true_fn, false_fn))
    _check_branches((spec, [t._meta for t in yes]), (no_spec, [t._meta for t in no]))
    decided = registry["ne"](pred, 0).reshape(())
    return tree_unflatten([registry["where"](decided, a, b) for a, b in zip(yes, no, strict=True)], spec)


def _cond(
    pred: Tensor, true_fn: Callable[..., Any], false_fn: Callable[..., Any], flat: Sequence[Tensor], spec: TreeSpec
) -> Any:  # fmt: skip
    metas, requires = [t._meta for t in flat], [t.requires_grad for t in flat]
    first, second = [
        Region(
            f"inside a branch of cond ({name})",
            lambda *given, function=function: function(*tree_unflatten(given, spec)),
            metas,
            requires,
        )
        for name, function in (("true_fn", true_fn), ("false_fn", false_fn))
    ]
    _check_branches((first.spec, first.metas), (second.spec, second.metas))
    routes = first.routes | second.routes
    values = [pred._read(), *[t._read() for t in flat], *first.outer, *second.outer]
    numbers, kinds = first.numbers + second.numbers, first.kinds + second.kinds
    split, count, end = len(first.kinds), len(flat), len(values)
    second_outer = 1 + count + len(first.outer)
    places = {(None, i): 1 + i for i in range(count)} | {edge: end + i for i, edge in enumerate(routes)}
    width = end + len(routes)
    targets = [tuple([places[edge] for edge in region.edges]) for region in (first, second)]  # type: ignore[index]

    def choose(arrays: Sequence[Any], numbers: Sequence[Any], once: Callable[..., Any]) -> Any:
        given = arrays[1 : 1 + count]
        return lax.cond(
            arrays[0].reshape(()).astype(bool),
            lambda: once(0, first, given, arrays[1 + count : second_outer], numbers[:split]),
            lambda: once(1, second, given, arrays[second_outer:end], numbers[split:]),
        )

    def run(arrays: Sequence[Any], numbers: Sequence[Any]) -> Any:
        def once(which: int, region: Region, given: Any, outer: Any, own: Any) -> Any:
            found = region.run(region.forward, given, outer, own)
            checks = [packed(found[len(first.metas) :]), nothing_packed((second, first)[which].check_metas)]
            return (*found[: len(first.metas)], *checks[which], *checks[1 - which])

        return choose(arrays, numbers, once)

    def pull(arrays: Sequence[Any], numbers: Sequence[Any], cotangents: Sequence[Any]) -> Any:
        reached = sorted({*targets[0], *targets[1]})
        all_metas = [value.meta for value in (*values, *routes.values())]

        def once(which: int, region: Region, given: Any, outer: Any, own: Any) -> Any:
            found = dict(zip(targets[which], region.pulled(given, outer, own, cotangents), strict=True))
            return [found.get(i, jnp.zeros(all_metas[i].shape, all_metas[i].np)) for i in reached]

        known = dict(zip(reached, choose(arrays, numbers, once), strict=True))
        return [known.get(i) for i in range(width)]

    check_metas = packed_metas([*first.check_metas, *second.check_metas])
    call = region_call(
        "cond", "CondOpBackward", (first.key, second.key, *targets), run, pull, [*values, *routes.values()], kinds,
        [*first.metas, *check_metas],
    )  # fmt: skip
    reached = {*targets[0], *targets[1]}
    tensors = [pred, *[t if 1 + i in reached else Tensor._of(t._read()) for i, t in enumerate(flat)]]
    tensors += [Tensor._of(value) for value in (*first.outer, *second.outer)]
    results = run_call(call, [*tensors, *[routed(edge, value) for edge, value in routes.items()]], numbers)
    check_packed([*first.checks, *second.checks], results[len(first.metas) :])
    return tree_unflatten(results[: len(first.metas)], first.spec)


def _step_region(
    where: str, step: Callable[..., Any], given: Sequence[Tensor], metas: Sequence[Meta], width: int
) -> Region:
    """What a loop does again and again; the first `width` tensors are carried from one step to the next.

    Those want gradients as soon as anything does.
    """

    def recorded(any_grad: bool) -> Region:
        requires = [
            meta.tracked and (any_grad if number < width else tensor.requires_grad)
            for number, (meta, tensor) in enumerate(zip(metas, given, strict=True))
        ]
        return Region(where, step, metas, requires)

    any_grad = any(tensor.requires_grad for tensor in given)
    region = recorded(any_grad)
    return recorded(True) if region.edges and not any_grad else region


def while_loop(cond_fn: Callable[..., Any], body_fn: Callable[..., Any], carried_inputs: Any) -> Any:
    """Applies `body_fn` to the carried tensors as long as `cond_fn` holds for them. It has first derivatives alone.

    The gradient goes back through the steps; what was carried then is kept for some of them and computed anew for the others.

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
    metas = [t._meta for t in flat]
    try:
        test = Region(
            "inside cond_fn of while_loop", lambda *given: cond_fn(*tree_unflatten(given, spec)), metas, [False] * len(metas)
        )  # fmt: skip
        body = _step_region(
            "inside body_fn of while_loop",
            lambda *given: body_fn(*tree_unflatten(given, spec)),
            flat,
            metas,
            len(flat),
        )
    except DrawsNumbers as error:
        if local.trace.records:
            raise RuntimeError(str(error)) from None
        return _while_loop_in_python(cond_fn, body_fn, tuple(carried_inputs))
    if len(test.metas) != 1 or test.metas[0].numel != 1:
        raise RuntimeError("while_loop: cond_fn must return a tensor with one element.")
    if list(body.metas) != metas:
        raise RuntimeError(
            f"while_loop: body_fn must return tensors like those carried, {metas}, but gave {list(body.metas)}."
        )
    values = [*[t._read() for t in flat], *test.outer, *body.outer]
    routes = body.routes
    count, split, start, end = len(flat), len(test.kinds), len(flat) + len(test.outer), len(values)
    check_metas = [*test.check_metas, *body.check_metas]

    def run(arrays: Sequence[Any], numbers: Sequence[Any]) -> Any:
        def tested(carry: Any) -> list[Any]:
            return test.run(test.forward, carry, arrays[count:start], numbers[:split])

        def once(state: Any) -> Any:
            carry, seen = state
            found = body.run(body.forward, carry, arrays[start:end], numbers[split:])
            return tuple(found[:count]), _seen_also(seen, [*tested(carry)[1:], *found[count:]])

        first = tuple(arrays[:count])
        # Each value to be checked as the least and the greatest that it was: of index and truth that tells all.
        seen = [tuple(nothing_packed([meta, meta])) for meta in check_metas]
        carry, seen = lax.while_loop(
            lambda state: tested(state[0])[0].reshape(()).astype(bool), once, (first, seen)
        )
        return (*carry, *[each for pair in seen for each in pair])

    def pull(arrays: Sequence[Any], numbers: Sequence[Any], cotangents: Sequence[Any]) -> Any:
        def holds(state: Any) -> Any:
            found = test.run(test.forward, state[1], arrays[count:start], numbers[:split])
            return found[0].reshape(()).astype(bool)

        def step(carry: Any) -> Any:
            return tuple(body.run(body.forward, carry, arrays[start:end], numbers[split:])[:count])

        def pulled(carry: Any, of_carry: Any) -> dict[Any, Any]:
            found = body.pulled(carry, arrays[start:end], numbers[split:], of_carry)
            return dict(zip(body.edges, found, strict=True))

        first = tuple(arrays[:count])
        steps, _ = lax.while_loop(holds, lambda state: (state[0] + 1, step(state[1])), (jnp.int32(0), first))
        outer_edges = list(routes)
        totals = [jnp.zeros(routes[edge].meta.shape, routes[edge].meta.np) for edge in outer_edges]
        of_first, totals = _back_through(steps, step, pulled, first, cotangents[:count], outer_edges, totals)
        return [*of_first, *[None] * (end - count), *totals]

    doubled = [meta for meta in check_metas for _ in range(2)]
    call = region_call(
        "while_loop", "WhileLoopOpBackward", (test.key, body.key), run, pull, [*values, *routes.values()],
        test.kinds + body.kinds, [*body.metas, *packed_metas(doubled)],
        "while_loop has first derivatives alone: how often it runs is known only when it has run. Use scan, or a Python loop.",
    )  # fmt: skip
    edges: list[Any] = body.edges
    tensors = [t if (None, i) in edges else Tensor._of(t._read()) for i, t in enumerate(flat)]
    tensors += [Tensor._of(value) for value in (*test.outer, *body.outer)]
    results = run_call(
        call,
        [*tensors, *[routed(edge, value) for edge, value in routes.items()]],
        test.numbers + body.numbers,
    )
    checks = [check for check in (*test.checks, *body.checks) for _ in range(2)]
    check_packed(checks, results[count:])
    return tree_unflatten(results[:count], spec)


def _while_loop_in_python(cond_fn: Callable[..., Any], body_fn: Callable[..., Any], carried: Any) -> Any:
    """`while_loop` as its steps one after the other: each draws random numbers of its own."""
    while cond_fn(*carried):
        carried = tuple(body_fn(*carried))
    return carried


# So many states of a loop are kept on the way back; further ones are computed anew from the last before them.
KEPT = 64


def _back_through(
    steps: Any, step: Callable[..., Any], pulled: Callable[..., dict[Any, Any]], first: Any, of_last: Any,
    outer_edges: Sequence[Any], totals: list[Any],
) -> tuple[Any, list[Any]]:  # fmt: skip
    """The gradients of what a loop starts with, and of what it takes from outside, given those of what it ends with."""
    stride = jnp.maximum(-(-steps // KEPT), 1)

    def keep(t: Any, state: Any) -> Any:
        carry, kept = state
        kept = [
            k.at[t // stride].set(jnp.where(t % stride == 0, c, k[t // stride]))
            for k, c in zip(kept, carry, strict=True)
        ]
        return step(carry), kept

    kept = [jnp.zeros((KEPT, *c.shape), c.dtype) for c in first]
    _, kept = lax.fori_loop(0, steps, keep, (first, kept))

    def back(i: Any, state: Any) -> Any:
        of_carry, totals = state
        t = steps - 1 - i
        carry = tuple([k[t // stride] for k in kept])
        carry = lax.fori_loop(0, t % stride, lambda _, carry: step(carry), carry)
        known = pulled(carry, of_carry)
        before = [known.get((None, n), jnp.zeros(c.shape, c.dtype)) for n, c in enumerate(first)]
        return tuple(before), [
            total + known.get(edge, 0) for total, edge in zip(totals, outer_edges, strict=True)
        ]

    return lax.fori_loop(0, steps, back, (tuple(of_last), totals))  # type: ignore[no-any-return]


def _seen_also(seen: Any, arrays: Sequence[Any]) -> Any:
    """The least and greatest values so far, with these among them."""
    found = []
    for (least, most), now in zip(seen, packed(arrays), strict=True):
        any_yet = least[0].astype(bool)
        found.append(
            (
                jnp.where(any_yet, jnp.minimum(least, now), now),
                jnp.where(any_yet, jnp.maximum(most, now), now),
            )
        )
    return found


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

    try:
        region = _step_region("inside scan", step, [*carried, *rows], metas, width)
    except DrawsNumbers:
        return _scan_in_python(combine_fn, init, rows, rows_spec, length, reverse)
    out_metas = region.metas[width:]
    stacked = [
        meta.with_shape((length, *meta.shape)) for meta in (*out_metas, *packed_metas(region.check_metas))
    ]
    values = [*[c._read() for c in carried], *[row._read() for row in rows], *region.outer]
    routes, count, end = region.routes, len(metas), len(values)
    edges: list[Any] = list(region.edges)

    def forward(arrays: Sequence[Any], numbers: Sequence[Any]) -> Any:
        def once(carry: Any, x: Any) -> Any:
            found = region.run(region.forward, [*carry, *x], arrays[count:end], numbers)
            after = len(region.metas)
            return tuple(found[:width]), ((*found[width:after], *packed(found[after:])), carry)

        return lax.scan(
            once, tuple(arrays[:width]), tuple(arrays[width:count]), length=length, reverse=reverse
        )

    def run(arrays: Sequence[Any], numbers: Sequence[Any]) -> Any:
        carry, (ys, _) = forward(arrays, numbers)
        return (*carry, *ys)

    def pull(arrays: Sequence[Any], numbers: Sequence[Any], cotangents: Sequence[Any]) -> Any:
        _, (_, carries) = forward(arrays, numbers)
        outer_edges = [edge for edge in edges if edge[0] is not None]
        totals = [jnp.zeros(routes[e].meta.shape, routes[e].meta.np) for e in outer_edges]

        def once(state: Any, now: Any) -> Any:
            of_carry, totals = state
            carry, x, of_y = now
            found = region.pulled([*carry, *x], arrays[count:end], numbers, [*of_carry, *of_y])
            known: dict[Any, Any] = dict(zip(edges, found, strict=True))
            before = [known.get((None, i), jnp.zeros(metas[i].shape, metas[i].np)) for i in range(width)]
            of_x = [known[None, i] for i in range(width, count) if (None, i) in known]
            totals = [total + known[edge] for total, edge in zip(totals, outer_edges, strict=True)]
            return (tuple(before), totals), tuple(of_x)

        start = (tuple(cotangents[:width]), totals)
        rows_now = (
            carries,
            tuple(arrays[width:count]),
            tuple(cotangents[width : width + len(out_metas)]),
        )
        (first, totals), of_rows = lax.scan(once, start, rows_now, length=length, reverse=not reverse)
        known: dict[int, Any] = dict(enumerate(first))
        known |= dict(zip([i for i in range(width, count) if (None, i) in edges], of_rows, strict=True))
        known |= {end + i: total for i, total in enumerate(totals)}
        return [known.get(i) for i in range(end + len(routes))]

    call = region_call(
        "scan", "ScanAutogradOpBackward", (region.key, length, reverse), run, pull, [*values, *routes.values()],
        region.kinds, [*metas[:width], *stacked],
    )  # fmt: skip
    arguments = [*carried, *rows]
    tensors = [t if (None, i) in edges else Tensor._of(t._read()) for i, t in enumerate(arguments)]
    tensors += [Tensor._of(value) for value in region.outer]
    results = run_call(
        call, [*tensors, *[routed(edge, value) for edge, value in routes.items()]], region.numbers
    )
    check_packed(region.checks, results[width + len(out_metas) :])
    carry, ys = tree_unflatten(results[: width + len(out_metas)], region.spec)
    return tree_unflatten(tree_flatten(carry)[0], carry_spec), ys


def _scan_in_python(
    combine_fn: Callable[..., Any],
    carry: Any,
    rows: Sequence[Any],
    spec: TreeSpec,
    length: int,
    reverse: bool,
) -> tuple[Any, Any]:
    """`scan` as its steps one after the other: each draws random numbers of its own."""
    outputs: list[Any] = []
    structure: Any = None
    for i in reversed(range(length)) if reverse else range(length):
        carry, y = combine_fn(carry, tree_unflatten([row[i] for row in rows], spec))
        leaves, structure = tree_flatten(y)
        outputs.append(leaves)
    columns = zip(*(outputs[::-1] if reverse else outputs), strict=True)
    return carry, tree_unflatten([registry["stack"](column, 0) for column in columns], structure)


def map(f: Callable[..., Any], xs: Any, *args: Any) -> Any:
    """`f(x, *args)` for each slice `x` of `xs` along its first dimension, stacked.

    >>> import flambeau
    >>> map(lambda row, factor: row.sum() * factor, flambeau.ones(3, 2), flambeau.tensor(5.0))
    tensor([10., 10., 10.])
    """
    if not callable(f):
        raise RuntimeError(f"f must be a callable, but got {f}")
    return scan(lambda _, x: ((), f(x, *args)), (), xs)[1]


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
    if region.routes:
        raise RuntimeError(
            "associative_scan: combine_fn reads a tensor of the outside that requires grad. Give it along in xs."
        )

    def run(arrays: Sequence[Any], numbers: Sequence[Any]) -> Any:
        def combine(a: Any, b: Any) -> Any:
            def once(*given: Any) -> tuple[Any, ...]:
                return tuple(region.run(region.forward, given, arrays[width:], numbers)[:width])

            return jax.vmap(once)(*a, *b)

        return lax.associative_scan(combine, tuple(arrays[:width]), reverse=reverse)

    values = [*[row._read() for row in rows], *region.outer]
    call = plain_region_call(
        "associative_scan", (region.key, reverse), run, values, region.kinds, [row._meta for row in rows]
    )
    results: list[Any] = run_call(
        call, [*rows, *[Tensor._of(value) for value in region.outer]], region.numbers
    )
    return tree_unflatten([registry["movedim"](r, 0, dim) if dim else r for r in results], spec)
