import pathlib
import re
from datetime import UTC

import pytest
from yaml import MarkedYAMLError, _yaml

from reconciler.expansion import Bounds, Window
from reconciler.manifest import FileResult, combine, is_manifest_path, read_file
from reconciler.manifest.build import MOST_EXPANDED_CHARACTERS
from reconciler.manifest.document import read_documents
from reconciler.manifest.read import VERBATIM
from reconciler.manifest.scalars import ANY, AS_YAML
from reconciler.manifest.syntax import explain
from reconciler.manifest.yaml import MOST_ALIASES, MOST_EVENTS, MOST_NESTING
from reconciler.model import EpochMs, Place, Problem, Source
from reconciler.schema.paths import Path
from reconciler.times import parse_zone

HEAD = "apiVersion: reconciler/v1\nkind: Trigger\n"


def manifest(name: str = "a", *, parameters: str = "{}", more: str = "") -> str:
    return (
        f"{HEAD}metadata: {{name: {name}}}\n"
        f"spec:\n  flowId: 1\n  triggerTime: 1\n  parameters: {parameters}\n{more}"
    )


def read(text: str | bytes, path: str = "triggers/a.yaml") -> FileResult:
    content = text if isinstance(text, bytes) else text.encode()
    return read_file(Source(path=path, content=content), UTC)


def codes(text: str | bytes) -> list[str]:
    return [problem.code for problem in read(text).problems]


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("triggers/a.yaml", True),
        ("triggers/deep/er/a.yml", True),
        ("triggers/a.YAML", False),
        ("triggers/a.json", False),
        ("triggers/.hidden.yaml", False),
        ("triggers/.folder/a.yaml", False),
        ("triggers.yaml", False),
        ("triggers-old/a.yaml", False),
        ("other/triggers/a.yaml", False),
    ],
)
def test_manifests_are_the_yaml_files_below_the_folder_that_are_not_hidden(
    path: str, *, expected: bool
) -> None:
    assert is_manifest_path(path, "triggers") is expected


def test_a_folder_that_is_hidden_itself_can_hold_manifests() -> None:
    assert is_manifest_path(".ci/triggers/a.yaml", ".ci/triggers")


def test_problems_of_all_files_are_reported_in_one_go_and_sorted() -> None:
    sources = [
        Source(path="t/b.yaml", content=b"- 1"),
        Source(path="t/a.yaml", content=b"a: [\n"),
        Source(path="t/c.yaml", content=manifest().encode()),
    ]
    known = Problem(place=Place(file="t/aa.yaml"), code="link", message="leads nowhere")
    declared = combine((read_file(one, UTC) for one in sources), [known])
    assert [problem.place.file for problem in declared.problems] == [
        "t/a.yaml",
        "t/aa.yaml",
        "t/b.yaml",
    ]
    assert [run.name for run in declared.runs] == ["a"]
    assert declared.files == ("t/b.yaml", "t/a.yaml", "t/c.yaml")


def test_a_broken_document_leaves_the_runs_of_the_others_in_its_file() -> None:
    result = read(manifest("a") + "---\nkind: nonsense\n---\n" + manifest("b"))
    assert [run.name for run in result.runs] == ["a", "b"]
    assert {problem.place.line for problem in result.problems} == {9}


def test_what_stands_before_a_syntax_error_in_an_earlier_document_is_reported_too() -> None:
    assert codes("- 1\n---\na: [\n") == ["type", "yaml-syntax"]


def test_a_name_in_two_files_is_reported_at_both() -> None:
    results = [read(manifest("a"), "t/1.yaml"), read(manifest("a"), "t/2.yaml")]
    declared = combine(results)
    assert [(str(p.place), p.code) for p in declared.problems] == [
        ("t/1.yaml:3:18", "name-taken"),
        ("t/2.yaml:3:18", "name-taken"),
    ]
    assert "t/2.yaml:3:18" in declared.problems[0].message
    assert "t/1.yaml:3:18" in declared.problems[1].message
    assert [run.place.file for run in declared.runs] == ["t/1.yaml"]


