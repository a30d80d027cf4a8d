"""The layers' mathematics without the layers: all that was declared for `nn.functional` in `_ops`.

Written by `tools/stubs.py`: change the declarations in `_ops`, not this file.
"""

# mypy: disable-error-code="override"

from builtins import bool as _bool
from builtins import complex as _complex
from builtins import float as _float
from builtins import int as _int
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Self, TypeAlias, overload

from flambeau import return_types as _results
from flambeau._core.device import DeviceLike
from flambeau._core.dtype import dtype as _dtype
from flambeau._core.dtype import layout as _layout
from flambeau._core.dtype import memory_format as _memory_format
from flambeau._core.random import Generator as _Generator
from flambeau._core.return_types import StructSequence as _StructSequence
from flambeau._core.size import Size as _Size
from flambeau._core.tensor import Tensor as _Tensor

_Number: TypeAlias = _bool | _int | _float | _complex


from typing import TYPE_CHECKING as TYPE_CHECKING
from typing import Any as Any

def adaptive_avg_pool1d(input: _Tensor, output_size: Any) -> _Tensor:
    """Means over windows such that the result has `output_size` places."""
def adaptive_avg_pool2d(input: _Tensor, output_size: Any) -> _Tensor:
    """Means over windows such that the result has `output_size` places; None keeps a dimension."""
def adaptive_avg_pool3d(input: _Tensor, output_size: Any) -> _Tensor:
    """Means over windows such that the result has `output_size` places; None keeps a dimension."""
def adaptive_max_pool1d(input: _Tensor, output_size: Any, return_indices: _bool = False) -> Any:
    """Maxima over windows such that the result has `output_size` places."""
def adaptive_max_pool1d_with_indices(input: _Tensor, output_size: Any, return_indices: _bool = False) -> Any:
    """`adaptive_max_pool1d` with the indices of the maxima."""
def adaptive_max_pool2d(input: _Tensor, output_size: Any, return_indices: _bool = False) -> Any:
    """Maxima over windows such that the result has `output_size` places."""
def adaptive_max_pool2d_with_indices(input: _Tensor, output_size: Any, return_indices: _bool = False) -> Any:
    """`adaptive_max_pool2d` with the indices of the maxima."""
def adaptive_max_pool3d(input: _Tensor, output_size: Any, return_indices: _bool = False) -> Any:
    """Maxima over windows such that the result has `output_size` places."""
def adaptive_max_pool3d_with_indices(input: _Tensor, output_size: Any, return_indices: _bool = False) -> Any:
    """`adaptive_max_pool3d` with the indices of the maxima."""
def affine_grid(theta: _Tensor, size: Any, align_corners: _bool | None = None) -> _Tensor:
    """Grids for `grid_sample` that turn, scale and shift images."""
def alpha_dropout(input: _Tensor, p: _float = 0.5, training: _bool = False, inplace: _bool = False) -> _Tensor:
    """Dropout for networks of SELUs: what is left out becomes their negative limit; mean and variance stay."""
def assert_int_or_pair(arg: _int | Sequence[_int], arg_name: str, message: str) -> None:
    """Nothing for a number or two of them; `message` may have a place for the name of the argument."""
def avg_pool1d(input: _Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0, ceil_mode: _bool = False, count_include_pad: _bool = True, *, out: Any = None) -> _Tensor:
    """The mean over windows of one dimension."""
def avg_pool2d(input: _Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0, ceil_mode: _bool = False, count_include_pad: _bool = True, divisor_override: _int | None = None, *, out: Any = None) -> _Tensor:
    """The mean over windows of two dimensions."""
def avg_pool3d(input: _Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0, ceil_mode: _bool = False, count_include_pad: _bool = True, divisor_override: _int | None = None, *, out: Any = None) -> _Tensor:
    """The mean over windows of three dimensions."""
def batch_norm(input: _Tensor, running_mean: _Tensor | None, running_var: _Tensor | None, weight: _Tensor | None = None, bias: _Tensor | None = None, training: _bool = False, momentum: _float = 0.1, eps: _float = 1e-05) -> _Tensor:
    """Normalises each channel, by the batch in training (then the running statistics follow), else by those."""
def bilinear(input1: _Tensor, input2: _Tensor, weight: _Tensor, bias: _Tensor | None = None) -> _Tensor:
    """`input1 @ weight[k] @ input2 + bias[k]` for each output feature `k`."""
