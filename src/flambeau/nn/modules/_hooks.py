"""Where hooks are kept, how they are taken away again, and the hooks that every module shares.

A hook lives in an `OrderedDict` keyed by the id of its handle. Each module has one such dict per kind of hook
(`Module._forward_hooks` ...); the dicts below hold the hooks of all modules at once.
"""

from __future__ import annotations

import functools
import weakref
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from flambeau._core.handles import RemovableHandle

if TYPE_CHECKING:
    from flambeau.nn.modules.module import Module

Hook = Callable[..., Any]


def add_hook(
    hooks: Any, hook: Hook, *, prepend: bool = False, flags: Sequence[dict[int, bool] | None] = ()
) -> RemovableHandle:
    """Store `hook` and return its handle; each of `flags` but None remembers True under the hook's id."""
    kept = [flag for flag in flags if flag is not None]
    handle = RemovableHandle(hooks, extra_dict=kept)
    hooks[handle.id] = hook
    if prepend:
        hooks.move_to_end(handle.id, last=False)
    for flag in kept:
        flag[handle.id] = True
    return handle


class _WrappedHook:
    """A hook, together with the module it belongs to if it wants that module as its first argument.

    The module is held weakly, since the module itself holds this object. Copies and pickles of a module carry
    bound hooks of the copy.
    """

    def __init__(self, hook: Hook, module: Module | None = None) -> None:
        self.hook = hook
        functools.update_wrapper(self, hook)
        self.with_module = module is not None
        if module is not None:
            self.module = weakref.ref(module)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if not self.with_module:
            return self.hook(*args, **kwargs)
        module = self.module()
        if module is None:
            raise RuntimeError("You are trying to call the hook of a dead Module!")
        return self.hook(module, *args, **kwargs)

    def __getstate__(self) -> dict[str, Any]:
        state = {"hook": self.hook, "with_module": self.with_module}
        if self.with_module:
            state["module"] = self.module()
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.hook = state["hook"]
        self.with_module = state["with_module"]
        if self.with_module:
            if state["module"] is None:
                raise RuntimeError("You are trying to revive the hook of a dead Module!")
            self.module = weakref.ref(state["module"])


# -- the hooks of every module at once -------------------------------------------------------------
# They stand as plain names since Module.__call__ looks at four of them at each call.
_global_buffer_registration_hooks: OrderedDict[int, Hook] = OrderedDict()
_global_module_registration_hooks: OrderedDict[int, Hook] = OrderedDict()
_global_parameter_registration_hooks: OrderedDict[int, Hook] = OrderedDict()
_global_forward_pre_hooks: OrderedDict[int, Hook] = OrderedDict()
_global_forward_hooks: OrderedDict[int, Hook] = OrderedDict()
_global_forward_hooks_with_kwargs: OrderedDict[int, bool] = OrderedDict()
_global_forward_hooks_always_called: OrderedDict[int, bool] = OrderedDict()
_global_backward_pre_hooks: OrderedDict[int, Hook] = OrderedDict()
_global_backward_hooks: OrderedDict[int, Hook] = OrderedDict()
# Which of its two meanings _global_backward_hooks has: None until a first hook decides.
_global_backward_hooks_are_full: bool | None = None


def register_module_buffer_registration_hook(hook: Hook) -> RemovableHandle:
    """Call `hook(module, name, buffer)` whenever any module gets a buffer; a result replaces the buffer."""
    return add_hook(_global_buffer_registration_hooks, hook)


def register_module_module_registration_hook(hook: Hook) -> RemovableHandle:
    """Call `hook(module, name, submodule)` whenever any module gets a submodule; a result replaces it."""
    return add_hook(_global_module_registration_hooks, hook)


def register_module_parameter_registration_hook(hook: Hook) -> RemovableHandle:
    """Call `hook(module, name, param)` whenever any module gets a parameter; a result replaces it."""
    return add_hook(_global_parameter_registration_hooks, hook)


def register_module_forward_pre_hook(hook: Hook) -> RemovableHandle:
    """Call `hook(module, args)` before every module's forward, ahead of the module's own pre-hooks."""
    return add_hook(_global_forward_pre_hooks, hook)


def register_module_forward_hook(
    hook: Hook, *, with_kwargs: bool = False, always_call: bool = False
) -> RemovableHandle:
    """Call `hook(module, args, output)` after every module's forward, ahead of the module's own hooks.

    Args:
        hook: may return a new output.
        with_kwargs: call `hook(module, args, kwargs, output)` instead.
        always_call: call it even if the forward raises.
    """
    flags = [
        _global_forward_hooks_with_kwargs if with_kwargs else None,
        _global_forward_hooks_always_called if always_call else None,
    ]
    return add_hook(_global_forward_hooks, hook, flags=flags)


def _decide_global_backward_kind(full: bool) -> None:
    global _global_backward_hooks_are_full
    if _global_backward_hooks_are_full is not None and _global_backward_hooks_are_full is not full:
        raise RuntimeError(
            "Cannot use both regular backward hooks and full backward hooks as a global Module hook. "
            "Please use only one of them."
        )
    _global_backward_hooks_are_full = full


def register_module_backward_hook(hook: Hook) -> RemovableHandle:
    """Call `hook(module, grad_input, grad_output)` in every module's backward, in the old, imprecise way.

    It sees the gradients of the last operation in the forward only; prefer
    `register_module_full_backward_hook`.
    """
    _decide_global_backward_kind(full=False)
    return add_hook(_global_backward_hooks, hook)


def register_module_full_backward_pre_hook(hook: Hook) -> RemovableHandle:
    """Call `hook(module, grad_output)` before every module's backward; it may return a new `grad_output`."""
    return add_hook(_global_backward_pre_hooks, hook)


def register_module_full_backward_hook(hook: Hook) -> RemovableHandle:
    """Call `hook(module, grad_input, grad_output)` in each backward; it may return a new `grad_input`."""
    _decide_global_backward_kind(full=True)
    return add_hook(_global_backward_hooks, hook)


def global_backward_hooks_are_full() -> bool | None:
    """True or False once a global backward hook of that kind was registered, None before."""
    return _global_backward_hooks_are_full
