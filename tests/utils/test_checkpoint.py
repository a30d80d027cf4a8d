import gc
import warnings

import pytest
from side_by_side import compared

import flambeau
from flambeau._core import xla
from flambeau._core.value import Value

FORMS = (True, False)


def gradients(torch, log, checkpoint, form):
    """A net with dropout and batch norm, one part of which is checkpointed."""
    torch.manual_seed(0)
    first = torch.nn.Sequential(
        torch.nn.Linear(4, 8), torch.nn.BatchNorm1d(8), torch.nn.ReLU(), torch.nn.Dropout(0.3)
    )
    last = torch.nn.Linear(8, 2)
    x = torch.randn(5, 4, requires_grad=True)
    hidden = checkpoint(first, x, use_reentrant=form) if form is not None else first(x)
    loss = last(hidden).square().sum()
    loss.backward()
    log(loss, x.grad, [p.grad for p in (*first.parameters(), *last.parameters())])
    log(torch.randn(2))
    return [x.grad, *[p.grad for p in (*first.parameters(), *last.parameters())]]


@compared
def test_gradients_and_random_numbers_are_the_same(torch, log):
    plain = gradients(torch, log, None, None)
    for form in FORMS:
        for a, b in zip(plain, gradients(torch, log, torch.utils.checkpoint.checkpoint, form), strict=True):
            assert torch.allclose(a, b, rtol=1e-5, atol=1e-6)


@compared
def test_function_runs_again_in_backward(torch, log):
    from importlib import import_module

    c = import_module(f"{torch.__name__}.utils.checkpoint")

    def run(x):
        log("runs", torch.is_grad_enabled())
        y = x.sin().exp()
        log("reached the end")
        return y * 2

    x = torch.tensor([1.0, 2.0], requires_grad=True)
    for form in FORMS:
        y = c.checkpoint(run, x, use_reentrant=form)
        log("backward", y, type(y.grad_fn).__name__)
        y.sum().backward()
        log(x.grad)
    with c.set_checkpoint_early_stop(False):
        y = c.checkpoint(run, x, use_reentrant=False)
    y.sum().backward()
    with torch.no_grad():
        log(c.checkpoint(run, x, use_reentrant=False), c.checkpoint(run, x, use_reentrant=True))


@compared
def test_arguments_and_results_of_any_kind(torch, log):
    c = torch.utils.checkpoint.checkpoint
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    y, n, nothing = c(lambda x, k: (x * k, k, None), x, 3, use_reentrant=True)
    log(y, n, nothing)
    y.sum().backward()
    log(x.grad)
    y = c(lambda d, *, k: {"out": d["x"].exp() * k}, {"x": x}, use_reentrant=False, k=2.0)["out"]
    y.sum().backward()
    log(x.grad)
    log.result(lambda: c(lambda x, k: x * k, x, use_reentrant=True, k=3))
    log.result(lambda: c(torch.sin, x, use_reentrant=True, context_fn=lambda: 3))
    log.result(lambda: c(torch.sin, x, use_reentrant=False, determinism_check="other"))
    log.result(lambda: c(torch.sin, x))
    log.result(lambda: c(torch.sin, x.detach(), use_reentrant=True))


@compared
def test_second_derivatives_and_partial_gradients(torch, log):
    c = torch.utils.checkpoint.checkpoint
    x = torch.tensor([0.5, 1.0], requires_grad=True)
    y = c(lambda x: x.sin().exp() * x, x, use_reentrant=False)
    (first,) = torch.autograd.grad(y.sum(), x, create_graph=True)
    log(first)
    log(torch.autograd.grad(first.sum(), x)[0])
    y = c(lambda x: x.sin().exp(), x, use_reentrant=True)
    log.result(lambda: torch.autograd.grad(y.sum(), x))
    y = c(lambda x: x.sin().exp(), x, use_reentrant=False)
    y.sum().backward(retain_graph=True)
    y.sum().backward()
    log(x.grad)


@compared
def test_checkpoints_nest(torch, log):
    c = torch.utils.checkpoint.checkpoint
    for outer in FORMS:
        for inner in FORMS:
            x = torch.tensor([0.5, 1.0], requires_grad=True)

            def inside(x):
                log("inside")
                return x.sin().exp()

            def outside(x, inner=inner, inside=inside):
                return c(inside, x * 2, use_reentrant=inner).cos().exp()

            with warnings.catch_warnings():  # the outer one's forward runs without grad
                warnings.filterwarnings("ignore", "None of the inputs")
                c(outside, x, use_reentrant=outer).sum().backward()
            log(x.grad)


