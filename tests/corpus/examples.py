"""What the reader makes of an example, as text to compare with the file beside it."""

import json
from functools import cache
from pathlib import Path
from typing import Any

from reconciler.configuration import InvalidConfigurationError, parse_configuration
from reconciler.manifest import combine, read_file
from reconciler.model import Problem, Run, Source
from reconciler.times import format_instant, parse_zone

CORPUS = Path(__file__).parent
ZONE = parse_zone("GMT+8")
# Each takes a second to read: what they say is more than a document may say.
SLOW = {"alias-flood.yaml", "alias-of-another-document.yaml", "backfill-too-many.yaml"}


def examples(folder: str) -> list[Path]:
    """The examples in a folder of the corpus."""
    return sorted((CORPUS / folder).glob("*.yaml"))


def quick_examples(folder: str) -> list[Path]:
    """Those of them that are read in no time."""
    return [path for path in examples(folder) if path.name not in SLOW]


def source(path: Path) -> Source:
    """The example as its file's content, known by its bare name."""
    return Source(path=path.name, content=path.read_bytes())


@cache
def problems(path: Path) -> tuple[Problem, ...]:
    """What is wrong with the example."""
    if path.parent.parent.name == "manifests":
        return combine([read_file(source(path), ZONE)]).problems
    try:
        parse_configuration(source(path))
    except InvalidConfigurationError as error:
        return error.problems
    return ()


def report(path: Path) -> str:
    """The problems as users see them."""
    return "".join(f"{problem}\n" for problem in problems(path))


def runs(path: Path) -> str:
    """The runs that a valid manifest declares, as JSON."""
    declared = combine([read_file(source(path), ZONE)])
    listed = [_shown(run) for run in declared.runs]
    return json.dumps(listed, indent=2, ensure_ascii=False) + "\n"


def _shown(run: Run) -> dict[str, Any]:
    optional = {
        "labels": dict(run.labels),
        "description": run.description,
        "suspend": run.suspend,
        "notAfter": None if run.not_after is None else format_instant(run.not_after),
        "duplicateOf": run.duplicate_of,
        "dependsOn": run.depends_on,
        "match": {name: one.keys for one in run.matching for name in one.names},
        "after": run.after,
        "maxActive": run.max_active,
        "stopAfter": run.stop_after,
        "retry": run.retry and {"max": run.retry.max, "on": sorted(run.retry.on)},
        "cancel": run.cancel,
        "stagger": run.stagger and f"{run.stagger.step // 60_000}m",
        "before": run.stagger and format_instant(run.stagger.before),
        "sequence": None if run.sequence is None else format_instant(run.sequence),
    }
    return {
        "run": run.id,
        "place": str(run.place),
        "flowId": run.flow_id,
        "triggerTime": format_instant(run.trigger_time),
        "parameters": dict(run.parameters),
        **{name: value for name, value in optional.items() if value},
        "digest": run.digest,
        "places": {pointer: str(run.place_of(pointer)) for pointer in run.marks if pointer},
    }
