"""`python -m tests.simulation --seeds N [--first S]`: live through many seeds, on every core.

For every ten seeds of one environment (`simulate`) there is one of several (`estate`).
"""

import argparse
import os
import sys
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ProcessPoolExecutor
from itertools import repeat

from msgspec import Struct, field

from tests.simulation.estate.life import simulate as simulate_estate
from tests.simulation.oddities import SWITCHES
from tests.simulation.peace import Account
from tests.simulation.simulate import BrokenPromiseError, simulate

CHUNK = 500


class Sum(Struct, frozen=True):
    """What some seeds came to."""

    seeds: int = 0
    account: Account = field(default_factory=Account)
    failure: str | None = None

    def __add__(self, other: "Sum") -> "Sum":
        return Sum(
            self.seeds + other.seeds, self.account + other.account, self.failure or other.failure
        )


def live(first: int, end: int, switches: Collection[str] | None = None) -> Sum:
    """Live through the seeds of one chunk."""
    total = Sum()
    for seed in range(first, end):
        try:
            life = simulate(seed, switches=switches)
        except BrokenPromiseError as broken:
            return total + Sum(1, failure=str(broken))
        total += Sum(1, life.account)
    return total


class Estates(Struct, frozen=True, kw_only=True):
    """What some seeds of several environments came to."""

    seeds: int = 0
    started: int = 0
    crashes: int = 0
    problems: int = 0
    adopted: int = 0
    left_to_people: int = 0
    overdue: int = 0
    drawn: Counter[str] = field(default_factory=Counter)  # in how many seeds
    failure: str | None = None

    def __add__(self, other: "Estates") -> "Estates":
        return Estates(
            seeds=self.seeds + other.seeds,
            started=self.started + other.started,
            crashes=self.crashes + other.crashes,
            problems=self.problems + other.problems,
            adopted=self.adopted + other.adopted,
            left_to_people=self.left_to_people + other.left_to_people,
            overdue=self.overdue + other.overdue,
            drawn=self.drawn + other.drawn,
            failure=self.failure or other.failure,
        )


def live_estates(first: int, end: int) -> Estates:
    """Live through the seeds of one chunk, each with several environments."""
    total = Estates()
    for seed in range(first, end):
        try:
            life = simulate_estate(seed)
        except BrokenPromiseError as broken:
            return total + Estates(seeds=1, failure=str(broken))
        total += Estates(
            seeds=1,
            started=life.started,
            crashes=life.crashes,
            problems=life.problems,
            adopted=life.adopted,
            left_to_people=life.left_to_people,
            overdue=life.overdue,
            drawn=Counter(life.drawn),
        )
    return total


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=10_000, help="how many [default: 10000]")
    parser.add_argument("--first", type=int, default=0, help="the first one [default: 0]")
    parser.add_argument("--replay", type=int, metavar="SEED", help="show what happens in one")
    parser.add_argument(
        "--switch",
        action="append",
        choices=[*SWITCHES, "none"],
        help="an oddity of the service, in place of those that a seed draws; may be repeated",
    )
    parser.add_argument("--each", action="store_true", help="what each oddity alone leads to")
    parser.add_argument(
        "--estates",
        type=int,
        help="how many of several environments [default: a tenth of the seeds]",
    )
    parser.add_argument("--replay-estate", type=int, metavar="SEED", help="show one of those")
    options = parser.parse_args()
    switches = None if options.switch is None else set(options.switch) - {"none"}
    if options.replay is not None:
        return _replay(lambda: simulate(options.replay, switches=switches).trace)
    if options.replay_estate is not None:
        return _replay(lambda: simulate_estate(options.replay_estate).trace)
    seeds = range(options.first, options.first + options.seeds)
    if options.each:
        return _show_each(seeds)
    total = _live_through(seeds, switches)
    print(f"{total.seeds} seeds: {_in_words(total.account)}")
    if total.failure:
        print(total.failure)
        print("replay it: python -m tests.simulation --replay SEED")
        return 1
    many = options.seeds // 10 if options.estates is None else options.estates
    return _show_estates(range(options.first, options.first + many))


