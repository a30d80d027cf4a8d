"""The layers that are compared with PyTorch's: how each is made, and the shapes of its inputs.

An input is a shape of floats, or `whole(high, *shape)` for integers, `signs(*shape)` for 1 and -1,
`shares(*shape)` for floats between 0 and 1.
"""

from __future__ import annotations

from typing import Any

import numpy as np

Input = tuple[Any, ...]


def whole(high: int, *shape: int) -> Input:
    return ("whole", high, shape)


def signs(*shape: int) -> Input:
    return ("signs", shape)


def shares(*shape: int) -> Input:
    return ("shares", shape)


def make_input(spec: Input, random: np.random.Generator) -> np.ndarray[Any, Any]:
    match spec:
        case ("whole", high, shape):
            return random.integers(0, high, shape)
        case ("signs", shape):
            return random.choice([-1.0, 1.0], shape).astype(np.float32)
        case ("shares", shape):
            return random.uniform(0.05, 0.95, shape).astype(np.float32)
        case _:
            return random.standard_normal(spec).astype(np.float32)


def make_inputs(library: Any, specs: list[Input]) -> list[Any]:
    """A case's inputs; those of floats ask for gradients, but targets that lie between bounds do not."""
    random = np.random.default_rng(0)
    made = []
    for place, spec in enumerate(specs):
        value = library.from_numpy(make_input(spec, random))
        if value.is_floating_point() and (place == 0 or spec[0] not in ("signs", "shares")):
            value.requires_grad_()
        made.append(value)
    return made


LEARNED: list[tuple[str, list[Input]]] = [
    ("Linear(3, 4)", [(2, 3)]),
    ("Linear(3, 4, bias=False)", [(5, 2, 3)]),
    ("Bilinear(2, 3, 4)", [(5, 2), (5, 3)]),
    ("Identity(4, unused=True)", [(2, 3)]),
    ("Conv1d(2, 4, 3)", [(2, 2, 8)]),
    ("Conv1d(2, 4, 4, padding='same')", [(2, 2, 8)]),
    ("Conv1d(2, 4, 3, padding=2, padding_mode='circular')", [(2, 2, 8)]),
    ("Conv2d(2, 4, (3, 2), (1, 2), 1, 2, 2, False)", [(2, 2, 8, 9)]),
    ("Conv2d(2, 4, 3, padding=1, padding_mode='reflect')", [(2, 2, 5, 5)]),
    ("Conv2d(2, 4, 3, padding='same', padding_mode='replicate')", [(2, 5, 5)]),
    ("Conv3d(2, 3, 2)", [(1, 2, 4, 4, 4)]),
    ("ConvTranspose1d(2, 4, 3, output_padding=1, stride=2, dilation=2)", [(2, 2, 5)]),
    ("ConvTranspose2d(2, 4, 3, 2, 1, 1, 2)", [(2, 2, 4, 5)]),
    ("ConvTranspose3d(2, 3, 2, stride=2)", [(1, 2, 2, 3, 2)]),
    ("LazyLinear(4)", [(2, 3)]),
    ("LazyLinear(4, bias=False)", [(2, 3)]),
    ("LazyConv1d(3, 2)", [(2, 4, 6)]),
    ("LazyConv2d(4, 2, groups=2)", [(2, 4, 6, 6)]),
    ("LazyConvTranspose1d(3, 2, bias=False)", [(2, 4, 6)]),
    ("LazyConvTranspose2d(3, 2)", [(2, 4, 3, 3)]),
    ("BatchNorm1d(3)", [(4, 3)]),
    ("BatchNorm1d(3, momentum=None)", [(4, 3, 2)]),
    ("BatchNorm2d(3, affine=False)", [(2, 3, 4, 4)]),
    ("BatchNorm2d(3, bias=False)", [(2, 3, 4, 4)]),
    ("BatchNorm3d(2, track_running_stats=False)", [(2, 2, 2, 3, 2)]),
    ("LazyBatchNorm1d()", [(4, 3, 2)]),
    ("LazyBatchNorm2d(momentum=None)", [(2, 3, 4, 4)]),
    ("SyncBatchNorm(3)", None),
    ("InstanceNorm1d(3)", [(2, 3, 5)]),
    ("InstanceNorm2d(2, affine=True, track_running_stats=True)", [(3, 2, 4, 4)]),
    ("InstanceNorm3d(2)", [(2, 3, 3, 3)]),
    ("LazyInstanceNorm2d()", [(2, 3, 4, 4)]),
    ("LayerNorm(3)", [(2, 3)]),
    ("LayerNorm((2, 3), bias=False)", [(4, 2, 3)]),
    ("LayerNorm([2, 3], elementwise_affine=False)", [(4, 2, 3)]),
    ("GroupNorm(2, 4)", [(2, 4, 3)]),
    ("GroupNorm(2, 4, affine=False)", [(2, 4, 3)]),
    ("GroupNorm(2, 4, bias=False)", [(2, 4, 3)]),
    ("RMSNorm(3)", [(2, 3)]),
    ("RMSNorm([2, 3], eps=1e-3, elementwise_affine=False)", [(4, 2, 3)]),
    ("LocalResponseNorm(2)", [(2, 4, 3)]),
    ("CrossMapLRN2d(3)", [(2, 6, 3, 3)]),
    ("Embedding(4, 3)", [whole(4, 2, 5)]),
    ("Embedding(4, 3, padding_idx=-1, scale_grad_by_freq=True)", [whole(4, 2, 5)]),
    ("Embedding(4, 3, max_norm=1.0, norm_type=1.0)", [whole(4, 2, 5)]),
    ("EmbeddingBag(4, 3)", [whole(4, 2, 5)]),
    ("EmbeddingBag(4, 3, mode='sum', padding_idx=2)", [whole(4, 2, 5)]),
    ("EmbeddingBag(4, 3, max_norm=1, norm_type=3, mode='max')", [whole(4, 2, 5)]),
    ("PReLU()", [(2, 3)]),
    ("PReLU(3, 0.1)", [(2, 3)]),
    ("AdaptiveLogSoftmaxWithLoss(8, 20, [5, 10], div_value=2.0)", None),
    ("AdaptiveLogSoftmaxWithLoss(8, 20, [5, 10], div_value=2.0, head_bias=True)", None),
]

