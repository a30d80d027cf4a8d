import subprocess
import sys


def run(code):
    """What a fresh process prints."""
    command = [sys.executable, "-W", "error", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_importing_flambeau_imports_no_torch():
    code = "import sys, flambeau, flambeau.cli; print([m for m in sys.modules if m.split('.')[0] == 'torch'])"
    assert run(code) == "[]\n"


def test_importing_flambeau_needs_no_torch():
    assert run("import sys; sys.modules['torch'] = None; import flambeau; print('imported')") == "imported\n"


def test_importing_flambeau_changes_no_setting_of_jax():
    code = "before = dict(jax.config.values); import flambeau; print(before == dict(jax.config.values))"
    assert run(f"import jax; {code}") == "True\n"


def test_importing_flambeau_leaves_the_garbage_collector_as_it_was():
    assert run("import gc, flambeau; print(gc.isenabled())") == "True\n"
    assert run("import gc; gc.disable(); import flambeau; print(gc.isenabled())") == "False\n"
    assert run("import gc, flambeau; print(gc.get_freeze_count())") == "0\n"
    frozen = "import gc; gc.freeze(); before = gc.get_freeze_count(); import flambeau; "
    assert run(frozen + "print(0 < gc.get_freeze_count() <= before)") == "True\n"


def test_importing_flambeau_leaves_alone_what_few_programs_use():
    slow = ["multiprocessing.spawn", "jax.experimental.serialize_executable", "scipy.linalg", "torch"]
    assert run(f"import sys, flambeau; print([m for m in {slow} if m in sys.modules])") == "[]\n"
