"""Starting several processes with one function, and waiting for them all or for the first that fails."""

from __future__ import annotations

import multiprocessing
import multiprocessing.connection
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import mkstemp
from typing import Any, NoReturn

from flambeau._core.warn import warn

# Seconds between asking a process to end and ending it.
_GRACE = 30.0


class ProcessException(Exception):
    """One of the processes failed.

    Args:
        msg: how.
        error_index, pid: which one.
    """

    def __init__(self, msg: str, error_index: int, pid: int) -> None:
        super().__init__(msg)
        self.msg, self.error_index, self.pid = msg, error_index, pid

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.msg, self.error_index, self.pid)


class ProcessRaisedException(ProcessException):
    """The function raised in one of the processes; `msg` holds its traceback."""

    def __init__(self, msg: str, error_index: int, error_pid: int) -> None:
        super().__init__(msg, error_index, error_pid)


class ProcessExitedException(ProcessException):
    """One of the processes ended with an exit code or by a signal."""

    def __init__(
        self, msg: str, error_index: int, error_pid: int, exit_code: int, signal_name: str | None = None
    ) -> None:
        super().__init__(msg, error_index, error_pid)
        self.exit_code, self.signal_name = exit_code, signal_name

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.msg, self.error_index, self.pid, self.exit_code, self.signal_name)


def _run(fn: Callable[..., Any], i: int, args: Sequence[Any], report: str) -> None:
    """What each process does; a traceback goes into the file `report`."""
    try:
        fn(i, *args)
    except KeyboardInterrupt:
        pass  # the parent has been interrupted, too, and tells
    except Exception:
        Path(report).write_text(traceback.format_exc(), encoding="utf-8")
        sys.exit(1)


class ProcessContext:
    """Processes that `start_processes` started."""

    def __init__(self, processes: Sequence[Any], error_files: Sequence[str]) -> None:
        self.processes, self.error_files = list(processes), list(error_files)
        self.sentinels = {process.sentinel: index for index, process in enumerate(processes)}

    def pids(self) -> list[int]:
        """The processes' numbers."""
        return [process.pid for process in self.processes]

    def join(self, timeout: float | None = None, grace_period: float | None = None) -> bool:
        """Waits until one fails or all are done; whether all are.

        Args:
            timeout: seconds to wait at most, for one more of them.
            grace_period: seconds that the others get to end by themselves once one has failed.

        Raises: ProcessRaisedException with the traceback, or ProcessExitedException, for the first that failed.
        """
        ready = multiprocessing.connection.wait(list(self.sentinels), timeout) if self.sentinels else []
        failed = None
        for sentinel in ready:
            index = self.sentinels.pop(sentinel)  # type: ignore[call-overload]
            self.processes[index].join()
            if self.processes[index].exitcode:
                failed = index
                break
        if failed is None:
            if not self.sentinels:
                self._forget_reports()
            return not self.sentinels
        self._end_others(grace_period)
        try:
            self._tell(failed)
        finally:
            self._forget_reports()

    def _end_others(self, grace_period: float | None) -> None:
        deadline = time.monotonic() + (grace_period or 0.0)
        for process in self.processes:
            process.join(max(0.0, deadline - time.monotonic()))
        for end in ("terminate", "kill"):
            for process in self.processes:
                if process.is_alive():
                    getattr(process, end)()
            deadline = time.monotonic() + _GRACE
            for process in self.processes:
                process.join(max(0.0, deadline - time.monotonic()))

    def _tell(self, failed: int) -> NoReturn:
        process, report = self.processes[failed], Path(self.error_files[failed])
        text = report.read_text(encoding="utf-8")
        if text:
            message = f"\n\n-- Process {failed} terminated with the following error:\n{text}"
            raise ProcessRaisedException(message, failed, process.pid)
        code = process.exitcode
        if code < 0:
            name = signal.Signals(-code).name
            message = f"process {failed} terminated with signal {name}"
            raise ProcessExitedException(message, failed, process.pid, code, name)
        raise ProcessExitedException(
            f"process {failed} terminated with exit code {code}", failed, process.pid, code
        )

    def _forget_reports(self) -> None:
        for report in self.error_files:
            Path(report).unlink(missing_ok=True)


class SpawnContext(ProcessContext):
    """`ProcessContext` of processes that started afresh."""


def start_processes(
    fn: Callable[..., Any],
    args: Sequence[Any] = (),
    nprocs: int = 1,
    join: bool = True,
    daemon: bool = False,
    start_method: str = "spawn",
) -> ProcessContext | None:
    """Runs `fn(i, *args)` in `nprocs` processes, of which `i` is the number.

    Args:
        join: wait for them; else the context comes back, whose `join` does.
        daemon: end them with this process.
        start_method: "spawn", "fork" or "forkserver". JAX does not support "fork" once it has run.

    Raises: ProcessRaisedException or ProcessExitedException, if one fails; the others are ended then.
    """
    started = multiprocessing.get_context(start_method)
    processes, reports = [], []
    for i in range(nprocs):
        handle, report = mkstemp(prefix="flambeau-errors-", suffix=".txt")
        os.close(handle)
        process = started.Process(target=_run, args=(fn, i, args, report), daemon=daemon)  # type: ignore[attr-defined]
        process.start()
        processes.append(process)
        reports.append(report)
    context = (SpawnContext if start_method == "spawn" else ProcessContext)(processes, reports)
    if not join:
        return context
    while not context.join():
        pass
    return None


def spawn(
    fn: Callable[..., Any],
    args: Sequence[Any] = (),
    nprocs: int = 1,
    join: bool = True,
    daemon: bool = False,
    start_method: str = "spawn",
) -> ProcessContext | None:
    """`start_processes` with processes that start afresh; the function has to be one that they can import."""
    if start_method != "spawn":
        warn(
            f"This method only supports start_method=spawn (got: {start_method}).\n"
            "To use a different start_method use:\n\t\t torch.multiprocessing.start_processes(...)",
            FutureWarning,
        )
    return start_processes(fn, args, nprocs, join, daemon, start_method="spawn")
