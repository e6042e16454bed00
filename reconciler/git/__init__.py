"""Everything that is done with git, by running git. Nothing here knows of runs or ledgers.

What comes of a fetch, a push and a search for origins is named in `default`, `push` and `origins`.
"""

from reconciler.git.checkout import AlreadyThere, CheckoutResult, FastForwarded, NotSafe
from reconciler.git.clone import Git
from reconciler.git.command import CompletedGit, GitTimeoutError
from reconciler.git.listing import Tracked
from reconciler.git.objects import CommitId, ObjectId, TreeEntry

__all__ = [
    "AlreadyThere",
    "CheckoutResult",
    "CommitId",
    "CompletedGit",
    "FastForwarded",
    "Git",
    "GitTimeoutError",
    "NotSafe",
    "ObjectId",
    "Tracked",
    "TreeEntry",
]
