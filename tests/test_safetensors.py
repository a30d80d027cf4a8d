"""Safetensors files, against the safetensors package's functions for PyTorch."""

import inspect
import json
import os

import pytest
import safetensors.torch as expected
import torch

import flambeau
import flambeau.safetensors as actual

DTYPES = (
    *("float64", "float32", "float16", "bfloat16", "complex64", "bool"),
    *("uint8", "int8", "int16", "int32", "int64", "uint16", "uint32", "uint64"),
    *("float8_e4m3fn", "float8_e5m2"),
)
BOTH = [(flambeau, actual), (torch, expected)]


def tensors(library):
    return {
        "matrix": library.arange(6.0).reshape(2, 3),
        "a scalar": library.tensor(3),
        "empty": library.zeros(0, 3),
        "half": library.ones(3, dtype=library.bfloat16),
        "flags": library.tensor([True, False, True]),
        "ünicode": library.ones(1, dtype=library.float64),
    }


def values(found):
    return {
        name: (str(tensor.dtype), tuple(tensor.shape), tensor.float().tolist())
        for name, tensor in sorted(found.items())
    }


def tied(library):
    class Tied(library.nn.Module):
        def __init__(self):
            super().__init__()
            self.second = library.nn.Linear(2, 2)
            self.first = self.second

    return Tied()


@pytest.mark.parametrize("metadata", [None, {"format": "pt"}])
def test_the_bytes_are_those_of_the_package(metadata):
    ours = actual.save(tensors(flambeau), metadata)
    assert ours == expected.save(tensors(torch), metadata)
    assert values(actual.load(ours)) == values(tensors(torch))


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_dtype_goes_both_ways(dtype):
    ours = actual.save({"x": flambeau.tensor([0, 1, 1]).to(getattr(flambeau, dtype))})
    assert ours == expected.save({"x": torch.tensor([0, 1, 1]).to(getattr(torch, dtype))})
    loaded = actual.load(ours)["x"]
    assert (str(loaded.dtype), tuple(loaded.shape)) == (f"torch.{dtype}", (3,))
    assert actual.save({"x": loaded}) == ours


def test_files(tmp_path):
    path = tmp_path / "model.safetensors"
    actual.save_file(tensors(flambeau), path, {"a": "b"})
    assert os.listdir(tmp_path) == ["model.safetensors"]
    assert values(expected.load_file(path)) == values(tensors(torch))
    assert values(actual.load_file(path)) == values(tensors(torch))


@pytest.mark.parametrize(
    "action",
    [
        lambda t, s: s.save([t.ones(1)]),
        lambda t, s: s.save({1: t.ones(1)}),
        lambda t, s: s.save({"a": t.ones(2, 3).t()}),
        lambda t, s: s.load(b"abc"),
    ],
)
def test_error(action):
    with pytest.raises(Exception) as expected_error:  # noqa: PT011
        action(torch, expected)
    with pytest.raises(expected_error.type) as error:
        action(flambeau, actual)
    assert str(error.value) == str(expected_error.value)


def test_anything_but_a_tensor_is_refused():
    with pytest.raises(
        ValueError, match=r"Key `a` is invalid, expected torch.Tensor but received <class 'int'>"
    ):
        actual.save({"a": 1})


def test_a_missing_file():
    with pytest.raises(FileNotFoundError):
        actual.load_file("/nowhere")


def test_tensors_that_share_memory_are_refused():
    base = flambeau.ones(2, 3)
    with pytest.raises(RuntimeError, match=r"Some tensors share memory.*save_model"):
        actual.save({"a": base, "b": base[1]})


def test_models_with_tied_weights_go_both_ways(tmp_path):
    path = str(tmp_path / "model.safetensors")
    for library, package in BOTH:
        model = tied(library)
        package.save_model(model, path)
        for other_library, other_package in BOTH:
            other = tied(other_library)
            assert other_package.load_model(other, path) == (set(), [])
            assert other.first.weight.tolist() == model.first.weight.tolist()


def test_the_header_and_the_values_of_a_tied_model_are_those_of_the_package(tmp_path):
    files = []
    for library, package in BOTH:
        library.manual_seed(0)
        package.save_model(tied(library), str(tmp_path / library.__name__))
        data = (tmp_path / library.__name__).read_bytes()
        end = 8 + int.from_bytes(data[:8], "little")
        # The package writes the metadata in an order that differs from run to run.
        files.append((json.loads(data[8:end]), data[end:]))
    assert files[0] == files[1]


@pytest.mark.parametrize("strict", [True, False])
def test_missing_and_unexpected_names(tmp_path, strict):
    path = str(tmp_path / "model.safetensors")
    expected.save_model(torch.nn.Linear(2, 2), path)
    results = []
    for library, package in BOTH:
        model = library.nn.Linear(2, 2, bias=False)
        try:
            results.append(package.load_model(model, path, strict=strict))
        except RuntimeError as error:
            results.append(str(error))
    assert results[0] == results[1]


@pytest.mark.parametrize("name", actual.__all__)
def test_parameters_are_the_packages(name):
    ours, theirs = inspect.signature(getattr(actual, name)), inspect.signature(getattr(expected, name))
    assert [(p.name, p.kind, p.default) for p in ours.parameters.values()] == [
        (p.name, p.kind, p.default) for p in theirs.parameters.values()
    ]
