from collections import OrderedDict

import pytest
from side_by_side import assert_same

SCENARIOS = []


def scenario(function):
    SCENARIOS.append(function)
    return function


def make_net(torch):
    nn = torch.nn

    class Inner(nn.Module):
        _version = 3

        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.ones(2, 2))
            self.register_parameter("bias", None)
            self.register_buffer("mean", torch.zeros(2))
            self.register_buffer("hidden", torch.zeros(2), persistent=False)

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = Inner()
            self.list = nn.ModuleList([Inner(), Inner()])
            self.scale = nn.Parameter(torch.tensor(2.0))
            self.none = None
            self.register_module("gone", None)

    return Net()


@scenario
def saving(torch, log):
    net = make_net(torch)
    state = net.state_dict()
    log(type(state).__name__, dict(state), {key: dict(value) for key, value in state._metadata.items()})
    log(dict(net.state_dict(prefix="a.", keep_vars=True)))
    destination = {"x": 1}
    log(net.inner.state_dict(destination=destination, prefix="p.") is destination, destination)
    log.result(lambda: dict(net.inner.state_dict({}, "q.", True)))
    log.result(lambda: list(net.inner.state_dict(OrderedDict(), prefix="q.")))
    with torch.no_grad():
        net.scale.fill_(5.0)
    log(state["scale"])


@scenario
def loading(torch, log):
    net = make_net(torch)
    state = {key: value + 1 for key, value in net.state_dict().items()}
    weight = net.inner.weight
    result = net.load_state_dict(state)
    log(str(result), repr(result), type(result).__name__, weight is net.inner.weight, dict(net.state_dict()))
    log(result.missing_keys, result.unexpected_keys)
    loaded = net.load_state_dict({"scale": torch.ones(1), "extra": torch.ones(1)}, strict=False)
    log(repr(loaded), net.scale)


@scenario
def loading_what_does_not_fit(torch, log):
    net = make_net(torch)
    log.result(lambda: net.load_state_dict([]))
    log.result(lambda: net.load_state_dict({}))
    log.result(lambda: net.load_state_dict({"scale": torch.ones(3), "inner.weight": torch.ones(3)}))
    log.result(lambda: net.load_state_dict({"scale": torch.ones(3)}, strict=False))
    log.result(lambda: net.load_state_dict({"scale": 3.0, "inner.mean": "text"}, strict=False))
    state = net.state_dict()
    state["inner.nope"] = state["inner.weight"]
    state["inner.sub.weight"] = state["inner.weight"]
    state["list.7.weight"] = state["inner.weight"]
    state["inner.hidden"] = state["inner.mean"]
    state["inner.bias"] = state["inner.mean"]
    state["inner._extra_state"] = state["inner.mean"]
    state["scale.deep"] = state["inner.mean"]
    log.result(lambda: net.load_state_dict(state))
    del state["list.1.mean"], state["scale"]
    log.result(lambda: net.load_state_dict(state))
    log.result(lambda: net.load_state_dict(state, strict=False))


@scenario
def assigning(torch, log):
    net = make_net(torch)
    net.inner.weight.requires_grad_(False)
    state = {key: value.double() for key, value in make_net(torch).state_dict().items()}
    state["scale"] = torch.nn.Parameter(state["scale"], requires_grad=False)
    net.load_state_dict(state, assign=True)
    log(dict(net.named_parameters()), dict(net.named_buffers()), net.scale is state["scale"])
    log.result(lambda: net.load_state_dict({"scale": torch.ones(2)}, assign=True, strict=False))


@scenario
def onto_meta(torch, log):
    net = make_net(torch)
    state = net.state_dict()
    net.to("meta")
    log.result(lambda: net.load_state_dict(state))
    log(net.scale.is_meta)
    log.result(lambda: net.load_state_dict(state, assign=True))
    log(net.scale)


@scenario
def hooks(torch, log):
    net = make_net(torch)
    inner = net.inner

    def add_entry(module, state_dict, prefix, local_metadata):
        log("post", prefix, list(state_dict), local_metadata)
        state_dict[prefix + "more"] = 1

    def replace(module, state_dict, prefix, local_metadata):
        log("old post", prefix)
        return {prefix + "only": 1}

    inner.register_state_dict_pre_hook(lambda module, prefix, keep: log("pre", prefix, keep))
    handle = inner.register_state_dict_post_hook(add_entry)
    log(dict(net.state_dict()))
    log.result(lambda: inner._register_state_dict_hook(add_entry))
    handle.remove()
    old = inner._register_state_dict_hook(replace)
    log(dict(inner.state_dict(prefix="x.")))
    old.remove()
    inner.register_state_dict_post_hook(lambda module, state_dict, prefix, local_metadata: state_dict)
    log.result(lambda: inner.state_dict())


