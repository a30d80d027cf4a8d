"""Reading: the objects of a pickle, either of known harmless types only or of any type."""

import _compat_pickle
import functools
import importlib
import pickle
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import IO, Any

from flambeau._core.later import Later
from flambeau._serialization import names

pickletools = Later("pickletools")

# Modules of which nothing is ever loaded, whatever was declared safe.
_BLOCKED = frozenset({"sys", "os", "posix", "nt"})
_DICTS = (dict, OrderedDict, Counter)
_GLOBALS = {id(value) for value in names.KNOWN.values() if callable(value)}

Lookup = Callable[[str, str], Any]


def modern_name(module: str, name: str) -> tuple[str, str]:
    """A name in a pickle of protocol 2 as it is called in Python 3, under PyTorch's paths."""
    module, name = _compat_pickle.NAME_MAPPING.get((module, name), (module, name))
    module = _compat_pickle.IMPORT_MAPPING.get(module, module)
    return names.public_module(module), name


def display_name(module: str, name: str) -> str:
    return name if module == "builtins" else f"{module}.{name}"


class Refused(pickle.UnpicklingError):
    """The pickle holds what `weights_only` does not allow. `can_be_allowed`: by declaring a global safe."""

    def __init__(self, message: str, can_be_allowed: bool = False) -> None:
        super().__init__(message)
        self.can_be_allowed = can_be_allowed


class _Opcodes(dict[int, Callable[[Any], None]]):
    """The operations of a pickle that are carried out; any other one is refused."""

    def __missing__(self, code: int) -> Callable[[Any], None]:
        raise Refused(f"Unsupported operand {code}")


# The one written in Python, whose operations can be taken out one by one and checked where they act.
_PythonUnpickler: Any = pickle._Unpickler


class WeightsUnpickler(_PythonUnpickler):  # type: ignore[misc]
    """An unpickler that makes and calls nothing but what stands in `names.KNOWN` and in `safe`."""

    dispatch = _Opcodes(_PythonUnpickler.dispatch)
    for _code in (
        *(pickle.INST, pickle.OBJ, pickle.NEWOBJ_EX, pickle.EXT1, pickle.EXT2, pickle.EXT4),
        *(pickle.NEXT_BUFFER, pickle.READONLY_BUFFER),
    ):
        del dispatch[_code[0]]

    def __init__(self, file: IO[bytes], safe: dict[tuple[str, str], Any], encoding: str = "utf-8") -> None:
        super().__init__(file, encoding=encoding)
        self._safe = safe
        self._callable = _GLOBALS | {id(value) for value in safe.values()}
        self._buildable = (OrderedDict, *(kind for kind in safe.values() if isinstance(kind, type)))

    def find_class(self, module: str, name: str) -> Any:
        module, name = modern_name(module, name)
        if module.partition(".")[0] in _BLOCKED:
            raise Refused(
                f"Trying to load unsupported GLOBAL {module}.{name} whose module {module} is blocked."
            )
        found = names.KNOWN.get((module, name), self._safe.get((module, name)))
        if found is None:
            full = display_name(module, name)
            raise Refused(
                f"Unsupported global: GLOBAL {full} was not an allowed global by default. "
                f"Please use `torch.serialization.add_safe_globals([{full}])` or the "
                f"`torch.serialization.safe_globals([{full}])` context manager to allowlist this global "
                "if you trust this class/function.",
                can_be_allowed=True,
            )
        return found

    def load_reduce(self) -> None:
        args = self.stack.pop()
        function = self.stack[-1]
        if id(function) not in self._callable:
            raise Refused(f"Trying to call reduce for unrecognized function {function}")
        self.stack[-1] = function(*args)

    def load_newobj(self) -> None:
        args = self.stack.pop()
        kind = self.stack[-1]
        if not isinstance(kind, type) or id(kind) not in self._callable:
            raise Refused(f"Trying to create new object for unrecognized class {kind}")
        self.stack[-1] = kind.__new__(kind, *args)

    def load_build(self) -> None:
        instance = self.stack[-2]
        if type(instance) not in self._buildable:
            raise Refused(
                "Can only build OrderedDict or types allowlisted via `add_safe_globals`, "
                f"but got {type(instance)}"
            )
        super().load_build()

    def load_append(self) -> None:
        _expect(self.stack[-2], (list,), "append to lists")
        super().load_append()

    def load_appends(self) -> None:
        _expect(self.metastack[-1][-1], (list,), "extend lists")
        super().load_appends()

    def load_setitem(self) -> None:
        _expect(self.stack[-3], _DICTS, "SETITEM for dict, collections.OrderedDict, collections.Counter")
        super().load_setitem()

    def load_setitems(self) -> None:
        _expect(
            self.metastack[-1][-1], _DICTS, "SETITEMS for dict, collections.OrderedDict, collections.Counter"
        )
        super().load_setitems()

    def load_additems(self) -> None:
        _expect(self.metastack[-1][-1], (set,), "ADDITEMS for sets")
        super().load_additems()

    for _code, _method in {
        pickle.REDUCE: load_reduce,
        pickle.NEWOBJ: load_newobj,
        pickle.BUILD: load_build,
        pickle.APPEND: load_append,
        pickle.APPENDS: load_appends,
        pickle.SETITEM: load_setitem,
        pickle.SETITEMS: load_setitems,
        pickle.ADDITEMS: load_additems,
    }.items():
        dispatch[_code[0]] = _method


def _expect(value: Any, kinds: tuple[type, ...], what: str) -> None:
    if type(value) not in kinds:
        raise Refused(f"Can only {what}, but got {type(value)}")


@functools.cache
def unpickler_class(module: ModuleType) -> Any:
    """An unpickler of `module` that finds flambeau's types where a pickle names PyTorch's."""

    class Unpickler(module.Unpickler):  # type: ignore[misc,name-defined]
        def find_class(self, module: str, name: str) -> Any:
            known = names.KNOWN.get(modern_name(module, name))
            if known is not None:
                return known
            own, place = names.own_place(module, name)
            if own == module:
                return super().find_class(module, name)
            try:
                found: Any = importlib.import_module(own)
                for part in place.split(".") if place else ():
                    found = getattr(found, part)
            except (ImportError, AttributeError):
                raise pickle.UnpicklingError(
                    f"the file holds an object of {module}.{name}, which flambeau does not have"
                ) from None
            return found

    return Unpickler


def globals_of(data: bytes) -> Iterator[tuple[str, str]]:
    """The (module, name) of each global that a pickle asks for."""
    strings: list[Any] = []
    memo: dict[int, Any] = {}
    for opcode, argument, _ in pickletools.genops(data):
        if opcode.name == "GLOBAL":
            module, _, name = str(argument).partition(" ")
            yield modern_name(module, name)
        elif opcode.name == "STACK_GLOBAL":
            yield modern_name(strings[-2], strings[-1])
        elif opcode.name in ("MEMOIZE", "PUT", "BINPUT", "LONG_BINPUT"):
            memo[len(memo) if argument is None else argument] = strings[-1] if strings else None
        elif opcode.name in ("GET", "BINGET", "LONG_BINGET"):
            strings.append(memo.get(argument or 0))
        elif opcode.stack_after:
            strings.append(argument)
