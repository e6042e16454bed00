"""Files that come with a package, read without `importlib.resources`.

Its import loads what zip archives need: a few milliseconds of each command.
"""

import pkgutil


def read_bundled(package: str, path: str) -> bytes:
    """What the file at that path of the package holds. Raises OSError if there is none."""
    content = pkgutil.get_data(package, path)
    if content is None:
        raise FileNotFoundError(f"{package} is installed where none of its files can be read")
    return content
