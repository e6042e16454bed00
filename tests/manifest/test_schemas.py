import json
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from reconciler.ledger import events
from reconciler.ledger.lines import encode_events
from reconciler.manifest.document import Document, read_documents
from reconciler.manifest.read import VERBATIM
from reconciler.model import Digest, EpochMs, InstanceId, Nonce, RunId
from reconciler.schema import SCHEMAS, SchemaName, load_schema, schema_text, validate
from reconciler.schema.formats import FORMATS, conforms
from reconciler.schema.phrasing import schema_findings
from tests.corpus.examples import CORPUS, source
from tests.sampling import examples

DIGEST = Digest("0f" * 32)
RUN, CLAIM, AT = RunId("wind@2"), Nonce("c0ffee"), "2024-03-02T00:00:03.120Z"
PLAN = {
    "version": 1,
    "environment": "prod",
    "commit": None,
    "digest": DIGEST,
    "summary": {"trigger": 1},
    "runs": [
        {
            "run": RUN,
            "action": "trigger",
            "reason": "starts immediately",
            "flowId": None,
            "triggerTime": 1,
            "parameters": [{"key": "A", "value": "1"}],
            "file": None,
            "line": None,
            "labels": {},
        }
    ],
    "problems": [],
}


def accepts(name: SchemaName, value: Any) -> bool:
    """What jsonschema-rs decides."""
    return _validator(name).is_valid(value)


@cache
def _validator(name: SchemaName) -> jsonschema_rs.Draft202012Validator:
    formats = {format_: conforms(format_) for format_ in FORMATS}
    return jsonschema_rs.Draft202012Validator(
        load_schema(name), formats=formats, validate_formats=True
    )


def documents(path: Path) -> Iterator[tuple[SchemaName, Document]]:
    name: SchemaName = "trigger" if path.parts[-3] == "manifests" else "config"
    verbatim = VERBATIM if name == "trigger" else frozenset()
    for document in read_documents(source(path), verbatim)[0]:
        yield name, document


FILES = sorted(CORPUS.rglob("*.yaml"))


def test_both_validators_agree_on_every_document_of_the_corpus() -> None:
    for path in FILES:
        for name, document in documents(path):
            assert accepts(name, document.value) == (not schema_findings(name, document.value)), (
                path
            )


def subvalues(value: Any) -> Iterator[Any]:
    yield value
    children = value.values() if isinstance(value, dict) else value
    if isinstance(value, dict | list):
        for child in children:
            yield from subvalues(child)


ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from([0.0, 1.0, 9007199254740991, 9007199254740992.0, 253402214399999.0, 1e300]),
    st.sampled_from(["", "a\n", "08:00\n", "24:00", "a" * 129, "\u0660", "2024-02-30", "GMT+8"]),
    st.sampled_from(
        ["2024-03-02T08:00:00+08:00", "https://a", "http://127.0.0.1", "../a", "x/.git"]
    ),
    st.sampled_from(
        ["1d", "1M", "01d", "5m\n", "0 8 * * 1-5", "0 0 30 2 *", "a/b", "a/ b", "FAIL"]
    ),
    st.lists(st.sampled_from(["FAIL", "SKIP", "wind", "Wind", "a/b", "", None]), max_size=2),
    st.just({"SITE": ["a", 1, True, None]}),
    st.just([{"SITE": "a"}, {}]),
    st.just({"from": "2024-03-01", "to": "2024-03-02", "every": "1d"}),
    st.just({"from": 1, "to": "2024-03-02T00:00:00Z", "cron": "* * * * *", "every": "1d"}),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=8),
    st.lists(st.integers(), max_size=2),
    st.dictionaries(st.sampled_from(["name", "flowId", "at", "triggerTime", ""]), st.integers()),
)
VALID: list[tuple[SchemaName, Any]] = [
    *(
        (name, document.value)
        for path in FILES
        if path.stem == "everything"
        for name, document in documents(path)
    ),
    ("plan", PLAN),
    ("ledger", {"v": 1, "event": "observed", "at": AT, "run": RUN, "status": 1}),
]


@given(st.sampled_from(VALID), st.data())
@examples(500)
def test_both_validators_agree_on_documents_with_an_odd_value_somewhere(
    valid: tuple[SchemaName, Any], data: st.DataObject
) -> None:
    name, value = valid[0], json.loads(json.dumps(valid[1]))
    containers = [one for one in subvalues(value) if isinstance(one, dict) and one]
    where = data.draw(st.sampled_from(containers))
    key = data.draw(st.sampled_from([*where, "extra", "Extra\n", ""]))
    where[key] = data.draw(ODD)
    assert accepts(name, value) == (not schema_findings(name, value))