@scenario
def loading_hooks(torch, log):
    net = make_net(torch)
    state = net.state_dict()

    def rename(state_dict, prefix, local_metadata, strict, missing, unexpected, errors):
        log("private pre", prefix, local_metadata, strict, sorted(state_dict))
        state_dict[prefix + "weight"] = state_dict.pop(prefix + "old_weight")

    def parent(module, state_dict, prefix, local_metadata, strict, missing, unexpected, errors):
        log("pre", type(module).__name__, prefix, strict)
        errors.append("an error of the hook")

    def post(module, incompatible):
        log("post", type(module).__name__, incompatible.missing_keys, incompatible.unexpected_keys)
        incompatible.missing_keys.clear()

    state["inner.old_weight"] = state.pop("inner.weight")
    net.inner._register_load_state_dict_pre_hook(rename)
    log.result(lambda: repr(net.load_state_dict(state)))
    net.inner.register_load_state_dict_post_hook(post)
    del state["inner.mean"]
    log.result(lambda: repr(net.load_state_dict(state)))
    handle = net.register_load_state_dict_pre_hook(parent)
    log.result(lambda: net.load_state_dict(state))
    handle.remove()
    net.inner.register_load_state_dict_post_hook(lambda module, incompatible: 1)
    log.result(lambda: net.load_state_dict(state))


@scenario
def parent_renames_for_children(torch, log):
    net = make_net(torch)

    def rename(state_dict, prefix, *rest):
        for key in list(state_dict):
            if key.startswith(prefix + "core."):
                state_dict[key.replace("core.", "inner.", 1)] = state_dict.pop(key)

    net._register_load_state_dict_pre_hook(rename)
    state = OrderedDict((key.replace("inner.", "core.", 1), value) for key, value in net.state_dict().items())
    log.result(lambda: repr(net.load_state_dict(state)))
    log(list(state)[:2])


@scenario
def extra_state(torch, log):
    class Counter(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.count = 3

        def get_extra_state(self):
            return {"count": self.count}

        def set_extra_state(self, state):
            self.count = state["count"]

    net = torch.nn.Sequential(Counter())
    state = net.state_dict()
    log(dict(state))
    state["0._extra_state"] = {"count": 9}
    log(repr(net.load_state_dict(state)), net[0].count)
    log.result(lambda: net.load_state_dict({}))
    log.result(lambda: torch.nn.Sequential(torch.nn.Tanh()).load_state_dict(state))


@scenario
def own_protocol(torch, log):
    nn = torch.nn

    class Old(nn.Module):
        _version = 2

        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.ones(2))

        def _save_to_state_dict(self, destination, prefix, keep_vars):
            super()._save_to_state_dict(destination, prefix, keep_vars)
            destination[prefix + "w"] = destination.pop(prefix + "weight")

        def _load_from_state_dict(
            self, state_dict, prefix, local_metadata, strict, missing, unexpected, errors
        ):
            log(prefix, local_metadata, strict)
            state_dict[prefix + "weight"] = state_dict.pop(prefix + "w")
            super()._load_from_state_dict(
                state_dict, prefix, local_metadata, strict, missing, unexpected, errors
            )

    net = nn.Sequential(Old())
    state = net.state_dict()
    log(dict(state))
    log(repr(net.load_state_dict(state)), list(state))
    log(repr(net.load_state_dict(dict(state))))


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda function: function.__name__)
def test_as_in_pytorch(scenario):
    assert_same(scenario)


def notes_of_loading(change):
    """The notes on the error when a network loads its own state after `change`."""
    import flambeau as torch

    net = torch.nn.Sequential(OrderedDict(body=torch.nn.Linear(3, 4), head=torch.nn.Linear(4, 2)))
    state = change(dict(net.state_dict()), torch)
    with pytest.raises(RuntimeError, match=r"Error\(s\) in loading") as caught:
        net.load_state_dict(state)
    return "\n".join(getattr(caught.value, "__notes__", []))


def test_prefix_to_remove_is_named():
    notes = notes_of_loading(lambda state, torch: {"module." + key: value for key, value in state.items()})
    assert "removeprefix('module.')" in notes
    assert "DataParallel" in notes


def test_prefix_to_add_is_named():
    notes = notes_of_loading(
        lambda state, torch: {"weight": state["body.weight"], "bias": state["body.bias"]}
    )
    assert notes == ""

    import flambeau as torch

    wrapped = torch.nn.Sequential(OrderedDict(model=torch.nn.Linear(3, 4)))
    with pytest.raises(RuntimeError) as caught:
        wrapped.load_state_dict(torch.nn.Linear(3, 4).state_dict())
    assert "model.load_state_dict" in caught.value.__notes__[0]


def test_nearest_key_is_named():
    def misspell(state, torch):
        state["hed.weight"] = state.pop("head.weight")
        return state

    assert "did you mean 'hed.weight' for 'head.weight'" in notes_of_loading(misspell)


def test_shapes_stand_side_by_side():
    def resize(state, torch):
        return {**state, "head.weight": torch.zeros(5, 4), "head.bias": torch.zeros(5)}

    assert notes_of_loading(resize).splitlines() == [
        "shapes that differ  in the checkpoint  in the model",
        "head.weight         [5, 4]             [2, 4]",
        "head.bias           [5]                [2]",
    ]
