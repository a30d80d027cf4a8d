"""The processor that XLA compiles for."""


def get_cpu_capability() -> str:
    """PyTorch's word for kernels chosen at run time; XLA compiles for the processor at hand."""
    return "DEFAULT"
