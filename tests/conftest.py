"""Each test process keeps its compiled programs to itself, so that no run depends on what an earlier one left behind."""

import atexit
import os
import shutil
import tempfile

_cache = tempfile.mkdtemp(prefix="flambeau-tests-")
atexit.register(shutil.rmtree, _cache, ignore_errors=True)
os.environ["FLAMBEAU_CACHE"] = _cache
