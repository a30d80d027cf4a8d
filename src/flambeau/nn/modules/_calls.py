"""A call of a module that has hooks: what runs before and after its forward, and in which order.

Calls without hooks never come here; `Module.__call__` goes straight to the forward.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from flambeau._core.modes import modes
from flambeau._core.tensor import Tensor
from flambeau._core.trace import end_program
from flambeau.nn.modules import _hooks
from flambeau.nn.modules._backward_hooks import BackwardHook, attach_legacy_hooks
from flambeau.nn.modules._hooks import Hook

if TYPE_CHECKING:
    from flambeau.nn.modules.module import Module

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


def call_outermost(module: Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """A call without grad, and from no other module: what it computes is a program of its own, the same for each batch."""
    modes.inside = True
    try:
        result = module(*args, **kwargs)
    finally:
        modes.inside = False
    end_program("the outermost module returns without grad")
    return result


@dataclass
class _Call:
    """One call under way: what its hooks have made of the arguments and of the output so far."""

    module: Module
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    result: Any = None
    called: set[int] = field(default_factory=set)  # ids of the hooks with always_call that had their turn


def call_with_hooks(module: Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Run the forward with all hooks around it, those for every module before the module's own."""
    call = _Call(module, args, kwargs)
    try:
        _run(call)
    except Exception:
        _run_always_called(call)
        raise
    return call.result


def _run(call: _Call) -> None:
    module = call.module
    full_hooks, legacy_hooks = module._get_backward_hooks()
    pre_hooks = module._get_backward_pre_hooks()
    _run_pre_hooks(call)
    gates = None
    if full_hooks or pre_hooks:
        gates = BackwardHook(module, full_hooks, pre_hooks)
        call.args = gates.setup_input_hook(call.args)
    call.result = module.forward(*call.args, **call.kwargs)
    for number, hook, with_kwargs, always_call in _forward_hooks(module):
        if always_call:
            call.called.add(number)
        _run_forward_hook(call, hook, with_kwargs)
    if gates is not None:
        if not isinstance(call.result, Tensor | tuple):
            warnings.warn(
                "For backward hooks to be called, module output should be a Tensor or a tuple of Tensors but "
                f"received {type(call.result)}",
                stacklevel=5,
            )
        call.result = gates.setup_output_hook(call.result)
    if legacy_hooks:
        attach_legacy_hooks(module, legacy_hooks, call.args, call.result)


def _run_pre_hooks(call: _Call) -> None:
    module = call.module
    for number, hook in (*_hooks._global_forward_pre_hooks.items(), *module._forward_pre_hooks.items()):
        if number in module._forward_pre_hooks_with_kwargs:
            answer = hook(module, call.args, call.kwargs)
            if answer is None:
                continue
            if not (isinstance(answer, tuple) and len(answer) == 2):
                raise RuntimeError(
                    "forward pre-hook must return None or a tuple of (new_args, new_kwargs), but got "
                    f"{answer}."
                )
            call.args, call.kwargs = answer
        else:
            answer = hook(module, call.args)
            if answer is not None:
                call.args = answer if isinstance(answer, tuple) else (answer,)


def _forward_hooks(module: Module) -> list[tuple[int, Hook, bool, bool]]:
    """The forward hooks in order: their ids, themselves, whether with kwargs, whether always called."""
    stores = (
        (
            _hooks._global_forward_hooks,
            _hooks._global_forward_hooks_with_kwargs,
            _hooks._global_forward_hooks_always_called,
        ),
        (module._forward_hooks, module._forward_hooks_with_kwargs, module._forward_hooks_always_called),
    )
    return [
        (number, hook, number in with_kwargs, number in always_called)
        for hooks, with_kwargs, always_called in stores
        for number, hook in hooks.items()
    ]


def _run_forward_hook(call: _Call, hook: Hook, with_kwargs: bool) -> None:
    extra = (call.kwargs,) if with_kwargs else ()
    answer = hook(call.module, call.args, *extra, call.result)
    if answer is not None:
        call.result = answer


def _run_always_called(call: _Call) -> None:
    """After an exception, run those hooks that asked for it and have not had their turn."""
    for number, hook, with_kwargs, always_call in _forward_hooks(call.module):
        if not always_call or number in call.called:
            continue
        try:
            _run_forward_hook(call, hook, with_kwargs)
        except Exception as error:  # the first exception is the one that the caller should see
            kind = (
                "global module forward hook"
                if number in _hooks._global_forward_hooks
                else "module forward hook"
            )
            warnings.warn(
                f"{kind} with ``always_call=True`` raised an exception that was silenced as another error "
                "was "
                f"raised in forward: {error}",
                stacklevel=4,
            )


# -- backward hooks --------------------------------------------------------------------------------


def decide_backward_kind(module: Module, full: bool) -> None:
    """Raise RuntimeError if the module has backward hooks of the other kind."""
    if module._is_full_backward_hook is (not full):
        raise RuntimeError(
            "Cannot use both regular backward hooks and full backward hooks on a single Module. Please "
            "use only one "
            "of them."
        )
    module._is_full_backward_hook = full


def backward_hooks(module: Module) -> tuple[list[Hook], list[Hook]]:
    """The full backward hooks and those of the old kind, global ones first."""
    kinds: dict[Any, list[Hook]] = {True: [], False: [], None: []}
    kinds[_hooks.global_backward_hooks_are_full()].extend(_hooks._global_backward_hooks.values())
    kinds[module._is_full_backward_hook].extend(module._backward_hooks.values())
    return kinds[True], kinds[False]
