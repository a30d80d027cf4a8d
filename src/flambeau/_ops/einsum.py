"""Sums of products over named dimensions: `einsum` and `tensordot`.

A name is a small number, its label. Two operands meet in one batched matrix product: labels of both that
live on are its
batch, labels of both that end here its inner dimension.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy as np

from flambeau._core import dtype as dtypes
from flambeau._core.declare import Array, Arrays, Out, canonical_dim
from flambeau._core.dispatch import apply, function, op
from flambeau._core.tensor import Tensor
from flambeau._core.value import Meta
from flambeau._ops.matmul import no_bools, product

Labels = tuple[int, ...]


# -- contraction of arrays -------------------------------------------------------------------------


def _sizes(shapes: Sequence[Any], labels: Sequence[Labels]) -> dict[int, int]:
    """The size of each label; an operand may have 1 where others have more."""
    found: dict[int, int] = {}
    for shape, names in zip(shapes, labels, strict=True):
        for name, size in zip(names, shape, strict=True):
            if found.get(name, 1) == 1:
                found[name] = size
    return found


def contract(xp: Any, arrays: Sequence[Array], labels: Sequence[Labels], output: Labels) -> Array:
    """The product of all arrays, summed over the labels that `output` has not.

    No label stands twice at one array, and every label of `output` is at some array.
    """
    sizes = _sizes([array.shape for array in arrays], labels)
    terms = [_without_ones(array, names, sizes) for array, names in zip(arrays, labels, strict=True)]
    while True:
        terms = [_sum_alone(xp, i, terms, output) for i in range(len(terms))]
        if len(terms) == 1:
            break
        i, j = _cheapest(terms, sizes, output)
        rest = [term for at, term in enumerate(terms) if at not in (i, j)]
        terms = [_pair(xp, terms[i], terms[j], _kept(rest, output)), *rest]
    array, names = terms[0]
    present = tuple(name for name in output if name in names)
    array = array.transpose([names.index(name) for name in present])
    # A label whose size is 1 everywhere was dropped.
    return array.reshape([sizes[name] if name in names else 1 for name in output])


def _without_ones(array: Array, names: Labels, sizes: dict[int, int]) -> tuple[Array, Labels]:
    """The array without its dimensions of size 1: they broadcast, which a product does by itself."""
    kept = [i for i, size in enumerate(array.shape) if size != 1]
    if len(kept) == len(names):
        return array, names
    return array.reshape([array.shape[i] for i in kept]), tuple(names[i] for i in kept)


def _kept(rest: Sequence[tuple[Array, Labels]], output: Labels) -> set[int]:
    return set(output).union(*(names for _, names in rest))


def _sum_alone(
    xp: Any, at: int, terms: Sequence[tuple[Array, Labels]], output: Labels
) -> tuple[Array, Labels]:
    """The term summed over labels that nothing else has."""
    array, names = terms[at]
    kept = _kept([term for i, term in enumerate(terms) if i != at], output)
    axes = tuple(i for i, name in enumerate(names) if name not in kept)
    if not axes:
        return array, names
    return array.sum(axes, dtype=array.dtype), tuple(name for name in names if name in kept)


def _cheapest(
    terms: Sequence[tuple[Array, Labels]], sizes: dict[int, int], output: Labels
) -> tuple[int, int]:
    """The two terms whose product shrinks what is in memory most."""
    if len(terms) == 2:
        return 0, 1

    def growth(pair: tuple[int, int]) -> int:
        rest = [term for i, term in enumerate(terms) if i not in pair]
        kept = _kept(rest, output) & {name for i in pair for name in terms[i][1]}
        return math.prod(sizes[name] for name in kept) - sum(terms[i][0].size for i in pair)

    return min(combinations(range(len(terms)), 2), key=growth)


def _pair(
    xp: Any, first: tuple[Array, Labels], second: tuple[Array, Labels], kept: set[int]
) -> tuple[Array, Labels]:
    """The product of two terms, summed over the labels that are not `kept`."""
    (a, left), (b, right) = first, second
    batch = tuple(name for name in left if name in right and name in kept)
    inner = tuple(name for name in left if name in right and name not in kept)
    own_left = tuple(name for name in left if name not in right)
    own_right = tuple(name for name in right if name not in left)
    a = a.transpose([left.index(name) for name in (*batch, *own_left, *inner)])
    b = b.transpose([right.index(name) for name in (*batch, *inner, *own_right)])
    lead, rows, columns = (
        a.shape[: len(batch)],
        a.shape[len(batch) :][: len(own_left)],
        b.shape[len(batch + inner) :],
    )
    if not inner:
        left_shape, right_shape = (*lead, *rows, *(1,) * len(columns)), (*lead, *(1,) * len(rows), *columns)
        result = a.reshape(left_shape) * b.reshape(right_shape)
    else:
        size = math.prod(b.shape[len(batch) : len(batch + inner)])
        a = a.reshape(*lead, math.prod(rows), size)
        b = b.reshape(*lead, size, math.prod(columns))
        result = product(xp, a, b).reshape((*lead, *rows, *columns))
    return result, (*batch, *own_left, *own_right)


def _cost(inputs: Any, results: Any) -> int:
    inner = max((meta.numel for meta in inputs), default=1)
    return int(sum(m.numel for m in inputs) + results[0].numel * max(1, inner // 64))


def _contract_shape(operands: Sequence[Meta], labels: Any, output: Labels) -> tuple[int, ...]:
    for meta in operands[1:]:
        if meta.dtype is not operands[0].dtype:
            raise RuntimeError(
                f"expected scalar type {operands[0].dtype.scalar_type} but found {meta.dtype.scalar_type}"
            )
    sizes = _sizes([meta.shape for meta in operands], labels)
    return tuple(sizes[name] for name in output)


def _meetings(operands: Sequence[Meta], labels: Sequence[Labels], kept: Labels) -> set[int]:
    """In how many operands each label is that is summed over; a size of 1 does not count."""
    counts = Counter(
        name
        for operand, names in zip(operands, labels, strict=True)
        for name, size in zip(names, operand.shape, strict=True)
        if size != 1 and name not in kept
    )
    return set(counts.values())


def _no_bool_bmm(name: str, operands: Sequence[Meta], labels: Sequence[Labels], kept: Labels) -> None:
    if operands[0].dtype.name == "bool" and max(_meetings(operands, labels, kept), default=0) > 1:
        raise NotImplementedError("\"bmm\" not implemented for 'Bool'")


def _contract_dtype(operands: Sequence[Meta], labels: Sequence[Labels], kept: Labels) -> Any:
    """The operands' dtype. Integers become int64 where a label of one operand alone is summed: that is a `sum`."""
    own = operands[0].dtype
    if own.is_floating_point or own.is_complex:
        return own
    return dtypes.int64 if 1 in _meetings(operands, labels, kept) else own


