"""PyTorch's `torch.fft`: handed on from the declarations in `_ops`."""

from flambeau._core.declare import public as _public
from flambeau._core.tensor import Tensor as Tensor

globals().update(_public("fft"))
