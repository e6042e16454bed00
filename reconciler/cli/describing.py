"""The questions that `new` asks: what each field means, and what is wrong with an answer."""

from collections.abc import Callable, Iterable, Iterator
from datetime import UTC

from msgspec.structs import replace

from reconciler.cli.asking import Question
from reconciler.manifest import read_file
from reconciler.model import Source
from reconciler.starting.declaration import (
    BackfillTimes,
    Declaration,
    TriggerTimes,
    is_date,
    wrong_time_message,
)

_DATE = "2024-03-01"


def question_of(field: str) -> Question:
    """The question about a field of either kind of manifest."""
    return _QUESTIONS[field]


def value_question(parameter: str) -> Question:
    """The question about the value of a parameter that the flow declares."""
    return Question(
        option="--parameter",
        words=parameter,
        meaning=f"The value of {parameter}, which the flow declares; empty: leave it out.",
        default="",
    )


def last_time_question(question: Question, first: str) -> Question:
    """The question about the last time, which also checks that it goes with the first."""
    ordered = _judge(
        ("/spec/businessDates/to", "/spec/triggerTimes/"),
        lambda text: _sample(times=BackfillTimes(first=first, last=text, every=None, cron=None)),
    )
    return replace(question, check=lambda text: (*question.check(text), *ordered(text)))


def check_pair(text: str) -> Iterator[str]:
    """What is wrong with a text that must be `KEY=VALUE` or empty."""
    key, is_pair, _ = text.partition("=")
    if text and not (key and is_pair):
        yield f"{text!r} is not KEY=VALUE"


def check_flow_id(text: str) -> Iterator[str]:
    """What is wrong with a flow's id."""
    if not (text.isascii() and text.isdigit() and 0 < len(text) < len(str(1 << 63)) and int(text)):
        yield f"{text!r} is not a number above 0"


def _sample(name: str = "a", times: TriggerTimes | BackfillTimes | None = None) -> Declaration:
    return Declaration(name=name, flow_id=1, times=times or TriggerTimes(business_date=_DATE))


def _sample_of_time(text: str) -> Declaration:
    if is_date(text):
        return _sample(times=TriggerTimes(business_date=text))
    return _sample(times=TriggerTimes(trigger_time=text))


def _judge(
    pointer: str | tuple[str, ...], sample: Callable[[str], Declaration]
) -> Callable[[str], Iterable[str]]:
    """A check of an answer: what the reader says of a manifest that is valid but for the answer."""

    def judge(text: str) -> Iterator[str]:
        content = sample(text).text("").encode()
        for problem in read_file(Source(path="", content=content), UTC).problems:
            if problem.pointer.startswith(pointer):
                yield problem.message

    return judge


def _check_time(text: str) -> Iterator[str]:
    """What is wrong with a text that must be a business date or a trigger time."""
    why = wrong_time_message(text, or_number=True)
    if why is not None:
        yield why
        return
    yield from _judge("/spec/", _sample_of_time)(text)


def _end_question(which: str, words: str) -> Question:
    return Question(
        option=f"--{words.lower()}",
        words=words,
        meaning=f"The {which} business date ({_DATE}), or trigger time with an offset.",
        check=_check_time,
    )


_QUESTIONS = {
    "name": Question(
        option="--name",
        words="Name",
        meaning="What it is called for ever: a-z, 0-9, and . _ - between them.",
        check=_judge("/metadata/name", lambda text: _sample(name=text)),
    ),
    "flow_id": Question(
        option="--flow-id",
        words="Flow's id",
        meaning="The workflow's number in EnOS.",
        check=check_flow_id,
    ),
    "business_date": Question(
        option="--business-date or --trigger-time",
        words="Business date",
        meaning=f"The day to process ({_DATE}); or the trigger time, with an offset.",
        check=_check_time,
    ),
    "first": _end_question("first", "From"),
    "last": _end_question("last", "To"),
    "matrix": Question(
        option="--matrix",
        words="Matrix (empty: no more)",
        meaning="KEY=V1,V2: a run for each value, and each combination.",
        default="",
        check=check_pair,
    ),
    "stagger": Question(
        option="--stagger",
        words="Stagger",
        meaning="Runs of one flow in one minute collide: how far to move them apart.",
        default="1m",
    ),
    "parameters": Question(
        option="--parameter",
        words="Parameter (empty: no more)",
        meaning="KEY=VALUE: what the flow is given, as this very text.",
        default="",
        check=check_pair,
    ),
}
