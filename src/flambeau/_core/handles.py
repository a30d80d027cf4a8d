"""The handle that registering a hook returns, for hooks on tensors, on tape nodes, on modules and on optimizers alike."""

from __future__ import annotations

import weakref
from collections import OrderedDict
from types import TracebackType
from typing import Any


class RemovableHandle:
    """What registering a hook returns: `remove()` takes the hook away again, as does leaving a `with` block.

    Args:
        hooks_dict: the dict that holds the hook; the handle becomes its key there.
        extra_dict: a dict, or a list of dicts, that may hold something more under the same key.
    """

    id: int
    next_id: int = 0

    def __init__(self, hooks_dict: Any, *, extra_dict: Any = None) -> None:
        self.hooks_dict_ref = weakref.ref(hooks_dict)
        self.id = RemovableHandle.next_id
        RemovableHandle.next_id += 1
        self.extra_dict_ref: tuple[weakref.ref[Any], ...] = tuple(map(weakref.ref, _as_dicts(extra_dict)))

    def remove(self) -> None:
        """Take the hook away; doing so twice is harmless."""
        for reference in (self.hooks_dict_ref, *self.extra_dict_ref):
            hooks = reference()
            if hooks is not None:
                hooks.pop(self.id, None)

    def put(self, hooks_dict: Any, hook: Any) -> None:
        """Make this the handle of a hook, and put the hook there."""
        self.hooks_dict_ref = weakref.ref(hooks_dict)
        hooks_dict[self.id] = hook

    def __getstate__(self) -> tuple[Any, ...]:
        if not self.extra_dict_ref:
            return (self.hooks_dict_ref(), self.id)
        return (self.hooks_dict_ref(), self.id, tuple(reference() for reference in self.extra_dict_ref))

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        hooks, self.id, *extra = state
        # The dict may have died before pickling; an empty one then stands in, so that remove() stays
        # harmless.
        self.hooks_dict_ref = weakref.ref(OrderedDict() if hooks is None else hooks)
        self.extra_dict_ref = tuple(
            weakref.ref(OrderedDict() if more is None else more) for more in (extra[0] if extra else ())
        )
        RemovableHandle.next_id = max(RemovableHandle.next_id, self.id + 1)

    def __enter__(self) -> RemovableHandle:
        return self

    def __exit__(
        self, type: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None
    ) -> None:
        self.remove()


def _as_dicts(extra: Any) -> list[Any]:
    if extra is None:
        return []
    return list(extra) if isinstance(extra, list) else [extra]
