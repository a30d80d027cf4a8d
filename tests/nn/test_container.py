from collections import OrderedDict

import pytest
from side_by_side import assert_same

SCENARIOS = []


def scenario(function):
    SCENARIOS.append(function)
    return function


def try_all(log, make, *actions):
    """Log what each action does to a fresh container."""
    for action in actions:
        container = make()
        log.result(lambda action=action, container=container: action(container))
        log(container, list(container._modules), len(container))


@scenario
def sequential(torch, log):
    nn = torch.nn

    def make():
        return nn.Sequential(nn.Tanh(), nn.ReLU(), nn.Linear(2, 2))

    try_all(
        log,
        make,
        lambda s: [s[0], s[-1], s[1:], s[::2], s[5:]],
        lambda s: s[3],
        lambda s: s[-4],
        lambda s: s["0"],
        lambda s: s[1.0],
        lambda s: s[torch.tensor(1)],
        lambda s: s.__setitem__(0, nn.Identity()),
        lambda s: s.__setitem__(-1, None),
        lambda s: s.__setitem__(9, nn.Identity()),
        lambda s: s.__setitem__(0, 3),
        lambda s: s.__delitem__(0),
        lambda s: s.__delitem__(slice(0, 2)),
        lambda s: s.__delitem__(7),
        lambda s: s + nn.Sequential(nn.Identity()),
        lambda s: s.__add__([nn.Identity()]),
        lambda s: s.__iadd__(nn.Sequential(nn.Identity())),
        lambda s: s.__iadd__(3),
        lambda s: s * 2,
        lambda s: 2 * s,
        lambda s: s * 0,
        lambda s: s * 1.5,
        lambda s: s.__imul__(2),
        lambda s: s.__imul__(-1),
        lambda s: s.__imul__("a"),
        lambda s: s.pop(0),
        lambda s: s.pop(slice(1, 3)),
        lambda s: s.pop(9),
        lambda s: s.append(nn.Identity()),
        lambda s: s.append(3),
        lambda s: s.insert(0, nn.Identity()),
        lambda s: s.insert(3, nn.Identity()),
        lambda s: s.insert(-1, nn.Identity()),
        lambda s: s.insert(9, nn.Identity()),
        lambda s: s.insert(0, 3),
        lambda s: s.extend([nn.Identity(), nn.Identity()]),
        lambda s: s.extend(3),
        lambda s: list(iter(s)),
        lambda s: [name for name in dir(s) if name.isdigit()],
    )
    named = nn.Sequential(OrderedDict([("a", nn.Tanh()), ("b", nn.ReLU())]))
    log(named, named.a is named[0], named[:1], len(named))
    named.append(nn.Identity())
    log(named)
    del named[0]
    log(named)
    log.result(lambda: nn.modules.container.Container(a=nn.Tanh()))
    log.result(lambda: nn.Sequential([nn.Tanh()]))
    log.result(lambda: nn.Sequential(nn.Tanh))
    log.result(lambda: nn.Sequential({"a": nn.Tanh()}))
    log(nn.Sequential()(3), nn.Sequential(nn.Identity())(torch.ones(1)))


