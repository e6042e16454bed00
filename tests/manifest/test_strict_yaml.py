"""YAML that libyaml reads and YAML 1.2 does not, and what its author is told."""

import json
from time import process_time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.manifest.document import read_documents
from reconciler.model import Source
from tests.manifest.test_yaml_suite import read
from tests.sampling import examples


def messages(text: str) -> list[str]:
    return [str(problem).removeprefix("a.yaml:") for problem in read(text)[1]]


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        ('a: "012"#was 013\n', "1:9", "needs a space before its #"),
        ("a: [b]#c\n", "1:7", "needs a space before its #"),
        ("a: [b,#c\n  d]\n", "1:7", "needs a space before its #"),
        ("a: |#c\n  b\n", "1:5", "needs a space before its #"),
        ("a: &x |-#c\n  b\n", "1:9", "needs a space before its #"),
        ("%YAML 1.2#c\n---\na: b\n", "1:10", "needs a space before its #"),
        ('a: "b\nc"\n', "2:1", "indent it by a space or more"),
        ("a:\n  b: 'c\n\n d'\n", "4:2", "indent it by 3 spaces or more"),
        ('a: "b\n\tc"\n', "2:1", "indent it by a space or more"),
        ("a:\n- 'b\nc'\n", "3:1", "indent it by a space or more"),
        ("a: &x\n  b: 'c\n  d'\n", "3:3", "indent it by 3 spaces or more"),
        ("a: {\n  b: c,\nd: e}\n", "3:1", "indent it by a space or more"),
        ("a:\n  b: {\n    c: d\n}\n", "4:1", "indent it by 3 spaces or more"),
        ("a: {\n  b: c\n}#d\n", "3:2", "needs a space before its #"),
        ("a: [\n\tb\n ]\n", "2:1", "indent it by a space or more"),
        ('a: ["b\nc"]\n', "2:1", "indent it by a space or more"),
        ("a: 'b\r\nc'\r\n", "2:1", "indent it by a space or more"),
        ("a: b\n%YAML 1.2\n---\n", "2:1", "needs a line `...` before it"),
        ("a: [-]\n", "1:5", "`-` alone is no value in brackets"),
        ("a: [-, b]\n", "1:5", "`-` alone is no value in brackets"),
        ("a: {?b: c}\n", "1:5", "`?` right before a key"),
        ("a: [?b]\n", "1:5", "`?` right before a key"),
        ("a: &b:c d\n", "1:6", "the name of an anchor cannot hold ':'"),
        ("a: &b c\n*b: d\n", "2:3", "the name of an alias cannot hold ':'"),
        ("a: >\n   \n # c\nb: d\n", "2:1", "more spaces than the first line of the text"),
        ("a: |\n  b\n ", "3:1", "a line of spaces that is not ended"),
        ("a:\n|\n  b\n", "2:1", "stands too far left"),
        ("a: &b\n|\n  b\n", "2:1", "stands too far left"),
    ],
)
def test_what_libyaml_lets_pass_is_a_problem_where_it_stands(
    text: str, place: str, words: str
) -> None:
    (found,) = messages(text)
    assert found.startswith(f"{place}: yaml-syntax: ")
    assert words in found


@pytest.mark.parametrize(
    "text",
    [
        'a: "012" #was 013\n',
        "a: [b#c, d] # e\n# f\n",
        "a: [b, # c\n# d\n  e] # f\n#g",
        "a: {\n  b: c\n }\n",
        "a: {\n  b: c\n}\nd: [\n  {\n    e: f\n  },\n] # g\n",
        "a:\n  b: [\n    c\n  ]\n",
        "a: [{\n  b: c\n}]\n",
        '{\n"a":\n"b"\n}\n# c',
        "--- [\na\n]\n",
        "a:\n- 'b\n c'\n- [d,\n e]\n",
        "a: &x\n- 'b\n c'\n",
        "a: &x   # d\n\n  b: 'c\n   d'\n",
        "a: [-1, -b, --, ]\n",
        "a: [b?c, b?]\n",
        "a: &b c\nd: *b\ne: [*b, *b]\n*b : f\n",
        "a: >\n\n \n # c\n",
        "a: |\n  # b\n   c\n",
        "a: |2\n   b\n",
        "a: b\n...\n%YAML 1.2\n---\nc: d\n",
        "a: 'x # y'\nb: \"z#\"\nc: z#\n",
        "a: |\r\n  b\r\nc: 'd\r\n  e' # f\r\n",
        "a: 'é😀' # f\nb: [\"😀\"] #\n",
    ],
)
def test_what_is_well_formed_stays_so(text: str) -> None:
    assert messages(text) == []


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        ("-\ta: b\n  c: d\n", "1:2", "a tab stands after `-`: use a space"),
        ("a:\n\tb: c\n", "2:1", "a tab stands where the indentation is"),
        ("a: b\n<<<<<<< HEAD\nc: d\n", "2:1", "<<<<<<< marks a merge conflict"),
        ("a: b\n=======\nc: d\n", "2:1", "======= marks a merge conflict"),
        ("a: b\r\n=======\r\nc: d\r\n", "2:1", "======= marks a merge conflict"),
        ("a: b\n||||||| 1a2b3c\nc: d\n", "2:1", "||||||| marks a merge conflict"),
        ("a: b\n>>>>>>> theirs\nc: d\n", "2:1", ">>>>>>> marks a merge conflict"),
        ('a: "\\ud83d\\ude00"\n', "1:7", "half of a surrogate pair"),
    ],
)
def test_a_message_fits_the_mistake(text: str, place: str, words: str) -> None:
    (found,) = messages(text)
    assert found.startswith(f"{place}: yaml-syntax: ")
    assert words in found