def binary_cross_entropy(input: _Tensor, target: _Tensor, weight: _Tensor | None = None, size_average: _bool | None = None, reduce: _bool | None = None, reduction: str = 'mean') -> _Tensor:
    """Minus the log-likelihood of targets in [0, 1] under probabilities `input`."""
def binary_cross_entropy_with_logits(input: _Tensor, target: _Tensor, weight: _Tensor | None = None, size_average: _bool | None = None, reduce: _bool | None = None, reduction: str = 'mean', pos_weight: _Tensor | None = None) -> _Tensor:
    """`binary_cross_entropy` of `sigmoid(input)`, exact for large scores; `pos_weight` scales positive targets."""
def celu(input: _Tensor, alpha: _float = 1.0, inplace: _bool = False) -> _Tensor:
    """`input` above zero, `alpha * (exp(input / alpha) - 1)` below; differentiable once at zero for any `alpha`."""
def celu_(input: _Tensor, alpha: _float = 1.0) -> _Tensor:
    """`celu` in place."""
def channel_shuffle(input: _Tensor, groups: _int) -> _Tensor:
    """Channels in another order: the first of each group, then the second of each, and so on."""
def conv1d(input: _Tensor, weight: _Tensor, bias: _Tensor | None = None, stride: Any = 1, padding: Any = 0, dilation: Any = 1, groups: _int = 1) -> _Tensor:
    """Cross-correlation over one spatial dimension."""
def conv2d(input: _Tensor, weight: _Tensor, bias: _Tensor | None = None, stride: Any = 1, padding: Any = 0, dilation: Any = 1, groups: _int = 1) -> _Tensor:
    """Cross-correlation over two spatial dimensions; see `conv1d`."""
def conv3d(input: _Tensor, weight: _Tensor, bias: _Tensor | None = None, stride: Any = 1, padding: Any = 0, dilation: Any = 1, groups: _int = 1) -> _Tensor:
    """Cross-correlation over three spatial dimensions; see `conv1d`."""
def conv_tbc(input: _Tensor, weight: _Tensor, bias: _Tensor, pad: _int = 0) -> _Tensor:
    """Convolution over the first dimension of `(time, batch, channels)`, weight `(K, C, O)`."""
def conv_transpose1d(input: _Tensor, weight: _Tensor, bias: _Tensor | None = None, stride: Any = 1, padding: Any = 0, output_padding: Any = 0, groups: _int = 1, dilation: Any = 1) -> _Tensor:
    """Transposed convolution over one dimension: input `(N, C, L)`, weight `(C, O / groups, K)`."""
def conv_transpose2d(input: _Tensor, weight: _Tensor, bias: _Tensor | None = None, stride: Any = 1, padding: Any = 0, output_padding: Any = 0, groups: _int = 1, dilation: Any = 1) -> _Tensor:
    """Transposed convolution over two dimensions: input `(N, C, H, W)`, weight `(C, O / groups, KH, KW)`."""
def conv_transpose3d(input: _Tensor, weight: _Tensor, bias: _Tensor | None = None, stride: Any = 1, padding: Any = 0, output_padding: Any = 0, groups: _int = 1, dilation: Any = 1) -> _Tensor:
    """Transposed convolution over three dimensions; see `conv_transpose2d`."""
def cosine_embedding_loss(input1: Any, input2: Any, target: Any, margin: _float = 0, size_average: _bool | None = None, reduce: _bool | None = None, reduction: str = 'mean') -> _Tensor:
    """`1 - cosine` where the target is 1; by how much the cosine exceeds `margin` where it is -1."""
def cosine_similarity(x1: _Tensor, x2: _Tensor, dim: _int = 1, eps: _float = 1e-08) -> _Tensor:
    """The cosine of the angle between vectors along `dim`; norms count as `eps` at least."""
def cross_entropy(input: _Tensor, target: _Tensor, weight: _Tensor | None = None, size_average: _bool | None = None, ignore_index: _int = -100, reduce: _bool | None = None, reduction: str = 'mean', label_smoothing: _float = 0.0) -> _Tensor:
    """Minus the log-probability of each element's class under `softmax(input)`."""
