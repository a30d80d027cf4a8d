"""Module, the base class of everything that has parameters.

A module keeps three dicts: its parameters, its buffers (tensors that are saved but not learned) and its
submodules. Assigning a Parameter or a Module to an attribute puts it there. All else follows from walking
the tree that submodules form: moving, saving, listing parameters, printing.

The details stand in the files beside this one: `_registration.py` (what an assignment does), `_hooks.py`,
`_calls.py` and `_backward_hooks.py` (what happens around a forward), `_state_dict.py` (saving and loading),
`_conversion.py` (dtypes and devices), `_explain.py` (what a failing forward tells), `_unregistered.py`
(what a plain list hides).
"""

from __future__ import annotations

import warnings
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, ParamSpec, Protocol, Self, TypeVar, overload

from flambeau._core.handles import RemovableHandle
from flambeau._core.modes import modes
from flambeau._core.tensor import Tensor
from flambeau.nn.modules import (
    _backward_hooks,
    _calls,
    _conversion,
    _registration,
    _state_dict,
    _unregistered,
)
from flambeau.nn.modules._explain import note_failure
from flambeau.nn.modules._hooks import (
    Hook,
    _global_backward_hooks,
    _global_backward_pre_hooks,
    _global_forward_hooks,
    _global_forward_pre_hooks,
    _WrappedHook,
    add_hook,
    register_module_backward_hook,
    register_module_buffer_registration_hook,
    register_module_forward_hook,
    register_module_forward_pre_hook,
    register_module_full_backward_hook,
    register_module_full_backward_pre_hook,
    register_module_module_registration_hook,
    register_module_parameter_registration_hook,
)
from flambeau.nn.modules._state_dict import _IncompatibleKeys
from flambeau.nn.parameter import Parameter

if TYPE_CHECKING:
    from flambeau._core.device import DeviceLike
    from flambeau._core.dtype import dtype as DType

__all__ = [
    "Module",
    "register_module_backward_hook",
    "register_module_buffer_registration_hook",
    "register_module_forward_hook",
    "register_module_forward_pre_hook",
    "register_module_full_backward_hook",
    "register_module_full_backward_pre_hook",
    "register_module_module_registration_hook",
    "register_module_parameter_registration_hook",
]

# The name under which other packages import it.
_EXTRA_STATE_KEY_SUFFIX = _state_dict.EXTRA_STATE_KEY_SUFFIX

T_destination = TypeVar("T_destination", bound=dict[str, Any])
Dict = TypeVar("Dict", bound=dict[str, Any])  # the same, where the class attribute of that name hides it


P = ParamSpec("P")
R = TypeVar("R", covariant=True)


class _HasForward(Protocol[P, R]):
    @property
    def forward(self) -> Callable[P, R]: ...


def _forward_unimplemented(self: Module, *input: Any) -> None:
    """Compute the output; every subclass defines this.

    Call the module itself rather than `forward`: only that runs the hooks.
    """
    raise NotImplementedError(f'Module [{type(self).__name__}] is missing the required "forward" function')


