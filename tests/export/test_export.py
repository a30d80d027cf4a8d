"""Modules as programs of their own."""

from __future__ import annotations

import io
import subprocess
import sys

import numpy as np
import pytest
import torch
from side_by_side import compared

import flambeau
from flambeau import nn
from flambeau.export import Dim, ExportError, export, load, save, to_stablehlo
from flambeau.nn import functional as F


class LeNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(1, 6, 5), nn.Conv2d(6, 16, 5)
        self.fc1, self.fc2 = nn.Linear(256, 32), nn.Linear(32, 10)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        return self.fc2(F.relu(self.fc1(x.view(x.size(0), -1))))


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(4, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding=1)
        self.bn1, self.bn2 = nn.BatchNorm2d(4), nn.BatchNorm2d(4)

    def forward(self, x):
        hidden = F.relu(self.bn1(self.conv1(x)))
        return {
            "out": F.relu(x + self.bn2(self.conv2(hidden))),
            "pooled": (hidden.mean((2, 3)), None, "mean"),
        }


class Transformer(nn.Module):
    def __init__(self):
        super().__init__()
        self.tokens, self.places = nn.Embedding(11, 8), nn.Embedding(64, 8)
        self.layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
        self.head = nn.Linear(8, 11)

    def forward(self, ids):
        length = ids.shape[1]
        x = self.tokens(ids) + self.places(flambeau.arange(length))
        mask = flambeau.triu(flambeau.full((length, length), -1e9), 1)
        return self.head(self.layer(x, src_mask=mask))


def mlp():
    return nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 3))


def numbers(*shape):
    return flambeau.tensor(np.random.default_rng(0).standard_normal(shape).astype(np.float32))


def ids(*shape):
    return flambeau.tensor(np.random.default_rng(0).integers(0, 11, shape))


batch = Dim("batch")
MODELS = {
    "MLP": (mlp, lambda n: numbers(n, 4), [{0: batch}]),
    "LeNet": (LeNet, lambda n: numbers(n, 1, 28, 28), [{0: batch}]),
    "ResNet block": (Block, lambda n: numbers(n, 4, 6, 7), [{0: batch}]),
    "transformer": (Transformer, lambda n: ids(n, 5), [{0: batch}]),
    "sequences": (Transformer, lambda n: ids(2, n + 1), [{0: batch, 1: Dim("length", min=2, max=64)}]),
    "images": (
        lambda: nn.Sequential(nn.Conv2d(1, 2, 3, stride=2), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(2)),
        lambda n: numbers(n, 1, 16 + n, 20 + n),
        [{0: batch, 2: Dim("height", min=8), 3: Dim("width", min=8)}],
    ),
}


def made(name):
    model, inputs, shapes = MODELS[name]
    flambeau.manual_seed(0)
    model = model().eval()
    for each in model.modules():
        if isinstance(each, nn.BatchNorm2d):
            each.running_mean.uniform_()
            each.running_var.uniform_(0.5, 1)
    return model, inputs, export(model, (inputs(3),), dynamic_shapes=shapes)


def same(found, expected):
    assert type(found) is type(expected)
    if isinstance(expected, flambeau.Tensor):
        assert (found.shape, found.dtype) == (expected.shape, expected.dtype)
        np.testing.assert_allclose(found.detach().numpy(), expected.detach().numpy(), rtol=2e-4, atol=1e-5)
    elif isinstance(expected, dict):
        assert list(found) == list(expected)
        for key in expected:
            same(found[key], expected[key])
    elif isinstance(expected, (tuple, list)):
        for a, b in zip(found, expected, strict=True):
            same(a, b)
    else:
        assert found == expected


@pytest.mark.parametrize("name", MODELS)
def test_round_trip_at_other_sizes(name, tmp_path):
    model, inputs, program = made(name)
    save(program, tmp_path / "model.pt2")
    loaded = load(tmp_path / "model.pt2")
    for n in (1, 3, 4, 9):
        expected = model(inputs(n))
        same(program.module()(inputs(n)), expected)
        same(loaded.module()(inputs(n)), expected)
    assert [path.name for path in tmp_path.iterdir()] == ["model.pt2"]


