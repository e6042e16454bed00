"""Repositories of any size, the same at every call."""

import datetime as dt
import random
from pathlib import Path

CONFIGURATION = """\
version: 1
environments:
  bench:
    manifests: triggers
    state: state/bench
    gateway:
      url: {url}
      orgId: o15504745674071
      userId: u16418031372711526
      timezone: GMT+8
    limits:
      maxRunsPerApply: 1000000
      concurrency: {concurrency}
"""
_START = dt.datetime(2024, 1, 1)  # noqa: DTZ001 - written with its offset below
_PER_FOLDER = 50


def write_repository(
    root: Path, files: int, *, url: str = "http://127.0.0.1:9", concurrency: int = 8
) -> None:
    """Write a configuration and so many manifests of one run and one flow each."""
    rng = random.Random(7)  # noqa: S311 - the same at every call
    root.mkdir(parents=True, exist_ok=True)
    (root / "reconciler.yaml").write_text(
        CONFIGURATION.format(url=url, concurrency=concurrency), encoding="utf-8"
    )
    for index in range(files):
        path = root / "triggers" / f"b{index // _PER_FOLDER:04d}" / f"run-{index:07d}.yaml"
        if index % _PER_FOLDER == 0:
            path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(_manifest(index, rng), encoding="utf-8")


def _manifest(index: int, rng: random.Random) -> str:
    when = _START + dt.timedelta(minutes=index)
    return f"""\
# yaml-language-server: $schema=../../schemas/trigger.schema.json
apiVersion: reconciler/v1
kind: Trigger
metadata:
  name: run-{index:07d}
  labels:
    team: wind
    site: cn-{index % 40:02d}
spec:
  flowId: {index + 1}
  triggerTime: "{when.isoformat()}+08:00"
  parameters:
    SITE: cn-{index % 40:02d}
    BATCH_SIZE: "{rng.randrange(10, 5000)}"
    MODE: full
    CAL_DT: "${{cal_dt}}"
"""