def ctc_loss(log_probs: Any, targets: _Tensor, input_lengths: Any, target_lengths: Any, blank: _int = 0, reduction: str = 'mean', zero_infinity: _bool = False) -> _Tensor:
    """Minus the log-likelihood of label sequences, summed over all alignments with the inputs."""
def dropout(input: _Tensor, p: _float = 0.5, training: _bool = True, inplace: _bool = False) -> _Tensor:
    """In training, makes each element zero with probability `p`, and scales the others up by `1 / (1 - p)`."""
def dropout1d(input: _Tensor, p: _float = 0.5, training: _bool = True, inplace: _bool = False) -> _Tensor:
    """In training, makes each channel zero with probability `p`, and scales the others by `1 / (1 - p)`."""
def dropout2d(input: _Tensor, p: _float = 0.5, training: _bool = True, inplace: _bool = False) -> _Tensor:
    """`dropout1d` for images."""
def dropout3d(input: _Tensor, p: _float = 0.5, training: _bool = True, inplace: _bool = False) -> _Tensor:
    """`dropout1d` for volumes."""
def elu(input: _Tensor, alpha: _float = 1.0, inplace: _bool = False) -> _Tensor:
    """`input` above zero, `alpha * (exp(input) - 1)` below."""
def elu_(input: _Tensor, alpha: _float = 1.0) -> _Tensor:
    """`elu` in place."""
def embedding(input: _Tensor, weight: _Tensor, padding_idx: _int | None = None, max_norm: _float | None = None, norm_type: _float = 2.0, scale_grad_by_freq: _bool = False, sparse: _bool = False) -> _Tensor:
    """Rows of the table `weight`, named by the indices in `input`."""
def embedding_bag(input: _Tensor, weight: _Tensor, offsets: _Tensor | None = None, max_norm: _float | None = None, norm_type: _float = 2, scale_grad_by_freq: _bool = False, mode: str = 'mean', sparse: _bool = False, per_sample_weights: _Tensor | None = None, include_last_offset: _bool = False, padding_idx: _int | None = None) -> _Tensor:
    """The mean, sum or maximum of the rows of `weight` in each bag of indices."""
def feature_alpha_dropout(input: _Tensor, p: _float = 0.5, training: _bool = False, inplace: _bool = False) -> _Tensor:
    """`alpha_dropout` of whole channels, which are dimension 1."""
def fold(input: _Tensor, output_size: Any, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1) -> _Tensor:
    """The sum of patches that stand in columns; `unfold`'s opposite where they do not overlap."""
def fractional_max_pool2d(input: _Tensor, kernel_size: Any, output_size: Any = None, output_ratio: Any = None, return_indices: _bool = False, _random_samples: _Tensor | None = None) -> Any:
    """The maxima of regions that are spread at random, so that any size can be had."""
def fractional_max_pool2d_with_indices(input: _Tensor, kernel_size: Any, output_size: Any = None, output_ratio: Any = None, return_indices: _bool = False, _random_samples: _Tensor | None = None) -> tuple[_Tensor, _Tensor]:
    """`fractional_max_pool2d` with the places of the maxima."""
def fractional_max_pool3d(input: _Tensor, kernel_size: Any, output_size: Any = None, output_ratio: Any = None, return_indices: _bool = False, _random_samples: _Tensor | None = None) -> Any:
    """The maxima of regions that are spread at random; see `fractional_max_pool2d`."""
def fractional_max_pool3d_with_indices(input: _Tensor, kernel_size: Any, output_size: Any = None, output_ratio: Any = None, return_indices: _bool = False, _random_samples: _Tensor | None = None) -> tuple[_Tensor, _Tensor]:
    """`fractional_max_pool3d` with the places of the maxima."""
def gaussian_nll_loss(input: Any, target: Any, var: Any, full: _bool = False, eps: _float = 1e-06, reduction: str = 'mean') -> _Tensor:
    """Minus the log-likelihood of targets under normal distributions of mean `input` and variance `var`."""
def gelu(input: _Tensor, *, approximate: str = 'none', out: Any = None) -> _Tensor:
    """`input` times the probability that a standard normal number is below it."""
def glu(input: _Tensor, dim: _int = -1) -> _Tensor:
    """The first half of a dimension times the sigmoid of the second."""
