import csv
import hashlib
import subprocess
import unicodedata
from urllib.parse import unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.expansion.characters import _is_plain, visible_form
from reconciler.model import backfill_of, run_attempt, run_id, run_name, run_revision
from reconciler.schema import validate
from tests.expansion.building import NAME, backfill, refused, runs
from tests.sampling import examples

ONE_DATE = {"businessDates": {"from": "2024-03-01", "to": "2024-03-01", "every": "1d"}}
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
KEYS = TEXT.filter(lambda key: key and key not in {"businessDate", "triggerTime"})
MATRICES = st.dictionaries(
    KEYS, st.lists(TEXT, min_size=1, max_size=3, unique_by=visible_form), min_size=1, max_size=3
).filter(lambda matrix: len(set(map(visible_form, matrix))) == len(matrix))
ODD = st.text("%/@#=25F 4023\t\u3000\u200b风é", max_size=6)


def read_back(name: str) -> tuple[str, list[tuple[str, str]]]:
    """The date and the combination that a name stands for."""
    _, label, *segments = name.split("/")
    pairs = [segment.partition("=")[::2] for segment in segments]
    return label, [(unquote(key), unquote(value)) for key, value in pairs]


@given(
    st.one_of(
        MATRICES,
        st.dictionaries(
            ODD.filter(bool),
            st.lists(ODD, min_size=1, unique_by=visible_form),
            min_size=1,
            max_size=2,
        ).filter(lambda matrix: len(set(map(visible_form, matrix))) == len(matrix)),
    )
)
@examples(300)
def test_a_name_can_be_read_back_so_that_no_two_runs_share_one(
    matrix: dict[str, list[str]],
) -> None:
    for run in runs({**ONE_DATE, "matrix": matrix}):
        assert read_back(run.name) == ("2024-03-01", sorted(run.parameters))


@given(MATRICES, st.integers(1, 20), st.integers(1, 5))
@examples(200)
def test_ids_made_of_a_name_can_be_taken_apart_and_referred_to(
    matrix: dict[str, list[str]], revision: int, attempt: int
) -> None:
    for run in runs({**ONE_DATE, "matrix": matrix}):
        id_ = run_id(run.name, revision, attempt)
        assert (run_name(id_), run_revision(id_), run_attempt(id_)) == (run.name, revision, attempt)
        assert backfill_of(id_) == NAME == run.manifest
        assert run.name.isprintable()
        assert not any(character.isspace() for character in run.name)
        reference = backfill({**ONE_DATE, "dependsOn": [run.name]})
        assert not validate("trigger", reference.value)


@pytest.mark.parametrize(
    ("value", "segment"),
    [
        ("cn-01", "SITE=cn-01"),
        ("", "SITE="),
        ("a/b", "SITE=a%2Fb"),
        ("a%2Fb", "SITE=a%252Fb"),
        ("a@2", "SITE=a%402"),
        ("a#2", "SITE=a%232"),
        ("a=b", "SITE=a=b"),
        ("a b\t\n", "SITE=a%20b%09%0A"),
        ("风电场", "SITE=风电场"),
        ("\u3000", "SITE=%E3%80%80"),
        ("\u200b", "SITE=%E2%80%8B"),
        ("012", "SITE=012"),
        ("a~b:c.d_e-f", "SITE=a~b:c.d_e-f"),
        ("é", "SITE=é"),
        ("e\u0301", "SITE=e%CC%81"),
        ("\U00031350", "SITE=%F0%B1%8D%90"),  # Python 3.11 does not know it, 3.12 does
        ("\u05d0", "SITE=%D7%90"),  # runs from right to left
        ("\u1100\u1161", "SITE=%E1%84%80%E1%85%A1"),  # NFC makes one letter of the two
        ("$(rm)", "SITE=%24%28rm%29"),
    ],
)
def test_what_could_be_read_otherwise_is_percent_encoded(value: str, segment: str) -> None:
    (run,) = runs({**ONE_DATE, "matrix": {"SITE": [value]}})
    assert run.name == f"wind-march/2024-03-01/{segment}"


@pytest.mark.long  # every character that there is
def test_which_characters_stand_for_themselves_is_the_same_in_every_python() -> None:
    plain = "".join(one for one in map(chr, range(0x110000)) if _is_plain(one))
    assert len(plain) == 87_889
    digest = hashlib.sha256(plain.encode()).hexdigest()
    assert digest.startswith("4c94c8392ff13926")
    for one in plain:
        assert unicodedata.normalize("NFC", one) == one
        assert one.isalnum() or one in "._~-:"


def test_a_name_can_be_pasted_into_a_shell_a_url_and_a_table() -> None:
    printable = [chr(one) for one in range(32, 127)]
    matrix = {"A": printable, "".join(printable): ["風", "\u202ea", "\n", "'\";,"]}
    names = sorted({run.name for run in runs({**ONE_DATE, "matrix": matrix})})
    script = f"set -- {' '.join(names)}; printf '%s\\n' \"$@\""
    done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[:-1] == names
    for name in names:
        assert urlsplit(f"https://a.test/{name}?q#f").path == f"/{name}"
        assert next(csv.reader([f"{name},next"])) == [name, "next"]


def test_keys_are_sorted_by_name_and_have_no_equals_sign_of_their_own() -> None:
    (run,) = runs({**ONE_DATE, "matrix": {"SITE": ["a"], "MODE": ["full"], "A=B": ["c"]}})
    assert run.name == "wind-march/2024-03-01/A%3DB=c/MODE=full/SITE=a"


def test_names_that_nobody_could_refer_to_are_refused() -> None:
    matrix = {f"K{index}": ["x" * 128] for index in range(7)}
    rest = 1024 - len("wind-march/2024-03-01") - 7 * len("/K1=") - 7 * 128
    assert runs({**ONE_DATE, "matrix": {**matrix, "Z": ["y" * (rest - 3)]}})
    assert refused({**ONE_DATE, "matrix": {**matrix, "Z": ["y" * (rest - 2)]}}) == [
        "range /spec/matrix"
    ]
    assert refused({**ONE_DATE, "matrix": {**matrix, "Z": ["y", " " * (rest // 3)]}}) == [
        "range /spec/matrix"
    ]