@pytest.mark.parametrize("text", ["a: <<<<<<< b\n", "a: |\n  =======\n", "========: b\n"])
def test_what_only_looks_like_a_conflict_marker_is_text(text: str) -> None:
    assert messages(text) == []


TEXT = st.text(
    st.characters(exclude_categories=["Cs"]) | st.sampled_from("\u2028\u0085\ufeff😀/\\")
)
LEAF = st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | TEXT
SHALLOW = LEAF | st.lists(LEAF, max_size=2) | st.dictionaries(TEXT, LEAF, max_size=2)
JSON = st.dictionaries(TEXT, SHALLOW | st.lists(SHALLOW, max_size=2), max_size=3)


@examples(150)
@given(JSON, st.booleans(), st.sampled_from([None, 0, 2, "\t"]), st.booleans(), st.booleans())
def test_json_of_any_library_is_read_as_what_was_written(
    value: object, ascii_only: bool, indent: str | int | None, slashes: bool, tight: bool
) -> None:
    separators = (",", ":") if tight else None
    text = json.dumps(value, ensure_ascii=ascii_only, indent=indent, separators=separators)
    text = text.replace("/", "\\/") if slashes else text
    values, problems = read(text)
    assert problems == []
    assert values == [value]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"a"\n:\n"b"}', {"a": "b"}),
        ('\ufeff{"a": "\u2028\u0085\x7f"}', {"a": "\u2028\u0085\x7f"}),
        ('{\r\n\t"a":\t1E2\r\n}\r\n', {"a": 100.0}),
        ('{"a": "=======\\n", "b": "# c"}', {"a": "=======\n", "b": "# c"}),
    ],
)
def test_json_is_read_by_its_own_rules(text: str, value: object) -> None:
    assert read(text) == ([value], [])


def test_problems_of_json_have_their_places() -> None:
    text = '{\n\t"a": {"b": 1,\n\t\t"b": "\u2028", "c": "\\ud83d"}}'
    repeated, half = messages(text)
    assert repeated.startswith("3:3: yaml-duplicate-key: a.b: is given on line 2 already")
    assert half.startswith("3:18: yaml-character: a.c: holds half of a surrogate pair")


def test_json_that_nests_too_deep_is_refused_like_yaml() -> None:
    for depth in (101, 200_000):
        (found,) = messages('{"a":' * depth + "1" + "}" * depth)
        assert "yaml-nesting" in found


def test_half_a_pair_in_a_key_is_a_problem() -> None:
    (found,) = messages('{"\\udc00": 1}')
    assert "yaml-character" in found


def test_json_in_several_documents_is_read_as_yaml() -> None:
    documents, problems = read_documents(
        Source(path="a.yaml", content=b'{"a": 1}\n---\n{"a": 2}\n')
    )
    assert [document.value for document in documents] == [{"a": 1}, {"a": 2}]
    assert problems == []


@pytest.mark.parametrize(
    "document",
    [
        "--- {a: {b: c#d}}\n",
        "---\na: &x\n  b: |\n    c\n",
        '---\na:\n  - "b\n     c"\n',
        "---\ra: &x\r  b: |\r    c\r",
    ],
)
def test_a_document_costs_the_same_whatever_stands_before_and_after_it(document: str) -> None:
    around, documents = "# e\n" * 150_000, document * 500

    def spent(text: str) -> float:
        began = process_time()
        assert read(text)[1] == []
        return process_time() - began

    apart = spent(around + document) * 2 + spent(documents)
    assert spent(f"{around}{documents}{around}") < 12 * apart  # it was forty times as long
