"""Files that come with a package, read without `importlib.resources` and `pkgutil`.

The import of either takes up to a few milliseconds of each command, for what is not needed here:
zip archives that are entered, and packages that nobody has imported.
"""

import os
from importlib import import_module


def read_bundled(package: str, path: str) -> bytes:
    """What the file at that path of the package holds. Raises OSError if there is none."""
    module = import_module(package)
    read = getattr(module.__loader__, "get_data", None)
    if read is None or module.__file__ is None:
        raise FileNotFoundError(f"{package} is installed where none of its files can be read")
    content: bytes = read(os.path.join(os.path.dirname(module.__file__), path))  # noqa: PTH118, PTH120 - what a loader takes
    return content
