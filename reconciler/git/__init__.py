"""Everything that is done with git, by running git. Nothing here knows of runs or ledgers."""

from reconciler.git.checkout import AlreadyThere, CheckoutResult, FastForwarded, NotSafe
from reconciler.git.clone import Git
from reconciler.git.command import CompletedGit, GitTimeoutError
from reconciler.git.default import FetchedBranch
from reconciler.git.listing import Tracked
from reconciler.git.objects import CommitId, ObjectId, TreeEntry
from reconciler.git.origins import Origin
from reconciler.git.push import PushDeclined, PushLanded, PushRaced, PushResult, PushUnclear

__all__ = [
    "AlreadyThere",
    "CheckoutResult",
    "CommitId",
    "CompletedGit",
    "FastForwarded",
    "FetchedBranch",
    "Git",
    "GitTimeoutError",
    "NotSafe",
    "ObjectId",
    "Origin",
    "PushDeclined",
    "PushLanded",
    "PushRaced",
    "PushResult",
    "PushUnclear",
    "Tracked",
    "TreeEntry",
]
