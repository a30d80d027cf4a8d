"""Whether a segment is faster compiled: found by timing both ways, since on a CPU the whole is not always."""

from __future__ import annotations

import math

# Runs that are timed of the programs, after a first one, and once more of the calls if those seem faster.
RUNS = 3
# The programs have to be this much slower than the calls to be given up.
MARGIN = 1.1


class Trial:
    """The shortest times seen of one plan, until it is settled which way it runs."""

    def __init__(self) -> None:
        self.settled = False
        self.calls_again = (
            False  # the programs seem slower: the calls are timed anew, now that nothing compiles
        )
        self.went_back = False
        self._by_call = self._compiled = math.inf
        self._runs = 0

    def note(self, compiled: bool, seconds: float) -> None:
        """Called after a run that was timed to its end."""
        if compiled:
            self._runs += 1
            if self._runs > 1:
                self._compiled = min(self._compiled, seconds)
            if self._runs > RUNS:
                self._judge_programs()
        else:
            self._by_call = min(self._by_call, seconds)
            if self.calls_again:
                self._runs += 1
                if self._runs == RUNS:
                    self.settled, self.calls_again = True, False
                    self.went_back = self._compiled > MARGIN * self._by_call

    def _judge_programs(self) -> None:
        self._runs = 0
        if self._compiled <= MARGIN * self._by_call:
            self.settled = True
        else:
            # While the programs were compiled the machine was busy; the calls get a fair chance.
            self.calls_again, self._by_call = True, math.inf
