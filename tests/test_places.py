"""Where the problems of the rules stand: at the value that their pointer names."""

from collections.abc import Sequence
from datetime import timedelta, timezone

from reconciler.configuration import parse_configuration
from reconciler.identity import Book, surroundings
from reconciler.ledger import Ledger
from reconciler.ledger.events import Service
from reconciler.ledger.lines import encode_events
from reconciler.manifest import read_file
from reconciler.model import Problem, Run, Source
from reconciler.repository.books import naming_of
from reconciler.rules import check
from tests.building import a_claim, a_ledger, a_run, a_triggered, an_unknown, declared

MIDNIGHT = '"2024-03-02T00:00:00+08:00"'
TIMES = f"  triggerTimes: {{from: {MIDNIGHT}, to: {MIDNIGHT}, every: 1h}}\n"
DATES = "  businessDates: {from: 2024-03-01, to: 2024-03-01, every: 1d}\n"
ZONE = timezone(timedelta(hours=8))
CONFIGURED = """version: 1
environments:
  prod:
    manifests: t
    state: s
    gateway: {url: "http://127.0.0.1", orgId: o1, userId: u, timezone: GMT+8}
retired:
  - one
  - other
"""


def manifest(spec: str, name: str = "a", kind: str = "Trigger") -> str:
    return (
        f"apiVersion: reconciler/v1\nkind: {kind}\nmetadata:\n  name: {name}\nspec:\n"
        f"  flowId: 3377\n{spec}"
    )


def problems(*texts: str, ledger: Ledger | None = None) -> Sequence[Problem]:
    found: list[Run] = []
    for number, text in enumerate(texts):
        result = read_file(Source(path=f"{number}.yaml", content=text.encode()), ZONE)
        assert not result.problems
        found += result.runs
    checked = check(
        declared(*found),
        a_ledger() if ledger is None else ledger,
        same_minute_allowed=False,
        reserved_parameter="R/R",
    )
    return checked.problems


def placed(*texts: str, ledger: Ledger | None = None) -> list[str]:
    return [f"{one.place} {one.code} {one.pointer}" for one in problems(*texts, ledger=ledger)]


def test_a_collision_points_at_the_field_that_the_time_comes_from() -> None:
    texts = (
        manifest('  triggerTime: "2024-03-02T00:00:00+08:00"\n  parameters: {}\n', "a"),
        manifest("  parameters: {A: b}\n  businessDate: 2024-03-01\n", "b"),
        manifest(
            DATES + "  parameters: {A: c}\n",
            "c",
            "Backfill",
        ),
        manifest(
            TIMES + "  parameters: {A: d}\n",
            "d",
            "Backfill",
        ),
    )
    assert placed(*texts) == [
        "0.yaml:7:16 collision /spec/triggerTime",
        "1.yaml:8:17 collision /spec/businessDate",
        "2.yaml:7:18 collision /spec/businessDates",
        "3.yaml:7:17 collision /spec/triggerTimes",
    ]
    assert "a (0.yaml:7:16)" in problems(*texts)[1].message


def test_a_reserved_parameter_is_shown_where_it_stands() -> None:
    own = manifest("  businessDate: 2024-03-01\n  parameters:\n    R/R: x\n")
    assert placed(own) == ["0.yaml:9:5 reserved /spec/parameters/R~1R"]
    matrix = DATES + "  parameters: {A: x}\n  matrix: {R/R: [x]}\n"
    (found,) = problems(manifest(matrix, kind="Backfill"))
    assert (found.pointer, str(found.place)) == ("/spec/matrix/R~1R", "0.yaml:9:11")
    assert found.message.startswith("spec.matrix.R/R: is gateway.correlationParameter")


def test_a_changed_run_and_an_earlier_revision_stand_at_what_the_manifest_has() -> None:
    text = manifest("  businessDate: 2024-03-01\n  parameters: {}\n")
    recorded = a_run("a", flow_id=1)
    first = a_ledger(a_claim(recorded), a_triggered(recorded, "i"))
    assert placed(text, ledger=first) == ["0.yaml:6:3 changed /spec"]
    later = a_run("a", revision=2)
    second = a_ledger(a_claim(later), a_triggered(later, "i"))
    assert "0.yaml:6:3 changed /spec/revision" in placed(text, ledger=second)
    assert "0.yaml:9:13 changed /spec/revision" in placed(f"{text}  revision: 1\n", ledger=second)


def test_runs_that_a_problem_names_are_not_counted_among_more() -> None:
    spec = TIMES + "  matrix: {A: [%s]}\n  parameters: {}\n"
    two, three = (
        problems(manifest(spec % values, kind="Backfill")) for values in ("x, y", "x, y, z")
    )
    assert [("more of the runs" in one.message) for one in two] == [False]
    assert [one.message.endswith("(and 1 more of the runs of a)") for one in three] == [True]


def test_an_environment_of_another_organisation_is_shown_at_its_organisation() -> None:
    configuration = parse_configuration(Source(path="reconciler.yaml", content=CONFIGURED.encode()))
    service = Service(org_id="o2", gateway="http://127.0.0.1", user_id="u")
    own = Book(folder="s", ledger=a_ledger(a_claim(a_run(), service=service)), files={})
    (found,) = surroundings(configuration.environments["prod"], [own], {}, own="s").problems
    assert str(found.place) == "reconciler.yaml:6:47"
    assert found.pointer == "/environments/prod/gateway/orgId"


def test_a_retired_ledger_in_doubt_is_shown_where_it_is_listed() -> None:
    configuration = parse_configuration(Source(path="reconciler.yaml", content=CONFIGURED.encode()))
    content = encode_events([a_claim(a_run()), an_unknown(a_run())])
    naming = naming_of("", configuration, {})
    book = naming.book("other", {"ledger.jsonl": content})
    assert book is not None
    environment = configuration.environments["prod"]
    (found,) = surroundings(environment, [book], {}, own="s").problems
    assert (found.code, found.pointer) == ("unsettled", "/retired/1")
    assert str(found.place) == "reconciler.yaml:9:5"
