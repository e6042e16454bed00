"""The meaning of one code for a terminal, and of all codes as a list or a page."""

from collections.abc import Iterable, Iterator

from reconciler.explained import CodeKind, Explanation, page_address
from reconciler.render.layout import Screen, join_lines

TITLES = {
    CodeKind.PROBLEM: "Problems",
    CodeKind.NOTE: "Notes",
    CodeKind.REFUSAL: "Refusals of a plan",
    CodeKind.REASON: "Reasons why a run is not done",
    CodeKind.EXIT: "Exit codes",
    CodeKind.TOPIC: "What messages point to",
}
WORDS = {
    CodeKind.PROBLEM: "a problem: nothing of its environment is started before it is mended",
    CodeKind.NOTE: "a note: it stops nothing (`validate --strict` refuses it)",
    CodeKind.REFUSAL: "a refusal: an apply would start nothing",
    CodeKind.REASON: "a reason why a run is not done",
    CodeKind.EXIT: "an exit code",
    CodeKind.TOPIC: "what a message points to",
}
_LISTED = 22  # cells: the longest code, and room around it


def explanation_text(
    one: Explanation, *, color: bool | None = None, documents: str | None = None
) -> str:
    """One code in full. `documents`: the address of the folder that its page lies below."""
    screen = Screen.of(None, color)
    kinds = " or ".join(WORDS[kind] for kind in one.kinds)
    return join_lines(
        [
            *_title_lines(screen, one.code, kinds),
            "",
            *screen.wrap_text(one.means),
            "",
            screen.paint("For example", "bold"),
            *_example(screen, one.example),
            "",
            screen.paint("What to do", "bold"),
            *screen.wrap_text(one.remedy, 2),
            *_page(screen, one, documents),
        ]
    )


def _example(screen: Screen, text: str) -> list[str]:
    """The example: a sentence is wrapped, a file keeps its lines."""
    if "\n" not in text:
        return screen.wrap_text(text, 2)
    return [f"  {line}" for line in text.split("\n")]


def _page(screen: Screen, one: Explanation, documents: str | None) -> list[str]:
    if one.page is None or documents is None:
        return []
    return ["", screen.paint("Read on", "bold"), f"  {page_address(one.page, documents)}"]


def _title_lines(screen: Screen, code: str, kinds: str) -> Iterator[str]:
    first, *more = screen.wrap_text(f"{code} is {kinds}.")
    yield screen.paint(code, "bold") + first.removeprefix(code)
    yield from more


def explanations_text(every: Iterable[Explanation], *, color: bool | None = None) -> str:
    """All codes by kind, each with the first sentence of its meaning."""
    screen = Screen.of(None, color)
    lines: list[str] = []
    found = list(every)
    for kind, title in TITLES.items():
        lines += [screen.paint(title, "bold")]
        for one in found:
            if kind in one.kinds:
                lines += _code_lines(screen, one)
        lines.append("")
    return join_lines([*lines, "reconciler explain CODE says what to do about it."])


def _code_lines(screen: Screen, one: Explanation) -> Iterator[str]:
    first, *more = screen.without_margin(_LISTED).wrap_text(_sentence(one.means))
    yield f"  {one.code:{_LISTED - 2}}{first}"
    for line in more:
        yield " " * _LISTED + line


def _sentence(text: str) -> str:
    return text.split(". ", 1)[0].removesuffix(".") + "."


def explanations_markdown(every: Iterable[Explanation]) -> str:
    """The page of all codes."""
    found = list(every)
    lines = [
        "# Codes",
        "",
        "What each code means, with an example and what to do. Codes are stable: scripts may rely",
        "on them. `reconciler explain CODE` says the same; both come from",
        "`reconciler/explained/codes.toml` (`python -m tests.reference.update`).",
        "",
    ]
    for kind, title in TITLES.items():
        first = [one for one in found if one.kinds[0] is kind]
        also = [one for one in found if kind in one.kinds[1:]]
        lines += [f"## {title}", "", f"Each is {WORDS[kind]}.", ""]
        if also:
            named = ", ".join(f"[`{one.code}`](#{one.code})" for one in also)
            lines += [f"Told above: {named}.", ""]
        for one in first:
            lines += [f"### {one.code}", "", one.means, ""]
            lines += ["```text", one.example, "```", "", one.remedy, ""]
            lines += [f"[Read on]({one.page}).", ""] if one.page else []
    return "\n".join(lines)
