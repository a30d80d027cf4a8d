"""Computed weights beside PyTorch's, scenario by scenario: parametrizations, and the older norms by hooks."""

from __future__ import annotations

import copy
import pickle

import numpy as np
from side_by_side import compared

import flambeau


def filled(torch, *shape):
    count = int(np.prod(shape))
    return torch.tensor(np.sin(np.arange(count, dtype=np.float32)).reshape(shape))


def symmetric(torch):
    class Symmetric(torch.nn.Module):
        def forward(self, x):
            return x.triu() + x.triu(1).mT

        def right_inverse(self, x):
            return x.triu()

    return Symmetric()


def scaled(torch, inverse=True):
    class Scaled(torch.nn.Module):
        def forward(self, x):
            return x * 2

    if inverse:
        Scaled.right_inverse = lambda self, x: x / 2
    return Scaled()


def returning(torch, forward, inverse=None):
    class Returning(torch.nn.Module):
        def forward(self, *x):
            return forward(*x)

    if inverse is not None:
        Returning.right_inverse = lambda self, x: inverse(x)
    return Returning()


def observed(log, module, *inputs):
    """Logs what a module says of itself, and two steps of training."""
    log(
        module,
        list(module.state_dict()),
        [name for name, _ in module.named_parameters()],
        type(module).__name__,
    )
    log(dict(module.state_dict()))
    for _ in range(2):
        output = module(*inputs)
        (output * output.detach().cos()).sum().backward()
        log(output, {name: each.grad for name, each in module.named_parameters()})
    log(dict(module.state_dict()))
    log(module.eval()(*inputs))


@compared
def test_one_tensor_is_computed_and_set(torch, log):
    p = torch.nn.utils.parametrize
    layer = torch.nn.Linear(3, 3)
    returned = p.register_parametrization(layer, "weight", symmetric(torch))
    log(
        returned is layer,
        p.is_parametrized(layer),
        p.is_parametrized(layer, "weight"),
        p.is_parametrized(layer, "bias"),
    )
    log(p.type_before_parametrizations(layer) is torch.nn.Linear, isinstance(layer, torch.nn.Linear))
    observed(log, layer, filled(torch, 2, 3))
    layer.weight = filled(torch, 3, 3)
    log(layer.weight, layer.parametrizations.weight.original)
    p.register_parametrization(layer, "weight", scaled(torch))
    p.register_parametrization(layer, "bias", scaled(torch))
    observed(log, layer, filled(torch, 2, 3))
    layer.weight = filled(torch, 3, 3)
    log(layer.weight)
    p.remove_parametrizations(layer, "weight")
    log(layer, list(layer.state_dict()), layer.weight)
    p.remove_parametrizations(layer, "bias", leave_parametrized=False)
    log(
        layer,
        list(layer.state_dict()),
        layer.bias,
        type(layer) is torch.nn.Linear,
        hasattr(layer, "parametrizations"),
    )


@compared
def test_the_original_stays_the_same_parameter(torch, log):
    p = torch.nn.utils.parametrize
    layer = torch.nn.Linear(2, 2)
    weight = layer.weight
    p.register_parametrization(layer, "weight", scaled(torch))
    log(layer.parametrizations.weight.original is weight, layer.weight is weight, weight)
    p.remove_parametrizations(layer, "weight")
    log(layer.weight is weight, weight)


@compared
def test_several_originals(torch, log):
    p = torch.nn.utils.parametrize
    layer = torch.nn.Linear(3, 2)
    layer.register_buffer("offset", filled(torch, 2))
    product = returning(torch, lambda a, b: a @ b, lambda x: (torch.ones(x.shape[0], x.shape[0]), x))
    p.register_parametrization(layer, "weight", product, unsafe=True)
    p.register_parametrization(layer, "offset", scaled(torch))
    observed(log, layer, filled(torch, 2, 3))
    log.result(lambda: setattr(layer, "weight", filled(torch, 2, 3)))
    log(layer.weight, layer.parametrizations.weight.ntensors, layer.parametrizations.weight.is_tensor)
    log.result(lambda: p.remove_parametrizations(layer, "weight", leave_parametrized=False))
    p.remove_parametrizations(layer, "weight")
    p.remove_parametrizations(layer, "offset")
    log(layer, list(layer.state_dict()), layer.weight)


@compared
def test_caching(torch, log):
    p = torch.nn.utils.parametrize
    calls = []
    layer = torch.nn.Linear(2, 2)
    p.register_parametrization(layer, "weight", returning(torch, lambda x: (calls.append(1), x * 2)[1]))
    calls.clear()
    with p.cached():
        log(layer.weight is layer.weight, len(calls))
        with p.cached():
            log(layer(filled(torch, 2)), len(calls))
        log(layer.weight, len(calls))
    log(layer.weight is layer.weight, len(calls))


