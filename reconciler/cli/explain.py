"""`reconciler explain`."""

import click

from reconciler.cli.options import CODE, ENV_UNUSED, common_options_with, current_options
from reconciler.errors import ExitCode


@click.command("explain")
@click.argument("code", type=CODE, required=False)
@common_options_with(ENV_UNUSED)
def command(*, code: str | None) -> ExitCode:
    """Say what a code means, with an example, and what to do about it.

    CODE is that of a problem, a note, a refusal or a reason, an exit code, or a word that a message
    points to. Without CODE all are listed.
    """
    from reconciler.cli.saying import show
    from reconciler.errors import ReconcilerError
    from reconciler.explained import documents, explanations, nearest
    from reconciler.render.explanation import explanation_text, explanations_text
    from reconciler.schema.paths import shown

    known, color = explanations(), current_options().color
    if code is None:
        show(explanations_text(known.values(), color=color), painted=True)
        return ExitCode.OK
    if code not in known:
        near = nearest(code, known)
        raise ReconcilerError(
            f"there is no code {shown(code)}",
            hint=f"Did you mean {' or '.join(near)}?"
            if near
            else "All of them: reconciler explain",
        )
    show(explanation_text(known[code], color=color, documents=documents()), painted=True)
    return ExitCode.OK
