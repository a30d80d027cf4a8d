"""Looking at the graph and deciding what becomes of saved tensors."""

from __future__ import annotations

import contextlib
import threading
import weakref
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from flambeau._core.autograd import Node, edge_of
from flambeau._core.handles import RemovableHandle
from flambeau._core.modes import modes
from flambeau._core.tensor import Tensor
from flambeau._core.walk import current_walk


class GradientEdge(NamedTuple):
    """A place of the graph: the gradient of output `output_nr` of `node`."""

    node: Node
    output_nr: int


def get_gradient_edge(tensor: Tensor) -> GradientEdge:
    """The place where the gradient of a tensor arrives."""
    if not tensor.requires_grad:
        raise RuntimeError(
            "It is not possible to get the gradient edge for a Tensor that does not require gradients"
        )
    edge = edge_of(tensor)
    assert edge is not None
    return GradientEdge(*edge)


class saved_tensors_hooks:
    """Context: tensors saved for backward go through `pack_hook`, and come back through `unpack_hook`."""

    def __init__(self, pack_hook: Callable[[Tensor], Any], unpack_hook: Callable[[Any], Tensor]) -> None:
        self.pack_hook, self.unpack_hook = pack_hook, unpack_hook

    def __enter__(self) -> None:
        if modes.hooks_refused:
            raise RuntimeError(modes.hooks_refused)
        modes.saved_hooks.append((self.pack_hook, self.unpack_hook))
        modes.watch()

    def __exit__(self, *error: object) -> None:
        modes.saved_hooks.pop()
        modes.watch()


class save_on_cpu(saved_tensors_hooks):
    """Context: tensors saved for backward wait in the CPU's memory."""

    def __init__(self, pin_memory: bool = False, device_type: str = "cuda") -> None:
        def pack(tensor: Tensor) -> tuple[Any, Tensor]:
            return tensor.device, tensor.cpu()  # type: ignore[attr-defined]

        def unpack(packed: tuple[Any, Tensor]) -> Tensor:
            return packed[1].to(packed[0])  # type: ignore[attr-defined]

        super().__init__(pack, unpack)


@contextlib.contextmanager
def disable_saved_tensors_hooks(error_message: str) -> Iterator[None]:
    """Context in which `saved_tensors_hooks` raises with this message."""
    previous, modes.hooks_refused = modes.hooks_refused, error_message
    try:
        yield
    finally:
        modes.hooks_refused = previous


class _MultiHook:
    """Collects the gradients of several tensors during one walk until the hook can run."""

    def __init__(self, nodes: Sequence[Node], function: Callable[..., Any], mode: str) -> None:
        self.nodes, self.function, self.mode = nodes, function, mode
        self.lock = threading.Lock()
        self.walks: weakref.WeakKeyDictionary[Any, list[Any]] = weakref.WeakKeyDictionary()
        self.waiting: weakref.WeakKeyDictionary[Any, int] = weakref.WeakKeyDictionary()

    def take(self, number: int) -> Callable[[Tensor], None]:
        def hook(gradient: Tensor) -> None:
            walk = current_walk()
            assert walk is not None  # gradients come in the course of a walk
            with self.lock:
                if walk not in self.walks:
                    self.walks[walk] = [None] * len(self.nodes)
                    self.waiting[walk] = (
                        1 if self.mode == "any" else sum(walk.runs(node) for node in self.nodes)
                    )  # type: ignore[union-attr]
                self.walks[walk][number] = gradient
                self.waiting[walk] -= 1
                run = self.waiting[walk] == 0
            if run:
                self.function(gradient if self.mode == "any" else self.walks[walk])

        return hook


class _Handles(RemovableHandle):
    def __init__(self, handles: Sequence[Any]) -> None:
        self.handles = tuple(handles)

    def remove(self) -> None:
        for handle in self.handles:
            handle.remove()


def register_multi_grad_hook(tensors: Sequence[Tensor], fn: Callable[..., Any], *, mode: str = "all") -> Any:
    """Calls `fn` once a backward: with the gradients of all `tensors` (None for those that it does not reach) when the last
    is known, or with the first one (`mode="any"`).
    """
    if mode not in ("all", "any"):
        raise ValueError(f"Expects mode to be one of ('all', 'any') but got {mode}")
    hooks = _MultiHook([get_gradient_edge(tensor).node for tensor in tensors], fn, mode)
    return _Handles([tensor.register_hook(hooks.take(i)) for i, tensor in enumerate(tensors)])


@contextlib.contextmanager
def allow_mutation_on_saved_tensors() -> Iterator[None]:
    """Context in which what was saved for backward may be written to in place.

    Values never change in flambeau, so what was saved is still there; only the check is switched off.
    """
    previous, modes.mutation_allowed = modes.mutation_allowed, True
    try:
        yield
    finally:
        modes.mutation_allowed = previous


def increment_version(tensor: Tensor | Sequence[Tensor]) -> None:
    """Makes autograd believe that a tensor was written to in place."""
    for each in [tensor] if isinstance(tensor, Tensor) else tensor:
        each._storage.version += 1
