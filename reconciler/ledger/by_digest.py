"""Which runs have a digest, without a text for each digest."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from reconciler.ledger.brief import Record
from reconciler.model import Digest, RunId


class ByDigest(Mapping[Digest, Sequence[RunId]]):
    """Recorded runs by their digests, in the order in which they were recorded.

    A brief record makes its digest when it is asked for. Were it kept here as a key, it would take
    as much memory as all else of the record. So the keys are hashes, and a look compares digests.
    """

    def __init__(self, records: Iterable[Record]) -> None:
        self._first: dict[int, Record] = {}  # by the digest's hash
        self._others: dict[int, list[Record]] = {}  # those behind the first
        for record in records:
            key = hash(record.digest)
            if self._first.setdefault(key, record) is not record:
                self._others.setdefault(key, []).append(record)

    def __getitem__(self, digest: Digest) -> Sequence[RunId]:
        key = hash(digest)
        first = self._first[key]
        found = [one.run for one in (first, *self._others.get(key, ())) if one.digest == digest]
        if not found:
            raise KeyError(digest)
        return found

    def __iter__(self) -> Iterator[Digest]:
        every = (one for key, one in self._first.items())
        behind = (one for those in self._others.values() for one in those)
        return iter(dict.fromkeys(one.digest for those in (every, behind) for one in those))

    def __len__(self) -> int:
        return sum(1 for _ in self)
