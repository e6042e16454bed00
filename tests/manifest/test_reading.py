from datetime import UTC

import pytest

from reconciler.manifest import FileResult, combine, is_manifest_path, read_file, read_manifests
from reconciler.manifest.build import MOST_EXPANDED_CHARACTERS
from reconciler.manifest.document import read_documents
from reconciler.manifest.events import MOST_ALIASES, MOST_EVENTS, MOST_NESTING
from reconciler.model import Place, Problem, Source

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
    declared = read_manifests(sources, UTC, [known])
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


def test_the_same_content_always_gives_the_same_result() -> None:
    text = manifest("a", parameters="{B: 1, A: 2}") + "---\n- broken\n"
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


def test_ten_thousand_problems_in_one_document_are_all_reported() -> None:
    count = 10_000
    empty = "".join(f"    K{i}:\n" for i in range(count))
    text = manifest(parameters="\n" + empty.rstrip("\n"))
    problems = read(text).problems
    assert len(problems) == count
    assert problems[-1].place.line == 7 + count