@compared
def test_another_computation_the_second_time_is_noticed(torch, log):
    c = torch.utils.checkpoint.checkpoint
    x = torch.tensor([0.5, 1.0], requires_grad=True)
    calls = [0]

    def shorter(x):
        calls[0] += 1
        y = x.sin()
        return y.exp() if calls[0] == 1 else y

    def other_shape(x):
        calls[0] += 1
        return (x if calls[0] == 1 else x[:1]).sin().exp()

    for function in (shorter, other_shape):
        calls[0] = 0
        y = c(function, x, use_reentrant=False)
        try:
            y.sum().backward()
        except torch.utils.checkpoint.CheckpointError as error:
            log(str(error).partition("Tip:")[0].strip())
    y = c(torch.sin, x, use_reentrant=False)
    with torch.no_grad():
        x.add_(1)
    log.first_line(lambda: y.sum().backward())


@compared
def test_parts_of_a_sequence(torch, log):
    for form in FORMS:
        torch.manual_seed(1)
        model = torch.nn.Sequential(
            *[torch.nn.Sequential(torch.nn.Linear(3, 3), torch.nn.Tanh()) for _ in range(5)]
        )
        x = torch.randn(2, 3, requires_grad=True)
        y = torch.utils.checkpoint.checkpoint_sequential(model, 2, x, use_reentrant=form)
        y.sum().backward()
        log(y, x.grad, [p.grad for p in model.parameters()])
    log(torch.utils.checkpoint.checkpoint_sequential([torch.sin, torch.cos], 2, x, use_reentrant=False))
    log.result(lambda: torch.utils.checkpoint.checkpoint_sequential(model, 2, x, use_reentrant=True, other=3))


@compared
def test_helpers(torch, log):
    c = torch.utils.checkpoint
    x = torch.ones(2, requires_grad=True)
    log.result(lambda: c.check_backward_validity([torch.ones(1)]))
    log(c.detach_variable((x, 3))[0], c.get_device_states(x))
    log.result(lambda: c.detach_variable(x))


def test_debug_lists_what_was_saved():
    calls = []

    def shorter(x):
        calls.append(0)
        return x.sin().exp() if len(calls) == 1 else x.sin()

    y = flambeau.utils.checkpoint.checkpoint(
        shorter, flambeau.ones(2, requires_grad=True), use_reentrant=False, debug=True
    )
    with pytest.raises(
        flambeau.utils.checkpoint.CheckpointError,
        match=r"(?s)Saved in forward:\n  0: .*Saved in recomputation",
    ):
        y.sum().backward()


def test_random_numbers_may_be_left_alone():
    drawn = []

    def run(x):
        drawn.append(flambeau.rand(1).item())
        return x.exp().sin()

    for preserve in (True, False):
        drawn.clear()
        x = flambeau.ones(2, requires_grad=True)
        flambeau.utils.checkpoint.checkpoint(
            run, x, use_reentrant=False, preserve_rng_state=preserve
        ).sum().backward()
        assert (drawn[0] == drawn[1]) is preserve


def kept_bytes(checkpointed):
    """What is in memory between forward and backward beyond weights and input, of a chain of eight layers."""
    weight = flambeau.ones(32, 32).requires_grad_()
    x = flambeau.ones(64, 32)

    def layers(x):
        for _ in range(8):
            x = (x @ weight).tanh()
        return x

    gc.collect()
    before = {
        id(value): value for value in gc.get_objects() if type(value) is Value
    }  # held, so that ids stay theirs
    y = flambeau.utils.checkpoint.checkpoint(layers, x, use_reentrant=False) if checkpointed else layers(x)
    y[0, 0].item()
    made = [value for value in gc.get_objects() if type(value) is Value and id(value) not in before]
    total = sum(value.meta.nbytes for value in made if value.data is not None)
    y.sum().backward()
    return total, weight.grad


def test_forward_keeps_no_intermediate_values():
    (plain, expected), (checkpointed, gradient) = kept_bytes(False), kept_bytes(True)
    layer = 64 * 32 * 4
    assert plain >= 8 * layer
    assert checkpointed < 2 * layer
    assert flambeau.allclose(gradient, expected)


def test_compiled_step_computes_the_function_again(monkeypatch):
    programs = []
    compile_program = xla.compile_program

    def spy(*args, **kwargs):
        programs.append(compile_program(*args, **kwargs))
        return programs[-1]

    monkeypatch.setattr(xla, "compile_program", spy)
    flambeau.use_deterministic_algorithms(True)  # a program that was seen before runs compiled
    try:
        weight = flambeau.ones(19, 19).requires_grad_()
        for _ in range(6):
            weight.grad = None
            x = flambeau.ones(5, 19, requires_grad=True)
            flambeau.utils.checkpoint.checkpoint(
                lambda x: (x @ weight).erfinv() @ weight, x, use_reentrant=False
            ).erfinv().sum().backward()
            weight.grad.sum().item()
    finally:
        flambeau.use_deterministic_algorithms(False)
    assert len([program for program in programs if "erf_inv" in program.as_text()]) >= 2
