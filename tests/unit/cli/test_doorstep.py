"""The bootstrap's checks, each tried with what it must refuse."""

import importlib.machinery
import importlib.util
import subprocess
import sys
from collections import namedtuple
from pathlib import Path

import pytest

from shared.embedded.home import PROJECT_FOLDER

Usage = namedtuple("Usage", "total used free")


@pytest.fixture(scope="module")
def doorstep():
    loader = importlib.machinery.SourceFileLoader("doorstep_entry", str(PROJECT_FOLDER / "doorstep"))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader(loader.name, loader))
    loader.exec_module(module)
    return module


@pytest.fixture
def lock(tmp_path):
    path = tmp_path / "requirements.lock"
    path.write_text("alembic==1.2 \\\n    --hash=sha256:aa\nsqlalchemy[asyncio]==2.1\n")
    return path


def test_old_python_is_told_what_to_install(doorstep):
    with pytest.raises(doorstep.SetupError, match=r"3\.11 or newer, this is 3\.9"):
        doorstep.check_python((3, 9), which=lambda name: None)


def test_old_python_finds_a_newer_one(doorstep):
    found = doorstep.check_python((3, 9), which=lambda name: "/opt/" + name if name == "python3.12" else None)
    assert found == "/opt/python3.12"


def test_new_python_will_do(doorstep):
    assert doorstep.check_python((3, 11)) is None


@pytest.mark.parametrize("module", ["venv", "ensurepip"])
def test_missing_module_names_the_package(doorstep, module):
    with pytest.raises(doorstep.SetupError, match=rf"{module}.*\n.*-venv"):
        doorstep.check_modules(find=lambda name: None if name == module else name)


def test_full_disk_is_refused(doorstep, tmp_path):
    with pytest.raises(doorstep.SetupError, match=r"Only 1\.0 GiB"):
        doorstep.check_disk(tmp_path, usage=lambda folder: Usage(0, 0, 2**30))


def test_windows_is_sent_to_wsl(doorstep):
    with pytest.raises(doorstep.SetupError, match="WSL"):
        doorstep.check_platform("nt")


@pytest.mark.parametrize(
    ("said", "advice"),
    [
        ("ERROR: THESE PACKAGES DO NOT MATCH THE HASHES", "differs from what"),
        ("NewConnectionError: Temporary failure in name resolution", "cannot be reached"),
        ("OSError: [Errno 28] No space left on device", "disk is full"),
        ("something new", "begin anew"),
    ],
)
def test_failed_install_says_what_to_do(doorstep, said, advice):
    assert advice in doorstep.explain([said])


def test_lock_names_its_packages(doorstep, lock):
    assert doorstep.requirement_names(lock) == ["alembic", "sqlalchemy"]


def test_stamped_environment_is_not_made_again(doorstep, lock, tmp_path, monkeypatch):
    folder = tmp_path / "venv"
    (folder / "bin").mkdir(parents=True)
    (folder / "bin" / "python").touch()
    (folder / ".doorstep-stamp").write_text(doorstep.stamp_of(lock))
    monkeypatch.setattr(doorstep, "install", lambda python, lock: pytest.fail("installed again"))
    assert doorstep.ensure_environment(folder, lock) == folder / "bin" / "python"


def test_changed_lock_installs_again(doorstep, lock, tmp_path, monkeypatch):
    folder = tmp_path / "venv"
    (folder / "bin").mkdir(parents=True)
    (folder / "bin" / "python").touch()
    (folder / ".doorstep-stamp").write_text(doorstep.stamp_of(lock))
    lock.write_text("alembic==1.3\n")
    installed = []
    monkeypatch.setattr(doorstep, "install", lambda python, lock: installed.append(lock))
    doorstep.ensure_environment(folder, lock)
    assert installed == [lock]
    assert (folder / ".doorstep-stamp").read_text() == doorstep.stamp_of(lock)


def test_failed_install_leaves_no_stamp(doorstep, lock, tmp_path, monkeypatch):
    def fail(python, lock):
        raise doorstep.SetupError("no network")

    folder = tmp_path / "venv"
    (folder / "bin").mkdir(parents=True)
    (folder / "bin" / "python").touch()
    (folder / ".doorstep-stamp").write_text("older")
    monkeypatch.setattr(doorstep, "install", fail)
    with pytest.raises(doorstep.SetupError):
        doorstep.ensure_environment(folder, lock)
    assert not (folder / ".doorstep-stamp").exists()


def test_second_setup_waits_for_the_first(doorstep, tmp_path):
    program = (
        "import importlib.machinery as m, sys\n"
        f"d = m.SourceFileLoader('d', {str(PROJECT_FOLDER / 'doorstep')!r}).load_module()\n"
        "from pathlib import Path\n"
        "with d.locked(Path(sys.argv[1])): print('in', flush=True)\n"
    )
    with doorstep.locked(tmp_path):
        second = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-c", program, str(tmp_path)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert "waiting" in second.stderr.readline()
        assert second.poll() is None
    assert second.communicate(timeout=20)[0] == "in\n"


def test_entry_parses_on_old_pythons():
    import ast

    ast.parse((PROJECT_FOLDER / "doorstep").read_text(), feature_version=(3, 7))


def test_entry_is_executable():
    assert Path(PROJECT_FOLDER / "doorstep").stat().st_mode & 0o111