def test_two_revisions_of_one_name_are_a_taken_name_as_well() -> None:
    declared = combine([read(manifest("a") + "---\n" + manifest("a", more="  revision: 2\n"))])
    assert [problem.code for problem in declared.problems] == ["name-taken", "name-taken"]


BACKFILL = """\
apiVersion: reconciler/v1
kind: Backfill
metadata: {name: a}
spec:
  flowId: 2
  businessDates: {from: 2024-03-01, to: 2024-03-05, every: 1d}
  matrix: {SITE: [012, no]}
"""


def test_the_runs_of_a_backfill_do_not_take_its_name_from_one_another() -> None:
    declared = combine([read(BACKFILL)])
    assert not declared.problems
    assert len(declared.runs) == 10
    assert {run.manifest for run in declared.runs} == {"a"}


@pytest.mark.parametrize("texts", [(BACKFILL, manifest("a")), (manifest("a"), BACKFILL)])
def test_a_backfill_and_another_manifest_with_its_name_are_reported_once_each(
    texts: tuple[str, str],
) -> None:
    """Only one's runs are kept, whatever the order: what is wrong with others hides the cause."""
    declared = combine(
        [read(texts[0], "t/1.yaml"), read(texts[1], "t/2.yaml"), read(BACKFILL, "t/3.yaml")]
    )
    assert [(str(p.place), p.code, p.pointer) for p in declared.problems] == [
        (f"t/{number}.yaml:3:18", "name-taken", "/metadata/name") for number in (1, 2, 3)
    ]
    assert [run.id for run in declared.runs] == ["a"]


def test_backfills_with_one_name_in_one_file_are_two_manifests() -> None:
    declared = combine([read(f"{BACKFILL}---\n{BACKFILL}")])
    assert [problem.place.line for problem in declared.problems] == [3, 11]
    assert len(declared.runs) == 10


def test_the_limit_of_a_backfill_is_passed_on() -> None:
    source = Source(path="t/a.yaml", content=BACKFILL.encode())
    assert len(read_file(source, UTC, Bounds(backfill=10)).runs) == 10
    (problem,) = read_file(source, UTC, Bounds(backfill=9)).problems
    assert (problem.code, problem.pointer) == ("range", "/spec/businessDates")


def test_values_of_a_matrix_and_of_exclusions_are_the_text_that_was_written() -> None:
    text = BACKFILL.replace("[012, no]", "[012, no, ~, 1e3, '13 ', .inf, \"\"]")
    values = [dict(run.parameters)["SITE"] for run in read(text).runs[:7]]
    assert values == ["012", "no", "~", "1e3", "13 ", ".inf", ""]
    left = read(f'{text}  exclude: [{{SITE: no}}, {{SITE: .inf}}, {{SITE: ~}}, {{SITE: ""}}]\n')
    values = [dict(run.parameters)["SITE"] for run in left.runs[:3]]
    assert values == ["012", "1e3", "13 "]


@pytest.mark.parametrize(
    ("written", "problems"),
    [
        ("1709308800000", []),
        ("1709308800000.0", []),
        ("1.7093088e12", []),
        ("2024-03-01T16:00:00Z", []),
        ('"2024-03-02T00:00:00+08:00"', []),
        ('"1709308800000"', ["format"]),
        ("1709308800", ["range"]),
        ("1709308800000.5", ["type"]),
        ("no", ["format"]),
        ("2024-03-02", ["format"]),
    ],
)
def test_a_time_that_is_left_out_is_written_as_the_ends_of_a_range_are(
    written: str, problems: list[str]
) -> None:
    window = Window.of(EpochMs(1_800_000_000_000))
    ranged = BACKFILL.replace(
        "businessDates: {from: 2024-03-01, to: 2024-03-05, every: 1d}",
        f"triggerTimes: {{from: {written}, to: 2024-03-02T00:00:00+08:00, every: 1d}}",
    )
    assert ranged != BACKFILL
    left_out = f"{BACKFILL}  exclude: [{{triggerTime: {written}}}]\n"
    for text in (ranged, left_out):
        source = Source(path="a.yaml", content=text.encode())
        result = read_file(source, parse_zone("GMT+8"), Bounds(window=window))
        found = [problem.code for problem in result.problems]
        assert found == problems
        assert not result.notes


