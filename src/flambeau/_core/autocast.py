"""Autocast: which operations run in a lower precision, which in float32, and the state of each thread.

While autocast is off nothing here is asked. The first `autocast` of a process puts a question before the listed functions
(`_watch`); listed operations leave their usual path as long as autocast is on in some thread (`castable_types`).
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import threading
import types
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

from flambeau._core.dtype import DTYPES, dtype
from flambeau._core.modes import modes

F = TypeVar("F", bound=Callable[..., Any])

DEVICE_TYPES = ("cpu", "cuda")

# What is done with floating arguments, float64 excepted.
LOWER = "lower"  # cast to the lower precision
FLOAT32 = "float32"  # cast to float32
FLOAT32_SUM = "float32 unless dtype= is given"
PROMOTE = "promote"  # cast to the widest among them
REFUSE = "refuse"  # raise

# PyTorch's lists, by public name ("nn.functional." is left out).
_PRODUCTS = """
    addbmm addmm baddbmm bmm chain_matmul conv1d conv2d conv3d conv_tbc conv_transpose1d conv_transpose2d conv_transpose3d
    einsum linalg.multi_dot linalg.vecdot linear lstm matmul mm prelu rnn_relu rnn_relu_cell rnn_tanh rnn_tanh_cell
    scaled_dot_product_attention
"""
_LOSSES = """
    binary_cross_entropy_with_logits cdist cosine_embedding_loss hinge_embedding_loss huber_loss kl_div l1_loss
    margin_ranking_loss mse_loss multi_margin_loss multilabel_margin_loss nll_loss poisson_nll_loss smooth_l1_loss
    soft_margin_loss triplet_margin_loss
"""
_LISTS: dict[str, dict[str, str]] = {
    "cpu": {
        LOWER: _PRODUCTS + "tensordot",
        # Of the recurrent ones PyTorch computes only the products lower here, and its results are float32.
        FLOAT32: _LOSSES + """
            adaptive_avg_pool3d adaptive_max_pool3d adaptive_max_pool3d_with_indices avg_pool3d binary_cross_entropy cholesky
            cholesky_inverse cholesky_solve cross_entropy ctc_loss fft.fft fft.fft2 fft.fftn fft.hfft fft.ifft fft.ifft2
            fft.ifftn fft.ihfft fft.irfft fft.irfft2 fft.irfftn fft.rfft fft.rfft2 fft.rfftn fractional_max_pool2d
            fractional_max_pool2d_with_indices fractional_max_pool3d fractional_max_pool3d_with_indices geqrf grid_sample
            grid_sampler gru gru_cell inverse linalg.cholesky linalg.cholesky_ex linalg.cond linalg.eig linalg.eigh linalg.eigvals
            linalg.eigvalsh linalg.householder_product linalg.inv linalg.inv_ex linalg.lstsq linalg.matrix_rank linalg.qr
            linalg.solve linalg.svd linalg.svdvals linalg.tensorinv linalg.tensorsolve lstm_cell lu_solve max_pool3d
            max_pool3d_with_indices max_unpool2d max_unpool3d nanquantile orgqr ormqr pinverse polar prod qr quantile
            reflection_pad replication_pad stft svd trace triangular_solve view_as_complex
        """,
        PROMOTE: "cat index_copy stack",
    },
    "cuda": {
        LOWER: _PRODUCTS + "addmv addr gru gru_cell lstm_cell mv",
        FLOAT32: _LOSSES + """
            acos asin cosh cosine_similarity dist erfinv exp expm1 group_norm interpolate layer_norm log log10 log1p log2
            logsumexp norm pdist pow reciprocal renorm rms_norm rsqrt sinh softplus tan
        """,
        FLOAT32_SUM: "cumprod cumsum linalg.matrix_norm linalg.vector_norm log_softmax prod softmax sum",
        PROMOTE: "addcdiv addcmul atan2 bilinear cat cross dot grid_sample index_put scatter_add stack tensordot vdot",
        REFUSE: "binary_cross_entropy",
    },
}  # fmt: skip
_RULES: dict[str, dict[str, str]] = {}  # by name, then by type of device
for _kind, _lists in _LISTS.items():
    for _policy, _names in _lists.items():
        for _name in _names.split():
            _RULES.setdefault(_name, {})[_kind] = _policy


def rules_of(names: Sequence[str]) -> dict[str, str] | None:
    """The policy on each type of device for what has these public names; None where it is in no list."""
    for name in names:
        found = _RULES.get(name.removeprefix("nn.functional.").removeprefix("Tensor."))
        if found is not None:
            return found
    return None


class _State(threading.local):
    def __init__(self) -> None:
        self.enabled = dict.fromkeys(DEVICE_TYPES, False)
        self.dtypes = {"cpu": DTYPES["bfloat16"], "cuda": DTYPES["float16"]}
        self.cache_enabled = True
        self.nesting = 0
        # Weights that were cast, by id: (the weight, which must live as long, and what it was cast to).
        self.cache: dict[int, tuple[Any, Any]] = {}


state = _State()


def set_mode(device_type: str, enabled: bool, dtype: dtype) -> None:
    """Switches autocast for a device on or off, and says to which dtype."""
    state.enabled[device_type], state.dtypes[device_type] = enabled, dtype
    before = modes.autocast is not None
    # What operations look at: None while autocast is off, so that they have one thing to ask.
    modes.autocast = {name: state.dtypes[name] for name, on in state.enabled.items() if on} or None
    if before != (modes.autocast is not None):
        _count(-1 if before else 1)


def dtype_of(device_type: str) -> Any:
    """The dtype that operations on this device run in now; None while autocast is off."""
    return None if modes.autocast is None else modes.autocast.get(device_type)


@contextlib.contextmanager
def disabled(*device_types: str) -> Iterator[None]:
    """Autocast is off inside, for these types of device."""
    before = {name: (state.enabled[name], state.dtypes[name]) for name in device_types}
    for name, (_, lower) in before.items():
        set_mode(name, False, lower)
    try:
        yield
    finally:
        for name, mode in before.items():
            set_mode(name, *mode)


def paused() -> contextlib.AbstractContextManager[None]:
    """Autocast is off inside."""
    return _off if modes.autocast is None else disabled(*DEVICE_TYPES)


_off = contextlib.nullcontext()


def snapshot() -> tuple[Any, ...]:
    """All that `restored` needs to bring this thread's state back."""
    return dict(state.enabled), dict(state.dtypes), state.cache_enabled


