"""Element types, how they promote, and their limits."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from functools import cache
from typing import Any, NoReturn

import ml_dtypes
import numpy


class dtype:
    """The type of a tensor's elements; one object each, so compare with `is`.

    `np` is NumPy's dtype of the same elements, None for `complex32`, which NumPy does not have.

    >>> float32, float32.itemsize, float32.to_complex()
    (torch.float32, 4, torch.complex64)
    """

    __slots__ = (
        "abbr",
        "is_complex",
        "is_floating_point",
        "is_signed",
        "itemsize",
        "name",
        "np",
        "scalar_type",
    )

    name: str
    scalar_type: str  # PyTorch's own word for it, which its messages use
    abbr: str
    np: Any
    itemsize: int
    is_floating_point: bool
    is_complex: bool
    is_signed: bool

    def __new__(cls, *args: object) -> NoReturn:
        raise TypeError(
            "cannot create 'torch.dtype' instances: use the ones there are, such as torch.float32"
        )

    def __init_subclass__(cls) -> NoReturn:
        raise TypeError("type 'torch.dtype' is not an acceptable base type")

    def to_real(self) -> dtype:
        """The dtype of a complex dtype's parts; any other dtype itself."""
        return _REAL_OF.get(self, self)

    def to_complex(self) -> dtype:
        """The complex dtype whose parts are of this dtype; for bfloat16, which has none, complex64."""
        if self not in _COMPLEX_OF:
            raise RuntimeError(f"Unknown Complex ScalarType for {self.scalar_type}")
        return _COMPLEX_OF[self]

    def __repr__(self) -> str:
        return f"torch.{self.name}"

    def __reduce__(self) -> tuple[Callable[[str], dtype], tuple[str]]:
        return dtype_named, (self.name,)

    def __copy__(self) -> dtype:
        return self

    def __deepcopy__(self, memo: object) -> dtype:
        return self


def _dtype(name: str, scalar_type: str, abbr: str, np: Any) -> dtype:
    made: dtype = object.__new__(dtype)  # type: ignore[arg-type]  # as its own __new__ refuses
    made.name, made.scalar_type, made.abbr = name, scalar_type, abbr
    made.np = None if np is None else numpy.dtype(np)
    made.itemsize = 4 if np is None else made.np.itemsize
    made.is_floating_point = "float" in name
    made.is_complex = "complex" in name
    made.is_signed = name not in ("bool", "float8_e8m0fnu") and not name.startswith("uint")
    return made


bool_ = _dtype("bool", "Bool", "b8", numpy.bool_)
uint8 = _dtype("uint8", "Byte", "u8", numpy.uint8)
uint16 = _dtype("uint16", "UInt16", "u16", numpy.uint16)
uint32 = _dtype("uint32", "UInt32", "u32", numpy.uint32)
uint64 = _dtype("uint64", "UInt64", "u64", numpy.uint64)
int8 = _dtype("int8", "Char", "i8", numpy.int8)
int16 = _dtype("int16", "Short", "i16", numpy.int16)
int32 = _dtype("int32", "Int", "i32", numpy.int32)
int64 = _dtype("int64", "Long", "i64", numpy.int64)
float16 = _dtype("float16", "Half", "f16", numpy.float16)
bfloat16 = _dtype("bfloat16", "BFloat16", "bf16", ml_dtypes.bfloat16)
float32 = _dtype("float32", "Float", "f32", numpy.float32)
float64 = _dtype("float64", "Double", "f64", numpy.float64)
complex32 = _dtype("complex32", "ComplexHalf", "c32", None)
complex64 = _dtype("complex64", "ComplexFloat", "c64", numpy.complex64)
complex128 = _dtype("complex128", "ComplexDouble", "c128", numpy.complex128)
float8_e4m3fn = _dtype("float8_e4m3fn", "Float8_e4m3fn", "f8e4m3fn", ml_dtypes.float8_e4m3fn)
float8_e5m2 = _dtype("float8_e5m2", "Float8_e5m2", "f8e5m2", ml_dtypes.float8_e5m2)
float8_e4m3fnuz = _dtype("float8_e4m3fnuz", "Float8_e4m3fnuz", "f8e4m3fnuz", ml_dtypes.float8_e4m3fnuz)
float8_e5m2fnuz = _dtype("float8_e5m2fnuz", "Float8_e5m2fnuz", "f8e5m2fnuz", ml_dtypes.float8_e5m2fnuz)
float8_e8m0fnu = _dtype("float8_e8m0fnu", "Float8_e8m0fnu", "f8e8m0fnu", ml_dtypes.float8_e8m0fnu)

_REAL_OF = {complex32: float16, complex64: float32, complex128: float64}
_COMPLEX_OF = {real: complex_ for complex_, real in _REAL_OF.items()}
_COMPLEX_OF |= {complex_: complex_ for complex_ in _REAL_OF} | {bfloat16: complex64}

