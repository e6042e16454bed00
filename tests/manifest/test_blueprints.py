"""A file that is written like one before is read as if no other had been read."""

import re
from collections.abc import Iterator
from datetime import UTC
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.expansion import Bounds, Window
from reconciler.manifest import FileResult, read, read_file
from reconciler.manifest.blueprints import Blueprint, blueprint_of
from reconciler.manifest.document import Document, read_documents
from reconciler.manifest.learning import Blueprints
from reconciler.manifest.scalars import Rule, Verbatim, rule_of_document
from reconciler.model import EpochMs, Source
from tests.corpus.examples import CORPUS, examples, quick_examples, source
from tests.manifest.test_fuzz import PIECES
from tests.manifest.test_yaml_suite import CASES
from tests.sampling import examples as number
from tests.sampling import sampled

LINES = """\
# yaml-language-server: $schema=../../schemas/trigger.schema.json
apiVersion: reconciler/v1
kind: Trigger
metadata:
  name: wind-daily-2024-03-01  # of the wind farm
  labels:
    team: wind
    site: 'cn-01'
  description: After the outage, again
spec:
  flowId:   3377
  triggerTime: "2024-03-01T00:00:00+08:00"
  revision: 2
  suspend: false
  dependsOn:
    - import-2024-03-01
    - name: moon
      match: [SITE]
  parameters:
    SITE: cn-01
    BATCH_SIZE: "012"
    MODE: 012
    SINCE: 2024-03-01T00:00:00+08:00
    OWN: 'it is'
""".splitlines(keepends=True)
MANIFEST = "".join(LINES)
BOUNDS = Bounds(window=Window.of(EpochMs(1_732_700_000_000)), sensitive=("*TOKEN",))
# What is special to YAML, to its versions, or to what a manifest says.
ODD = (
    *("", " ", "~", "null", "yes", "no", "on", "true", "True", "-1", "+1", "1_000", "012", "0o14"),
    *("0x1F", "1e3", "1E400", ".5", "5.", ".inf", ".nan", "9" * 19, "9" * 401, "12:30:00", "1.0"),
    *("a b", "a  b", "a: b", "a:b", "a :b", "a:", ":a", "a #b", "a#b", "#a", "- a", "-", "--- a"),
    *(
        "? a",
        "*a",
        "&a b",
        "!t a",
        "|",
        ">-",
        "{a: b}",
        "[a]",
        "{}",
        "@a",
        "`a",
        "%a",
        "a\tb",
        "a ",
    ),
    *('"a"', "'a'", '"a\\tb"', '"a', "'a''b'", "'a'b", '"a" # b', '"a"#b', '"#"', "'a' ", "a,b"),
    *("é", "风", "\u2028", "\ufeff", "\x07", "a\nb", "a\n      b", "a\r", "a\n---", "<<<<<<< a"),
    *("=======", "2024-02-30", "2024-03-01T00:00:00Z", "2024-03-01T24:00:00Z", "x" * 2_000),
    *(
        "<<",
        "a=b",
        "a/b",
        "../a",
        "${cal_dt}",
        '"${cal_dt}"',
        "1970-01-01T00:00:00Z",
        "a?b",
        "...'",
    ),
)


def a_source(text: str, path: str = "t/a.yaml") -> Source:
    return Source(path=path, content=text.encode("utf-8", "surrogatepass"))


@pytest.fixture
def learned(monkeypatch: pytest.MonkeyPatch) -> Blueprints:
    """What this process has learned: nothing yet."""
    fresh = Blueprints(verbatim=read.VERBATIM)
    monkeypatch.setattr(read, "_BLUEPRINTS", fresh)
    return fresh


def read_strictly(source: Source) -> FileResult:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(read, "_BLUEPRINTS", Blueprints(verbatim=read.VERBATIM))
        return read_file(source, UTC, BOUNDS)


def read_after(texts: list[str], source: Source) -> tuple[FileResult, int]:
    """What is read after these texts, and how many files were found to be like one before."""
    with pytest.MonkeyPatch.context() as patched:
        known = Blueprints(verbatim=read.VERBATIM, strictly=1_000)
        patched.setattr(read, "_BLUEPRINTS", known)
        for text in texts:
            read_file(a_source(text, "t/before.yaml"), UTC, BOUNDS)
        before = known.alike
        return read_file(source, UTC, BOUNDS), known.alike - before


def with_value(line: int, value: str) -> str:
    """The manifest with another value on one of its lines."""
    head, _, _ = LINES[line].partition(": ")
    head = head if ": " in LINES[line] else LINES[line].partition("- ")[0] + "-"
    colon = ":" if ": " in LINES[line] else ""
    return "".join([*LINES[:line], f"{head}{colon} {value}\n", *LINES[line + 1 :]])