@compared
def test_copies(torch, log):
    p = torch.nn.utils.parametrize
    layer = p.register_parametrization(torch.nn.Linear(2, 2), "weight", scaled(torch))
    twin = copy.deepcopy(layer)
    with torch.no_grad():
        twin.parametrizations.weight.original.fill_(1.0)
    log(twin, twin.weight, layer.weight)
    log.result(lambda: pickle.dumps(layer))
    other = torch.nn.Linear(2, 2)
    p.transfer_parametrizations_and_params(layer, other)
    log(other, other.weight, other.parametrizations.weight.original is layer.parametrizations.weight.original)
    halves = torch.nn.utils.parametrizations.weight_norm(torch.nn.Linear(2, 2))
    other = torch.nn.Linear(2, 2)
    p.transfer_parametrizations_and_params(halves, other, "weight")
    log(other, dict(other.state_dict()))


@compared
def test_errors(torch, log):
    p = torch.nn.utils.parametrize

    def register(forward, inverse=None, name="weight", **options):
        layer = torch.nn.Linear(2, 2)
        return p.register_parametrization(layer, name, returning(torch, forward, inverse), **options)

    log.result(lambda: register(lambda x: x, name="missing"))
    log.result(lambda: register(lambda x: 1))
    log.result(lambda: register(lambda x: x[0]))
    log.result(lambda: register(lambda x: x.double()))
    log.result(lambda: register(lambda x: x, lambda x: 1))
    log.result(lambda: register(lambda x: x, lambda x: x.double()))
    log.result(lambda: register(lambda *x: x[0], lambda x: [x, 1]))
    log.result(lambda: register(lambda x: x[0], unsafe=True).weight)
    log.result(lambda: p.ParametrizationList([], torch.ones(1)))
    log.result(lambda: p.remove_parametrizations(torch.nn.Linear(1, 1), "weight"))
    layer = p.register_parametrization(torch.nn.Linear(2, 2), "weight", scaled(torch, inverse=False))
    log.result(lambda: setattr(layer, "weight", torch.ones(2, 2)))
    again = [
        returning(torch, lambda x: 1), returning(torch, lambda x: x[0]), returning(torch, lambda x: x.double()),
        returning(torch, lambda x: x, lambda x: 1), returning(torch, lambda x: x, lambda x: x[0]),
        returning(torch, lambda x: x, lambda x: x.double()),
    ]  # fmt: skip
    for each in again:
        log.result(lambda each=each: p.register_parametrization(layer, "weight", each))


# -- parametrizations ------------------------------------------------------------------------------


@compared
def test_weight_norm(torch, log):
    norm = torch.nn.utils.parametrizations.weight_norm
    observed(log, norm(torch.nn.Linear(3, 2)), filled(torch, 4, 3))
    observed(log, norm(torch.nn.Linear(3, 2), dim=1), filled(torch, 4, 3))
    observed(log, norm(torch.nn.Linear(3, 2), dim=None), filled(torch, 4, 3))
    observed(log, norm(torch.nn.Conv2d(2, 3, 2)), filled(torch, 1, 2, 4, 4))
    observed(log, norm(torch.nn.Conv2d(2, 3, 2), dim=-1), filled(torch, 1, 2, 4, 4))
    old = {"bias": torch.ones(2), "weight_g": torch.ones(2, 1), "weight_v": filled(torch, 2, 3)}
    layer = norm(torch.nn.Linear(3, 2))
    log(str(layer.load_state_dict(old)), layer.weight)


@compared
def test_spectral_norm(torch, log):
    norm = torch.nn.utils.parametrizations.spectral_norm
    observed(log, norm(torch.nn.Linear(3, 4)), filled(torch, 2, 3))
    observed(log, norm(torch.nn.Linear(3, 4), n_power_iterations=3, dim=1), filled(torch, 2, 3))
    observed(log, norm(torch.nn.Conv1d(2, 3, 2)), filled(torch, 1, 2, 5))
    observed(log, norm(torch.nn.ConvTranspose1d(2, 3, 2)), filled(torch, 1, 2, 5))
    observed(log, norm(torch.nn.Linear(3, 4), name="bias"), filled(torch, 2, 3))
    log.result(lambda: norm(torch.nn.Linear(3, 4), name="missing"))
    log.result(lambda: norm(torch.nn.Linear(3, 4), dim=2))
    log.result(lambda: norm(torch.nn.Linear(3, 4), n_power_iterations=0))


@compared
def test_orthogonal(torch, log):
    orthogonal = torch.nn.utils.parametrizations.orthogonal
    for shape in ((3, 3), (4, 2), (2, 4)):
        for map in ("matrix_exp", "cayley", "householder"):
            for based in (True, False):
                torch.manual_seed(1)
                # In float32 PyTorch's `matrix_exp` is exact to five decimals only.
                layer = torch.nn.Linear(*shape, dtype=torch.float64)
                layer = orthogonal(layer, orthogonal_map=map, use_trivialization=based)
                weight = layer.weight.detach()
                small = weight if shape[0] >= shape[1] else weight.mT
                log(
                    layer,
                    list(layer.state_dict()),
                    [tensor.stride() for tensor in layer.state_dict().values()],
                    (small.mT @ small).diagonal() if shape[0] == shape[1] else 0,
                )
                if map != "householder" or shape[0] == shape[1]:
                    layer(filled(torch, 2, shape[0]).double()).cos().sum().backward()
                    log(layer.weight, layer.parametrizations.weight.original.grad)


