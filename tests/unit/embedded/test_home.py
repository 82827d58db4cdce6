"""The home folder: who holds it, and that a process is never mistaken for another."""

import fcntl
import os
import shutil
import socket
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from shared.embedded.home import LOOPBACK, Home, ProcessIdentity, free_port


def test_identity_of_this_process_is_alive():
    assert ProcessIdentity.of(os.getpid()).is_alive()


def test_reused_number_is_another_process():
    identity = ProcessIdentity.of(os.getpid())
    assert not replace(identity, created=identity.created - 1).is_alive()


def test_zombie_is_not_alive():
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        identity = ProcessIdentity.of(child.pid)
        assert identity.is_alive()
        child.kill()
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        assert not identity.is_alive()


def test_last_holder_is_told(tmp_path):
    home = Home(tmp_path)
    home.hold()
    home.hold()
    assert len(home.holders()) == 1
    assert home.release()
    assert home.holders() == []


def test_dead_holders_do_not_count(tmp_path):
    home = Home(tmp_path)
    program = f"from pathlib import Path; from shared.embedded.home import Home; Home(Path({str(tmp_path)!r})).hold()"
    subprocess.run([sys.executable, "-c", program], check=True)
    assert home.holders() == []


def test_lock_is_reentrant(tmp_path):
    home = Home(tmp_path)
    with home.locked(), home.locked():
        assert home.password("one")


def test_who_comes_while_the_folder_is_removed_waits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else it began in a folder whose files still went, one by one: a new run found half a database there."""
    home, locks_met = Home(tmp_path / "home"), []
    (home.folder / "postgres").mkdir(parents=True)
    (home.folder / "kafka").mkdir()
    remove = shutil.rmtree

    def remove_while_another_comes(path: Path) -> None:
        with (home.folder / "lock").open() as others, pytest.raises(BlockingIOError):
            fcntl.flock(others, fcntl.LOCK_EX | fcntl.LOCK_NB)
        locks_met.append(path.name)
        remove(path)

    monkeypatch.setattr(shutil, "rmtree", remove_while_another_comes)
    home.remove()
    assert sorted(locks_met) == ["kafka", "postgres"]
    assert not home.folder.exists()


def test_who_waited_for_a_folder_that_is_gone_makes_it_anew(tmp_path: Path) -> None:
    removing, coming = Home(tmp_path / "home"), Home(tmp_path / "home")
    with removing.locked():
        thread = threading.Thread(target=coming.hold)
        thread.start()
        removing.remove()
    thread.join()
    assert [holder.pid for holder in coming.holders()] == [os.getpid()]


def test_taken_port_is_not_given():
    with socket.socket() as taken:
        taken.bind((LOOPBACK, 0))
        taken.listen()
        assert free_port(taken.getsockname()[1]) != taken.getsockname()[1]


def test_drawn_ports_are_none_of_outgoing_connections() -> None:
    assert all(15_000 <= free_port() < 32_000 for _ in range(20))