def close(found, expected):
    """Equal up to the rounding of long sums."""
    np.testing.assert_allclose(
        found, expected, rtol=2e-3, atol=1e-4 * max(1, np.abs(expected).max(initial=0))
    )


def gradients(module, x):
    """Of the parameters by name, and of a floating input, along what the module returns."""
    if x.is_floating_point():
        x = x.clone().requires_grad_()
    module.zero_grad()
    result = module(x)
    leaves = [result["out"], result["pooled"][0]] if isinstance(result, dict) else [result]
    sum(leaf.pow(2).sum() for leaf in leaves).backward()
    found = {name: p.grad.numpy() for name, p in module.named_parameters() if p.grad is not None}
    return found | ({"x": x.grad.numpy()} if x.is_floating_point() else {})


@pytest.mark.parametrize("name", [name for name in MODELS if name != "images"])
def test_gradients_are_the_modules(name):
    model, inputs, program = made(name)
    assert program.no_gradient is None
    file = io.BytesIO()
    save(program, file)
    for n in (2, 5):
        expected = gradients(model, inputs(n))
        for run in (program.module(), load(file).module()):
            found = gradients(run, inputs(n))
            for key, gradient in expected.items():
                close(found[key], gradient)


IN_PLAIN_JAX = """
import sys
sys.modules["flambeau"] = sys.modules["torch"] = None  # importing them raises
import json, zipfile
import jax, numpy as np

archive = zipfile.ZipFile(sys.argv[1])
program = jax.export.deserialize(bytearray(archive.read("program.bin")))
data = archive.read("weights.safetensors")
size = int.from_bytes(data[:8], "little")
header, dtypes = json.loads(data[8 : 8 + size]), {"F32": np.float32, "I64": np.int64}
weights = {}
for name, entry in header.items():
    if name != "__metadata__":
        start, end = entry["data_offsets"]
        array = np.frombuffer(data[8 + size + start : 8 + size + end], dtypes[entry["dtype"]])
        weights[name] = array.reshape(entry["shape"])
x = np.load(sys.argv[2])
with jax.enable_x64(True):
    results = jax.jit(program.call)(weights, x)
    floats = {name: a for name, a in weights.items() if a.dtype == np.float32}

    def total(floats):
        return sum((r ** 2).sum() for r in program.call(weights | floats, x) if r.dtype == np.float32)

    gradients = jax.jit(jax.grad(total))(floats)
np.savez(sys.argv[3], *map(np.asarray, results), **{"of " + name: a for name, a in gradients.items()})
"""


@pytest.mark.parametrize("name", ["MLP", "LeNet", "ResNet block", "transformer"])
def test_runs_in_plain_jax(name, tmp_path):
    model, inputs, program = made(name)
    save(program, tmp_path / "model.pt2")
    np.save(tmp_path / "x.npy", inputs(5).numpy())
    files = [str(tmp_path / file) for file in ("model.pt2", "x.npy", "out.npz")]
    subprocess.run([sys.executable, "-c", IN_PLAIN_JAX, *files], check=True)
    expected = model(inputs(5))
    results = [expected["out"], expected["pooled"][0]] if isinstance(expected, dict) else [expected]
    sum(r.pow(2).sum() for r in results).backward()
    with np.load(tmp_path / "out.npz") as found:
        arrays = [array for key, array in found.items() if not key.startswith("of ")]
        for array, tensor in zip(arrays, results, strict=True):
            np.testing.assert_allclose(array, tensor.detach().numpy(), rtol=2e-4, atol=1e-5)
        for key, parameter in model.named_parameters():
            expected = np.zeros(parameter.shape) if parameter.grad is None else parameter.grad.numpy()
            close(found["of " + key], expected)