@scenario
def module_list(torch, log):
    nn = torch.nn

    def make():
        return nn.ModuleList([nn.Tanh(), nn.Tanh(), nn.ReLU()])

    try_all(
        log,
        make,
        lambda m: [m[0], m[-1], m[1:], m[::2], m[5:]],
        lambda m: m[3],
        lambda m: m[-4],
        lambda m: m["a"],
        lambda m: m.__setitem__(0, nn.Identity()),
        lambda m: m.__setitem__(-1, nn.Identity()),
        lambda m: m.__setitem__(9, nn.Identity()),
        lambda m: m.__setitem__(0, 3),
        lambda m: m.__delitem__(0),
        lambda m: m.__delitem__(slice(0, 2)),
        lambda m: m.__delitem__(7),
        lambda m: m.__add__([nn.Identity()]),
        lambda m: m.__iadd__([nn.Identity()]),
        lambda m: m.__iadd__(3),
        lambda m: m.insert(0, nn.Identity()),
        lambda m: m.append(nn.Identity()),
        lambda m: m.append(3),
        lambda m: m.extend(nn.Identity() for _ in range(2)),
        lambda m: m.extend(nn.Identity()),
        lambda m: m.extend(3),
        lambda m: m.pop(0),
        lambda m: m.pop(slice(0, 2)),
        lambda m: m.pop(9),
        lambda m: m(torch.ones(1)),
        lambda m: [type(each).__name__ for each in m],
        lambda m: [name for name in dir(m) if name.isdigit()],
    )
    blocks = nn.ModuleList([nn.Sequential(nn.Linear(2, 2), nn.Tanh()) for _ in range(3)])
    blocks.append(nn.Linear(2, 2))
    blocks.append(nn.ModuleList([]))
    log(nn.Sequential(blocks, nn.ModuleList()))
    log(list(blocks.state_dict()))


@scenario
def module_dict(torch, log):
    nn = torch.nn

    def make():
        return nn.ModuleDict({"b": nn.Tanh(), "a": nn.ReLU()})

    try_all(
        log,
        make,
        lambda m: [m["a"], "a" in m, "z" in m, list(m), list(m.keys()), list(m.items()), list(m.values())],
        lambda m: m["z"],
        lambda m: m[0],
        lambda m: m.__setitem__("c", nn.Identity()),
        lambda m: m.__setitem__("a", nn.Identity()),
        lambda m: m.__setitem__("a", 3),
        lambda m: m.__setitem__("a.b", nn.Identity()),
        lambda m: m.__setitem__("training", nn.Identity()),
        lambda m: m.__setitem__(3, nn.Identity()),
        lambda m: m.__delitem__("a"),
        lambda m: m.__delitem__("z"),
        lambda m: m.pop("a"),
        lambda m: m.pop("z"),
        lambda m: m.clear(),
        lambda m: m.update({"z": nn.Identity(), "c": nn.Identity()}),
        lambda m: m.update(OrderedDict(z=nn.Identity(), c=nn.Identity())),
        lambda m: m.update([("z", nn.Identity()), ["c", nn.Identity()]]),
        lambda m: m.update(nn.ModuleDict({"z": nn.Identity()})),
        lambda m: m.update(3),
        lambda m: m.update([3]),
        lambda m: m.update([("a", nn.Identity(), 3)]),
        lambda m: m(torch.ones(1)),
    )
    log(nn.ModuleDict(), nn.ModuleDict([["a", nn.Tanh()]]))


def try_all_parameters(log, make, *actions):
    for action in actions:
        container = make()
        log.result(lambda action=action, container=container: action(container))
        log(container, list(container._parameters), len(container))


@scenario
def parameter_list(torch, log):
    nn = torch.nn

    def make():
        return nn.ParameterList([nn.Parameter(torch.ones(2)), torch.zeros(2, 3), "text", 4])

    try_all_parameters(
        log,
        make,
        lambda p: [p[0], p[-1], p[1], p[2]],
        lambda p: p[1:],
        lambda p: p[9],
        lambda p: p[-9],
        lambda p: p["a"],
        lambda p: p.__setitem__(0, torch.ones(1)),
        lambda p: p.__setitem__(-1, nn.Parameter(torch.ones(1))),
        lambda p: p.__setitem__(0, 3),
        lambda p: p.__setitem__(9, 3),
        lambda p: p.append(torch.ones(1)),
        lambda p: p.extend([torch.ones(1), 3]),
        lambda p: p.extend(p),
        lambda p: p.extend(torch.ones(2)),
        lambda p: p.extend(3),
        lambda p: p.__iadd__([torch.ones(1)]),
        lambda p: p(1),
        lambda p: list(p),
        lambda p: [name for name in dir(p) if name.isdigit()],
        lambda p: list(p.state_dict()),
        lambda p: p.double()[0],
    )
    log(nn.ParameterList(), nn.Sequential(nn.ParameterList([torch.ones(1)])))


