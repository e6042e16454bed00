"""The templates in `files/`, and the one way in which they are rendered."""

from functools import cache
from importlib.resources import files

from jinja2 import DictLoader, Environment, StrictUndefined

_FOLDER = files("reconciler.starting") / "files"


def rendered(name: str, **values: object) -> str:
    """The template `files/NAME.j2` with these values."""
    return _templates().get_template(f"{name}.j2").render(values)


@cache
def _templates() -> Environment:
    """Ours alone, with marks of their own: GitHub and GitLab have taken braces and brackets."""
    found = {
        entry.name: entry.read_text(encoding="utf-8")
        for entry in _FOLDER.iterdir()
        if entry.name.endswith(".j2")
    }
    return Environment(
        loader=DictLoader(found),
        autoescape=False,  # noqa: S701 - YAML, not HTML: each value is quoted for where it stands
        undefined=StrictUndefined,
        variable_start_string="<%=",
        variable_end_string="%>",
        block_start_string="<%",
        block_end_string="%>",
        comment_start_string="<%#",
        comment_end_string="%>",
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
