"""PyTorch's `torch.masked`: handed on from the declarations in `_ops`."""

from flambeau._core.declare import public as _public

globals().update(_public("masked"))
