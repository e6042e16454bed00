"""Every command's output in every format, from one small repository, made alike each time.

What differs from time to time (commits, today's times, ports, nonces, places on this machine) is
written as the word for it.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from msgspec import Struct

from reconciler.cli.options import ProblemFormat
from reconciler.sandbox import FlowOptions, Sandbox, SandboxOptions, Status, run_sandbox
from tests.acceptance.scene import check_document
from tests.environments import Clock, Setting, make_setting
from tests.repositories import PROJECT, commit, git

PLACE = PROJECT / "tests" / "golden" / "outputs"

_CONFIGURATION = """\
version: 1
environments:
  prod:
    manifests: triggers
    state: state/prod
    gateway: {{url: "{url}", orgId: o1, userId: u1, timezone: GMT+8, settleSeconds: 0.2}}
    limits: {{claimSeconds: 120, maxRunsPerApply: 50}}
"""
_WIND = """\
apiVersion: reconciler/v1
kind: Backfill
metadata: {{name: wind-march, description: Reprocess March, labels: {{team: wind}}}}
spec:
  flowId: 3377
  businessDates: {{from: 2024-03-01, to: 2024-03-{last}, every: 1d}}
  matrix: {{SITE: [cn-01, cn-02]}}
  parameters: {{MODE: full}}
  stagger: 1m
"""
_REPORT = """\
apiVersion: reconciler/v1
kind: Trigger
metadata: {name: yield-report}
spec:
  flowId: 5210
  businessDate: 2024-03-31
  dependsOn: [wind-march]
  parameters: {CURRENCY: CNY, DB_PASSWORD: hunter2}
"""
_LATER = """\
apiVersion: reconciler/v1
kind: Trigger
metadata: {name: solar-later}
spec:
  flowId: 4102
  triggerTime: "2024-06-01T08:00:00+08:00"
  suspend: true
  parameters: {MODEL: "007"}
"""
_BAD = """\
apiVersion: reconciler/v1
kind: Trigger
metadata: {name: Bad Name}
spec:
  flowId: "x"
  businesDate: 2024-03-31
  parameters: {A: [1]}
"""


class Call(Struct, frozen=True, kw_only=True):
    """A command, and the file that holds what it prints."""

    file: str
    arguments: Sequence[str]


def _each(command: str, formats: Sequence[str], *more: str) -> list[Call]:
    return [
        Call(file=f"{command}.{one}", arguments=(command, *more, "--format", one))
        for one in formats
    ]


# In their order: what is bad, what a change does, what an apply does, how it all stands.
_BROKEN = _each("validate", tuple(one.value for one in ProblemFormat))
_CHANGE = [
    *_each("plan", ("text", "json", "markdown"), "--base", "origin/main"),
    Call(file="plan-refused.text", arguments=("plan", "--max-runs", "1", "--no-base")),
]
_AFTER = [
    *_each("status", ("text", "json", "markdown")),
    Call(file="status-grid.text", arguments=("status", "--grid")),
    Call(file="status-grid.markdown", arguments=("status", "--grid", "--format", "markdown")),
    Call(file="status-run.text", arguments=("status", "wind-march/2024-03-01/SITE=cn-02")),
    Call(file="explain.text", arguments=("explain", "in-doubt")),
    Call(file="unknown-run.text", arguments=("status", "wind-marsh")),
]


def outputs(folder: Path) -> Mapping[str, str]:
    """By file, what its command prints, with its exit code."""
    ends = (Status.SUCCESS, Status.FAIL, *[Status.SUCCESS] * 9)
    flows = {3377: FlowOptions(ends=ends, run_seconds=0.0)}
    clock = Clock()
    sandbox = Sandbox(SandboxOptions(flows=flows, run_seconds=0.0), clock=clock)
    with run_sandbox(sandbox) as url:
        files = {
            "reconciler.yaml": _CONFIGURATION.format(url=url),
            "triggers/report.yaml": _REPORT,
            "triggers/wind.yaml": _WIND.format(last="02"),
        }
        setting = make_setting(folder / "team", url, sandbox, files)
        printed: dict[str, str] = {}
        commit(setting.clone, {"triggers/bad.yaml": _BAD})
        printed |= _called(_BROKEN, setting)
        git(setting.clone, "reset", "--quiet", "--hard", "HEAD~1")
        change = {"triggers/wind.yaml": _WIND.format(last="03"), "triggers/later.yaml": _LATER}
        commit(setting.clone, change)
        printed |= _called(_CHANGE, setting)
        git(setting.clone, "push", "--quiet", "origin", "HEAD:main")
        chosen = ("wind-march/2024-03-01", "wind-march/2024-03-02", "wind-march/2024-03-03")
        applies = [
            Call(file=f"apply.{one}", arguments=("apply", name, "--wait", "--format", one))
            for one, name in zip(("text", "json", "markdown"), chosen, strict=True)
        ]
        for call in applies:
            clock.past_a_round_second()
            printed |= _called([call], setting)
        printed |= _called(_AFTER, setting)
    return printed


def _called(calls: Sequence[Call], setting: Setting) -> dict[str, str]:
    return {call.file: _printed(call, setting) for call in calls}


def _printed(call: Call, setting: Setting) -> str:
    done = setting.run(*call.arguments)
    check_document(call.arguments, done.stdout)
    text = "\n".join(
        (
            f"$ reconciler {' '.join(call.arguments)}",
            done.stdout.removesuffix("\n"),
            f"(exit code {done.returncode}) {_messages(done.stderr)}".rstrip(),
            "",
        )
    )
    return _alike(text, setting)


def _messages(stderr: str) -> str:
    """What is no progress: that depends on how fast things go."""
    return "\n".join(
        line for line in stderr.splitlines() if line.startswith(("error:", "note:", "  "))
    )


_ALIKE = (
    (re.compile(r"127\.0\.0\.1:\d+"), "127.0.0.1:PORT"),
    (
        re.compile(r"\b20(2[5-9]|[3-9]\d)-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)?"),
        "TIME",
    ),
    (re.compile(r"\b(17[789]|18\d)\d{10}\b"), "EPOCH_MS"),
    (re.compile(r"\b[0-9a-f]{40}\b|\b[0-9a-f]{12}\b"), "COMMIT"),
    (re.compile(r"\b[0-9a-f]{32}\b"), "NONCE"),
    (re.compile(r"[\w.-]+@[\w.-]+ pid \d+"), "WHO"),
)


def _alike(text: str, setting: Setting) -> str:
    text = text.replace(str(setting.folder), "FOLDER")
    for found, word in _ALIKE:
        text = found.sub(word, text)
    return text
