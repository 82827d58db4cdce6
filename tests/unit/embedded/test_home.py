"""The home folder: who holds it, and that a process is never mistaken for another."""

import os
import socket
import subprocess
import sys
from dataclasses import replace

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


def test_taken_port_is_not_given():
    with socket.socket() as taken:
        taken.bind((LOOPBACK, 0))
        taken.listen()
        assert free_port(taken.getsockname()[1]) != taken.getsockname()[1]


def test_drawn_ports_are_none_of_outgoing_connections() -> None:
    assert all(15_000 <= free_port() < 32_000 for _ in range(20))
