"""Per-thread modes of recording: grad mode and inference mode, as context managers and decorators."""

from __future__ import annotations

import functools
import inspect
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Any, TypeVar, overload

F = TypeVar("F", bound=Callable[..., Any])


class Modes(threading.local):
    """What recording looks at, one object per thread."""

    def __init__(self) -> None:
        self.grad = True
        self.inference = False
        self.levels = 0  # so many derivatives of functions are being taken
        self.forwards = False  # derivatives of what is called are wanted forwards
        self.inside = False  # a call of a module without grad is under way
        self.anomaly = False
        self.anomaly_check_nan = True
        self.mutation_allowed = (
            False  # what was saved may be written to: values never change, so nothing is spoilt
        )
        self.autocast: dict[str, Any] | None = None  # device types under `autocast`, with the dtype of each
        self.overrides_off = False  # no `__torch_function__` is called
        self.saved_hooks: list[tuple[Any, Any]] = []
        self.recording = False  # this thread records a function
        self.watched = False  # nodes have more to do when they are made: any of anomaly mode, `saved_hooks` and `recording`
        self.hooks_refused = ""  # the message with which `saved_tensors_hooks` is refused

    def set_anomaly(self, anomaly: bool, check_nan: bool) -> None:
        self.anomaly, self.anomaly_check_nan = anomaly, check_nan
        self.watch()

    def watch(self) -> None:
        """Called when one of the modes changed that `watched` follows from."""
        self.watched = self.anomaly or self.recording or bool(self.saved_hooks)


modes = Modes()


def is_grad_enabled() -> bool:
    """Whether operations are recorded for `backward` on this thread."""
    return modes.grad


def is_inference_mode_enabled() -> bool:
    return modes.inference


def set_anomaly_enabled(mode: bool, check_nan: bool = True) -> None:
    """Switches anomaly mode on or off; `autograd.set_detect_anomaly` is the same for a `with` statement."""
    modes.set_anomaly(mode, check_nan)


def is_anomaly_enabled() -> bool:
    return modes.anomaly


def is_anomaly_check_nan_enabled() -> bool:
    return modes.anomaly_check_nan


class _Context:
    """Base of the modes below: a context manager that also decorates functions, generators and classes' methods."""

    def clone(self) -> _Context:
        return type(self)()

    def __enter__(self) -> None:
        raise NotImplementedError

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        raise NotImplementedError

    def __call__(self, function: F) -> F:
        if inspect.isclass(function):
            function.__init__ = self(function.__init__)  # type: ignore[misc,method-assign]
            return function
        if inspect.isgeneratorfunction(function):
            return _wrap_generator(self, function)  # type: ignore[return-value]

        @functools.wraps(function)
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            with self.clone():
                return function(*args, **kwargs)

        return wrapped  # type: ignore[return-value]


def _wrap_generator(context: _Context, function: Callable[..., Any]) -> Callable[..., Any]:
    """The mode holds while the generator runs, never while it is suspended."""

    @functools.wraps(function)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        generator = function(*args, **kwargs)
        action: Callable[..., Any] = generator.send
        sent: Any = None
        try:
            while True:
                try:
                    with context.clone():
                        item = action(sent)
                except StopIteration as stop:
                    return stop.value
                try:
                    sent, action = (yield item), generator.send
                except GeneratorExit:
                    with context.clone():
                        generator.close()
                    raise
                except BaseException as error:
                    sent, action = error, generator.throw
        finally:
            generator.close()

    return wrapped


class _GradMode(_Context):
    _value: bool

    def __enter__(self) -> None:
        self._previous = modes.grad
        modes.grad = self._value

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        modes.grad = self._previous


class no_grad(_GradMode):
    """Operations inside are not recorded for `backward`; results have `requires_grad=False`.

    >>> import flambeau
    >>> x = flambeau.ones(1, requires_grad=True)
    >>> with flambeau.no_grad():
    ...     y = x * 2
    >>> y.requires_grad
    False
    """

    _value = False

    @overload
    def __new__(cls, orig_func: None = None) -> no_grad: ...
    @overload
    def __new__(cls, orig_func: F) -> F: ...  # type: ignore[misc]
    def __new__(cls, orig_func: Any = None) -> Any:
        context = super().__new__(cls)
        return context if orig_func is None else context(orig_func)

    def __init__(self) -> None:
        pass


class enable_grad(_GradMode):
    """Operations inside are recorded again, within `no_grad`."""

    _value = True

    @overload
    def __new__(cls, orig_func: None = None) -> enable_grad: ...
    @overload
    def __new__(cls, orig_func: F) -> F: ...  # type: ignore[misc]
    def __new__(cls, orig_func: Any = None) -> Any:
        context = super().__new__(cls)
        return context if orig_func is None else context(orig_func)

    def __init__(self, orig_func: Any = None) -> None:
        pass


class set_grad_enabled(_GradMode):
    """Sets grad mode: at once when called, and back again at the end of a `with` block."""

    def __init__(self, mode: bool) -> None:
        if not isinstance(mode, bool):
            raise TypeError(
                f"set_grad_enabled(): argument 'enabled' (position 1) must be bool, not {type(mode).__name__}"
            )
        self._value = self.mode = mode
        self._previous = modes.grad
        modes.grad = mode

    def __enter__(self) -> None:
        modes.grad = self._value

    def clone(self) -> set_grad_enabled:
        return set_grad_enabled(self.mode)

    def __call__(self, function: F) -> F:
        modes.grad = self._previous
        return super().__call__(function)

    def __repr__(self) -> str:
        return f"{type(self).__module__}.{type(self).__qualname__}(mode={self.mode})"


class inference_mode(_Context):
    """`no_grad` whose results can never enter a graph afterwards."""

    @overload
    def __new__(cls, mode: bool = True) -> inference_mode: ...
    @overload
    def __new__(cls, mode: F) -> F: ...  # type: ignore[misc]
    def __new__(cls, mode: Any = True) -> Any:
        context = super().__new__(cls)
        if isinstance(mode, bool):
            return context
        context.mode = True
        return context(mode)

    def __init__(self, mode: bool = True) -> None:
        self.mode = mode

    def clone(self) -> inference_mode:
        return inference_mode(self.mode)

    def __enter__(self) -> None:
        self._previous = modes.grad, modes.inference
        modes.inference = self.mode
        modes.grad = not self.mode

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        modes.grad, modes.inference = self._previous
