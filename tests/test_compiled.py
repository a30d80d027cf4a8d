"""The tests of the foundation and of the layers once more, inside `compile`: the replayed call gives what the function gives."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
from expressions import Scope, backward, close, plain
from layer_cases import LEARNED, PLAIN, make_inputs

import flambeau
from flambeau import nn

HERE = Path(__file__).parent
CONFORMANCE = HERE.parents[1] / "shared" / "conformance"
CALLS = 4
NEEDS_VALUE = "inside a compiled function needs a value that is not there yet"


def expressions():
    """The expressions in the tables of the operations' tests, by table."""
    found = {}
    for path in sorted((HERE / "_ops").glob("test_*.py")):
        for node in ast.parse(path.read_text()).body:
            match node:
                case ast.Assign([ast.Name(name)], ast.Call(ast.Name("table"), [ast.Constant(text)])):
                    lines = [line.strip() for line in text.strip().splitlines() if line.strip()]
                    found[f"{path.stem}.{name}"] = lines
    return found


TABLES = expressions()


def evaluate(code, scope, compiled):
    """What the code gives, and `x` and `y` afterwards, then the gradients: on this scope, after calls on others."""
    tensors = {name: value for name, value in vars(scope).items() if isinstance(value, flambeau.Tensor)}
    others = {name: value for name, value in vars(scope).items() if name not in tensors}

    def run(*values):
        names = others | dict(zip(tensors, values, strict=True))
        value = eval(code, names)
        return value, names["x"], names["y"]

    function = flambeau.compile(run) if compiled else run
    try:
        for _ in range(CALLS - 1 if compiled else 0):
            again = Scope(flambeau)
            function(*[getattr(again, name) for name in tensors])
        results = function(*tensors.values())
    except Exception as error:
        return error
    return plain(results[0]), [plain(each) for each in results[1:]], backward(scope, results[0])


# They need values that were computed: for the size of their result, a decision, or a warning. The last: masks as indices.
NEED_VALUES = re.compile(
    r"bincount|cov|embedding_bag|equal|hist|item|masked_select|masked.median|nonzero|repeat_interleave|unique|where"
    r"|\[.*(\b(b|m|m2)\b|>|True)"
)


@pytest.mark.parametrize("every", [8, pytest.param(1, marks=pytest.mark.slow)], ids=["some", "all"])
@pytest.mark.parametrize("table", TABLES)
def test_expressions(table, every):
    different, need_values = {}, []
    for expression in TABLES[table][::every]:
        try:
            code = compile(expression, "<expression>", "eval")
        except SyntaxError:
            code = compile(expression, "<expression>", "exec")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            alone, compiled = (evaluate(code, Scope(flambeau), each) for each in (False, True))
        if NEEDS_VALUE in str(compiled):
            need_values.append(expression)
        elif isinstance(alone, Exception):
            if type(compiled) is not type(alone):
                different[expression] = repr(alone), repr(compiled)
        elif not close(compiled, alone):
            different[expression] = alone, compiled
    assert not different
    assert [each for each in need_values if not NEED_VALUES.search(each)] == []


def train(layer, specs, call):
    """Outputs, gradients and buffers of a few calls on other inputs each."""
    results = []
    for number in range(CALLS + 1):
        flambeau.manual_seed(number)
        inputs = make_inputs(flambeau, specs)
        if number < CALLS:
            with flambeau.no_grad():
                for each in inputs:
                    if each.is_floating_point():
                        each.mul_(0.5 + number / 10)
        outputs = call(*inputs)
        outputs = outputs if isinstance(outputs, tuple) else (outputs,)
        if outputs[0].requires_grad:
            (outputs[0] * outputs[0]).sum().backward()
        state = [*outputs, *layer.buffers(), *layer.parameters()]
        results.append(
            state + [each.grad for each in (*inputs, *layer.parameters()) if each.grad is not None]
        )
        layer.zero_grad()
    return [[each.detach().numpy().copy() for each in result] for result in results]


@pytest.mark.parametrize(
    "training", [True, pytest.param(False, marks=pytest.mark.slow)], ids=["train", "eval"]
)
@pytest.mark.parametrize(("text", "specs"), [case for case in LEARNED + PLAIN if case[1]])
def test_layers(text, specs, training):
    found = []
    for compiled in (False, True):
        flambeau.manual_seed(3)
        layer = eval("nn." + text, {"nn": nn, "torch": flambeau}).train(training)
        if compiled:
            layer.compile()
        found.append(train(layer, specs, layer))
    for one, two in zip(*found, strict=True):
        assert len(one) == len(two)
        for a, b in zip(one, two, strict=True):
            np.testing.assert_allclose(b, a, rtol=2e-5, atol=1e-6)


OPTIMIZERS = {
    "SGD": dict(lr=0.1, momentum=0.9), "Adam": dict(amsgrad=True), "AdamW": {}, "RMSprop": dict(momentum=0.5, centered=True),
    "Adagrad": {}, "Adadelta": {}, "Adamax": {}, "NAdam": {}, "RAdam": {}, "ASGD": {}, "Rprop": {}, "Adafactor": {}, "Muon": {},
}  # fmt: skip


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_steps_of_optimizers(name):
    found = []
    for compiled in (False, True):
        flambeau.manual_seed(0)
        weight = nn.Parameter(flambeau.randn(4, 3))
        optimizer = getattr(flambeau.optim, name)([weight], **OPTIMIZERS[name])
        schedule = flambeau.optim.lr_scheduler.ExponentialLR(optimizer, 0.9)

        def step(x):
            optimizer.zero_grad()  # noqa: B023
            loss = ((x @ weight).tanh() - 1).square().mean()  # noqa: B023
            loss.backward()
            optimizer.step()  # noqa: B023
            return loss

        call = flambeau.compile(step) if compiled else step
        for _ in range(9):
            call(flambeau.randn(5, 4))
            schedule.step()
        state = [each for each in optimizer.state[weight].values() if isinstance(each, flambeau.Tensor)]
        found.append([each.detach().numpy() for each in (weight, *state)])
    for a, b in zip(*found, strict=True):
        np.testing.assert_allclose(b, a, rtol=1e-4, atol=1e-6)


def _environment():
    return os.environ | {"PYTHONPATH": os.pathsep.join([str(Path(flambeau.__file__).parents[1]), str(HERE)])}


@pytest.mark.slow
@pytest.mark.skipif(not CONFORMANCE.is_dir(), reason="the conformance programs are not here")
@pytest.mark.parametrize(
    ("program", "options"),
    [
        (
            "ops",
            ["--max-samples", "1", "--dtypes", "float32", "--ops", "*conv*", "*norm", "*pool*", "*relu*"],
        ),
        ("modules", ["--max-samples", "1", "--ops", "*Norm*", "*RNN*", "LSTM*", "Linear", "*Transformer*"]),
        ("optimizers", ["--ops", "SGD", "Adam", "lr_scheduler.OneCycleLR"]),
    ],
)
def test_conformance(program, options):
    """Nothing fails that does not fail undecorated."""
    failing = []
    for impl in ("flambeau", "compiled_impl"):
        command = [
            sys.executable,
            str(CONFORMANCE / f"{program}.py"),
            "--impl",
            impl,
            "--list-failing",
            *options,
        ]
        done = subprocess.run(
            command, capture_output=True, text=True, cwd=HERE, env=_environment(), check=True
        )
        failing.append({line.partition(":")[0] for line in done.stdout.splitlines() if "; first: " in line})
    assert failing[1] == failing[0]
