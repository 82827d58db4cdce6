"""Personal data under one key per party: round trips, wrong places, erasure, rotation."""

from pathlib import Path
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from shared.database import Database
from shared.security.key_management import KeyUnreadableError, LocalKeyManagement
from shared.security.party_keys import PartyCipher, PartyErasedError, Plain, SealBrokenError, Sealed


@pytest.fixture
def keys(tmp_path: Path) -> LocalKeyManagement:
    return LocalKeyManagement.open(tmp_path, "intake")


@pytest.fixture
def cipher(keys: LocalKeyManagement) -> PartyCipher:
    return PartyCipher(keys, tenant="bank")


text = st.text(st.characters(exclude_categories=["Cs"]), max_size=80)


async def test_any_text_survives_in_its_place_only(database: Database, cipher: PartyCipher) -> None:
    party, other = uuid4(), uuid4()
    async with database.unit_of_work() as uow:
        await cipher.seal_many(uow, [Plain(party, "x", ""), Plain(other, "x", "")])
        ciphers = await cipher._ciphers(uow, [party, other])

    # The key is loaded once; sealing and opening themselves are pure, so hypothesis can drive them.
    @given(text=text, field=text, elsewhere=text)
    @hypothesis_settings(suppress_health_check=[HealthCheck.nested_given], deadline=None)
    def check(text: str, field: str, elsewhere: str) -> None:
        sealed = cipher._sealed(ciphers[party], Plain(party, field, text), b"once" * 3)
        assert cipher._opened(ciphers[party], Sealed(party, field, sealed)) == text
        for cipher_of, party_id, name in ((party, party, elsewhere), (party, other, field), (other, party, field)):
            if (cipher_of, party_id, name) != (party, party, field):
                with pytest.raises(SealBrokenError):
                    cipher._opened(ciphers[cipher_of], Sealed(party_id, name, sealed))

    check()


async def test_other_tenant_cannot_open(database: Database, cipher: PartyCipher, keys: LocalKeyManagement) -> None:
    party = uuid4()
    async with database.unit_of_work() as uow:
        sealed = await cipher.seal(uow, party, "contact.phone", "138")
        with pytest.raises(PartyErasedError):
            await PartyCipher(keys, tenant="other").open(uow, party, "contact.phone", sealed)


async def test_batch_keeps_its_order(database: Database, cipher: PartyCipher) -> None:
    parties = [uuid4() for _ in range(50)]
    plain = [Plain(p, f"contact.{f}", f"{p}/{f}") for p in parties for f in ("name", "phone")]
    async with database.unit_of_work() as uow:
        sealed = await cipher.seal_many(uow, plain)
        rows = [Sealed(p.party_id, p.field, s) for p, s in zip(plain, sealed, strict=True)]
        opened = await cipher.open_many(uow, rows[::-1])
    assert opened == [p.text for p in plain][::-1]


async def test_same_text_never_looks_the_same(database: Database, cipher: PartyCipher) -> None:
    party = uuid4()
    async with database.unit_of_work() as uow:
        sealed = await cipher.seal_many(uow, [Plain(party, "contact.phone", "138")] * 20)
    assert len(set(sealed)) == 20


async def test_stored_bytes_do_not_hold_the_text(database: Database, cipher: PartyCipher) -> None:
    async with database.unit_of_work() as uow:
        assert b"Zhang Wei" not in await cipher.seal(uow, uuid4(), "contact.name", "Zhang Wei")


async def test_erasure_makes_unreadable_everywhere(
    database: Database, cipher: PartyCipher, keys: LocalKeyManagement
) -> None:
    party, other = uuid4(), uuid4()
    elsewhere = PartyCipher(keys, tenant="bank")  # another process, its cache warm
    async with database.unit_of_work() as uow:
        rows = [Sealed(p, "contact.phone", await cipher.seal(uow, p, "contact.phone", "138")) for p in (party, other)]
        assert await elsewhere.open_many(uow, rows) == ["138", "138"]
    async with database.unit_of_work() as uow:
        assert await cipher.erase(uow, [party, uuid4()]) == {party}
    async with database.read_only() as uow:
        assert await elsewhere.open_many(uow, rows) == [None, "138"]
        with pytest.raises(PartyErasedError):
            await cipher.open(uow, *rows[0])


