"""Every class that torch.nn exports: made from one seed it has PyTorch's parameters, repr and state dict."""

from __future__ import annotations

import inspect

import numpy as np
import pytest
import torch

import flambeau

# What classes are made with; those that are not named need nothing.
ARGUMENTS = {
    "AdaptiveLogSoftmaxWithLoss": "(8, 20, [5, 10])",
    "Bilinear": "(3, 4, 5)",
    "ChannelShuffle": "(2)",
    "ConstantPad1d": "(1, 0.5)",
    "ConstantPad2d": "(1, 0.5)",
    "ConstantPad3d": "(1, 0.5)",
    "DataParallel": "(torch.nn.Linear(2, 3))",
    "Embedding": "(5, 3, padding_idx=1)",
    "EmbeddingBag": "(5, 3)",
    "Fold": "(4, 2)",
    "FractionalMaxPool2d": "(2, output_size=3)",
    "FractionalMaxPool3d": "(2, output_size=3)",
    "GroupNorm": "(2, 4)",
    "LPPool1d": "(2, 3)",
    "LPPool2d": "(2, 3)",
    "LPPool3d": "(2, 3)",
    "LayerNorm": "(3)",
    "LinearCrossEntropyLoss": "(3, 5, bias=True)",
    "LocalResponseNorm": "(2)",
    "CrossMapLRN2d": "(2)",
    "ModuleDict": "({'a': torch.nn.Linear(2, 3)})",
    "ModuleList": "([torch.nn.Linear(2, 3)])",
    "MultiheadAttention": "(4, 2)",
    "ParameterDict": "({'a': torch.randn(2)})",
    "ParameterList": "([torch.randn(2)])",
    "PixelShuffle": "(2)",
    "PixelUnshuffle": "(2)",
    "RMSNorm": "(3)",
    "RNNBase": "('LSTM', 3, 4)",
    "RNNCellBase": "(3, 4, True, 2)",
    "Sequential": "(torch.nn.Linear(2, 3), torch.nn.ReLU())",
    "Threshold": "(0.5, 1)",
    "Transformer": "(4, 2, 1, 1, 8)",
    "TransformerDecoder": "(torch.nn.TransformerDecoderLayer(4, 2, 8), 2)",
    "TransformerDecoderLayer": "(4, 2, 8)",
    "TransformerEncoder": "(torch.nn.TransformerEncoderLayer(4, 2, 8), 2)",
    "TransformerEncoderLayer": "(4, 2, 8)",
    "Unflatten": "(1, (2, 3))",
    "Unfold": "(2)",
    "Upsample": "(scale_factor=2)",
    "UpsamplingBilinear2d": "(scale_factor=2)",
    "UpsamplingNearest2d": "(scale_factor=2)",
    "Conv": "(3, 4, 2)",
    "ConvTranspose": "(3, 4, 2)",
    "LazyConv": "(4, 2)",
    "LazyConvTranspose": "(4, 2)",
    "BatchNorm": "(4)",
    "SyncBatchNorm": "(4)",
    "InstanceNorm": "(4, affine=True)",
    "Linear": "(3, 4)",
    "LazyLinear": "(4)",
    "Pool": "(2)",
    "Unpool": "(2)",
    "Pad": "(1)",
    "RNN": "(3, 4, 2)",
    "LSTM": "(3, 4, 2, bidirectional=True)",
    "GRU": "(3, 4, 2)",
    "RNNCell": "(3, 4)",
    "LSTMCell": "(3, 4)",
    "GRUCell": "(3, 4)",
    "Container": "(a=torch.nn.Linear(2, 3))",
    "NLLLoss2d": "()",
}
CLASSES = sorted(name for name in dir(torch.nn) if inspect.isclass(getattr(torch.nn, name)))
NOT_MODULES = {
    "Buffer",
    "LinearCrossEntropyOptions",
    "Parameter",
    "UninitializedBuffer",
    "UninitializedParameter",
}


def arguments(name):
    """Those of the class itself, else of its family: `Conv` for `Conv2d`, `Pool` for `MaxPool1d`."""
    family = name.rstrip("d").rstrip("123")
    last = next((word for word in ("Unpool", "Pool", "Pad") if family.endswith(word)), "")
    for key in (name, family, last):
        if key in ARGUMENTS:
            return ARGUMENTS[key]
    return "()"


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", [name for name in CLASSES if name not in NOT_MODULES])
def test_same_seed_makes_the_same_module(name):
    made = []
    for library in (flambeau, torch):
        library.manual_seed(0)
        made.append(eval(f"torch.nn.{name}{arguments(name)}", {"torch": library}))
    mine, theirs = made
    assert repr(mine).replace("flambeau", "torch") == repr(theirs)
    ours, reference = mine.state_dict(), theirs.state_dict()
    assert list(ours) == list(reference)
    for key, value in reference.items():
        if isinstance(value, torch.nn.parameter.UninitializedTensorMixin):
            assert type(ours[key]).__name__ == type(value).__name__
            continue
        assert str(ours[key].dtype) == str(value.dtype)
        np.testing.assert_array_equal(ours[key].numpy(), value.numpy())
    assert [name for name, _ in mine.named_parameters()] == [name for name, _ in theirs.named_parameters()]
    assert [name for name, _ in mine.named_modules()] == [name for name, _ in theirs.named_modules()]
    # What is drawn next shows that as many numbers were taken.
    assert flambeau.rand(1).item() == torch.rand(1).item()


@pytest.mark.parametrize("name", CLASSES)
def test_the_class_is_there_under_the_same_path(name):
    ours, theirs = getattr(flambeau.nn, name), getattr(torch.nn, name)
    assert ours.__name__ == theirs.__name__
    assert ours.__module__.replace("flambeau", "torch") == theirs.__module__


def test_without_a_gpu_dataparallel_runs_its_module():
    layer = flambeau.nn.Linear(2, 3)
    wrapped = flambeau.nn.DataParallel(layer)
    x = flambeau.ones(4, 2)
    assert flambeau.equal(wrapped(input=x), layer(x))
    assert wrapped.device_ids == []
    with pytest.raises(RuntimeError, match="device type could not be determined"):
        flambeau.nn.parallel.data_parallel(layer, x)