def test_a_file_like_others_is_read_by_what_was_learned_of_them(learned: Blueprints) -> None:
    sources = [
        a_source(MANIFEST.replace("daily", f"daily-{index}"), f"t/{index}.yaml")
        for index in range(30)
    ]
    found = [read_file(one, UTC, BOUNDS) for one in sources]
    assert learned.learned == 1
    assert learned.alike == 20
    assert [one.runs[0].name for one in found] == [
        f"wind-daily-{index}-2024-03-01" for index in range(30)
    ]
    assert found == [read_strictly(one) for one in sources]
    assert str(found[-1].runs[0].place_of("/spec/flowId")) == "t/29.yaml:11:13"


@pytest.mark.parametrize("value", sampled(ODD, every=8))
def test_an_odd_value_on_any_line_is_read_as_if_alone(value: str) -> None:
    for line, text in enumerate(LINES):
        if ": " in text or "- " in text:
            source = a_source(with_value(line, value))
            assert read_after([MANIFEST], source)[0] == read_strictly(source), (line, value)


@pytest.mark.parametrize(
    ("line", "value"),
    [
        *((4, "other  # of the wind farm"), (6, "sun"), (7, "'cn-02'"), (8, "a b c")),
        *(
            (10, "  1"),
            (11, '"2024-03-01T12:00:00Z"'),
            (13, "true"),
            (15, "other/2024-03-01"),
            (19, "x"),
        ),
        *((20, '"1e3"'), (21, "yes"), (21, "1e3"), (22, "12:30:00"), (23, "''")),
    ],
)
def test_simple_values_need_no_other_look(line: int, value: str) -> None:
    text = with_value(line, value)
    found, alike = read_after([MANIFEST], a_source(text))
    assert alike == 1
    assert found == read_strictly(a_source(text))
    assert found.runs


@number(1_000, share=10)
@given(st.data())
def test_whatever_is_changed_is_read_as_if_alone(data: st.DataObject) -> None:
    text = MANIFEST
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(text)))
        until = data.draw(st.integers(at, min(len(text), at + 12)))
        put = data.draw(st.sampled_from([*PIECES, *ODD]) | st.text(max_size=3))
        text = text[:at] + put + text[until:]
    source = a_source(text)
    assert read_after([MANIFEST], source)[0] == read_strictly(source)


@number(300)
@given(st.lists(st.tuples(st.sampled_from(range(len(LINES))), st.sampled_from(ODD)), max_size=4))
def test_a_file_learned_from_is_no_less_strict_with_the_next(odd: list[tuple[int, str]]) -> None:
    """What stands in the file that is learned may be as odd as anything."""
    text = MANIFEST
    for line, value in odd:
        if ": " in LINES[line]:
            text = text.replace(LINES[line], LINES[line].partition(": ")[0] + f": {value}\n")
    for after in (MANIFEST, text.replace("cn-01", "cn-02"), text.replace("\n", "\r\n")):
        source = a_source(after)
        assert read_after([text, text], source)[0] == read_strictly(source)


def test_the_whole_corpus_is_read_as_if_each_file_were_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("reconciler.manifest.learning._FREE", 10_000)
    paths = [*quick_examples("manifests/valid"), *quick_examples("manifests/invalid")]
    sources = [source(path) for path in paths for _ in range(2)]
    known = Blueprints(verbatim=read.VERBATIM, strictly=1_000)
    monkeypatch.setattr(read, "_BLUEPRINTS", known)
    found = [read_file(one, UTC, BOUNDS) for one in sources]
    assert known.alike > 10
    assert found == [read_strictly(one) for one in sources]


def sound(source: Source, verbatim: Verbatim) -> Document | None:
    documents, problems = read_documents(source, verbatim)
    if problems or len(documents) != 1 or documents[0].built.problems:
        return None
    return documents[0]


def taught(source: Source, verbatim: Verbatim = read.VERBATIM) -> Blueprint | None:
    document = sound(source, verbatim)
    rule: Rule | None = rule_of_document(verbatim)
    return blueprint_of(source, document, rule) if document else None