async def test_new_key_after_erasure_does_not_open_the_old(database: Database, cipher: PartyCipher) -> None:
    party = uuid4()
    async with database.unit_of_work() as uow:
        old = await cipher.seal(uow, party, "contact.phone", "138")
        await cipher.erase(uow, [party])
        new = await cipher.seal(uow, party, "contact.phone", "139")
        rows = [Sealed(party, "contact.phone", value) for value in (old, new)]
        assert await cipher.open_many(uow, rows) == [None, "139"]


async def test_changed_value_is_not_taken_for_an_erased_one(database: Database, cipher: PartyCipher) -> None:
    party = uuid4()
    async with database.unit_of_work() as uow:
        sealed = await cipher.seal(uow, party, "contact.phone", "138")
        with pytest.raises(SealBrokenError):
            await cipher.open(uow, party, "contact.phone", sealed[:-1] + bytes([sealed[-1] ^ 1]))


async def test_key_of_a_locked_party_is_read_once_and_erased_for_the_rest_of_the_transaction(
    database: Database, cipher: PartyCipher
) -> None:
    party = uuid4()
    async with database.unit_of_work() as uow:
        await uow.lock_parties([party])
        old = Sealed(party, "f", await cipher.seal(uow, party, "f", "x"))
        assert await cipher.open_many(uow, [old]) == ["x"]
        await cipher.erase(uow, [party])
        assert await cipher.open_many(uow, [old]) == [None]


async def test_key_row_of_another_party_is_refused(database: Database, cipher: PartyCipher) -> None:
    thief, victim = uuid4(), uuid4()
    async with database.unit_of_work() as uow:
        await cipher.seal_many(uow, [Plain(thief, "f", "x"), Plain(victim, "f", "x")])
        await uow.sql.execute(
            "UPDATE party_key SET wrapped_key = v.wrapped_key FROM party_key v "
            "WHERE party_key.party_id = $1 AND v.party_id = $2",
            thief,
            victim,
        )
        with pytest.raises(KeyUnreadableError):
            await cipher.seal(uow, thief, "f", "x")


async def test_rotation_rewraps_every_key(database: Database, cipher: PartyCipher, keys: LocalKeyManagement) -> None:
    parties = [uuid4() for _ in range(25)]
    async with database.unit_of_work() as uow:
        sealed = await cipher.seal_many(uow, [Plain(p, "f", str(p)) for p in parties])
    keys.rotate()
    rewrapped = []
    while not rewrapped or rewrapped[-1]:
        async with database.unit_of_work() as uow:
            rewrapped.append(await cipher.rewrap(uow, limit=10))
    assert rewrapped == [10, 10, 5, 0]
    async with database.read_only() as uow:
        rows = [Sealed(p, "f", s) for p, s in zip(parties, sealed, strict=True)]
        assert await cipher.open_many(uow, rows) == [str(p) for p in parties]
        assert await uow.sql.fetchval("SELECT count(*) FROM party_key WHERE wrapped_by = $1", keys.kek_id) == 25


async def test_cache_is_bounded(database: Database, keys: LocalKeyManagement) -> None:
    cipher = PartyCipher(keys, tenant="bank", cached_keys=5)
    parties: list[UUID] = [uuid4() for _ in range(20)]
    async with database.unit_of_work() as uow:
        sealed = await cipher.seal_many(uow, [Plain(p, "f", "x") for p in parties])
        opened = await cipher.open_many(uow, [Sealed(p, "f", s) for p, s in zip(parties, sealed, strict=True)])
    assert opened == ["x"] * 20
    assert len(cipher._unwrapped) == 5


async def test_two_first_seals_at_once_make_one_key(database: Database, cipher: PartyCipher) -> None:
    party = uuid4()
    async with database.unit_of_work() as first:
        sealed = [await cipher.seal(first, party, "f", "1")]
    async with database.unit_of_work() as second:
        await cipher._create(second, [party])
        sealed.append(await cipher.seal(second, party, "f", "2"))
        rows = [Sealed(party, "f", value) for value in sealed]
        assert await cipher.open_many(second, rows) == ["1", "2"]


def test_blind_index_finds_equals_only(cipher: PartyCipher, keys: LocalKeyManagement) -> None:
    index = cipher.blind_index("contact.phone", "+86138")
    assert index == PartyCipher(keys, tenant="bank").blind_index("contact.phone", "+86138")
    assert len(index) == 16
    others = {
        cipher.blind_index("contact.phone", "+86139"),
        cipher.blind_index("contact.email", "+86138"),
        PartyCipher(keys, tenant="other").blind_index("contact.phone", "+86138"),
    }
    assert index not in others
    assert len(others) == 3
