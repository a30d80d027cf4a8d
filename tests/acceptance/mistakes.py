"""Mistakes with layers, losses, recurrent networks, attention and state dicts, and what the messages should tell.

    flambeau run mistakes.py

Each case makes one. `kind` is the exception (or warning) that PyTorch raises; `needles` are regular expressions that an
ideal message contains, the exception's text and its notes together: what was wrong, where, and what to do.
"""

import re
import sys
import warnings

import torch
import torch.nn.functional as F
from torch import nn

CASES = []


def mistake(kind, *needles):
    def register(function):
        CASES.append((function, kind, needles))
        return function

    return register


class Net(nn.Module):
    """Runs one layer, so that a message has a place to name."""

    def __init__(self, layer):
        super().__init__()
        self.layer = layer

    def forward(self, *args, **kwargs):
        return self.layer(*args, **kwargs)


# -- recurrent networks ----------------------------------------------------------------------------


@mistake(RuntimeError, r"Expected 8, got 5", r"in layer: LSTM\(8, 4", r"input_size=5")
def lstm_input_of_the_wrong_size():
    Net(nn.LSTM(8, 4))(torch.randn(7, 2, 5))


@mistake(RuntimeError, r"Expected 8, got 7", r"in layer: LSTM", r"\(2, 8, 7\)", r"transpose\(1, 2\)")
def features_before_steps():
    Net(nn.LSTM(8, 4, batch_first=True))(torch.randn(2, 8, 7))


@mistake(
    RuntimeError,
    r"Expected hidden\[0\] size \(2, 3, 4\), got \[1, 3, 4\]",
    r"in layer: LSTM",
    r"num_layers",
)
def state_for_one_of_two_layers():
    Net(nn.LSTM(8, 4, 2))(torch.randn(7, 3, 8), (torch.zeros(1, 3, 4), torch.zeros(1, 3, 4)))


@mistake(
    RuntimeError, r"Expected hidden size \(1, 7, 4\), got \[1, 2, 4\]", r"in layer: GRU", r"batch_first=True"
)
def batch_first_forgotten():
    Net(nn.GRU(8, 4))(torch.randn(2, 7, 8), torch.zeros(1, 2, 4))


@mistake(RuntimeError, r"sorted in decreasing order", r"enforce_sorted=False", r"\[2, 3\]")
def lengths_that_are_not_sorted():
    nn.utils.rnn.pack_padded_sequence(torch.randn(3, 2, 8), torch.tensor([2, 3]))


# -- losses ----------------------------------------------------------------------------------------


@mistake(
    RuntimeError,
    r"Expected floating point type for target with class probabilities, got Long",
    r"\.float\(\)",
    r"argmax\(1?",
)
def one_hot_integers():
    F.cross_entropy(torch.randn(3, 4), F.one_hot(torch.tensor([0, 1, 2]), 4))


@mistake(RuntimeError, r"expected target dtype to be Long|expected scalar type Long", r"Float", r"\.long\(\)")
def float_classes():
    nn.CrossEntropyLoss()(torch.randn(3, 4), torch.tensor([0.0, 1.0, 2.0]))


@mistake(
    ValueError,
    r"Expected input batch_size \(2\) to match target batch_size \(3\)",
    r"\(2, 4\)",
    r"CrossEntropyLoss",
)
def target_of_another_batch():
    nn.CrossEntropyLoss()(torch.randn(2, 4), torch.tensor([0, 1, 2]))


@mistake(
    RuntimeError,
    r"all elements of input should be between 0 and 1",
    r"sigmoid",
    r"BCEWithLogitsLoss|binary_cross_entropy_with_logits",
)
def logits_into_bce():
    nn.BCELoss()(torch.tensor([2.0, -1.0]), torch.tensor([1.0, 0.0])).item()


@mistake(
    ValueError,
    r"Using a target size \(torch\.Size\(\[3\]\)\) that is different to the input size \(torch\.Size\(\[3, 1\]\)\)",
    r"squeeze|unsqueeze",
)
def bce_of_a_column_and_a_row():
    nn.BCELoss()(torch.rand(3, 1), torch.ones(3))


@mistake(
    UserWarning,
    r"Using a target size \(torch\.Size\(\[3\]\)\) that is different to the input size \(torch\.Size\(\[3, 1\]\)\)",
    r"broadcasting",
)
def mse_of_a_column_and_a_row():
    nn.MSELoss()(torch.randn(3, 1), torch.randn(3))


@mistake(IndexError, r"Target 4 is out of bounds", r"4 classes")
def class_beyond_the_last():
    nn.CrossEntropyLoss()(torch.randn(2, 4), torch.tensor([1, 4])).item()


# -- attention -------------------------------------------------------------------------------------


@mistake(AssertionError, r"embed_dim must be divisible by num_heads", r"\b10\b", r"\b3\b")
def heads_that_do_not_divide():
    nn.MultiheadAttention(10, 3)


@mistake(
    RuntimeError,
    r"The shape of the 2D attn_mask is torch\.Size\(\[4, 4\]\), but should be \(5, 5\)",
    r"in layer: MultiheadAttention",
)
def attention_mask_of_the_wrong_shape():
    x = torch.randn(5, 2, 8)
    Net(nn.MultiheadAttention(8, 2))(x, x, x, attn_mask=torch.zeros(4, 4))


@mistake(
    AssertionError,
    r"only bool and floating types of attn_mask are supported",
    r"in layer: MultiheadAttention",
    r"\.bool\(\)",
)
def attention_mask_of_integers():
    x = torch.randn(5, 2, 8)
    Net(nn.MultiheadAttention(8, 2))(x, x, x, attn_mask=torch.ones(5, 5, dtype=torch.int64))


