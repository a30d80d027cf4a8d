"""The rules by which names become parameters, buffers and submodules, and what is said when one is broken."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NoReturn

from flambeau._core.tensor import Tensor
from flambeau.nn.modules import _hooks
from flambeau.nn.parameter import Buffer, Parameter

if TYPE_CHECKING:
    from flambeau.nn.modules.module import Module


def type_name(value: Any) -> str:
    """The type as error messages name it: `torch.FloatTensor`, `int`, `package.module.Class`."""
    if isinstance(value, Tensor):
        return str(value.type())
    kind = value if isinstance(value, type) else type(value)
    module = kind.__module__
    return (
        kind.__qualname__ if module in ("builtins", "__builtin__", None) else f"{module}.{kind.__qualname__}"
    )


def check_started(module: Module, store: str, what: str) -> None:
    """Raise AttributeError if `Module.__init__` has not run yet, so that there is nowhere to register."""
    if store in module.__dict__:
        return
    error = AttributeError(f"cannot assign {what} before Module.__init__() call")
    error.add_note(
        f"call super().__init__() first in {type(module).__name__}.__init__: it makes the places where "
        "parameters, buffers and submodules are kept"
    )
    raise error


def check_name(module: Module, name: Any, what: str, taken: dict[str, Any], dotted: str) -> None:
    """Raise TypeError or KeyError unless `name` can become that of a new `what` of the module."""
    if not isinstance(name, str):
        raise TypeError(f"{what} name should be a string. Got {type_name(name)}")
    if what == "module" and hasattr(module, name) and name not in taken:
        raise KeyError(f"attribute '{name}' already exists")
    if "." in name:
        raise KeyError(dotted)
    if name == "":
        raise KeyError(f'{what} name can\'t be empty string ""')
    if hasattr(module, name) and name not in taken:
        raise KeyError(f"attribute '{name}' already exists")


def register_parameter(module: Module, name: str, param: Parameter | None) -> None:
    check_started(module, "_parameters", "parameter")
    check_name(module, name, "parameter", module._parameters, 'parameter name can\'t contain "."')
    if param is None:
        module._parameters[name] = None
        return
    if not isinstance(param, Parameter):
        raise TypeError(
            f"cannot assign '{type_name(param)}' object to parameter '{name}' (torch.nn.Parameter or None "
            "required)"
        )
    if param.grad_fn is not None:
        raise ValueError(
            f"Cannot assign non-leaf Tensor to parameter '{name}'. Model parameters must be created "
            "explicitly. To "
            f"express '{name}' as a function of another Tensor, compute the value in the forward() method."
        )
    for hook in _hooks._global_parameter_registration_hooks.values():
        answer = hook(module, name, param)
        param = param if answer is None else answer
    module._parameters[name] = param


def register_buffer(module: Module, name: str, tensor: Tensor | None, persistent: bool) -> None:
    check_started(module, "_buffers", "buffer")
    check_name(module, name, "buffer", module._buffers, 'buffer name can\'t contain "."')
    if tensor is not None and not is_tensor_like(tensor):
        raise TypeError(
            f"cannot assign '{type_name(tensor)}' object to buffer '{name}' (torch Tensor or None required)"
        )
    for hook in _hooks._global_buffer_registration_hooks.values():
        answer = hook(module, name, tensor)
        tensor = tensor if answer is None else answer
    module._buffers[name] = tensor
    if persistent:
        module._non_persistent_buffers_set.discard(name)
    else:
        module._non_persistent_buffers_set.add(name)


def register_module(module: Module, name: str, child: Module | None) -> None:
    from flambeau.nn.modules.module import Module

    if child is not None and not isinstance(child, Module):
        raise not_a_module(module, child)
    dotted = f'module name can\'t contain ".", got: {name}'
    check_name(module, name, "module", module._modules, dotted)
    module._modules[name] = _after_module_hooks(module, name, child)


def not_a_module(module: Module, value: Any) -> TypeError:
    """The error for something put where a submodule belongs, with the likely remedy."""
    error = TypeError(f"{type_name(value)} is not a Module subclass")
    owner = type(module).__name__
    if isinstance(value, list | tuple) and owner == "Sequential":
        error.add_note(
            f"{owner} takes its modules one by one: unpack the {type(value).__name__} with *, as in "
            "nn.Sequential(*layers), or give them names with nn.Sequential(OrderedDict(...))"
        )
    elif isinstance(value, type):
        error.add_note(
            f"{value.__name__} is a class: make a module of it by calling it, {value.__name__}(...)"
        )
    elif callable(value):
        error.add_note(
            "a plain function has no parameters to register: call it in forward(), or wrap it in a Module"
        )
    return error


def _after_module_hooks(module: Module, name: str, child: Module | None) -> Module | None:
    for hook in _hooks._global_module_registration_hooks.values():
        answer = hook(module, name, child)
        child = child if answer is None else answer
    return child


def is_tensor_like(value: Any) -> bool:
    return isinstance(value, Tensor) or hasattr(value, "__torch_function__")


# -- assignment, `module.name = value` -------------------------------------------------------------


def assign_parameter(module: Module, name: str, value: Parameter) -> None:
    check_started(module, "_parameters", "parameters")
    _forget(module, name, but="_parameters")
    module.register_parameter(name, value)


def assign_module(module: Module, name: str, value: Module) -> None:
    if name in module.__dict__.get("_parameters", ()):
        _refuse(name, value, "parameter", "torch.nn.Parameter or None expected")
    check_started(module, "_modules", "module")
    _forget(module, name, but="_modules")
    module._modules[name] = _after_module_hooks(module, name, value)


def assign_plain(module: Module, name: str, value: Any, object_setattr: Callable[[str, Any], None]) -> None:
    """Assign what is neither a Parameter nor a Module; the name may nevertheless belong to one."""
    state = module.__dict__
    if name in state.get("_parameters", ()):
        if value is not None:
            _refuse(name, value, "parameter", "torch.nn.Parameter or None expected")
        module.register_parameter(name, None)
    elif name in state.get("_modules", ()):
        if value is not None:
            _refuse(name, value, "child module", "torch.nn.Module or None expected")
        module._modules[name] = _after_module_hooks(module, name, None)
    elif isinstance(value, Buffer) or name in state.get("_buffers", ()):
        _assign_buffer(module, name, value)
    else:
        object_setattr(name, value)


def _assign_buffer(module: Module, name: str, value: Any) -> None:
    if value is not None and not is_tensor_like(value):
        _refuse(name, value, "buffer", "torch.nn.Buffer, torch.Tensor or None expected")
    check_started(module, "_buffers", "buffer")
    if isinstance(value, Buffer):
        persistent = value.persistent
    else:
        persistent = name not in module._non_persistent_buffers_set
    if "persistent" in inspect.signature(module.register_buffer).parameters:
        module.register_buffer(name, value, persistent)
    elif persistent:
        module.register_buffer(name, value)
    else:
        raise RuntimeError(
            "Registering a non-persistent buffer on a Module subclass that implements register_buffer() "
            "without "
            "the persistent argument is not allowed."
        )


def _refuse(name: str, value: Any, what: str, expected: str) -> NoReturn:
    error = TypeError(f"cannot assign '{type_name(value)}' as {what} '{name}' ({expected})")
    if what == "parameter" and isinstance(value, Tensor):
        error.add_note(
            "wrap it, nn.Parameter(value), to replace the parameter; copy into it under no_grad() to "
            "change its "
            f"values; or `del module.{name}` first to keep a plain tensor there"
        )
    raise error


def _forget(module: Module, name: str, but: str) -> None:
    """Take `name` out of wherever else it is registered, so that the new registration is seen."""
    state = module.__dict__
    state.pop(name, None)
    for store in ("_parameters", "_buffers", "_modules"):
        if store != but:
            state[store].pop(name, None)
    state["_non_persistent_buffers_set"].discard(name)


# -- finding by dotted path ------------------------------------------------------------------------


def no_attribute(module: Module, name: str) -> AttributeError:
    owner = type(module).__name__
    error = AttributeError(f"'{owner}' object has no attribute '{name}'", name=name, obj=module)
    if isinstance(getattr(type(module), name, None), property):
        # Python asks __getattr__ after a property has failed, which hides the property's own message.
        error.add_note(f"{owner}.{name} is a property whose code raised an AttributeError")
    elif name in ("_parameters", "_buffers", "_modules"):
        error.add_note(f"call super().__init__() first in {owner}.__init__")
    return error


def find_submodule(module: Module, target: str) -> Module:
    from flambeau.nn.modules.module import Module

    if target == "":
        return module
    for name in target.split("."):
        if not hasattr(module, name):
            raise AttributeError(f"{module._get_name()} has no attribute `{name}`")
        module = getattr(module, name)
        if not isinstance(module, Module):
            raise AttributeError(f"`{name}` is not an nn.Module")
    return module


def set_submodule(module: Module, target: str, new: Module, strict: bool) -> None:
    from flambeau.nn.modules.module import Module

    if target == "":
        raise ValueError("Cannot set the submodule without a target name!")
    path, _, name = target.rpartition(".")
    if not isinstance(new, Module):
        raise ValueError(f"`module` is not an nn.Module, found {type(new)}")
    parent = find_submodule(module, path)
    if strict and not hasattr(parent, name):
        raise AttributeError(f"{parent._get_name()} has no attribute `{name}`")
    if hasattr(parent, name) and not isinstance(getattr(parent, name), Module):
        raise AttributeError(f"`{name}` is not an nn.Module")
    setattr(parent, name, new)


def find_parameter(module: Module, target: str) -> Parameter:
    owner, name = _owner_of(module, target)
    param = getattr(owner, name)
    if not isinstance(param, Parameter):
        raise AttributeError(f"`{name}` is not an nn.Parameter")
    return param


def find_buffer(module: Module, target: str) -> Tensor:
    owner, name = _owner_of(module, target)
    buffer = getattr(owner, name)
    if name not in owner._buffers:
        raise AttributeError(f"`{name}` is not a buffer")
    return buffer


def _owner_of(module: Module, target: str) -> tuple[Module, str]:
    path, _, name = target.rpartition(".")
    owner = find_submodule(module, path)
    if not hasattr(owner, name):
        raise AttributeError(f"{owner._get_name()} has no attribute `{name}`")
    return owner, name
