"""Tools for modules: clipping gradients, padding sequences, calling with other parameters."""

from typing import TYPE_CHECKING as _TYPE_CHECKING

from flambeau._core.later import attach as _attach
from flambeau.nn.utils import clip_grad as clip_grad
from flambeau.nn.utils import rnn as rnn
from flambeau.nn.utils.clip_grad import (
    clip_grad_norm,
    clip_grad_norm_,
    clip_grad_value_,
    clip_grads_with_norm_,
    get_total_norm,
)
from flambeau.nn.utils.spectral_norm import remove_spectral_norm, spectral_norm
from flambeau.nn.utils.weight_norm import remove_weight_norm, weight_norm

if _TYPE_CHECKING:
    from flambeau.nn.utils import convert_parameters as convert_parameters
    from flambeau.nn.utils import fusion as fusion
    from flambeau.nn.utils import init as init
    from flambeau.nn.utils import parametrizations as parametrizations
    from flambeau.nn.utils import parametrize as parametrize
    from flambeau.nn.utils import stateless as stateless
    from flambeau.nn.utils.convert_parameters import parameters_to_vector, vector_to_parameters
    from flambeau.nn.utils.fusion import (
        fuse_conv_bn_eval,
        fuse_conv_bn_weights,
        fuse_linear_bn_eval,
        fuse_linear_bn_weights,
    )
    from flambeau.nn.utils.init import skip_init
    from flambeau.nn.utils.memory_format import (
        convert_conv2d_weight_memory_format,
        convert_conv3d_weight_memory_format,
    )

__all__ = [
    "clip_grad_norm",
    "clip_grad_norm_",
    "clip_grad_value_",
    "clip_grads_with_norm_",
    "convert_conv2d_weight_memory_format",
    "convert_conv3d_weight_memory_format",
    "fuse_conv_bn_eval",
    "fuse_conv_bn_weights",
    "fuse_linear_bn_eval",
    "fuse_linear_bn_weights",
    "get_total_norm",
    "parameters_to_vector",
    "parametrizations",
    "parametrize",
    "remove_spectral_norm",
    "remove_weight_norm",
    "rnn",
    "skip_init",
    "spectral_norm",
    "stateless",
    "vector_to_parameters",
    "weight_norm",
]

__getattr__, __dir__ = _attach(
    globals(),
    modules=("convert_parameters", "fusion", "init", "memory_format", "parametrizations", "parametrize", "stateless"),
    names={
        "convert_conv2d_weight_memory_format": "memory_format", "convert_conv3d_weight_memory_format": "memory_format",
        "fuse_conv_bn_eval": "fusion", "fuse_conv_bn_weights": "fusion", "fuse_linear_bn_eval": "fusion",
        "fuse_linear_bn_weights": "fusion", "parameters_to_vector": "convert_parameters", "skip_init": "init",
        "vector_to_parameters": "convert_parameters",
    },
)  # fmt: skip