def grid_sample(input: _Tensor, grid: _Tensor, mode: str = 'bilinear', padding_mode: str = 'zeros', align_corners: _bool | None = None) -> _Tensor:
    """The values of an image at the points of a grid."""
def group_norm(input: _Tensor, num_groups: _int, weight: _Tensor | None = None, bias: _Tensor | None = None, eps: _float = 1e-05) -> _Tensor:
    """Normalises `num_groups` groups of channels of each sample."""
def gumbel_softmax(logits: _Tensor, tau: _float = 1, hard: _bool = False, eps: _float = 1e-10, dim: _int = -1) -> _Tensor:
    """A differentiable sample from the categories that `logits` weigh."""
def hardshrink(input: _Tensor, lambd: _Number = 0.5, *, out: Any = None) -> _Tensor:
    """0 between `-lambd` and `lambd`, `input` elsewhere."""
def hardsigmoid(input: _Tensor, inplace: _bool = False) -> _Tensor:
    """`(input + 3) / 6`, cut off at 0 and 1."""
def hardswish(input: _Tensor, inplace: _bool = False) -> _Tensor:
    """`input * hardsigmoid(input)`."""
def hardtanh(input: _Tensor, min_val: _float = -1.0, max_val: _float = 1.0, inplace: _bool = False) -> _Tensor:
    """`input` cut off at `min_val` and `max_val`."""
def hardtanh_(input: _Tensor, min_val: _float = -1.0, max_val: _float = 1.0) -> _Tensor:
    """`hardtanh` in place."""
def hinge_embedding_loss(input: Any, target: Any, margin: _float = 1.0, size_average: _bool | None = None, reduce: _bool | None = None, reduction: str = 'mean') -> _Tensor:
    """A distance where the target is 1; by how much it falls short of `margin` where it is -1."""
def huber_loss(input: _Tensor, target: _Tensor, reduction: str = 'mean', delta: _float = 1.0, weight: _Tensor | None = None) -> _Tensor:
    """Half squared differences up to `delta`, linear beyond."""
def instance_norm(input: _Tensor, running_mean: _Tensor | None = None, running_var: _Tensor | None = None, weight: _Tensor | None = None, bias: _Tensor | None = None, use_input_stats: _bool = True, momentum: _float = 0.1, eps: _float = 1e-05) -> _Tensor:
    """Normalises each channel of each sample."""
def interpolate(input: _Tensor, size: Any = None, scale_factor: Any = None, mode: str = 'nearest', align_corners: _bool | None = None, recompute_scale_factor: _bool | None = None, antialias: _bool = False) -> _Tensor:
    """Resizes the spatial dimensions."""
def kl_div(input: _Tensor, target: _Tensor, size_average: _bool | None = None, reduce: _bool | None = None, reduction: str = 'mean', log_target: _bool = False) -> _Tensor:
    """The Kullback-Leibler divergence of `target` from log-probabilities `input`."""
def l1_loss(input: _Tensor, target: _Tensor, size_average: _bool | None = None, reduce: _bool | None = None, reduction: str = 'mean', weight: _Tensor | None = None) -> _Tensor:
    """The mean of absolute differences."""
def layer_norm(input: _Tensor, normalized_shape: Any, weight: _Tensor | None = None, bias: _Tensor | None = None, eps: _float = 1e-05) -> _Tensor:
    """Normalises the trailing dimensions `normalized_shape` of each sample, then scales and shifts."""
def leaky_relu(input: _Tensor, negative_slope: _float = 0.01, inplace: _bool = False) -> _Tensor:
    """`input` above zero, `negative_slope * input` below."""
def leaky_relu_(input: _Tensor, negative_slope: _float = 0.01) -> _Tensor:
    """`leaky_relu` in place."""
def linear(input: _Tensor, weight: _Tensor, bias: _Tensor | None = None, *, out: Any = None) -> _Tensor:
    """`input @ weight.T + bias`."""
def linear_cross_entropy(input: _Tensor, linear_weight: _Tensor, target: _Tensor, *, linear_bias: _Tensor | None = None, weight: _Tensor | None = None, reduction: str = 'mean', ignore_index: _int | None = None, label_smoothing: _float = 0.0, options: Any = None) -> _Tensor:
    """`cross_entropy(linear(input, linear_weight, linear_bias), target)`."""
