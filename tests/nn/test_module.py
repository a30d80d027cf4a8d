import copy
import pickle

import pytest
from side_by_side import assert_same

SCENARIOS = []


def scenario(function):
    SCENARIOS.append(function)
    return function


def make_net(torch):
    nn = torch.nn

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.first = nn.Linear(4, 3)
            self.blocks = nn.Sequential(
                nn.Linear(3, 3), nn.ReLU(), nn.Sequential(nn.Linear(3, 2, bias=False))
            )
            self.scale = nn.Parameter(torch.ones(2))
            self.register_buffer("shift", torch.zeros(2))
            self.register_buffer("count", torch.tensor(3), persistent=False)
            self.register_buffer("absent", None)
            self.register_parameter("nothing", None)
            self.register_module("gone", None)
            self.again = self.first

        def forward(self, x):
            return self.blocks(self.first(x)) * self.scale + self.shift

        def extra_repr(self):
            return "one=1"

    return Net()


@scenario
def walking(torch, log):
    net = make_net(torch)
    log(net)
    for remove_duplicate in (True, False):
        log([name for name, _ in net.named_modules(prefix="net", remove_duplicate=remove_duplicate)])
        log([name for name, _ in net.named_parameters("net", remove_duplicate=remove_duplicate)])
        log([name for name, _ in net.named_buffers(remove_duplicate=remove_duplicate)])
        log(len(list(net.modules(remove_duplicate))))
    log([name for name, _ in net.named_parameters(recurse=False)], [n for n, _ in net.named_children()])
    log(len(list(net.parameters(recurse=False))), len(list(net.buffers())), list(net.children()))
    memo = {net.first}
    log([name for name, _ in net.named_modules(memo)], len(memo))
    log(type(net.parameters()).__name__, type(net.named_modules()).__name__, type(net.children()).__name__)
    log([name for name in ("first", "scale", "shift", "training", "forward") if name in dir(net)])
    log([name for name in dir(net.blocks) if name[0].isdigit()])


@scenario
def registering(torch, log):
    nn = torch.nn
    net = make_net(torch)
    bad_names = (3, "", "a.b", "training", "first", "scale", "shift", "new")
    for name in bad_names:
        log.result(lambda name=name: net.register_parameter(name, nn.Parameter(torch.ones(1))))
        log.result(lambda name=name: net.register_buffer(name, torch.ones(1)))
        log.result(lambda name=name: net.add_module(name, nn.ReLU()))
        log(sorted(net._parameters), sorted(net._buffers), sorted(net._modules))
    for value in (3, "text", torch.ones(1), torch.nn.ReLU(), [torch.nn.ReLU()]):
        log.result(
            lambda value=value: net.add_module("m", value) if not isinstance(value, nn.Module) else None
        )
        log.result(
            lambda value=value: net.register_buffer("b", value) if not isinstance(value, nn.Module) else None
        )
        if not isinstance(value, nn.Module):
            log.result(lambda value=value: net.register_parameter("p", value))
    log.result(lambda: net.register_parameter("q", nn.Parameter(torch.ones(1)) * 2))
    log.result(lambda: net.register_parameter("r", torch.ones(1)))


@scenario
def assigning(torch, log):
    nn = torch.nn
    net = make_net(torch)

    def where(name):
        return [
            place
            for place in ("_parameters", "_buffers", "_modules", "_non_persistent_buffers_set", "__dict__")
            if name in getattr(net, place)
        ]

    values = [
        lambda: None,
        lambda: 3,
        lambda: torch.ones(2),
        lambda: nn.Parameter(torch.ones(2)),
        lambda: nn.Buffer(torch.ones(2)),
        lambda: nn.Buffer(torch.ones(2), persistent=False),
        lambda: nn.Tanh(),
    ]
    for name in ("scale", "shift", "count", "first", "absent", "nothing", "gone", "fresh", "plain"):
        for value in values:
            net = make_net(torch)
            net.plain = 1
            log.result(lambda net=net, name=name, value=value: setattr(net, name, value()))
            log(name, where(name))
            log.result(lambda net=net, name=name: getattr(net, name))
    for name in ("scale", "shift", "count", "first", "plain", "fresh"):
        log.result(lambda name=name: delattr(net, name))
        log(where(name))
        log.result(lambda name=name: getattr(net, name))


