"""Which runs have a digest, without keeping the text of each digest."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain

from reconciler.ledger.brief import Record
from reconciler.model import Digest, RunId


class ByDigest(Mapping[Digest, Sequence[RunId]]):
    """Recorded runs by their digests, in the order in which they were recorded.

    A brief record makes its digest on demand. A digest kept here as a key would take as much memory
    as the rest of the record. So the keys are hashes of digests, and a look-up compares the digests
    themselves. Only a digest that several runs share is kept, and that is rare.
    """

    def __init__(self, records: Iterable[Record]) -> None:
        self._first: dict[int, Record] = {}  # by the digest's hash
        self._several: dict[Digest, list[RunId]] = {}  # where several records have one hash
        for record in records:
            first = self._first.setdefault(hash(record.digest), record)
            if first is not record:
                self._several.setdefault(first.digest, [first.run])
                self._several.setdefault(record.digest, []).append(record.run)

    def __getitem__(self, digest: Digest) -> Sequence[RunId]:
        several = self._several.get(digest)
        if several is not None:
            return several
        first = self._first[hash(digest)]
        if first.digest != digest:
            raise KeyError(digest)
        return (first.run,)

    def __iter__(self) -> Iterator[Digest]:
        alone = (one.digest for one in self._first.values())
        return iter(dict.fromkeys(chain(alone, self._several)))

    def __len__(self) -> int:
        return sum(1 for _ in self)
