import pytest

from reconciler.manifest.scalars import Scalar, core_value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *((text, None) for text in ("", "~", "null", "Null", "NULL")),
        *((text, True) for text in ("true", "True", "TRUE")),
        *((text, False) for text in ("false", "False", "FALSE")),
        ("0", 0),
        ("-0", 0),
        ("+12", 12),
        ("012", 12),
        ("0o14", 12),
        ("0xfF", 255),
        ("9223372036854775807", 2**63 - 1),
        ("-9223372036854775808", -(2**63)),
        ("1.", 1.0),
        (".5", 0.5),
        ("-1.5e3", -1500.0),
        ("1e3", 1000.0),
        ("1E-2", 0.01),
    ],
)
def test_words_and_numbers_of_the_core_schema_are_values(text: str, value: Scalar) -> None:
    result = core_value(text)
    assert result == value
    assert type(result) is type(value)


@pytest.mark.parametrize(
    "text",
    [
        *(
            "yes",
            "no",
            "on",
            "off",
            "y",
            "Yes",
            "nULL",
            "tRUE",
            "-",
            ".",
            "+",
            "e3",
            "1e",
            "=",
            "<<",
        ),
        *("1_000", "08:00", "12:30:00", "190:20:30", "2024-03-01", "2024-03-01 08:00:00", "0b11"),
        *("0x", "0o8", "-0x1", "+0o7", "1.2.3", "- 1", "1 ", ".Infinity", "inf", "nan", "-.nan"),
        *("\u0661\u0662", "\uff11\uff12", "1\n"),
    ],
)
def test_everything_else_is_text(text: str) -> None:
    assert core_value(text) == text


@pytest.mark.parametrize(
    "text",
    [
        *("9223372036854775808", "-9223372036854775809", "0xffffffffffffffff", "9" * 10_000),
        *("1e400", "-1e400", "1" * 400 + ".0"),
        *(".inf", "-.Inf", "+.INF", ".nan", ".NaN", ".NAN"),
    ],
)
def test_numbers_that_json_or_64_bits_cannot_hold_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"64 bits|too large|JSON"):
        core_value(text)
