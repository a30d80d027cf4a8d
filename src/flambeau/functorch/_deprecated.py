"""The names of `functorch`, with the warning that PyTorch gives for each."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

from flambeau import func
from flambeau.functorch import _make_functional as modules

P = ParamSpec("P")
R = TypeVar("R")


def _old(function: Callable[P, R], now: str) -> Callable[P, R]:
    """The function, with a warning that tells where it is now."""
    message = (
        f"We've integrated functorch into PyTorch. As the final step of the integration, `functorch.{function.__name__}` is "
        "deprecated as of PyTorch 2.0 and will be deleted in a future version of PyTorch >= 2.3. Please use `torch."
        f"{now}` instead; see the PyTorch 2.0 release notes and/or the `torch.func` migration guide for more details "
        "https://pytorch.org/docs/main/func.migrating.html"
    )

    @functools.wraps(function)
    def warned(*args: P.args, **kwargs: P.kwargs) -> R:
        warnings.warn(message, FutureWarning, stacklevel=2)
        return function(*args, **kwargs)

    return warned


vmap: Any = _old(func.vmap, "vmap")
grad: Any = _old(func.grad, "func.grad")
grad_and_value: Any = _old(func.grad_and_value, "func.grad_and_value")
vjp = _old(func.vjp, "func.vjp")
jvp = _old(func.jvp, "func.jvp")
jacrev = _old(func.jacrev, "func.jacrev")
jacfwd = _old(func.jacfwd, "func.jacfwd")
hessian = _old(func.hessian, "func.hessian")
functionalize = _old(func.functionalize, "func.functionalize")
make_functional = _old(modules.make_functional, "func.functional_call")
make_functional_with_buffers = _old(modules.make_functional_with_buffers, "func.functional_call")
combine_state_for_ensemble = _old(modules.combine_state_for_ensemble, "func.stack_module_state")
