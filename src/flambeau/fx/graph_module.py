"""`GraphModule` of `torch.fx`, for `isinstance`; none is made yet."""

from typing import Any

from flambeau.nn.modules.module import Module

_USER_PRESERVED_ATTRIBUTES_KEY = "_user_preserved_attributes"


class GraphModule(Module):
    """Raises NotImplementedError when made: flambeau cannot trace programs into graphs yet."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        raise NotImplementedError("flambeau cannot trace programs into torch.fx graphs yet")


class _CodeOnlyModule(Module):
    """A module that holds another one's attributes, for making a copy of it."""

    def __init__(self, body: dict[str, Any]) -> None:
        super().__init__()
        self.__dict__ = body


def _copy_attr(from_module: Module, to_module: Module, target: str) -> None:
    """Copies the attribute at a dotted path, making empty modules on the way."""
    *path, name = target.split(".")
    for step in path:
        found = getattr(from_module, step)
        if getattr(to_module, step, None) is found:
            return  # the whole module is shared
        if not hasattr(to_module, step):
            setattr(to_module, step, Module())
        from_module, to_module = found, getattr(to_module, step)
    value = getattr(from_module, name)
    if name in from_module._buffers:
        to_module.register_buffer(name, value)
    else:
        setattr(to_module, name, value)