def test_only_the_values_are_text_and_not_what_stands_elsewhere() -> None:
    text = BACKFILL.replace("[012, no]", "012") + "  exclude: [012]\n  dependsOn: [012]\n"
    assert codes(text) == ["type", "type", "type"]
    documents, _ = read_documents(Source(path="a.yaml", content=text.encode()), VERBATIM)
    spec = documents[0].value["spec"]
    assert (spec["matrix"], spec["exclude"], spec["dependsOn"]) == ({"SITE": 12}, [12], [12])


def test_a_path_of_texts_may_leave_a_key_or_an_index_open() -> None:
    text = "{a: {b: [1], c: [1], d: [1]}, e: {b: [1], c: [1]}, f: [[1, [1]], {b: 1}]}"
    paths: set[Path] = {("a", "b"), (ANY, "c"), ("f", 0), ("f", ANY, "b", "deeper")}
    documents, _ = read_documents(Source(path="a.yaml", content=text.encode()), frozenset(paths))
    assert documents[0].value == {
        "a": {"b": ["1"], "c": ["1"], "d": [1]},
        "e": {"b": [1], "c": ["1"]},
        "f": [["1", [1]], {"b": 1}],
    }


def test_one_value_among_texts_may_be_read_as_yaml_after_all() -> None:
    text = "{a: [{b: 1, c: 1}, {b: [1], c: [1]}], d: {b: 1}}"
    paths: set[Path] = {("a", ANY), ("a", ANY, "b", AS_YAML)}
    documents, _ = read_documents(Source(path="a.yaml", content=text.encode()), frozenset(paths))
    assert documents[0].value == {"a": [{"b": 1, "c": "1"}, {"b": [1], "c": [1]}], "d": {"b": 1}}


def test_the_same_content_always_gives_the_same_result() -> None:
    text = manifest("a", parameters="{B: 1, A: 2}") + "---\n- broken\n---\n" + BACKFILL
    assert read(text) == read(text)


@pytest.mark.parametrize("depth", [MOST_NESTING + 1, 100_000])
@pytest.mark.parametrize("bracket", ["[", "{a: ", "- ", "? "])
def test_deep_nesting_is_a_problem_and_not_a_crash(bracket: str, depth: int) -> None:
    assert codes(bracket * depth) == ["yaml-nesting"]


def test_nesting_up_to_the_limit_is_read() -> None:
    assert codes("[" * MOST_NESTING + "]" * MOST_NESTING) == ["type"]


def test_aliases_up_to_the_limit_are_read_and_one_more_is_a_problem() -> None:
    def text(count: int) -> str:
        aliases = ", ".join(f"K{i}: *a" for i in range(count))
        return manifest(parameters=f"{{A: &a 012, {aliases}}}")

    (run,) = read(text(MOST_ALIASES)).runs
    assert run.parameters[-1] == (f"K{MOST_ALIASES - 1}", "012")
    assert codes(text(MOST_ALIASES + 1)) == ["yaml-alias"]


