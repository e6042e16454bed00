"""Ledger lines: what is written is read back, and what cannot be read stops everything."""

from collections.abc import Sequence

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.errors import LedgerError
from reconciler.ledger import Event
from reconciler.ledger.events import VERSION
from reconciler.ledger.lines import decode_events, encode_events
from reconciler.times import LAST_SHOWN
from tests.building import a_claim, a_run, a_triggered, an_absent, an_adopted, an_observed
from tests.ledger.histories import histories

FILE = "state/prod/ledger.jsonl"
RUN = a_run()
LINE = encode_events([an_observed(RUN)]).rstrip(b"\n")

json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=8,
)


def read(content: bytes) -> list[Event]:
    return list(decode_events(content, FILE))


def refusal(content: bytes) -> LedgerError:
    with pytest.raises(LedgerError) as caught:
        read(content)
    return caught.value


@given(histories())
def test_events_written_and_read_again_are_the_same(history: Sequence[Event]) -> None:
    assert read(encode_events(history)) == history


@given(histories())
def test_each_event_is_one_line(history: Sequence[Event]) -> None:
    assert encode_events(history).count(b"\n") == len(history)


def test_a_line_has_the_names_that_the_contract_gives_its_fields() -> None:
    line = encode_events([a_triggered(RUN, evidence={"found": 1})])
    assert msgspec.json.decode(line) == {
        "event": "triggered",
        "v": 1,
        "at": "2024-03-02T04:00:00.000Z",
        "run": "wind",
        "claim": "c1",
        "digest": RUN.digest,
        "flowId": 3377,
        "triggerTime": RUN.trigger_time,
        "flowInstanceId": "3377-1",
        "evidence": {"found": 1},
    }


def test_a_person_who_saw_that_a_run_was_not_started_writes_null() -> None:
    line = (
        b'{"event":"resolved","v":1,"at":"2024-03-02T04:00:00.000Z","run":"wind","by":"ana",'
        b'"triggered":null}'
    )
    assert encode_events(read(line)) == line + b"\n"
    assert "triggered" in str(refusal(line.replace(b',"triggered":null', b"")))


def test_a_last_line_that_was_not_ended_is_read_all_the_same() -> None:
    assert read(LINE) == read(LINE + b"\n") == [an_observed(RUN)]


def test_lines_that_a_checkout_ended_for_windows_are_read_all_the_same() -> None:
    assert read(LINE + b"\r\n" + LINE + b"\r\n") == [an_observed(RUN)] * 2


def test_fields_that_are_not_known_may_stand_beside_the_others() -> None:
    assert read(LINE[:-1] + b',"note":[1]}') == [an_observed(RUN)]


@pytest.mark.parametrize(
    "bad",
    [
        b"",
        b" ",
        b"null",
        b"[]",
        b"{}",
        b'{"v":1}',
        b'{"event":"launched","v":1,"at":"x","run":"wind"}',
        b'{"event":7,"v":1}',
        b"\xef\xbb\xbf" + LINE,
        b"\xff\xfe" + LINE,
        LINE + LINE,
        LINE + b",",
        LINE.replace(b'"v":1', b'"v":"1"'),
        LINE.replace(b'"v":1', b'"v":true'),
        LINE.replace(b'"v":1,', b""),
        LINE.replace(b"wind", b"w\xffnd"),
        LINE.replace(b"wind", b"\\ud800"),
        b"[" * 100_000,
        encode_events([an_absent(RUN)]).replace(b'{"notStarted"', b'{"a":' * 5_000),
    ],
)
def test_a_line_that_is_no_event_is_named_with_file_and_line(bad: bytes) -> None:
    error = refusal(b"\n".join([LINE, LINE, bad, LINE]))
    assert str(error).startswith(f"{FILE}:3: not a ledger event: ")
    assert error.hint is not None
    assert "nothing is started" in error.hint


def test_a_line_that_was_cut_off_is_never_taken_for_an_event() -> None:
    for length in range(1, len(LINE)):
        assert str(refusal(LINE + b"\n" + LINE[:length])).startswith(f"{FILE}:2: "), length