def _replay(lived: Callable[[], Sequence[str]]) -> int:
    try:
        print("\n".join(lived()))
    except BrokenPromiseError as broken:
        print(broken)
        return 1
    return 0


def _show_estates(seeds: range) -> int:
    """Live through seeds of several environments, and say what was drawn."""
    chunk = max(1, min(CHUNK, len(seeds) // (os.cpu_count() or 1)))
    firsts = range(seeds.start, seeds.stop, chunk)
    ends = (min(first + chunk, seeds.stop) for first in firsts)
    total = Estates()
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        for result in pool.map(live_estates, firsts, ends):
            total += result
            if total.failure:
                pool.shutdown(cancel_futures=True)
                break
    print(
        f"{total.seeds} seeds of several environments: {total.started} runs started, "
        f"{total.adopted} adopted, {total.crashes} crashes, "
        f"{total.problems} applies that were refused, "
        f"{total.overdue} starts that left after their claim, from frozen processes, "
        f"{total.left_to_people} environments with a doubt that only people can settle"
    )
    print("drawn:", "; ".join(f"{what} {count}" for what, count in sorted(total.drawn.items())))
    if total.failure:
        print(total.failure)
        print("replay it: python -m tests.simulation --replay-estate SEED")
    return 1 if total.failure else 0


def _live_through(seeds: range, switches: Collection[str] | None) -> Sum:
    """Live through all of them, or until one breaks the promise."""
    firsts = range(seeds.start, seeds.stop, CHUNK)
    ends = (min(first + CHUNK, seeds.stop) for first in firsts)
    total = Sum()
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        for result in pool.map(live, firsts, ends, repeat(switches)):
            total += result
            if total.failure:
                pool.shutdown(cancel_futures=True)
                break
    return total


def _show_each(seeds: range) -> int:
    """Live through the seeds with each oddity alone, and count the broken promises."""
    broken_at_all = False
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        for switch in ("none", *SWITCHES):
            chosen = set() if switch == "none" else {switch}
            lives = pool.map(_broken, seeds, repeat(chosen), chunksize=50)
            broken = [one for one in lives if one is not None]
            broken_at_all = broken_at_all or bool(broken)
            print(f"{switch}: {len(broken)} of {len(seeds)}", *broken[:3], sep="\n    ", flush=True)
    return int(broken_at_all)


def _broken(seed: int, switches: Collection[str]) -> str | None:
    try:
        simulate(seed, switches=switches)
    except BrokenPromiseError as broken:
        return str(broken).partition("\n")[0]
    return None


def _in_words(sum_: Account) -> str:
    return (
        f"{sum_.started} runs started, {sum_.shared} of them while another applier started "
        f"others, {sum_.crashes} crashes, "
        f"{sum_.in_doubt} runs left in doubt; "
        f"{sum_.dependents} of the starts after what they depend on, {sum_.retried} once more, "
        f"{sum_.moved} at another minute, {sum_.revised} by a later revision, {sum_.duplicates} as "
        f"duplicates; {sum_.edited} edits of an hour or a matrix; "
        f"{sum_.blocked} runs blocked and {sum_.called_off} called off before they started, "
        f"{sum_.cancelled} cancelled while they ran; {sum_.observed} ends "
        f"recorded, {sum_.forgotten} of them of instances that the service forgot, {sum_.untold} "
        f"never told; {sum_.strangers} instances of others, {sum_.mistaken} of them taken for a "
        f"run's own, as nothing tells them apart\n"
        f"{sum_.lost_answers} answers to starts were lost, and {sum_.lost_in_doubt} of these runs "
        f"left in doubt for good; {sum_.superseded_in_doubt} runs that a later revision replaced "
        f"stay in doubt; in the {sum_.plain} seeds whose service is as kind as can be: "
        f"{sum_.lost_answers_plain} and {sum_.lost_in_doubt_plain}, and {sum_.in_doubt_plain} runs "
        "left in doubt whatever the cause, most of them because their time lies ahead"
    )


if __name__ == "__main__":
    sys.exit(main())
