"""What `functorch.experimental` had: most of it is in `torch.func` by now."""

from flambeau.func import functionalize, hessian, jacfwd, jvp, replace_all_batch_norm_modules_
from flambeau.functorch.experimental._chunks import chunk_vmap

__all__ = ["chunk_vmap", "functionalize", "hessian", "jacfwd", "jvp", "replace_all_batch_norm_modules_"]