def test_the_limit_of_aliases_counts_all_documents_of_a_file() -> None:
    aliases = ", ".join(f"K{i}: *a" for i in range(MOST_ALIASES // 2 + 1))
    one = manifest("one", parameters=f"{{A: &a x, {aliases}}}")
    two = manifest("two", parameters=f"{{A: &a x, {aliases}}}")
    result = read(f"{one}---\n{two}")
    assert [run.name for run in result.runs] == ["one"]
    assert [problem.code for problem in result.problems] == ["yaml-alias"]


def test_aliases_that_multiply_long_text_are_a_problem() -> None:
    long = "x" * (MOST_EXPANDED_CHARACTERS // 2)
    assert codes(manifest(parameters=f"{{A: &a {long}, B: *a}}")) == []
    text = manifest(parameters=f"{{A: &a {long}, B: *a, C: *a, D: *a}}")
    assert codes(text) == ["yaml-alias"]


@pytest.mark.long  # what so many cost
def test_a_document_of_too_many_values_is_a_problem() -> None:
    assert codes("[" + "1," * MOST_EVENTS + "]") == ["yaml-size"]


def test_an_alias_means_what_its_anchor_meant_where_the_alias_stands() -> None:
    text = manifest(parameters="{A: &x 1, B: &y [*x], C: &x 2, D: *x}")
    (problem,) = read(text).problems
    assert problem.pointer == "/spec/parameters/B"
    (run,) = read(text.replace("B: &y [*x]", "B: *x")).runs
    assert run.parameters == (("A", "1"), ("B", "1"), ("C", "2"), ("D", "2"))


def test_an_anchored_list_keeps_its_meaning_when_an_anchor_inside_is_given_again() -> None:
    text = (
        f"{HEAD}metadata: {{name: *unknown}}\nspec:\n  a: &x 1\n  b: &c [*x]\n  d: &x 2\n  e: *c\n"
    )
    assert "yaml-alias" in codes(text)
    documents, _ = read_documents(Source(path="a.yaml", content=text.encode()))
    assert documents[0].value["spec"] == {"a": 1, "b": [1], "d": 2, "e": [1]}


def test_a_problem_in_what_an_alias_repeats_is_reported_once() -> None:
    text = manifest(parameters="{A: &a !x 1, B: *a, C: *a}")
    assert codes(text) == ["yaml-tag"]


def test_a_number_that_is_only_wrong_where_the_alias_stands_is_reported_there() -> None:
    text = (
        f"{HEAD}metadata: {{name: a, labels: {{n: &n .inf}}}}\n"
        "spec: {flowId: *n, triggerTime: 1, parameters: {}}\n"
    )
    (problem,) = read(text).problems
    assert (problem.code, problem.pointer, problem.place.line) == ("yaml-number", "/spec/flowId", 4)


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_line_ends_and_a_byte_order_mark_change_neither_values_nor_places(
    ending: str, mark: str
) -> None:
    text = manifest(parameters="{A: x}") + "---\n" + manifest(parameters="{A: x}", more="  x: 1\n")
    expected = read(text)
    assert len(expected.problems) == 1
    assert read(mark + text.replace("\n", ending)) == expected


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("wrong", [b"\xff", b"\x07", "\u2029".encode()])
def test_a_wrong_byte_is_found_on_its_line_whatever_ends_the_lines(
    wrong: bytes, ending: str
) -> None:
    content = "kind: x\n\n# 风: ".replace("\n", ending).encode() + wrong + b"\n"
    (problem,) = read(content).problems
    assert (problem.place.line, problem.place.column) == (3, 6)


def test_a_problem_after_wide_characters_has_its_column_in_characters() -> None:
    (problem,) = read(f"{HEAD}metadata: {{description: 风电场😀, nme: a}}\nspec: {{}}\n").problems[
        :1
    ]
    assert (problem.place.line, problem.place.column) == (3, 31)


@pytest.mark.long  # what ten thousand cost
def test_ten_thousand_problems_in_one_document_are_all_reported() -> None:
    count = 10_000
    empty = "".join(f"    K{i}:\n" for i in range(count))
    text = manifest(parameters="\n" + empty.rstrip("\n"))
    problems = read(text).problems
    assert len(problems) == count
    assert problems[-1].place.line == 7 + count


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        ("cron: */15 8 * * *\n", "1:7", "put text that begins with `*` in quotes"),
        ("sensitive: [*X*]\n", "1:13", "put text that begins with `*` in quotes"),
        ("A: *", "1:4", "`*` begins an alias"),
        ("&a.b x", "1:1", "`&` begins an anchor"),
        ("A: | text\n", "1:6", "text after `|` begins on the next line"),
        ("A: >#x\n", "1:5", "a comment needs a space before its #"),
        ("{a: b}\nc: d\n", "2:1", "write a line `---` before the next one"),
        ('{"a": 1}\n{"b": 2}\n', "2:1", "write a line `---` before the next one"),
        ("%YAML 1.2\n", "2:1", "a line `---` is missing"),
        ("A: ? b", "1:4", "put text that begins with `?` in quotes"),
        (r'A: "\xZZ"', "1:7", "`\\x` needs two hexadecimal digits"),
        (r'A: "\U00110000"', "1:7", "is of no character that exists"),
        ("A: |0\n b\n", "1:5", "write 1 to 9"),
        ('A: "a\n---\nb: c\n', "1:4", "is not closed before line 2"),
        ("% comment\na: b\n", "1:2", "begin a comment with #"),
        ("%FOO\n---\na: b\n", "1:5", "no line may begin with %"),
        ("%YAML 1.2 x\n---\na: b\n", "1:11", "no line may begin with %"),
        ("%YAML 1.2\n%YAML 1.2\n---\na: b\n", "2:1", "a second time"),
        ("a: !<x b\n", "1:7", "tags (`!…`) are not allowed"),
    ],
)
def test_a_mistake_of_syntax_is_told_with_what_to_write(text: str, place: str, words: str) -> None:
    _, (problem,) = read_documents(Source(path="a.yaml", content=text.encode()))
    assert str(problem).startswith(f"a.yaml:{place}: yaml-syntax: ")
    assert words in problem.message


def test_no_message_of_libyaml_is_shown_as_it_is() -> None:
    library = pathlib.Path(_yaml.__file__).read_bytes()
    starts = rb"(?:did not find|found|could not find|block \w+ \w+ are|mapping \w+ are)"
    messages = {one.decode() for one in re.findall(rb"\0(%b [ -~]+)(?=\0)" % starts, library)}
    assert len(messages) > 30
    # It meets none of these: what is read is text, and begins as a stream does.
    messages -= {"did not find expected <stream-start>"}
    context = "while scanning a quoted scalar"  # in which the stream ends
    errors = [MarkedYAMLError(context=context, problem=one) for one in messages]
    shown = [explain(one, "a\n", "a.yaml").message for one in errors]
    assert not messages & set(shown)


def told(text: str) -> list[str]:
    return [f"{one.place.line}:{one.place.column} {one.message}" for one in read(text).problems]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            manifest(parameters="{A:b}"),
            "7:19 spec.parameters.A:b: is empty: a space is missing after `A:`; write `A: b`",
        ),
        (
            manifest(parameters="{'A:': }"),
            '7:22 spec.parameters.A:: is empty: write "" for an empty text',
        ),
        (
            manifest(parameters="\n    A:b\n    C:d"),
            (
                "8:5 spec.parameters: must be a mapping, not text: a space is missing after `A:`; "
                "write `A: b`"
            ),
        ),
        (
            manifest().replace("{name: a}", "{name:a}"),
            (
                "3:12 metadata.name:a: is not a known field; a space is missing after `name:`; "
                "write `name: a`"
            ),
        ),
        (
            manifest().replace("flowId: 1", "flowId: 99999999999999999999"),
            (
                "5:11 spec.flowId: 99999999999999999999 does not fit into 64 bits: the number is "
                "too large (text goes into quotes)"
            ),
        ),
    ],
)
def test_a_hint_names_what_is_wrong_with_the_text(text: str, expected: str) -> None:
    assert told(text) == [expected]


