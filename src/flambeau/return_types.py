"""PyTorch's `torch.return_types`: the classes of results with several names."""

from flambeau._core import return_types as _types

all_return_types = _types.all_return_types
globals().update({each.__name__: each for each in all_return_types})
