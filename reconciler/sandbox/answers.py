"""Answers as the gateway words them, and the refusals that become one."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

_JSON = "application/json;charset=UTF-8"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One HTTP answer, complete."""

    status: int  # HTTP
    body: bytes
    code: int | None = None  # that the body carries, for the record
    content_type: str = _JSON
    headers: Mapping[str, str] = field(default_factory=dict)


class RefusalError(Exception):
    """The request is not carried out; `status` is HTTP's, `code` the body's."""

    def __init__(self, message: str, *, code: int, status: int = HTTPStatus.OK) -> None:
        super().__init__(message)
        self.code = code
        self.status = int(status)


def unusable(message: str) -> RefusalError:
    """The gateway cannot process the request: HTTP 400."""
    return RefusalError(message, code=400, status=HTTPStatus.BAD_REQUEST)


def unauthorized(message: str) -> RefusalError:
    """The credential is not valid: HTTP 401."""
    return RefusalError(message, code=401, status=HTTPStatus.UNAUTHORIZED)


def service_answer(data: Any, *, code: int = 0, msg: str = "OK", status: int = 200) -> Answer:
    """In the envelope of the batch service, V2.1."""
    return Answer(status=status, code=code, body=_encode({"code": code, "msg": msg, "data": data}))


def token_answer(data: Any, *, code: int = 0, msg: str = "SUCCESS", status: int = 200) -> Answer:
    """In the envelope of the token service, which calls the code `status`."""
    content = {"status": code, "msg": msg, "business": "apim-token-service", "data": data}
    return Answer(status=status, code=code, body=_encode(content))


def _encode(content: Mapping[str, Any]) -> bytes:
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()