FLOAT8 = frozenset({float8_e4m3fn, float8_e5m2, float8_e4m3fnuz, float8_e5m2fnuz, float8_e8m0fnu})
# PyTorch stores these but hardly computes with them; they promote only to a floating dtype.
WIDE_UNSIGNED = frozenset({uint16, uint32, uint64})

# Every dtype under its own name, in PyTorch's namespace.
DTYPES = {
    each.name: each
    for each in (
        *(bool_, uint8, uint16, uint32, uint64, int8, int16, int32, int64),
        *(float16, bfloat16, float32, float64, complex32, complex64, complex128),
        *(float8_e4m3fn, float8_e5m2, float8_e4m3fnuz, float8_e5m2fnuz, float8_e8m0fnu),
    )
}
# Its second names there. `bool`, `int` and `float` are Python's own words, so this module does not bind them.
ALIASES = {
    "half": float16,
    "float": float32,
    "double": float64,
    "chalf": complex32,
    "cfloat": complex64,
    "cdouble": complex128,
    "short": int16,
    "int": int32,
    "long": int64,
}
half, double, chalf, cfloat, cdouble = float16, float64, complex32, complex64, complex128
short, long = int16, int64


def dtype_named(name: str) -> dtype:
    """The dtype with a name or an alias of PyTorch's, such as "float32" or "long"."""
    found = DTYPES.get(name) or ALIASES.get(name)
    if found is None:
        raise ValueError(f"no dtype is named {name!r}; there are {', '.join(DTYPES)}")
    return found


# Two ways in which PyTorch's messages name element types: as C++ prints them, and as its kernels are declared.
_CPP_NAMES = {
    "bool": "bool", "uint8": "unsigned char", "int8": "signed char", "int16": "short int", "int32": "int",
    "int64": "long int", "float16": "c10::Half", "bfloat16": "c10::BFloat16", "float32": "float", "float64": "double",
    "complex64": "c10::complex<float>", "complex128": "c10::complex<double>",
}  # fmt: skip
_KERNEL_NAMES = {
    "bool": "bool", "uint8": "uint8_t", "int8": "int8_t", "int16": "int16_t", "int32": "int", "int64": "int64_t",
    "uint16": "uint16_t", "uint32": "uint32_t", "uint64": "uint64_t", "float16": "at::Half", "bfloat16": "at::BFloat16",
    "float32": "float", "float64": "double",
}  # fmt: skip


def cpp_name(of: dtype) -> str:
    """The element type as C++ prints it in PyTorch's messages: "long int"."""
    return _CPP_NAMES.get(of.name, of.name)


def kernel_name(of: dtype) -> str:
    """The element type as PyTorch's kernels declare it: "int64_t"."""
    return _KERNEL_NAMES.get(of.name, of.name)


_OF_NUMPY = {each.np: each for each in DTYPES.values() if each.np is not None}


def from_numpy_dtype(np_dtype: Any) -> dtype:
    """The dtype of a NumPy array's elements; those of `ml_dtypes` count too, which PyTorch refuses.

    Raises: TypeError, if no tensor has such elements; ValueError, if in another byte order than ours.
    """
    found = _OF_NUMPY.get(np_dtype)
    if found is not None:
        return found
    np_dtype = numpy.dtype(np_dtype)
    if np_dtype in _OF_NUMPY:
        return _OF_NUMPY[np_dtype]
    if np_dtype.newbyteorder() in _OF_NUMPY:
        raise ValueError(
            "given numpy array has byte order different from the native byte order. Conversion between byte "
            f"orders is currently not supported. Got {np_dtype.str!r}: convert it with "
            f"`array.astype({np_dtype.newbyteorder().name!r})`."
        )
    raise TypeError(
        f"can't convert np.ndarray of type {np_dtype.type.__module__}.{np_dtype.type.__name__}. The only "
        "supported types are: float64, float32, float16, complex64, complex128, int64, int32, int16, int8, "
        "uint64, uint32, uint16, uint8, and bool."
    )


# The default dtype

_default = float32

# Called when the default changes, to forget what was worked out under the last one.
depends_on_default: list[Callable[[], None]] = []


def get_default_dtype() -> dtype:
    """The floating dtype of new tensors that are not told another; float32 to begin with."""
    return _default


def set_default_dtype(d: dtype) -> None:
    """Makes `d` the floating dtype of new tensors, and of Python floats meeting integer tensors.

    Raises: TypeError, if `d` is not float16, bfloat16, float32 or float64.
    """
    global _default
    if not isinstance(d, dtype):
        raise TypeError(
            f"invalid dtype object: only floating-point types are supported as the default type, got {d!r}"
        )
    if not d.is_floating_point:
        raise TypeError(f"only floating-point types are supported as the default type, got {d}")
    if d in FLOAT8:
        raise TypeError(
            f"couldn't find storage object {d.scalar_type}Storage: {d} cannot be the default dtype"
        )
    _default = d
    _results.clear()
    for forget in depends_on_default:
        forget()