@pytest.mark.parametrize(
    ("bad", "line"),
    [
        (LINE + LINE, 1),  # and none on the next, so that there is one for each line
        (LINE[:-1] + b"\n}", 1),
        (LINE + b"\n" + LINE[:-1] + b',"seen":\n{}}', 2),
        (LINE + b"\n\n" + LINE, 2),
        (LINE + b" " + LINE + b"\n" + LINE[:-1] + b"\n}", 1),
        (LINE + b" " + LINE + b"\n" + LINE[:-1] + b',"seen":\n{}}', 1),
    ],
)
def test_a_line_is_one_event_however_many_there_are_in_all(bad: bytes, line: int) -> None:
    assert f"{FILE}:{line}: not a ledger event" in str(refusal(bad))


@pytest.mark.parametrize("field", ["at", "until", "looked_at"])
@pytest.mark.parametrize("time", ["yesterday", "2024-03-02T08:00:00", "2024-13-02T08:00:00Z"])
def test_a_claim_whose_times_cannot_be_told_is_named_with_file_and_line(
    field: str, time: str
) -> None:
    line = encode_events([msgspec.structs.replace(a_claim(RUN), **{field: time})])
    error = str(refusal(LINE + b"\n" + line))
    assert error.startswith(f"{FILE}:2: not a ledger event: ")
    assert "the time" in error or f"`$.{field}`" in error


@pytest.mark.parametrize("run", ["x#2#7", "x#two", "x@y", "x@2@3#2"])
def test_a_run_whose_number_cannot_be_told_is_named_with_file_and_line(run: str) -> None:
    claim = msgspec.structs.replace(
        a_claim(RUN), runs={run: next(iter(a_claim(RUN).runs.values()))}
    )
    line = encode_events([claim])
    assert str(refusal(LINE + b"\n" + line)) == (
        f"{FILE}:2: not a ledger event: the run '{run}' has no number behind `@` or `#`"
    )


DAMAGED_FIELDS = [
    *(("triggerTime", time) for time in (9 * 10**15, -(10**17), 10**30)),
    *(("digest", text) for text in ("", "x", "0" * 65)),
    *((name, "") for name in ("run", "claim", "flowInstanceId")),
    *(("at", text) for text in ("", "yesterday", "2024-03-02")),
]


@pytest.mark.parametrize(("field", "value"), DAMAGED_FIELDS)
def test_a_start_with_what_nobody_wrote_is_named_with_file_and_line(
    field: str, value: object
) -> None:
    told = msgspec.json.decode(encode_events([a_triggered(RUN)])) | {field: value}
    error = refusal(LINE + b"\n" + msgspec.json.encode(told))
    assert str(error).startswith(f"{FILE}:2: not a ledger event: ")
    assert field in str(error)


@pytest.mark.parametrize("event", [an_observed(RUN), an_absent(RUN), an_adopted(RUN)])
def test_no_event_has_a_time_that_is_none(event: Event) -> None:
    line = encode_events([msgspec.structs.replace(event, at="yesterday")])
    assert str(refusal(line)).startswith(f"{FILE}:1: not a ledger event: ")


@pytest.mark.parametrize(
    ("field", "value"), [("triggerTime", 10**17), ("digest", "x"), ("stagger", 9 * 10**15)]
)
def test_a_claim_of_a_run_that_nobody_declared_is_named_with_file_and_line(
    field: str, value: object
) -> None:
    told = msgspec.json.decode(encode_events([a_claim(RUN)]))
    told["runs"][RUN.id][field] = value
    error = refusal(LINE + b"\n" + msgspec.json.encode(told))
    assert str(error).startswith(f"{FILE}:2: not a ledger event: ")
    assert "runs" in str(error)


@pytest.mark.parametrize("name", ["orgId", "gateway", "userId", "name"])
def test_a_claim_for_a_service_without_a_name_is_named_with_file_and_line(name: str) -> None:
    told = msgspec.json.decode(encode_events([a_claim(RUN)]))
    told["service"] = {"orgId": "o", "gateway": "https://a.test", "userId": "u"}
    assert len(read(msgspec.json.encode(told))) == 1
    told["service"][name] = ""
    assert name in str(refusal(msgspec.json.encode(told)))


