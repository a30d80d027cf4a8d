"""Groups, errors, state dicts, hooks and reprs of optimizers, against PyTorch's."""

import copy
import inspect
import pickle

import pytest
import torch

import flambeau

BOTH = (flambeau, torch)
NAMES = ("SGD", "Adam", "AdamW")


def weight(library, *shape):
    return library.nn.Parameter(library.ones(*shape or (2,)))


def stepped(library, name, **options):
    param = weight(library)
    optimizer = getattr(library.optim, name)([param], **options)
    param.grad = library.ones(2)
    optimizer.step()
    return optimizer


def plain(value):
    """Nested containers with each tensor as its dtype and numbers."""
    if isinstance(value, (flambeau.Tensor, torch.Tensor)):
        return str(value.dtype), [round(number, 6) for number in value.flatten().tolist()]
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, list) else value


ERRORS = [
    lambda t: t.optim.SGD([], lr=0.1),
    lambda t: t.optim.SGD(weight(t), lr=0.1),
    lambda t: t.optim.SGD({"params": weight(t)}, lr=0.1),
    lambda t: t.optim.SGD(["a"], lr=0.1),
    lambda t: t.optim.SGD([weight(t) * 2], lr=0.1),
    lambda t: t.optim.SGD(None, lr=0.1),
    lambda t: t.optim.SGD(3, lr=0.1),
    lambda t: t.optim.SGD([{"params": [p := weight(t)]}, {"params": [p]}]),
    lambda t: t.optim.SGD([{"params": {weight(t)}}]),
    lambda t: t.optim.SGD([{"foo": [weight(t)]}]),
    lambda t: t.optim.SGD([("a", weight(t)), weight(t)]),
    lambda t: t.optim.SGD([{"params": [("a", weight(t))]}, {"params": [weight(t)]}]),
    lambda t: t.optim.SGD([{"params": [weight(t)]}, {"params": [("a", weight(t))]}]),
    lambda t: t.optim.SGD([weight(t)]).add_param_group([weight(t)]),
    lambda t: t.optim.SGD([weight(t)], lr=-1),
    lambda t: t.optim.SGD([weight(t)], momentum=-1),
    lambda t: t.optim.SGD([weight(t)], weight_decay=-1),
    lambda t: t.optim.SGD([weight(t)], nesterov=True),
    lambda t: t.optim.SGD([weight(t)], nesterov=True, momentum=0.9, dampening=0.1),
    lambda t: t.optim.SGD([weight(t)], lr=t.tensor([1.0, 2.0])),
    lambda t: t.optim.SGD([weight(t)], fused=True, foreach=True),
    lambda t: t.optim.SGD([weight(t)], fused=True, differentiable=True),
    lambda t: t.optim.SGD([weight(t)], foo=1),
    *[
        lambda t, kind=kind, options=options: getattr(t.optim, kind)([weight(t)], **options)
        for kind in ("Adam", "AdamW")
        for options in [
            dict(lr=-1),
            dict(lr=float("nan")),
            dict(eps=-1),
            dict(weight_decay=-1),
            dict(betas=(1.0, 0.9)),
            dict(betas=(0.9, 1.0)),
            dict(betas=(-0.1, 0.9)),
            dict(betas=(0.9,)),
            dict(fused=True, foreach=True),
        ]
    ],
    lambda t: t.optim.Adam([weight(t)], lr=t.tensor(0.1), foreach=True),
    lambda t: t.optim.Adam([weight(t)], betas=(t.tensor(0.9), 0.99)),
    lambda t: t.optim.Adam([weight(t)], betas=(t.tensor(0.9), t.tensor(0.99)), foreach=True),
    lambda t: t.optim.Adam([weight(t)]).load_state_dict({}),
]


@pytest.mark.parametrize("action", ERRORS)
def test_error(action):
    with pytest.raises(Exception) as expected:  # noqa: PT011
        action(torch)
    with pytest.raises(expected.type) as error:
        action(flambeau)
    assert str(error.value) == str(expected.value)


@pytest.mark.parametrize(
    "action",
    [
        lambda t: t.optim.Adam([weight(t), weight(t)]).load_state_dict(stepped(t, "Adam").state_dict()),
        lambda t: t.optim.Adam([{"params": [weight(t)]}, {"params": []}]).load_state_dict(
            stepped(t, "Adam").state_dict()
        ),
    ],
)
def test_error_begins_as_pytorch_says_and_goes_on_with_the_values(action):
    with pytest.raises(ValueError, match="loaded state dict") as expected:
        action(torch)
    with pytest.raises(ValueError, match="loaded state dict") as error:
        action(flambeau)
    assert str(error.value).startswith(str(expected.value))
    assert len(str(error.value)) > len(str(expected.value))


