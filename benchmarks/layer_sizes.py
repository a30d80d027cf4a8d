"""What `layers.py` measures: each layer as it stands in a real network of today, at batch 16 to 64, and a tiny one.

The tiny ones are the first of their class in `tests/layer_cases.py`; here are those that it lacks. An input is written as
there, or is an expression in `torch` for one or several arguments.
"""

from __future__ import annotations

from typing import Any

from layer_cases import LEARNED, PLAIN, Input, shares, signs, whole

Case = tuple[str, list[Input] | str]

SMALL_TOO: list[Case] = [
    ("SyncBatchNorm(3)", [(4, 3)]),
    ("AdaptiveLogSoftmaxWithLoss(8, 20, [5, 10])", [(4, 8), whole(20, 4)]),
    ("MaxUnpool1d(2)", "F.max_pool1d(torch.randn(2, 3, 8), 2, return_indices=True)"),
    ("MaxUnpool2d(2)", "F.max_pool2d(torch.randn(2, 3, 8, 8), 2, return_indices=True)"),
    ("MaxUnpool3d(2)", "F.max_pool3d(torch.randn(2, 3, 4, 4, 4), 2, return_indices=True)"),
    ("FractionalMaxPool2d(2, 3)", [(2, 3, 7, 7)]),
    ("FractionalMaxPool3d(2, 2)", [(2, 3, 5, 5, 5)]),
    ("CTCLoss()", "torch.randn(8, 2, 5).log_softmax(2), torch.randint(1, 5, (2, 3)), (8, 8), (3, 3)"),
    ("NLLLoss2d()", [(2, 3, 4, 4), whole(3, 2, 4, 4)]),
    ("RNN(3, 4)", [(5, 2, 3)]),
    ("LSTM(3, 4)", [(5, 2, 3)]),
    ("GRU(3, 4)", [(5, 2, 3)]),
    ("RNNCell(3, 4)", [(2, 3)]),
    ("LSTMCell(3, 4)", [(2, 3)]),
    ("GRUCell(3, 4)", [(2, 3)]),
    ("MultiheadAttention(8, 2)", [(5, 2, 8), (5, 2, 8), (5, 2, 8)]),
    ("TransformerEncoderLayer(8, 2, 16)", [(5, 2, 8)]),
    ("TransformerDecoderLayer(8, 2, 16)", [(5, 2, 8), (5, 2, 8)]),
    ("TransformerEncoder(torch.nn.TransformerEncoderLayer(8, 2, 16), 2)", [(5, 2, 8)]),
    ("TransformerDecoder(torch.nn.TransformerDecoderLayer(8, 2, 16), 2)", [(5, 2, 8), (5, 2, 8)]),
    ("Transformer(8, 2, 1, 1, 16)", [(5, 2, 8), (5, 2, 8)]),
    ("Sequential(torch.nn.Linear(2, 3), torch.nn.ReLU(), torch.nn.Linear(3, 2))", [(4, 2)]),
    ("DataParallel(torch.nn.Linear(2, 3))", [(4, 2)]),
    ("ReflectionPad3d(1)", [(1, 2, 3, 3, 3)]),
]

TOKENS = (32, 128, 768)  # what a Transformer of width 768 reads
MAPS = (32, 64, 56, 56)  # the maps of a ResNet's first stage
VOLUMES = (16, 32, 8, 28, 28)  # those of a video network
SERIES = (32, 128, 1024)  # channels and time of a speech network
IMAGES = (16, 3, 256, 256)
MASKS = (16, 1, 512, 512)

