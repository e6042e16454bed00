"""Many files are read by several processes, and nobody can tell by what is found."""

import os
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from datetime import UTC
from pathlib import Path

import pytest

from reconciler.cli.main import run
from reconciler.errors import ReconcilerError
from reconciler.expansion import Bounds
from reconciler.manifest import CrowdedError, FileResult, read_file
from reconciler.model import Declared, Source
from reconciler.repository import division, together
from reconciler.repository.declaring import Ceiling, TooManyRunsError, read_bounded
from tests.corpus.examples import ZONE, examples
from tests.sampling import sampled

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="on other systems one process reads everything"
)
BOUNDS = Bounds()
ME = os.getpid()


def of_the_corpus() -> list[Source]:
    paths = [*examples("manifests/valid"), *examples("manifests/invalid")]
    small = [path for path in paths if path.stat().st_size < 20_000]
    return [
        Source(path=f"t/{number:05d}.yaml", content=path.read_bytes())
        for number, path in enumerate(small)
    ]


def of_one_run_each(count: int) -> list[Source]:
    text = (
        "apiVersion: reconciler/v1\nkind: Trigger\nmetadata: {{name: run-{}}}\nspec:\n  flowId: 1\n"
    )
    text += '  triggerTime: "2024-03-01T00:00:00Z"\n  parameters: {{NUMBER: {}}}\n'
    return [
        Source(path=f"t/{number:05d}.yaml", content=text.format(number, number).encode())
        for number in range(count)
    ]


@pytest.fixture(autouse=True)
def _three_processors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threading, "active_count", lambda: 1)  # pytest's own do no harm
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 2})
    monkeypatch.setattr(together, "LEAST_BYTES", 2_000)


@pytest.fixture
def _others_read_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave everything to the other processes, which may otherwise come too late for any of it."""
    monkeypatch.setattr(division.Division, "_read_own", lambda *_: None)


def read_all(sources: Sequence[Source], bounds: Bounds = BOUNDS) -> list[FileResult]:
    read = together.reader(sources, ZONE, bounds)
    return [read(source, bounds) for source in sources]


def has_no_child() -> bool:
    try:
        os.waitpid(-1, os.WNOHANG)
    except ChildProcessError:
        return True
    return False


def in_others(does: Callable[[], None]) -> Callable[..., FileResult]:
    """`read_file`, before which a process other than this one does something."""

    def read(source: Source, _: object, bounds: Bounds) -> FileResult:
        if os.getpid() != ME:
            does()
        return read_file(source, ZONE, bounds)

    return read


@pytest.mark.long  # the whole corpus; ceilings and hand-overs stay
def test_every_example_gives_the_same_as_when_one_process_reads_it() -> None:
    sources = of_the_corpus()
    assert len(sources) > 100
    assert read_all(sources) == [read_file(source, ZONE, BOUNDS) for source in sources]
    assert has_no_child()


@pytest.mark.usefixtures("_others_read_all")
def test_what_others_have_read_is_not_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    sources = of_one_run_each(300)
    read = together.reader(sources, ZONE, BOUNDS)
    expected = [read_file(source, ZONE, BOUNDS) for source in sources]
    monkeypatch.setattr(together, "read_file", None)
    assert [read(source, BOUNDS) for source in sources] == expected


@pytest.mark.usefixtures("_others_read_all")
def test_a_python_that_cannot_ask_for_memory_has_processes_write_to_a_file(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One that was built for old systems, as those are that uv and conda bring."""
    monkeypatch.delattr(os, "memfd_create", raising=False)
    sources = of_one_run_each(300)
    read = together.reader(sources, ZONE, BOUNDS)
    expected = [read_file(source, ZONE, BOUNDS) for source in sources]
    monkeypatch.setattr(together, "read_file", None)
    assert [read(source, BOUNDS) for source in sources] == expected


def test_without_room_for_a_file_this_process_reads_all(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delattr(os, "memfd_create", raising=False)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "nowhere"))
    sources = of_one_run_each(300)
    assert read_all(sources) == [read_file(source, ZONE, BOUNDS) for source in sources]


