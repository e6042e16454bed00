"""Walking through the page: the real command, a real remote, and a gateway that goes down."""

import os
import re
import signal
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from msgspec import Struct

from reconciler.model import EpochMs
from reconciler.sandbox import (
    Drop,
    Fault,
    FlowInstance,
    FlowOptions,
    ParametersShown,
    Sandbox,
    SandboxOptions,
    Status,
    Stranger,
    run_sandbox,
)
from tests.backfills.running import CONFIGURATION, always_alike
from tests.documented import Meanwhile, Typed
from tests.environments import Clock, Setting, make_setting
from tests.repositories import commit, git
from tests.walk.page import Edit, Manifest, PageStep

FLOW = 3377
SITES = 40
_CLAIMER = re.compile(r"claimed by .* until \S+ \S+")
_MINUTE_MS = 60_000
_DAY_MS = 86_400_000
_FIRST_MS = 1_709_337_600_000  # 2024-03-02T08:00+08:00, when the 1st is processed


class Month(Struct, frozen=True, kw_only=True):
    """The month, or some of its days, and the runs (day and site) that something happens to."""

    first: int = 1
    last: int = 31
    failing: tuple[tuple[int, int], ...] = ((16, 7), (17, 12), (17, 33))
    lost: tuple[int, int] = (16, 21)  # its answer never comes; nor does the next one's request
    by_hand: tuple[int, int] = (17, 40)

    def place(self, day: int, site: int) -> int:
        """How many runs stand before that one."""
        return (day - self.first) * SITES + site - 1

    @property
    def runs(self) -> int:
        """How many the manifest declares."""
        return (self.last - self.first + 1) * SITES

    @property
    def ends(self) -> tuple[Status, ...]:
        """How instances end, in the order of their creation: an attempt's come last, and well."""
        ends = [Status.SUCCESS] * (self.runs + len(self.failing))
        for day, site in self.failing:
            ends[self.place(day, site)] = Status.FAIL
        return tuple(ends)

    def trigger_time(self, day: int, site: int) -> EpochMs:
        """Of a run: the day after, staggered by a minute a site."""
        return EpochMs(_FIRST_MS + (day - 1) * _DAY_MS + (site - 1) * _MINUTE_MS)

    @property
    def started_by_hand(self) -> Stranger:
        """What somebody starts in the console."""
        at = self.trigger_time(*self.by_hand)
        return Stranger(flow_id=FLOW, trigger_time=at, owner="u1", run_seconds=0.0)

    def only_its_days(self, text: str) -> str:
        """The manifest for these days only."""
        days = f"from: 2024-03-{self.first:02d}, to: 2024-03-{self.last:02d}"
        return text.replace("from: 2024-03-01, to: 2024-03-31", days)


@dataclass(kw_only=True)
class Walk:
    """The team's repository and its gateway, on the way through the page."""

    month: Month
    folder: Path
    clock: Clock = field(default_factory=Clock)
    printed: list[str] = field(default_factory=list)  # by the commands, in their order
    instances: Sequence[FlowInstance] = ()  # of the service, in the end

    def go(self, steps: Sequence[PageStep]) -> None:
        """Take every step."""
        sandbox = Sandbox(self._options(), self._faults(), self.clock)
        with ExitStack() as gateway:
            url = gateway.enter_context(run_sandbox(sandbox))
            setting = make_setting(
                self.folder, url, sandbox, {"reconciler.yaml": CONFIGURATION.format(url=url)}
            )
            happenings: dict[str, Callable[[], object]] = {
                "merged": lambda: _merge(setting),
                "the gateway is down": gateway.close,
                "somebody starts one by hand": lambda: sandbox.add_stranger(
                    self.month.started_by_hand
                ),
                "the gateway is back": lambda: self._come_back(gateway, sandbox, url),
            }
            for step in steps:
                match step:
                    case Meanwhile():
                        happenings[step.word]()
                    case Typed():
                        self.printed.append(_call(step, setting))
                        if step.arguments[0] == "resolve":
                            # A person takes longer than `settleSeconds` to type the next command.
                            self.clock.forward(10)
                    case Manifest() | Edit():
                        self._write(step, setting.clone / step.path)
        self.instances = sandbox.instances

    def _options(self) -> SandboxOptions:
        # Where the service shows no parameters, nothing tells an instance for certain.
        return SandboxOptions(
            flows={FLOW: FlowOptions(ends=self.month.ends, run_seconds=0.0)},
            parameters_shown=ParametersShown(hidden="absent"),
        )

    def _faults(self) -> tuple[Fault, ...]:
        """The connection breaks twice, and at the second time somebody presses Ctrl-C."""
        before = self.month.place(*self.month.lost)
        return (
            Fault(on="trigger", after=before, ending=Drop(effect=True)),
            Fault(on="trigger", after=before, call_before=_press_ctrl_c, ending=Drop()),
        )

    def _come_back(self, gateway: ExitStack, sandbox: Sandbox, url: str) -> None:
        self.clock.forward()  # the claims have expired meanwhile
        gateway.enter_context(run_sandbox(sandbox, port=int(url.rpartition(":")[2])))

    def _write(self, step: Manifest | Edit, file: Path) -> None:
        if isinstance(step, Manifest):
            text = step.content
        else:
            text = file.read_text(encoding="utf-8")
            assert text.count(step.before) == 1, f"not in {step.path} once:\n{step.before}"
            text = text.replace(step.before, step.after)
        file.parent.mkdir(exist_ok=True)
        file.write_text(self.month.only_its_days(text), encoding="utf-8")


def _press_ctrl_c() -> None:
    os.kill(os.getpid(), signal.SIGINT)


def _merge(setting: Setting) -> None:
    commit(setting.clone, {}, "Change the manifest")
    git(setting.clone, "pull", "--quiet", "--rebase", "origin", "main")
    git(setting.clone, "push", "--quiet", "origin", "HEAD:main")


def _call(step: Typed, setting: Setting) -> str:
    """All that stands in the terminal afterwards, but for the progress."""
    done = setting.run(*step.arguments)
    _, error, message = done.stderr.partition("error: ")
    code = f"(exit code {done.returncode})\n" if done.returncode else ""
    text = always_alike(f"{done.stdout}{error}{message}{code}")
    return _CLAIMER.sub("claimed by ops@ci pid 4711 until 2026-04-01 09:02:11.402", text)
