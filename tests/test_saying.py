"""The one way out for text: streams that make it inert, whatever their encoding."""

import ast
import io
import json
import re
import sys

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.cli.main import LazyGroup, reconciler
from reconciler.cli.saying import Outlet, say, show, wrap_streams
from reconciler.render.json_output import json_document
from reconciler.render.safe import escape_output, is_harmful
from tests.render.values import texts
from tests.repositories import PROJECT

_WAYS_OUT = {
    "click": {"echo", "secho", "echo_via_pager", "get_text_stream", "get_binary_stream"},
    "sys": {"stdout", "stderr", "__stdout__", "__stderr__"},
    "os": {"write", "writev"},
    "logging": {"basicConfig", "StreamHandler"},
    "builtins": {"print"},
}
# The one place, and those that only ask what sort of stream there is, or hand it on to it.
# The command's entry point says one fixed sentence where nothing else can run. Processes that read
# files for others write to them, and to nobody else.
_WRITERS = {"reconciler/cli/saying.py", "reconciler/repository/division.py"}
_MAY = {
    *_WRITERS,
    "reconciler/__main__.py",
    "reconciler/cli/main.py",
    "reconciler/cli/applying.py",
    "reconciler/cli/settling.py",
    "reconciler/cli/watching.py",
}


_NAMES = re.compile(rf"\b(?:{'|'.join(name for names in _WAYS_OUT.values() for name in names)})\b")


def _ways_out(source: str) -> list[str]:
    found: list[str] = []
    if _NAMES.search(source) is None:
        return found  # most modules name none: to parse them takes longer than to look
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            if node.attr in _WAYS_OUT.get(node.value.id, ()):
                found.append(f"{node.value.id}.{node.attr}")
        elif isinstance(node, ast.ImportFrom) and node.module in _WAYS_OUT:
            found += [one.name for one in node.names if one.name in _WAYS_OUT[node.module]]
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            found += [node.func.id] if node.func.id == "print" else []
    return found


def test_nothing_prints_but_the_one_place() -> None:
    found = {
        str(path.relative_to(PROJECT)): ways
        for path in sorted((PROJECT / "reconciler").rglob("*.py"))
        if (ways := _ways_out(path.read_text()))
    }
    assert set(found) == _MAY
    others = {way for path, ways in found.items() if path not in _WRITERS for way in ways}
    assert others == {"sys.stdout", "sys.stderr"}  # which only ask, but for the entry point


def written(*texts: str, encoding: str = "utf-8") -> str:
    """What comes out beneath an Outlet that is written to."""
    raw = io.BytesIO()
    beneath = io.TextIOWrapper(raw, encoding=encoding, write_through=True)
    outlet = Outlet(beneath)
    for text in texts:
        outlet.write(text)
    outlet.flush()
    return raw.getvalue().decode(encoding)


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("::error::x", "\\u003a:error::x"),
        (" \u3000::error::x", " \u3000\\u003a:error::x"),
        ("a ::error::x", "a ::error::x"),
        ("a ##[error]x", "a \\u0023#[error]x"),
        ("##VSO[task.x]", "\\u0023#VSO[task.x]"),
        ("### Plan", "### Plan"),
        ("\x1b[31mred\r", "\\u001b[31mred\\u000d"),
        ("a\u3164\U000e0041b", "a\\u3164\\udb40\\udc41b"),
        ("\udcff", "\\udcff"),
    ],
)
def test_a_line_is_inert(line: str, shown: str) -> None:
    assert escape_output(line) == shown
    assert written(f"{line}\n") == f"{shown}\n"


_PIECES = st.sampled_from(
    ["a", " ", "\u3000", "\n", "\r", ":", "::", "#", "##[", "\x1b[1m", "\x85", "é"]
)


@given(st.lists(_PIECES).map("".join), st.booleans(), st.booleans())
def test_many_lines_at_once_are_inert_as_each_one_is(
    text: str, begins: bool, painted: bool
) -> None:
    first, *others = text.split("\n")
    expected = [escape_output(first, begins=begins, painted=painted)]
    expected += [escape_output(line, painted=painted) for line in others]
    assert escape_output(text, begins=begins, painted=painted) == "\n".join(expected)


def test_only_colours_that_are_meant_reach_the_terminal() -> None:
    assert (
        escape_output("\x1b[31mred\x1b[0m\x1b[2J", painted=True) == "\x1b[31mred\x1b[0m\\u001b[2J"
    )


@pytest.mark.parametrize(
    "pieces", [(":", ":error::x\n"), (" ", "::error::x\n"), ("#", "#[error]x\n"), ("\n", "::x\n")]
)
def test_a_command_in_pieces_is_none(pieces: tuple[str, ...]) -> None:
    text = written(*pieces)
    assert "##[" not in text
    assert not text.strip().startswith("::")


def test_a_command_after_blanks_that_were_flushed_is_none() -> None:
    beneath = io.StringIO()
    outlet = Outlet(beneath)
    for piece in ("  ", "::error::x\n"):
        outlet.write(piece)
        outlet.flush()
    assert beneath.getvalue() == "  \\u003a:error::x\n"


@given(texts, st.sampled_from(["utf-8", "latin-1", "cp1252", "ascii", "utf-16", "cp037"]))
def test_any_text_can_be_written_in_any_encoding(text: str, encoding: str) -> None:
    shown = written(text, encoding=encoding)
    assert not any(is_harmful(character) for character in shown if character != "\n")


@given(texts, st.sampled_from(["utf-8", "latin-1", "cp1252", "ascii", "utf-16"]))
def test_json_means_the_same_in_any_encoding(text: str, encoding: str) -> None:
    value = {text: [text, f"::{text}", f"##[{text}]"]}
    assert json.loads(written(json_document(value), encoding=encoding)) == value


def test_what_anybody_prints_meanwhile_passes(capsys: pytest.CaptureFixture[str]) -> None:
    with wrap_streams(), wrap_streams():
        click.echo("::error::\x9b2Jx")
        sys.stderr.write("\rx\n")
    assert capsys.readouterr() == ("\\u003a:error::\\u009b2Jx\n", "\\u000dx\n")


def test_click_does_not_write_around_it_where_the_encoding_is_ascii(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding="ascii"))
    with wrap_streams():
        click.echo("::风\x9b")
    assert raw.getvalue() == b"\\u003a:\\u98ce\\u009b\n"


def test_without_streams_nothing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", None)
    monkeypatch.setattr(sys, "stderr", None)
    with wrap_streams():
        say("x")
        show("x\n")


def test_a_message_is_one_line_unless_lines_are_meant(capsys: pytest.CaptureFixture[str]) -> None:
    say("note: a\nerror: b")
    say("error: a\nerror: b\n  c", lines=True)
    assert capsys.readouterr().err == "note: a\\nerror: b\nerror: a\n  error: b\n  c\n"


def test_only_githubs_own_commands_are_meant(capsys: pytest.CaptureFixture[str]) -> None:
    show("::error file=a::x\n::stop-commands::x\n ::error file=a::x\n", commands=True)
    assert capsys.readouterr().out == (
        "::error file=a::x\n\\u003a:stop-commands::x\n \\u003a:error file=a::x\n"
    )


def test_every_option_for_text_is_read_as_utf8() -> None:
    assert isinstance(reconciler, LazyGroup)
    context = click.Context(reconciler)
    commands = [reconciler.get_command(context, name) for name in reconciler.list_commands(context)]
    parameters = [one for command in (reconciler, *commands) if command for one in command.params]
    assert len(parameters) > 30
    assert [one.name for one in parameters if one.type is click.STRING] == []
