"""Hooks before a module's forward that stand for a way of making one of its parameters."""

from __future__ import annotations

from typing import Any

from flambeau.nn.modules.module import Module


def take_out(module: Module, kind: type, attribute: str, name: str) -> bool:
    """Has the module's pre-hook of this kind, whose `attribute` is `name`, undo itself, and takes it out.

    False, if there is none.
    """
    hooks: Any = module._forward_pre_hooks
    for key, hook in hooks.items():
        if isinstance(hook, kind) and getattr(hook, attribute) == name:
            hook.remove(module)  # type: ignore[attr-defined]
            del hooks[key]
            return True
    return False
