"""Finding: what is not zero, what is distinct, where values belong in sorted sequences, how many fall where.

Where the size of the result depends on the values, the host looks at them and the result is concrete at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from flambeau._core import dtype as dtypes
from flambeau._core.by_elements import by_elements
from flambeau._core.declare import EXACT, PROMOTE, RAW, Array, Dims, canonical_dim, canonical_dims
from flambeau._core.dispatch import apply, constant, function, op
from flambeau._core.tensor import Tensor
from flambeau._core.value import Meta, meta_of
from flambeau._ops.construct import finish
from flambeau._ops.shape import check_tensor


def _result(array: np.ndarray[Any, Any], dtype: dtypes.dtype, like: Tensor) -> Tensor:
    """A tensor of host values beside `like`."""
    array = np.asarray(array, dtype.np)
    return finish(array, meta_of(array.shape, dtype, like._meta.device))


# -- nonzero ---------------------------------------------------------------------------------------


@function("nonzero", "Tensor.nonzero", out=True)
def nonzero(input: Tensor, *, as_tuple: bool = False) -> Any:
    """The positions of the elements that are not zero: a row for each, or a vector for each dimension.

    >>> import flambeau
    >>> flambeau.nonzero(flambeau.tensor([0, 3, 4]))
    tensor([[1],
            [2]])
    """
    array = input._host_array()
    if as_tuple:
        return tuple(_result(found, dtypes.int64, input) for found in np.nonzero(np.atleast_1d(array)))
    return _result(_positions(array), dtypes.int64, input)


def _positions(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    if array.ndim == 0:
        return np.zeros((int(bool(array)), 0), np.int64)
    return np.stack(np.nonzero(array), axis=1)


@function("argwhere", "Tensor.argwhere", checked=True)
@by_elements()
def argwhere(input: Tensor) -> Tensor:
    """The positions of the elements that are not zero, a row for each."""
    return _result(_positions(input._host_array()), dtypes.int64, input)


@function("nonzero_static", "Tensor.nonzero_static", out=True)
@by_elements()
def nonzero_static(input: Tensor, *, size: int, fill_value: int = -1) -> Tensor:
    """`nonzero` with exactly `size` rows: cut off, or filled up with `fill_value`."""
    found = _positions(input._host_array())[:size]
    rest = np.full((size - len(found), input._meta.ndim), fill_value, np.int64)
    return _result(np.concatenate([found, rest]), dtypes.int64, input)


def _counted(input: Meta, dim: tuple[int, ...] | None) -> tuple[int, ...]:
    dims = canonical_dims(dim, input.ndim)
    return tuple([size for axis, size in enumerate(input.shape) if axis not in dims])


@op(
    "count_nonzero", "Tensor.count_nonzero", promote=RAW, differentiable=False, result=dtypes.int64,
    shape=_counted,
)  # fmt: skip
def count_nonzero(xp: Any, input: Array, dim: Dims | None = None) -> Array:
    """How many elements are not zero, along `dim` or in all."""
    return xp.sum(input != 0, axis=canonical_dims(dim, input.ndim), dtype=np.int64)


@function("unravel_index")
def unravel_index(indices: Tensor, shape: Sequence[int] | int) -> tuple[Tensor, ...]:
    """Flat positions as one index tensor for each dimension of `shape`."""
    if indices._meta.np.kind not in "iu":
        raise TypeError(f"expected 'indices' to be integer dtype, but got {indices.dtype}")
    sizes = (shape,) if isinstance(shape, int) else tuple(shape)
    wrong = next((size for size in sizes if not hasattr(size, "__index__")), None)
    if wrong is not None:
        raise TypeError(f"expected 'shape' sequence to only contain ints, but got {type(wrong)}")
    if any(size < 0 for size in sizes):
        raise ValueError(f"'shape' cannot have negative values, but got {sizes}")
    rest: Any = indices.to(dtypes.int64)  # type: ignore[attr-defined]
    found = []
    for size in reversed(sizes):
        found.append(rest % size)
        rest = rest // size
    return tuple(reversed(found))


# -- unique ----------------------------------------------------------------------------------------


def _unique_array(tensor: Tensor, kernel: str) -> np.ndarray[Any, Any]:
    if tensor._meta.dtype.is_complex:
        raise NotImplementedError(f"\"{kernel}\" not implemented for '{tensor._meta.dtype.scalar_type}'")
    return tensor._host_array()


def _group(lines: np.ndarray[Any, Any], order: np.ndarray[Any, Any]) -> tuple[Any, Any, Any]:
    """(first of each run of equal lines, the run each line is in, length of each run), in this order."""
    ordered = lines[order]
    changes = ordered[1:] != ordered[:-1]
    if changes.ndim > 1:
        changes = changes.any(axis=tuple(range(1, changes.ndim)))
    starts = np.concatenate([np.ones(min(len(order), 1), bool), changes])
    first = np.flatnonzero(starts)
    inverse = np.empty(len(order), np.int64)
    inverse[order] = np.cumsum(starts) - 1
    return order[first], inverse, np.diff(np.append(first, len(order)))


def _sorted_lines(lines: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """The order of lines sorted as sequences."""
    if lines.ndim == 1:
        return np.argsort(lines, kind="stable")
    return np.lexsort(lines.reshape(len(lines), -1).T[::-1]) if lines[0].size else np.arange(len(lines))


def _check_unique_dim(shape: tuple[int, ...], dim: int) -> None:
    zeros = [axis for axis, size in enumerate(shape) if size == 0]
    if shape[dim] == 0 and len(zeros) > 1:
        raise RuntimeError("Number of zero sized dimensions is more than one, so unique cannot be applied ")
    if shape[dim] != 0 and zeros:
        raise RuntimeError(
            "There are 0 sized dimensions, and they aren't selected, so unique cannot be applied"
        )


def _unique(tensor: Tensor, dim: int | None, kernel: str, is_sorted: bool) -> tuple[Tensor, Tensor, Tensor]:
    array = _unique_array(tensor, kernel)
    shape = array.shape
    if dim is not None:
        dim = canonical_dim(dim, len(shape))
        if shape:
            _check_unique_dim(shape, dim)
    lines = array.reshape(-1) if dim is None or not shape else np.moveaxis(array, dim, 0)
    order = np.arange(len(lines)) if not is_sorted or not len(lines) else _sorted_lines(lines)
    first, inverse, counts = _group(lines, order)
    values = lines[first]
    if dim is None or not shape:
        inverse = inverse.reshape(shape)
    else:
        values = np.moveaxis(values, 0, dim)
    return (
        _result(values, tensor._meta.dtype, tensor),
        _result(inverse, dtypes.int64, tensor),
        _result(counts, dtypes.int64, tensor),
    )


def _chosen(found: tuple[Tensor, Tensor, Tensor], return_inverse: bool, return_counts: bool) -> Any:
    output, inverse, counts = found
    parts = (output, *((inverse,) if return_inverse else ()), *((counts,) if return_counts else ()))
    return parts if len(parts) > 1 else output


@function("unique", "Tensor.unique")
def unique(
    input: Tensor,
    sorted: bool = True,
    return_inverse: bool = False,
    return_counts: bool = False,
    dim: int | None = None,
) -> Any:
    """The distinct elements, in order; with `dim` the distinct slices along it. Each NaN is distinct.

    Args:
        sorted: accepted; the result is in order either way.
        return_inverse: also where in the result each element is found.
        return_counts: also how often each comes.

    >>> import flambeau
    >>> flambeau.unique(flambeau.tensor([3, 1, 3]), return_counts=True)
    (tensor([1, 3]), tensor([1, 2]))
    """
    kernel = "unique" if dim is None else "unique_dim"
    return _chosen(_unique(input, dim, kernel, True), return_inverse, return_counts)


@function("unique_consecutive", "Tensor.unique_consecutive")
def unique_consecutive(
    input: Tensor, return_inverse: bool = False, return_counts: bool = False, dim: int | None = None
) -> Any:
    """The elements (or slices along `dim`) without repeats right behind one another."""
    return _chosen(_unique(input, dim, "unique_consecutive", False), return_inverse, return_counts)


# -- isin ------------------------------------------------------------------------------------------

_ISIN_FORMS = (
    "isin() received an invalid combination of arguments - got ({got}), but expected one of:\n"
    " * (Tensor elements, Tensor test_elements, *, bool assume_unique = False, bool invert = False, Tensor "
    "out = None)\n"
    " * (Number element, Tensor test_elements, *, bool assume_unique = False, bool invert = False, Tensor "
    "out = None)\n"
    " * (Tensor elements, Number test_element, *, bool assume_unique = False, bool invert = False, Tensor "
    "out = None)\n"
)


@op(
    promote=PROMOTE, differentiable=False, result=dtypes.bool_,
    shape=lambda elements, test, invert: elements.shape,
    cost=lambda inputs, results: inputs[0].numel * 4 + inputs[1].numel * 4,
)  # fmt: skip
def contained(xp: Any, elements: Array, test: Array, invert: bool) -> Array:
    """Whether each element is among the others."""
    return xp.isin(elements, test.reshape(-1), invert=invert)


@function("isin", out=EXACT)
def isin(elements: Any, test_elements: Any, *, assume_unique: bool = False, invert: bool = False) -> Tensor:
    """Whether each of `elements` is among `test_elements`; `invert` asks whether it is not.

    >>> import flambeau
    >>> flambeau.isin(flambeau.tensor([1, 2, 3]), flambeau.tensor([1, 3]))
    tensor([ True, False,  True])
    """
    pair = [elements, test_elements]
    numbers = [each for each in pair if isinstance(each, (bool, int, float, complex))]
    tensors = [each for each in pair if isinstance(each, Tensor)]
    if len(numbers) + len(tensors) < 2 or not tensors:
        raise TypeError(_ISIN_FORMS.format(got=", ".join(type(each).__name__ for each in pair)))
    found = []
    for each in pair:
        tensor = (
            each if isinstance(each, Tensor) else constant(each, dtypes.scalar_dtype(each), tensors[0]._meta)
        )
        if tensor._meta.dtype is dtypes.bool_ or tensor._meta.dtype.is_complex:
            raise RuntimeError(
                f"Unsupported input type encountered for isin(): {tensor._meta.dtype.scalar_type}"
            )
        found.append(tensor)
    return apply(contained, (*found, invert))


# -- sorted sequences ------------------------------------------------------------------------------


def _kernel(name: str) -> Any:
    def rule(_: str, boundaries: Meta, values: Meta, *rest: Any) -> None:
        for meta in (boundaries, values):
            if meta.dtype is dtypes.bool_ or meta.dtype.is_complex:
                raise NotImplementedError(f"\"{name}\" not implemented for '{meta.dtype.scalar_type}'")

    return rule


@op(
    promote=PROMOTE, differentiable=False, dtypes=_kernel("searchsorted_out_cpu"),
    result=lambda boundaries, values, right, out_int32: dtypes.int32 if out_int32 else dtypes.int64,
    shape=lambda boundaries, values, right, out_int32: values.shape,
    cost=lambda inputs, results: inputs[1].numel * 8 + inputs[0].numel,
)  # fmt: skip
def places(xp: Any, boundaries: Array, values: Array, right: bool, out_int32: bool) -> Array:
    """Where each value would go among sorted boundaries: a vector, or a line for each line of values."""
    side = "right" if right else "left"
    if boundaries.ndim == 1:
        return _place(xp, boundaries, values, side)
    if not values.size or not boundaries.size:
        return xp.zeros(values.shape, np.int64)
    lines = boundaries.reshape(-1, boundaries.shape[-1])
    wanted = values.reshape(-1, values.shape[-1])
    if xp is np:
        found = [_place(np, line, each, side) for line, each in zip(lines, wanted, strict=True)]
        return np.stack(found).reshape(values.shape) if found else np.zeros(values.shape, np.int64)
    import jax

    return jax.vmap(lambda line, each: _place(xp, line, each, side))(lines, wanted).reshape(values.shape)


def _place(xp: Any, line: Array, values: Array, side: str) -> Array:
    found = xp.searchsorted(line, values, side=side)
    # PyTorch puts NaN behind everything.
    return (
        found if np.issubdtype(line.dtype, np.integer) else xp.where(xp.isnan(values), line.shape[0], found)
    )


@function("searchsorted", out=True)
def searchsorted(
    sorted_sequence: Tensor,
    input: Any,
    *,
    out_int32: bool = False,
    right: bool = False,
    side: str | None = None,
    sorter: Tensor | None = None,
) -> Tensor:
    """Where to insert `input` into a sorted sequence so that it stays in order.

    Args:
        sorted_sequence: a vector, or a line for each line of `input`.
        right: behind equal elements rather than before them; `side="right"` says the same.
        sorter: indices that sort the sequence, if it is not in order.

    >>> import flambeau
    >>> flambeau.searchsorted(flambeau.tensor([1, 3, 5]), flambeau.tensor([3, 6]))
    tensor([1, 3])
    """
    values = _as_values(input, sorted_sequence)
    own, wanted = sorted_sequence._meta, values._meta
    _check_search(own, wanted, isinstance(input, Tensor), right, side, sorter)
    if sorter is not None:
        order = sorter._host_array()
        if order.size and (int(order.min()) < 0 or int(order.max()) >= own.shape[-1]):
            raise RuntimeError("torch.searchsorted(): sorter index out of range")
        sorted_sequence = sorted_sequence.gather(-1, sorter)  # type: ignore[attr-defined]
    return apply(places, (sorted_sequence, values, right or side == "right", out_int32))


def _as_values(input: Any, like: Tensor) -> Tensor:
    if isinstance(input, Tensor):
        return input
    return constant(input, dtypes.scalar_dtype(input), like._meta)


def _check_search(
    own: Meta, wanted: Meta, is_tensor: bool, right: bool, side: str | None, sorter: Tensor | None
) -> None:
    name = "torch.searchsorted(): "
    if side is not None and side not in ("left", "right"):
        raise RuntimeError(f"{name}side can only be 'left' or 'right' but got {side}")
    if side == "left" and right:
        raise RuntimeError(
            f"{name}side and right can't be set to opposites, got side of left while right was True"
        )
    if sorter is not None:
        if sorter._meta.shape != own.shape:
            raise RuntimeError(
                f"{name}boundary and sorter must have the same size, but got boundary tensor "
                f"{list(own.shape)}and got sorter tensor {list(sorter._meta.shape)}"
            )
        if sorter._meta.dtype is not dtypes.int64:
            raise RuntimeError(
                f"{name}sorter must be a tensor of long dtype but got dtype {sorter._meta.dtype.scalar_type}"
            )
    if not wanted.shape and own.ndim != 1:
        raise RuntimeError(
            f"{name}input value can be a scalar only when boundaries tensor dimension is 1, but we got "
            f"boundaries tensor dim({own.ndim}) and input value's dim(0) numel(1)"
        )
    if own.ndim == 0:
        raise RuntimeError(f"{name}boundaries tensor should have positive dimension, but got 0 dimension")
    if own.ndim != 1 and (own.ndim != wanted.ndim or own.shape[:-1] != wanted.shape[:-1]):
        raise RuntimeError(
            f"{name}boundaries tensor should be 1 dimension or the first N-1 dimensions of boundaries tensor "
            f"and input value tensor must match, but we got boundaries tensor {list(own.shape)} and input "
            f"value tensor {list(wanted.shape)}"
        )


@function("bucketize", out=True)
def bucketize(input: Any, boundaries: Tensor, *, out_int32: bool = False, right: bool = False) -> Tensor:
    """The number of the bucket, between sorted boundaries, that each value falls into.

    >>> import flambeau
    >>> flambeau.bucketize(flambeau.tensor([0, 3, 6]), flambeau.tensor([1, 3, 5]))
    tensor([0, 1, 3])
    """
    if boundaries._meta.ndim != 1:
        raise RuntimeError(f"boundaries tensor must be 1 dimension, but got dim({boundaries._meta.ndim})")
    return apply(places, (boundaries, _as_values(input, boundaries), right, out_int32))


# -- counting --------------------------------------------------------------------------------------


@function("bincount", "Tensor.bincount", checked=True)
def bincount(input: Tensor, weights: Tensor | None = None, minlength: int = 0) -> Tensor:
    """How often each of the numbers 0, 1, 2 ... comes, or the sum of the weights where it does.

    >>> import flambeau
    >>> flambeau.bincount(flambeau.tensor([0, 2, 2]))
    tensor([1, 0, 2])
    """
    meta = check_tensor(input, "bincount")._meta
    if minlength < 0:
        raise RuntimeError("minlength should be >= 0")
    if meta.ndim == 1 and not meta.numel:
        return _result(np.zeros(minlength), dtypes.int64, input)
    if meta.dtype is dtypes.bool_ or meta.np.kind not in "iu":
        raise NotImplementedError(f"\"bincount_cpu\" not implemented for '{meta.dtype.scalar_type}'")
    array = input._host_array()
    if meta.ndim != 1 or array.min() < 0:
        raise RuntimeError("bincount only supports 1-d non-negative integral inputs.")
    if weights is None:
        return _result(np.bincount(array.astype(np.int64), minlength=minlength), dtypes.int64, input)
    if weights._meta.shape != meta.shape:
        raise RuntimeError("weights should be 1-d and have the same length as input")
    dtype = dtypes.float32 if weights._meta.dtype is dtypes.float32 else dtypes.float64
    factors = weights._host_array().astype(dtype.np)
    found = np.zeros(max(minlength, int(array.max()) + 1), dtype.np)
    np.add.at(found, array.astype(np.int64), factors)
    return _result(found, dtype, input)


# -- histograms ------------------------------------------------------------------------------------


def _limits(array: np.ndarray[Any, Any], low: float, high: float, name: str) -> tuple[float, float]:
    """The range that the bins cover: as given, or from the least to the greatest value."""
    if low == high and array.size:
        low, high = float(array.min()), float(array.max())
    if not (np.isfinite(low) and np.isfinite(high)):
        raise RuntimeError(f"{name}: range of [{low:g}, {high:g}] is not finite")
    return (low - 1, high + 1) if low == high else (low, high)


@function("histc", "Tensor.histc", out=True)
@by_elements()
def histc(input: Tensor, bins: int = 100, min: Any = 0, max: Any = 0) -> Tensor:
    """How many elements fall into each of `bins` equal parts of the range from `min` to `max`.

    Both 0 takes the least and the greatest element; what lies outside counts for nothing.
    """
    meta = input._meta
    if not meta.dtype.is_floating_point:
        raise NotImplementedError(f"\"histogram_cpu\" not implemented for '{meta.dtype.scalar_type}'")
    if bins <= 0:
        raise RuntimeError(f"torch.histogram(): bins must be > 0, but got {bins} for dimension 0")
    low, high = float(min), float(max)
    if low > high:
        raise RuntimeError("torch.histc: max must be larger than min")
    array = input._host_array().reshape(-1)
    low, high = _limits(array, low, high, "torch.histc")
    inside = array[(array >= low) & (array <= high)]
    own = inside.dtype.type  # each step rounds in the tensor's dtype, as PyTorch's kernel does
    width = (inside - own(low)) * own(bins) / own(high - low)
    found = np.bincount(np.minimum(width.astype(np.int64), bins - 1), minlength=bins)
    return _result(found.astype(np.float64), meta.dtype, input)


_NO_RANGE = "torch.histogramdd: "


def _edges(column: np.ndarray[Any, Any], bins: Any, limits: Any, dim: int, dtype: dtypes.dtype) -> Any:
    if isinstance(bins, Tensor):
        if bins._meta.ndim != 1:
            raise RuntimeError(
                f"{_NO_RANGE}bins tensor should have one dimension, but got {bins._meta.ndim} dimensions in "
                f"the bins tensor for dimension {dim}"
            )
        if bins._meta.dtype is not dtype:
            names = {"int64": "long int", "int32": "int", "float32": "float", "float64": "double"}
            raise RuntimeError(
                f"{_NO_RANGE}input tensor and bins tensors should have the same dtype, but got input with "
                f"dtype {names.get(dtype.name, dtype.name)} and bins for dimension {dim} with dtype "
                f"{names.get(bins._meta.dtype.name, bins._meta.dtype.name)}"
            )
        return bins._host_array()
    if bins <= 0:
        raise RuntimeError(f"torch.histogram(): bins must be > 0, but got {bins} for dimension {dim}")
    if limits is None:
        low, high = (float(column.min()), float(column.max())) if column.size else (0.0, 1.0)
    else:
        low, high = limits
    if not (np.isfinite(low) and np.isfinite(high)):
        raise RuntimeError(f"{_NO_RANGE}dimension {dim}'s range [{low:g}, {high:g}] is not finite")
    if low > high:
        raise RuntimeError(
            f"{_NO_RANGE}min should not exceed max, but got min {low:g} max {high:g} for dimension {dim}"
        )
    if low == high:
        low, high = low - 0.5, high + 0.5
    return np.linspace(low, high, bins + 1, dtype=column.dtype)


def _histogram(
    points: np.ndarray[Any, Any], edges: list[Any], weight: np.ndarray[Any, Any] | None, density: bool
) -> np.ndarray[Any, Any]:
    """Counts of points (a row each) in the boxes between edges; the last edge of each dimension is inside."""
    counts = np.zeros(tuple(len(edge) - 1 for edge in edges), points.dtype)
    inside = np.ones(len(points), bool)
    places = []
    for column, edge in zip(points.T, edges, strict=True):
        inside &= (column >= edge[0]) & (column <= edge[-1])
        places.append(np.clip(np.searchsorted(edge, column, side="right") - 1, 0, len(edge) - 2))
    values = np.ones(len(points), points.dtype) if weight is None else weight.reshape(-1)
    np.add.at(counts, tuple(place[inside] for place in places), values[inside])
    if not density:
        return counts
    total = counts.sum()
    for axis, edge in enumerate(edges):
        counts = counts / np.diff(edge).reshape((-1,) + (1,) * (len(edges) - axis - 1))
    return counts / total


def _check_histogram(input: Tensor, weight: Tensor | None, shape: Sequence[int]) -> None:
    if not input._meta.dtype.is_floating_point or input._meta.dtype.itemsize < 4:
        raise NotImplementedError(f"\"histogramdd\" not implemented for '{input._meta.dtype.scalar_type}'")
    if weight is not None and weight._meta.shape != tuple(shape[:-1]):
        raise RuntimeError(
            f"{_NO_RANGE}if weight tensor is provided it should have the same shape as the input tensor "
            f"excluding its innermost dimension, but got input with shape {list(shape)} and weight with "
            f"shape {list(weight._meta.shape)}"
        )


@function("histogram", "Tensor.histogram", out=True)
@by_elements()
def histogram(
    input: Tensor, bins: Any, *, range: Any = None, weight: Tensor | None = None, density: bool = False
) -> Any:
    """Counts of the elements between edges, and the edges.

    Args:
        bins: how many of equal width, or a tensor of edges.
        range: (low, high) that they cover; from the least to the greatest element by default.
        weight: what each element counts for.
        density: divide so that the integral is 1.
    """
    from flambeau._core.return_types import named_result

    flat = None if weight is None else weight.reshape(-1)  # type: ignore[attr-defined]
    _check_histogram(input, flat, (input._meta.numel, 1))
    points = input._host_array().reshape(-1, 1)
    edges = [_edges(points[:, 0], bins, range, 0, input._meta.dtype)]
    found = _histogram(points, edges, None if flat is None else flat._host_array(), density)
    dtype = input._meta.dtype
    return named_result("histogram", (_result(found, dtype, input), _result(edges[0], dtype, input)))


@function("histogramdd", "Tensor.histogramdd", checked=True)
def histogramdd(
    input: Tensor, bins: Any, range: Any = None, weight: Tensor | None = None, density: bool = False
) -> Any:
    """Counts of points in boxes; the last dimension of `input` holds coordinates.

    Args:
        bins: how many in each dimension: a number for all, one for each, or a tensor of edges for each.
        range: low and high of each dimension, in one flat list.
    """
    from flambeau._core.return_types import named_result

    shape = input._meta.shape
    if len(shape) < 2:
        raise RuntimeError(
            f"torch.histogramdd: input tensor should have at least 2 dimensions, but got {len(shape)}"
        )
    count = shape[-1]
    each = [bins] * count if isinstance(bins, int) else list(bins)
    if len(each) != count:
        raise RuntimeError(
            "histogramdd: The size of bins must be equal to the innermost dimension of the input."
        )
    _check_histogram(input, weight, shape)
    points = input._host_array().reshape(-1, count)
    ranges = [None] * count if range is None else [tuple(range[2 * i : 2 * i + 2]) for i in np.arange(count)]
    edges = [
        _edges(points[:, i], bin_, limits, i, input._meta.dtype)
        for i, (bin_, limits) in enumerate(zip(each, ranges, strict=True))
    ]
    found = _histogram(points, edges, None if weight is None else weight._host_array(), density)
    dtype = input._meta.dtype
    return named_result(
        "histogramdd", (_result(found, dtype, input), tuple(_result(edge, dtype, input) for edge in edges))
    )
