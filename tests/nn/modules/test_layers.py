"""Every layer is compared with PyTorch's: made from the same seed, printed, saved, called, differentiated."""

from __future__ import annotations

import copy
import pickle
import warnings

import numpy as np
import pytest
import torch
from layer_cases import LEARNED, PLAIN, REFUSED, make_inputs
from side_by_side import assert_same

import flambeau

LIBRARIES = (flambeau, torch)
CASES = LEARNED + PLAIN


def build(library, text):
    library.manual_seed(3)
    return eval("torch.nn." + text, {"torch": library})


def tensors_of(output):
    return list(output) if isinstance(output, tuple) else [output]


def assert_close(mine, theirs, exact=False):
    mine, theirs = mine.detach().numpy(), theirs.detach().numpy()
    assert mine.dtype == theirs.dtype
    assert mine.shape == theirs.shape
    if exact:
        np.testing.assert_array_equal(mine, theirs)
    else:
        np.testing.assert_allclose(mine, theirs, rtol=2e-5, atol=1e-5)


def assert_same_state(mine, theirs, exact):
    ours, reference = mine.state_dict(), theirs.state_dict()
    assert list(ours) == list(reference)
    for key, value in reference.items():
        assert_close(ours[key], value, exact)


@pytest.mark.parametrize("text", [text for text, specs in CASES if not text.startswith("Lazy")])
def test_same_seed_makes_the_same_layer(text):
    mine, theirs = (build(library, text) for library in LIBRARIES)
    assert repr(mine) == repr(theirs)
    assert_same_state(mine, theirs, exact=True)
    assert [name for name, _ in mine.named_parameters()] == [name for name, _ in theirs.named_parameters()]
    public = {key: value for key, value in theirs.__dict__.items() if not key.startswith("_")}
    assert {key: value for key, value in mine.__dict__.items() if not key.startswith("_")} == public
    assert mine._version == theirs._version


@pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])
@pytest.mark.parametrize(("text", "specs"), [case for case in CASES if case[1]])
def test_forward_and_gradients(text, specs, training):
    results = []
    for library in LIBRARIES:
        layer = build(library, text)
        layer.train(training)
        arguments = make_inputs(library, specs)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            outputs = tensors_of(layer(*arguments))
        if outputs[0].requires_grad:
            (outputs[0] * outputs[0]).sum().backward()
        results.append((layer, arguments, outputs))
    (mine, my_arguments, my_outputs), (theirs, their_arguments, their_outputs) = results
    assert repr(mine) == repr(theirs)
    for ours, reference in zip(my_outputs, their_outputs, strict=True):
        assert_close(ours, reference)
    assert_same_state(mine, theirs, exact=False)
    leaves = zip([*my_arguments, *mine.parameters()], [*their_arguments, *theirs.parameters()], strict=True)
    for ours, reference in leaves:
        assert (ours.grad is None) == (reference.grad is None)
        if reference.grad is not None:
            assert_close(ours.grad, reference.grad)


@pytest.mark.parametrize("text", REFUSED)
def test_refusals_and_warnings(text):
    def scenario(torch, log):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                log(eval("torch.nn." + text, {"torch": torch}))
            except Exception as error:
                # Ours may go on after PyTorch's words, with values or the path of the layer.
                log(type(error).__name__, str(error).partition("\n")[0].partition(", got ")[0])
        log([(each.category.__name__, str(each.message)) for each in caught])

    assert_same(scenario)


@pytest.mark.parametrize("text", [text for text, _ in LEARNED])
def test_copies_and_pickles_hold_the_same(text):
    layer = build(flambeau, text)
    for twin in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        assert repr(twin) == repr(layer)
        assert list(twin.state_dict()) == list(layer.state_dict())


@pytest.mark.parametrize("kind", ["Conv2d(4, 3, 2)", "Linear(4, 3)"])
def test_lazy_layers_take_shapes_from_a_state_dict(kind):
    full = build(flambeau, kind)
    lazy = build(flambeau, "Lazy" + kind.replace("4, ", "", 1))
    lazy.load_state_dict(full.state_dict())
    assert flambeau.equal(lazy.weight, full.weight)


def test_batchnorm_loads_what_was_saved_without_counts():
    def scenario(torch, log):
        layer = torch.nn.BatchNorm1d(2)
        layer.num_batches_tracked += 5
        state = layer.state_dict()
        del state["num_batches_tracked"]
        state._metadata = {}
        log(str(layer.load_state_dict(state)), layer.num_batches_tracked)
        state._metadata = {"": {"version": 2}}
        log.first_line(lambda: layer.load_state_dict(state))

    assert_same(scenario)


def test_lazy_layers_may_be_cast_first():
    def scenario(torch, log):
        for kind in (torch.nn.LazyBatchNorm1d(), torch.nn.LazyLinear(3)):
            layer = kind.float().double()
            log(layer(torch.ones(2, 4, dtype=torch.float64)).dtype, layer.state_dict().keys(), layer)

    assert_same(scenario)


@pytest.mark.parametrize("size", [1, 2, 3, 4])
def test_crossmaplrn_sums_the_channels_that_pytorch_sums(size):
    def scenario(torch, log):
        x = torch.rand(2, 6, 3, 3, requires_grad=True)
        output = torch.nn.CrossMapLRN2d(size, 0.5)(x)
        log(output)
        if size > 1:  # PyTorch's gradient fails for 1
            output.square().sum().backward()
            log(x.grad)

    assert_same(scenario, tolerance=1e-6)


def test_convert_sync_batchnorm_keeps_parameters():
    model = flambeau.nn.Sequential(flambeau.nn.BatchNorm2d(3), flambeau.nn.ReLU())
    converted = flambeau.nn.SyncBatchNorm.convert_sync_batchnorm(model)
    assert isinstance(converted[0], flambeau.nn.SyncBatchNorm)
    assert converted[0].weight is model[0].weight


def test_pretrained_embeddings_are_frozen_unless_told_otherwise():
    table = flambeau.ones(3, 2)
    assert not flambeau.nn.Embedding.from_pretrained(table).weight.requires_grad
    assert flambeau.nn.Embedding.from_pretrained(table, freeze=False).weight.requires_grad
