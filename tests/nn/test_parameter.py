import copy
import pickle

import pytest
from side_by_side import assert_same

SCENARIOS = []


def scenario(function):
    SCENARIOS.append(function)
    return function


@scenario
def making(torch, log):
    nn = torch.nn
    data = torch.ones(2, 2)
    parameter = nn.Parameter(data)
    log(parameter, parameter.is_leaf, isinstance(parameter, torch.Tensor), type(parameter).__name__)
    log(repr(parameter), repr(nn.Parameter(data, requires_grad=False)), nn.Parameter())
    with torch.no_grad():
        parameter.fill_(3.0)
    log(data)  # the storage is shared
    log(nn.Parameter(nn.Parameter(data)), nn.Parameter(data * 2))
    log.result(lambda: nn.Parameter(torch.ones(2, dtype=torch.int64)))
    log(nn.Parameter(torch.ones(2, dtype=torch.int64), requires_grad=False))
    log(isinstance(data, nn.Parameter), isinstance(3, nn.Parameter), isinstance(data, nn.Buffer))
    log(type(parameter * 2).__name__, type(parameter.detach()).__name__, type(parameter.data).__name__)


@scenario
def copying(torch, log):
    parameter = torch.nn.Parameter(torch.ones(2), requires_grad=False)
    twin = copy.deepcopy(parameter)
    log(twin, twin is parameter, type(twin).__name__)
    one, other = copy.deepcopy([parameter, parameter])
    log(one is other)
    back = pickle.loads(pickle.dumps(parameter))
    log(back, type(back).__name__)
    parameter.note = "kept"
    log(pickle.loads(pickle.dumps(parameter)).note)


@scenario
def buffers(torch, log):
    nn = torch.nn
    buffer = nn.Buffer(torch.ones(2))
    log(buffer, isinstance(buffer, nn.Buffer), type(buffer).__name__, buffer.persistent)
    log(isinstance(nn.Buffer(), nn.Buffer), tuple(nn.Buffer().shape), nn.Buffer(persistent=False).persistent)
    log(isinstance(buffer, nn.Parameter), isinstance(buffer * 2, nn.Buffer), repr(buffer))


@scenario
def uninitialized(torch, log):
    nn = torch.nn
    parameter = nn.UninitializedParameter()
    log(
        repr(parameter),
        isinstance(parameter, nn.Parameter),
        parameter.requires_grad,
        nn.parameter.is_lazy(parameter),
    )
    log.result(lambda: parameter.shape)
    log.result(lambda: parameter.share_memory_())
    log(
        str(parameter.device), str(parameter.dtype), str(nn.UninitializedParameter(dtype=torch.float64).dtype)
    )
    twin = copy.deepcopy(parameter)
    log(repr(twin), twin is parameter)
    log(repr(pickle.loads(pickle.dumps(parameter))))
    parameter.materialize((2, 3), dtype=torch.float64)
    log(type(parameter).__name__, tuple(parameter.shape), str(parameter.dtype), parameter.requires_grad)
    buffer = nn.UninitializedBuffer(persistent=False)
    log(repr(buffer), buffer.persistent, isinstance(buffer, nn.Buffer))
    buffer.materialize((2,))
    log(type(buffer).__name__, tuple(buffer.shape), nn.parameter.is_lazy(buffer))


@scenario
def lazy_modules(torch, log):
    nn = torch.nn

    class Scale(nn.Module):
        def __init__(self, size):
            super().__init__()
            self.weight = nn.Parameter(torch.ones(size))

        def forward(self, x):
            return x * self.weight

        def extra_repr(self):
            return f"{self.weight is not None}"

    class LazyScale(nn.modules.lazy.LazyModuleMixin, Scale):
        cls_to_become = Scale

        def __init__(self):
            super().__init__(0)
            self.weight = nn.UninitializedParameter()

        def initialize_parameters(self, x):
            if self.has_uninitialized_params():
                with torch.no_grad():
                    self.weight.materialize(x.shape[-1:])
                    self.weight.fill_(2.0)

    module = LazyScale()
    log(module, module.has_uninitialized_params(), [type(p).__name__ for p in module.parameters()])
    module.double().float()
    log(module(torch.ones(1, 3)), type(module).__name__, sorted(module.__dict__))
    loaded = LazyScale()
    log(repr(loaded.load_state_dict(module.state_dict())), loaded.weight)
    log(loaded(torch.ones(1, 3)), type(loaded).__name__)
    log(list(LazyScale().state_dict()), repr(LazyScale().state_dict()["weight"]))
    log.result(lambda: Scale(2).load_state_dict(LazyScale().state_dict()))

    class Forgetful(LazyScale):
        def initialize_parameters(self, x):
            pass

    class Without(nn.modules.lazy.LazyModuleMixin, Scale):
        pass

    log.result(lambda: Forgetful()(torch.ones(1, 3)))
    log.result(lambda: Without(3)(torch.ones(1, 3)))
    log.result(lambda: LazyScale()._replicate_for_data_parallel())


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda function: function.__name__)
def test_as_in_pytorch(scenario):
    assert_same(scenario)


def test_uninitialized_parameter_cannot_be_computed_with():
    from flambeau import nn

    with pytest.raises(ValueError, match="Attempted to use an uninitialized parameter"):
        nn.UninitializedParameter() + 1
