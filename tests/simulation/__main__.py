"""`python -m tests.simulation --seeds N [--first S]`: live through many seeds, on every core."""

import argparse
import os
import sys
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass

from tests.simulation.simulate import BrokenPromiseError, simulate

CHUNK = 500


@dataclass(frozen=True, slots=True)
class Sum:
    """What some seeds came to."""

    seeds: int = 0
    started: int = 0
    crashes: int = 0
    in_doubt: int = 0
    failure: str | None = None

    def __add__(self, other: "Sum") -> "Sum":
        return Sum(
            self.seeds + other.seeds,
            self.started + other.started,
            self.crashes + other.crashes,
            self.in_doubt + other.in_doubt,
            self.failure or other.failure,
        )


def live(first: int) -> Sum:
    """Live through one chunk of seeds."""
    total = Sum()
    for seed in range(first, first + CHUNK):
        try:
            account = simulate(seed)
        except BrokenPromiseError as broken:
            return total + Sum(1, failure=str(broken))
        total += Sum(1, account.started, account.crashes, account.in_doubt)
    return total


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=10_000, help="how many [default: 10000]")
    parser.add_argument("--first", type=int, default=0, help="the first one [default: 0]")
    parser.add_argument("--replay", type=int, metavar="SEED", help="show what happens in one")
    options = parser.parse_args()
    if options.replay is not None:
        print("\n".join(simulate(options.replay).trace))
        return 0
    firsts: Iterable[int] = range(options.first, options.first + options.seeds, CHUNK)
    total = Sum()
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        for result in pool.map(live, firsts):
            total += result
            if total.failure:
                pool.shutdown(cancel_futures=True)
                break
    print(
        f"{total.seeds} seeds: {total.started} runs started, {total.crashes} crashes, "
        f"{total.in_doubt} runs left in doubt because their time lies ahead"
    )
    if total.failure:
        print(total.failure)
        print("replay it: python -m tests.simulation --replay SEED")
    return 1 if total.failure else 0


if __name__ == "__main__":
    sys.exit(main())