@contextlib.contextmanager
def restored(saved: tuple[Any, ...]) -> Iterator[None]:
    """The state of a snapshot, for a while; weights that are cast meanwhile are not kept beyond it."""
    before, cache = snapshot(), state.cache
    if saved == before:
        yield
        return
    state.cache = {}
    try:
        _apply(saved)
        yield
    finally:
        _apply(before)
        state.cache = cache


def _apply(saved: tuple[Any, ...]) -> None:
    enabled, dtypes, state.cache_enabled = saved
    for name in DEVICE_TYPES:
        set_mode(name, enabled[name], dtypes[name])


# -- what leaves its usual path while autocast is on -----------------------------------------------

# Classes whose instances take the usual path of listed operations: none while autocast is on in some thread.
castable_types: set[type] = set()
_plain_types: set[type] = set()
_functions: list[tuple[Callable[..., Any], dict[str, str]]] = []  # those that do not ask for autocast yet
_lock = threading.Lock()
_threads = 0


def add_plain_type(kind: type) -> None:
    """One more class whose instances take the usual path."""
    _plain_types.add(kind)
    if not _threads:
        castable_types.add(kind)


def add_function(function: F, rules: dict[str, str]) -> F:
    """One more listed function that is written over others; gives back what is to stand for it."""
    if function.__closure__:  # type: ignore[attr-defined]
        return functools.wraps(function)(_asking(function, rules))  # type: ignore[return-value]
    _functions.append((function, rules))
    return function


def _count(change: int) -> None:
    """One thread more or less has autocast on."""
    global _threads
    with _lock:
        _threads += change
        if _threads:
            castable_types.clear()
        else:
            castable_types.update(_plain_types)
        while _functions:
            _watch(*_functions.pop())


