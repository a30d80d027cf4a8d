"""Control flow inside of programs, under PyTorch's path."""

from flambeau.func._control_flow import associative_scan, cond, map, scan, while_loop

__all__ = ["associative_scan", "cond", "map", "scan", "while_loop"]
