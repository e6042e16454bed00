import pytest

from reconciler.links import Kind, Node, Refusal, link_problem, name_problem, printable, resolve
from reconciler.model import Place

FILE = Node(kind=Kind.FILE)
FOLDER = Node(kind=Kind.FOLDER)


def _link(target: str) -> Node:
    return Node(kind=Kind.LINK, target=target)


def _resolve(path: str, **more: str) -> str | Refusal:
    """Resolve in a small tree, with more links by name (`a_b` stands for `a/b`)."""
    tree = {
        "f": FILE,
        "a": FOLDER,
        "a/f": FILE,
        "a/b": FOLDER,
        "a/b/f": FILE,
        "far": _link("a/b"),
        "sub": Node(kind=Kind.SUBMODULE),
    }
    links = {name.replace("_", "/"): _link(target) for name, target in more.items()}
    return resolve(path, (tree | links).get)


@pytest.mark.parametrize(
    ("target", "end"),
    [
        ("f", "a/f"),
        ("./f", "a/f"),
        ("b//f", "a/b/f"),
        ("../f", "f"),
        ("b/../../f", "f"),
        ("../a/b/f", "a/b/f"),
        ("../far/f", "a/b/f"),
        ("../far/../f", "a/f"),  # `..` of where the linked folder really is
    ],
)
def test_a_link_to_a_file_inside_leads_to_it(target: str, end: str) -> None:
    assert _resolve("a/x", a_x=target) == end


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        ("../../f", "leaves the repository"),
        ("../../../etc/passwd", "leaves the repository"),
        ("../../repository/f", "leaves the repository"),
        ("/etc/passwd", "absolute"),
        ("gone", "leads to nothing"),
        ("f/../f", "leads to nothing"),
        ("gone/../f", "leads to nothing"),
        ("b", "leads to a folder"),
        (".", "leads to a folder"),
        ("..", "leads to a folder"),
        ("../far", "leads to a folder"),
        ("../sub/f", "submodule"),
        ("../sub", "submodule"),
        ("x", "circle"),
        ("../a/./x", "circle"),
        ("x/f", "circle"),
    ],
)
def test_any_other_link_is_refused_with_the_reason(target: str, reason: str) -> None:
    end = _resolve("a/x", a_x=target)
    assert isinstance(end, Refusal)
    assert reason in end.reason


def test_a_chain_of_links_is_followed() -> None:
    assert _resolve("one", one="a/two", a_two="../three", three="far/f") == "a/b/f"


def test_a_chain_that_leaves_at_its_end_is_refused() -> None:
    assert isinstance(_resolve("one", one="two", two="../f"), Refusal)


def test_two_links_to_each_other_are_a_circle() -> None:
    assert _resolve("one", one="two", two="one") == Refusal(reason="goes round in a circle")


def test_links_that_multiply_are_given_up_early() -> None:
    chain = {f"l{n}": f"l{n + 1}/../l{n + 1}" for n in range(60)}
    assert isinstance(_resolve("l0", **chain), Refusal)


def test_the_problem_names_the_link_and_what_to_do() -> None:
    problem = link_problem("a/x", Refusal(reason="leaves the repository"))
    assert (problem.place, problem.code) == (Place(file="a/x"), "link")
    assert problem.message.startswith("the link leaves the repository: put the file itself here")


def test_a_name_that_is_not_utf8_can_be_printed() -> None:
    name = b"caf\xe9.yaml".decode("utf-8", "surrogateescape")
    assert printable(name) == r"caf\xe9.yaml"
    problem = name_problem(name)
    assert problem is not None
    assert str(problem).startswith(r"caf\xe9.yaml:1:1: file-name:")
    assert name_problem("日本 caf\xe9.yaml") is None
