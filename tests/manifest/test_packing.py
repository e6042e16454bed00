"""What one process reads, another has as if it had read it itself."""

import msgspec
import pytest

from reconciler.expansion import Bounds
from reconciler.manifest import FileResult, read_file
from reconciler.manifest.packing import UnpackError, pack, unpack
from reconciler.model import Digest, EpochMs, Place, Problem, Run, Source, Terms
from reconciler.times import parse_zone
from tests.corpus.examples import ZONE, examples, source

EXAMPLES = [*examples("manifests/valid"), *examples("manifests/invalid")]


def through_bytes(result: FileResult) -> FileResult | None:
    return next(unpack(pack([result])), None)


def test_what_an_example_declares_is_the_same_after_it_was_packed() -> None:
    for path in EXAMPLES:
        result = read_file(source(path), ZONE)
        is_of_a_backfill = any("/" in run.name for run in result.runs)
        found = through_bytes(result)
        assert found == result or (found is None and (is_of_a_backfill or result.notes)), path


def test_what_cannot_be_packed_is_left_to_be_read_anew() -> None:
    result = read_file(source(EXAMPLES[0]), ZONE)
    note = Problem(place=Place(file=result.file), code="past", message="is past")
    assert through_bytes(result.but(notes=(note,))) is None


def test_a_run_with_every_field_that_a_trigger_has_is_the_same_after_it_was_packed() -> None:
    text = """\
apiVersion: reconciler/v1
kind: Trigger
metadata: {name: wind, labels: {team: wind}, description: After the outage}
spec:
  flowId: 3377
  businessDate: 2024-03-01
  at: "08:00"
  parameters: {SITE: cn-01, API_TOKEN: abc, OWN: x}
  sensitive: [OWN]
  revision: 2
  suspend: true
  notAfter: "2034-03-05T00:00:00+08:00"
  duplicateOf: other
  formerly: [old, older]
  dependsOn: [sun, {name: moon, match: [businessDate, SITE]}]
  retry: {max: 2, on: [FAIL]}
  again: true
"""
    bounds = Bounds(sensitive=("*TOKEN",))
    result = read_file(
        Source(path="t/wind.yaml", content=text.encode()), parse_zone("GMT+8"), bounds
    )
    assert not result.problems
    (run,) = result.runs
    found = through_bytes(result)
    assert found is not None
    assert found == result
    assert type(found.runs[0].parameters) is tuple
    assert run.matching
    assert run.retry
    assert run.sensitive == {"API_TOKEN", "OWN"}


_UNPACKED = {
    *("after", "max_active", "stop_after", "stagger", "sequence", "times"),  # a backfill's
    *("delay", "attempt", "declared_as"),  # which no file says
    *("file", "marks", "terms", "retry", "matching", "sensitive"),  # that the test above has
}
_PACKED = [bool, int, str, EpochMs, Digest, str | None, EpochMs | None, tuple[str, ...]]
_OTHER: dict[type, object] = {bool: True, int: 7, str: "x", tuple: ("a", "b"), type(None): "x"}


def test_a_field_that_is_new_is_packed_as_well() -> None:
    """One that is no text, number or tuple of them needs a line in `packing`, and a test."""
    result = read_file(source(next(one for one in EXAMPLES if one.stem == "business-date")), ZONE)
    run = result.runs[0]
    special: dict[str, object] = {"parameters": (("K", "v"),), "labels": {"team": "wind"}}
    for field in (*msgspec.structs.fields(Run), *msgspec.structs.fields(Terms)):
        if field.name in _UNPACKED:
            continue
        assert field.name in special or field.type in _PACKED, field.name
        kind = int if field.type == EpochMs | None else type(getattr(run, field.name))
        value = special.get(field.name) or _OTHER[kind]
        changed = result.but(runs=(run.but(**{field.name: value}),))
        assert through_bytes(changed) == changed, field.name


def test_runs_share_what_they_have_in_common_after_they_were_packed() -> None:
    text = (
        "apiVersion: reconciler/v1\nkind: Trigger\nmetadata: {{name: run-{}}}\nspec:\n  flowId: 1\n"
    )
    text += '  triggerTime: "2024-03-01T00:00:00Z"\n  parameters: {{SITE: cn-01, NUMBER: {}}}\n'
    results = [
        read_file(
            Source(path=f"t/{number}.yaml", content=text.format(number, number).encode()), ZONE
        )
        for number in range(2)
    ]
    found = list(unpack(pack(results)))
    assert found == results
    one, two = (result.runs[0] for result in found)
    assert one.marks is two.marks
    assert one.terms is two.terms
    assert one.parameters[0] is two.parameters[0]


@pytest.mark.parametrize("name", ["", "one/2024-03-01", "one@2", "one#2"])
def test_what_is_packed_under_a_name_that_no_trigger_has_is_not_believed(name: str) -> None:
    """As a cache may hold that was written by something else."""
    result = read_file(source(next(one for one in EXAMPLES if one.stem == "business-date")), ZONE)
    packed = pack([result])
    usual = msgspec.msgpack.encode(result.runs[0].name)
    assert packed.count(usual) == 1
    with pytest.raises(UnpackError):
        list(unpack(packed.replace(usual, msgspec.msgpack.encode(name))))


def test_what_is_packed_without_the_place_of_its_document_is_not_believed() -> None:
    result = read_file(source(next(one for one in EXAMPLES if one.stem == "business-date")), ZONE)
    unplaced = result.but(runs=(result.runs[0].but(marks={"/spec/flowId": (3, 3)}),))
    with pytest.raises(UnpackError):
        list(unpack(pack([unplaced])))
