"""PyTorch's way of defining and training neural networks, on JAX and XLA.

>>> import flambeau as torch
>>> layer = torch.nn.Linear(3, 2)
>>> layer(torch.ones(4, 3)).shape
torch.Size([4, 2])
"""

from typing import TYPE_CHECKING as _TYPE_CHECKING

from flambeau._collector import resting as _resting

with _resting():
    from flambeau import _ops, autograd, functional, jax, nn, random, version

from flambeau._core import device as _devices
from flambeau._core import dtype as _dtypes
from flambeau._core.autocast_state import (
    autocast_decrement_nesting,
    autocast_increment_nesting,
    clear_autocast_cache,
    get_autocast_cpu_dtype,
    get_autocast_dtype,
    get_autocast_gpu_dtype,
    is_autocast_cache_enabled,
    is_autocast_cpu_enabled,
    is_autocast_enabled,
    set_autocast_cache_enabled,
    set_autocast_cpu_dtype,
    set_autocast_cpu_enabled,
    set_autocast_dtype,
    set_autocast_enabled,
    set_autocast_gpu_dtype,
)
from flambeau._core.declare import public as _public
from flambeau._core.device import device, get_default_device, get_device_module, set_default_device
from flambeau._core.dtype import (
    can_cast,
    dtype,
    finfo,
    get_default_dtype,
    iinfo,
    layout,
    memory_format,
    promote_types,
    set_default_dtype,
)
from flambeau._core.errors import AcceleratorError, OutOfMemoryError
from flambeau._core.format import set_printoptions
from flambeau._core.later import attach as _attach
from flambeau._core.modes import (
    enable_grad,
    inference_mode,
    is_anomaly_check_nan_enabled,
    is_anomaly_enabled,
    is_grad_enabled,
    is_inference_mode_enabled,
    no_grad,
    set_anomaly_enabled,
    set_grad_enabled,
)
from flambeau._core.random import Generator, default_generator
from flambeau._core.settings import (
    are_deterministic_algorithms_enabled,
    compiled_with_cxx11_abi,
    get_deterministic_debug_mode,
    get_float32_matmul_precision,
    get_num_interop_threads,
    get_num_threads,
    is_deterministic_algorithms_warn_only_enabled,
    is_warn_always_enabled,
    set_deterministic_debug_mode,
    set_float32_matmul_precision,
    set_flush_denormal,
    set_num_interop_threads,
    set_num_threads,
    set_warn_always,
    use_deterministic_algorithms,
)
from flambeau._core.size import Size
from flambeau._core.tensor import Tensor

globals().update(_dtypes.DTYPES)
globals().update(_dtypes.ALIASES)
globals().update(_dtypes._CONSTANTS)
globals().update(_public(""))
for _class in (Tensor, Size, dtype, device, finfo, iinfo, layout, memory_format):
    _class.__module__ = __name__  # where programs look for them, and compare
legacy_contiguous_format = _dtypes.contiguous_format

from math import e, inf, nan, pi  # noqa: E402

from flambeau.as_torch import as_torch, install_as_torch  # noqa: E402
from flambeau.random import (  # noqa: E402
    get_rng_state,
    initial_seed,
    manual_seed,
    seed,
    set_rng_state,
    thread_safe_generator,
)
from flambeau.version import __version__  # noqa: E402

newaxis = None

if _TYPE_CHECKING:
    from flambeau import (
        amp,
        backends,
        cpu,
        cuda,
        fft,
        inspect,
        linalg,
        masked,
        optim,
        return_types,
        serialization,
        signal,
        special,
        utils,
    )
    from flambeau.amp.autocast_mode import autocast
    from flambeau.compiler import compile
    from flambeau.func import vmap
    from flambeau.func._control_flow import associative_scan, cond, scan, while_loop
    from flambeau.serialization import load, save

# Imported when they are first asked for; together they would take half of the import's time.
_NAMES_LATER = {
    "associative_scan": "func._control_flow", "autocast": "amp.autocast_mode", "compile": "compiler",
    "cond": "func._control_flow", "GradScaler": "amp.grad_scaler", "load": "serialization", "save": "serialization",
    "scan": "func._control_flow", "vmap": "func", "while_loop": "func._control_flow",
}  # fmt: skip
__getattr__, __dir__ = _attach(
    globals(),
    modules=(
        "_C", "_dynamo", "amp", "backends", "compiler", "cpu", "cuda", "distributed", "distributions", "export", "fft", "func",
        "futures", "fx", "hub", "inspect", "jit", "library", "linalg", "masked", "multiprocessing", "ops", "optim",
        "return_types", "serialization", "signal", "special", "utils",
    ),
    names=_NAMES_LATER,
)  # fmt: skip

__all__ = [*[name for name in globals() if not name.startswith("_")], *_NAMES_LATER]

import flambeau as torch  # noqa: E402  (`from torch import torch` is written here and there)
