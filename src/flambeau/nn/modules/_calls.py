"""A call of a module that has hooks: what runs before and after its forward, and in which order.

Calls without hooks never come here; `Module.__call__` goes straight to the forward.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from flambeau._core.tensor import Tensor
from flambeau.nn.modules import _hooks
from flambeau.nn.modules._backward_hooks import BackwardHook, attach_legacy_hooks
from flambeau.nn.modules._hooks import Hook

if TYPE_CHECKING:
    from flambeau.nn.modules.module import Module

Arguments = tuple[tuple[Any, ...], dict[str, Any]]

STORES_ADDED_LATER = (
    "_forward_pre_hooks",
    "_forward_pre_hooks_with_kwargs",
    "_forward_hooks_with_kwargs",
    "_forward_hooks_always_called",
    "_state_dict_hooks",
    "_state_dict_pre_hooks",
    "_load_state_dict_pre_hooks",
    "_load_state_dict_post_hooks",
    "_backward_pre_hooks",
)


def not_started(module: Module) -> AttributeError:
    """The error for calling a module whose `Module.__init__` never ran."""
    error = AttributeError(f"'{type(module).__name__}' object has no attribute '_backward_hooks'")
    error.add_note(f"call super().__init__() first in {type(module).__name__}.__init__")
    return error


def call_with_hooks(module: Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Run the forward with all hooks around it, those for every module before the module's own."""
    run: set[int] = set()
    try:
        return _call(module, args, kwargs, run)
    except Exception:
        _run_always_called(module, args, kwargs, run)
        raise


def _call(module: Module, args: tuple[Any, ...], kwargs: dict[str, Any], run: set[int]) -> Any:
    full_hooks, legacy_hooks = module._get_backward_hooks()
    pre_hooks = module._get_backward_pre_hooks()
    args, kwargs = _run_pre_hooks(module, args, kwargs)
    gates = None
    if full_hooks or pre_hooks:
        gates = BackwardHook(module, full_hooks, pre_hooks)
        args = gates.setup_input_hook(args)
    result = module.forward(*args, **kwargs)
    result = _run_forward_hooks(module, args, kwargs, result, run)
    if gates is not None:
        if not isinstance(result, Tensor | tuple):
            warnings.warn(
                "For backward hooks to be called, module output should be a Tensor or a tuple of Tensors but "
                f"received {type(result)}",
                stacklevel=4,
            )
        result = gates.setup_output_hook(result)
    if legacy_hooks:
        attach_legacy_hooks(module, legacy_hooks, args, result)
    return result


def _run_pre_hooks(module: Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Arguments:
    own_with_kwargs = module._forward_pre_hooks_with_kwargs
    hooks = [*_hooks._global_forward_pre_hooks.items(), *module._forward_pre_hooks.items()]
    for number, hook in hooks:
        if number in own_with_kwargs:
            answer = hook(module, args, kwargs)
            if answer is None:
                continue
            if not (isinstance(answer, tuple) and len(answer) == 2):
                raise RuntimeError(
                    f"forward pre-hook must return None or a tuple of (new_args, new_kwargs), but got {answer}."
                )
            args, kwargs = answer
        else:
            answer = hook(module, args)
            if answer is not None:
                args = answer if isinstance(answer, tuple) else (answer,)
    return args, kwargs


def _forward_hooks(module: Module) -> list[tuple[int, Hook, bool, bool]]:
    """The forward hooks in order: their ids, themselves, whether with kwargs, whether always called."""
    everywhere = [
        (number, hook, number in _hooks._global_forward_hooks_with_kwargs, number in _hooks._global_forward_hooks_always_called)
        for number, hook in _hooks._global_forward_hooks.items()
    ]
    own = [
        (number, hook, number in module._forward_hooks_with_kwargs, number in module._forward_hooks_always_called)
        for number, hook in module._forward_hooks.items()
    ]
    return everywhere + own


def _run_forward_hooks(
    module: Module, args: tuple[Any, ...], kwargs: dict[str, Any], result: Any, run: set[int]
) -> Any:
    for number, hook, with_kwargs, always_called in _forward_hooks(module):
        if always_called:
            run.add(number)
        answer = hook(module, args, kwargs, result) if with_kwargs else hook(module, args, result)
        result = result if answer is None else answer
    return result


def _run_always_called(module: Module, args: tuple[Any, ...], kwargs: dict[str, Any], run: set[int]) -> None:
    """After an exception, run those hooks that asked for it and have not run yet."""
    for number, hook, with_kwargs, always_called in _forward_hooks(module):
        if not always_called or number in run:
            continue
        try:
            if with_kwargs:
                hook(module, args, kwargs, None)
            else:
                hook(module, args, None)
        except Exception as error:  # the first exception is the one that the caller should see
            kind = "global module forward hook" if number in _hooks._global_forward_hooks else "module forward hook"
            warnings.warn(
                f"{kind} with ``always_call=True`` raised an exception that was silenced as another error was raised "
                f"in forward: {error}",
                stacklevel=4,
            )


# -- backward hooks ----------------------------------------------------------------------------------------------


def decide_backward_kind(module: Module, full: bool) -> None:
    """Raise RuntimeError if the module has backward hooks of the other kind."""
    if module._is_full_backward_hook is (not full):
        raise RuntimeError(
            "Cannot use both regular backward hooks and full backward hooks on a single Module. Please use only one "
            "of them."
        )
    module._is_full_backward_hook = full


def backward_hooks(module: Module) -> tuple[list[Hook], list[Hook]]:
    """The full backward hooks and those of the old kind, global ones first."""
    kinds: dict[Any, list[Hook]] = {True: [], False: [], None: []}
    kinds[_hooks.global_backward_hooks_are_full()].extend(_hooks._global_backward_hooks.values())
    kinds[module._is_full_backward_hook].extend(module._backward_hooks.values())
    return kinds[True], kinds[False]