def local_response_norm(input: _Tensor, size: _int, alpha: _float = 0.0001, beta: _float = 0.75, k: _float = 1.0) -> _Tensor:
    """Normalises each element by those at the same place of `size` neighbouring channels."""
def log_softmax(input: _Tensor, dim: _int | None = None, _stacklevel: _int = 3, dtype: _dtype | None = None) -> _Tensor:
    """The logarithm of `softmax`, exact where that is tiny."""
def logsigmoid(input: _Tensor, *, out: Any = None) -> _Tensor:
    """`log(sigmoid(input))`, exact for large negative elements."""
def lp_pool1d(input: _Tensor, norm_type: _float, kernel_size: _int, stride: Any = None, ceil_mode: _bool = False) -> _Tensor:
    """The norm of each window: `sum(x ** norm_type) ** (1 / norm_type)`."""
def lp_pool2d(input: _Tensor, norm_type: _float, kernel_size: Any, stride: Any = None, ceil_mode: _bool = False) -> _Tensor:
    """The norm of each window: `sum(x ** norm_type) ** (1 / norm_type)`."""
def lp_pool3d(input: _Tensor, norm_type: _float, kernel_size: Any, stride: Any = None, ceil_mode: _bool = False) -> _Tensor:
    """The norm of each window: `sum(x ** norm_type) ** (1 / norm_type)`."""
def margin_ranking_loss(input1: Any, input2: Any, target: Any, margin: _float = 0, size_average: _bool | None = None, reduce: _bool | None = None, reduction: str = 'mean') -> _Tensor:
    """By how much the ranking of two scores that `target` asks for (1: the first higher, -1: lower) misses `margin`."""
def max_pool1d(input: _Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1, ceil_mode: _bool = False, return_indices: _bool = False) -> Any:
    """The maximum over windows of 1 dimension(s); `return_indices` adds where in the plane it stands."""
def max_pool1d_with_indices(input: _Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1, ceil_mode: _bool = False, return_indices: _bool = False) -> Any:
    """`max_pool1d` with the indices of the maxima."""
def max_pool2d(input: _Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1, ceil_mode: _bool = False, return_indices: _bool = False) -> Any:
    """The maximum over windows of 2 dimension(s); `return_indices` adds where in the plane it stands."""
def max_pool2d_with_indices(input: _Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1, ceil_mode: _bool = False, return_indices: _bool = False) -> Any:
    """`max_pool2d` with the indices of the maxima."""
def max_pool3d(input: _Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1, ceil_mode: _bool = False, return_indices: _bool = False) -> Any:
    """The maximum over windows of 3 dimension(s); `return_indices` adds where in the plane it stands."""
def max_pool3d_with_indices(input: _Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1, ceil_mode: _bool = False, return_indices: _bool = False) -> Any:
    """`max_pool3d` with the indices of the maxima."""
def max_unpool1d(input: _Tensor, indices: _Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0, output_size: Any = None) -> _Tensor:
    """Puts the maxima of `max_pool1d` back where they were, with zeros between."""
def max_unpool2d(input: _Tensor, indices: _Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0, output_size: Any = None) -> _Tensor:
    """Puts the maxima of `max_pool2d` back where they were; see `max_unpool1d`."""
def max_unpool3d(input: _Tensor, indices: _Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0, output_size: Any = None) -> _Tensor:
    """Puts the maxima of `max_pool3d` back where they were; see `max_unpool1d`."""
def mish(input: _Tensor, inplace: _bool = False) -> _Tensor:
    """`input * tanh(softplus(input))`."""
def mse_loss(input: _Tensor, target: _Tensor, size_average: _bool | None = None, reduce: _bool | None = None, reduction: str = 'mean', weight: _Tensor | None = None) -> _Tensor:
    """The mean of squared differences."""
def multi_head_attention_forward(query: _Tensor, key: _Tensor, value: _Tensor, embed_dim_to_check: _int, num_heads: _int, in_proj_weight: _Tensor | None, in_proj_bias: _Tensor | None, bias_k: _Tensor | None, bias_v: _Tensor | None, add_zero_attn: _bool, dropout_p: _float, out_proj_weight: _Tensor, out_proj_bias: _Tensor | None, training: _bool = True, key_padding_mask: _Tensor | None = None, need_weights: _bool = True, attn_mask: _Tensor | None = None, use_separate_proj_weight: _bool = False, q_proj_weight: _Tensor | None = None, k_proj_weight: _Tensor | None = None, v_proj_weight: _Tensor | None = None, static_k: _Tensor | None = None, static_v: _Tensor | None = None, average_attn_weights: _bool = True, is_causal: _bool = False) -> tuple[_Tensor, _Tensor | None]:
    """Attention of `num_heads` heads, and its weights where they are wanted."""