@pytest.mark.parametrize("time", [0, LAST_SHOWN, -1])
def test_a_time_that_clocks_can_show_is_read_although_no_manifest_names_it(time: int) -> None:
    told = msgspec.json.decode(encode_events([a_triggered(RUN)])) | {"triggerTime": time}
    assert len(read(msgspec.json.encode(told))) == 1


@pytest.mark.parametrize(
    ("event", "more"),
    [
        (a_triggered(RUN), {"claim": None, "at": "2024-03-02T04:00:00Z"}),
        (a_triggered(RUN), {"flowInstanceId": " \u200b?"}),
        (a_claim(RUN), {"service": None, "lookedAt": None, "commit": "", "by": ""}),
        (an_observed(RUN), {"status": "A_STATUS_OF_TOMORROW", "claim": None}),
    ],
)
def test_what_an_older_version_or_an_odd_service_causes_is_read(
    event: Event, more: dict[str, object]
) -> None:
    told = msgspec.json.decode(encode_events([event])) | more
    assert len(read(msgspec.json.encode(told))) == 1


@pytest.mark.parametrize("marker", [b"<<<<<<< HEAD", b"=======", b">>>>>>> main", b"||||||| base"])
def test_a_conflict_marker_is_called_a_merge_conflict(marker: bytes) -> None:
    error = refusal(LINE + b"\n" + marker + b"\n" + LINE)
    assert str(error) == f"{FILE}:2: a merge conflict stands in the ledger"


@pytest.mark.parametrize(
    "newer",
    [
        LINE.replace(b'"v":1', b'"v":2'),
        b'{"event":"launched","v":2}',
        b'{"v":2,"completely":"different"}',
    ],
)
def test_a_newer_format_is_named_whatever_else_has_changed_in_it(newer: bytes) -> None:
    error = refusal(LINE + b"\n" + newer)
    assert str(error).startswith(f"{FILE}:2: written in format 2, this reconciler reads format 1")
    assert "version of the reconciler" in (error.hint or "")


def test_an_adoption_is_of_a_format_of_its_own_for_which_older_reconcilers_stop() -> None:
    """They say then that a newer one wrote it, and not that the file is damaged."""
    line = encode_events([an_adopted(RUN)]).rstrip(b"\n")
    assert read(line) == [an_adopted(RUN)]
    assert msgspec.json.decode(line)["v"] == 2
    wrong = refusal(line.replace(b'"v":2', b'"v":1'))
    assert str(wrong) == f"{FILE}:1: not a ledger event: its `v` is not 2"
    assert "format 3" in str(refusal(line.replace(b'"v":2', b'"v":3')))
    assert "not a ledger event" in str(refusal(line.replace(b'"run":"wind",', b"")))


lines = st.one_of(
    st.binary(max_size=60),
    st.sampled_from([LINE, b"", b"\r", b"<<<<<<< HEAD", encode_events([a_claim(RUN)]).rstrip()]),
    json_values.map(msgspec.json.encode),
    st.fixed_dictionaries(
        {"event": st.sampled_from(["claim", "triggered", "absent", "observed", "resolved", "x"])},
        optional={
            "v": st.sampled_from([VERSION, 2, None, "1", 1.0]),
            "at": st.text(max_size=5) | json_values,
            "until": json_values,
            "run": json_values,
            "claim": json_values,
            "runs": json_values,
            "status": json_values,
            "evidence": json_values,
            "by": st.just("ana"),
            "triggered": json_values,
        },
    ).map(msgspec.json.encode),
    st.tuples(st.integers(0, len(LINE)), st.binary(max_size=3)).map(
        lambda at: LINE[: at[0]] + at[1] + LINE[at[0] :]
    ),
)


@given(st.lists(lines, max_size=4).map(b"\n".join))
def test_any_bytes_are_events_or_an_error_with_file_and_line(content: bytes) -> None:
    count = len(content.split(b"\n")) - content.endswith(b"\n")
    try:
        found = read(content)
    except LedgerError as error:
        told = str(error)
    else:
        assert len(found) == (count if content else 0)
        return
    assert told.startswith(f"{FILE}:")
    assert 1 <= int(told.split(":")[1]) <= count