class Module:
    """The base class of neural networks and of their layers.

    Subclasses call `super().__init__()`, assign parameters and submodules to attributes, and define
    `forward`.

    Attributes:
        training: whether the module is in training mode; `train()` and `eval()` set it for the whole tree.

    >>> class Double(nn.Module):
    ...     def forward(self, x):
    ...         return 2 * x
    >>> Double()(flambeau.ones(2))
    tensor([2., 2.])
    """

    dump_patches: bool = False
    _version: int = 1
    call_super_init: bool = False
    _compiled_call_impl: Callable[..., Any] | None = None
    T_destination = T_destination

    training: bool
    _parameters: dict[str, Parameter | None]
    _buffers: dict[str, Tensor | None]
    _non_persistent_buffers_set: set[str]
    _backward_pre_hooks: OrderedDict[int, Hook]
    _backward_hooks: OrderedDict[int, Hook]
    _is_full_backward_hook: bool | None
    _forward_hooks: OrderedDict[int, Hook]
    _forward_hooks_with_kwargs: OrderedDict[int, bool]
    _forward_hooks_always_called: OrderedDict[int, bool]
    _forward_pre_hooks: OrderedDict[int, Hook]
    _forward_pre_hooks_with_kwargs: OrderedDict[int, bool]
    _state_dict_hooks: OrderedDict[int, Hook]
    _state_dict_pre_hooks: OrderedDict[int, Hook]
    _load_state_dict_pre_hooks: OrderedDict[int, Hook]
    _load_state_dict_post_hooks: OrderedDict[int, Hook]
    _modules: dict[str, Module | None]

    forward: Callable[..., Any] = _forward_unimplemented

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if not self.call_super_init:
            if kwargs:
                raise TypeError(
                    f"{type(self).__name__}.__init__() got an unexpected keyword argument "
                    f"'{next(iter(kwargs))}'"
                )
            if args:
                raise TypeError(
                    f"{type(self).__name__}.__init__() takes 1 positional argument but {len(args) + 1} "
                    "were given"
                )
        # Straight into the dict: __setattr__ looks for stores that only come into being here.
        self.__dict__.update(
            training=True,
            _parameters={},
            _buffers={},
            _non_persistent_buffers_set=set(),
            _backward_pre_hooks=OrderedDict(),
            _backward_hooks=OrderedDict(),
            _is_full_backward_hook=None,
            _forward_hooks=OrderedDict(),
            _forward_hooks_with_kwargs=OrderedDict(),
            _forward_hooks_always_called=OrderedDict(),
            _forward_pre_hooks=OrderedDict(),
            _forward_pre_hooks_with_kwargs=OrderedDict(),
            _state_dict_hooks=OrderedDict(),
            _state_dict_pre_hooks=OrderedDict(),
            _load_state_dict_pre_hooks=OrderedDict(),
            _load_state_dict_post_hooks=OrderedDict(),
            _modules={},
        )
        if self.call_super_init:
            super().__init__(*args, **kwargs)

    # -- calling -----------------------------------------------------------------------------------

    def _wrapped_call_impl(self, *args: Any, **kwargs: Any) -> Any:
        # Runs for every layer of every step: without hooks it is a few lookups and the call of forward.
        if not modes.grad and not modes.inside:
            return _calls.call_outermost(self, args, kwargs)
        state = self.__dict__
        try:
            if not (
                state["_backward_hooks"]
                or state["_backward_pre_hooks"]
                or state["_forward_hooks"]
                or state["_forward_pre_hooks"]
                or _global_backward_pre_hooks
                or _global_backward_hooks
                or _global_forward_hooks
                or _global_forward_pre_hooks
                or "_compiled_call_impl" in state
            ):
                return self.forward(*args, **kwargs)
            if self._compiled_call_impl is not None:
                return self._compiled_call_impl(*args, **kwargs)
            return self._call_impl(*args, **kwargs)
        except Exception as error:
            if "_backward_hooks" not in state:
                raise _calls.not_started(self) from None
            note_failure(error, self, args, kwargs)
            raise

    def _call_impl(self, *args: Any, **kwargs: Any) -> Any:
        return _calls.call_with_hooks(self, args, kwargs)

    if TYPE_CHECKING:
        # A call takes what `forward` takes and returns what it returns: so editors and checkers see it.
        def __call__(self: _HasForward[P, R], *args: P.args, **kwargs: P.kwargs) -> R: ...
    else:
        __call__ = _wrapped_call_impl

    def _slow_forward(self, *input: Any, **kwargs: Any) -> Any:
        return self.forward(*input, **kwargs)

    def compile(self, *args: Any, **kwargs: Any) -> None:
        """Have later calls of this module run compiled; the arguments are those of `flambeau.compile`."""
        from flambeau._core.compiled import Compiled

        self._compiled_call_impl = Compiled(self._call_impl, kwargs.get("recompile_limit"))

    # -- attributes and registration ---------------------------------------------------------------

    # PyTorch's annotation would be `Tensor | Module`, with which editors mark most uses of an attribute
    # as errors.
    def __getattr__(self, name: str) -> Any:
        # Python asks here after looking everywhere else. Every use of a parameter comes this way, so no loop.
        state = self.__dict__
        parameters = state.get("_parameters")
        if parameters is not None and name in parameters:
            return parameters[name]
        modules = state.get("_modules")
        if modules is not None and name in modules:
            return modules[name]
        buffers = state.get("_buffers")
        if buffers is not None and name in buffers:
            return buffers[name]
        raise _registration.no_attribute(self, name)

    def __setattr__(self, name: str, value: Any) -> None:
        if isinstance(value, Tensor):
            if isinstance(value, Parameter):
                _registration.assign_parameter(self, name, value)
                return
        elif isinstance(value, Module):
            _registration.assign_module(self, name, value)
            return
        _registration.assign_plain(self, name, value, super().__setattr__)

    def __delattr__(self, name: str) -> None:
        if name in self._parameters:
            del self._parameters[name]
        elif name in self._buffers:
            del self._buffers[name]
            self._non_persistent_buffers_set.discard(name)
        elif name in self._modules:
            del self._modules[name]
        else:
            super().__delattr__(name)

    def __dir__(self) -> list[str]:
        names = {*dir(type(self)), *self.__dict__, *self._parameters, *self._modules, *self._buffers}
        # Names such as the "0" of a Sequential cannot be written after a dot.
        return sorted(name for name in names if not name[0].isdigit())

    def register_buffer(self, name: str, tensor: Tensor | None, persistent: bool = True) -> None:
        """Add a tensor that belongs to the module's state without being a parameter.

        Args:
            name: the attribute it is found under.
            tensor: the buffer, or None for one that is not there (and not saved).
            persistent: whether it is part of the `state_dict`.

        Raises: TypeError or KeyError, if the name or the value does not fit.
        """
        _registration.register_buffer(self, name, tensor, persistent)

    def register_parameter(self, name: str, param: Parameter | None) -> None:
        """Add a parameter, as `self.name = param` does; None reserves the name.

        Raises: TypeError, KeyError or ValueError, if the name or the value does not fit.
        """
        _registration.register_parameter(self, name, param)

    def add_module(self, name: str, module: Module | None) -> None:
        """Add a submodule, as `self.name = module` does; None reserves the name.

        Raises: TypeError or KeyError, if the name or the value does not fit.
        """
        _registration.register_module(self, name, module)

    def register_module(self, name: str, module: Module | None) -> None:
        """The same as `add_module`."""
        self.add_module(name, module)

    # -- finding by dotted path --------------------------------------------------------------------

    def get_submodule(self, target: str) -> Module:
        """The submodule at a dotted path such as `"encoder.layers.0"`; the module itself for `""`.

        Raises: AttributeError, if the path leads nowhere or to something else than a module.
        """
        return _registration.find_submodule(self, target)

    def set_submodule(self, target: str, module: Module, strict: bool = False) -> None:
        """Put `module` at a dotted path.

        Args:
            target: the path; all but its last name must exist.
            module: what to put there.
            strict: let it only replace a submodule that exists.

        Raises: ValueError or AttributeError, if the path or the module does not fit.
        """
        _registration.set_submodule(self, target, module, strict)

    def get_parameter(self, target: str) -> Parameter:
        """The parameter at a dotted path. Raises AttributeError if there is none."""
        return _registration.find_parameter(self, target)

    def get_buffer(self, target: str) -> Tensor:
        """The buffer at a dotted path. Raises AttributeError if there is none."""
        return _registration.find_buffer(self, target)

    # -- walking the tree --------------------------------------------------------------------------

    def _named_members(
        self,
        get_members_fn: Callable[[Module], Any],
        prefix: str = "",
        recurse: bool = True,
        remove_duplicate: bool = True,
    ) -> Iterator[tuple[str, Any]]:
        modules: Any = [(prefix, self)]
        if recurse:
            modules = self.named_modules(prefix=prefix, remove_duplicate=remove_duplicate)
        seen = set()
        for module_prefix, module in modules:
            for name, member in get_members_fn(module):
                if member is None or member in seen:
                    continue
                if remove_duplicate:
                    seen.add(member)
                yield (f"{module_prefix}.{name}" if module_prefix else name), member

    def parameters(self, recurse: bool = True) -> Iterator[Parameter]:
        """All parameters, with `recurse` those of submodules too; this is what an optimizer takes."""
        found_any = False
        for _, param in self.named_parameters(recurse=recurse):
            found_any = True
            yield param
        _unregistered.remember_listed(self, found_any)

    def named_parameters(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Parameter]]:
        """All parameters with their dotted paths.

        Args:
            prefix: put before all paths.
            recurse: list those of submodules too.
            remove_duplicate: list a shared parameter once, under its first path.
        """
        yield from self._named_members(
            lambda module: module._parameters.items(), prefix, recurse, remove_duplicate
        )

    def buffers(self, recurse: bool = True) -> Iterator[Tensor]:
        """All buffers, of the submodules too unless `recurse` is False."""
        for _, buffer in self.named_buffers(recurse=recurse):
            yield buffer

    def named_buffers(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Tensor]]:
        """All buffers with their dotted paths; the arguments are those of `named_parameters`."""
        yield from self._named_members(
            lambda module: module._buffers.items(), prefix, recurse, remove_duplicate
        )

    def children(self) -> Iterator[Module]:
        """The direct submodules, each once."""
        for _, module in self.named_children():
            yield module

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """The direct submodules, each once, with their names."""
        seen = set()
        for name, module in self._modules.items():
            if module is not None and module not in seen:
                seen.add(module)
                yield name, module

    def modules(self, remove_duplicate: bool = True) -> Iterator[Module]:
        """This module and all below it, parents first; each once unless `remove_duplicate` is False."""
        for _, module in self.named_modules(remove_duplicate=remove_duplicate):
            yield module

    def named_modules(
        self, memo: set[Module] | None = None, prefix: str = "", remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Module]]:
        """This module, whose path is "", and all below it with their dotted paths, parents first.

        Args:
            memo: modules to leave out; those listed are added.
            prefix: put before all paths.
            remove_duplicate: list a shared module once, under its first path.
        """
        memo = set() if memo is None else memo
        if self in memo:
            return
        if remove_duplicate:
            memo.add(self)
        yield prefix, self
        for name, module in self._modules.items():
            if module is not None:
                path = f"{prefix}.{name}" if prefix else name
                yield from module.named_modules(memo, path, remove_duplicate)

    def apply(self, fn: Callable[[Module], None]) -> Self:
        """Call `fn` on every submodule, then on this module; typically to initialise parameters."""
        for module in self.children():
            module.apply(fn)
        fn(self)
        return self

    def train(self, mode: bool = True) -> Self:
        """Set training mode in the whole tree: dropout drops and batch norm learns its statistics.

        Raises: ValueError, if `mode` is not a bool.
        """
        if not isinstance(mode, bool):
            raise ValueError("training mode is expected to be boolean")
        self.training = mode
        for module in self.children():
            module.train(mode)
        return self

    def eval(self) -> Self:
        """Set evaluation mode in the whole tree, the same as `train(False)`."""
        return self.train(False)

    def requires_grad_(self, requires_grad: bool = True) -> Self:
        """Set whether gradients are computed for the parameters; False freezes the module."""
        for param in self.parameters():
            param.requires_grad_(requires_grad)
        return self

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Drop the gradients of all parameters, or fill them with zeros if `set_to_none` is False."""
        if getattr(self, "_is_replica", False):
            warnings.warn(
                "Calling .zero_grad() from a module created with nn.DataParallel() has no effect. The "
                "parameters are "
                "copied (in a differentiable manner) from the original module. This means they are not "
                "leaf nodes in "
                "autograd and so don't accumulate gradients. If you need gradients in your forward "
                "method, consider "
                "using autograd.grad instead.",
                stacklevel=2,
            )
        for param in self.parameters():
            if param.grad is None:
                continue
            if set_to_none:
                param.grad = None
            else:
                gradient = param.grad
                gradient.detach_() if gradient.grad_fn is not None else gradient.requires_grad_(False)
                gradient.zero_()

    # -- devices and dtypes ------------------------------------------------------------------------

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        if recurse:
            for module in self.children():
                module._apply(fn)
        _conversion.apply_to_own(self, fn)
        return self

    def to(self, *args: Any, **kwargs: Any) -> Self:
        """Move or cast parameters and buffers, in place.

        Called as `to(device, dtype)`, `to(dtype)` or `to(tensor)`, with `non_blocking` and `memory_format`.
        Only floating-point and complex tensors change their dtype.

        Raises: TypeError, for an integer dtype.
        """
        return self._apply(_conversion.converter(_conversion.parse_to(*args, **kwargs)))

    def to_empty(self, *, device: DeviceLike, recurse: bool = True) -> Self:
        """Move parameters and buffers to `device` without their values, as after building on `meta`."""
        return self._apply(
            lambda t: t.new_empty(t.shape, device=t.device if device is None else device), recurse
        )

    def type(self, dst_type: DType | str) -> Self:
        """Cast all parameters and buffers, integers included, to `dst_type`."""
        return self._apply(lambda t: t.type(dst_type))

    def float(self) -> Self:
        """Cast floating-point parameters and buffers to float32."""
        return self._apply(lambda t: t.float() if t.is_floating_point() else t)

    def double(self) -> Self:
        """Cast floating-point parameters and buffers to float64."""
        return self._apply(lambda t: t.double() if t.is_floating_point() else t)

    def half(self) -> Self:
        """Cast floating-point parameters and buffers to float16."""
        return self._apply(lambda t: t.half() if t.is_floating_point() else t)

    def bfloat16(self) -> Self:
        """Cast floating-point parameters and buffers to bfloat16."""
        return self._apply(lambda t: t.bfloat16() if t.is_floating_point() else t)

    def cpu(self) -> Self:
        """Move parameters and buffers to the CPU."""
        return self._apply(lambda t: t.cpu())

    def cuda(self, device: DeviceLike = None) -> Self:
        """Move parameters and buffers to a GPU."""
        return self._apply(lambda t: t.cuda(device))

    def ipu(self, device: DeviceLike = None) -> Self:
        """Move parameters and buffers to an IPU."""
        return self._apply(lambda t: t.ipu(device))

    def xpu(self, device: DeviceLike = None) -> Self:
        """Move parameters and buffers to an XPU."""
        return self._apply(lambda t: t.xpu(device))

    def mtia(self, device: DeviceLike = None) -> Self:
        """Move parameters and buffers to an MTIA device."""
        return self._apply(lambda t: t.mtia(device))

    def share_memory(self) -> Self:
        """Move parameters and buffers into memory that other processes can share."""
        return self._apply(lambda t: t.share_memory_())

    # -- hooks -------------------------------------------------------------------------------------

    def register_forward_pre_hook(
        self, hook: Hook, *, prepend: bool = False, with_kwargs: bool = False
    ) -> RemovableHandle:
        """Call `hook(module, args)` before each forward; it may return new arguments.

        Args:
            hook: what to call.
            prepend: put it before the hooks that are there.
            with_kwargs: call `hook(module, args, kwargs)`, which may return `(args, kwargs)`.
        """
        flags = self._forward_pre_hooks_with_kwargs if with_kwargs else None
        return add_hook(self._forward_pre_hooks, hook, prepend=prepend, flags=[flags])

    def register_forward_hook(
        self, hook: Hook, *, prepend: bool = False, with_kwargs: bool = False, always_call: bool = False
    ) -> RemovableHandle:
        """Call `hook(module, args, output)` after each forward; it may return a new output.

        Args:
            hook: what to call.
            prepend: put it before the hooks that are there.
            with_kwargs: call `hook(module, args, kwargs, output)`.
            always_call: call it, with None for the output, also when the forward raises.
        """
        flags = [
            self._forward_hooks_with_kwargs if with_kwargs else None,
            self._forward_hooks_always_called if always_call else None,
        ]
        return add_hook(self._forward_hooks, hook, prepend=prepend, flags=flags)

    def register_full_backward_pre_hook(self, hook: Hook, prepend: bool = False) -> RemovableHandle:
        """Call `hook(module, grad_output)` before each backward; it may return a new `grad_output`."""
        return add_hook(self._backward_pre_hooks, hook, prepend=prepend)

    def register_full_backward_hook(self, hook: Hook, prepend: bool = False) -> RemovableHandle:
        """Call `hook(module, grad_input, grad_output)` in each backward; it may return a new `grad_input`.

        Raises: RuntimeError, if the module has a hook of the old kind.
        """
        _calls.decide_backward_kind(self, full=True)
        return add_hook(self._backward_hooks, hook, prepend=prepend)

    def register_backward_hook(self, hook: Hook) -> RemovableHandle:
        """Call `hook` in each backward in the old way, with the gradients of the last operation only.

        Prefer `register_full_backward_hook`. Raises RuntimeError if the module has a full hook.
        """
        _calls.decide_backward_kind(self, full=False)
        return add_hook(self._backward_hooks, hook)

    def register_state_dict_pre_hook(self, hook: Hook) -> RemovableHandle:
        """Call `hook(module, prefix, keep_vars)` before the module's entries are saved."""
        return add_hook(self._state_dict_pre_hooks, hook)

    def register_state_dict_post_hook(self, hook: Hook) -> RemovableHandle:
        """Call `hook(module, state_dict, prefix, local_metadata)` after saving, to change `state_dict`."""
        hook._from_public_api = True  # type: ignore[attr-defined]
        return add_hook(self._state_dict_hooks, hook)

    def _register_state_dict_hook(self, hook: Hook) -> RemovableHandle:
        if getattr(hook, "_from_public_api", False):
            raise RuntimeError(
                "Cannot register the same function as the state dict post hook that was previously "
                "registered via "
                "register_state_dict_post_hook"
            )
        return add_hook(self._state_dict_hooks, hook)

    def register_load_state_dict_pre_hook(self, hook: Hook) -> RemovableHandle:
        """Call `hook` before the module's entries are loaded.

        Its arguments are the module and those of `_load_from_state_dict`.
        """
        return self._register_load_state_dict_pre_hook(hook, with_module=True)

    def _register_load_state_dict_pre_hook(self, hook: Hook, with_module: bool = False) -> RemovableHandle:
        return add_hook(self._load_state_dict_pre_hooks, _WrappedHook(hook, self if with_module else None))

    def register_load_state_dict_post_hook(self, hook: Hook) -> RemovableHandle:
        """Call `hook(module, incompatible_keys)` after loading; it may change the two lists in place."""
        return add_hook(self._load_state_dict_post_hooks, hook)

    def _get_backward_hooks(self) -> tuple[list[Hook], list[Hook]]:
        return _calls.backward_hooks(self)

    def _get_backward_pre_hooks(self) -> list[Hook]:
        return [*_global_backward_pre_hooks.values(), *self._backward_pre_hooks.values()]

    def _maybe_warn_non_full_backward_hook(self, inputs: Any, result: Any, grad_fn: Any) -> None:
        _backward_hooks.warn_where_imprecise(inputs, result, grad_fn)

    # -- saving and loading ------------------------------------------------------------------------

    @overload
    def state_dict(self, *, destination: Dict, prefix: str = ..., keep_vars: bool = ...) -> Dict: ...
    @overload
    def state_dict(self, *, prefix: str = ..., keep_vars: bool = ...) -> dict[str, Any]: ...
    def state_dict(
        self, *args: Any, destination: Any = None, prefix: str = "", keep_vars: bool = False
    ) -> Any:
        """Parameters and persistent buffers by dotted path, sharing the module's storages.

        Args:
            destination: a dict to write into; by default a new one.
            prefix: put before all keys.
            keep_vars: give the tensors themselves rather than detached ones.
        """
        if args:
            warnings.warn(
                "Positional args are being deprecated, use kwargs instead. Refer to "
                "https://pytorch.org/docs/main/generated/torch.nn.Module.html#torch.nn.Module.state_dict "
                "for details.",
                FutureWarning,
                stacklevel=2,
            )
            destination, prefix, keep_vars = _state_dict.from_positional(args, destination, prefix, keep_vars)
        return _state_dict.save_tree(self, destination, prefix, keep_vars)

    def load_state_dict(
        self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False
    ) -> _IncompatibleKeys:
        """Copy the tensors of a state dict into parameters and buffers.

        Args:
            state_dict: tensors by dotted path.
            strict: raise unless the keys are exactly the module's.
            assign: put the tensors themselves in place of the module's instead of copying.

        Raises: RuntimeError, if keys (with `strict`) or shapes do not match; its notes suggest what to do.
        """
        return _state_dict.load_tree(self, state_dict, strict, assign)

    def _save_to_state_dict(self, destination: Any, prefix: str, keep_vars: bool) -> None:
        has_extra_state = type(self).get_extra_state is not Module.get_extra_state
        _state_dict.save_own(self, destination, prefix, keep_vars, has_extra_state)

    def _load_from_state_dict(
        self,
        state_dict: Any,
        prefix: str,
        local_metadata: Any,
        strict: bool,
        missing_keys: list[str],
        unexpected_keys: list[str],
        error_msgs: list[str],
    ) -> None:
        lists = missing_keys, unexpected_keys, error_msgs
        takes_extra_state = type(self).set_extra_state is not Module.set_extra_state
        _state_dict.load_own(self, state_dict, prefix, local_metadata, strict, *lists, takes_extra_state)

    def get_extra_state(self) -> Any:
        """What a subclass wants in its state dict besides tensors; define `set_extra_state` along with it."""
        raise RuntimeError(_state_dict.UNREACHABLE.format("get"))

    def set_extra_state(self, state: Any) -> None:
        """Take back from a state dict what `get_extra_state` put there."""
        raise RuntimeError(_state_dict.UNREACHABLE.format("set"))

    # -- copying and pickling ----------------------------------------------------------------------

    def __getstate__(self) -> dict[str, Any]:
        state = self.__dict__.copy()
        state.pop("_compiled_call_impl", None)
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        # Files written by older versions lack the kinds of hooks that came later.
        for store in _calls.STORES_ADDED_LATER:
            self.__dict__.setdefault(store, OrderedDict())
        self.__dict__.setdefault("_non_persistent_buffers_set", set())
        self.__dict__.setdefault("_is_full_backward_hook", None)

    def _replicate_for_data_parallel(self) -> Self:
        replica = self.__new__(type(self))
        replica.__dict__ = self.__dict__.copy()
        # The replica's parameters come later, as ordinary tensors computed from the original's.
        replica._parameters = {}
        replica._buffers = replica._buffers.copy()
        replica._modules = replica._modules.copy()
        replica._is_replica = True
        return replica

    # -- printing ----------------------------------------------------------------------------------

    def _get_name(self) -> str:
        return type(self).__name__

    def extra_repr(self) -> str:
        """What a subclass wants between the parentheses of its repr."""
        return ""

    def __repr__(self) -> str:
        extra = self.extra_repr()
        extra_lines = extra.split("\n") if extra else []
        children = [f"({name}): {_addindent(repr(module), 2)}" for name, module in self._modules.items()]
        lines = extra_lines + children
        if not lines:
            return f"{self._get_name()}()"
        if len(lines) == 1 and not children:
            return f"{self._get_name()}({lines[0]})"
        body = "\n  ".join(lines)
        return f"{self._get_name()}(\n  {body}\n)"


def _addindent(s_: str, numSpaces: int) -> str:
    """Indent all lines but the first."""
    return s_.replace("\n", "\n" + numSpaces * " ")
