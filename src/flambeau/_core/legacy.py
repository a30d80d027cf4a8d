"""PyTorch's legacy constructors: `Tensor(2, 3)`, `Tensor([1.0, 2.0])`, `FloatTensor(...)`."""

from __future__ import annotations

from typing import Any

import numpy as np

from flambeau._core import dtype as dtypes
from flambeau._core.device import current_device
from flambeau._core.value import meta_of


def legacy_tensor(cls: type, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """What `cls(*args)` makes: an alias of a tensor, a copy of a sequence, or zeros of the given sizes.

    PyTorch leaves the memory of the last form uninitialised; here it is zero.
    """
    from flambeau._core.declare import registry
    from flambeau._core.tensor import Tensor, from_array

    dtype = kwargs.pop("dtype", None) or dtypes.get_default_dtype()
    kwargs.pop("requires_grad", None)
    device = kwargs.pop("device", None) or current_device()
    if kwargs:
        raise TypeError(f"new() received an invalid combination of arguments - got keywords {sorted(kwargs)}")
    if len(args) == 1 and isinstance(args[0], Tensor):
        if args[0].dtype is not dtype:
            raise TypeError(f"expected {dtype} (got {args[0].dtype})")
        return args[0]._alias(cls)
    if (len(args) == 1 and isinstance(args[0], (list, np.ndarray))) or (
        len(args) == 1 and isinstance(args[0], tuple) and type(args[0]) is tuple
    ):
        return registry["tensor"](args[0], dtype=dtype, device=device)._alias(cls)
    sizes = tuple(args[0]) if len(args) == 1 and isinstance(args[0], tuple) else args
    if not all(hasattr(size, "__index__") for size in sizes):
        raise TypeError(f"new(): data must be a sequence (got {type(sizes[0]).__name__})")
    meta = meta_of(tuple(size.__index__() for size in sizes) or (0,), dtype, device)
    return from_array(np.zeros(meta.shape, meta.np), meta)._alias(cls)
