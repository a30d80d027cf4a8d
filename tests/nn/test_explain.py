import pickle

import pytest

import flambeau as torch
from flambeau import nn
from flambeau.inspect import check
from flambeau.nn.modules import _unregistered


def notes_of(call, kind=Exception):
    with pytest.raises(kind) as caught:
        call()
    return getattr(caught.value, "__notes__", [])


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.MaxPool2d(2))
        self.head = nn.Sequential(nn.Flatten(), nn.Linear(100, 10))

    def forward(self, x):
        return self.head(self.features(x))


class Fails(nn.Module):
    def __init__(self, kind=ValueError):
        super().__init__()
        self.kind = kind

    def forward(self, *args, **kwargs):
        raise self.kind("as told")


def test_failing_submodule_is_named_from_the_outermost_call():
    place, advice = notes_of(lambda: Net()(torch.ones(2, 3, 32, 32)))
    assert place == (
        "in head.1: Linear(in_features=100, out_features=10, bias=True), called with a (2, 1800) float32 "
        "tensor"
    )
    assert "in_features=1800" in advice


def test_text_of_the_error_stays():
    with pytest.raises(RuntimeError) as caught:
        Net()(torch.ones(2, 3, 32, 32))
    assert str(caught.value) == "mat1 and mat2 shapes cannot be multiplied (2x1800 and 100x10)"


def test_module_called_alone_has_no_path():
    notes = notes_of(lambda: nn.Linear(2, 3)(torch.ones(1, 5)))
    assert notes[0].startswith("in Linear(in_features=2")


