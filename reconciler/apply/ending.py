"""What an apply owes in the end, however it ends: its outcomes are pushed, or kept in a file."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from reconciler.apply.branch import Branch
from reconciler.errors import GitError, ReconcilerError


@asynccontextmanager
async def recorded(branch: Branch) -> AsyncIterator[None]:
    """Push what is pending in the end, however the work ends.

    Where that fails as well, the error says both: the first is often the cause.
    """
    try:
        yield
    except ReconcilerError as first:
        try:
            await asyncio.shield(branch.record())
        except GitError as second:
            hints = dict.fromkeys(error.hint for error in (first, second) if error.hint)
            raise GitError(f"{first}\n{second}", hint="\n".join(hints) or None) from first
        raise
    except BaseException:
        await asyncio.shield(branch.record())
        raise
    else:
        await asyncio.shield(branch.record())