@scenario
def before_init(torch, log):
    nn = torch.nn

    class Late(nn.Module):
        def __init__(self, act):
            act(self)

    log.result(lambda: Late(lambda m: setattr(m, "a", nn.ReLU())))
    log.result(lambda: Late(lambda m: setattr(m, "a", nn.Parameter(torch.ones(1)))))
    log.result(lambda: Late(lambda m: m.register_buffer("a", torch.ones(1))))
    log.result(lambda: Late(lambda m: m.register_parameter("a", None)))
    log.result(lambda: Late(lambda m: m.a))
    log.result(lambda: Late(lambda m: setattr(m, "a", 3)).a)
    log.result(lambda: Late(lambda m: setattr(m, "a", torch.ones(1))).a)
    log.result(lambda: list(Late(lambda m: None).parameters()))
    log.result(lambda: Late(lambda m: None)(1))
    log.result(lambda: repr(Late(lambda m: None)))
    log.result(lambda: delattr(Late(lambda m: None), "a"))


@scenario
def init_arguments(torch, log):
    nn = torch.nn
    log.result(lambda: nn.Module(1, 2))
    log.result(lambda: nn.Module(a=1, b=2))

    class Mixin:
        def __init__(self, value=None):
            self.value = value

    class Cooperative(nn.Module, Mixin):
        call_super_init = True

        def __init__(self, **kwargs):
            super().__init__(**kwargs)

    log(Cooperative(value=3).value)
    log(list(nn.Module().__dict__))
    log([str(type(value)) for value in nn.Module().__dict__.values()])


@scenario
def attributes(torch, log):
    nn = torch.nn

    class Broken(nn.Module):
        @property
        def prop(self):
            return self.missing

    log.result(lambda: Broken().prop)
    log.result(lambda: Broken().nothing)
    log.result(lambda: nn.Module()(torch.ones(1)))
    log.result(lambda: Broken()(1, 2))
    log.result(lambda: nn.Module().get_extra_state())
    log.result(lambda: nn.Module().set_extra_state(1))
    log(nn.Module._version, nn.Module.dump_patches, nn.Module.call_super_init)
    log(nn.Module()._get_name(), nn.Module().extra_repr(), nn.Module()._compiled_call_impl)


@scenario
def dotted_paths(torch, log):
    nn = torch.nn
    net = make_net(torch)
    for path in (
        "",
        "first",
        "blocks.2.0",
        "blocks.9",
        "nope",
        "scale",
        "first.weight",
        "training",
        "blocks.2.",
    ):
        log.result(lambda path=path: net.get_submodule(path))
        log.result(lambda path=path: net.get_parameter(path))
        log.result(lambda path=path: net.get_buffer(path))
    for path in ("shift", "count", "blocks.2.0.weight", "first.bias", "nothing", "absent"):
        log.result(lambda path=path: net.get_parameter(path))
        log.result(lambda path=path: net.get_buffer(path))
    for path in (
        "",
        "first",
        "blocks.1",
        "blocks.2.0",
        "blocks.9",
        "scale",
        "nope.deep",
        "fresh",
        "blocks.2.0.weight",
    ):
        for strict in (False, True):
            net = make_net(torch)
            log.result(
                lambda net=net, path=path, strict=strict: net.set_submodule(path, nn.Identity(), strict)
            )
            log(net)
    log.result(lambda: net.set_submodule("first", 3))


@scenario
def modes(torch, log):
    net = make_net(torch)
    seen = []
    log(net.apply(lambda m: seen.append(type(m).__name__)) is net, seen)
    log(net.eval() is net, [m.training for m in net.modules()])
    log(net.train().training, [m.training for m in net.modules()])
    log.result(lambda: net.train(1))
    log(net.requires_grad_(False) is net, [p.requires_grad for p in net.parameters()])
    net.requires_grad_()
    net(torch.ones(2, 4)).sum().backward()
    log([p.grad for p in net.parameters()])
    net.zero_grad(set_to_none=False)
    log([p.grad for p in net.parameters()])
    net.zero_grad()
    log([p.grad for p in net.parameters()])


@scenario
def conversions(torch, log):
    net = make_net(torch)
    weight, shift = net.first.weight, net.shift
    net(torch.ones(2, 4)).sum().backward()
    for convert in (
        lambda: net.double(),
        lambda: net.half(),
        lambda: net.bfloat16(),
        lambda: net.float(),
        lambda: net.to(torch.float64),
        lambda: net.to("cpu"),
        lambda: net.to(torch.device("cpu"), torch.float32, True),
        lambda: net.to(torch.ones(1, dtype=torch.float64)),
        lambda: net.to(dtype=torch.float32, device="cpu", non_blocking=False),
        lambda: net.to(tensor=torch.ones(1)),
        lambda: net.to(None, torch.float64),
        lambda: net.to(),
        lambda: net.type(torch.float32),
        lambda: net.cpu(),
        lambda: net.share_memory(),
    ):
        log(convert() is net, weight is net.first.weight, net.again is net.first, weight.is_leaf)
        log({name: str(t.dtype) for name, t in [*net.named_parameters(), *net.named_buffers()]})
        log([str(p.grad.dtype) for p in net.parameters()], shift is net.shift)


