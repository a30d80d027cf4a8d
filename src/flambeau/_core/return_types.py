"""What operations with several named results return: tuples with a field for each, such as
`torch.return_types.max`.

They are PyTorch's: made from one sequence, compared and unpacked like tuples, and printed a field a line.

>>> import flambeau
>>> flambeau.tensor([3.0, 5.0]).max(dim=0)
torch.return_types.max(
values=tensor(5.),
indices=tensor(1))
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NoReturn

_FIELDS = {
    "_lu_with_info": "LU pivots info",
    "aminmax": "min max",
    "cummax": "values indices",
    "cummin": "values indices",
    "frexp": "mantissa exponent",
    "geqrf": "a tau",
    "histogram": "hist bin_edges",
    "histogramdd": "hist bin_edges",
    "kthvalue": "values indices",
    "linalg_cholesky_ex": "L info",
    "linalg_eig": "eigenvalues eigenvectors",
    "linalg_eigh": "eigenvalues eigenvectors",
    "linalg_inv_ex": "inverse info",
    "linalg_ldl_factor": "LD pivots",
    "linalg_ldl_factor_ex": "LD pivots info",
    "linalg_lstsq": "solution residuals rank singular_values",
    "linalg_lu": "P L U",
    "linalg_lu_factor": "LU pivots",
    "linalg_lu_factor_ex": "LU pivots info",
    "linalg_qr": "Q R",
    "linalg_slogdet": "sign logabsdet",
    "linalg_solve_ex": "result info",
    "linalg_svd": "U S Vh",
    "lu_unpack": "P L U",
    "max": "values indices",
    "median": "values indices",
    "min": "values indices",
    "mode": "values indices",
    "nanmedian": "values indices",
    "qr": "Q R",
    "slogdet": "sign logabsdet",
    "sort": "values indices",
    "svd": "U S V",
    "topk": "values indices",
    "triangular_solve": "solution cloned_coefficient",
}


class Field:
    """Read access to one item of a result by its name."""

    def __init__(self, position: int, name: str) -> None:
        self.position, self.name = position, name

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        return self if instance is None else instance[self.position]

    def __set__(self, instance: Any, value: Any) -> NoReturn:
        raise AttributeError("readonly attribute")


class StructSequence(tuple[Any, ...]):
    """Base of the classes below: a tuple of fixed length whose items have names."""

    __slots__ = ()

    n_fields = n_sequence_fields = n_unnamed_fields = 0
    __match_args__: tuple[str, ...] = ()

    def __new__(cls, sequence: Sequence[Any], dict: Any = None) -> StructSequence:
        try:
            items = tuple(sequence)
        except TypeError:
            raise TypeError("constructor requires a sequence") from None
        if len(items) != cls.n_fields:
            raise TypeError(
                f"torch.return_types.{cls.__name__}() takes a {cls.n_fields}-sequence "
                f"({len(items)}-sequence given)"
            )
        return super().__new__(cls, items)

    def __repr__(self) -> str:
        fields = ",\n".join(f"{name}={item!r}" for name, item in zip(self.__match_args__, self, strict=True))
        return f"torch.return_types.{type(self).__name__}(\n{fields})"

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (tuple(self), {})


def _define(name: str, fields: tuple[str, ...]) -> type[StructSequence]:
    count = len(fields)
    namespace: dict[str, Any] = {field: Field(position, field) for position, field in enumerate(fields)}
    namespace |= {"__slots__": (), "__match_args__": fields, "n_fields": count, "n_sequence_fields": count}
    # Pickles name the public module, not this one.
    namespace["__module__"] = "flambeau.return_types"
    return type(name, (StructSequence,), namespace)


all_return_types: list[type[StructSequence]] = [
    _define(name, tuple(text.split())) for name, text in _FIELDS.items()
]
_by_name = {each.__name__: each for each in all_return_types}
globals().update(_by_name)


def named_result(name: str, items: Sequence[Any]) -> Any:
    """The results of the function `name` under their names: `torch.return_types.<name>(items)`."""
    return _by_name[name](items)
