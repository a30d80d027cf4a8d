"""`flambeau.compile`: a function that is recorded at one call and replayed at the next ones.

The first call with arguments of a kind (shapes, dtypes, other values) runs as written: optimizers and lazy modules begin
their state there. The second is recorded and becomes a `Program`. Where something else has changed, and no program fits, one
more call runs as written before the next is recorded. Calls 2, 4, 8, ... of a program are recorded again and
compared, so that a function whose work depends on something unseen is found out.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from flambeau._core import dtype as dtypes
from flambeau._core.assigned import SCALARS
from flambeau._core.capture import Recording
from flambeau._core.capture_call import capture_call
from flambeau._core.declare import typed
from flambeau._core.describe import WHERE
from flambeau._core.modes import modes
from flambeau._core.program import Program, kinds_of
from flambeau._core.pytree import TreeSpec, containers_in, tree_flatten
from flambeau._core.remembered import Remembered
from flambeau._core.tensor import Tensor
from flambeau._core.trace import local

# Programs for one kind of arguments; when more are wanted something keeps changing, and the function runs as written.
PROGRAM_LIMIT = 8
# Kinds of arguments that are remembered.
KIND_LIMIT = 64


class _Entry:
    """The programs for arguments of one kind."""

    def __init__(self, kept: Sequence[Any]) -> None:
        self.kept = kept  # what the key names by id lives
        self.programs: list[Program] = []
        self.given_up = False
        # Whether the function has run as written since it was recorded last. What it makes only once in a new situation,
        # such as an optimizer's state, is there when it is recorded.
        self.ran = True


class Compiled:
    """A function, with the programs that its calls became.

    Args:
        function: any callable.
        limit: programs for one kind of arguments.
    """

    def __init__(self, function: Callable[..., Any], limit: int | None = None) -> None:
        self.function = function
        self.limit = PROGRAM_LIMIT if limit is None else limit
        self._entries: Remembered[_Entry] = Remembered(KIND_LIMIT)
        self._lock = threading.RLock()

    def reset(self) -> None:
        """Forgets all programs."""
        self._entries.clear()

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        # The hooks around it look at each tensor that the function saves, in turn.
        if isinstance(local.trace, Recording) or stance.eager or modes.saved_hooks:
            return self.function(*args, **kwargs)
        leaves: Sequence[Any] = args
        spec: TreeSpec | None = None
        if kwargs or not all(isinstance(argument, Tensor) for argument in args):
            leaves, spec = tree_flatten((args, kwargs))
        tensors = [leaf for leaf in leaves if isinstance(leaf, Tensor)]
        key = _key(leaves, spec)
        entry = self._entries.get(key)
        if entry is None:
            result = self.function(*args, **kwargs)
            self._entries.find(key, lambda: _Entry([leaf for leaf in leaves if type(leaf) is not Tensor]))
            return result
        if entry.given_up:
            return self.function(*args, **kwargs)
        change = ""
        for program in entry.programs:
            given = containers_in(args, kwargs) if program.takes_containers else ()
            change = program.change(tensors, given)
            if not change:
                program.calls += 1
                if program.calls & (program.calls - 1) == 0 and program.calls > 1:
                    return self._run_again(program, args, kwargs, tensors)
                return program.run(tensors, given=given)
        with self._lock:
            if len(entry.programs) >= self.limit:
                self._give_up(entry, change)
                return self.function(*args, **kwargs)
            if not entry.ran:
                entry.ran = True
                return self.function(*args, **kwargs)
            program, drawn = capture_call(self.function, args, kwargs, tensors)
            program.settle()
            entry.programs.insert(0, program)
            entry.ran = False
        program.calls = 1
        return program.run(tensors, drawn, containers_in(args, kwargs))

    def _run_again(
        self, program: Program, args: Sequence[Any], kwargs: dict[str, Any], tensors: Sequence[Tensor]
    ) -> Any:
        """Runs a program whose call is recorded once more, to be sure."""
        again, drawn = capture_call(self.function, args, kwargs, tensors)
        if not program.equals(again):
            raise RuntimeError(
                f"{self._name()} did something else {WHERE} than at an earlier call, though its arguments are alike and "
                f"nothing that was seen has changed: {program.difference(again)}. Python's random numbers, the time, or a "
                "count kept elsewhere may decide; make it an argument, or draw with torch.rand."
            )
        return program.run(tensors, drawn, containers_in(args, kwargs))

    def _give_up(self, entry: _Entry, change: str) -> None:
        entry.given_up = True
        entry.programs.clear()
        print(
            f"flambeau: {self._name()} was compiled {self.limit} times because {change}; it runs uncompiled for such "
            "arguments from now on. Keep it fixed, or give it as a tensor.",
            file=sys.stderr,
        )

    def _name(self) -> str:
        return getattr(self.function, "__qualname__", None) or type(self.function).__name__


def _key(leaves: Sequence[Any], spec: TreeSpec | None) -> Any:
    """What a program depends on that can be told from the arguments and the modes."""
    key: list[Any] = [spec, modes.grad, modes.inference, modes.anomaly, dtypes.get_default_dtype()]
    if modes.autocast is not None:
        key.append(tuple(modes.autocast.items()))
    tensors = []
    for number, leaf in enumerate(leaves):
        if isinstance(leaf, Tensor):
            tensors.append(leaf)
        elif isinstance(leaf, SCALARS):
            key.append(typed(leaf))
        elif isinstance(leaf, np.ndarray):
            raise TypeError(
                f"Argument {number} of a compiled function is a NumPy array, whose values it would not look at again: give a "
                "tensor (torch.from_numpy)."
            )
        else:
            key.append(id(leaf))
    key += kinds_of(tensors)
    return tuple(key)


class _Stance:
    """How compiled functions are called, set by `torch.compiler.set_stance`."""

    eager = False


stance = _Stance()


def is_compiling() -> bool:
    """Whether this thread is recording a function for `flambeau.compile`, export or a transformation."""
    return isinstance(local.trace, Recording)
