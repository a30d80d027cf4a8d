"""Modules and parameters that a plain list, tuple or dict hides from the module that holds it.

Only attributes that are Modules or Parameters themselves are registered. What sits in a Python container is
not moved, saved or trained, which PyTorch leaves to be found out. Here it is told:
`flambeau.inspect.check(model)` lists it, and optimizers ask `explain_empty_parameters` and `left_out` when
they are made.
"""

from __future__ import annotations

import threading
import weakref
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from flambeau._core.tensor import Tensor
from flambeau.nn.parameter import Parameter

if TYPE_CHECKING:
    from flambeau.nn.modules.module import Module

REMEMBERED_MODULES = 16
DEEPEST_NESTING = 4


@dataclass(frozen=True)
class Finding:
    """Something a module holds without having registered it.

    Attributes:
        path: dotted path of the attribute, from the module that was checked.
        kind: "modules", "parameters" or "tensor".
        message: what was found and what to do.
        parameters: those concerned that would have been trained.
    """

    path: str
    kind: str
    message: str
    parameters: tuple[Parameter, ...] = ()

    def __str__(self) -> str:
        return f"{self.path}: {self.message}"


def find_unregistered(model: Module) -> list[Finding]:
    """Look through the attributes of `model` and of all its submodules for what they hide."""
    from flambeau.nn.modules.module import Module  # which imports this file

    registered = {id(module) for module in model.modules()}
    trained = {id(param) for _, param in model.named_parameters()}  # not parameters(), which remembers calls
    findings: list[Finding] = []
    for prefix, module in model.named_modules():
        for name, value in vars(module).items():
            if name not in Module.__annotations__:  # the stores themselves
                path = f"{prefix}.{name}" if prefix else name
                findings.extend(_inspect_attribute(path, value, registered, trained))
    return findings


def _inspect_attribute(path: str, value: Any, registered: set[int], trained: set[int]) -> Iterator[Finding]:
    from flambeau.nn.modules.module import Module

    if not isinstance(value, list | tuple | dict):
        return
    held = list(_contents(value))
    modules = [part for part in held if isinstance(part, Module) and id(part) not in registered]
    parameters = [part for part in held if isinstance(part, Parameter) and id(part) not in trained]
    kind = type(value).__name__
    if modules:
        container = "nn.ModuleDict" if isinstance(value, dict) else "nn.ModuleList"
        below = [
            param for part in modules for _, param in part.named_parameters() if id(param) not in trained
        ]
        yield Finding(
            path, "modules", _advice(kind, _count(modules), container, path, below), _learnable(below)
        )
    if parameters:
        container = "nn.ParameterDict" if isinstance(value, dict) else "nn.ParameterList"
        yield Finding(
            path,
            "parameters",
            _advice(kind, _count(parameters), container, path, parameters),
            _learnable(parameters),
        )


def _contents(container: Any, depth: int = 0) -> Iterator[Any]:
    """The items of a plain container and of plain containers inside it."""
    for item in container.values() if isinstance(container, dict) else container:
        if isinstance(item, list | tuple | dict) and depth < DEEPEST_NESTING:
            yield from _contents(item, depth + 1)
        else:
            yield item


def _learnable(parameters: Iterable[Parameter]) -> tuple[Parameter, ...]:
    return tuple({id(param): param for param in parameters if param.requires_grad}.values())


def _count(parts: list[Any]) -> str:
    kinds = sorted({type(part).__name__ for part in parts})
    named = ", ".join(kinds[:3]) + (", ..." if len(kinds) > 3 else "")
    return f"{len(parts)} x {named}" if len(kinds) == 1 else f"{len(parts)} modules ({named})"


def _advice(kind: str, parts: str, container: str, path: str, parameters: list[Parameter]) -> str:
    attribute = path.rpartition(".")[2]
    lost = f", so {len(parameters)} parameters are not trained, moved or saved" if parameters else ""
    return (
        f"a plain {kind} holds {parts}, which registers nothing{lost}. Use self.{attribute} = "
        f"{container}(...)"
    )


# -- for optimizers --------------------------------------------------------------------------------


class _Listed(threading.local):
    """What `Module.parameters` has lately been asked on this thread."""

    def __init__(self) -> None:
        self.modules: deque[weakref.ref[Module]] = deque(maxlen=REMEMBERED_MODULES)
        # A text rather than the module: in SGD(Net().parameters()) the module is gone by the time of the
        # error.
        self.empty: str | None = None


_listed = _Listed()


def remember_listed(module: Module, found_any: bool) -> None:
    """Note that `module.parameters()` was listed to its end, and whether it found anything."""
    recent = _listed.modules
    if not recent or recent[-1]() is not module:
        recent.append(weakref.ref(module))
    _listed.empty = None if found_any else _describe_empty(module)


def _describe_empty(module: Module) -> str:
    owner = type(module).__name__
    findings = find_unregistered(module)
    if findings:
        return "\n".join(f"{owner}.{finding}" for finding in findings)
    return f"{owner} has no parameters: no attribute of it is an nn.Parameter or a module that has some"


def explain_empty_parameters() -> str | None:
    """Why the parameters that this thread last listed leave nothing to train; None if they do not."""
    if _listed.empty is not None or not _listed.modules:
        return _listed.empty
    module = _listed.modules[-1]()
    if module is None or any(param.requires_grad for _, param in module.named_parameters()):
        return None
    return f"every parameter of {type(module).__name__} has requires_grad=False"


def left_out(parameters: Iterable[Tensor]) -> list[str]:
    """What an optimizer of these parameters would leave untrained because a plain container hides it.

    Only modules that the optimizer trains in part are looked at. A container of one module is let pass:
    that is how a module is kept out of another on purpose.

    Args:
        parameters: all that the optimizer has.
    """
    given = {id(param) for param in parameters}
    messages = []
    for module in filter(None, [reference() for reference in _listed.modules]):
        if not any(id(param) in given for _, param in module.named_parameters()):
            continue
        for finding in find_unregistered(module):
            forgotten = [param for param in finding.parameters if id(param) not in given]
            if forgotten and not _is_deliberate(module, finding):
                messages.append(f"{type(module).__name__}.{finding}")
    return list(dict.fromkeys(messages))


def _is_deliberate(module: Module, finding: Finding) -> bool:
    owner, _, attribute = finding.path.rpartition(".")
    container = getattr(module.get_submodule(owner), attribute)
    return finding.kind == "modules" and len(container) == 1
