"""PyTorch's API on JAX and XLA."""

from flambeau import _ops, version
from flambeau._core.declare import public as _public
from flambeau._core.device import device, get_default_device, set_default_device
from flambeau._core.dtype import (
    ALIASES as _ALIASES,
    DTYPES as _DTYPES,
    can_cast,
    channels_last,
    channels_last_3d,
    contiguous_format,
    dtype,
    finfo,
    get_default_dtype,
    iinfo,
    layout,
    memory_format,
    preserve_format,
    promote_types,
    set_default_dtype,
    strided,
)
from flambeau._core.format import set_printoptions
from flambeau._core.modes import (
    enable_grad,
    inference_mode,
    is_grad_enabled,
    is_inference_mode_enabled,
    no_grad,
    set_grad_enabled,
)
from flambeau._core.size import Size
from flambeau._core.tensor import Tensor

globals().update(_DTYPES)
globals().update(_ALIASES)
globals().update(_public(""))
from flambeau import autograd, nn  # noqa: E402
from flambeau.as_torch import as_torch, install_as_torch  # noqa: E402
from flambeau.version import __version__  # noqa: E402
