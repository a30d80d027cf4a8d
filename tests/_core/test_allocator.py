"""The C library's allocator keeps what large arrays leave, unless the environment has settings for it."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from unittest.mock import Mock

import pytest

from flambeau._core.allocator import KEPT_BYTES, PAUSE, Kept

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


def _pages(script: str = FAULTS, **settings: str) -> int:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MALLOC_")}
    found = subprocess.run(
        [sys.executable, "-c", script], env=environment | settings, capture_output=True, text=True, check=True
    )
    return int(found.stdout)


def test_large_results_reuse_memory() -> None:
    assert _pages() < 1000


def test_settings_of_the_environment_stand() -> None:
    # Everything from fresh pages: 3072 for each result.
    assert _pages(MALLOC_MMAP_THRESHOLD_="65536") > 3000


# The same of one result of 100 MB, which is more than the largest block that glibc would keep by itself.
LARGE = FAULTS.replace("4096, 768", "32768, 768")

# Of 1.6 GB that were freed, what is left after a later run; in MB, beside what there was before.
GIVEN_BACK = """
import resource
import flambeau
from flambeau._core.allocator import kept

def resident():
    with open("/proc/self/statm") as counts:
        return int(counts.read().split()[1]) * resource.getpagesize() >> 20

flambeau.ones(600, 600).matmul(flambeau.ones(600, 600)).sum().item()
before = resident()
large = flambeau.ones(400_000_000)
large.sum().item()
held = flambeau.ones(10).numpy()
del large
kept.next_look = 0.0
flambeau.ones(600, 600).matmul(flambeau.ones(600, 600)).sum().item()
print(resident() - before)
"""


def test_results_above_glibcs_largest_block_reuse_memory() -> None:
    assert _pages(LARGE) < 1000


def test_memory_that_serves_nobody_goes_back() -> None:
    assert _pages(GIVEN_BACK) < 400


def test_looks_become_rarer_where_it_is_needed_again() -> None:
    kept = Kept()
    kept.library = Mock()
    kept.library.mallinfo2.return_value = Mock(fordblks=KEPT_BYTES + 1, uordblks=0)
    kept.look(10.0)
    assert kept.next_look == 10.0 + 2 * PAUSE
    kept.look(20.0)
    assert kept.next_look == 20.0 + 4 * PAUSE
    assert kept.library.malloc_trim.call_count == 2
    kept.library.mallinfo2.return_value = Mock(fordblks=KEPT_BYTES + 1, uordblks=2 * KEPT_BYTES)
    kept.look(30.0)
    assert kept.next_look == 30.0 + 2 * PAUSE
    assert kept.library.malloc_trim.call_count == 2
