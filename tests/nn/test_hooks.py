import copy
import pickle

import pytest
from side_by_side import assert_same

SCENARIOS = []


def scenario(function):
    SCENARIOS.append(function)
    return function


def tell(log, name, answer=None):
    """A hook that logs its name and arguments; `answer`, of the arguments, is what it returns."""

    def hook(module, *args):
        log(name, type(module).__name__, list(args))
        return None if answer is None else answer(*args)

    return hook


@scenario
def order_of_forward_hooks(torch, log):
    nn = torch.nn
    module = nn.Tanh()
    handles = [
        nn.modules.module.register_module_forward_pre_hook(tell(log, "global pre")),
        nn.modules.module.register_module_forward_hook(tell(log, "global")),
        nn.modules.module.register_module_forward_hook(tell(log, "global kwargs"), with_kwargs=True),
    ]
    module.register_forward_pre_hook(tell(log, "pre 1"))
    module.register_forward_pre_hook(tell(log, "pre 2", lambda args: args[0] + 1))
    module.register_forward_pre_hook(tell(log, "pre 0", lambda args: (args[0] * 2,)), prepend=True)
    module.register_forward_pre_hook(tell(log, "pre kwargs"), with_kwargs=True)
    module.register_forward_hook(tell(log, "hook 1"))
    module.register_forward_hook(tell(log, "hook 0", lambda args, out: out * 3), prepend=True)
    removed = module.register_forward_hook(tell(log, "removed"))
    removed.remove()
    removed.remove()
    with module.register_forward_hook(tell(log, "inside")):
        log(module(torch.zeros(2)))
    log(module(torch.zeros(2)))
    for handle in handles:
        handle.remove()
    log(module(torch.zeros(2)))
    log(module.forward(torch.zeros(2)))


@scenario
def hooks_with_keywords(torch, log):
    nn = torch.nn

    class Sum(nn.Module):
        def forward(self, a, b=0, *, c=0):
            return a + b + c

    module = Sum()
    one = torch.ones(1)
    module.register_forward_pre_hook(
        tell(log, "pre", lambda args, kwargs: (args, {**kwargs, "c": 10})), with_kwargs=True
    )
    module.register_forward_hook(
        tell(log, "post", lambda args, kwargs, out: out + kwargs["c"]), with_kwargs=True
    )
    log(module(one, b=2))
    log(module(one, 3, c=5))
    module.register_forward_pre_hook(lambda m, args, kwargs: args, with_kwargs=True)
    log.result(lambda: module(one))


@scenario
def hooks_called_always(torch, log):
    nn = torch.nn

    class Fails(nn.Module):
        def forward(self, x):
            raise ValueError("in forward")

    def broken(module, *args):
        log("broken")
        raise KeyError("in hook")

    module = Fails()
    module.register_forward_hook(tell(log, "plain"))
    module.register_forward_hook(tell(log, "always"), always_call=True)
    module.register_forward_hook(tell(log, "always kwargs"), always_call=True, with_kwargs=True)
    module.register_forward_hook(broken, always_call=True)
    log.result(lambda: module(torch.ones(1)))
    handle = nn.modules.module.register_module_forward_hook(broken, always_call=True)
    log.result(lambda: module(torch.ones(1)))
    handle.remove()
    fine = nn.Tanh()
    fine.register_forward_hook(tell(log, "first"), always_call=True)
    fine.register_forward_hook(broken)
    fine.register_forward_hook(tell(log, "last"), always_call=True)
    log.result(lambda: fine(torch.zeros(1)))


class TwoOutputs:
    """Made a module of either library by `two_outputs`."""

    def forward(self, a, b, scale=2):
        return a * b * scale, a + 1, "text"


def two_outputs(torch):
    return type("TwoOutputs", (TwoOutputs, torch.nn.Module), {})()


@scenario
def full_backward_hooks(torch, log):
    nn = torch.nn
    a = torch.tensor([1.0, 2.0], requires_grad=True)
    b = torch.tensor([3.0, 4.0])
    module = two_outputs(torch)
    module.register_full_backward_pre_hook(tell(log, "pre"))
    module.register_full_backward_hook(tell(log, "hook"))
    module.register_full_backward_hook(tell(log, "hook 0"), prepend=True)
    handles = [
        nn.modules.module.register_module_full_backward_pre_hook(tell(log, "global pre")),
        nn.modules.module.register_module_full_backward_hook(tell(log, "global")),
    ]
    first, second, text = module(a, b, 3)
    log(first, second, text)
    (first.sum() + second.sum()).backward()
    log(a.grad)
    a.grad = None
    module(a, b)[0].sum().backward()  # one output unused
    log(a.grad)
    a.grad = None
    module(a, b)[1].sum().backward()
    log(a.grad)
    for handle in handles:
        handle.remove()
    (module(a, b.requires_grad_())[0].sum() * 2).backward()
    log(a.grad, b.grad)
    with torch.no_grad():
        log(module(a, b))


@scenario
def gradients_replaced(torch, log):
    nn = torch.nn
    a = torch.ones(2, requires_grad=True)
    module = nn.Tanh()
    module.register_full_backward_pre_hook(tell(log, "pre", lambda grads: (grads[0] * 2,)))
    module.register_full_backward_hook(tell(log, "hook", lambda inputs, outputs: (inputs[0] * 0 + 7,)))
    module.register_full_backward_hook(tell(log, "hook 2", lambda inputs, outputs: [inputs[0] + 1]))
    module(a).sum().backward()
    log(a.grad)
    for answer in (lambda m, i, o: (i[0], i[0]), lambda m, i, o: i[0]):
        bad = module.register_full_backward_hook(answer)
        log.result(lambda: module(a).sum().backward())
        bad.remove()
    bad = module.register_full_backward_pre_hook(lambda m, o: (o[0], o[0]))
    log.result(lambda: module(a).sum().backward())
    bad.remove()
    module.register_full_backward_pre_hook(lambda m, o: o[0])
    log.result(lambda: module(a).sum().backward())


