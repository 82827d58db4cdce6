"""Signed documents."""

import json
from pathlib import Path

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from fastapi import FastAPI
from joserfc import jws

from shared.security.key_cache import KeyCache
from shared.security.signing import (
    SignatureInvalidError,
    SigningKey,
    signer_name,
    verify_document,
    verify_remote_document,
)
from shared.web.jwks import jwks_router

DOCUMENT = {"permit_id": "p", "party": "张"}


@pytest.fixture
def key(tmp_path: Path) -> SigningKey:
    return SigningKey.open(tmp_path, "permit")


def test_document_survives(key: SigningKey) -> None:
    token = key.sign_document(DOCUMENT, kind="permit+jwt")
    assert verify_document(token, key.public_keys(), kind="permit+jwt") == DOCUMENT
    assert signer_name(token) == "permit"


def test_key_is_kept(key: SigningKey, tmp_path: Path) -> None:
    again = SigningKey.open(tmp_path, "permit")
    assert again.kid == key.kid
    assert (tmp_path / "permit.signing.json").stat().st_mode & 0o777 == 0o600


def test_older_signature_holds_after_rotation(key: SigningKey) -> None:
    old = key.sign_document(DOCUMENT, kind="permit+jwt")
    key.rotate()
    new = key.sign_document(DOCUMENT, kind="permit+jwt")
    for token in (old, new):
        assert verify_document(token, key.public_keys(), kind="permit+jwt") == DOCUMENT


def test_published_keys_are_public(key: SigningKey) -> None:
    key.rotate()
    assert all("d" not in published for published in key.public_keys())
    assert len(key.public_keys()) == 2


def test_other_purpose_is_refused(key: SigningKey) -> None:
    with pytest.raises(SignatureInvalidError, match="balance"):
        verify_document(key.sign_document(DOCUMENT, kind="permit+jwt"), key.public_keys(), kind="balance+jwt")


def test_other_key_is_refused(key: SigningKey, tmp_path: Path) -> None:
    other = SigningKey.open(tmp_path, "balance")
    with pytest.raises(SignatureInvalidError, match="unknown key"):
        verify_document(other.sign_document(DOCUMENT, kind="permit+jwt"), key.public_keys(), kind="permit+jwt")


@pytest.mark.parametrize("part", [0, 1, 2])
def test_changed_part_is_refused(key: SigningKey, part: int) -> None:
    parts = key.sign_document(DOCUMENT, kind="permit+jwt").split(".")
    middle = len(parts[part]) // 2
    parts[part] = parts[part][:middle] + ("A" if parts[part][middle] != "A" else "B") + parts[part][middle + 1 :]
    with pytest.raises(SignatureInvalidError):
        verify_document(".".join(parts), key.public_keys(), kind="permit+jwt")


@pytest.mark.parametrize("token", ["", "a.b.c", "é", "e30.e30."])
def test_nonsense_is_refused(key: SigningKey, token: str) -> None:
    with pytest.raises(SignatureInvalidError):
        verify_document(token, key.public_keys(), kind="permit+jwt")


def test_none_is_refused(key: SigningKey) -> None:
    header = {"alg": "none", "kid": key.kid, "typ": "permit+jwt"}
    token = jws.serialize_compact(header, json.dumps(DOCUMENT), None, algorithms=["none"])
    with pytest.raises(SignatureInvalidError):
        verify_document(token, key.public_keys(), kind="permit+jwt")


def test_bare_signature(key: SigningKey) -> None:
    Ed25519PublicKey.from_public_bytes(key.public_bytes).verify(key.sign_bytes(b"note"), b"note")


async def test_keys_are_found_where_they_are_published(key: SigningKey) -> None:
    app = FastAPI()
    app.include_router(jwks_router(key))
    cache = KeyCache.of_service("http://compliance.test", transport=httpx.ASGITransport(app))
    token = key.sign_document(DOCUMENT, kind="permit+jwt")
    assert await verify_remote_document(token, cache, kind="permit+jwt") == DOCUMENT
    stranger = SigningKey.open(key._path.parent / "other", "permit")
    with pytest.raises(SignatureInvalidError):
        await verify_remote_document(stranger.sign_document(DOCUMENT, kind="permit+jwt"), cache, kind="permit+jwt")
    await cache.close()
