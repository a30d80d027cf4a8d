"""Where memory is missing: PyTorch's error, and what is left of everything else."""

import pytest
import torch

import flambeau
from flambeau._core.errors import memory_error

# More than a processor can address.
MANY = 2**50

ASKS = {
    "ones": lambda library: library.ones(MANY),
    "empty": lambda library: library.empty(MANY, 4),
    "arange": lambda library: library.arange(MANY),
    "eye": lambda library: library.eye(2**25),
    "randn": lambda library: library.randn(MANY),
    "full_like": lambda library: library.full_like(library.ones(1).expand(MANY), 2),
    "cumsum": lambda library: library.ones(2).expand(MANY, 2).cumsum(1)[0, 0].item(),
    "outer": lambda library: library.outer(library.ones(2**24), library.ones(2**24))[0, 0].item(),
    "clone": lambda library: (library.ones(2).expand(MANY, 2).clone() + 1)[0, 0].item(),
}


@pytest.mark.parametrize("name", ASKS)
def test_on_the_cpu_it_is_pytorchs_error(name):
    with pytest.raises(RuntimeError) as expected:
        ASKS[name](torch)
    with pytest.raises(RuntimeError) as found:
        ASKS[name](flambeau)
    assert type(found.value) is type(expected.value) is RuntimeError
    assert str(found.value) == str(expected.value)
    assert (flambeau.ones(2) + 1).tolist() == [2, 2]


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (
            "RESOURCE_EXHAUSTED: Out of memory while trying to allocate 21474836480 bytes.",
            "CUDA out of memory. Tried to allocate 20.00 GiB.",
        ),
        (
            "RESOURCE_EXHAUSTED: Out of memory allocating 3145728 bytes.",
            "CUDA out of memory. Tried to allocate 3.00 MiB.",
        ),
        (
            "RESOURCE_EXHAUSTED: No space left in the pool",
            "CUDA out of memory. RESOURCE_EXHAUSTED: No space left in the pool",
        ),
    ],
)
def test_on_an_accelerator_it_is_an_error_of_its_own(said, expected):
    error = memory_error(RuntimeError(said), "cuda")
    assert type(error) is flambeau.OutOfMemoryError is flambeau.cuda.OutOfMemoryError
    assert str(error) == expected


def test_other_errors_are_not_about_memory():
    assert memory_error(RuntimeError("INTERNAL: a wire is loose"), "cuda") is None
    assert memory_error(ValueError("out of memory"), "cuda") is None
