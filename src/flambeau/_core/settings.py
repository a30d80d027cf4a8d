"""Process-wide settings that PyTorch code makes: determinism, threads, precision."""

from __future__ import annotations

import os

from flambeau._core.trace import engine

_warn_only = False
_precision = "highest"
_warn_always = False
_threads = {"intra": os.cpu_count() or 1, "inter": os.cpu_count() or 1}


def use_deterministic_algorithms(mode: bool, *, warn_only: bool = False) -> None:
    """Makes the same script give the same bits on each run.

    What a segment is run by (NumPy, call by call, compiled) then depends on how often its structure was seen alone, and
    waits for a compile where need be.
    """
    global _warn_only
    if not isinstance(mode, bool):
        raise TypeError(
            f"use_deterministic_algorithms(): argument 'mode' must be bool, not {type(mode).__name__}"
        )
    engine.deterministic = mode
    _warn_only = bool(warn_only)


def are_deterministic_algorithms_enabled() -> bool:
    return engine.deterministic


def is_deterministic_algorithms_warn_only_enabled() -> bool:
    return _warn_only


_DEBUG_MODES = ("default", "warn", "error")


def set_deterministic_debug_mode(debug_mode: int | str) -> None:
    """`use_deterministic_algorithms` by one word or number: "default" (0), "warn" (1) or "error" (2)."""
    if not isinstance(debug_mode, (int, str)):
        raise TypeError(f"debug_mode must be str or int, but got {type(debug_mode)}")
    if isinstance(debug_mode, str):
        if debug_mode not in _DEBUG_MODES:
            raise RuntimeError(
                f"invalid value of debug_mode, expected one of `default`, `warn`, `error`, but got {debug_mode}"
            )
        debug_mode = _DEBUG_MODES.index(debug_mode)
    if debug_mode not in range(3):
        raise RuntimeError(f"invalid value of debug_mode, expected 0, 1, or 2, but got {debug_mode}")
    use_deterministic_algorithms(debug_mode > 0, warn_only=debug_mode == 1)


def get_deterministic_debug_mode() -> int:
    """0, 1 or 2; see `set_deterministic_debug_mode`."""
    return (1 if _warn_only else 2) if engine.deterministic else 0


def set_float32_matmul_precision(precision: str) -> None:
    """ "highest", "high" or "medium"; on the CPU all are float32."""
    global _precision
    if precision not in ("highest", "high", "medium"):
        raise RuntimeError(
            f"float32_matmul_precision must be one of 'highest', 'high', 'medium', but got {precision!r}"
        )
    _precision = precision


def get_float32_matmul_precision() -> str:
    return _precision


def set_num_threads(num: int) -> None:
    """Notes the number that `get_num_threads` gives back: XLA sizes its own pool of threads when it starts."""
    if not isinstance(num, int):
        raise TypeError(f"set_num_threads expects an int, but got {type(num).__name__}")
    if num <= 0:
        raise RuntimeError("set_num_threads expects a positive integer")
    _threads["intra"] = num


def get_num_threads() -> int:
    return _threads["intra"]


def set_num_interop_threads(num: int) -> None:
    """Notes the number that `get_num_interop_threads` gives back; see `set_num_threads`."""
    if num <= 0:
        raise RuntimeError("set_num_interop_threads expects a positive integer")
    _threads["inter"] = num


def get_num_interop_threads() -> int:
    return _threads["inter"]


# Which of PyTorch's kernels for attention may be used. There is one formulation here; that none may be used is an error.
attention_kernels = {"cudnn": True, "flash": True, "mem_efficient": True, "math": True}


def set_warn_always(b: bool, /) -> None:
    """Whether warnings that come once for each program come each time.

    Raises: RuntimeError, if it is no bool.
    """
    global _warn_always
    if not isinstance(b, bool):
        raise RuntimeError(f"setWarnOnlyOnce expects a bool, but got {type(b).__name__}")
    _warn_always = b


def is_warn_always_enabled() -> bool:
    """What `set_warn_always` set last."""
    return _warn_always


def set_flush_denormal(mode: bool) -> bool:
    """Whether the smallest numbers can be taken for zero: they cannot, which is a matter of XLA's."""
    return False


def compiled_with_cxx11_abi() -> bool:
    """Whether libraries in C++ are of the newer kind, as PyTorch's are."""
    return True
