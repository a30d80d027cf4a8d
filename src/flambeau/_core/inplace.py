"""Writing in place: what PyTorch forbids, the write itself as a step of the graph, and `out=`."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from flambeau._core import dtype as dtypes
from flambeau._core.autograd import OpNode, move_retained
from flambeau._core.declare import ANY, Out, registry
from flambeau._core.modes import modes
from flambeau._core.storage import Storage
from flambeau._core.strides import dense_order
from flambeau._core.tape import run_call
from flambeau._core.tensor import Tensor, scatter_call
from flambeau._core.value import Value, meta_of
from flambeau._core.views import refuse_restricted


def check_writable(target: Tensor, overlap: bool = False) -> None:
    """Raises where PyTorch forbids an in-place write. `overlap` allows elements that share memory."""
    if target._inference and not modes.inference:
        raise RuntimeError(
            "Inplace update to inference tensor outside InferenceMode is not allowed.You can make a clone to get a normal "
            "tensor before doing inplace update.See https://github.com/pytorch/rfcs/pull/17 for more details."
        )
    if not overlap:
        _refuse_repeated(target)
    if not modes.grad:
        return
    if target._rg and target._node is None and target._base is None:
        error = RuntimeError("a leaf Variable that requires grad is being used in an in-place operation.")
        error.add_note("Do it inside `with torch.no_grad():`, or on a copy: tensor.clone().")
        raise error
    if target._base is not None:
        if target.requires_grad:
            refuse_restricted(target, "is being")
        root = target._base
        if root._rg and root._node is None:
            error = RuntimeError(
                "a view of a leaf Variable that requires grad is being used in an in-place operation."
            )
            error.add_note("Do it inside `with torch.no_grad():`, or on a copy: tensor.clone().")
            raise error


def _refuse_repeated(target: Tensor) -> None:
    """Raises where elements of an expanded tensor share memory."""
    if target._stride is None or 0 not in target._stride or not target._meta.numel:
        return
    shape = target._meta.shape
    if any(stride == 0 and size > 1 for stride, size in zip(target._stride, shape, strict=True)):
        raise RuntimeError(
            "unsupported operation: more than one element of the written-to tensor refers to a single memory "
            "location. Please clone() the tensor before performing the operation."
        )


def refuse_overlap(target: Tensor, others: Sequence[Any], apart: bool = False) -> None:
    """Raises where PyTorch does: an operand shares a part of the memory that is written to, but is not just that memory.

    `apart` refuses that, too.
    """
    for other in others:
        if isinstance(other, (list, tuple)):
            refuse_overlap(target, other, apart)
        if not isinstance(other, Tensor) or other._storage is not target._storage:
            continue
        if apart if other is target else _share_a_part(target, other, apart):
            raise RuntimeError(
                "unsupported operation: some elements of the input tensor and the written-to tensor refer to a single "
                "memory location. Please clone() the tensor before performing the operation."
            )


def _share_a_part(target: Tensor, other: Tensor, or_all: bool) -> bool:
    """Whether two tensors of one storage share some elements; for those with gaps the answer is no, as in PyTorch."""
    ranges = []
    for tensor in (target, other):
        if dense_order(tensor._meta.shape, tensor.stride()) is None or not tensor._meta.numel:
            return False
        start = tensor.storage_offset()
        ranges.append((start, start + tensor._meta.numel))
    (a, b), (c, d) = ranges
    same = (a, b) == (c, d) and target.stride() == other.stride()
    return a < d and c < b and (or_all or not same)


def write(target: Tensor, result: Tensor, name: str = "") -> Tensor:
    """Writes `result` (of the target's shape) into `target` in place, with history. `check_writable` came before."""
    if result._meta.dtype is not target._meta.dtype:
        if not dtypes.can_cast(result._meta.dtype, target._meta.dtype):
            raise RuntimeError(
                f"result type {result._meta.dtype.scalar_type} can't be cast to the desired output type "
                f"{target._meta.dtype.scalar_type}"
            )
        result = result.to(target._meta.dtype)  # type: ignore[attr-defined]
    if result._meta.shape != target._meta.shape:
        raise RuntimeError(
            f"output with shape {list(target._meta.shape)} doesn't match the broadcast shape {list(result._meta.shape)}"
        )
    tracked = modes.grad and (result._rg or target.requires_grad)
    if tracked and not target._untracked:
        refuse_restricted(target, "is being")
        rebase(target, result)
    else:
        target._write(result._read())
    return target


def rebase(target: Tensor, result: Tensor) -> None:
    """The write as a step of the graph: of the target itself, or of the base it is a view of."""
    base = target._base
    node = result._node
    before = target._node, target._index
    if isinstance(node, OpNode):
        # `x.sin_()` saves what x was: values never change, so this very write does not spoil it.
        own = next((number for number, guard in enumerate(node.guards) if guard[0] is target._storage), None)
        node.guards = [guard for number, guard in enumerate(node.guards) if number != own]
    if base is None:
        target._write(result._read())
        target._node, target._index, target._rg = result._node, result._index, result._rg
        target._rebased += 1
        _guard_rewritten(result, target)
        move_retained(target, before)
        return
    steps = target._from_base if base._views else target._write_steps(target._from_base)
    below = [base]
    for call, numbers in steps[:-1]:
        below.append(run_call(call, [below[-1]], numbers)[0])
    new = result
    for (call, numbers), under in zip(reversed(steps), reversed(below), strict=True):
        (new,) = run_call(scatter_call(call), [under, new], numbers)
    base._write(new._read())
    base._node, base._index, base._rg = new._node, new._index, new._rg
    base._rebased += 1
    _guard_rewritten(result, target)
    target._refresh()


def _guard_rewritten(result: Tensor, target: Tensor) -> None:
    """The node that made `result` saved it under a storage of its own; its guard moves to the target's."""
    node = result._node
    if isinstance(node, OpNode):
        own = target._storage
        node.guards = [
            (own, own.version, guard[2], own.hidden, target._views) if guard[0] is result._storage else guard
            for guard in node.guards
        ]


def _check_out_dtype(found: dtypes.dtype, wanted: dtypes.dtype, asked: Out) -> None:
    if asked.dtype is None:
        if not dtypes.can_cast(wanted, found):
            if asked.uncastable is not None:
                raise TypeError(asked.uncastable.format(found=found.scalar_type))
            raise RuntimeError(
                f"result type {wanted.scalar_type} can't be cast to the desired output type {found.scalar_type}"
            )
    elif found is not wanted:
        names = {"wanted": wanted.scalar_type, "found": found.scalar_type}
        in_cpp = {"wanted_cpp": dtypes.cpp_name(wanted), "found_cpp": dtypes.cpp_name(found)}
        raise RuntimeError(asked.dtype.format(**names, **in_cpp))


def write_out(
    out: Tensor, result: Tensor, name: str, operands: Sequence[Any] = (), asked: Out = ANY
) -> Tensor:
    """Puts a result into an `out=` tensor, resizing it where PyTorch does; returns `out`.

    `operands`: what `out` must not overlap with; `asked`: what the operation asks of it.
    """
    if not isinstance(out, Tensor):
        raise TypeError(f"{name}(): argument 'out' must be Tensor, not {type(out).__name__}")
    if out._meta.device is not result._meta.device:
        raise RuntimeError(
            f"Expected out tensor to have device {result.device}, but got {out.device} instead"
        )
    _check_out_dtype(out._meta.dtype, result._meta.dtype, asked)
    if modes.grad and (out.requires_grad or result._rg):
        raise RuntimeError(
            f"{name}(): functions with out=... arguments don't support automatic differentiation, but one of the arguments "
            "requires grad."
        )
    if result._meta.numel:
        refuse_overlap(out, operands, asked.apart)
    if out._meta.shape != result._meta.shape:
        if out._meta.numel:
            warnings.warn(
                f"An output with one or more elements was resized since it had shape {list(out._meta.shape)}, which does "
                f"not match the required output shape {list(result._meta.shape)}. This behavior is deprecated, and in a "
                "future PyTorch release outputs will not be resized unless they have zero elements. You can explicitly "
                "reuse an out tensor t by resizing it, inplace, to zero elements with t.resize_(0).",
                UserWarning, stacklevel=3,
            )  # fmt: skip
        resize(out, result._meta.shape, keeps=False)
    _refuse_repeated(out)
    if result._meta.dtype is not out._meta.dtype:
        result = result.to(out._meta.dtype)  # type: ignore[attr-defined]
    if result._meta.numel:
        out._write(result._read())
    return out


def resize(target: Tensor, shape: tuple[int, ...], keeps: bool = True) -> None:
    """Gives a tensor another shape in place: its elements in order (if it `keeps` them), then zeros.

    Other views of the storage keep theirs.
    """
    meta = meta_of(tuple(shape), target._meta.dtype, target._meta.device)
    if meta is target._meta:
        return
    kept = min(target._meta.numel, meta.numel) if keeps else 0
    value = Value(meta, np.zeros(meta.shape, meta.np))
    if kept:
        old = target.detach().reshape(-1)[:kept]  # type: ignore[attr-defined]
        rest = Tensor._of(value).reshape(-1)[kept:]  # type: ignore[attr-defined]
        value = registry["cat"]([old, rest]).reshape(shape)._read()
    target._storage = Storage(value)
    target._meta, target._views, target._value, target._seen, target._stride = meta, (), None, -1, None
