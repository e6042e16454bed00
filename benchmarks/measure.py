"""Timing whole processes: pairs in turn, medians, and the spread beside them."""

import os
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median

from msgspec import Struct


class Sample(Struct, frozen=True, kw_only=True):
    """One run of a process."""

    seconds: float
    peak_mib: float
    cpu: float = 0.0  # seconds of processor, which other work on the machine changes less


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


def run(command: Sequence[str], cwd: Path, env: dict[str, str] | None = None) -> Sample:
    """Run it once, its output thrown away, whatever its exit code."""
    began = time.perf_counter()
    process = subprocess.Popen(
        command,
        cwd=cwd,
        env=os.environ | (env or {}),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    _, _, usage = os.wait4(process.pid, 0)
    process.returncode = 0  # it has been waited for
    return Sample(
        seconds=time.perf_counter() - began,
        peak_mib=usage.ru_maxrss / 1024,
        cpu=usage.ru_utime + usage.ru_stime,
    )


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
    """Median, and the smallest and the largest."""
    return f"{median(values):.3g}{unit} ({min(values):.3g} to {max(values):.3g})"


def seconds(samples: Sequence[Sample]) -> str:
    """The spread of the wall times."""
    return spread([sample.seconds for sample in samples], " s")
