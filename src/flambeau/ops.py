"""`torch.ops`: operators by namespace. `ops.my.name` is what a program defined, `ops.aten.name` an operation of flambeau's.

>>> flambeau.ops.aten.add.Tensor(flambeau.ones(2), flambeau.ones(2))
tensor([2., 2.])
"""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any, NoReturn

from flambeau._core.declare import registry as _registry
from flambeau._library import operator as _operator

loaded_libraries: set[str] = set()


def load_library(path: Any) -> NoReturn:
    """Raises OSError: a library of C++ operators is built against PyTorch's own binaries."""
    raise OSError(f"{path} holds C++ operators for PyTorch, which flambeau cannot load")


class _OpNamespace(ModuleType):
    """The operators of one namespace."""

    def __init__(self, name: str) -> None:
        super().__init__(f"torch.ops.{name}")
        self.name = name

    def _operator(self, name: str) -> Any:
        return _operator.packets.get(f"{self.name}::{name}")

    def __getattr__(self, name: str) -> Any:
        found = None if name.startswith("__") else self._operator(name)
        if found is None:
            raise AttributeError(
                f"'_OpNamespace' '{self.__dict__.get('name')}' object has no attribute '{name}'"
            )
        return found

    def __dir__(self) -> list[str]:
        start = f"{self.name}::"
        return [name.removeprefix(start) for name in _operator.packets if name.startswith(start)]


class _Aten(_OpNamespace):
    """flambeau's operations under the names that PyTorch gives them inside."""

    def _operator(self, name: str) -> Any:
        function = _declared(name)
        if function is None:
            return None
        found = self.__dict__[name] = AtenOperator(name, function)
        return found


def _declared(name: str) -> Callable[..., Any] | None:
    """The public function that does what `aten::name` does."""
    family, _, rest = name.partition("_")
    places = [name, f"nn.functional.{name}", f"Tensor.{name}"]
    if family in ("linalg", "fft", "special"):
        places.append(f"{family}.{rest}")
    return next((_registry[place] for place in places if place in _registry), None)


# Names that overloads have: what stands in an argument's place, or which arguments there are.
_OVERLOADS = frozenset(
    """
    default out self other int float bool complex str dim dims dtype size generator correction start
    start_step step Tensor Scalar IntList Tensor_out Scalar_out Scalar_Tensor Tensor_Scalar Tensor_Tensor
    ScalarList List Tensor_mode Scalar_mode Int Float Dimname dim_IntList dim_max dim_min dim_out
    IntList_out int_out names_dim ScalarSelf ScalarOther Scalar_self SelfScalar other_scalar self_float
    indices sections value source src ord_str vec unary_out low Tensor_src Scalar_src Tensor_value
    value_reduce reduce two_d Tensor_indices Tensor_float Float_out all_dim
    """.split()  # noqa: SIM905 - as a list it fills a page
)


class AtenOperator:
    """An operation with its overloads as attributes, all of which are the same function here."""

    def __init__(self, name: str, function: Callable[..., Any]) -> None:
        self.__name__, self._function = name, function

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        if "self" in kwargs:
            args = (kwargs.pop("self"), *args)
        return self._function(*args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        if name not in _OVERLOADS:
            raise AttributeError(
                f"The underlying op of 'aten.{self.__dict__.get('__name__')}' has no overload name '{name}'"
            )
        return self

    def __str__(self) -> str:
        return f"aten.{self.__name__}"

    def __repr__(self) -> str:
        return f"<OpOverloadPacket(op='{self}')>"


aten = _Aten("aten")


def __getattr__(name: str) -> _OpNamespace:
    if name.startswith("__"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = globals()[name] = _OpNamespace(name)
    return found
