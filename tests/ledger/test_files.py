"""The ledger's folder: sealing and folding lose nothing, and rewrite next to nothing."""

from collections.abc import Iterator, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.errors import LedgerError
from reconciler.ledger import ACTIVE, Event, append_events, files, read_events
from reconciler.ledger.events import Observed
from reconciler.ledger.lines import encode_events
from tests.building import a_run, an_observed
from tests.ledger.histories import histories

FOLDER = "state/prod"
RUN = a_run()
LINE = encode_events([an_observed(RUN)])


class Folder:
    """A ledger's folder in memory that notes what each append reads and writes."""

    def __init__(self, content: dict[str, bytes] | None = None) -> None:
        self.content = dict(content or {})
        self.reads: list[str] = []

    def append(self, events: Sequence[Event]) -> dict[str, bytes | None]:
        active = self.content.get(ACTIVE, b"")
        changes = append_events(list(self.content), active, events, self._read)
        for name, content in changes.items():
            if content is None:
                del self.content[name]
            else:
                self.content[name] = content
        return changes

    def _read(self, name: str) -> bytes:
        self.reads.append(name)
        return self.content[name]

    def events(self) -> list[Event]:
        return list(read_events(self.content, FOLDER))


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Sizes at which a few events seal a file and a few files fold."""
    with monkeypatch.context() as patch:
        patch.setattr(files, "SEAL_BYTES", 2 * len(LINE))
        patch.setattr(files, "FOLD_FILES", 3)
        yield


def limits(seal_bytes: int, fold_files: int) -> pytest.MonkeyPatch:
    patch = pytest.MonkeyPatch()
    patch.setattr(files, "SEAL_BYTES", seal_bytes)
    patch.setattr(files, "FOLD_FILES", fold_files)
    return patch


@given(
    st.lists(histories(longest=6), max_size=12),
    st.integers(1, 2_000),
    st.integers(2, 5),
)
def test_appended_events_are_read_back_in_order_wherever_files_are_sealed_and_folded(
    appends: Sequence[Sequence[Event]], seal_bytes: int, fold_files: int
) -> None:
    patch = limits(seal_bytes, fold_files)
    try:
        folder = Folder()
        written: list[Event] = []
        for events in appends:
            folder.append(events)
            written += events
            assert folder.events() == written
    finally:
        patch.undo()


@given(
    st.lists(st.integers(0, 5), max_size=40),
    st.integers(1, 400),
    st.integers(2, 5),
)
def test_a_sealed_file_is_written_once_and_moves_only_into_a_folded_one(
    appends: Sequence[int], seal_bytes: int, fold_files: int
) -> None:
    patch = limits(seal_bytes, fold_files)
    try:
        folder, gone = Folder(), set[str]()
        for count in appends:
            before = dict(folder.content)
            changes = folder.append([an_observed(RUN)] * count)
            written = {name for name, content in changes.items() if content is not None}
            assert written <= {ACTIVE} | (folder.content.keys() - before.keys())
            deleted = {name for name, content in changes.items() if content is None}
            assert not deleted or len(deleted) == fold_files - 1
            assert all("-" not in name.removeprefix("ledger-") for name in deleted)
            assert not gone & folder.content.keys()
            gone |= deleted
    finally:
        patch.undo()


@given(st.lists(st.integers(1, 5), max_size=60), st.integers(2, 5))
def test_all_files_together_are_one_text_that_only_grows(
    appends: Sequence[int], fold_files: int
) -> None:
    patch = limits(2 * len(LINE), fold_files)
    try:
        folder, text = Folder(), b""
        for count in appends:
            folder.append([an_observed(RUN, text.count(b"\n"))] * count)
            order = [*files.ledger_order(folder.content, FOLDER), ACTIVE]
            now = b"".join(folder.content[name] for name in order)
            assert now.startswith(text)
            assert now.count(b"\n") == text.count(b"\n") + count
            text = now
    finally:
        patch.undo()


@pytest.mark.usefixtures("small")
def test_a_checkout_with_other_line_ends_is_the_same_text() -> None:
    """As `* text=auto eol=crlf` in .gitattributes makes it."""
    here = {"ledger-000001.jsonl": b'{"a":1}\n', "ledger.jsonl": b'{"b":2}\n{"c":3}\n'}
    there = {name: content.replace(b"\n", b"\r\n") for name, content in here.items()}
    assert files.ledger_text(there, "state") == files.ledger_text(here, "state")


def test_the_folder_holds_few_files_after_very_many_appends() -> None:
    folder = Folder()
    for _ in range(300):
        folder.append([an_observed(RUN)])
    singles = [name for name in folder.content if name.count("-") == 1]
    assert len(singles) < files.FOLD_FILES
    assert len(folder.content) <= 300 / (2 * files.FOLD_FILES) + files.FOLD_FILES


@pytest.mark.usefixtures("small")
def test_an_append_reads_sealed_files_only_to_fold_them() -> None:
    folder = Folder()
    for _ in range(60):
        folder.reads.clear()
        changes = folder.append([an_observed(RUN)])
        assert folder.reads == [name for name, content in changes.items() if content is None]


def test_an_append_writes_little_however_long_the_history_is() -> None:
    folder = Folder()
    written = []
    for _ in range(2_000):
        changes = folder.append([an_observed(RUN)] * 5)
        written.append(sum(len(content or b"") for content in changes.values()))
    # A file that has just been sealed is the same blob under another name.
    largest = files.SEAL_BYTES + 10 * len(LINE)
    assert sorted(written)[-20] <= 2 * largest
    assert max(written) <= (files.FOLD_FILES + 1) * largest


@pytest.mark.usefixtures("small")
def test_files_carry_the_range_of_numbers_that_they_hold() -> None:
    folder = Folder()
    for _ in range(17):
        folder.append([an_observed(RUN)])
    assert sorted(folder.content) == [
        "ledger-000001-000003.jsonl",
        "ledger-000004-000006.jsonl",
        "ledger-000007.jsonl",
        "ledger-000008.jsonl",
        "ledger.jsonl",
    ]


@pytest.mark.usefixtures("small")
def test_a_last_line_that_was_not_ended_stays_a_line_of_its_own() -> None:
    for lines in (1, 3):  # appended to, and sealed
        folder = Folder({ACTIVE: (LINE * lines).rstrip(b"\n")})
        folder.append([an_observed(RUN, 2)])
        assert folder.events() == [an_observed(RUN)] * lines + [an_observed(RUN, 2)]


@pytest.mark.usefixtures("small")
def test_folding_ends_the_lines_of_files_that_somebody_has_edited() -> None:
    cut = {f"ledger-00000{number}.jsonl": LINE.rstrip(b"\n") for number in (1, 2)}
    folder = Folder(cut | {ACTIVE: LINE * 3})
    folder.append([an_observed(RUN)])
    assert set(folder.content) == {"ledger-000001-000003.jsonl", ACTIVE}
    assert len(folder.events()) == 6


@pytest.mark.usefixtures("small")
def test_single_files_before_a_folded_one_are_left_where_they_are() -> None:
    one_by_one = {
        "ledger-000001.jsonl": encode_events([an_observed(RUN, 1)]),
        "ledger-000002-000003.jsonl": encode_events([an_observed(RUN, 2)]),
        "ledger-000004.jsonl": encode_events([an_observed(RUN, 3)]),
        ACTIVE: encode_events([an_observed(RUN, 4)] * 3),
    }
    folder = Folder(one_by_one)
    for status in range(5, 40):
        folder.append([an_observed(RUN, status)])
    read = [event.status for event in folder.events() if isinstance(event, Observed)]
    assert read == [1, 2, 3, 4, 4, *range(4, 40)]


def test_other_files_in_the_folder_are_passed_over() -> None:
    others = {
        "README.md": b"hello",
        "ledger-000001.jsonl.orig": b"not json",
        "ledger.jsonl~": b"not json",
        ".ledger.jsonl.swp": b"\x00",
    }
    folder = Folder(others | {ACTIVE: LINE})
    folder.append([an_observed(RUN)])
    assert folder.events() == [an_observed(RUN)] * 2
    assert others.items() <= folder.content.items()


@pytest.mark.parametrize(
    "name",
    [
        "ledger-1.jsonl",
        "ledger-000001-.jsonl",
        "ledger-000001 (copy).jsonl",
        "ledger-000001.orig.jsonl",
        "ledger_old.jsonl",
        "ledger2.jsonl",
    ],
)
def test_a_file_that_passes_for_a_ledgers_stops_everything(name: str) -> None:
    with pytest.raises(LedgerError, match="not the name of a ledger file") as caught:
        Folder({name: LINE, ACTIVE: LINE}).events()
    assert str(caught.value).startswith(f"{FOLDER}/{name}: ")


@pytest.mark.parametrize(
    ("names", "told"),
    [
        (["ledger-000002.jsonl"], "ledger-000002.jsonl: has a gap before"),
        (["ledger-000001.jsonl", "ledger-000003.jsonl"], "ledger-000003.jsonl: has a gap before"),
        (["ledger-000001-000003.jsonl", "ledger-000005.jsonl"], "000005.jsonl: has a gap before"),
        (["ledger-000001-000003.jsonl", "ledger-000002.jsonl"], "000002.jsonl: overlaps"),
        (["ledger-000001.jsonl", "ledger-000001-000002.jsonl"], "000002.jsonl: overlaps"),
        (["ledger-000001.jsonl", "ledger-0000001.jsonl"], "overlaps"),
        (["ledger-000001.jsonl", "ledger-000002-000001.jsonl"], "ledger-000002-000001.jsonl"),
        (["ledger-000000.jsonl"], "ledger-000000.jsonl"),
    ],
)
def test_a_sealed_file_that_is_missing_or_there_twice_stops_everything(
    names: Sequence[str], told: str
) -> None:
    folder = Folder(dict.fromkeys(names, LINE) | {ACTIVE: LINE})
    with pytest.raises(LedgerError, match=told) as caught:
        folder.events()
    assert "nothing is started" in (caught.value.hint or "")


def test_numbers_go_on_past_six_digits() -> None:
    folder = Folder(
        {"ledger-000001-999999.jsonl": LINE, ACTIVE: LINE * (files.SEAL_BYTES // len(LINE) + 1)}
    )
    folder.append([an_observed(RUN)])
    assert "ledger-1000000.jsonl" in folder.content
    assert files.ledger_order(folder.content, FOLDER)[-1] == "ledger-1000000.jsonl"


def test_an_error_names_the_file_that_holds_the_line() -> None:
    folder = Folder({"ledger-000001.jsonl": LINE + b"nonsense\n", ACTIVE: LINE})
    with pytest.raises(LedgerError, match=r"^state/prod/ledger-000001\.jsonl:2: "):
        folder.events()


def test_a_folder_without_a_ledger_holds_no_events() -> None:
    assert Folder().events() == []


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("state/prod/ledger.jsonl", True),
        ("state/prod/ledger-000001-000016.jsonl", True),
        ("state/prod/ledger2.jsonl", True),
        ("state/prod/ledger.jsonl.orig", False),
        ("state/prod/README.md", False),
        ("state/prod/old/ledger.jsonl", False),
        ("state/production/ledger.jsonl", False),
        ("ledger.jsonl", False),
    ],
)
def test_ledger_files_are_those_right_inside_the_folder(path: str, expected: bool) -> None:
    assert files.is_ledger_file(path, FOLDER) is expected
