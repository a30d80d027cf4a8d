"""The operations, one file per family. Importing this package declares them all."""

import gc
import importlib
import pkgutil

# Thousands of functions are made here, all of which stay: to look for garbage among them takes longer than to make them.
_collecting = gc.isenabled()
gc.disable()
try:
    for _module in pkgutil.iter_modules(__path__):
        importlib.import_module(f"{__name__}.{_module.name}")
finally:
    if _collecting:
        gc.enable()
