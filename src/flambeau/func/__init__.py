"""Function transforms, as `torch.func` has them: derivatives and batches of functions, in any order.

>>> import flambeau
>>> from flambeau.func import grad, vmap
>>> slopes = vmap(grad(lambda x: x.sin()))
>>> slopes(flambeau.zeros(3))
tensor([1., 1., 1.])
"""

from flambeau.func._forward import jvp, linearize
from flambeau.func._functionalize import functionalize
from flambeau.func._jacobian import hessian, jacfwd, jacrev
from flambeau.func._modules import functional_call, replace_all_batch_norm_modules_, stack_module_state
from flambeau.func._reverse import grad, grad_and_value, vjp
from flambeau.func._vmap import vmap

__all__ = [
    "functional_call",
    "functionalize",
    "grad",
    "grad_and_value",
    "hessian",
    "jacfwd",
    "jacrev",
    "jvp",
    "linearize",
    "replace_all_batch_norm_modules_",
    "stack_module_state",
    "vjp",
    "vmap",
]