@scenario
def parameter_dict(torch, log):
    nn = torch.nn

    def make():
        return nn.ParameterDict({"b": nn.Parameter(torch.ones(2)), "a": torch.zeros(1), "c": "text"})

    try_all_parameters(
        log,
        make,
        lambda p: [p["a"], p["b"], p["c"], "a" in p, "z" in p, list(p), list(reversed(p))],
        lambda p: [list(p.keys()), list(p.items()), list(p.values())],
        lambda p: p["z"],
        lambda p: p[0],
        lambda p: p.__setitem__("z", torch.ones(1)),
        lambda p: p.__setitem__("a", 3),
        lambda p: p.__delitem__("a"),
        lambda p: p.__delitem__("z"),
        lambda p: p.pop("a"),
        lambda p: p.pop("z"),
        lambda p: p.popitem(),
        lambda p: p.clear(),
        lambda p: p.copy(),
        lambda p: [p.get("a"), p.get("z"), p.get("z", 3)],
        lambda p: [p.setdefault("a", 3), p.setdefault("z", torch.ones(1))],
        lambda p: p.fromkeys(["x", "y"]),
        lambda p: p.fromkeys(["x", "y"], torch.ones(1)),
        lambda p: p.update({"z": torch.ones(1), "d": torch.ones(1)}),
        lambda p: p.update(OrderedDict(z=torch.ones(1), d=torch.ones(1))),
        lambda p: p.update([("z", torch.ones(1)), ["d", torch.ones(1)]]),
        lambda p: p.update(nn.ParameterDict({"z": torch.ones(1)})),
        lambda p: p.update(3),
        lambda p: p.update([3]),
        lambda p: p.update([("a", 1, 2)]),
        lambda p: p | nn.ParameterDict({"z": torch.ones(1), "a": torch.ones(4)}),
        lambda p: p.__ior__(nn.ParameterDict({"z": torch.ones(1)})),
        lambda p: p.__ror__(nn.ParameterDict({"z": torch.ones(1), "a": torch.ones(4)})),
        lambda p: p(1),
        lambda p: list(p.state_dict()),
        lambda p: p.double()["a"],
    )
    log.result(lambda: make().__setitem__(3, 3))
    log.result(lambda: make().__setitem__("a.b", torch.ones(1)))
    log(nn.ParameterDict(), nn.Sequential(nn.ParameterDict({"a": torch.ones(1)})))


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda function: function.__name__)
def test_as_in_pytorch(scenario):
    assert_same(scenario)


def test_a_list_given_to_sequential_should_be_unpacked():
    from flambeau import nn

    with pytest.raises(TypeError, match="list is not a Module subclass") as caught:
        nn.Sequential([nn.Tanh()])
    assert "*layers" in caught.value.__notes__[0]


def test_containers_can_be_extended_by_themselves():
    from flambeau import nn

    assert len(nn.Sequential(nn.Tanh(), nn.ReLU()).extend(nn.Sequential(nn.Tanh()))) == 3
    row = nn.Sequential(nn.Tanh(), nn.ReLU())
    row += row
    assert [type(module).__name__ for module in row] == ["Tanh", "ReLU"] * 2


def test_module_list_inserts_as_a_list_does():
    from flambeau import nn

    for index in (-9, -1, 0, 1, 2, 9):
        modules, expected = nn.ModuleList([nn.Tanh(), nn.ReLU()]), ["Tanh", "ReLU"]
        modules.insert(index, nn.Identity())
        expected.insert(index, "Identity")
        assert [type(module).__name__ for module in modules] == expected
        assert list(modules._modules) == ["0", "1", "2"]
