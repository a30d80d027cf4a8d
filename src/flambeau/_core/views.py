"""Views: results that show the storage of their input, and their history."""

from __future__ import annotations

from typing import Any

from flambeau._core import strides as stride_rules
from flambeau._core.autograd import move_retained
from flambeau._core.call import Call
from flambeau._core.modes import modes
from flambeau._core.tape import named_node_class, run_call
from flambeau._core.tensor import Tensor


def as_view(call: Call, base: Tensor, result: Tensor, numbers: tuple[Any, ...]) -> Tensor:
    """Turns a fresh result of a view operation into a view: same storage, one step further."""
    value = result._storage.value
    storage = base._storage
    result._storage = storage
    step = ((call, numbers),)
    views = base._views
    result._views = views + step if views else step
    result._value, result._seen = value, storage.epoch
    stride = stride_of_view(call, base._stride)
    if stride is not None:
        result._stride = stride
    if base._untracked:
        result._untracked = True
    if base._inference:
        result._inference = True
    elif modes.inference:
        result._inference = False
    root = base._base
    if root is None:
        root = base
        result._from_base = step
    else:
        result._from_base = base._from_base + step
    result._base = root
    if root._rebased:
        result._rebased_seen = root._rebased
    if base._made_in:
        result._made_in = base._made_in
    elif not modes.grad:
        result._made_in = "inference" if modes.inference else "no_grad"
    return result


def stride_of_view(call: Call, stride: tuple[int, ...] | None) -> tuple[int, ...] | None:
    """Strides of a view of a tensor with these strides; None where the result is contiguous."""
    known = call.values.get("strides")
    if known is None:
        known = call.values.setdefault("strides", {})
    if stride not in known:
        shape = call.inputs[0].shape
        actual = stride if stride is not None else stride_rules.contiguous_strides(shape)
        _, *arguments = call.op.shape_arguments(call.source, list(call.inputs))
        found = tuple(call.op.stride_rule(shape, actual, *arguments))
        known[stride] = None if found == stride_rules.contiguous_strides(call.results[0].shape) else found
    return known[stride]


def rederive(view: Tensor) -> None:
    """Gives a view the history that follows from its base's present one."""
    base = view._base
    assert base is not None
    refuse_restricted(view, "its base or another view of its base has been")
    view._rebased_seen = base._rebased
    previous = modes.grad
    modes.grad = True
    try:
        tensor = base
        for call, numbers in view._from_base:
            (step,) = run_call(call, [tensor], numbers)
            tensor = step
    finally:
        modes.grad = previous
    before = view._node, view._index
    view._node, view._index, view._rg = tensor._node, tensor._index, tensor._rg
    move_retained(view, before)
    if view._node is not None:
        # PyTorch remakes views by their strides, and shows it.
        view._node.__class__ = named_node_class("AsStridedBackward0")


def refuse_restricted(view: Tensor, what: str) -> None:
    """Raises for a view whose history cannot follow an in-place write.

    `what` says how: "is being", or "its base or another view of its base has been".
    """
    if not view._made_in or view._base is None:
        return
    changed = f"and {what} modified inplace"
    if view._made_in == "multi":
        name = view._node.short_name() if view._node is not None else "a function"
        raise RuntimeError(
            f"Output {view._index} of {name} is a view {changed}. This view is the output of a function that returns "
            "multiple views. Such functions do not allow the output views to be modified inplace. You should replace the "
            "inplace operation by an out-of-place one."
        )
    if view._made_in == "function":
        name = view._node.short_name() if view._node is not None else "a function"
        raise RuntimeError(
            f"Output {view._index} of {name} is a view {changed}. This view was created inside a custom Function (or because "
            "an input was returned as-is) and the autograd logic to handle view+inplace would override the custom backward "
            "associated with the custom Function, leading to incorrect gradients. This behavior is forbidden. You can fix "
            "this by cloning the output of the custom Function."
        )
    mode = "inference mode" if view._made_in == "inference" else "no_grad mode"
    raise RuntimeError(
        f"A view was created in {mode} {changed} with grad mode enabled. Given that this use case is ambiguous and "
        "error-prone, it is forbidden. You can clarify your code by moving both the view and the inplace either both inside "
        "the no_grad block (if you don't want the inplace to be tracked) or both outside (if you want the inplace to be "
        "tracked)."
    )
