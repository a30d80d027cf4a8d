import pickle
import subprocess
import sys
import textwrap
import zipfile

import pytest

import flambeau.version


def call(*arguments, cwd=None, stdin=None):
    return subprocess.run(
        [sys.executable, "-m", "flambeau", *map(str, arguments)],
        capture_output=True, text=True, timeout=120, cwd=cwd, input=stdin,
    )  # fmt: skip


def python(*arguments, cwd=None, stdin=None):
    return subprocess.run(
        [sys.executable, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=120,
        cwd=cwd,
        input=stdin,
    )


# What a program can see of how it was started.
SEEN = """
import sys
import __main__
print(sys.argv, repr(sys.path[0]), __name__, globals().get("__file__"), __package__)
print(type(__loader__), __spec__ and (__spec__.name, __spec__.origin), __main__.__dict__ is globals())
print(sorted(globals()))
"""


@pytest.fixture
def programs(tmp_path):
    """A folder with the same program as script, module, package, folder and archive."""
    (tmp_path / "seen.py").write_text(SEEN)
    for name in ("package", "package/inner", "folder"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__main__.py").write_text(SEEN)
    (tmp_path / "package" / "__init__.py").touch()
    (tmp_path / "package" / "module.py").write_text(SEEN)
    (tmp_path / "package" / "inner" / "__init__.py").touch()
    (tmp_path / "link.py").symlink_to(tmp_path / "folder" / "__main__.py")
    with zipfile.ZipFile(tmp_path / "archive.zip", "w") as archive:
        archive.writestr("__main__.py", SEEN)
    return tmp_path


@pytest.mark.slow
@pytest.mark.parametrize(
    "arguments",
    [
        ["seen.py", "-x", "--help", "y"],
        ["./package/module.py"],
        ["link.py"],
        ["folder", "1"],
        ["archive.zip"],
        ["-m", "seen", "-x", "--help"],
        ["-m", "package"],
        ["-m", "package.module", "-m"],
        ["-m", "package.inner"],
        ["-c", SEEN, "-c", "z"],
    ],
    ids=lambda arguments: " ".join(arguments[:2]).partition("\n")[0],
)
def test_program_sees_what_python_would_show_it(arguments, programs):
    ours, theirs = call("run", *arguments, cwd=programs), python(*arguments, cwd=programs)
    assert theirs.returncode == 0, theirs.stderr
    assert ours.returncode == 0, ours.stderr
    assert ours.stdout == theirs.stdout


def test_program_from_standard_input():
    done = call("run", "-", "x", stdin="import sys, torch; print(sys.argv, torch.__name__)")
    assert done.stdout == "['-', 'x'] flambeau\n", done.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    "failure", ["1 / 0", "raise SystemExit(3)", "exit('bye')", "(", "raise KeyError from OSError()"]
)
def test_failure_ends_and_reads_as_under_python(failure, tmp_path):
    script = tmp_path / "fails.py"
    script.write_text(f"def inner():\n    {failure}\n\ninner()\n")
    ours, theirs = call("run", script), python(script)
    assert ours.returncode == theirs.returncode != 0
    assert ours.stderr == theirs.stderr


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["nowhere.py"], 2, "can't open file"),
        (["-m", "nowhere"], 1, "No module named nowhere"),
        (["-m", "json.nowhere"], 1, "No module named json.nowhere"),
        (["-m", "email"], 1, "'email' is a package and cannot be directly executed"),
        (["-m"], 2, "argument expected for the -m option"),
        (["-q"], 2, "unknown option -q"),
        ([], 2, "usage: flambeau run"),
    ],
    ids=str,
)
def test_program_that_cannot_be_started(arguments, status, message, tmp_path):
    done = call("run", *arguments, cwd=tmp_path)
    assert done.returncode == status
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_objects_of_the_program_can_be_pickled(tmp_path):
    script = tmp_path / "pickles.py"
    script.write_text(
        textwrap.dedent("""
            import pickle
            import torch

            class Thing:
                pass

            restored = pickle.loads(pickle.dumps(Thing()))
            assert type(restored) is Thing and Thing.__module__ == "__main__"
            print(torch.__name__)
        """)
    )
    done = call("run", script)
    assert done.stdout == "flambeau\n", done.stderr


def test_version_names_both_releases():
    done = call("--version")
    assert done.stdout.split()[:2] == ["flambeau", flambeau.version.flambeau]
    assert flambeau.version.torch_release in done.stdout


def test_env_names_versions_and_devices():
    lines = dict(line.split(maxsplit=1) for line in call("env").stdout.splitlines())
    assert lines["flambeau"] == flambeau.version.flambeau
    assert {"jax", "jaxlib", "numpy", "Python", "devices"} <= set(lines)


def test_help_lists_the_commands():
    assert {"run", "env"} <= set(call("--help").stdout.split())
    assert "flambeau run -m MODULE" in call("run", "--help").stdout


def test_version_string_survives_pickling():
    restored = pickle.loads(pickle.dumps(flambeau.version.__version__))
    assert type(restored) is type(flambeau.version.__version__)
    assert restored == flambeau.version.__version__
