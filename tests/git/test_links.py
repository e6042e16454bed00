from reconciler.links import link_problem, name_problem, readable_path
from reconciler.model import Place


def test_the_problem_names_the_link_and_what_to_do() -> None:
    problem = link_problem("a/x")
    assert (problem.place, problem.code) == (Place(file="a/x"), "link")
    assert problem.message.endswith("put the file or the folder itself here")


def test_a_name_that_is_not_utf8_can_be_printed() -> None:
    name = b"caf\xe9.yaml".decode("utf-8", "surrogateescape")
    assert readable_path(name) == r"caf\xe9.yaml"
    problem = name_problem(name)
    assert problem is not None
    assert str(problem).startswith(r"caf\xe9.yaml:1:1: file-name:")
    assert name_problem("日本 caf\xe9.yaml") is None
