"""PyTorch's switches for its kernels. XLA makes its own choices, so most are accepted and have no effect."""

from flambeau.backends import cpu, cuda, cudnn, mkl, mps, openmp

__all__ = ["cpu", "cuda", "cudnn", "mkl", "mps", "openmp"]
