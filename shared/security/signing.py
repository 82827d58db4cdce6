"""Ed25519 signing keys with names, their publication (JWKS), and signed documents (compact JWS, RFC 7515 and RFC 9864).

One key per purpose (`permit`, `balance`, `checkpoint`), so that no signature can be passed off for another's; the JWS
`typ` says the same once more. In production the private file is a mounted secret, or the port is replaced by an HSM's.
"""

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, Self

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import Key, KeySet, OKPKey
from joserfc.jws import JWSRegistry

from shared.security.key_cache import KeyCache, UnknownKeyError
from shared.security.key_management import read_private_file, write_private_file

ALGORITHM: Final = "Ed25519"
_REGISTRY: Final = JWSRegistry(algorithms=[ALGORITHM])
_JSON: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), sort_keys=True, allow_nan=False)


class SignatureInvalidError(Exception):
    """The document was not signed by the expected key for the expected purpose, or was changed."""


class KeyVersion:
    """One version of a named key."""

    def __init__(self, private: Ed25519PrivateKey) -> None:
        self._private = private

    @property
    def public_bytes(self) -> bytes:
        """The raw 32 bytes of the public half."""
        return self._private.public_key().public_bytes_raw()

    def sign_bytes(self, content: bytes) -> bytes:
        """The bare 64-byte signature of `content`."""
        return bytes(self._private.sign(content))


class SigningKey:
    """A named key: signs with its newest version, publishes all of them."""

    def __init__(self, name: str, path: Path, versions: list[OKPKey]) -> None:
        self.name = name
        self._path = path
        self._versions = versions

    @classmethod
    def open(cls, folder: Path, name: str) -> Self:
        """Load the key `name`, or create it (0600). Raises PermissionError when others could read the file."""
        path = folder / f"{name}.signing.json"
        if not path.exists():
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_private_file(path, _encode([_generate(name)]), replace=False)
        documents = json.loads(read_private_file(path))["keys"]
        return cls(name, path, [OKPKey.import_key(document) for document in documents])

    @property
    def kid(self) -> str:
        """Id of the version that signs now."""
        return str(self._current.kid)

    @property
    def public_bytes(self) -> bytes:
        """The raw 32 bytes of the public key that signs now (for C2SP note verifiers)."""
        return self._private.public_key().public_bytes_raw()

    @property
    def versions(self) -> list[KeyVersion]:
        """Every version, the one that signs now first: an old one still says who succeeds it."""
        return [KeyVersion(_private_half(version)) for version in self._versions]

    def rotate(self) -> str:
        """Sign with a fresh version from now on; older ones stay published, for what they signed. Returns its id."""
        self._versions = [_generate(self.name), *self._versions]
        write_private_file(self._path, _encode(self._versions), replace=True)
        return self.kid

    def sign_bytes(self, content: bytes) -> bytes:
        """The bare 64-byte signature of `content` (for checkpoints)."""
        return bytes(self._private.sign(content))

    def sign_document(self, document: Mapping[str, Any], *, kind: str) -> str:
        """A compact JWS of `document`; `kind` becomes `typ` (for instance `permit+jwt`)."""
        # By hand (RFC 7515, section 5.1): the library takes three times as long as the signature itself.
        signed = b"%b.%b" % (_encoded_header(self.kid, kind), _base64url(_JSON.encode(document).encode()))
        return (signed + b"." + _base64url(self.sign_bytes(signed))).decode()

    def public_keys(self) -> list[dict[str, Any]]:
        """The public halves of all versions, as JWKs."""
        return [dict(version.as_dict(private=False)) for version in self._versions]

    @property
    def _current(self) -> OKPKey:
        return self._versions[0]

    @property
    def _private(self) -> Ed25519PrivateKey:
        return _private_half(self._current)


@lru_cache(maxsize=64)
def _encoded_header(kid: str, kind: str) -> bytes:
    return _base64url(_JSON.encode({"alg": ALGORITHM, "kid": kid, "typ": kind}).encode())


def _base64url(content: bytes) -> bytes:
    return base64.urlsafe_b64encode(content).rstrip(b"=")


def signer_name(token: str) -> str:
    """Name of the key that a signed document claims to be signed with. Proves nothing. Raises SignatureInvalidError."""
    return str(_header(token)["kid"]).rpartition("-")[0]


def verify_document(token: str, keys: Iterable[Mapping[str, Any]], *, kind: str) -> dict[str, Any]:
    """The document, checked against `keys` (JWKs) by key id. Raises SignatureInvalidError."""
    key_set = KeySet.import_key_set({"keys": [dict(key) for key in keys]})
    header = _header(token)
    matching = [key for key in key_set.keys if key.kid == header["kid"]]
    if not matching:
        raise SignatureInvalidError("signed with an unknown key")
    return _verified(token, matching[0], header, kind)


async def verify_remote_document(token: str, cache: KeyCache, *, kind: str) -> dict[str, Any]:
    """The document, checked against keys that their owner publishes. Raises SignatureInvalidError,
    KeysUnavailableError.
    """
    header = _header(token)
    try:
        key = await cache.key(header["kid"])
    except UnknownKeyError as error:
        raise SignatureInvalidError("signed with an unknown key") from error
    return _verified(token, key, header, kind)


def _private_half(version: OKPKey) -> Ed25519PrivateKey:
    private = version.private_key
    if not isinstance(private, Ed25519PrivateKey):
        raise TypeError(f"the signing key {version.kid} is not an Ed25519 private key")
    return private


def _generate(name: str) -> OKPKey:
    return OKPKey.generate_key("Ed25519", {"kid": f"{name}-{secrets.token_hex(8)}", "use": "sig", "alg": ALGORITHM})


def _encode(versions: list[OKPKey]) -> bytes:
    return json.dumps({"keys": [dict(version.as_dict(private=True)) for version in versions]}).encode()


def _header(token: str) -> dict[str, Any]:
    try:
        header = dict(jws.extract_compact(token.encode("ascii"), registry=_REGISTRY).headers())
    except (JoseError, UnicodeError, ValueError, TypeError) as error:
        raise SignatureInvalidError("not a signed document") from error
    if not isinstance(header.get("kid"), str):
        raise SignatureInvalidError("names no key")
    return header


def _verified(token: str, key: Key, header: Mapping[str, Any], kind: str) -> dict[str, Any]:
    if header.get("typ") != kind:
        raise SignatureInvalidError(f"is not a {kind}")
    try:
        document = json.loads(jws.deserialize_compact(token, key, registry=_REGISTRY).payload or b"")
    except (JoseError, ValueError, TypeError) as error:
        raise SignatureInvalidError("the signature does not hold") from error
    if not isinstance(document, dict):
        raise SignatureInvalidError("not a JSON object")
    return document
