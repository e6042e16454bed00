"""`python -m tests.simulation --seeds N [--first S]`: live through many seeds, on every core."""

import argparse
import os
import sys
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field

from tests.simulation.peace import Account
from tests.simulation.simulate import BrokenPromiseError, simulate

CHUNK = 500


@dataclass(frozen=True, slots=True)
class Sum:
    """What some seeds came to."""

    seeds: int = 0
    account: Account = field(default_factory=Account)
    failure: str | None = None

    def __add__(self, other: "Sum") -> "Sum":
        return Sum(
            self.seeds + other.seeds, self.account + other.account, self.failure or other.failure
        )


def live(first: int, end: int) -> Sum:
    """Live through the seeds of one chunk."""
    total = Sum()
    for seed in range(first, end):
        try:
            life = simulate(seed)
        except BrokenPromiseError as broken:
            return total + Sum(1, failure=str(broken))
        total += Sum(1, life.account)
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
    end = options.first + options.seeds
    firsts = range(options.first, end, CHUNK)
    ends = (min(first + CHUNK, end) for first in firsts)
    total = Sum()
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        for result in pool.map(live, firsts, ends):
            total += result
            if total.failure:
                pool.shutdown(cancel_futures=True)
                break
    print(f"{total.seeds} seeds: {_in_words(total.account)}")
    if total.failure:
        print(total.failure)
        print("replay it: python -m tests.simulation --replay SEED")
    return 1 if total.failure else 0


def _in_words(sum_: Account) -> str:
    return (
        f"{sum_.started} runs started, {sum_.crashes} crashes, "
        f"{sum_.in_doubt} runs left in doubt; "
        f"{sum_.dependents} of the starts after what they depend on, {sum_.retried} once more, "
        f"{sum_.moved} at another minute; {sum_.blocked} runs blocked and {sum_.called_off} called "
        f"off before they started, {sum_.cancelled} cancelled while they ran; {sum_.observed} ends "
        f"recorded, {sum_.forgotten} of them of instances that the service forgot"
    )


if __name__ == "__main__":
    sys.exit(main())
