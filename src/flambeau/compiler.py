"""`torch.compile` and `torch.compiler`: functions that are recorded once and replayed as one program.

`compile(fn)` records a call of `fn`, a whole training step with `backward()` and `optimizer.step()` if it is one, and replays
it without running its Python again. Whatever the function looked at (attributes, options, globals, `train()` or `eval()`,
shapes) is compared before each replay; if it changed, the function is recorded anew. What cannot be recorded, such as
`.item()` or `if loss > 1:`, is an error that names the line.
"""

from __future__ import annotations

import contextlib
import functools
import weakref
from collections.abc import Callable
from typing import Any, TypeVar

from flambeau._core.compiled import Compiled, is_compiling, stance
from flambeau.nn.modules.module import Module

__all__ = [
    "allow_in_graph", "assume_constant_result", "compile", "cudagraph_mark_step_begin", "disable", "is_compiling",
    "is_dynamo_compiling", "is_exporting", "list_backends", "reset", "set_stance",
]  # fmt: skip

F = TypeVar("F", bound=Callable[..., Any])

_MODES = ("default", "reduce-overhead", "max-autotune", "max-autotune-no-cudagraphs")
_BACKENDS = ("inductor", "eager", "aot_eager", "cudagraphs", "openxla", "tvm")


def compile(
    model: Any = None, *, fullgraph: bool = False, dynamic: bool | None = None, backend: Any = None, mode: str | None = None,
    options: dict[str, Any] | None = None, name: str | None = None, disable: bool = False, recompile_limit: int | None = None,
    isolate_recompiles: bool = False, shapes_spec: Any = None,
) -> Any:  # fmt: skip
    """The function or module, recorded at its second call and replayed from then on; also as a decorator.

    Args:
        fullgraph: accepted; there are no graph breaks here in any case.
        dynamic: accepted; each combination of shapes has its program.
        backend: the name of one of PyTorch's backends, all of which mean XLA here; "eager" runs the function as it is.
        mode, options: accepted, as hints to a compiler that takes none.
        disable: gives the function as it is.
        recompile_limit: programs for arguments of one kind; beyond, the function runs uncompiled.

    Raises: TypeError for what cannot be called, RuntimeError for an unknown mode or backend.

    >>> import flambeau
    >>> @flambeau.compile
    ... def double(x):
    ...     return x * 2
    >>> [double(flambeau.tensor(float(n))).item() for n in range(3)]
    [0.0, 2.0, 4.0]
    """
    if mode is not None and options is not None:
        raise RuntimeError(
            "Either mode or options can be specified, but both can't be specified at the same time."
        )
    if mode is not None and mode not in _MODES:
        raise RuntimeError(f"Unrecognized mode={mode}, should be one of: {', '.join(_MODES)}")
    if callable(backend):
        raise RuntimeError(
            "backend: a function of FX graphs has nothing to work on, since flambeau records no such graphs."
        )
    if backend is not None and backend not in _BACKENDS:
        raise RuntimeError(f"Invalid backend: {backend!r}, should be one of: {', '.join(_BACKENDS)}")
    arguments = {
        "fullgraph": fullgraph, "dynamic": dynamic, "backend": backend, "mode": mode, "options": options, "name": name,
        "disable": disable, "recompile_limit": recompile_limit, "isolate_recompiles": isolate_recompiles,
        "shapes_spec": shapes_spec,
    }  # fmt: skip
    if model is None:
        return functools.partial(compile, **arguments)
    if not callable(model):
        raise TypeError(f"compile(): argument 'model' must be callable, not {type(model).__name__}")
    if disable or backend == "eager":
        return model
    if isinstance(model, OptimizedModule):
        return model
    if isinstance(model, Module):
        return OptimizedModule(model, recompile_limit)
    compiled = Compiled(model, recompile_limit)
    _all.add(compiled)

    @functools.wraps(model)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return compiled(*args, **kwargs)

    wrapper._torchdynamo_orig_callable = model  # type: ignore[attr-defined]
    return wrapper


_all: weakref.WeakSet[Compiled] = weakref.WeakSet()


class OptimizedModule(Module):
    """A module whose calls are recorded and replayed. It is the original in all else, and shares its parameters."""

    _orig_mod: Module

    def __init__(self, mod: Module, recompile_limit: int | None = None) -> None:
        super().__init__()
        self._orig_mod = mod
        self.training = mod.training
        self.__dict__["_compiled"] = compiled = Compiled(mod, recompile_limit)
        _all.add(compiled)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        return self.__dict__["_compiled"](*args, **kwargs)

    def train(self, mode: bool = True) -> Any:
        self._orig_mod.train(mode)
        return super().train(mode)

    def __getattr__(self, name: str) -> Any:
        if name == "_orig_mod":
            return self._modules["_orig_mod"]
        return getattr(self._orig_mod, name)

    def __setattr__(self, name: str, value: Any) -> None:
        if name in ("_orig_mod", "training") or "_orig_mod" not in self.__dict__.get("_modules", {}):
            super().__setattr__(name, value)
        else:
            setattr(self._orig_mod, name, value)

    def __delattr__(self, name: str) -> None:
        delattr(self._orig_mod, name)

    def __reduce__(self) -> Any:
        return OptimizedModule, (self._orig_mod,)


def is_dynamo_compiling() -> bool:
    """Whether this thread is recording a function."""
    return is_compiling()


def is_exporting() -> bool:
    """Whether this thread is recording a function."""
    return is_compiling()


def list_backends(exclude_tags: Any = ("debug", "experimental")) -> list[str]:
    """The names of backends that `compile` takes."""
    return ["cudagraphs", "inductor", "openxla", "tvm"]


def reset() -> None:
    """Forgets what all compiled functions recorded."""
    for compiled in list(_all):
        compiled.reset()


class set_stance(contextlib.ContextDecorator):
    """Has compiled functions run as they are ("force_eager"), or again compiled ("default").

    A call sets it for good, a `with` block or a decorated function for its duration.
    """

    def __init__(
        self, stance: str = "default", *, skip_guard_eval_unsafe: bool = False, force_backend: Any = None
    ) -> None:
        if stance not in ("default", "force_eager"):
            raise RuntimeError(
                f"invalid torch.compile stance {stance!r}: there are 'default' and 'force_eager'"
            )
        self._stance = stance == "force_eager"
        self._enter()

    def _enter(self) -> None:
        self._previous = stance.eager
        stance.eager = self._stance

    def __enter__(self) -> None:
        stance.eager = self._stance

    def __exit__(self, *error: object) -> None:
        stance.eager = self._previous

    def _recreate_cm(self) -> Any:
        return set_stance("force_eager" if self._stance else "default")

    def __call__(self, func: Any) -> Any:
        stance.eager = self._previous
        return super().__call__(func)


def disable(fn: Any = None, recursive: bool = True, *, reason: str | None = None) -> Any:
    """The function itself: `@disable` and `@disable(...)` mark what PyTorch should not compile.

    Inside of a compiled function it is recorded like everything else.
    """
    return fn if fn is not None else lambda function: function


def allow_in_graph(fn: Any) -> Any:
    """The function itself, or the list of them."""
    return fn


def assume_constant_result(fn: F) -> F:
    """The function itself: what it returns while it is recorded is what replays see."""
    return fn


def cudagraph_mark_step_begin() -> None:
    """Nothing to do: there are no CUDA graphs."""