def default_complex_dtype() -> dtype:
    """The dtype of a tensor made from Python complex numbers.

    Raises: RuntimeError, if the default dtype is bfloat16, which has no complex dtype.
    """
    if _default is bfloat16:
        raise RuntimeError(
            "invalid default scalar type for complex: the default dtype is torch.bfloat16, which has none; "
            "name a dtype, such as dtype=torch.complex64"
        )
    return _default.to_complex()


def scalar_dtype(value: Any) -> dtype:
    """The dtype that a Python number alone would have in a tensor."""
    if isinstance(value, bool | numpy.bool_):
        return bool_
    if isinstance(value, int | numpy.integer):
        return int64
    if isinstance(value, float | numpy.floating):
        return _default
    if isinstance(value, complex | numpy.complexfloating):
        return default_complex_dtype()
    raise TypeError(f"expected a Python number, got {type(value).__name__}")


# Promotion


class Category(Enum):
    """How much a dtype weighs in a promotion: dimensioned tensors before 0-d ones before Python numbers."""

    TENSOR = "tensor with dimensions"
    ZERO_DIM = "tensor without dimensions"
    SCALAR = "Python number"

    __hash__ = object.__hash__  # members are hashed at every recorded operation, and Enum's own is slow


TENSOR, ZERO_DIM, SCALAR = Category.TENSOR, Category.ZERO_DIM, Category.SCALAR


def _check_dtype(value: object, function: str, argument: str, position: int) -> None:
    if not isinstance(value, dtype):
        raise TypeError(
            f"{function}(): argument '{argument}' (position {position}) must be torch.dtype, "
            f"not {type(value).__name__}"
        )


def promote_types(type1: dtype, type2: dtype) -> dtype:
    """The smallest dtype that holds the values of both.

    Raises: RuntimeError, for float8 with any other dtype, or uint16, uint32, uint64 with one not floating.
    """
    _check_dtype(type1, "promote_types", "type1", 1)
    _check_dtype(type2, "promote_types", "type2", 2)
    return _promoted(type1, type2)


@cache
def _promoted(a: dtype, b: dtype) -> dtype:
    if a is b:
        return a
    if not FLOAT8.isdisjoint((a, b)):
        raise RuntimeError(
            "Promotion for Float8 Types is not supported, attempted to promote "
            f"{a.scalar_type} and {b.scalar_type}"
        )
    low, high = sorted((a, b), key=_kind)
    if not WIDE_UNSIGNED.isdisjoint((a, b)) and not high.is_floating_point:
        raise RuntimeError(
            "Promotion for uint16, uint32, uint64 types is not supported, attempted to promote "
            f"{a.scalar_type} and {b.scalar_type}"
        )
    if high.is_complex and _kind(low) >= _kind(float32):
        return _promoted(low.to_real(), high.to_real()).to_complex()
    if _kind(low) < _kind(high):
        return high
    low, high = sorted((a, b), key=lambda each: each.itemsize)
    if low.itemsize == high.itemsize:
        return float32 if high.is_floating_point else int16  # float16 with bfloat16, uint8 with int8
    return high


def _kind(each: dtype) -> int:
    if each.is_complex:
        return 3
    if each.is_floating_point:
        return 2
    return 0 if each is bool_ else 1


_results: dict[tuple[tuple[dtype, Category], ...], dtype] = {}


def result_dtype(entries: tuple[tuple[dtype, Category], ...]) -> dtype:
    """The dtype in which operands are computed together.

    Each entry is an operand's dtype and category. A lighter category changes the result only where its kind
    (integer, floating, complex) is beyond that of the heavier ones. A Python float or complex counts as of
    the default dtype, whichever floating or complex dtype the entry says.

    >>> result_dtype(((int32, TENSOR), (float64, SCALAR)))
    torch.float32
    """
    found = _results.get(entries)
    if found is None:
        found = _results[entries] = _result_dtype(entries)
    return found


def _result_dtype(entries: tuple[tuple[dtype, Category], ...]) -> dtype:
    in_category: dict[Category, dtype] = {}
    for entry, category in entries:
        if category is SCALAR and entry.is_complex:
            entry = _default.to_complex()
        elif category is SCALAR and entry.is_floating_point:
            entry = _default
        before = in_category.get(category)
        in_category[category] = entry if before is None else _promoted(before, entry)
    result = None
    for category in reversed(Category):
        if category in in_category:
            result = _combined(in_category[category], result)
    if result is None:
        raise ValueError("result_dtype needs at least one entry")
    return result