@mistake(
    AssertionError, r"was expecting embedding dimension of 8, but got 6", r"in layer: MultiheadAttention"
)
def attention_of_the_wrong_width():
    x = torch.randn(5, 2, 6)
    Net(nn.MultiheadAttention(8, 2))(x, x, x)


# -- layers ----------------------------------------------------------------------------------------


@mistake(
    RuntimeError, r"to have 3 channels, but got 9 channels", r"in layer: Conv2d", r"permute\(0, 3, 1, 2\)"
)
def channels_last_images():
    Net(nn.Conv2d(3, 4, 3))(torch.randn(2, 9, 9, 3))


@mistake(
    RuntimeError,
    r"Kernel size can't be greater than actual input size",
    r"\(5 x 5\)",
    r"\(3 x 3\)",
    r"in layer: Conv2d",
    r"padding",
)
def kernel_larger_than_the_image():
    Net(nn.Conv2d(1, 4, 5))(torch.randn(2, 1, 3, 3))


@mistake(
    RuntimeError,
    r"mat1 and mat2 shapes cannot be multiplied \(2x64 and 100x10\)",
    r"in layer\.1",
    r"in_features=64 would fit",
)
def linear_after_flatten():
    Net(nn.Sequential(nn.Flatten(), nn.Linear(100, 10)))(torch.randn(2, 4, 4, 4))


@mistake(ValueError, r"Expected more than 1 value per channel when training", r"in layer", r"eval\(\)")
def batch_of_one():
    Net(nn.BatchNorm1d(4))(torch.randn(1, 4))


@mistake(
    RuntimeError, r"running_mean should contain 6 elements not 4", r"in layer: BatchNorm2d", r"num_features=6"
)
def norm_of_other_channels():
    Net(nn.BatchNorm2d(4))(torch.randn(2, 6, 3, 3))


@mistake(RuntimeError, r"normalized_shape=\[8\]", r"\[2, 6\]", r"in layer: LayerNorm")
def layer_norm_of_another_width():
    Net(nn.LayerNorm(8))(torch.randn(2, 6))


@mistake(IndexError, r"index out of range", r"num_embeddings=10", r"0 to 9")
def index_equal_to_num_embeddings():
    Net(nn.Embedding(10, 4))(torch.tensor([10])).sum().item()


@mistake(AttributeError, r"before Module\.__init__\(\) call", r"super\(\)\.__init__\(\)")
def forgotten_super_init():
    class Forgot(nn.Module):
        def __init__(self):
            self.layer = nn.Linear(2, 2)

    Forgot()


@mistake(
    NotImplementedError,
    r'Module \[ModuleList\] is missing the required "forward" function',
    r"nn\.Sequential",
)
def module_list_called():
    Net(nn.ModuleList([nn.Linear(2, 2)]))(torch.randn(1, 2))


@mistake(ValueError, r"optimizer got an empty parameter list", r"layers", r"ModuleList")
def layers_in_a_plain_list():
    net = Net(nn.ReLU())
    net.layers = [nn.Linear(2, 2)]
    torch.optim.Adam(net.parameters())


@mistake(
    RuntimeError,
    r"modified by an inplace operation",
    r"version 1; expected version 0",
    r"relu_|inplace=True|clone|out of place|in-place",
)
def relu_in_place_on_a_sigmoid():
    x = torch.sigmoid(nn.Linear(2, 2)(torch.ones(1, 2)))
    F.relu_(x).sum().backward()


@mistake(RuntimeError, r"view size is not compatible", r"reshape")
def view_of_what_is_not_contiguous():
    torch.randn(2, 3, 4).transpose(1, 2).view(2, 12)


# -- state dicts -----------------------------------------------------------------------------------


@mistake(
    RuntimeError,
    r'Missing key\(s\) in state_dict: "layer\.weight"',
    r"Unexpected key\(s\)",
    r"module\.",
    r"removeprefix|prefix",
)
def checkpoint_of_data_parallel():
    net = Net(nn.Linear(2, 2))
    net.load_state_dict({f"module.{key}": value for key, value in net.state_dict().items()})


@mistake(RuntimeError, r"size mismatch for layer\.weight", r"\[1000, 2\]", r"\[10, 2\]", r"layer")
def checkpoint_of_other_classes():
    Net(nn.Linear(2, 10)).load_state_dict(Net(nn.Linear(2, 1000)).state_dict())


def score(function, kind, needles):
    """Share of the needles that the message contains, and which ones it misses."""
    raised = None
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            function()
        except Exception as error:
            raised = error
    found = [raised] if raised is not None else [warning.message for warning in caught]
    told = [each for each in found if isinstance(each, kind)]
    if not told:
        return 0.0, f"{kind.__name__} was not raised, but {found}"
    text = "\n".join(str(part) for each in told for part in (each, *getattr(each, "__notes__", [])))
    missed = [needle for needle in needles if not re.search(needle, text, re.DOTALL)]
    return 1 - len(missed) / len(needles), f"misses {missed} in: {text}" if missed else ""


def main():
    total = 0.0
    for function, kind, needles in CASES:
        points, why = score(function, kind, needles)
        total += points
        print(f"{points:4.2f}  {function.__name__:36} {why}")
    print(f"{100 * total / len(CASES):.0f} % of what {len(CASES)} messages should say")
    return total == len(CASES)


if __name__ == "__main__":
    sys.exit(0 if main() else 1)
