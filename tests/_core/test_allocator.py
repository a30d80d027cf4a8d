"""The C library's allocator keeps what large arrays leave, unless the environment has settings for it."""

from __future__ import annotations

import os
import platform
import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the settings are glibc's")

# Pages that the system hands out while a result of 12 MB is made and dropped 20 times by each of two operations.
FAULTS = """
import resource
import flambeau

x = flambeau.randn(4096, 768)
weight, bias = flambeau.ones(768), flambeau.zeros(768)

def once():
    flambeau.nn.functional.layer_norm(x, (768,), weight, bias).numpy()
    x.softmax(-1).numpy()

for _ in range(8):
    once()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(20):
    once()
print((resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before) // 20)
"""


def _pages(**settings: str) -> int:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MALLOC_")}
    found = subprocess.run(
        [sys.executable, "-c", FAULTS], env=environment | settings, capture_output=True, text=True, check=True
    )
    return int(found.stdout)


def test_large_results_reuse_memory() -> None:
    assert _pages() < 1000


def test_settings_of_the_environment_stand() -> None:
    # Everything from fresh pages: 3072 for each result.
    assert _pages(MALLOC_MMAP_THRESHOLD_="65536") > 3000
