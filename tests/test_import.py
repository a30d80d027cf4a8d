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
    frozen = "import gc; gc.freeze(); before = gc.get_freeze_count(); import flambeau; "
    assert run(frozen + "print(0 < gc.get_freeze_count() <= before)") == "True\n"


def test_only_a_process_that_has_just_started_sets_aside_for_good_what_importing_makes():
    aside = (
        "import flambeau; print(gc.get_freeze_count() > 50_000, sum(1 for _ in gc.get_objects()) < 50_000)"
    )
    assert run(f"import gc; {aside}") == "True True\n"
    assert run(f"import gc; gc.collect(); {aside}") == "False False\n"


def test_what_is_imported_later_is_there_from_the_start():
    assert (
        run("import flambeau; print({'optim', 'save', 'compile', 'utils'} <= set(dir(flambeau)))") == "True\n"
    )
    assert run("import flambeau; print(flambeau.utils.data.DataLoader.__name__)") == "DataLoader\n"
    assert (
        run("import flambeau; print(flambeau.nn.utils.parametrize.__name__)")
        == "flambeau.nn.utils.parametrize\n"
    )
    assert run("from flambeau import *; print(Tensor.__name__, save.__name__)") == "Tensor save\n"
    wrong = "import flambeau\ntry: flambeau.optimm\nexcept AttributeError as error: print(error)"
    assert run(wrong) == "module 'flambeau' has no attribute 'optimm'\n"


def test_importing_flambeau_leaves_alone_what_few_programs_use():
    slow = [
        "multiprocessing", "jax.experimental.serialize_executable", "jax.extend", "jax.scipy.special", "scipy.linalg", "torch",
    ]  # fmt: skip
    assert run(f"import sys, flambeau; print([m for m in {slow} if m in sys.modules])") == "[]\n"