PLAIN: list[tuple[str, list[Input] | None]] = [
    ("Threshold(0.1, 2)", [(3, 4)]),
    ("Threshold(0.1, 2, True)", None),
    ("ReLU()", [(3, 4)]),
    ("ReLU(inplace=True)", None),
    ("RReLU(0.25, 0.25)", [(3, 4)]),
    ("Hardtanh()", [(3, 4)]),
    ("Hardtanh(-2, 2, True)", None),
    ("ReLU6()", [(3, 4)]),
    ("ReLU6(True)", None),
    ("Sigmoid()", [(3, 4)]),
    ("Hardsigmoid()", [(3, 4)]),
    ("Tanh()", [(3, 4)]),
    ("SiLU()", [(3, 4)]),
    ("SiLU(True)", None),
    ("Mish()", [(3, 4)]),
    ("Hardswish()", [(3, 4)]),
    ("ELU()", [(3, 4)]),
    ("ELU(2, True)", None),
    ("CELU(2)", [(3, 4)]),
    ("SELU()", [(3, 4)]),
    ("GLU()", [(3, 4)]),
    ("GLU(0)", [(4, 3)]),
    ("GELU()", [(3, 4)]),
    ("GELU('tanh')", [(3, 4)]),
    ("Hardshrink()", [(3, 4)]),
    ("LeakyReLU(0.2)", [(3, 4)]),
    ("LeakyReLU(0.2, True)", None),
    ("LogSigmoid()", [(3, 4)]),
    ("Softplus(2.0, 1.0)", [(3, 4)]),
    ("Softshrink()", [(3, 4)]),
    ("Softsign()", [(3, 4)]),
    ("Tanhshrink()", [(3, 4)]),
    ("Softmin(1)", [(3, 4)]),
    ("Softmax(-1)", [(3, 4)]),
    ("Softmax()", None),
    ("Softmax2d()", [(2, 3, 4, 4)]),
    ("LogSoftmax(0)", [(3, 4)]),
    ("Dropout()", [(30, 4)]),
    ("Dropout(0.0)", [(3, 4)]),
    ("Dropout(1.0, inplace=True)", None),
    ("Dropout1d(0.4)", [(3, 8, 2)]),
    ("Dropout2d(0.3)", [(3, 8, 2, 2)]),
    ("Dropout3d()", [(3, 8, 2, 2, 2)]),
    ("AlphaDropout(0.2)", [(30, 4)]),
    ("FeatureAlphaDropout(0.2)", [(3, 8, 2)]),
    ("MaxPool1d(2)", [(2, 3, 7)]),
    ("MaxPool2d((2, 3), padding=1, return_indices=True)", [(2, 3, 7, 7)]),
    ("MaxPool3d(2, 2, 1, 2, ceil_mode=True)", [(1, 2, 5, 5, 5)]),
    ("MaxUnpool1d(2)", None),
    ("MaxUnpool2d(2, 1, 0)", None),
    ("MaxUnpool3d((1, 2, 3))", None),
    ("AvgPool1d(2, 1, 1, True, False)", [(2, 3, 6)]),
    ("AvgPool2d((2, 2))", [(2, 3, 6, 6)]),
    ("AvgPool2d(2, 1, 1, True, False, 3)", [(2, 3, 5, 5)]),
    ("AvgPool3d(2)", [(1, 2, 4, 4, 4)]),
    ("FractionalMaxPool2d(2, 3)", None),
    ("FractionalMaxPool3d(2, output_ratio=0.5)", None),
    ("LPPool1d(2, 3)", [shares(2, 3, 7)]),
    ("LPPool2d(1.2, (2, 3), 2, True)", [shares(2, 3, 7, 7)]),
    ("LPPool3d(1, 2)", [shares(1, 2, 4, 4, 4)]),
    ("AdaptiveMaxPool1d(3)", [(2, 3, 7)]),
    ("AdaptiveMaxPool2d((3, None), True)", [(2, 3, 7, 5)]),
    ("AdaptiveMaxPool3d(2)", [(1, 2, 3, 5, 4)]),
    ("AdaptiveAvgPool1d(3)", [(2, 3, 7)]),
    ("AdaptiveAvgPool2d((None, 3))", [(2, 3, 7, 5)]),
    ("AdaptiveAvgPool3d(2)", [(1, 2, 3, 5, 4)]),
    ("Flatten()", [(2, 3, 4)]),
    ("Flatten(0, 1)", [(2, 3, 4)]),
    ("Unflatten(1, (2, 3))", [(4, 6)]),
    ("Fold((4, 5), (2, 2))", [(1, 12, 12)]),
    ("Unfold((2, 3), stride=2)", [(2, 3, 6, 7)]),
    ("PixelShuffle(2)", [(2, 8, 3, 3)]),
    ("PixelUnshuffle(2)", [(2, 2, 6, 4)]),
    ("ChannelShuffle(2)", [(2, 4, 3, 3)]),
    ("Upsample(scale_factor=2)", [(2, 3, 4)]),
    ("Upsample(scale_factor=(2, 3), mode='bilinear', align_corners=True)", [(2, 3, 4, 4)]),
    ("Upsample((3, 5))", [(2, 3, 4, 4)]),
    ("UpsamplingNearest2d(5)", [(2, 3, 4, 4)]),
    ("UpsamplingBilinear2d(scale_factor=3)", [(2, 3, 4, 4)]),
    ("ConstantPad1d(1, 2)", [(2, 3, 4)]),
    ("ConstantPad2d((1, 2, 3, -1), 2.5)", [(2, 3, 4, 4)]),
    ("ConstantPad3d(1, 0)", [(1, 2, 3, 3, 3)]),
    ("ReflectionPad1d(2)", [(2, 3, 4)]),
    ("ReflectionPad2d((1, 2, 0, 1))", [(2, 3, 4, 4)]),
    ("ReflectionPad3d(1)", [(1, 2, 3, 3, 3)]),
    ("ReplicationPad1d(1)", [(2, 3, 4)]),
    ("ReplicationPad2d([1, 2, 3, 4])", [(2, 3, 4, 4)]),
    ("ReplicationPad3d(2)", [(1, 2, 3, 3, 3)]),
    ("ZeroPad1d(1)", [(2, 3, 4)]),
    ("ZeroPad2d(1)", [(2, 3, 4, 4)]),
    ("ZeroPad3d(1)", [(1, 2, 3, 3, 3)]),
    ("CircularPad1d(1)", [(2, 3, 4)]),
    ("CircularPad2d((1, 2, 0, 1))", [(2, 3, 4, 4)]),
    ("CircularPad3d(1)", [(1, 2, 3, 3, 3)]),
    ("CosineSimilarity()", [(4, 5), (4, 5)]),
    ("PairwiseDistance(keepdim=True)", [(4, 5), (4, 5)]),
    ("L1Loss()", [(4, 3), (4, 3)]),
    ("MSELoss(reduction='sum')", [(4, 3), (4, 3)]),
    ("SmoothL1Loss(beta=0.5)", [(4, 3), (4, 3)]),
    ("HuberLoss(delta=0.5)", [(4, 3), (4, 3)]),
    ("NLLLoss()", [(4, 3), whole(3, 4)]),
    ("CrossEntropyLoss()", [(4, 3), whole(3, 4)]),
    ("CrossEntropyLoss(label_smoothing=0.1, reduction='none')", [(4, 3), whole(3, 4)]),
    ("LinearCrossEntropyLoss(3, 5, bias=True)", [(4, 3), whole(5, 4)]),
    ("LinearCrossEntropyLoss(3, 5, out_features=(2, 2), reduction='sum')", [(4, 3), whole(5, 4, 2, 2)]),
    ("BCELoss()", [shares(4, 3), shares(4, 3)]),
    ("BCEWithLogitsLoss()", [(4, 3), shares(4, 3)]),
    ("KLDivLoss(reduction='batchmean')", [(4, 3), shares(4, 3)]),
    ("PoissonNLLLoss(full=True)", [(4, 3), shares(4, 3)]),
    ("GaussianNLLLoss(full=True)", [(4, 3), (4, 3), shares(4, 3)]),
    ("GaussianNLLLoss()", [(4, 3, 2), (4, 3, 2), shares(4, 1, 2)]),
    ("HingeEmbeddingLoss()", [(4, 3), signs(4, 3)]),
    ("SoftMarginLoss()", [(4, 3), signs(4, 3)]),
    ("CosineEmbeddingLoss()", [(4, 3), (4, 3), signs(4)]),
    ("MarginRankingLoss(0.1)", [(4,), (4,), signs(4)]),
    ("MultiMarginLoss()", [(4, 3), whole(3, 4)]),
    ("MultiLabelMarginLoss()", [(4, 3), whole(3, 4, 3)]),
    ("MultiLabelSoftMarginLoss()", [(4, 3), whole(2, 4, 3)]),
    ("TripletMarginLoss(swap=True)", [(4, 3), (4, 3), (4, 3)]),
    ("TripletMarginWithDistanceLoss()", [(4, 3), (4, 3), (4, 3)]),
    ("CTCLoss()", None),
]