def multi_margin_loss(input: _Tensor, target: _Tensor, p: _int = 1, margin: _float = 1.0, weight: _Tensor | None = None, size_average: _bool | None = None, reduce: _bool | None = None, reduction: str = 'mean') -> _Tensor:
    """By how much (to the power `p`) other classes' scores come within `margin` of the right one's."""
def multilabel_margin_loss(input: _Tensor, target: _Tensor, size_average: _bool | None = None, reduce: _bool | None = None, reduction: str = 'mean') -> _Tensor:
    """By how much the scores of other classes come within 1 of the labels' scores; labels end at the first -1."""
def multilabel_soft_margin_loss(input: _Tensor, target: _Tensor, weight: _Tensor | None = None, size_average: _bool | None = None, reduce: _bool | None = None, reduction: str = 'mean') -> _Tensor:
    """The mean over classes of binary cross entropies with scores `input`."""
def nll_loss(input: _Tensor, target: _Tensor, weight: _Tensor | None = None, size_average: _bool | None = None, ignore_index: _int = -100, reduce: _bool | None = None, reduction: str = 'mean') -> _Tensor:
    """Minus the log-probability of each element's class."""
def normalize(input: Any, p: _float = 2.0, dim: Any = 1, eps: _float = 1e-12, out: _Tensor | None = None) -> _Tensor:
    """Vectors along `dim`, divided by their norm (by `eps` where that is smaller)."""
def one_hot(tensor: _Tensor, num_classes: _int = -1) -> _Tensor:
    """Class numbers as vectors that are 1 at the class and 0 elsewhere."""
def pad(input: _Tensor, pad: Any, mode: str = 'constant', value: Any = None) -> _Tensor:
    """The tensor with entries around it."""
def pairwise_distance(x1: Any, x2: Any, p: _float = 2.0, eps: _float = 1e-06, keepdim: _bool = False) -> _Tensor:
    """The norm of `x1 - x2 + eps` along the last dimension."""
def pdist(input: _Tensor, p: _float = 2) -> _Tensor:
    """Distances of order `p` between all pairs of rows, as the upper triangle of `cdist(input, input)`."""
def pixel_shuffle(input: _Tensor, upscale_factor: _int) -> _Tensor:
    """Groups of `upscale_factor ** 2` channels as squares of pixels: (*, C r^2, H, W) to (*, C, H r, W r)."""
def pixel_unshuffle(input: _Tensor, downscale_factor: _int) -> _Tensor:
    """Squares of pixels as channels: the inverse of `pixel_shuffle`."""
def poisson_nll_loss(input: Any, target: Any, log_input: _bool = True, full: _bool = False, size_average: _bool | None = None, eps: _float = 1e-08, reduce: _bool | None = None, reduction: str = 'mean') -> _Tensor:
    """Minus the log-likelihood of counts under Poisson distributions of rate `exp(input)` (or `input`)."""
def prelu(input: _Tensor, weight: _Tensor) -> _Tensor:
    """`input` above zero, `weight * input` below; `weight` has one entry, or one for each channel."""
def relu(input: _Tensor, inplace: _bool = False) -> _Tensor:
    """`max(input, 0)`, in place if `inplace`."""
def relu6(input: _Tensor, inplace: _bool = False) -> _Tensor:
    """`min(max(input, 0), 6)`."""
def relu_(input: _Tensor) -> _Tensor:
    """`max(input, 0)`; the gradient at 0 is 0."""
def rms_norm(input: _Tensor, normalized_shape: Any, weight: _Tensor | None = None, eps: _float | None = None) -> _Tensor:
    """Divides the trailing dimensions by their root mean square, then scales."""
def rrelu(input: _Tensor, lower: _float = 0.125, upper: _float = 0.3333333333333333, training: _bool = False, inplace: _bool = False) -> _Tensor:
    """`leaky_relu` whose slope is random in training: uniform between `lower` and `upper`; their mean otherwise."""