@scenario
def no_input_needs_a_gradient(torch, log):
    module = torch.nn.Linear(2, 2)
    with torch.no_grad():
        module.weight.fill_(1.0)
        module.bias.fill_(1.0)
    x = torch.ones(1, 2)
    module.register_full_backward_pre_hook(tell(log, "pre"))
    log.result(lambda: module(x).sum().backward())
    module.register_full_backward_hook(tell(log, "hook"))
    log.result(lambda: module(x).sum().backward())
    log(module.weight.grad)
    handle = module.register_full_backward_hook(tell(log, "nones", lambda inputs, outputs: (None,)))
    log.result(lambda: module(x).sum().backward())
    handle.remove()
    module.register_full_backward_hook(tell(log, "bad", lambda inputs, outputs: (outputs[0],)))
    log.result(lambda: module(x).sum().backward())


@scenario
def nested_backward_hooks(torch, log):
    nn = torch.nn
    net = nn.Sequential(nn.Tanh(), nn.Sequential(nn.ReLU(), nn.Tanh()))
    for name, module in net.named_modules():
        module.register_full_backward_hook(tell(log, name))
        module.register_full_backward_pre_hook(tell(log, "pre " + name))
    x = torch.ones(2, requires_grad=True)
    net(x).sum().backward()
    log(x.grad)


@scenario
def outputs_without_tensors(torch, log):
    nn = torch.nn

    class Named(nn.Module):
        def forward(self, x):
            return {"y": x * 2}

    module = Named()
    module.register_full_backward_hook(tell(log, "hook"))
    x = torch.ones(2, requires_grad=True)
    log.result(lambda: module(x))


@scenario
def kinds_do_not_mix(torch, log):
    module = torch.nn.Tanh()
    module.register_full_backward_hook(tell(log, "full"))
    log.result(lambda: module.register_backward_hook(tell(log, "old")))
    other = torch.nn.Tanh()
    other.register_backward_hook(tell(log, "old"))
    log.result(lambda: other.register_full_backward_hook(tell(log, "full")))
    log(module._is_full_backward_hook, other._is_full_backward_hook)
    log(len(module._get_backward_hooks()[0]), len(other._get_backward_hooks()[1]))


@scenario
def old_backward_hooks(torch, log):
    nn = torch.nn
    x = torch.ones(2, requires_grad=True) * 1
    module = nn.Tanh()
    module.register_backward_hook(tell(log, "old"))
    log.result(lambda: module(x).sum().backward())

    class Two(nn.Module):
        def forward(self, x):
            return (x * 2).tanh()

    two = Two()
    two.register_backward_hook(tell(log, "old two"))
    log.result(lambda: two(x).detach())
    log.result(lambda: two(torch.ones(2)))
    outputs = two_outputs(torch)
    outputs.register_backward_hook(lambda *args: None)
    log.result(lambda: outputs(x, x)[1].detach())


@scenario
def registration_hooks(torch, log):
    nn = torch.nn
    module_py = nn.modules.module

    def named(kind):
        return lambda module, name, value: log(kind, type(module).__name__, name, value)

    handles = [
        module_py.register_module_parameter_registration_hook(named("parameter")),
        module_py.register_module_buffer_registration_hook(named("buffer")),
        module_py.register_module_module_registration_hook(named("module")),
        module_py.register_module_module_registration_hook(
            lambda module, name, value: nn.Identity() if name == "swap" else None
        ),
    ]

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.p = nn.Parameter(torch.ones(1))
            self.q = nn.Parameter(torch.ones(2))
            self.q = None
            self.register_parameter("r", None)
            self.register_buffer("b", torch.zeros(1))
            self.b = torch.ones(1)
            self.m = nn.Tanh()
            self.swap = nn.Tanh()
            self.add_module("n", nn.Tanh())
            self.n = None

    net = Net()
    for handle in handles:
        handle.remove()
    log(net, net.p, net.b)
    Net()


@scenario
def handles(torch, log):
    module = torch.nn.Tanh()
    handle = module.register_forward_hook(tell(log, "a"), with_kwargs=True, always_call=True)
    log(
        len(module._forward_hooks),
        len(module._forward_hooks_with_kwargs),
        len(module._forward_hooks_always_called),
    )
    handle.remove()
    log(
        len(module._forward_hooks),
        len(module._forward_hooks_with_kwargs),
        len(module._forward_hooks_always_called),
    )
    first, second = (module.register_forward_hook(tell(log, "a")).id for _ in range(2))
    log(second - first)


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda function: function.__name__)
def test_as_in_pytorch(scenario):
    assert_same(scenario, 1e-6)


def test_copied_module_runs_its_own_loading_hooks():
    import flambeau as torch

    called = []

    class Net(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = torch.nn.Parameter(torch.ones(1))
            self.register_load_state_dict_pre_hook(Net.note)

        def note(self, *args):
            called.append(self)

    net = Net()
    twin = copy.deepcopy(net)
    twin.load_state_dict(net.state_dict())
    assert called == [twin]


def double_output(module, args, output):
    return output * 2


def test_pickled_module_keeps_its_hooks():
    import flambeau as torch

    module = torch.nn.Tanh()
    handle = module.register_forward_hook(double_output)
    back, removable = pickle.loads(pickle.dumps((module, handle)))
    x = torch.ones(1)
    assert torch.equal(back(x), module(x))
    removable.remove()
    assert not back._forward_hooks
    assert torch.equal(back(x), torch.tanh(x))