def test_required_options_are_missed():
    from flambeau.optim.optimizer import Optimizer, required

    class Needy(Optimizer):
        def __init__(self, params):
            super().__init__(params, dict(lr=required))

    assert repr(required) == "<required parameter>"
    with pytest.raises(ValueError, match="didn't specify a value of required optimization parameter lr"):
        Needy([weight(flambeau)])
    assert Needy([{"params": [weight(flambeau)], "lr": 1}]).param_groups[0]["lr"] == 1


def test_the_base_class_has_no_step():
    with pytest.raises(NotImplementedError):
        flambeau.optim.Optimizer([weight(flambeau)], {}).step()


def test_duplicates_warn():
    param = weight(flambeau)
    with pytest.warns(UserWarning, match="a parameter group with duplicate parameters"):
        flambeau.optim.SGD([param, param])


def test_an_empty_parameter_list_explains_itself():
    class Net(flambeau.nn.Module):
        def __init__(self):
            super().__init__()
            self.layers = [flambeau.nn.Linear(2, 2)]

    with pytest.raises(ValueError, match="optimizer got an empty parameter list") as error:
        flambeau.optim.SGD(Net().parameters())
    assert "layers" in "".join(error.value.__notes__)
    assert "ModuleList" in "".join(error.value.__notes__)


@pytest.mark.parametrize("name", NAMES)
def test_signature_defaults_groups_and_repr(name):
    ours, theirs = (getattr(library.optim, name) for library in BOTH)
    mine, other = inspect.signature(ours.__init__), inspect.signature(theirs.__init__)
    assert [(p.name, p.kind, p.default) for p in mine.parameters.values()] == [
        (p.name, p.kind, p.default) for p in other.parameters.values()
    ]
    made = [
        cls([{"params": [("a", weight(library))]}, {"params": [("b", weight(library))], "lr": 3}])
        for library, cls in zip(BOTH, (ours, theirs), strict=True)
    ]
    assert made[0].defaults == made[1].defaults
    assert list(made[0].param_groups[0]) == list(made[1].param_groups[0])
    assert repr(made[0]) == repr(made[1])
    assert list(inspect.signature(made[0].step).parameters) == list(
        inspect.signature(made[1].step).parameters
    )


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("options", [{}, {"maximize": True}, {"weight_decay": 0.1}], ids=str)
def test_state_dict(name, options):
    ours, theirs = (stepped(library, name, **options).state_dict() for library in BOTH)
    assert plain(ours) == plain(theirs)
    assert list(ours["param_groups"][0]) == list(theirs["param_groups"][0])


@pytest.mark.parametrize(("saved", "here"), [(None, None), ("a", None), (None, "b"), ("a", "b")])
def test_loading_a_state_dict(saved, here):
    loaded = []
    for library in BOTH:
        params = [(name, weight(library)) if name else weight(library) for name in (saved, here)]
        first = library.optim.Adam([params[0]], lr=0.5)
        first.param_groups[0]["params"][0].grad = library.ones(2)
        first.step()
        second = library.optim.Adam([params[1]])
        second.load_state_dict(first.state_dict())
        loaded.append(second.state_dict())
        shared = first.state_dict()["state"][0]["exp_avg"]
        assert loaded[-1]["state"][0]["exp_avg"] is shared
    assert plain(loaded[0]) == plain(loaded[1])
    assert list(loaded[0]["param_groups"][0]) == list(loaded[1]["param_groups"][0])


@pytest.mark.parametrize("dtype", ["float64", "float16"])
def test_loaded_state_takes_the_dtype_of_the_parameter_except_for_the_step(dtype):
    loaded = []
    for library in BOTH:
        param = library.ones(2, dtype=getattr(library, dtype)).requires_grad_()
        optimizer = library.optim.Adam([param])
        optimizer.load_state_dict(stepped(library, "Adam").state_dict())
        loaded.append({key: str(value.dtype) for key, value in optimizer.state[param].items()})
    assert loaded[0] == loaded[1]


def test_training_goes_on_after_loading_as_without():
    values = []
    for resume in (False, True):
        param = weight(flambeau)
        optimizer = flambeau.optim.Adam([param], lr=0.1, amsgrad=True)
        for step in range(6):
            if resume and step == 3:
                saved = copy.deepcopy(optimizer.state_dict())
                optimizer = flambeau.optim.Adam([param], lr=7)
                optimizer.load_state_dict(saved)
            param.grad = flambeau.tensor([1.0, -step])
            optimizer.step()
        values.append(param.tolist())
    assert values[0] == values[1]