def _combined(heavier: dtype, lighter: dtype | None) -> dtype:
    if lighter is None or heavier.is_complex:
        return heavier
    if heavier.is_floating_point:
        return heavier.to_complex() if lighter.is_complex else heavier
    if lighter.is_complex:
        return lighter
    if heavier is bool_ or lighter.is_floating_point:
        return _promoted(heavier, lighter)
    return heavier


def can_cast(from_: dtype, to: dtype) -> bool:
    """Whether a result of dtype `from_` may be written to a tensor of dtype `to`: kinds only go up."""
    _check_dtype(from_, "can_cast", "from_", 1)
    _check_dtype(to, "can_cast", "to", 2)
    return _kind(from_) <= _kind(to)


# Limits


class finfo:
    """Limits of a floating dtype, or of a complex dtype's parts; of the default dtype if none is given."""

    __slots__ = ("bits", "dtype", "eps", "max", "min", "resolution", "smallest_normal", "tiny")
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, type: dtype | None = None) -> None:
        if type is None:
            type = _default
        _check_dtype(type, "finfo", "type", 1)
        real = type.to_real()
        if not real.is_floating_point:
            raise TypeError(
                "torch.finfo() requires a floating point input type. Use torch.iinfo to handle 'torch.finfo'"
                f", got {type}"
            )
        limits: Any = ml_dtypes.finfo(real.np)  # type: ignore[no-untyped-call]
        self.dtype = real.name
        self.bits = real.itemsize * 8
        # PyTorch gives half the spacing that float8_e5m2fnuz has.
        self.eps = 0.125 if real is float8_e5m2fnuz else float(limits.eps)
        self.max = float(limits.max)
        self.min = float(limits.min)
        self.tiny = self.smallest_normal = float(limits.smallest_normal)
        self.resolution = 1.0 if real in FLOAT8 else float(f"1e-{limits.precision}")

    def __repr__(self) -> str:
        return (
            f"finfo(resolution={self.resolution:g}, min={self.min:g}, max={self.max:g}, eps={self.eps:g}, "
            f"smallest_normal={self.smallest_normal:g}, tiny={self.tiny:g}, dtype={self.dtype})"
        )

    def __eq__(self, other: object) -> bool:
        return self.dtype == other.dtype if isinstance(other, finfo) else NotImplemented


class iinfo:
    """Limits of an integer dtype."""

    __slots__ = ("bits", "dtype", "max", "min")
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, type: dtype) -> None:
        _check_dtype(type, "iinfo", "type", 1)
        if type.is_floating_point or type.is_complex:
            raise TypeError(
                "torch.iinfo() requires an integer input type. Use torch.finfo to handle 'torch.iinfo', "
                f"got {type}"
            )
        if type is bool_:
            raise TypeError("torch.bool is not supported by torch.iinfo")
        limits = numpy.iinfo(type.np)
        self.dtype = type.name
        self.bits = type.itemsize * 8
        self.max = int(limits.max)
        self.min = int(limits.min)

    def __repr__(self) -> str:
        return f"iinfo(min={self.min:g}, max={self.max:g}, dtype={self.dtype})"

    def __eq__(self, other: object) -> bool:
        return self.dtype == other.dtype if isinstance(other, iinfo) else NotImplemented


# Memory formats and layouts


class _Named:
    """A constant of PyTorch's namespace that is nothing but its name."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return f"torch.{self.name}"

    def __reduce__(self) -> tuple[Callable[[str], _Named], tuple[str]]:
        return _constant_named, (self.name,)

    def __copy__(self) -> _Named:
        return self

    def __deepcopy__(self, memo: object) -> _Named:
        return self


class memory_format(_Named):
    """An order of a tensor's elements in memory. XLA chooses its own, so it changes no result."""

    __slots__ = ()


class layout(_Named):
    """How a tensor is stored; every tensor here is `strided`."""

    __slots__ = ()


contiguous_format = memory_format("contiguous_format")
channels_last = memory_format("channels_last")
channels_last_3d = memory_format("channels_last_3d")
preserve_format = memory_format("preserve_format")
strided = layout("strided")
sparse_coo = layout("sparse_coo")
sparse_csr = layout("sparse_csr")
sparse_csc = layout("sparse_csc")
sparse_bsr = layout("sparse_bsr")
sparse_bsc = layout("sparse_bsc")
jagged = layout("jagged")

_CONSTANTS: dict[str, _Named] = {
    each.name: each
    for each in (
        *(contiguous_format, channels_last, channels_last_3d, preserve_format),
        *(strided, sparse_coo, sparse_csr, sparse_csc, sparse_bsr, sparse_bsc, jagged),
    )
}


def _constant_named(name: str) -> _Named:
    return _CONSTANTS[name]