def rrelu_(input: _Tensor, lower: _float = 0.125, upper: _float = 0.3333333333333333, training: _bool = False) -> _Tensor:
    """`rrelu` in place."""
def scaled_dot_product_attention(query: _Tensor, key: _Tensor, value: _Tensor, attn_mask: _Tensor | None = None, dropout_p: _float = 0.0, is_causal: _bool = False, *, scale: _float | None = None, enable_gqa: _bool = False) -> _Tensor:
    """`softmax(query @ key.T * scale + mask) @ value`."""
def selu(input: _Tensor, inplace: _bool = False) -> _Tensor:
    """`elu` with the constants that keep mean and variance."""
def selu_(input: _Tensor) -> _Tensor:
    """`selu` in place."""
def sigmoid(input: _Tensor, *, out: Any = None) -> _Tensor:
    """`1 / (1 + exp(-input))`."""
def silu(input: _Tensor, inplace: _bool = False) -> _Tensor:
    """`input * sigmoid(input)`."""
def smooth_l1_loss(input: _Tensor, target: _Tensor, size_average: _bool | None = None, reduce: _bool | None = None, reduction: str = 'mean', beta: _float = 1.0) -> _Tensor:
    """Squared differences below `beta`, absolute ones above, joined smoothly."""
def soft_margin_loss(input: _Tensor, target: _Tensor, size_average: _bool | None = None, reduce: _bool | None = None, reduction: str = 'mean') -> _Tensor:
    """`log(1 + exp(-target * input))`: the logistic loss for targets of 1 and -1."""
def softmax(input: _Tensor, dim: _int | None = None, _stacklevel: _int = 3, dtype: _dtype | None = None) -> _Tensor:
    """Exponentials that sum to one along `dim`."""
def softmin(input: _Tensor, dim: _int | None = None, _stacklevel: _int = 3, dtype: _dtype | None = None) -> _Tensor:
    """`softmax(-input)`."""
def softplus(input: _Tensor, beta: _Number = 1, threshold: _Number = 20, *, out: Any = None) -> _Tensor:
    """`log(1 + exp(beta * input)) / beta`; `input` itself where `beta * input` exceeds `threshold`."""
def softshrink(input: _Tensor, lambd: _float = 0.5, *, out: Any = None) -> _Tensor:
    """`input` moved towards zero by `lambd`; 0 between `-lambd` and `lambd`."""
def softsign(input: _Tensor) -> _Tensor:
    """`input / (1 + abs(input))`."""
def tanh(input: _Tensor, *, out: Any = None) -> _Tensor:
    """The hyperbolic tangent."""
def tanhshrink(input: _Tensor) -> _Tensor:
    """`input - tanh(input)`."""
def threshold(input: _Tensor, threshold: _float, value: _float, inplace: _bool = False) -> _Tensor:
    """`input` where it exceeds `threshold`, `value` elsewhere."""
def threshold_(input: _Tensor, threshold: _float, value: _float) -> _Tensor:
    """`threshold` in place."""
def triplet_margin_loss(anchor: _Tensor, positive: _Tensor, negative: _Tensor, margin: _float = 1.0, p: _float = 2, eps: _float = 1e-06, swap: _bool = False, size_average: _bool | None = None, reduce: _bool | None = None, reduction: str = 'mean') -> _Tensor:
    """By how much the distance to `negative` fails to exceed that to `positive` by `margin`."""
def triplet_margin_with_distance_loss(anchor: _Tensor, positive: _Tensor, negative: _Tensor, *, distance_function: Any = None, margin: _float = 1.0, swap: _bool = False, reduction: str = 'mean') -> _Tensor:
    """`triplet_margin_loss` with a distance of one's own."""
def unfold(input: _Tensor, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1) -> _Tensor:
    """The patches of an image as columns."""
def upsample(input: _Tensor, size: Any = None, scale_factor: Any = None, mode: str = 'nearest', align_corners: _bool | None = None) -> _Tensor:
    """`interpolate` under its old name."""
def upsample_bilinear(input: _Tensor, size: Any = None, scale_factor: Any = None) -> _Tensor:
    """`interpolate` with mode "bilinear" and aligned corners."""
def upsample_nearest(input: _Tensor, size: Any = None, scale_factor: Any = None) -> _Tensor:
    """`interpolate` with mode "nearest"."""
