"""Each test runs its own process: this one has imported PyTorch, which flambeau then refuses to replace."""

import itertools
import subprocess
import sys
import textwrap
from importlib.metadata import version

import pytest
import torch

import flambeau
from flambeau.torch_version import TorchVersion


def run(code: str) -> str:
    """What the program prints; a failed assertion in it fails the test with its traceback."""
    command = [sys.executable, "-W", "error", "-c", textwrap.dedent(code)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_modules_are_the_same_objects_under_both_names():
    run("""
        import sys
        import flambeau
        flambeau.install_as_torch()
        import torch
        import torch.nn as nn
        import torch.nn.utils.rnn
        from torch.nn import functional
        import torch.nn.functional as F

        assert torch is flambeau and nn is flambeau.nn and F is functional is flambeau.nn.functional
        assert torch.nn.utils.rnn is sys.modules["flambeau.nn.utils.rnn"] is sys.modules["torch.nn.utils.rnn"]
        assert torch.nn.__spec__.name == torch.nn.__name__ == "flambeau.nn"
        names = [name for name in sys.modules if name.partition(".")[0] == "torch"]
        assert all(sys.modules[n] is sys.modules["flambeau" + n.removeprefix("torch")] for n in names)
    """)


def test_loaded_modules_are_found_without_being_imported_by_name():
    run("""
        import sys, flambeau
        flambeau.install_as_torch()
        import torch
        assert sys.modules["torch.nn.functional"] is flambeau.nn.functional
    """)


def test_installing_twice_places_one_finder():
    run("""
        import sys, flambeau
        flambeau.install_as_torch()
        before = list(sys.meta_path)
        flambeau.install_as_torch()
        import torch
        flambeau.install_as_torch()
        assert sys.meta_path == before and torch is flambeau
    """)


def test_missing_module_says_that_flambeau_lacks_it():
    run("""
        import importlib.util, flambeau
        flambeau.install_as_torch()
        try:
            import torch.nowhere.deeper
        except ModuleNotFoundError as error:
            assert error.name == "torch.nowhere", error.name
            assert "No module named 'torch.nowhere'" in str(error), error
            assert "flambeau" in str(error) and "does not have torch.nowhere (yet)" in str(error), error
        else:
            raise AssertionError("found torch.nowhere")
        assert importlib.util.find_spec("torch") is not None
        assert importlib.util.find_spec("torch.nn.functional") is not None
        assert importlib.util.find_spec("torch.nowhere") is None
    """)


def test_metadata_tells_a_version_of_torch():
    run("""
        import importlib.metadata as metadata
        import flambeau
        real = [d.metadata["Name"] for d in metadata.distributions()]
        flambeau.install_as_torch()
        assert metadata.version("torch") == "2.13.0"
        assert metadata.metadata("torch")["Name"] == "torch"
        assert "torch" in metadata.packages_distributions()
        assert metadata.version("numpy") and metadata.version("flambeau") == "0.1.0"
        assert set(real) <= {d.metadata["Name"] for d in metadata.distributions()}
    """)


def test_imported_torch_is_not_replaced():
    with pytest.raises(RuntimeError, match=r"PyTorch itself is already imported, from .*torch"):
        flambeau.install_as_torch()
    with pytest.raises(RuntimeError, match=r"as_torch\(\) came too late"), flambeau.as_torch():
        pass
    assert sys.modules["torch"] is torch


def test_block_ends_with_the_modules_of_before():
    run("""
        import importlib.metadata, sys, flambeau
        before, path = dict(sys.modules), list(sys.meta_path)
        with flambeau.as_torch() as given:
            import torch
            import torch.nn.functional
            with flambeau.as_torch():
                import torch.nn.utils.rnn
            assert torch is given is flambeau and sys.modules["torch"] is torch
        assert sys.meta_path == path
        assert not [name for name in sys.modules if name.partition(".")[0] == "torch"]
        assert flambeau.nn.__spec__.name == "flambeau.nn"
        sys.modules["torch"] = None  # how an import is forbidden
        with flambeau.as_torch():
            import torch
        assert sys.modules["torch"] is None
    """)


def test_block_ends_after_an_error():
    run("""
        import sys, flambeau
        try:
            with flambeau.as_torch():
                import torch
                raise KeyError
        except KeyError:
            assert "torch" not in sys.modules
    """)


def test_block_within_an_installation_leaves_it():
    run("""
        import flambeau
        flambeau.install_as_torch()
        with flambeau.as_torch():
            import torch
        import torch.nn
        assert torch is flambeau
    """)


def test_block_lets_the_installed_torch_be_imported_afterwards():
    run("""
        import flambeau
        with flambeau.as_torch():
            import torch
        import torch
        assert torch is not flambeau and "flambeau" not in torch.__version__
    """)


def test_import_in_many_threads():
    run("""
        import concurrent.futures, importlib, flambeau
        flambeau.install_as_torch()
        names = ["torch", "torch.nn", "torch.nn.functional", "torch.nn.utils.rnn", "torch.version"] * 8
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            for name, module in zip(names, pool.map(importlib.import_module, names)):
                assert module.__name__ == "flambeau" + name.removeprefix("torch")
    """)


@pytest.mark.slow
@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_started_processes_find_flambeau(method, tmp_path):
    script = tmp_path / "pool.py"
    script.write_text(
        textwrap.dedent(f"""
            import multiprocessing
            import flambeau
            flambeau.install_as_torch()
            import torch

            def name_of_torch(_):
                return torch.__name__

            if __name__ == "__main__":
                with multiprocessing.get_context({method!r}).Pool(1) as pool:
                    print(pool.map(name_of_torch, [0]))
        """)
    )
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=120)
    assert done.stdout == "['flambeau']\n", done.stderr


def test_version_reads_as_one_of_torch():
    assert flambeau.__version__ == "2.13.0+flambeau"
    assert flambeau.__version__ >= "2.9"
    assert flambeau.__version__ >= (2, 13)
    assert flambeau.__version__.split("+")[0] == torch.__version__.split("+")[0]
    assert type(flambeau.__version__).__name__ == type(torch.__version__).__name__


def test_own_version_is_that_of_the_distribution():
    assert flambeau.version.flambeau == version("flambeau")


VERSIONS = """
2.13.0 2.13 2.13.0+cpu 2.13.0+cu121 2.13.0+1 2.13.0+cu.3 2.13.0a0+git12 2.13.0rc1 2.13.0.dev20260101+cpu
2.13.0a1.dev2 2.13.0.post1 2.13.0.post2.dev3 v2.13.0b2 2.9 1.10 3 nightly
"""


@pytest.mark.parametrize("comparison", ["__eq__", "__lt__", "__le__", "__gt__", "__ge__"])
def test_versions_compare_as_torch_compares_them(comparison):
    theirs = torch.torch_version.TorchVersion
    for left, right in itertools.product(VERSIONS.split(), repeat=2):
        expected = getattr(theirs(left), comparison)(right)
        assert getattr(TorchVersion(left), comparison)(right) == expected, (left, right)
