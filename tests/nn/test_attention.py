"""The choice of attention's kernels, which PyTorch has and which changes nothing here but what is refused."""

from __future__ import annotations

import pytest
from side_by_side import assert_same

import flambeau

CHOICES = [
    "SDPBackend.MATH",
    "[SDPBackend.MATH, SDPBackend.FLASH_ATTENTION]",
    "SDPBackend.FLASH_ATTENTION",
    "SDPBackend.EFFICIENT_ATTENTION",
    "[SDPBackend.EFFICIENT_ATTENTION, SDPBackend.CUDNN_ATTENTION]",
    "[]",
    "'MATH'",
    "(SDPBackend.MATH,)",
]


@pytest.mark.parametrize("choice", CHOICES)
def test_sdpa_kernel(choice):
    def scenario(torch, log):
        # PyTorch's `torch.nn` does not import it.
        attention = __import__(f"{torch.__name__}.nn.attention", fromlist=["SDPBackend"])
        cuda = torch.backends.cuda

        def enabled():
            return (
                cuda.flash_sdp_enabled(),
                cuda.math_sdp_enabled(),
                cuda.mem_efficient_sdp_enabled(),
                cuda.cudnn_sdp_enabled(),
            )

        def attend():
            with attention.sdpa_kernel(eval(choice, {"SDPBackend": attention.SDPBackend})):
                log(enabled())
                x = torch.rand(1, 2, 3, 4)
                return torch.nn.functional.scaled_dot_product_attention(x, x, x)

        log.result(attend)
        log(enabled())

    assert_same(scenario, 1e-6)


def test_kernels_have_pytorchs_names_and_numbers():
    def scenario(torch, log):
        kernels = __import__(f"{torch.__name__}.nn.attention", fromlist=["SDPBackend"]).SDPBackend
        log([(str(each), repr(each), int(each)) for each in kernels.__members__.values()])
        log(kernels(1), kernels.MATH == 0)

    assert_same(scenario)


def test_the_older_context_warns():
    def scenario(torch, log):
        def choose():
            with torch.backends.cuda.sdp_kernel(enable_flash=False):
                return torch.backends.cuda.flash_sdp_enabled(), torch.backends.cuda.math_sdp_enabled()

        log.result(choose)
        log(torch.backends.cuda.flash_sdp_enabled())

    assert_same(scenario)


def test_switches_stay_as_they_are_set():
    flambeau.backends.cuda.enable_flash_sdp(False)
    assert not flambeau.backends.cuda.flash_sdp_enabled()
    flambeau.backends.cuda.enable_flash_sdp(True)
    assert flambeau.backends.cuda.flash_sdp_enabled()