def _whole_numbers(operands: Sequence[Meta], labels: Sequence[Labels], kept: Labels) -> Any:
    """What integers are cast to; None leaves floats as they are."""
    found = _contract_dtype(operands, labels, kept)
    return None if found.is_floating_point or found.is_complex else found


@op(
    promote=_whole_numbers,
    shape=_contract_shape,
    result=_contract_dtype,
    dtypes=_no_bool_bmm,
    cost=_cost,
    node="ViewBackward",
)
def contraction(xp: Any, operands: Arrays, labels: Any, kept: Any) -> Array:
    """The product of all operands, summed over the labels that are not kept."""
    return contract(xp, operands, labels, kept)


def contract_gradient(
    xp: Any, g: Array, arrays: Sequence[Array], labels: Sequence[Labels], output: Labels, at: int
) -> Array:
    """The gradient of `contract` for its operand number `at`."""
    shape, names = arrays[at].shape, labels[at]
    sizes = _sizes([array.shape for array in arrays], labels)
    others = [
        xp.conj(array) if array.dtype.kind == "c" else array for i, array in enumerate(arrays) if i != at
    ]
    other_names = [own for i, own in enumerate(labels) if i != at]
    # A dimension of size 1 that broadcast gets the sum; one that was summed alone gets the same everywhere.
    elsewhere = _sizes([array.shape for array in others], other_names)
    alone = {name for name in names if name not in output and elsewhere.get(name, 1) == 1}
    present = tuple(
        name
        for name, size in zip(names, shape, strict=True)
        if name not in alone and (size != 1 or sizes[name] == 1)
    )
    found = contract(xp, [g, *others], [output, *other_names], present)
    reshaped = [size if name in present else 1 for name, size in zip(names, shape, strict=True)]
    return xp.broadcast_to(found.reshape(reshaped), shape)


