"""Codes in words (EnOS reference: error codes of batch processing, gateway and token service)."""

TOKEN_CODES = frozenset({401, 1001, 1002, 1003, 1004, 1005, 1202, 1203, 1204})

_MEANINGS = {
    400: "the gateway cannot process the body",
    401: "invalid credentials",
    403: "the caller's address or key is not allowed",
    413: "the request is too large",
    429: "rate limit exceeded",
    500: "internal error",
    503: "the service is not available",
    1001: "the same encryption was sent twice",
    1002: "unknown access key",
    1003: "invalid encryption: the keys do not fit",
    1004: "invalid parameter",
    1005: "internal exception of the token service",
    1202: "empty parameter",
    1203: "the access token has expired",
    1204: "the access token could not be refreshed",
    62101: "the user does not exist or does not belong to the organization",
    62102: "invalid sorter field",
    62103: "the user has no privilege",
    62104: "on a start: the workflow has no task",
    62109: "internal exception of the service",
}

_HINTS = {
    403: "have this machine's address and the application's key allowed on the gateway",
    404: "check gateway.url",
    429: "lower limits.requestsPerSecond, or try again later",
    62101: "check gateway.orgId and gateway.userId",
    62103: "check gateway.userId, or have the user given the privilege",
}


def meaning(code: int) -> str | None:
    """What a body code or HTTP status means, if the reference says it."""
    return _MEANINGS.get(code)


def hint(code: int | None) -> str:
    """What to check after a failure; None: no answer came."""
    if code is None:
        return (
            "check gateway.url, the network and its proxy settings, and gateway.caFile if the "
            "certificate is not trusted"
        )
    if code in TOKEN_CODES:
        return "check the access key and the secret key, and this machine's clock"
    return _HINTS.get(code, "try again later; if it stays so, check gateway.url")
