"""Calling a module with other parameters and buffers than its own."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator
from typing import Any

from flambeau._core.tensor import Tensor
from flambeau.nn.modules.module import Module

__all__ = ["functional_call"]


def functional_call(
    module: Module,
    parameters_and_buffers: dict[str, Tensor],
    args: Any = None,
    kwargs: dict[str, Any] | None = None,
    *,
    tie_weights: bool = True,
    strict: bool = False,
) -> Any:
    """The old place of `flambeau.func.functional_call`."""
    warnings.warn(
        "`torch.nn.utils.stateless.functional_call` is deprecated as of PyTorch 2.0 and will be removed in a "
        "future version of PyTorch. Please use `torch.func.functional_call` instead which is a drop-in "
        "replacement.",
        FutureWarning,
        stacklevel=2,
    )
    return _functional_call(
        module, parameters_and_buffers, args, kwargs, tie_weights=tie_weights, strict=strict
    )


def _functional_call(
    module: Module,
    parameters_and_buffers: dict[str, Tensor],
    args: Any = None,
    kwargs: dict[str, Any] | None = None,
    *,
    tie_weights: bool = True,
    strict: bool = False,
) -> Any:
    """Call a module while the named tensors stand in for its parameters and buffers.

    Args:
        module: the module; afterwards it has its own tensors again.
        parameters_and_buffers: tensors by dotted path.
        args: the forward's argument, or a tuple of them.
        kwargs: its named arguments.
        tie_weights: let a tensor stand in for all uses of a shared one.
        strict: refuse missing and unknown names.
    """
    if args is None:
        args = ()
    elif not isinstance(args, tuple):
        args = (args,)
    with _reparametrize_module(module, parameters_and_buffers, tie_weights=tie_weights, strict=strict):
        return module(*args, **(kwargs or {}))


@contextlib.contextmanager
def _reparametrize_module(
    module: Module, tensors: dict[str, Tensor], tie_weights: bool = False, strict: bool = False
) -> Iterator[None]:
    own = dict(_named_places(module))
    wanted = _with_tied(own, tensors) if tie_weights else dict(tensors)
    if strict:
        _check_names(module, own, wanted)
    kept: list[tuple[dict[str, Any], str, Any]] = []
    try:
        for name, tensor in wanted.items():
            if not isinstance(tensor, Tensor):
                raise TypeError(f"{tensor} is not an instance of torch.Tensor")
            holder, key = own[name] if name in own else _foreign_place(module, name)
            kept.append((holder, key, holder.get(key, _MISSING)))
            holder[key] = tensor
        yield
    finally:
        for holder, key, tensor in reversed(kept):
            if tensor is _MISSING:
                holder.pop(key, None)
            else:
                holder[key] = tensor


_MISSING = object()

Place = tuple[dict[str, Any], str]


def _named_places(module: Module) -> Iterator[tuple[str, Place]]:
    """Every parameter and buffer, shared ones under all their paths, as the dict and the key that hold it."""
    for prefix, part in module.named_modules(remove_duplicate=False):
        for held in (part._parameters, part._buffers):
            for key, tensor in held.items():
                if tensor is not None:
                    yield (f"{prefix}.{key}" if prefix else key), (held, key)


def _foreign_place(module: Module, path: str) -> Place:
    """Where a name goes that is no parameter or buffer: an attribute for the time of the call."""
    prefix, _, key = path.rpartition(".")
    return module.get_submodule(prefix).__dict__, key


def _check_names(module: Module, own: dict[str, Place], wanted: dict[str, Tensor]) -> None:
    unexpected = sorted(set(wanted) - set(own))
    missing = sorted(set(own) - set(wanted))
    if not unexpected and not missing:
        return
    text = f"Error(s) in reparametrizing for {module._get_name()}:"
    if unexpected:
        text += f"\n\tUnexpected key(s): {', '.join(map(repr, unexpected))}."
    if missing:
        text += f"\n\tMissing key(s): {', '.join(map(repr, missing))}."
    raise RuntimeError(text)


def _with_tied(own: dict[str, Place], tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The given tensors, under all paths of the tensors that they stand in for."""
    paths: dict[int, set[str]] = {}
    for name, (holder, key) in own.items():
        paths.setdefault(id(holder[key]), set()).add(name)
    wanted = dict(tensors)
    for name, tensor in tensors.items():
        if name not in own:
            continue
        holder, key = own[name]
        tied = paths[id(holder[key])]
        given = tied & set(tensors)
        if len({id(tensors[each]) for each in given}) > 1:
            raise ValueError(
                f"functional_call got multiple values for keys {sorted(given)}, which are tied. Consider "
                "using tie_weights=False"
            )
        wanted.update(dict.fromkeys(tied, tensor))
    return wanted