@contraction.gradient("operands")
def _(xp: Any, g: Array, operands: Any, labels: Any, kept: Any) -> list[Array]:
    return [contract_gradient(xp, g, operands, labels, kept, i) for i in range(len(operands))]


# -- einsum ----------------------------------------------------------------------------------------

ELLIPSIS = 52  # the label of an ellipsis in an equation; what it covers gets labels from here on
_EMPTY = (
    "einsum(): must specify the equation string and at least one operand, or at least one operand and its "
    "subscripts list"
)


def _letter(label: int) -> str:
    return chr(label + 65 if label < 26 else label + 71)


def _label(letter: str, index: int) -> int:
    if not (letter.isascii() and letter.isalpha()):
        raise RuntimeError(
            f"einsum(): invalid subscript given at index {index} in the equation string, subscripts must be "
            "in [a-zA-Z]"
        )
    return ord(letter) - (65 if letter.isupper() else 71)


def _parse_part(text: str, start: int, operand: int | None) -> Labels:
    """The labels of one operand (its number), or of the output (None)."""
    where = "output" if operand is None else f"operand {operand}"
    found: list[int] = []
    i = 0
    while i < len(text):
        if text[i] == ".":
            if ELLIPSIS in found:
                if operand is None:
                    raise RuntimeError(
                        "einsum(): found '.' for output but an ellipsis (...) was already found"
                    )
                raise RuntimeError(f"einsum(): found '.' for {where} for which an ellipsis was already found")
            if text[i : i + 3] != "...":
                known = " (...)" if operand is None else ""
                raise RuntimeError(f"einsum(): found '.' for {where} that is not part of any ellipsis{known}")
            found.append(ELLIPSIS)
            i += 3
        else:
            if text[i] != " ":
                found.append(_label(text[i], start + i))
            i += 1
    return tuple(found)


def _parse(equation: str, count: int) -> tuple[list[Labels], Labels | None]:
    inputs, arrow, output = equation.partition("->")
    parts = inputs.split(",")
    if len(parts) > count:
        # Letters are read before operands are counted, as far as there are operands.
        raise RuntimeError("einsum(): fewer operands were provided than specified in the equation")
    labels = []
    start = 0
    for number, part in enumerate(parts):
        labels.append(_parse_part(part, start, number))
        start += len(part) + 1
    if len(parts) < count:
        raise RuntimeError("einsum(): more operands were provided than specified in the equation")
    return labels, _parse_part(output, len(inputs) + 2, None) if arrow else None


def _from_list(subscripts: Any) -> Labels:
    found = []
    for item in subscripts:
        if item is Ellipsis:
            found.append(ELLIPSIS)
        elif 0 <= int(item) < 52:
            found.append(int(item))
        else:
            raise ValueError("einsum(): subscript in subscript list is not within the valid range [0, 52)")
    return tuple(found)


def _check_sizes(operands: Sequence[Tensor], labels: Sequence[Labels]) -> None:
    seen: dict[int, int] = {}
    for number, (operand, names) in enumerate(zip(operands, labels, strict=True)):
        own: dict[int, int] = {}
        for name, size in zip(names, operand.shape, strict=True):
            if name < ELLIPSIS and own.setdefault(name, size) != size:
                raise RuntimeError(
                    f"einsum(): subscript {_letter(name)} is repeated for operand {number} but the sizes "
                    "don't match, "
                    f"{size} != {own[name]}"
                )
        for name, size in own.items():
            before = seen.get(name, 1)
            if before != size and before != 1 and size != 1:
                if name >= ELLIPSIS:
                    dim = names.index(name) - names.index(min(n for n in names if n >= ELLIPSIS))
                    raise RuntimeError(
                        f"einsum(): dimension {dim} covered by ellipsis in operand {number}has size {size} "
                        "which does "
                        f"not broadcast with previously seen ellipsis with size {before} for the respective "
                        "dimension"
                    )
                raise RuntimeError(
                    f"einsum(): subscript {_letter(name)} has size {size} for operand {number} which does "
                    "not broadcast "
                    f"with previously seen size {before}"
                )
            seen[name] = max(before, size) if 0 not in (before, size) else 0