@scenario
def conversions_refused(torch, log):
    net = make_net(torch)
    log.result(lambda: net.to(torch.int32))
    log.result(lambda: net.to(torch.ones(1, dtype=torch.int64)))
    log.result(lambda: net.to("cpu", 3))
    log.result(lambda: net.to(foo=1))
    log.result(lambda: net.to("cpu", torch.float32, False, True))
    log.result(lambda: net.to(torch.float32, dtype=torch.float32))
    log.result(lambda: net.to(other=torch.ones(1)))


@scenario
def meta(torch, log):
    net = make_net(torch)
    weight = net.first.weight
    net.to("meta")
    log(net.first.weight is weight, [p.is_meta for p in net.parameters()], [b.is_meta for b in net.buffers()])
    log.result(lambda: net.to("cpu"))
    net.to_empty(device="cpu")
    log([tuple(p.shape) for p in net.parameters()], [p.is_meta for p in net.parameters()])
    log([type(p).__name__ for p in net.parameters()], [p.requires_grad for p in net.parameters()])


@scenario
def replicas(torch, log):
    net = make_net(torch)
    replica = net._replicate_for_data_parallel()
    log(sorted(replica._parameters), sorted(replica._buffers), sorted(replica._modules), replica._is_replica)
    log(replica._modules is net._modules, type(replica) is type(net))
    log.result(replica.zero_grad)


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda function: function.__name__)
def test_as_in_pytorch(scenario):
    assert_same(scenario)


def test_public_surface_is_that_of_pytorch():
    import torch

    import flambeau

    # PyTorch's compiler, once imported, leaves a mark on the class.
    theirs = {name for name in dir(torch.nn.Module) if not name.startswith("___")}
    assert theirs - set(dir(flambeau.nn.Module)) == set()


def test_signatures_are_those_of_pytorch():
    import inspect

    import torch

    import flambeau

    def parameters(function):
        signature = inspect.signature(function)
        return [(p.name, p.kind, p.default) for p in signature.parameters.values()]

    for name, function in vars(torch.nn.Module).items():
        if inspect.isfunction(function):
            assert parameters(getattr(flambeau.nn.Module, name)) == parameters(function), name


def test_copies_are_independent():
    import flambeau as torch

    net = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.Linear(2, 2))
    net[1].weight = net[0].weight
    twin = copy.deepcopy(net)
    assert twin[0].weight is twin[1].weight
    assert twin[0].weight is not net[0].weight
    with torch.no_grad():
        twin[0].weight.zero_()
    assert float(net[0].weight.detach().abs().sum()) > 0


def test_pickled_module_comes_back():
    import flambeau as torch

    net = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.BatchNorm1d(2))
    net.compile()
    back = pickle.loads(pickle.dumps(net))
    assert back._compiled_call_impl is None
    assert repr(back) == repr(net)
    for (name, tensor), (other, loaded) in zip(
        net.state_dict().items(), back.state_dict().items(), strict=True
    ):
        assert name == other
        assert torch.equal(tensor, loaded)
    assert all(p.requires_grad for p in back.parameters())


def test_state_of_an_older_version_gains_what_it_lacks():
    import flambeau as torch

    state = torch.nn.Linear(2, 2).__getstate__()
    del (
        state["_forward_hooks_with_kwargs"],
        state["_load_state_dict_post_hooks"],
        state["_backward_pre_hooks"],
    )
    module = torch.nn.Linear.__new__(torch.nn.Linear)
    module.__setstate__(state)
    assert tuple(module(torch.ones(1, 2)).shape) == (1, 2)
    module.register_forward_hook(lambda *args: None, with_kwargs=True)
    assert tuple(module(torch.ones(1, 2)).shape) == (1, 2)


def test_replaced_parameter_says_how():
    import flambeau as torch

    with pytest.raises(TypeError, match="cannot assign") as caught:
        torch.nn.Linear(2, 2).weight = torch.ones(2, 2)
    assert "nn.Parameter(value)" in caught.value.__notes__[0]


def test_registering_too_early_says_what_to_call():
    import flambeau as torch

    class Early(torch.nn.Module):
        def __init__(self):
            self.layer = torch.nn.ReLU()

    with pytest.raises(AttributeError, match="before Module") as caught:
        Early()
    assert "super().__init__()" in caught.value.__notes__[0]
