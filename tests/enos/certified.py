"""Certificates for gateways on this machine."""

import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import trustme

_VALID = timedelta(days=2)


def make_certificate(folder: Path, name: str) -> Path:
    """A certificate, and after it the private authority that vouches for it: trust this file."""
    key, pem = folder / "key.pem", folder / "certificate.pem"
    authority = trustme.CA()
    issued = authority.issue_cert(name, not_after=datetime.now(UTC) + _VALID)
    issued.private_key_pem.write_to_path(key)
    issued.cert_chain_pems[0].write_to_path(pem)
    authority.cert_pem.write_to_path(pem, append=True)
    return pem


def server_context(pem: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem, pem.with_name("key.pem"))
    return context
