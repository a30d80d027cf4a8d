"""Which PyTorch this is, and which flambeau.

Why `__version__` names a PyTorch release is told in docs/decisions/0002-version.md.
"""

from flambeau.torch_version import TorchVersion

__all__ = ["__version__", "cuda", "debug", "flambeau", "git_version", "hip", "rocm", "xpu"]

# flambeau's own release; pyproject.toml repeats it and a test compares the two.
flambeau = "0.1.0"

# The release of PyTorch whose behaviour is reproduced.
torch_release = "2.13.0"

__version__ = TorchVersion(f"{torch_release}+flambeau")

# Whether PyTorch was built with these; programs ask `torch.version.cuda is not None`.
cuda: str | None = None
hip: str | None = None
rocm: str | None = None
xpu: str | None = None
debug = False
git_version = f"flambeau-{flambeau}"
