from datetime import UTC

import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from reconciler.configuration import InvalidConfigurationError, parse_configuration
from reconciler.expansion.characters import visible_form
from reconciler.manifest import read_file
from reconciler.model import Problem, Source, wire_parameters
from tests.corpus.examples import CORPUS
from tests.sampling import examples

MANIFEST = (CORPUS / "manifests/valid/everything.yaml").read_bytes()
BACKFILL = (CORPUS / "manifests/valid/backfill-everything.yaml").read_bytes()
CONFIGURATION = (CORPUS / "config/valid/everything.yaml").read_bytes()
PIECES = [
    *(
        "- ",
        "? ",
        ": ",
        "a",
        "&a ",
        "*a",
        "!t ",
        "!!str ",
        "<<: ",
        "{",
        "}",
        "[",
        "]",
        ",",
        "|\n",
        ">",
    ),
    *(
        "\n",
        "\r\n",
        "\n  ",
        "\n    ",
        "\t",
        " ",
        "---\n",
        "...\n",
        "#",
        "'",
        '"',
        "\\",
        "%YAML 1.2\n",
    ),
    *("apiVersion: reconciler/v1\n", "kind: Trigger\n", "metadata:", "name: ", "spec:", "flowId: "),
    *("kind: Backfill\n", "matrix: ", "exclude: ", "every: ", "cron: ", "from: ", "to: "),
    *("1m", "0 8 * * *", "1970-01-01", "dependsOn: ", "retry: ", "stagger: ", "SITE: "),
    *("triggerTime: ", "businessDate: ", "9999-12-31", "parameters: ", "1e999", ".nan", "\ufeff"),
    *("null", "~", "0x", "风", "\u2028", "\x00", "\ud7ff", "\U0010ffff", "9" * 30, "@", "`"),
]


def check(content: bytes) -> None:
    """The promise: problems with places, or runs; never an exception."""
    result = read_file(Source(path="t/a.yaml", content=content), UTC)
    assert result.problems or result.runs
    check_problems(result.problems)
    for run in result.runs:
        for pair in wire_parameters(run.parameters):
            assert all(isinstance(text, str) for text in pair.values())
    try:
        parse_configuration(Source(path="reconciler.yaml", content=content))
    except InvalidConfigurationError as error:
        check_problems(error.problems)


def check_problems(problems: tuple[Problem, ...]) -> None:
    assert list(problems) == sorted(problems)
    for problem in problems:
        assert problem.place.line >= 1
        assert problem.place.column >= 1
        assert str(problem).isprintable()
        assert problem.code
        assert problem.pointer == "" or problem.pointer.startswith("/")


@given(st.binary(max_size=300))
@example(b"\xef\xbb\xbf")
@example(b"\xff\xfe\x00")
@example(b'"\\ud800"')
@example(b"--- !!binary x")
@example(b"? ? ? a")
@examples(300)
def test_any_bytes_are_problems_or_runs(content: bytes) -> None:
    check(content)


@given(st.lists(st.sampled_from(PIECES), max_size=40))
@examples(600)
def test_any_arrangement_of_yaml_is_problems_or_runs(pieces: list[str]) -> None:
    check("".join(pieces).encode())


@given(
    st.sampled_from([MANIFEST, BACKFILL, CONFIGURATION]),
    st.lists(
        st.tuples(st.floats(0, 1), st.integers(0, 12), st.sampled_from(PIECES)),
        min_size=1,
        max_size=4,
    ),
)
@examples(600)
def test_any_damage_to_a_valid_file_is_problems_or_runs(
    content: bytes, damages: list[tuple[float, int, str]]
) -> None:
    for where, removed, inserted in damages:
        start = int(where * len(content))
        content = content[:start] + inserted.encode() + content[start + removed :]
    check(content)


TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\ufeff"), max_size=20)


@given(st.dictionaries(TEXT.filter(bool), TEXT, max_size=6))
@examples(300)
def test_quoted_texts_arrive_as_they_were_written_and_in_order(texts: dict[str, str]) -> None:
    texts = {key: texts[key] for key in {visible_form(key): key for key in texts}.values()}
    document = {
        "apiVersion": "reconciler/v1",
        "kind": "Trigger",
        "metadata": {"name": "a"},
        "spec": {"flowId": 1, "triggerTime": 1, "parameters": texts},
    }
    content = yaml.safe_dump(document, default_style='"', sort_keys=False).replace('!!int "1"', "1")
    result = read_file(Source(path="t/a.yaml", content=content.encode()), UTC)
    assert not result.problems
    assert result.runs[0].parameters == tuple(texts.items())


PLAIN = st.from_regex(r"[a-zA-Z0-9.+~_/=][a-zA-Z0-9.+~_/:=-]{0,15}[a-zA-Z0-9]", fullmatch=True)


@given(st.lists(PLAIN, min_size=1, max_size=6))
@examples(300)
def test_unquoted_texts_arrive_as_they_were_written(texts: list[str]) -> None:
    lines = "".join(f"    K{index}: {text}\n" for index, text in enumerate(texts))
    content = (
        "apiVersion: reconciler/v1\nkind: Trigger\nmetadata: {name: a}\n"
        f"spec:\n  flowId: 1\n  triggerTime: 1\n  parameters:\n{lines}"
    )
    result = read_file(Source(path="t/a.yaml", content=content.encode()), UTC)
    assert not result.problems
    assert [value for _, value in result.runs[0].parameters] == texts
