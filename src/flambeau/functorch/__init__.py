"""The old package `functorch`: `torch.func` under its former names, each of which warns, and modules without their tensors.

Where flambeau stands in for PyTorch, `import functorch` finds this. `functorch.dim`, `functorch.einops` and
`functorch.compile` are not here, and neither is `make_fx`.
"""

from flambeau.functorch._deprecated import (
    combine_state_for_ensemble,
    functionalize,
    grad,
    grad_and_value,
    hessian,
    jacfwd,
    jacrev,
    jvp,
    make_functional,
    make_functional_with_buffers,
    vjp,
    vmap,
)
from flambeau.functorch._make_functional import FunctionalModule, FunctionalModuleWithBuffers
from flambeau.version import __version__

__all__ = [
    "FunctionalModule", "FunctionalModuleWithBuffers", "__version__", "combine_state_for_ensemble", "functionalize", "grad",
    "grad_and_value", "hessian", "jacfwd", "jacrev", "jvp", "make_functional", "make_functional_with_buffers", "vjp", "vmap",
]  # fmt: skip