def test_steps_counted_in_numbers_by_older_versions_load():
    optimizer = flambeau.optim.Adam([weight(flambeau)])
    state = dict(step=3, exp_avg=flambeau.ones(2), exp_avg_sq=flambeau.ones(2))
    group = dict(params=[0], lr=0.1, betas=(0.9, 0.99), eps=1e-8, weight_decay=0)
    optimizer.load_state_dict({"state": {0: state, "more": {"a": 1}}, "param_groups": [group]})
    assert optimizer.state_dict()["state"][0]["step"].tolist() == 3.0
    assert optimizer.state_dict()["state"]["more"] == {"a": 1}
    optimizer.param_groups[0]["params"][0].grad = flambeau.ones(2)
    optimizer.step()


def test_hooks_run_in_pytorchs_order_with_its_arguments():
    logs = []
    for library in BOTH:
        log = []

        def note(name, result=None, log=log):
            return lambda *args: (log.append((name, [type(arg).__name__ for arg in args])), result)[1]

        optimizer = library.optim.SGD([weight(library)])
        module = inspect.getmodule(library.optim.Optimizer)
        handles = [
            module.register_optimizer_step_pre_hook(note("global pre")),
            module.register_optimizer_step_post_hook(note("global post")),
            optimizer.register_step_pre_hook(note("pre")),
            optimizer.register_step_post_hook(note("post")),
            optimizer.register_state_dict_pre_hook(note("save")),
            optimizer.register_state_dict_pre_hook(note("save first"), prepend=True),
            optimizer.register_state_dict_post_hook(note("saved")),
            optimizer.register_load_state_dict_pre_hook(note("load")),
            optimizer.register_load_state_dict_post_hook(note("loaded")),
            optimizer.register_load_state_dict_post_hook(note("loaded first"), prepend=True),
        ]
        optimizer.step()
        optimizer.step(closure=lambda: None)
        optimizer.load_state_dict(optimizer.state_dict())
        for handle in handles:
            handle.remove()
        optimizer.step()
        logs.append(log)
    assert logs[0] == logs[1]


def test_hooks_that_return_something_replace_it():
    optimizer = flambeau.optim.SGD([weight(flambeau)], lr=1)
    handle = optimizer.register_step_pre_hook(lambda self, args, kwargs: ((self, lambda: 7), {}))
    assert optimizer.step() == 7
    handle.remove()
    optimizer.register_state_dict_post_hook(lambda self, found: {"replaced": True})
    assert optimizer.state_dict() == {"replaced": True}
    optimizer.register_step_pre_hook(lambda *args: 3)
    with pytest.raises(
        RuntimeError, match=r"must return None or a tuple of \(new_args, new_kwargs\), but got 3"
    ):
        optimizer.step()


def test_the_closure_runs_with_grad_mode_on_and_its_result_is_returned():
    param = weight(flambeau)
    optimizer = flambeau.optim.SGD([param], lr=0.5)

    def closure():
        optimizer.zero_grad()
        loss = (param * param).sum()
        loss.backward()
        return loss

    with flambeau.no_grad():
        assert float(optimizer.step(closure)) == 2.0
    assert param.tolist() == [0.0, 0.0]


def test_zero_grad():
    param = weight(flambeau)
    optimizer = flambeau.optim.SGD([param])
    param.grad = flambeau.ones(2)
    kept = param.grad
    optimizer.zero_grad(set_to_none=False)
    assert param.grad is kept
    assert kept.tolist() == [0.0, 0.0]
    optimizer.zero_grad()
    assert param.grad is None


def test_an_optimizer_that_overrides_step_runs_with_hooks():
    class Own(flambeau.optim.Optimizer):
        def __init__(self, params):
            super().__init__(params, dict(lr=0.5))

        @flambeau.no_grad()
        def step(self, closure=None):
            for group in self.param_groups:
                for param in group["params"]:
                    param.add_(param.grad, alpha=-group["lr"])
            return "own"

    param = weight(flambeau)
    param.grad = flambeau.ones(2)
    optimizer = Own([param])
    ran = []
    optimizer.register_step_post_hook(lambda *args: ran.append(True))
    assert optimizer.step() == "own"
    assert param.tolist() == [0.5, 0.5]
    assert ran == [True]


def test_groups_that_are_added_later_are_stepped():
    first, second = weight(flambeau), weight(flambeau)
    optimizer = flambeau.optim.SGD([first], lr=0.5)
    optimizer.add_param_group({"params": second, "lr": 0.25})
    first.grad, second.grad = flambeau.ones(2), flambeau.ones(2)
    optimizer.step()
    assert (first.tolist(), second.tolist()) == ([0.5, 0.5], [0.75, 0.75])


@pytest.mark.parametrize("name", NAMES)
def test_copying_and_pickling(name):
    optimizer = stepped(flambeau, name)
    for other in (copy.deepcopy(optimizer), pickle.loads(pickle.dumps(optimizer))):
        assert repr(other) == repr(optimizer)
        assert plain(other.state_dict()) == plain(optimizer.state_dict())
        other.step()
