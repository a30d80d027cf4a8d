"""PyTorch's `torch.linalg`: handed on from the declarations in `_ops`."""

from flambeau._core.declare import public as _public
from flambeau._core.errors import LinAlgError as LinAlgError

globals().update(_public("linalg"))
