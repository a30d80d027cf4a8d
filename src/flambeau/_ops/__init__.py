"""The operations, one file per family. Importing this package declares them all."""

import importlib
import os

for _file in sorted(os.listdir(__path__[0])):
    _name, _dot, _kind = _file.partition(".")
    if _kind == "py" and _name != "__init__":
        importlib.import_module(f"{__name__}.{_name}")