def _watch(function: Any, rules: dict[str, str]) -> None:
    """Has a function ask for autocast from here on. It stays the same object, which others hold already."""
    original = types.FunctionType(
        function.__code__, function.__globals__, function.__name__, function.__defaults__
    )
    original.__kwdefaults__ = function.__kwdefaults__
    function.__signature__ = inspect.signature(function)
    function.__defaults__, function.__kwdefaults__ = None, {"_asking": _asking(original, rules)}
    function.__code__ = _enter.__code__.replace(co_name=function.__name__)


def _enter(*args: Any, _asking: Any, **kwargs: Any) -> Any:
    return _asking(*args, **kwargs)


def _asking(function: Callable[..., Any], rules: dict[str, str]) -> Callable[..., Any]:
    def asking(*args: Any, **kwargs: Any) -> Any:
        if modes.autocast is None:
            return function(*args, **kwargs)
        device = _device([*args, *kwargs.values()], rules)
        if device is None:
            return function(*args, **kwargs)
        names = list(kwargs)
        values = cast([*args, *kwargs.values()], rules[device], device)
        with disabled(device):
            return function(*values[: len(args)], **dict(zip(names, values[len(args) :], strict=True)))

    return asking


# -- casting arguments -----------------------------------------------------------------------------


def arguments(args: Sequence[Any], rules: dict[str, str]) -> Sequence[Any]:
    """The arguments of a listed operation as autocast wants them."""
    device = _device(args, rules)
    return args if device is None else cast(args, rules[device], device)


def _tensors(values: Sequence[Any]) -> Iterator[Any]:
    for value in values:
        if isinstance(value, (list, tuple)):
            yield from _tensors(value)
        elif hasattr(value, "_meta"):
            yield value


def _device(values: Sequence[Any], rules: dict[str, str]) -> str | None:
    """The type of device by whose list the arguments are cast: the first that autocast is on for and a tensor is on."""
    on: Any = modes.autocast
    for tensor in _tensors(values):
        device: str = tensor._meta.device.type
        if device in on and device in rules:
            return device
    return None


def cast(values: Sequence[Any], policy: str, device: str) -> list[Any]:
    """The arguments under a policy.

    Raises: RuntimeError for functions that are refused, and for float16 beside bfloat16 where the widest is wanted.
    """
    if policy is FLOAT32_SUM and any(isinstance(value, dtype) for value in values):
        return list(values)
    if policy is REFUSE:
        raise RuntimeError(
            "torch.nn.functional.binary_cross_entropy and torch.nn.BCELoss are unsafe to autocast.\n"
            "Many models use a sigmoid layer right before the binary cross entropy layer.\nIn this case, combine the two "
            "layers using torch.nn.functional.binary_cross_entropy_with_logits\nor torch.nn.BCEWithLogitsLoss.  "
            "binary_cross_entropy_with_logits and BCEWithLogits are\nsafe to autocast."
        )
    wanted = DTYPES["float32"]
    if policy is LOWER:
        wanted = state.dtypes[device]
    elif policy is PROMOTE:
        wanted = _widest(values, device)
    return [_cast_one(value, wanted, device) for value in values]


def _is_eligible(tensor: Any, device: str) -> bool:
    meta = tensor._meta
    return meta.dtype.is_floating_point and meta.dtype.itemsize < 8 and meta.device.type == device


def _widest(values: Sequence[Any], device: str) -> dtype:
    lower = state.dtypes[device]
    wanted = lower
    for tensor in _tensors(values):
        if _is_eligible(tensor, device) and tensor._meta.dtype is not lower:
            if tensor._meta.dtype is not DTYPES["float32"]:
                raise RuntimeError("Unexpected floating ScalarType in at::autocast::prioritize")
            wanted = DTYPES["float32"]
    return wanted


def _cast_one(value: Any, wanted: dtype, device: str) -> Any:
    if isinstance(value, (list, tuple)):
        return (
            type(value)([_cast_one(item, wanted, device) for item in value])
            if list(_tensors(value))
            else value
        )
    if not hasattr(value, "_meta") or not _is_eligible(value, device) or value._meta.dtype is wanted:
        return value
    is_weight = wanted is state.dtypes[device] and value._rg and value._node is None and value._base is None
    if not (is_weight and state.cache_enabled and state.nesting and modes.grad):
        return value.to(wanted)
    found = state.cache.get(id(value))
    if found is None:
        found = state.cache[id(value)] = (value, value.to(wanted))
    return found[1]
