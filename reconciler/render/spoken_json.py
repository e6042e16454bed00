"""What a person has said of runs, and what `import` found, for scripts."""

from collections.abc import Mapping, Sequence
from typing import Any

from reconciler.apply.importing import Matched
from reconciler.ledger import Record
from reconciler.model import InstanceId
from reconciler.render.document import json_document


def resolved_json(environment: str, records: Sequence[Record], reason: str) -> str:
    """The JSON document of `resolve --format json`: each run as it is recorded now."""
    runs = [_resolved(record) for record in records]
    return json_document(
        {"version": 1, "environment": environment, "reason": reason or None, "runs": runs}
    )


def _resolved(record: Record) -> dict[str, Any]:
    start = record.starts[0] if record.starts else None
    return {
        "run": record.run,
        "state": record.state(record.until).value,
        "flowInstanceId": start.instance if start else None,
        "adopted": start is not None and start.by_hand,
    }


def imported_json(
    environment: str,
    found: Matched,
    rest: Mapping[InstanceId, tuple[str | None, str | None]],
    *,
    recorded: bool,
) -> str:
    """The JSON document of `import --format json`.

    `rest`: of each instance that is of no run here, the file that was written, and why none was.
    `recorded`: whether what is listed as adopted is on the branch now, or only would be.
    """
    return json_document(
        {
            "version": 1,
            "environment": environment,
            "recorded": recorded,
            "adopted": [{"run": run.id, "flowInstanceId": one.id} for run, one in found.adopted],
            "left": [{"run": run, "reason": why} for run, why in found.unclear],
            "rest": [
                {"flowInstanceId": id_, "file": file, "reason": why}
                for id_, (file, why) in rest.items()
            ],
        }
    )