LARGE: list[Case] = [
    ("Linear(768, 3072)", [(16, 32, 768)]),
    ("Bilinear(128, 128, 64)", [(64, 128), (64, 128)]),
    ("Identity()", [TOKENS]),
    ("Sequential(torch.nn.Linear(784, 512), torch.nn.ReLU(), torch.nn.Linear(512, 10))", [(64, 784)]),
    ("DataParallel(torch.nn.Linear(784, 512))", [(64, 784)]),
    ("Conv1d(256, 256, 3, padding=1)", [(16, 256, 256)]),
    ("Conv2d(128, 128, 3, padding=1)", [(16, 128, 28, 28)]),
    ("Conv2d(256, 64, 1)", [(16, 256, 56, 56)]),
    ("Conv2d(192, 192, 3, padding=1, groups=192)", [(16, 192, 28, 28)]),
    ("Conv2d(3, 64, 7, 2, 3)", [(16, 3, 224, 224)]),
    ("Conv3d(16, 16, 3, padding=1)", [(16, 16, 8, 28, 28)]),
    ("ConvTranspose1d(256, 128, 4, 2, 1)", [(16, 256, 128)]),
    ("ConvTranspose2d(256, 128, 4, 2, 1)", [(32, 256, 8, 8)]),
    ("ConvTranspose3d(64, 32, 2, 2)", [(16, 64, 8, 8, 8)]),
    ("BatchNorm1d(256)", [(32, 256, 256)]),
    ("BatchNorm2d(64)", [MAPS]),
    ("BatchNorm3d(32)", [VOLUMES]),
    ("SyncBatchNorm(64)", [MAPS]),
    ("InstanceNorm1d(128)", [SERIES]),
    ("InstanceNorm2d(64)", [MAPS]),
    ("InstanceNorm3d(32)", [VOLUMES]),
    ("LayerNorm(768)", [TOKENS]),
    ("GroupNorm(32, 256)", [(16, 256, 32, 32)]),
    ("RMSNorm(768)", [TOKENS]),
    ("LocalResponseNorm(5)", [(16, 96, 55, 55)]),
    ("CrossMapLRN2d(5)", [(16, 96, 27, 27)]),
    ("Embedding(30000, 768)", [whole(30000, 32, 128)]),
    ("EmbeddingBag(100000, 64)", [whole(100000, 64, 50)]),
    ("PReLU()", [MAPS]),
    ("AdaptiveLogSoftmaxWithLoss(512, 20000, [2000, 10000])", [(512, 512), whole(20000, 512)]),
    *[
        (activation, [TOKENS])
        for activation in [
            "Threshold(0.1, 2)",
            "ReLU()",
            "RReLU()",
            "Hardtanh()",
            "ReLU6()",
            "Sigmoid()",
            "Hardsigmoid()",
            "Tanh()",
            "SiLU()",
            "Mish()",
            "Hardswish()",
            "ELU()",
            "CELU()",
            "SELU()",
            "GLU()",
            "GELU()",
            "GELU('tanh')",
            "Hardshrink()",
            "LeakyReLU()",
            "LogSigmoid()",
            "Softplus()",
            "Softshrink()",
            "Softsign()",
            "Tanhshrink()",
            "Dropout(0.1)",
            "AlphaDropout(0.1)",
        ]
    ],
    ("Softmin(-1)", [(32, 12, 128, 128)]),
    ("Softmax(-1)", [(32, 12, 128, 128)]),
    ("Softmax2d()", [(16, 21, 128, 128)]),
    ("LogSoftmax(-1)", [(1024, 10000)]),
    ("Dropout1d(0.1)", [SERIES]),
    ("Dropout2d(0.1)", [MAPS]),
    ("Dropout3d(0.1)", [VOLUMES]),
    ("FeatureAlphaDropout(0.1)", [MAPS]),
    ("MaxPool1d(2)", [SERIES]),
    ("MaxPool2d(3, 2, 1)", [(16, 64, 112, 112)]),
    ("MaxPool3d(2)", [VOLUMES]),
    ("MaxUnpool1d(2)", "F.max_pool1d(torch.randn(32, 128, 1024), 2, return_indices=True)"),
    ("MaxUnpool2d(2)", "F.max_pool2d(torch.randn(16, 64, 112, 112), 2, return_indices=True)"),
    ("MaxUnpool3d(2)", "F.max_pool3d(torch.randn(16, 32, 8, 28, 28), 2, return_indices=True)"),
    ("AvgPool1d(2)", [SERIES]),
    ("AvgPool2d(2)", [MAPS]),
    ("AvgPool3d(2)", [VOLUMES]),
    ("FractionalMaxPool2d(2, 28)", [(16, 64, 56, 56)]),
    ("FractionalMaxPool3d(2, (4, 14, 14))", [VOLUMES]),
    ("LPPool1d(2, 2)", [SERIES]),
    ("LPPool2d(2, 2)", [MAPS]),
    ("LPPool3d(2, 2)", [VOLUMES]),
    ("AdaptiveMaxPool1d(1)", [SERIES]),
    ("AdaptiveMaxPool2d(1)", [(32, 2048, 7, 7)]),
    ("AdaptiveMaxPool3d(1)", [(16, 512, 4, 7, 7)]),
    ("AdaptiveAvgPool1d(1)", [SERIES]),
    ("AdaptiveAvgPool2d(1)", [(32, 2048, 7, 7)]),
    ("AdaptiveAvgPool3d(1)", [(16, 512, 4, 7, 7)]),
    ("Flatten()", [(64, 256, 7, 7)]),
    ("Unflatten(1, (256, 49))", [(64, 12544)]),
    ("Fold((32, 32), 3, padding=1)", [(16, 576, 1024)]),
    ("Unfold(3, padding=1)", [(16, 64, 32, 32)]),
    ("PixelShuffle(2)", [(16, 256, 32, 32)]),
    ("PixelUnshuffle(2)", [(16, 64, 64, 64)]),
    ("ChannelShuffle(4)", [(32, 240, 28, 28)]),
    ("Upsample(scale_factor=2)", [(16, 128, 32, 32)]),
    ("Upsample(scale_factor=2, mode='bilinear')", [(16, 128, 32, 32)]),
    ("UpsamplingNearest2d(scale_factor=2)", [(16, 128, 32, 32)]),
    ("UpsamplingBilinear2d(scale_factor=2)", [(16, 128, 32, 32)]),
    *[
        (f"{kind}{dims}d({arguments})", [shape])
        for dims, shape in ((1, SERIES), (2, MAPS), (3, VOLUMES))
        for kind, arguments in (
            ("ConstantPad", "1, 0.5"),
            ("ReflectionPad", "1"),
            ("ReplicationPad", "1"),
            ("ZeroPad", "1"),
            ("CircularPad", "1"),
        )
    ],
    ("CosineSimilarity(-1)", [TOKENS, TOKENS]),
    ("PairwiseDistance()", [TOKENS, TOKENS]),
    *[(loss, [IMAGES, IMAGES]) for loss in ("L1Loss()", "MSELoss()", "SmoothL1Loss()", "HuberLoss()")],
    ("NLLLoss()", [(16, 21, 128, 128), whole(21, 16, 128, 128)]),
    ("NLLLoss2d()", [(16, 21, 128, 128), whole(21, 16, 128, 128)]),
    ("CrossEntropyLoss()", [(1024, 10000), whole(10000, 1024)]),
    ("LinearCrossEntropyLoss(512, 10000)", [(256, 512), whole(10000, 256)]),
    ("BCELoss()", [shares(*MASKS), shares(*MASKS)]),
    ("BCEWithLogitsLoss()", [MASKS, shares(*MASKS)]),
    ("KLDivLoss(reduction='batchmean')", [(512, 10000), shares(512, 10000)]),
    ("PoissonNLLLoss()", [IMAGES, shares(*IMAGES)]),
    ("GaussianNLLLoss()", [IMAGES, IMAGES, shares(*IMAGES)]),
    ("HingeEmbeddingLoss()", [IMAGES, signs(*IMAGES)]),
    ("SoftMarginLoss()", [IMAGES, signs(*IMAGES)]),
    ("CosineEmbeddingLoss()", [(1024, 768), (1024, 768), signs(1024)]),
    ("MarginRankingLoss(0.1)", [(65536,), (65536,), signs(65536)]),
    ("MultiMarginLoss()", [(1024, 1000), whole(1000, 1024)]),
    ("MultiLabelMarginLoss()", [(64, 80), whole(80, 64, 80)]),
    ("MultiLabelSoftMarginLoss()", [(1024, 1000), whole(2, 1024, 1000)]),
    ("TripletMarginLoss()", [(1024, 512), (1024, 512), (1024, 512)]),
    ("TripletMarginWithDistanceLoss()", [(1024, 512), (1024, 512), (1024, 512)]),
    (
        "CTCLoss()",
        "torch.randn(200, 32, 30).log_softmax(2), torch.randint(1, 30, (32, 30)), (200,) * 32, (30,) * 32",
    ),
    ("RNN(256, 256)", [(32, 64, 256)]),
    ("LSTM(256, 256)", [(32, 64, 256)]),
    ("GRU(256, 256)", [(32, 64, 256)]),
    ("RNNCell(512, 512)", [(64, 512)]),
    ("LSTMCell(512, 512)", [(64, 512)]),
    ("GRUCell(512, 512)", [(64, 512)]),
    ("MultiheadAttention(384, 6, batch_first=True)", [(16, 128, 384)] * 3),
    ("TransformerEncoderLayer(256, 4, 1024, batch_first=True)", [(16, 128, 256)]),
    ("TransformerDecoderLayer(256, 4, 1024, batch_first=True)", [(16, 64, 256), (16, 64, 256)]),
    (
        "TransformerEncoder(torch.nn.TransformerEncoderLayer(256, 4, 1024, batch_first=True), 2)",
        [(16, 64, 256)],
    ),
    (
        "TransformerDecoder(torch.nn.TransformerDecoderLayer(256, 4, 1024, batch_first=True), 2)",
        [(16, 32, 256), (16, 32, 256)],
    ),
    ("Transformer(256, 4, 1, 1, 1024, batch_first=True)", [(16, 64, 256), (16, 64, 256)]),
]

# Lazy layers are those of LARGE from their first call on; these have no forward of their own.
NOT_MEASURED = {
    "Buffer", "Container", "LinearCrossEntropyOptions", "Module", "ModuleDict", "ModuleList", "Parameter", "ParameterDict",
    "ParameterList", "RNNBase", "RNNCellBase", "UninitializedBuffer", "UninitializedParameter",
}  # fmt: skip


def class_of(text: str) -> str:
    return text.partition("(")[0]


def small_cases() -> list[Case]:
    """The first case of each class of `LARGE`."""
    wanted = {class_of(text) for text, _ in LARGE}
    found: dict[str, Any] = {}
    for text, specs in [*LEARNED, *PLAIN, *SMALL_TOO]:
        if specs is not None and class_of(text) in wanted:
            found.setdefault(class_of(text), (text, specs))
    return list(found.values())


CASES: dict[str, list[Case]] = {"small": small_cases(), "large": LARGE}
