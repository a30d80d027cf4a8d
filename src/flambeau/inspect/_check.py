"""`check`: what a model holds that PyTorch would neither train, move nor save, and would not tell of."""

from __future__ import annotations

from flambeau._core.tensor import Tensor
from flambeau.nn.modules._unregistered import Finding, find_unregistered
from flambeau.nn.modules.module import Module


class Findings(list[Finding]):
    """The findings of `check`, printed one on a line."""

    def __repr__(self) -> str:
        if not self:
            return "nothing found"
        return "\n".join(map(str, self))

    __str__ = __repr__


def check(model: Module) -> Findings:
    """Look through a model for modules, parameters and tensors that it does not have registered.

    Args:
        model: the module to look through, with all below it.

    >>> class Net(nn.Module):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.layers = [nn.ReLU()]
    >>> flambeau.inspect.check(Net())
    layers: a plain list holds 1 x ReLU, which registers nothing. Use self.layers = nn.ModuleList(...)
    """
    return Findings([*find_unregistered(model), *_plain_tensors(model)])


def _plain_tensors(model: Module) -> list[Finding]:
    findings = []
    for prefix, module in model.named_modules():
        for name, value in vars(module).items():
            if isinstance(value, Tensor):
                path = f"{prefix}.{name}" if prefix else name
                findings.append(Finding(path, "tensor", _advice(name, value)))
    return findings


def _advice(name: str, tensor: Tensor) -> str:
    sizes = tuple(tensor.shape)
    if tensor.requires_grad and tensor.is_leaf:
        return (
            f"a {sizes} tensor that requires grad but is no parameter, so optimizers do not see it. Use "
            f"self.{name} = nn.Parameter(...)"
        )
    return (
        f"a plain {sizes} tensor, which model.to(device) leaves where it is and state_dict() leaves out. "
        "If it belongs "
        f"to the model, use self.register_buffer('{name}', ...)"
    )
