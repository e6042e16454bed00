"""Having the remote keep a trace of the ledger, after everything else is done."""

from reconciler.cli.opening import Shared
from reconciler.cli.saying import say


def keep_trace(shared: Shared, *, quiet: bool) -> None:
    """Keep it, or say why the remote does not. Never fails: nothing depends on it today."""
    try:
        reason = shared.store.keep()
    except Exception as error:  # noqa: BLE001 - an optional copy must not decide an exit code
        reason = str(error)
    if reason is not None and not quiet:
        remote = shared.remote
        say(
            f"{remote} keeps no copy of the ledger for new clones, which cannot notice then if it "
            f"loses events: {reason} (docs/operating.md, a lost ledger; to try again: "
            f"git config --unset reconciler.{remote}.trace)",
            lines=True,
        )
