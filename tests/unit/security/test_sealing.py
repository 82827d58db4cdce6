"""Key-encryption keys and sealed records."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.security.key_management import KeyUnreadableError, LocalKeyManagement
from shared.security.party_keys import SealBrokenError, bound
from shared.security.sealing import RecordSealer


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> LocalKeyManagement:
    return LocalKeyManagement.open(tmp_path_factory.mktemp("keys"), "visits")


@given(record=st.binary(max_size=500), place=st.text(max_size=30))
def test_record_survives(keys: LocalKeyManagement, record: bytes, place: str) -> None:
    sealer = RecordSealer(keys, service="visits")
    assert sealer.open(sealer.seal(record, place=place), place=place) == record


@given(data=st.data(), record=st.binary(max_size=50))
def test_any_changed_bit_is_seen(keys: LocalKeyManagement, data: st.DataObject, record: bytes) -> None:
    sealer = RecordSealer(keys, service="visits")
    sealed = bytearray(sealer.seal(record, place="p"))
    sealed[data.draw(st.integers(0, len(sealed) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(SealBrokenError):
        sealer.open(bytes(sealed), place="p")


@given(st.binary(max_size=120))
def test_nonsense_is_not_a_record(keys: LocalKeyManagement, sealed: bytes) -> None:
    with pytest.raises(SealBrokenError):
        RecordSealer(keys, service="visits").open(sealed, place="p")


def test_moved_record_does_not_open(keys: LocalKeyManagement) -> None:
    sealed = RecordSealer(keys, service="visits").seal(b"x", place="case/3/17")
    with pytest.raises(SealBrokenError):
        RecordSealer(keys, service="visits").open(sealed, place="case/3/18")
    with pytest.raises(SealBrokenError):
        RecordSealer(keys, service="plans").open(sealed, place="case/3/17")


def test_two_processes_share_one_key(tmp_path: Path) -> None:
    first, second = (LocalKeyManagement.open(tmp_path, "visits") for _ in range(2))
    wrapped = first.wrap(b"k" * 32, context=b"c")
    assert second.unwrap(wrapped, kek_id=first.kek_id, context=b"c") == b"k" * 32


def test_services_do_not_share_keys(tmp_path: Path) -> None:
    visits, plans = LocalKeyManagement.open(tmp_path, "visits"), LocalKeyManagement.open(tmp_path, "plans")
    with pytest.raises(KeyUnreadableError):
        plans.unwrap(visits.wrap(b"k" * 32, context=b"c"), kek_id=visits.kek_id, context=b"c")


def test_wrapped_key_is_bound_to_its_context(keys: LocalKeyManagement) -> None:
    with pytest.raises(KeyUnreadableError):
        keys.unwrap(keys.wrap(b"k" * 32, context=b"a"), kek_id=keys.kek_id, context=b"b")


def test_rotation_keeps_old_keys_and_indexes(tmp_path: Path) -> None:
    keys = LocalKeyManagement.open(tmp_path, "visits")
    old, index = keys.kek_id, keys.derive("x")
    wrapped = keys.wrap(b"k" * 32, context=b"c")
    assert keys.rotate() != old
    again = LocalKeyManagement.open(tmp_path, "visits")
    assert again.kek_id == keys.kek_id
    assert again.unwrap(wrapped, kek_id=old, context=b"c") == b"k" * 32
    assert again.derive("x") == index
    assert again.derive("y") != index


def test_key_file_is_private(tmp_path: Path) -> None:
    LocalKeyManagement.open(tmp_path, "visits")
    path = tmp_path / "visits.kek.json"
    assert path.stat().st_mode & 0o777 == 0o600
    path.chmod(0o640)
    with pytest.raises(PermissionError):
        LocalKeyManagement.open(tmp_path, "visits")


@given(st.lists(st.binary(max_size=8), max_size=4), st.lists(st.binary(max_size=8), max_size=4))
def test_associated_data_is_unambiguous(left: list[bytes], right: list[bytes]) -> None:
    assert (bound(*left) == bound(*right)) == (left == right)
