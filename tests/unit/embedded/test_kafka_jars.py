"""Jars are run only when they are the ones that the lock names."""

import hashlib

import pytest

from shared.embedded.kafka_jars import COORDINATES, KAFKA_VERSION, JarMismatchError, ensure_jars, jar_name, read_lock

COORDINATE = "org.example:sample:1.0"
CONTENT = b"not really a jar"


@pytest.fixture
def cache(tmp_path):
    folder = tmp_path / f"kafka-{KAFKA_VERSION}"
    folder.mkdir()
    (folder / jar_name(COORDINATE)).write_bytes(CONTENT)
    return tmp_path


def test_locked_jar_is_taken_from_the_cache(cache):
    lock = {COORDINATE: hashlib.sha256(CONTENT).hexdigest()}
    assert [path.name for path in ensure_jars(lock=lock, cache=cache)] == ["sample-1.0.jar"]


def test_changed_jar_is_refused(cache):
    lock = {COORDINATE: hashlib.sha256(CONTENT + b"!").hexdigest()}
    with pytest.raises(JarMismatchError, match=r"sample-1\.0\.jar"):
        ensure_jars(lock=lock, cache=cache)


def test_fetched_jar_that_differs_is_refused_and_not_kept(tmp_path, monkeypatch):
    def fetch(coordinate, repository):
        path = repository / "fetched.jar"
        path.write_bytes(b"evil")
        return path

    monkeypatch.setattr("shared.embedded.kafka_jars._fetch", fetch)
    with pytest.raises(JarMismatchError):
        ensure_jars(lock={COORDINATE: hashlib.sha256(CONTENT).hexdigest()}, cache=tmp_path)
    assert not list(tmp_path.rglob("*.jar"))


def test_lock_holds_what_it_was_made_from():
    lock = read_lock()
    assert set(COORDINATES) <= lock.keys()
    assert all(len(digest) == 64 for digest in lock.values())


def test_jar_names_do_not_collide():
    lock = read_lock()
    assert len({jar_name(coordinate) for coordinate in lock}) == len(lock)