@pytest.mark.parametrize("name", ["knid", "Kind", "ki\u200bnd", "kin"])
def test_a_misspelt_kind_is_named_where_it_stands_and_so_are_other_unknown_fields(
    name: str,
) -> None:
    text = manifest(more="colour: red\n").replace("kind:", f"{name}:")
    shown = name.replace("\u200b", r"\u200b")
    assert told(text) == [
        f"2:1 {shown}: is not a known field; did you mean kind?",
        "8:1 colour: is not a known field; known are apiVersion, kind, metadata, spec",
    ]


def test_a_manifest_of_a_known_kind_is_told_once_of_an_unknown_field() -> None:
    assert told(manifest(more="colour: red\n")) == [
        "8:1 colour: is not a known field; known are apiVersion, kind, metadata, spec"
    ]


@pytest.mark.parametrize(
    ("given", "form"),
    [("every: 1", "such as 15m, 6h, 1d"), ("cron: 0", "must have five fields")],
)
def test_a_number_in_place_of_text_is_told_the_form_and_not_only_to_take_quotes(
    given: str, form: str
) -> None:
    dates = f"businessDates: {{from: 2024-01-01, to: 2024-01-02, {given}}}"
    text = manifest().replace("Trigger", "Backfill").replace("triggerTime: 1", dates)
    (found,) = told(text)
    assert form in found
    assert "in quotes" not in found
