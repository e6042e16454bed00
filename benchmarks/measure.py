"""Timing whole processes: pairs in turn, medians, and the spread beside them."""

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median

from msgspec import Struct


class Sample(Struct, frozen=True, kw_only=True):
    """One run of a process."""

    seconds: float
    peak_mib: float
    cpu: float = 0.0  # seconds of processor, which other work on the machine changes less

    @property
    def peak_mb(self) -> float:
        """The peak of memory in millions of bytes."""
        return self.peak_mib * 1024**2 / 1e6


class Comparison(Struct, frozen=True, kw_only=True):
    """Two commands measured in turn."""

    ours: list[Sample]
    theirs: list[Sample]

    @property
    def ratios(self) -> list[float]:
        """Ours to theirs, pair by pair."""
        return [a.seconds / b.seconds for a, b in zip(self.ours, self.theirs, strict=True)]

    @property
    def cpu_ratios(self) -> list[float]:
        """The same, of the time on the processor."""
        return [a.cpu / b.cpu for a, b in zip(self.ours, self.theirs, strict=True)]

    @property
    def took(self) -> str:
        """What both took, in words: wall time, processor time and memory, each a median."""
        ours, theirs = self.ours, self.theirs
        words = [f"{_median_seconds(ours)} to {_median_seconds(theirs)}"]
        if all(one.cpu for one in (*ours, *theirs)):
            words.append(f"processor {_median_cpu(ours)} to {_median_cpu(theirs)}")
        if all(one.peak_mib for one in (*ours, *theirs)):
            words.append(f"{peak_mib(ours):.0f} MiB to {peak_mib(theirs):.0f} MiB")
        return "; ".join(words)


# In a process of its own, which is small: a child's peak counts what its parent held at the fork.
_LAUNCH = """
import os, subprocess, sys, time
began = time.perf_counter()
child = subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL)
_, _, usage = os.wait4(child.pid, 0)
print(time.perf_counter() - began, usage.ru_maxrss / 1024, usage.ru_utime + usage.ru_stime)
"""


def run(command: Sequence[str], cwd: Path, env: dict[str, str] | None = None) -> Sample:
    """Run it once, its output thrown away, whatever its exit code."""
    launched = subprocess.run(
        [sys.executable, "-S", "-c", _LAUNCH, *command],
        cwd=cwd,
        env=os.environ | (env or {}),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        check=True,
    )
    taken, peak, cpu = map(float, launched.stdout.split())
    return Sample(seconds=taken, peak_mib=peak, cpu=cpu)


def compare(
    ours: Callable[[], Sample], theirs: Callable[[], Sample], *, pairs: int, warm: bool = True
) -> Comparison:
    """Measure the two in turn."""
    if warm:
        ours()
        theirs()
    taken = [(ours(), theirs()) for _ in range(pairs)]
    return Comparison(ours=[a for a, _ in taken], theirs=[b for _, b in taken])


def spread(values: Sequence[float], unit: str = "") -> str:
    """Median, and the smallest and the largest; the value alone if there is one."""
    if len(values) == 1:
        return f"{values[0]:.3g}{unit}"
    return f"{median(values):.3g}{unit} ({min(values):.3g} to {max(values):.3g})"


def seconds(samples: Sequence[Sample]) -> str:
    """The spread of the wall times."""
    return spread([sample.seconds for sample in samples], " s")


def peak_mib(samples: Sequence[Sample]) -> float:
    """The median of the peaks of memory."""
    return median(sample.peak_mib for sample in samples)


def _median_seconds(samples: Sequence[Sample]) -> str:
    return f"{median(sample.seconds for sample in samples):.3g} s"


def _median_cpu(samples: Sequence[Sample]) -> str:
    return f"{median(sample.cpu for sample in samples):.3g} s"