# Constructors and calls that are refused, or that warn.
REFUSED = [
    "HuberLoss(delta=None)",
    "HuberLoss(delta=1j)",
    "HuberLoss(delta=float('nan'))(torch.zeros(2), torch.zeros(2))",
    "GaussianNLLLoss()(torch.zeros(4, 3, 2), torch.zeros(4, 3, 2), torch.ones(1, 1, 2))",
    "Conv2d(4, 5, 3, groups=0)",
    "Conv2d(4, 4, 3, padding='same', stride=2)",
    "ConvTranspose2d(4, 4, 3, padding_mode='reflect')",
    "Linear(-1, 3)",
    "Bilinear(0, 2, 3)",
    "GroupNorm(3, 4)",
    "Embedding(3, 2, padding_idx=3)",
    "Embedding(3, 2, _weight=torch.zeros(2, 2))",
    "Embedding.from_pretrained(torch.zeros(3))",
    "EmbeddingBag(3, 2, padding_idx=-5)",
    "EmbeddingBag.from_pretrained(torch.zeros(3))",
    "Hardtanh(1, -1)",
    "Hardtanh(min_value=-3, max_value=3)",
    "Dropout(2)",
    "Dropout(-0.1)",
    "FractionalMaxPool2d(2)",
    "FractionalMaxPool2d(2, 3, 0.5)",
    "FractionalMaxPool3d(2, output_ratio=2.0)",
    "Unflatten(1, 3)",
    "Unflatten(1, (2, 'a'))",
    "L1Loss(size_average=True)",
    "L1Loss(size_average=False)",
    "L1Loss(reduce=False)",
    "MultiMarginLoss(p=3)",
    "MultiMarginLoss(weight=torch.zeros(2, 2))",
    "TripletMarginLoss(margin=-1)",
    "TripletMarginWithDistanceLoss(margin=-1)",
    "NLLLoss2d()",
    "BCELoss('x')",
    "LinearCrossEntropyLoss(3, 5, weight=torch.zeros(4))",
    "LinearCrossEntropyLoss(3, 5, label_smoothing=2)",
    "LinearCrossEntropyLoss(3, 5)(torch.zeros(2, 2), torch.zeros(2).long())",
    "LinearCrossEntropyLoss(3, 5, out_features=(2,))(torch.zeros(3), torch.zeros(2).long())",
    "LinearCrossEntropyLoss(3, 5, ignore_index=1)(torch.zeros(2, 3), torch.zeros(2, 5))",
    "LinearCrossEntropyOptions(acc_policy='x')",
    "LinearCrossEntropyOptions(chunking_method='aspect_ratio:0')",
    "LinearCrossEntropyOptions(batch_chunk_size=0)",
    "LinearCrossEntropyOptions(acc_dtype=torch.int64)",
    "Sigmoid(1)",
    "AdaptiveLogSoftmaxWithLoss(8, 20, [])",
    "AdaptiveLogSoftmaxWithLoss(8, 20, [10, 5])",
    "BatchNorm1d(3)(torch.zeros(3))",
    "BatchNorm2d(3)(torch.zeros(3, 3))",
    "BatchNorm3d(3)(torch.zeros(3, 3))",
    "SyncBatchNorm(3)(torch.zeros(3))",
    "InstanceNorm1d(3)(torch.zeros(3))",
    "InstanceNorm2d(3, affine=True)(torch.zeros(4, 5, 5))",
    "InstanceNorm1d(3)(torch.zeros(2, 4, 5))",
    "Softmax2d()(torch.zeros(2, 2))",
    "Upsample()(torch.zeros(1, 1, 2))",
    "CircularPad1d(1)(torch.zeros(2))",
    "Conv2d(2, 4, 3)(torch.zeros(2, 3, 5, 5))",
    "LazyConv2d(3, 2)(torch.zeros(3, 4))",
    "ConvTranspose2d(2, 4, 3)(torch.zeros(1, 2, 5, 5), output_size=[9, 9])",
    "ConvTranspose2d(2, 4, 3)(torch.zeros(1, 2, 5, 5), output_size=[9])",
    "ConvTranspose2d(2, 4, 3, 2)(torch.zeros(1, 2, 5, 5), output_size=[12, 12]).shape",
    "ConvTranspose2d(2, 4, 3, 2)(torch.zeros(2, 5, 5), output_size=[4, 12, 12]).shape",
    "InstanceNorm1d(3).load_state_dict({'running_mean': torch.zeros(3), 'running_var': torch.zeros(3)})",
]