@pytest.mark.parametrize("name", SCHEMAS)
def test_a_schema_is_valid_and_says_which_draft_it_is(name: SchemaName) -> None:
    schema = load_schema(name)
    Draft202012Validator.check_schema(schema)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema["$id"].endswith(f"/{name}.schema.json")


def properties(schema: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every property that a schema describes; conditions (`if`) describe none."""
    if isinstance(schema, list):
        for item in schema:
            yield from properties(item)
    if not isinstance(schema, dict):
        return
    yield from schema.get("properties", {}).items()
    for keyword, part in schema.items():
        if keyword == "properties":
            yield from properties(list(part.values()))
        elif keyword == "$defs":
            yield from properties([one for key, one in part.items() if not key.startswith("is-")])
        elif keyword not in {"examples", "default", "if"}:
            yield from properties(part)


@pytest.mark.parametrize("name", SCHEMAS)
def test_every_field_is_described_and_has_examples_that_are_valid(name: SchemaName) -> None:
    schema = load_schema(name)
    found = list(properties(schema))
    assert found
    for field, part in found:
        assert part.get("description", "").endswith("."), field
        assert part.get("examples"), field
        whole = {**part, "$defs": schema["$defs"]}
        formats = {format_: conforms(format_) for format_ in FORMATS}
        validator = jsonschema_rs.Draft202012Validator(
            whole, formats=formats, validate_formats=True
        )
        for value in (*part["examples"], *([part["default"]] if "default" in part else [])):
            assert validator.is_valid(value), (field, value)


def keywords(schema: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(schema, dict):
        for keyword, part in schema.items():
            yield keyword, part
            if keyword not in {"examples", "default"}:
                yield from keywords(part)
    elif isinstance(schema, list):
        for part in schema:
            yield from keywords(part)


@pytest.mark.parametrize("name", SCHEMAS)
def test_the_schemas_use_only_limits_and_formats_that_have_words(name: SchemaName) -> None:
    for keyword, value in keywords(load_schema(name)):
        if keyword in {"minLength", "minProperties", "minItems"}:
            assert value == 1
        if keyword == "format" and isinstance(value, str):  # else a field of that name
            assert value in FORMATS
        assert keyword not in {"multipleOf", "exclusiveMaximum", "maxItems", "not", "anyOf"}


def test_the_program_validates_with_the_files_in_the_repository() -> None:
    root = Path(__file__).parents[2]
    for name in SCHEMAS:
        file = root / "schemas" / f"{name}.schema.json"
        assert file.read_text(encoding="utf-8") == schema_text(name)


LEDGER: list[events.Event] = [
    events.Claim(
        v=1,
        at=AT,
        claim=CLAIM,
        by="ana",
        until=AT,
        commit="abc",
        runs={RUN: events.ClaimedRun(digest=DIGEST, trigger_time=EpochMs(1), flow_id=7)},
    ),
    events.Claim(
        v=1,
        at=AT,
        claim=CLAIM,
        by="ana",
        until=AT,
        commit="abc",
        runs={RUN: events.ClaimedRun(digest=DIGEST, trigger_time=EpochMs(1), flow_id=7)},
        service=events.Service(org_id="o1", gateway="https://a.test", user_id="u1"),
        correlation="RUN",
        before=(events.Seen(id=InstanceId("7-1"), created=EpochMs(1)),),
        looked_at=AT,
        tzdata="2026.6",
    ),
    events.Triggered(
        v=1,
        at=AT,
        run=RUN,
        claim=CLAIM,
        digest=DIGEST,
        flow_id=7,
        trigger_time=EpochMs(1),
        flow_instance_id=InstanceId("7-1"),
        evidence={"found": 1},
        inferred=True,
    ),
    events.Rejected(v=1, at=AT, run=RUN, claim=CLAIM, code=62103, message="no"),
    events.Unknown(v=1, at=AT, run=RUN, claim=CLAIM, seen="timeout"),
    events.Absent(v=1, at=AT, run=RUN, claim=CLAIM, evidence={"notStarted": "x"}),
    events.Observed(v=1, at=AT, run=RUN, status=1),
    events.Resolved(v=1, at=AT, run=RUN, by="ana", triggered=InstanceId("7-1")),
    events.Resolved(v=1, at=AT, run=RUN, by="ana", triggered=None, reason="looked"),
    events.Resolved(v=1, at=AT, run=RUN, by="ana", triggered=None, evidence={"forced": True}),
    events.Adopted(
        v=2,
        at=AT,
        run=RUN,
        claim=CLAIM,
        by="ana",
        commit="abc",
        digest=DIGEST,
        flow_id=7,
        trigger_time=EpochMs(1),
        stagger=60_000,
        flow_instance_id=InstanceId("7-1"),
        service=events.Service(org_id="o1", gateway="https://a.test", user_id="u1"),
        reason="started in the console",
        evidence={"id": "7-1"},
    ),
]


@pytest.mark.parametrize("event", LEDGER, ids=lambda event: type(event).__name__)
def test_a_ledger_line_conforms_and_each_required_field_is_needed(event: events.Event) -> None:
    line = json.loads(encode_events([event]))
    assert not validate("ledger", line)
    assert not validate("ledger", {**line, "more": "fields may stand beside"})
    optional = {"evidence", "reason", "inferred"}
    optional |= {"service", "correlation", "before", "lookedAt", "tzdata"}
    optional |= {"claim"} if line["event"] == "triggered" else set()
    if line["event"] == "adopted":
        optional = {"evidence", "reason", "stagger"}
    if line["event"] == "absent":
        optional.remove("evidence")
    for name in line.keys() - optional:
        assert validate("ledger", {key: line[key] for key in line if key != name}), name


def test_a_plan_of_one_or_several_environments_conforms() -> None:
    assert not validate("plan", PLAN)
    assert not validate("plan", {"version": 1, "environments": [PLAN, PLAN]})
    assert validate("plan", {"version": 1})
    assert validate("plan", {"version": 1, "environments": [{}]})
    wrong = {**PLAN, "summary": {"triggers": 1}}
    assert [finding.pointer for finding in validate("plan", wrong)] == ["/summary/triggers"]


def test_a_value_that_only_jsonschema_rs_refuses_is_not_let_through(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("reconciler.schema.phrasing.schema_findings", lambda *_: ())
    (finding,) = validate("trigger", {})
    assert finding.code == "schema"


def test_text_that_utf8_cannot_hold_is_judged_all_the_same() -> None:
    line = {"v": 1, "event": "observed", "at": AT, "run": RUN, "status": 1}
    assert not validate("ledger", {**line, "run": "\ud800"})
    findings = validate("ledger", {**line, "at": "\ud800"})
    assert [(finding.pointer, finding.code) for finding in findings] == [("/at", "format")]


def test_jsonschema_is_not_imported_for_valid_documents() -> None:
    example = CORPUS / "manifests/valid/everything.yaml"
    program = (
        "import sys, datetime, pathlib\n"
        "from reconciler.manifest import read_file\n"
        "from reconciler.model import Source\n"
        "content = pathlib.Path(sys.argv[1]).read_bytes()\n"
        "result = read_file(Source(path='a.yaml', content=content), datetime.UTC)\n"
        "print(len(result.runs), 'jsonschema_rs' in sys.modules, 'jsonschema' in sys.modules)\n"
    )
    command = [sys.executable, "-c", program, str(example)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.split() == ["1", "True", "False"]


@pytest.mark.parametrize(
    ("field", "value", "is_right"),
    [
        ("cron", "0 8 * * 1-5", True),
        ("cron", " 0\t8 * *  * ", True),
        ("cron", "0 0 8 * * *", False),
        ("cron", "@daily", False),
        ("businessDate", "2024-03-01", True),
        ("businessDate", "2024-3-1", False),
        ("businessDate", 20240301, False),
    ],
)
def test_an_editor_knows_a_cron_expression_and_an_excluded_date_as_validate_does(
    field: str, value: object, *, is_right: bool
) -> None:
    rhythm = {"cron": value} if field == "cron" else {"every": "1d"}
    dates = {"from": "2024-03-01", "to": "2024-03-02", **rhythm}
    exclude = [] if field == "cron" else [{"businessDate": value}]
    manifest = {
        "apiVersion": "reconciler/v1",
        "kind": "Backfill",
        "metadata": {"name": "a"},
        "spec": {"flowId": 1, "businessDates": dates, "matrix": {"A": ["b"]}, "exclude": exclude},
    }
    known = {"date": conforms("date"), "date-time": conforms("date-time")}  # as editors have them
    editor = jsonschema_rs.Draft202012Validator(
        load_schema("trigger"), formats=known, ignore_unknown_formats=True, validate_formats=True
    )
    assert editor.is_valid(manifest) == is_right
    assert accepts("trigger", manifest) == is_right
