"""The layers' mathematics without the layers: all that was declared for `nn.functional` in `_ops`."""

from typing import TYPE_CHECKING, Any

from flambeau import _ops as _ops
from flambeau._core.declare import public as _public

globals().update(_public("nn.functional"))

if TYPE_CHECKING:

    def __getattr__(name: str) -> Any: ...