def paths_in(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    if isinstance(value, dict | list):
        for key in value if isinstance(value, dict) else range(len(value)):
            yield from paths_in(value[key], (*path, key))


TAUGHT = [
    (text, blueprint)
    for text in (
        MANIFEST,
        *(path.read_text("utf-8") for path in examples("manifests/valid")),
        *(path.read_text("utf-8") for path in sorted(Path(CORPUS / "config/valid").glob("*.yaml"))),
        *(case["yaml"] for case in CASES),
    )
    if (blueprint := taught(a_source(text)))
]


def test_most_files_teach_something() -> None:
    assert len(TAUGHT) > 50


@number(3_000, share=60)  # each takes forty milliseconds
@given(st.data())
def test_what_a_blueprint_lets_pass_is_what_the_strict_reader_reads(data: st.DataObject) -> None:
    """Of all YAML: the value, the type of each scalar, and the place of everything."""
    _, blueprint = data.draw(st.sampled_from(TAUGHT))
    pattern = re.sub(r"([*+])\+", r"\1", blueprint.pattern.pattern)  # hypothesis knows no `*+`
    drawn = data.draw(st.from_regex(re.compile(pattern), fullmatch=True))
    found = blueprint.read(drawn, "t/a.yaml")
    strict = sound(a_source(drawn), read.VERBATIM)
    if found is None:  # a number that JSON cannot hold
        assert strict is None
        return
    assert strict is not None
    assert repr(found.value) == repr(strict.value)
    for path in paths_in(found.value):
        for where in ("key", "value", "parent"):
            assert found.place(path, where) == strict.place(path, where)


def scalars_in(value: Any) -> list[Any]:
    """All that is no mapping or list, but for keys."""
    if not isinstance(value, dict | list):
        return [value]
    inner = value.values() if isinstance(value, dict) else value
    return [scalar for one in inner for scalar in scalars_in(one)]


@pytest.mark.parametrize("behind", [" ", "\t", " \t# tab", "  # of the wind farm"])
def test_blanks_and_a_comment_behind_a_value_hinder_nothing(behind: str) -> None:
    text = MANIFEST.replace("team: wind", f"team: wind{behind}")
    changed = a_source(text.replace("team: wind", "team: sun-and-moon"))
    found, alike = read_after([text], changed)
    assert alike == 1
    assert found == read_strictly(changed)
    assert found.runs


_HEADS = {"k: ": "z: 1\n", "- ": "- 1\n", "- k: ": "  z: 1\n", "m:\n  k: ": "  z: 1\n"}
_SPECIAL = " \t#:-?\"',[]{}&*!|>%@`a\n\\"


@pytest.mark.parametrize("value", ["x", '"x"', "'x'"])
def test_behind_a_value_nothing_but_blanks_and_a_comment_can_stand(value: str) -> None:
    """So nothing is moved to another place by a longer value. Where more stands, it is another."""
    tails = ["".join(tail) for tail in product(_SPECIAL, repeat=2)]
    for head, rest in _HEADS.items():
        found = set()
        for tail in tails:
            document = sound(a_source(f"{head}{value}{tail}\n{rest}"), read.VERBATIM)
            if document is not None and "x" in scalars_in(document.value):
                found.add(tail.partition("\n")[0])
        assert found == {"", " ", "\t", "  ", " \t", "\t ", "\t\t", " #", "\t#"}


def test_a_file_with_an_anchor_teaches_nothing() -> None:
    """What stands for another value has no text of its own."""
    for text in (
        MANIFEST.replace("[SITE]", "&sites [SITE]"),
        MANIFEST.replace(
            "match: [SITE]", "match: &one\n        - SITE\n    - name: sun\n      match: *one"
        ),
        MANIFEST.replace("SITE: cn-01", "SITE: &site cn-01\n    OTHER: *site"),
    ):
        assert text != MANIFEST
        assert sound(a_source(text), read.VERBATIM) is not None
        assert taught(a_source(text)) is None


def test_a_file_with_a_document_besides_teaches_nothing() -> None:
    """Also with one that holds nothing: it is the manifest's own text that is learned."""
    for text in (f"---\n# nothing yet\n---\n{MANIFEST}", f"{MANIFEST}---\n"):
        assert sound(a_source(text), read.VERBATIM) is not None
        assert taught(a_source(text)) is None


def test_a_file_that_is_unusually_large_teaches_nothing() -> None:
    assert taught(a_source(MANIFEST + "# much\n" * 100)) is not None
    assert taught(a_source(MANIFEST + "# much\n" * 3_000)) is None
    assert (
        taught(a_source(MANIFEST + "".join(f"    K{number}: x\n" for number in range(250)))) is None
    )


def test_what_was_learned_is_bounded(learned: Blueprints) -> None:
    for index in range(60):
        text = MANIFEST.replace("  parameters:\n", f"  parameters:\n    KEY_{index}: x\n")
        read_file(a_source(text), UTC, BOUNDS)
    assert learned.learned == len(learned.known) == 4
    assert not learned.alike


FLOWING = "".join(LINES[: LINES.index("  parameters:\n")]) + "  parameters: {\n    A: b\n  }\n"


@pytest.mark.parametrize(
    "changed",
    [FLOWING.replace("A: b", "A: b,c"), FLOWING.replace("kind: Trigger", "kind: Backfill")],
    ids=["two values in brackets", "another kind"],
)
def test_what_would_mean_another_thing_is_left_to_the_strict_reader(changed: str) -> None:
    blueprint = taught(a_source(FLOWING))
    assert blueprint is not None
    assert blueprint.read(FLOWING, "t/a.yaml") is not None
    assert blueprint.read(changed, "t/a.yaml") is None
