"""Pruning beside PyTorch's, scenario by scenario."""

from __future__ import annotations

import copy
import importlib

import numpy as np
from side_by_side import compared


def pruning(torch):
    # Neither library imports it by itself.
    return importlib.import_module(f"{torch.__name__}.nn.utils.prune")


def filled(torch, *shape):
    count = int(np.prod(shape))
    return torch.tensor(np.sin(np.arange(count, dtype=np.float32)).reshape(shape))


def observed(torch, log, module):
    log(module, dict(module.state_dict()), [name for name, _ in module.named_parameters()], module.weight)
    log([type(hook).__name__ for hook in module._forward_pre_hooks.values()])
    output = module(filled(torch, 2, 4))
    output.pow(2).sum().backward()
    log(output, {name: each.grad for name, each in module.named_parameters()})


@compared
def test_every_way_of_pruning(torch, log):
    p = pruning(torch)
    mask = torch.tensor([[1, 0, 1, 0], [0, 1, 1, 1], [1, 1, 1, 0]])
    for prune in (
        lambda layer: p.identity(layer, "weight"),
        lambda layer: p.random_unstructured(layer, "weight", amount=0.5),
        lambda layer: p.random_unstructured(layer, "weight", amount=0),
        lambda layer: p.l1_unstructured(layer, "weight", amount=5),
        lambda layer: p.l1_unstructured(layer, "weight", 0.3, importance_scores=filled(torch, 3, 4)),
        lambda layer: p.random_structured(layer, "weight", amount=2, dim=0),
        lambda layer: p.random_structured(layer, "weight", amount=0.25, dim=-1),
        lambda layer: p.ln_structured(layer, "weight", amount=1, n=2, dim=0),
        lambda layer: p.ln_structured(layer, "weight", amount=0.5, n=float("-inf"), dim=1),
        lambda layer: p.ln_structured(layer, "weight", 2, 1, -1, importance_scores=filled(torch, 3, 4)),
        lambda layer: p.custom_from_mask(layer, "weight", mask),
    ):
        layer = torch.nn.Linear(4, 3)
        log(prune(layer) is layer, p.is_pruned(layer), p.is_pruned(torch.nn.Sequential(layer)))
        observed(torch, log, layer)
        p.remove(layer, "weight")
        observed(torch, log, layer)
        log(p.is_pruned(layer), isinstance(layer.weight, torch.nn.Parameter))


@compared
def test_pruning_again_adds_to_what_was_pruned(torch, log):
    p = pruning(torch)
    layer = torch.nn.Linear(4, 3)
    p.l1_unstructured(layer, "weight", amount=3)
    p.random_unstructured(layer, "weight", amount=0.25)
    p.ln_structured(layer, "weight", amount=1, n=2, dim=1)
    p.random_structured(layer, "weight", amount=1, dim=0)
    p.custom_from_mask(layer, "weight", torch.ones(3, 4))
    p.l1_unstructured(layer, "bias", amount=1)
    observed(torch, log, layer)
    (container,) = [hook for hook in layer._forward_pre_hooks.values() if hook._tensor_name == "weight"]
    log(len(container), [type(each).__name__ for each in container], type(container[0]).__name__)
    log.result(lambda: copy.deepcopy(layer))
    with torch.no_grad():
        layer(filled(torch, 2, 4))
    twin = copy.deepcopy(layer)
    twin.load_state_dict(layer.state_dict())
    observed(torch, log, twin)
    log.result(lambda: container.add_pruning_method(1))
    other = p.RandomUnstructured(1)
    other._tensor_name = "bias"
    message = []
    try:
        container.add_pruning_method(other)
    except ValueError as error:
        message.append("Found 'bias'" in str(error))
    log(message)
    p.remove(layer, "bias")
    p.remove(layer, "weight")
    observed(torch, log, layer)


@compared
def test_several_parameters_are_pruned_as_one(torch, log):
    p = pruning(torch)
    first, second = torch.nn.Linear(4, 3), torch.nn.Linear(3, 2)
    p.l1_unstructured(second, "weight", amount=1)
    pairs = [(first, "weight"), (second, "weight"), (first, "bias")]
    p.global_unstructured(pairs, p.L1Unstructured, amount=0.4)
    log(dict(first.state_dict()), dict(second.state_dict()))
    p.global_unstructured(pairs[:2], p.RandomUnstructured, amount=3)
    scores = {(first, "weight"): filled(torch, 3, 4)}
    p.global_unstructured(pairs[:2], p.L1Unstructured, importance_scores=scores, amount=2)
    log(dict(first.state_dict()), dict(second.state_dict()))
    log.result(lambda: p.global_unstructured(1, p.L1Unstructured, amount=1))
    log.result(lambda: p.global_unstructured(pairs, p.L1Unstructured, importance_scores=[], amount=1))
    log.first_line(lambda: p.global_unstructured(pairs, p.LnStructured, amount=1, n=2))


@compared
def test_tensors_without_a_module(torch, log):
    p = pruning(torch)
    values = filled(torch, 3, 4)
    log(p.L1Unstructured(amount=4).prune(values), values)
    log(p.L1Unstructured(amount=4).prune(values, default_mask=values.gt(0).float()))
    log(p.L1Unstructured(amount=4).prune(values, importance_scores=-values.exp()))
    log(p.LnStructured(amount=1, n=1).prune(values))
    log.result(lambda: p.L1Unstructured(amount=4).prune(values, importance_scores=values[0]))


@compared
def test_own_methods(torch, log):
    p = pruning(torch)

    class Alternating(p.BasePruningMethod):
        PRUNING_TYPE = "unstructured"

        def compute_mask(self, t, default_mask):
            mask = default_mask.clone()
            mask.view(-1)[::2] = 0
            return mask

    class Strange(Alternating):
        PRUNING_TYPE = "strange"

    class Failing(Alternating):
        def compute_mask(self, t, default_mask):
            raise ArithmeticError("no mask")

    layer = torch.nn.Linear(4, 3)
    log.result(lambda: Failing.apply(layer, "weight"))
    log(list(layer.state_dict()), p.is_pruned(layer))
    Alternating.apply(layer, "weight")
    Alternating.apply(layer, "weight")
    observed(torch, log, layer)
    log.result(lambda: Strange.apply(layer, "weight"))
    log.result(lambda: p.BasePruningMethod())


@compared
def test_errors(torch, log):
    p = pruning(torch)
    layer = torch.nn.Linear(4, 3)
    for amount in ("a", -1, -0.1, 1.5, float("nan"), 13):
        log.result(lambda amount=amount: p.l1_unstructured(layer, "weight", amount) and None)
    log.result(lambda: p.random_structured(layer, "weight", 4, dim=0))
    log.result(lambda: p.random_structured(layer, "weight", 1, dim=2))
    log.result(lambda: p.ln_structured(layer, "bias", 1, n=2, dim=0))
    log.result(lambda: p.custom_from_mask(layer, "weight", torch.ones(3)))
    log.result(lambda: p.l1_unstructured(layer, "weight", 1, importance_scores=torch.ones(3)))
    log.result(lambda: p.l1_unstructured(layer, "missing", 1))
    log.result(lambda: p.remove(layer, "weight"))
    log(layer, list(layer.state_dict()))