def test_for_few_files_no_process_is_started(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(together, "LEAST_BYTES", 200_000)
    monkeypatch.setattr(os, "fork", None)
    sources = of_one_run_each(100)
    assert len(read_all(sources)) == 100


@pytest.mark.usefixtures("_others_read_all")
def test_a_killed_process_is_told_of_and_none_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    killed = in_others(lambda: os.kill(os.getpid(), signal.SIGKILL))
    monkeypatch.setattr(together, "read_file", killed)
    with pytest.raises(ReconcilerError, match="was ended by SIGKILL"):
        read_all(of_one_run_each(300))
    assert has_no_child()


@pytest.mark.usefixtures("_others_read_all")
def test_what_a_process_failed_at_is_read_here(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise MemoryError

    monkeypatch.setattr(together, "read_file", in_others(fail))
    sources = of_one_run_each(300)
    assert read_all(sources) == [read_file(source, ZONE, BOUNDS) for source in sources]


def test_without_room_for_another_process_this_one_reads_all(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse() -> int:
        raise BlockingIOError

    monkeypatch.setattr(os, "fork", refuse)
    sources = of_one_run_each(300)
    assert read_all(sources) == [read_file(source, ZONE, BOUNDS) for source in sources]


def test_an_interrupted_reader_leaves_no_process_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(division.Division, "_read_own", interrupt)
    with pytest.raises(KeyboardInterrupt):
        read_all(of_one_run_each(300))
    assert has_no_child()


@pytest.mark.parametrize("most", sampled([299, 300, 12_000], every=3))
def test_the_ceiling_is_met_at_the_same_place(most: int) -> None:
    text = 'apiVersion: reconciler/v1\nkind: "\\u0042ackfill"\nmetadata: {name: days}\nspec:\n'
    text += "  flowId: 2\n  businessDates: {from: 1994-01-01, to: 2024-12-31, every: 1d}\n"
    sources = [*of_one_run_each(300), Source(path="t/z.yaml", content=text.encode())]
    ceiling = Ceiling(bounds=Bounds(left=most))
    read = together.reader(sources, UTC, ceiling.bounds)
    outcomes: list[Declared | str] = []
    for one in (read, lambda source, bounds: read_file(source, UTC, bounds)):
        try:
            outcomes.append(read_bounded(sources, one, ceiling=ceiling))
        except TooManyRunsError as error:
            outcomes.append(str(error))
    assert outcomes[0] == outcomes[1]


@pytest.mark.long  # files of one document each stay
def test_files_of_many_documents_meet_the_ceiling_at_the_same_place() -> None:
    """Each is read with all the room there is, and kept only where that would still be the same."""
    ones = of_one_run_each(300)
    many = b"---\n".join(one.content for one in ones)
    sources = [*ones, Source(path="t/y.yaml", content=many), Source(path="t/z.yaml", content=many)]
    for left in (800, 600, 599):
        bounds = Bounds(backfill=300, left=left)
        read = together.reader(sources, ZONE, bounds)
        results = []
        for one in (read, lambda source, bounds: read_file(source, ZONE, bounds)):
            ceiling = Ceiling(bounds=bounds)
            try:
                results.append(str(read_bounded(sources, one, ceiling=ceiling)))
            except TooManyRunsError as error:
                results.append(str(error))
        assert results[0] == results[1]


def test_a_file_that_is_too_large_is_refused_when_its_turn_comes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Not while others are read: who reads them in order says which of them is the first."""

    def refuse() -> int:
        raise BlockingIOError  # so that it is this process that meets it

    monkeypatch.setattr(os, "fork", refuse)
    ones = of_one_run_each(400)
    many = Source(path="t/z.yaml", content=b"---\n".join(one.content for one in ones))
    bounds = Bounds(backfill=1, left=302)
    read = together.reader([*ones[:300], many], ZONE, bounds)
    assert [read(one, bounds).made for one in ones[:300]] == [1] * 300
    with pytest.raises(CrowdedError):
        read(many, bounds)


def test_nobody_forks_while_threads_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threading, "active_count", lambda: 2)
    monkeypatch.setattr(os, "fork", None)
    assert len(read_all(of_one_run_each(300))) == 300


def test_a_report_counts_once_all_of_it_is_there() -> None:
    memory = division._open_memory()
    worker = division._Worker(process=0, memory=memory)
    whole = len(b"read").to_bytes(4, "big") + b"read"
    for part in (whole[:2], whole[2:6], whole[6:] + whole[:5]):
        assert [*worker.reports()] == []
        os.write(memory, part)
    assert [*worker.reports()] == [b"read"]
    os.write(memory, whole[5:])
    assert [*worker.reports()] == [b"read"]
    os.close(memory)


@pytest.mark.usefixtures("_others_read_all")
def test_the_command_says_in_one_line_that_a_process_was_killed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "reconciler.yaml").write_text(
        "version: 1\nenvironments:\n  prod:\n    manifests: t\n    state: state\n    gateway:\n"
        "      url: https://apim.example.test\n      orgId: o1\n      userId: u1\n"
        "      timezone: GMT+8\n"
    )
    (tmp_path / "t").mkdir()
    for source in of_one_run_each(200):
        (tmp_path / source.path).write_bytes(source.content)
    killed = in_others(lambda: os.kill(os.getpid(), signal.SIGKILL))
    monkeypatch.setattr(together, "read_file", killed)
    assert run(["validate", "--repo", str(tmp_path)]) == 1
    out, err = capfd.readouterr()
    assert not out
    assert err.startswith(
        "error: a process that read manifests for this one was ended by SIGKILL\n"
    )
