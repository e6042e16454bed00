"""The ceiling over all manifests together, before memory is spent."""

from collections.abc import Mapping
from datetime import UTC

import pytest

from reconciler.configuration import Configuration, Environment, parse_configuration
from reconciler.expansion import Bounds
from reconciler.manifest import FileResult, read_file
from reconciler.model import Declared, Digest, EpochMs, Parameters, Source, run_digest
from reconciler.repository.declaring import Ceiling, TooManyRunsError, read_bounded, read_service

HEAD = "apiVersion: reconciler/v1\nkind: Backfill\n"


def days(name: str, to: str, more: str = "") -> str:
    """A backfill from the first of March on."""
    dates = f"{{from: 2024-03-01, to: {to}, every: 1d}}"
    return f"{HEAD}metadata: {{name: {name}}}\nspec: {{flowId: 1, businessDates: {dates}{more}}}\n"


NOW = EpochMs(1709337600000)


def files(*texts: str) -> list[Source]:
    return [
        Source(path=f"t/{index}.yaml", content=text.encode()) for index, text in enumerate(texts)
    ]


def read(source: Source, bounds: Bounds) -> FileResult:
    return read_file(source, UTC, bounds)


def ceiling(most: int, *, of_a_backfill: int = 10_000) -> Ceiling:
    return Ceiling(environment="test", bounds=Bounds(backfill=of_a_backfill, left=most))


def message(*texts: str, most: int, of_a_backfill: int = 10_000) -> str:
    with pytest.raises(TooManyRunsError) as caught:
        read_bounded(
            files(*texts),
            read,
            ceiling=ceiling(most, of_a_backfill=of_a_backfill),
        )
    return str(caught.value)


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """What runs of backfills are made: a trigger time for each."""
    times: list[int] = []

    def counted(flow: int, time: EpochMs, parameters: Parameters) -> Digest:
        times.append(time)
        return run_digest(flow, time, parameters)

    monkeypatch.setattr("reconciler.expansion.backfill.run_digest", counted)
    return times


def test_no_run_is_made_of_a_manifest_that_passes_the_ceiling(made: list[int]) -> None:
    said = message(days("x", "9000-01-01"), most=20, of_a_backfill=1_000_000)
    assert said.startswith(
        "t/0.yaml:1:1: too-many-runs: with this manifest environment test declares at least 21 runs"
    )
    assert made == []


def test_what_fits_exactly_is_read() -> None:
    texts = (days("x", "2024-03-10"), days("y", "2024-03-10"))
    declared = read_bounded(files(*texts), read, ceiling=ceiling(20))
    assert len(declared.runs) == 20


@pytest.mark.parametrize("separator", ["---\n", None])
def test_documents_and_files_count_together(made: list[int], separator: str | None) -> None:
    texts = [days(name, "2024-03-10") for name in "wxyz"]
    said = message(*([separator.join(texts)] if separator else texts), most=25)
    assert ("t/0.yaml:11:1" if separator else "t/2.yaml:1:1") in said
    assert ("Not read: 1 more of its files." in said) is (separator is None)
    assert len(made) == 20


def test_a_trigger_too_many_passes_it_as_well() -> None:
    trigger = HEAD.replace("Backfill", "Trigger") + "metadata: {name: t}\n"
    trigger += "spec: {flowId: 1, triggerTime: 1, parameters: {}}\n"
    assert "at least 11 runs" in message(days("x", "2024-03-10"), trigger, most=10)


def test_backfills_that_are_refused_count_as_far_as_they_were_counted(made: list[int]) -> None:
    """Else each of them would cost its time again, and a short file could hold a thousand."""
    texts = [days(f"x-{number}", "2025-03-01") for number in range(20)]
    said = message("---\n".join(texts), most=100, of_a_backfill=20)
    assert "t/0.yaml:21:1" in said
    assert made == []


def test_what_is_excluded_is_counted_for_it_was_looked_at() -> None:
    kept = ', exclude: [{businessDate: "2024-03-01"}]'
    assert "at least 11 runs" in message(days("x", "2024-03-11", kept), most=10)


ENVIRONMENT = """  {name}:
    manifests: m/{name}
    state: s/{name}
    gateway: {{url: "http://127.0.0.1:1", orgId: {org}, userId: u, timezone: GMT+8}}
    limits: {{maxRuns: {most}}}
"""


def configured(**environments: tuple[str, int]) -> Configuration:
    text = "version: 1\nenvironments:\n" + "".join(
        ENVIRONMENT.format(name=name, org=org, most=most)
        for name, (org, most) in environments.items()
    )
    return parse_configuration(Source(path="reconciler.yaml", content=text.encode()))


def read_for(
    configuration: Configuration, name: str, texts: Mapping[str, str]
) -> tuple[dict[str, int], list[str]]:
    """How many runs each environment of that one's service declares, and who was read."""
    asked: list[str] = []

    def read_one(environment: Environment, limit: Ceiling) -> Declared:
        asked.append(environment.name)
        return read_bounded(files(texts[environment.name]), read, ceiling=limit)

    found = read_service(configuration, configuration.environments[name], read_one, now=NOW)
    return {one: len(declared.runs) for one, declared in found.items()}, asked


TEN = {name: days(name, "2024-03-10") for name in "abc"}


def test_environments_of_one_service_share_the_largest_ceiling() -> None:
    configuration = configured(a=("o1", 10), b=("o1", 20), c=("o2", 10))
    assert read_for(configuration, "b", TEN) == ({"a": 10, "b": 10}, ["a", "b"])
    assert read_for(configuration, "c", TEN) == ({"c": 10}, ["c"])


@pytest.mark.parametrize("name", ["a", "b", "c"])
def test_more_than_that_is_one_problem_whichever_of_them_is_asked_for(name: str) -> None:
    configuration = configured(a=("o1", 15), b=("o1", 15), c=("o1", 15))
    with pytest.raises(TooManyRunsError) as caught:
        read_for(configuration, name, TEN)
    assert "the environments a, b, which share a service, declare at least 16 runs" in str(
        caught.value
    )
    assert "more than the 15 that the largest limits.maxRuns of that service allows" in str(
        caught.value
    )
    assert "Not read: environment c." in str(caught.value)


def test_an_environment_that_passes_its_own_ceiling_is_named_alone() -> None:
    configuration = configured(a=("o1", 100), b=("o1", 5), c=("o1", 100))
    with pytest.raises(TooManyRunsError, match="environment b declares at least 6 runs"):
        read_for(configuration, "a", TEN)