def _spread(operands: Sequence[Tensor], labels: Sequence[Labels]) -> tuple[list[Labels], Labels]:
    """The labels with every ellipsis written out, and the labels that ellipses cover."""
    covered = []
    for number, (operand, names) in enumerate(zip(operands, labels, strict=True)):
        letters = sum(name != ELLIPSIS for name in names)
        has = ELLIPSIS in names
        if letters > operand.ndim or (not has and letters != operand.ndim):
            more = "but no ellipsis was given" if not has else ""
            text = (
                f"einsum(): the number of subscripts in the equation ({letters}) "
                f"{'is more than' if has else 'does not match'} the number of dimensions "
                f"({operand.ndim}) for operand {number}"
            )
            raise RuntimeError(text + (" and no ellipsis was given" if more else ""))
        covered.append(operand.ndim - letters if has else 0)
    widest = max(covered, default=0)
    everything = tuple(range(ELLIPSIS, ELLIPSIS + widest))
    spread = []
    for names, width in zip(labels, covered, strict=True):
        own = everything[widest - width :]
        at = names.index(ELLIPSIS) if ELLIPSIS in names else len(names)
        spread.append((*names[:at], *own, *names[at + 1 :]))
    return spread, everything


def _output_labels(labels: Sequence[Labels], output: Labels | None, covered: Labels) -> Labels:
    every = [name for names in labels for name in names if name < ELLIPSIS]
    if output is None:
        return (*covered, *sorted(name for name in set(every) if every.count(name) == 1))
    for name in output:
        if name == ELLIPSIS:
            continue
        if output.count(name) > 1:
            raise RuntimeError(
                f"einsum(): output subscript {_letter(name)} appears more than once in the output"
            )
        if name not in every:
            raise RuntimeError(
                f"einsum(): output subscript {_letter(name)} does not appear in the equation for any input "
                "operand"
            )
    if ELLIPSIS not in output:
        return output
    at = output.index(ELLIPSIS)
    return (*output[:at], *covered, *output[at + 1 :])


def _diagonals(operand: Tensor, names: Labels) -> tuple[Tensor, Labels]:
    """A view of the operand in which no label comes twice."""
    for name in dict.fromkeys(names):
        while names.count(name) > 1:
            first = names.index(name)
            second = names.index(name, first + 1)
            operand = operand.diagonal(0, first, second)  # type: ignore[attr-defined]
            names = (*tuple(own for i, own in enumerate(names) if i not in (first, second)), name)
    return operand, names