@compared
def test_orthogonal_matrices_can_be_set(torch, log):
    orthogonal = torch.nn.utils.parametrizations.orthogonal
    rotation = torch.tensor([[0.6, -0.8], [0.8, 0.6]])
    for map in ("matrix_exp", "cayley", "householder"):
        layer = orthogonal(torch.nn.Linear(2, 2), orthogonal_map=map)
        layer.weight = rotation
        log(layer.weight)
    layer = orthogonal(torch.nn.Linear(2, 2), orthogonal_map="householder", use_trivialization=False)
    layer.weight = rotation
    log(layer.weight)
    layer = orthogonal(torch.nn.Linear(2, 2), orthogonal_map="cayley", use_trivialization=False)
    log.result(lambda: setattr(layer, "weight", rotation))
    log.result(lambda: setattr(layer, "weight", torch.ones(3, 3)))
    log.result(lambda: orthogonal(torch.nn.Linear(2, 2), orthogonal_map="other"))
    log.result(lambda: orthogonal(torch.nn.Linear(2, 2), name="bias"))
    log.result(lambda: orthogonal(torch.nn.Linear(2, 2), name="missing"))
    log.result(lambda: orthogonal(torch.nn.Linear(2, 2, dtype=torch.complex64), orthogonal_map="householder"))


# -- norms by hooks --------------------------------------------------------------------------------


@compared
def test_older_weight_norm(torch, log):
    utils = torch.nn.utils
    made = []
    log.result(lambda: made.append(utils.weight_norm(torch.nn.Linear(3, 2))))
    observed(log, made[0], filled(torch, 4, 3))
    log.result(lambda: utils.weight_norm(made[0]))
    log.result(lambda: made.append(utils.weight_norm(torch.nn.Conv1d(3, 2, 2), dim=None)))
    observed(log, made[1], filled(torch, 1, 3, 5))
    layer = utils.remove_weight_norm(made[0])
    observed(log, layer, filled(torch, 4, 3))
    log.result(lambda: utils.remove_weight_norm(layer))
    log.result(lambda: utils.weight_norm(torch.nn.LazyLinear(2)))


@compared
def test_older_spectral_norm(torch, log):
    utils = torch.nn.utils
    layer = utils.spectral_norm(torch.nn.Linear(3, 4))
    observed(log, layer, filled(torch, 2, 3))
    log({name: dict(each) for name, each in layer.state_dict()._metadata.items()})
    log.result(lambda: utils.spectral_norm(layer))
    observed(
        log,
        utils.spectral_norm(torch.nn.ConvTranspose1d(2, 3, 2), n_power_iterations=2),
        filled(torch, 1, 2, 5),
    )
    other = utils.spectral_norm(torch.nn.Linear(3, 4))
    log(str(other.load_state_dict(layer.state_dict())), other(filled(torch, 2, 3)))
    early = {name: each for name, each in layer.state_dict().items() if name != "weight_v"}
    early["weight"] = layer.weight.detach()
    log(str(other.load_state_dict(early)), other.eval()(filled(torch, 2, 3)))
    log.result(lambda: other.load_state_dict({"bias": torch.ones(4)}))
    plain = utils.remove_spectral_norm(layer)
    observed(log, plain, filled(torch, 2, 3))
    log(len(plain._state_dict_hooks), len(plain._forward_pre_hooks))
    log.result(lambda: utils.remove_spectral_norm(plain))
    log.result(lambda: utils.spectral_norm(torch.nn.Linear(1, 1), n_power_iterations=0))
    log.result(lambda: utils.spectral_norm(torch.nn.Linear(1, 1, bias=False), name="bias"))
    log.result(lambda: utils.spectral_norm(torch.nn.LazyLinear(2)))


def test_a_module_whose_spectral_norm_was_removed_loads_plain_weights():
    plain = flambeau.nn.utils.remove_spectral_norm(flambeau.nn.utils.spectral_norm(flambeau.nn.Linear(2, 2)))
    assert not plain._load_state_dict_pre_hooks
    other = flambeau.nn.Linear(2, 2)
    plain.load_state_dict(other.state_dict())
    assert flambeau.equal(plain.weight, other.weight)


@compared
def test_norms_except_one_dimension(torch, log):
    values = filled(torch, 2, 3, 4)
    for dim in (0, 1, 2, -1):
        log(torch.norm_except_dim(values, 2, dim))
    log(torch.norm_except_dim(values), torch._weight_norm(values, torch.ones(2, 1, 1), 0))
