"""Who may use a git server, and every form in which the password must not come to light."""

from base64 import b64encode
from urllib.parse import quote

from msgspec import Struct


class Account(Struct, frozen=True, kw_only=True):
    """A user of the git server."""

    user: str
    password: str

    def url(self, port: int, repository: str = "origin.git") -> str:
        """The repository's address with user and password in it."""
        return f"http://{quote(self.user)}:{self._quoted}@127.0.0.1:{port}/git/{repository}"

    @property
    def authorization(self) -> str:
        """The value of the HTTP header that says who asks."""
        return f"Basic {self._encoded}"

    @property
    def header(self) -> str:
        """The HTTP header that says who asks."""
        return f"Authorization: {self.authorization}"

    def secrets(self) -> tuple[str, ...]:
        """All that nobody may read anywhere."""
        return (self.password, self._quoted, self._encoded)

    @property
    def _quoted(self) -> str:
        return quote(self.password, safe="")

    @property
    def _encoded(self) -> str:
        return b64encode(f"{self.user}:{self.password}".encode()).decode()


def address(port: int, repository: str = "origin.git") -> str:
    """The repository's address without credentials."""
    return f"http://127.0.0.1:{port}/git/{repository}"


ANA = Account(user="ana", password="p@ss/w:rd%21")
STRANGER = Account(user="ana", password="wr0ng@/th:ing%")