@function("einsum")
def einsum(*args: Any) -> Tensor:
    """Products of tensors summed over named dimensions: `einsum("ij,jk->ik", a, b)` is `a @ b`.

    Args:
        args: an equation and the operands; or each operand followed by a list of its dimensions' numbers,
        and at the
            end, if wanted, the list of the result's.

    Names that the result lacks are summed over; one that stands twice at an operand takes its diagonal;
    `...` covers
    dimensions without names, which broadcast. Without `->` the result has the names that come once, in
    alphabetical
    order. One operand that needs no sum gives a view.
    Raises: RuntimeError, if names and dimensions do not fit.

    >>> import flambeau
    >>> flambeau.einsum("ij,j->i", flambeau.ones(2, 3), flambeau.ones(3))
    tensor([3., 3.])
    """
    if len(args) < 2:
        raise ValueError(_EMPTY)
    output: Labels | None
    if isinstance(args[0], str):
        operands = list(args[1]) if len(args) == 2 and isinstance(args[1], (list, tuple)) else list(args[1:])
        for number, operand in enumerate(operands):
            if not isinstance(operand, Tensor):
                raise TypeError(
                    f"expected Tensor as element {number} in argument 1, but got {type(operand).__name__}"
                )
        labels, output = _parse(args[0], len(operands))
    elif not isinstance(args[0], Tensor):
        raise TypeError(
            f"einsum(): argument 'equation' (position 1) must be str, not {type(args[0]).__name__}"
        )
    else:
        output = _from_list(args[-1]) if len(args) % 2 else None
        operands = list(args[: len(args) // 2 * 2 : 2])
        labels = [_from_list(names) for names in args[1 : len(args) // 2 * 2 : 2]]
    labels, covered = _spread(operands, labels)
    output = _output_labels(labels, output, covered)
    _check_sizes(operands, labels)
    pairs = [_diagonals(operand, names) for operand, names in zip(operands, labels, strict=True)]
    if len(pairs) > 1:
        return apply(contraction, ([pair[0] for pair in pairs], [pair[1] for pair in pairs], output))
    result, names = pairs[0]
    summed = tuple(i for i, name in enumerate(names) if name not in output)
    if summed:
        result = result.sum(summed)  # type: ignore[attr-defined]
        names = tuple(name for name in names if name in output)
    return result.permute([names.index(name) for name in output])  # type: ignore[attr-defined]


# -- tensordot -------------------------------------------------------------------------------------


def _tensordot_dims(a: Tensor, b: Tensor, dims: Any) -> tuple[list[int], list[int]]:
    if isinstance(dims, (Tensor, np.ndarray)):
        dims = dims.tolist() if len(dims.shape) else int(dims.item())
    if isinstance(dims, (tuple, list)):
        first, second = ([int(i) for i in each] if hasattr(each, "__len__") else [int(each)] for each in dims)
        return first, second
    if dims < 0:
        raise RuntimeError(f"tensordot expects dims >= 0, but got dims={dims}")
    if dims > min(a.ndim, b.ndim):
        raise RuntimeError(f"tensordot expects dims < ndim_a or ndim_b, but got dims={dims}")
    return list(range(-dims, 0)), list(range(dims))


@function(
    "tensordot",
    out=Out(
        "tensordot: Expected the output tensor to have dtype {wanted}, but got an output tensor with dtype {found}"
    ),
)
def tensordot(a: Tensor, b: Tensor, dims: Any = 2) -> Tensor:
    """Products over the last `dims` dimensions of `a` and the first of `b`, or over pairs of dimensions.

    Args:
        dims: a number of dimensions, or two lists: those of `a`, and the one of `b` that goes with each.
    """
    first, second = _tensordot_dims(a, b, dims)
    if len(first) != len(second):
        raise RuntimeError("both dimension lists should have same length")
    if a.dtype is not b.dtype:
        raise RuntimeError("both inputs should have same dtype")
    for i, j in zip(first, second, strict=True):
        sizes = a.shape[canonical_dim(i, a.ndim)], b.shape[canonical_dim(j, b.ndim)]
        if sizes[0] != sizes[1] and 1 not in sizes:
            raise RuntimeError(
                f"contracted dimensions need to match, but first has size {sizes[0]} in dim {i} and second "
                "has size "
                f"{sizes[1]} in dim {j}"
            )
    left = [canonical_dim(i, a.ndim) for i in first]
    right = [canonical_dim(j, b.ndim) for j in second]
    for own in (left, right):
        for dim in own:
            if own.count(dim) > 1:
                raise RuntimeError(f"dim {dim} appears multiple times in the list of dims")
    no_bools("tensordot", a._meta)
    names = list(range(a.ndim, a.ndim + b.ndim))
    for i, j in zip(left, right, strict=True):
        names[j] = i
    output = [i for i in range(a.ndim) if i not in left] + [name for name in names if name >= a.ndim]
    found = apply(contraction, ([a, b], [tuple(range(a.ndim)), tuple(names)], output))
    return found.to(a.dtype)  # unlike einsum, also where a size of one met another
