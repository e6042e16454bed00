"""The minutes of a flow: which staggered run gets which, so that no two runs share a minute."""

from collections import defaultdict
from collections.abc import Container, Iterator, Mapping, Sequence
from datetime import tzinfo

from msgspec import Struct, field

from reconciler.model import EpochMs, Run, RunId
from reconciler.times import clock_minute

_Untried = dict[Sequence[EpochMs], Iterator[EpochMs]]


class FlowMinutes(Struct, kw_only=True):
    """The minutes of one flow, as clocks show them in the service's zone."""

    zone: tzinfo
    left: Container[int]  # of runs that were claimed and are no longer declared
    taken: set[int] = field(default_factory=set)  # of declared runs that move no more

    def of(self, time: EpochMs) -> int:
        """The minute that the clocks show at that time."""
        return clock_minute(time, self.zone)


def assign_minutes(
    waiting: Sequence[Run], minutes: Mapping[int, FlowMinutes]
) -> dict[RunId, EpochMs]:
    """New times that give a minute of its own to each waiting run, or to as many as possible.

    Each run takes its first free minute. A run that finds none has other runs of its flow moved in
    a chain: each takes the minute of the next one, and the last takes a free one. The minutes of
    runs that are no longer declared, or of earlier revisions, are used only if need be: such runs
    may be declared again.
    """
    chosen: dict[RunId, EpochMs] = {}
    by_flow: dict[int, list[Run]] = defaultdict(list)
    for run in waiting:
        by_flow[run.flow_id].append(run)
    for flow, runs in by_flow.items():
        matching = _Matching(here=minutes[flow], chosen=chosen)
        matching.make_room([run for run in runs if not matching.takes_first(run)])
    return chosen


class _Matching(Struct, kw_only=True):
    """Which of the runs that may be moved has which minute: a matching, as large as possible."""

    here: FlowMinutes
    chosen: dict[RunId, EpochMs]
    owners: dict[int, Run] = field(default_factory=dict)
    # For all runs with the same times, which of these may still be free: a minute that is not free
    # never becomes free, so each is looked at once. `unclaimed` leaves out the minutes in `left`.
    ahead: _Untried = field(default_factory=dict)
    unclaimed: _Untried = field(default_factory=dict)

    def takes_first(self, run: Run) -> bool:
        """Whether there was a free minute for the run, which is given the first."""
        times = _times(run)
        time = self._next_free_time(times, self.unclaimed, avoided=self.here.left)
        if time is None:
            time = self._next_free_time(times, self.ahead)
        if time is not None:
            self._give(run, time)
        return time is not None

    def make_room(self, crowded: Sequence[Run]) -> None:
        """Give minutes to as many of the runs as some arrangement can.

        This goes in rounds. In a round, each minute is passed on at most once (Pothen and Fan's
        matching), so a round that finds no chain proves that there is none.
        """
        while crowded:
            tried: set[int] = set()
            untried: _Untried = {}
            still = [run for run in crowded if not self._moves_others(run, tried, untried)]
            if len(still) == len(crowded):
                return
            crowded = still

    def _moves_others(
        self,
        run: Run,
        tried: set[int],
        untried: _Untried,
    ) -> bool:
        """Whether a chain of moves gave the run a minute; `tried`: the minutes of this round."""
        chain, moves = [run], list[EpochMs]()  # each but the last takes its successor's minute
        while chain:
            times = _times(chain[-1])
            free = self._next_free_time(times, self.ahead)
            if free is not None:
                for one, time in zip(chain, [*moves, free], strict=True):
                    self._give(one, time)
                return True
            for time in untried.setdefault(times, iter(times)):
                minute = self.here.of(time)
                if minute not in self.here.taken and minute not in tried:
                    tried.add(minute)
                    moves.append(time)
                    chain.append(self.owners[minute])
                    break
            else:
                chain.pop()
                moves = moves[:-1]
        return False

    def _next_free_time(
        self, times: Sequence[EpochMs], untried: _Untried, avoided: Container[int] = ()
    ) -> EpochMs | None:
        for time in untried.setdefault(times, iter(times)):
            minute = self.here.of(time)
            if not (minute in self.here.taken or minute in self.owners or minute in avoided):
                return time
        return None

    def _give(self, run: Run, time: EpochMs) -> None:
        self.owners[self.here.of(time)] = run
        self.chosen[run.id] = time


def _times(run: Run) -> Sequence[EpochMs]:
    return run.stagger.times(run.trigger_time) if run.stagger else ()
