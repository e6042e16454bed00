"""Ask a person at the terminal for what no option said, and explain what is asked."""

from collections.abc import Callable, Iterable

import click
from msgspec import Struct

from reconciler.cli.saying import say


class Question(Struct, frozen=True, kw_only=True):
    """One question, and the option that answers it without asking."""

    option: str
    words: str  # the question
    meaning: str  # one line: what it is about
    default: str | None = None  # of the prompt only
    check: Callable[[str], Iterable[str]] = lambda _: ()  # what is wrong with an answer


def ask_person(question: Question, *, explains: bool = True) -> str:
    """The person's answer, asked for until it is valid; `explains`: show the question's meaning."""

    def read(text: str) -> str:
        answered = text.strip()
        for wrong in question.check(answered):
            raise click.UsageError(wrong)
        return answered

    if explains:
        say(f"  {question.meaning}")
    said: str = click.prompt(
        question.words,
        default=question.default,
        show_default=bool(question.default),
        value_proc=read,
        err=True,
    )
    return said


def missing_answers_error(questions: Iterable[Question]) -> click.UsageError:
    """The error to raise where nobody can be asked and no option gives the answers."""
    options = ", ".join(one.option for one in questions)
    return click.UsageError(f"Say {options}: there is no terminal to ask on.")