def test_container_is_named_with_its_children():
    class Outer(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = nn.Linear(2, 2)
            self.rest = nn.ModuleList([nn.ReLU()])

        def forward(self, x, scale=None, *, flag):
            raise KeyError(scale)

    (note,) = notes_of(lambda: Outer()(torch.ones(1), 2, flag=[torch.ones(3)]))
    assert note == (
        "in Outer(inner: Linear, rest: ModuleList), called with a (1,) float32 tensor, 2, "
        "flag=a list of 1 tensors, the first a (3,) float32 tensor"
    )


def test_module_outside_the_tree_begins_the_path():
    hidden = nn.Sequential(Fails())

    class Outer(nn.Module):
        def forward(self, x):
            return hidden(x)

    (note,) = notes_of(lambda: Outer()(torch.ones(1)))
    assert note.startswith("in 0: Fails()")


def test_hooks_that_fail_are_placed_too():
    def hook(module, args):
        raise ValueError("hook")

    net = nn.Sequential(nn.ReLU())
    net[0].register_forward_pre_hook(hook)
    (note,) = notes_of(lambda: net(torch.ones(1)))
    assert note.startswith("in 0: ReLU()")


def test_what_is_no_error_passes_unmarked():
    assert notes_of(lambda: Fails(KeyboardInterrupt)(1), KeyboardInterrupt) == []


def test_failing_repr_does_not_hide_the_error():
    class Odd(Fails):
        def extra_repr(self):
            raise KeyError("repr")

    with pytest.raises(ValueError, match="as told") as caught:
        nn.Sequential(Odd())(1)
    assert caught.value.__notes__ == ["in 0: Odd (describing the call raised KeyError('repr'))"]


def test_note_can_be_pickled_without_the_module():
    notes = notes_of(lambda: nn.Sequential(Fails())(1))
    assert pickle.loads(pickle.dumps(notes)) == ["in 0: Fails(), called with 1"]
    assert type(pickle.loads(pickle.dumps(notes))[0]) is str


def test_channels_last_image_should_be_permuted():
    place, advice = notes_of(lambda: Net()(torch.ones(2, 32, 32, 3)))
    assert place.startswith("in features.0: Conv2d(3, 8")
    assert "x.permute(0, 3, 1, 2)" in advice
    assert "NCHW" in advice


def test_grey_image_asks_for_one_channel():
    assert "in_channels=1" in notes_of(lambda: Net()(torch.ones(2, 1, 32, 32)))[1]


def test_unflattened_input_should_be_flattened():
    assert "x.flatten(1)" in notes_of(lambda: nn.Linear(12, 2)(torch.ones(2, 3, 4)))[1]


def test_doubles_should_become_floats():
    place, advice = notes_of(lambda: nn.Sequential(nn.Linear(3, 2))(torch.ones(2, 3, dtype=torch.float64)))
    assert place.startswith("in 0: Linear(")
    assert ".float()" in advice
    assert "x.to(torch.float32)" in advice


def test_batch_of_one_should_be_evaluated():
    class WithNorm(nn.Module):
        def __init__(self):
            super().__init__()
            self.norm = nn.BatchNorm1d(4)

        def forward(self, x):
            return self.norm(x)

    place, advice = notes_of(lambda: WithNorm()(torch.ones(1, 4)), ValueError)
    assert place.startswith("in norm: BatchNorm1d(4")
    assert "eval()" in advice


def test_unknown_word_tells_the_size_of_the_table():
    assert "num_embeddings=50" in notes_of(lambda: nn.Embedding(50, 2)(torch.tensor([50])))[1]


def test_wrong_arguments_show_the_signature():
    class Two(nn.Module):
        def forward(self, x, mask):
            return x

    assert "(x, mask)" in notes_of(lambda: Two()(torch.ones(1)), TypeError)[1]


def test_list_of_modules_cannot_be_called():
    notes = notes_of(lambda: nn.ModuleList([nn.ReLU()])(torch.ones(1)), NotImplementedError)
    assert "nn.Sequential" in notes[1]


# -- what a plain container hides ------------------------------------------------------------------


class Plain(nn.Module):
    def __init__(self, count=2, with_own=False):
        super().__init__()
        self.layers = [nn.Linear(2, 2) for _ in range(count)]
        if with_own:
            self.own = nn.Linear(2, 2)


def test_check_lists_modules_in_plain_containers():
    (finding,) = check(nn.Sequential(Plain()))
    assert finding.path == "0.layers"
    assert finding.kind == "modules"
    assert "2 x Linear" in str(finding)
    assert "self.layers = nn.ModuleList(...)" in str(finding)


def test_check_looks_into_nested_containers_and_dicts():
    class Nested(nn.Module):
        def __init__(self):
            super().__init__()
            self.table = {"a": [nn.Tanh()], "b": (nn.Parameter(torch.ones(1)),)}

    findings = check(Nested())
    assert [finding.kind for finding in findings] == ["modules", "parameters"]
    assert "nn.ModuleDict" in str(findings)
    assert "nn.ParameterDict" in str(findings)


def test_check_tells_of_tensors():
    class Holder(nn.Module):
        def __init__(self):
            super().__init__()
            self.table = torch.ones(2)
            self.learned = torch.ones(2, requires_grad=True)

    assert "register_buffer('table'" in str(check(Holder())[0])
    assert "nn.Parameter" in str(check(Holder())[1])


def test_references_to_registered_modules_are_fine():
    net = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    net.shortcuts = list(net)
    assert check(net) == []
    assert repr(check(net)) == "nothing found"


def test_empty_parameter_list_is_explained():
    assert list(Plain().parameters()) == []
    assert "Plain.layers" in _unregistered.explain_empty_parameters()
    assert "nn.ModuleList" in _unregistered.explain_empty_parameters()
    layer = nn.Linear(2, 2)
    assert list(layer.parameters())
    assert _unregistered.explain_empty_parameters() is None
    assert list(nn.ReLU().parameters()) == []
    assert "no parameters" in _unregistered.explain_empty_parameters()


def test_frozen_module_is_explained():
    net = nn.Linear(2, 2).requires_grad_(False)
    assert [param for param in net.parameters() if param.requires_grad] == []
    assert _unregistered.explain_empty_parameters() == "every parameter of Linear has requires_grad=False"


def test_optimizer_hears_of_what_it_leaves_out():
    net = Plain(with_own=True)
    (message,) = _unregistered.left_out(list(net.parameters()))
    assert message.startswith("Plain.layers: a plain list holds 2 x Linear")
    assert (
        _unregistered.left_out([*net.parameters(), *(p for each in net.layers for p in each.parameters())])
        == []
    )


def test_deliberately_hidden_or_frozen_modules_are_let_pass():
    alone = Plain(count=1, with_own=True)
    assert _unregistered.left_out(list(alone.parameters())) == []
    frozen = Plain(with_own=True)
    for layer in frozen.layers:
        layer.requires_grad_(False)
    assert _unregistered.left_out(list(frozen.parameters())) == []


def test_modules_of_another_optimizer_are_not_looked_at():
    net = Plain(with_own=True)
    assert list(net.parameters())
    assert _unregistered.left_out(list(nn.Linear(2, 2).parameters())) == []