def test_stablehlo():
    _, _, program = made("MLP")
    text = to_stablehlo(program)
    assert "stablehlo.dot_general" in text
    assert "tensor<?x4xf32>" in text
    assert 'platforms = ["tpu"]' not in text
    assert to_stablehlo(program, platforms=["cuda"]).count("stablehlo.dot_general") == 2


@compared
def test_signature(torch, log):
    class Net(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.l = torch.nn.Linear(4, 3)
            self.bn = torch.nn.BatchNorm1d(3)
            self.register_buffer("scale", torch.ones(3), persistent=False)

        def forward(self, x, y=None):
            return self.bn(self.l(x)) * self.scale

    program = torch.export.export(Net().eval(), (torch.ones(2, 4),))
    signature = program.graph_signature
    log(signature.parameters, signature.buffers, signature.user_inputs)
    log([(s.kind.name, s.arg.name, s.target, s.persistent) for s in signature.input_specs])
    log([(s.kind.name, s.target) for s in signature.output_specs])
    log(sorted(program.state_dict), [name for name, _ in program.named_parameters()])
    log([name for name, _ in program.named_buffers()], sorted(program.module().state_dict()))
    log.first_line(lambda: program(torch.ones(2, 4)))
    log.first_line(lambda: program.module().train())
    log.first_line(lambda: torch.export.Dim("b", min=5, max=2))
    log(
        repr(torch.export.Dim("b")), repr(torch.export.Dim("b", min=3, max=5)), torch.export.Dim("b").__name__
    )


def test_guards():
    _, _, program = made("MLP")
    run = program.module()
    with pytest.raises(AssertionError, match=r"Guard failed: input.size\(\)\[1\] == 4"):
        run(flambeau.ones(2, 5))
    with pytest.raises(AssertionError, match=r"Guard failed: input.dtype == torch.float32"):
        run(flambeau.ones(2, 4).double())
    with pytest.raises(ValueError, match="Trying to flatten user inputs"):
        run(flambeau.ones(2, 4), flambeau.ones(1))
    few = export(mlp(), (flambeau.ones(3, 4),), dynamic_shapes=[{0: Dim("batch", min=2, max=5)}])
    assert few.range_constraints == {"batch": (2, 5)}
    for n in (1, 6):
        with pytest.raises(AssertionError, match=r"Guard failed: input.size\(\)\[0\] [<>]= [25] \(it is"):
            few.module()(flambeau.ones(n, 4))


def test_equal_dims():
    class Add(nn.Module):
        def forward(self, x, y):
            return x + y * x.size(0)

    shapes = {"x": {0: batch}, "y": {0: batch}}
    program = export(Add(), (flambeau.ones(3),), {"y": flambeau.ones(3)}, dynamic_shapes=shapes)
    assert program.module()(flambeau.ones(4), y=flambeau.ones(4)).tolist() == [5] * 4
    with pytest.raises(AssertionError, match=r"Guard failed: y.size\(\)\[0\] == x.size\(\)\[0\]"):
        program.module()(flambeau.ones(4), y=flambeau.ones(3))
    with pytest.raises(ExportError, match="which are 3 and 4 in the example"):
        export(Add(), (flambeau.ones(3), flambeau.ones(4)), dynamic_shapes=shapes)


def lambda_module(function):
    class Module(nn.Module):
        def forward(self, x):
            return function(x)

    return Module()


# What follows from the sizes comes out right at each of them.
GENERAL = {
    "sum over the size": lambda x: x.sum(0) / x.size(0),
    "times the inverse": lambda x: x * (1 / x.size(0)),
    "view": lambda x: x.view(-1),
    "view of both": lambda x: x.view(x.size(0) * 2, 3),
    "flattened and back": lambda x: x.reshape(-1, 2).reshape(x.size(0), 6),
    "all but one": lambda x: x[1:] if x.size(0) > 0 else x,
    "half": lambda x: x[: x.size(0) // 2 + 1],
    "expand": lambda x: x[:, :1].expand(x.size(0), 4) + 1,
    "concatenated": lambda x: flambeau.cat([x, x[:, :2].repeat(1, 3)]),
    "ones": lambda x: x + flambeau.ones(x.size(0), 1),
    "range": lambda x: x * flambeau.arange(x.size(0))[:, None],
    "new": lambda x: x.new_zeros(x.size(0), 2) + x[:, :2],
    "in place": lambda x: x.clone().fill_(1.0).add_(x),
    "in place in a part": lambda x: _written(x),
    "softmax": lambda x: x.softmax(0).transpose(0, 1) @ x,
    "sorted": lambda x: x.sort(0).values,
    "argmax": lambda x: x.argmax(0),
    "cumsum": lambda x: x.cumsum(0),
    "std": lambda x: x.std(1),
    "flipped": lambda x: x.flip(0),
    "eye": lambda x: x @ flambeau.eye(6),
}


def _written(x):
    y = x.clone()
    y[:, 0] = 1
    y[0] += 2
    y[:, 1:3] *= 2
    return y


@pytest.mark.parametrize("name", GENERAL)
def test_what_follows_from_sizes(name):
    module = lambda_module(GENERAL[name])
    program = export(module, (numbers(4, 6),), dynamic_shapes=[{0: Dim("n", min=2)}])
    for n in (2, 4, 7):
        same(program.module()(numbers(n, 6)), module(numbers(n, 6)))


# What does not raises, at export.
BAKED_IN = {
    "branch": (lambda x: x * 2 if x.size(0) > 1000 else x, "does other things at other sizes"),
    "parity": (lambda x: x * 2 if x.size(0) % 2 else x, "does other things at other sizes"),
    "loop": (lambda x: sum(x[i] for i in range(x.size(0))), "does other things at other sizes"),
    "size returned": (lambda x: (x, x.size(0)), "returns a number that varies"),
    "square root of a size": (lambda x: x * x.size(0) ** 0.5, "a number that `mul` takes"),
    "table of the size": (lambda x: x + flambeau.tensor([[float(i * i)] for i in range(x.size(0))]), "varies with the sizes"),
    "fixed size": (lambda x: x.view(4, 6), "invalid for input of size"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAKED_IN)
def test_what_bakes_a_size_in_raises(name):
    function, words = BAKED_IN[name]
    module = lambda_module(function)
    export(module, (numbers(4, 6),))
    with pytest.raises(RuntimeError, match=words):
        export(module, (numbers(4, 6),), dynamic_shapes=[{0: Dim("n", max=2000)}])


def test_what_cannot_be_exported_raises():
    x = numbers(4, 6)
    with pytest.raises(
        RuntimeError, match=r"A decision by a tensor's value .* inside flambeau.export needs a value"
    ):
        export(lambda_module(lambda x: x if x.sum() > 0 else -x), (x,))
    with pytest.raises(ExportError, match=r"test_export.py:\d+.*call .eval\(\) first"):
        export(lambda_module(lambda x: F.dropout(x)), (x,))
    count = flambeau.zeros(1)
    with pytest.raises(ExportError, match="make it a buffer of the module"):
        export(lambda_module(lambda x: x + count.add_(1)), (x,))
    assert count.item() == 0
    with pytest.raises(
        ValueError, match=r"Expected `mod` to be an instance of `torch.nn.Module`, got <class 'function'>"
    ):
        export(lambda x: x, (x,))
    with pytest.raises(
        ExportError, match="Expecting `args` to be a tuple of example positional inputs, got <class"
    ):
        export(mlp(), x)
    with pytest.raises(
        ExportError, match=r"its top-level keys must be the arg names \['x'\] of `inputs`, but here they are"
    ):
        export(lambda_module(abs), (x,), dynamic_shapes={"z": None})
    with pytest.raises(ExportError, match=r"x.size\(\)\[0\] of the example is 4, which is not within"):
        export(lambda_module(abs), (x,), dynamic_shapes=[{0: Dim("n", min=5)}])


def test_training_mode_writes_to_its_buffers():
    net = nn.Sequential(nn.Linear(6, 3), nn.BatchNorm1d(3))
    x = numbers(4, 6)
    program = export(net, (x,))
    assert list(program.graph_signature.buffers_to_mutate.values()) == [
        "1.running_mean", "1.running_var", "1.num_batches_tracked",
    ]  # fmt: skip
    assert net[1].num_batches_tracked.item() == 0
    run = program.module()
    for _ in range(2):
        same(run(x), net(x).detach())
    for name, buffer in net.named_buffers():
        same(dict(run.named_buffers())[name], buffer)
    assert program.state_dict["1.num_batches_tracked"].item() == 0


def test_weights_are_taken_at_export():
    net = mlp()
    x = numbers(2, 4)
    expected = net(x).detach().clone()
    program = export(net, (x,))
    with flambeau.no_grad():
        net[0].weight.zero_()
    same(program.module()(x), expected)
    run = program.module()
    run.load_state_dict(net.state_dict())
    same(run(x), net(x).detach())


def test_tensors_that_are_no_parameters_are_constants():
    table = numbers(6)
    program = export(lambda_module(lambda x: x * table), (numbers(4, 6),), dynamic_shapes=[{0: batch}])
    assert [spec.kind.name for spec in program.graph_signature.input_specs] == [
        "CONSTANT_TENSOR",
        "USER_INPUT",
    ]
    file = io.BytesIO()
    save(program, file)
    same(load(file).module()(numbers(3, 6)), numbers(3, 6) * table)


def test_arguments_of_any_structure():
    class Net(nn.Module):
        def forward(self, pair, *, options, flag):
            return [pair[0] + options["b"] if flag else pair[0], {"a": pair[1] * options["a"]}]

    a, b, c, d = (numbers(2 + i, 1) for i in range(4))
    net, kwargs = Net(), {"options": {"b": c[:1], "a": d[:1]}, "flag": True}
    program = export(net, ((a, b),), kwargs)
    file = io.BytesIO()
    save(program, file, extra_files={"note.txt": "seen"})
    extra = {"note.txt": ""}
    for run in (program.module(), load(file, extra_files=extra).module()):
        same(run((a, b), **kwargs), net((a, b), **kwargs))
        with pytest.raises(ValueError, match="Trying to flatten user inputs"):
            run((a, b), options=kwargs["options"], flag=False)
    assert extra == {"note.txt": "seen"}


def test_files_are_whole_or_not_there(tmp_path, monkeypatch):
    _, _, program = made("MLP")
    path = tmp_path / "model.pt2"
    save(program, path)
    before = path.read_bytes()
    monkeypatch.setattr("zipfile.ZipFile.writestr", lambda *_: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        save(program, path)
    monkeypatch.undo()
    assert path.read_bytes() == before
    assert [each.name for each in tmp_path.iterdir()] == ["model.pt2"]


def test_foreign_files_are_told(tmp_path):
    path = tmp_path / "theirs.pt2"
    torch.export.save(torch.export.export(torch.nn.Linear(2, 2), (torch.ones(1, 2),)), str(path))
    with pytest.raises(ExportError, match="PyTorch's graphs"):
        load(path)
    path.write_bytes(b"nothing")
    with pytest.raises(ExportError, match="no zip archive"):
        load(path)


@pytest.mark.filterwarnings("ignore:.isinstance.treespec, LeafSpec.. is deprecated:FutureWarning")
@compared
def test_training(torch, log):
    """A program trains: edges, `detach` and a custom backward count as they did in the module."""

    class Doubled(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 1

        @staticmethod
        def backward(ctx, g):
            return g * 2

    class Net(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.l, self.frozen = torch.nn.Linear(3, 4), torch.nn.Linear(4, 2)
            self.frozen.requires_grad_(False)

        def forward(self, x):
            hidden = torch.relu(self.l(x) * (x > 0).float().sum(1, True))
            return self.frozen(hidden) + x.detach().sum() * 0.1

    torch.manual_seed(0)
    x = torch.tensor([[0.5, -0.3, 0.9], [-1.0, -0.4, -0.2], [0.1, 0.2, -0.7], [1.0, 1.0, 1.0]])
    batch = torch.export.Dim("batch", min=2, max=64)
    program = torch.export.export(Net(), (x,), dynamic_shapes={"x": {0: batch}})
    run = program.module()
    log([(name, type(p).__name__, p.requires_grad) for name, p in run.named_parameters()])
    optimizer = torch.optim.SGD([p for p in run.parameters() if p.requires_grad], 0.1)
    for _ in range(3):
        loss = run(x).pow(2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        log(round(loss.item(), 4))
    x = x.clone().requires_grad_()
    run(x).sum().backward()
    log(x.grad.numpy().round(4).tolist(), run.frozen.weight.grad)
    log(program.run_decompositions().module()(x).shape)


def test_a_custom_backward_is_exported():
    class Doubled(flambeau.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * 1

        @staticmethod
        def backward(ctx, g):
            return g * 2 * ctx.saved_tensors[0].shape[0]

    program = export(lambda_module(Doubled.apply), (numbers(4, 6),))
    x = numbers(4, 6).requires_grad_()
    program.module()(x).sum().backward()
    assert (x.grad == 8).all()


def test_normalization_trains_at_other_sizes():
    flambeau.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.ReLU(), nn.Flatten(), nn.Linear(32, 3))
    program = export(net, (numbers(4, 1, 6, 6),), dynamic_shapes=[{0: Dim("batch", min=2, max=64)}])
    run = program.module()
    for n in (2, 5):
        expected = gradients(net, numbers(n, 1, 6, 6))
        found = gradients(run, numbers(n, 1, 6, 6))
        for key, gradient in expected.items():
            close(found[key], gradient)
        for name, buffer in net.named_buffers():
            same(dict(run.named_buffers())[name], buffer)


def test_programs_without_gradients_say_so(monkeypatch):
    def refuse(*_):
        raise ExportError("a size was baked in")

    monkeypatch.setattr("flambeau.export._export._record_gradient", refuse)
    program = export(mlp(), (numbers(3, 4),))
    file = io.BytesIO()
    save(program, file)
    for run in (program.module(), load(file).module()):
        same(run(numbers(3, 4)).detach(), program.module()(numbers(3, 4)).detach())
        with pytest.raises(
            RuntimeError, match="no gradients, since they could not be exported: a size was baked in"
        ):
            run(numbers(3, 4)).sum().backward()


def test_gradients_that_jax_cannot_lower_say_so():
    """That of pooling images of any size: how much padding undoes it, JAX cannot tell."""
    _, inputs, program = made("images")
    file = io.BytesIO()
    save(program, file)
    for run in (program.module(), load(file).module()):
        with pytest.raises(RuntimeError, match=r"no gradients, since they could not be lowered: .*height"):
            run(inputs(3)).sum().backward()


class Joined(nn.Module):
    def forward(self, x, y):
        return flambeau.cat([x, x, x[:1]]) + y


def test_dims_that_follow_from_others():
    n = Dim("n", min=2, max=9)
    inputs = flambeau.ones(3, 2), flambeau.ones(7, 2)
    program = export(Joined(), inputs, dynamic_shapes={"x": {0: n}, "y": {0: 2 * n + 1}})
    assert "y: torch.float32[2*n + 1, 2]" in repr(program)
    file = io.BytesIO()
    save(program, file)
    for run in (program.module(), load(file).module()):
        for size in (2, 4, 9):
            x, y = numbers(size, 2).requires_grad_(), numbers(2 * size + 1, 2)
            same(run(x, y), Joined()(x, y))
            run(x, y).sum().backward()
            assert x.grad[0, 0].item() == 3
        with pytest.raises(AssertionError, match=r"Guard failed: y.size\(\)\[0\] == 2\*n \+ 1, where n is 4"):
            run(flambeau.ones(4, 2), flambeau.ones(7, 2))
        with pytest.raises(AssertionError, match=r"Guard failed: y.size\(\)\[0\] == 2\*n \+ 1 \(it is 8"):
            run(flambeau.ones(4, 2), flambeau.ones(8, 2))
        with pytest.raises(AssertionError, match=r"Guard failed: x.size\(\)\[0\] <= 9"):
            run(flambeau.ones(10, 2), flambeau.ones(21, 2))
    with pytest.raises(ExportError, match=r"is 6, which is not 2\*n \+ 1 for any n"):
        export(Joined(), (flambeau.ones(3, 2), flambeau.ones(6, 2)), dynamic_shapes=({0: n}, {0: 2 * n + 1}))
    with pytest.raises(ExportError, match="which are 3 and 9 in the example"):
        export(Joined(), (flambeau.ones(3, 2), flambeau.ones(9, 2)), dynamic_shapes=({0: n}, {0: 2 * n + 1}))


@compared
def test_arithmetic_of_dims(torch, log):
    n = torch.export.Dim("n", min=3, max=10)
    for make in (
        lambda: 2 * n, lambda: n * 2, lambda: n + 1, lambda: 1 + n, lambda: n - 1, lambda: 2 * n + 1, lambda: (n + 1) * 3,
        lambda: n * 0, lambda: n * -1, lambda: n * 1.5, lambda: n + 0.5, lambda: n - 0.5, lambda: 3 - n,
    ):  # fmt: skip
        log.first_line(lambda make=make: (make().__name__, make().min, make().max))
    log(repr(torch.export.Dim.AUTO), repr(torch.export.Dim.DYNAMIC), repr(torch.export.Dim.STATIC))


def shapes_of(program):
    return [tuple(map(str, argument.sizes)) for argument in program._arguments]


def test_dims_that_are_left_to_us():
    auto = Dim.AUTO
    program = export(nn.Linear(3, 2), (flambeau.ones(4, 3),), dynamic_shapes=((auto, auto),))
    assert shapes_of(program) == [("input_0", "3")]
    assert program.module()(flambeau.ones(9, 3)).shape == (9, 2)
    both = {"x": (auto, auto), "y": (auto, auto)}

    class Add(nn.Module):
        def forward(self, x, y):
            return x + y

    program = export(Add(), (flambeau.ones(4, 3), flambeau.ones(4, 3)), dynamic_shapes=both)
    assert shapes_of(program) == [("x_0", "x_1"), ("x_0", "x_1")]
    one = export(Add(), (flambeau.ones(4, 1), flambeau.ones(4, 1)), dynamic_shapes=both)
    assert shapes_of(one) == [("x_0", "1"), ("x_0", "1")]
    twice = {"x": {0: auto}, "y": {0: auto}}
    program = export(Joined(), (flambeau.ones(3, 2), flambeau.ones(7, 2)), dynamic_shapes=twice)
    assert shapes_of(program) == [("3", "2"), ("7", "2")]  # twice and one more is not looked for

    class Twice(nn.Module):
        def forward(self, x, y):
            return flambeau.cat([x, x]) + y

    program = export(Twice(), (flambeau.ones(3, 2), flambeau.ones(6, 2)), dynamic_shapes=twice)
    assert shapes_of(program) == [("x_0", "2"), ("2*x_0", "2")]
    bounded = export(nn.Linear(3, 2), (flambeau.ones(4, 3),), dynamic_shapes=((auto(min=2, max=9), None),))
    assert bounded.range_constraints == {"input_0": (2, 9)}
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        export(nn.Linear(3, 2), (flambeau.ones(4, 3),), dynamic_shapes=((None, Dim.DYNAMIC),))
