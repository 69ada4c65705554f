"""deploy/install and deploy/uninstall, run: in a root of their own, as root, with a stand-in for systemctl alone.

A mount namespace gives them an empty /opt, /srv and /var/lib and a copy of /etc; user, folders, settings, password and
the program itself are real, and the service is started. The virtual environment is this test's.
"""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.indexing import COLOURS
from tests.photos_made import write_jpeg
from web.security.password import HouseholdPassword

pytestmark = pytest.mark.slow  # the program is started several times

_ENVIRONMENT = """#!/bin/sh
mkdir -p "$1/bin"
printf '#!/bin/sh\\nPYTHONPATH=%s exec {python} -P -m web.cli "$@"\\n' "$(dirname "$1")" > "$1/bin/recollect"
chmod +x "$1/bin/recollect"
"""
_ROOT = """
mount --make-rprivate /
for folder in /opt /srv /var/lib; do mount -t tmpfs none "$folder"; done
mkdir /srv/etc && cp -a /etc/. /srv/etc && mount --bind /srv/etc /etc
rm -rf /etc/systemd/system && mkdir -p /etc/systemd/system
echo ready
exec sleep 1000000
"""


class Machine:
    """A root of its own, in which commands are run. `checkout` is what is installed."""

    def __init__(self, pid: int, folder: Path, checkout: Path) -> None:
        self.pid, self.folder, self.checkout = pid, folder, checkout

    def run(self, *words: object, code: int = 0) -> subprocess.CompletedProcess[str]:
        path = f"{self.folder / 'bin'}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        command = ["nsenter", "--target", str(self.pid), "--mount", "--pid", "--net", "--", *map(str, words)]
        variables = {"PATH": path, "RECOLLECT_SETTLE_S": "1", "LANG": "C.UTF-8", "HOME": "/root"}
        ended = subprocess.run(command, env=variables, capture_output=True, text=True, timeout=240, check=False)
        assert ended.returncode == code, f"{ended.stdout}\n{ended.stderr}\n{self.log()}"
        return ended

    def install(self, *words: object, code: int = 0) -> subprocess.CompletedProcess[str]:
        return self.run(self.checkout / "deploy/install", *words, code=code)

    def read(self, path: str) -> str:
        return (Path(f"/proc/{self.pid}/root") / path.lstrip("/")).read_text()

    def path(self, path: str) -> Path:
        return Path(f"/proc/{self.pid}/root") / path.lstrip("/")

    def log(self) -> str:
        log = self.path("/srv/run-units/recollect.log")
        return log.read_text()[-3000:] if log.exists() else ""

    def status(self) -> dict[str, object]:
        command = [
            "env",
            "RECOLLECT_DATA_DIR=/var/lib/recollect",
            "/opt/recollect/.venv/bin/recollect",
            "status",
            "--json",
        ]
        found: dict[str, object] = json.loads(self.run(*command).stdout)
        return found

    def answers(self) -> bool:
        ask = "import socket; socket.create_connection(('127.0.0.1', 8765), 10).close()"
        return self.run(sys.executable, "-c", ask).returncode == 0


@pytest.fixture
def machine(tmp_path: Path, repository: Path) -> Iterator[Machine]:
    if os.geteuid() or not shutil.which("unshare"):
        pytest.skip("only root can give the installer a root of its own")
    checkout = tmp_path / "checkout"
    for name in ("captioner", "indexer", "web", "deploy"):
        shutil.copytree(
            repository / name,
            checkout / name,
            ignore=shutil.ignore_patterns("__pycache__", "checkpoint", "screenshots"),
        )
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(repository / name, checkout / name)
    (checkout / "deploy/environment").write_text(_ENVIRONMENT.replace("{python}", sys.executable))
    folder = tmp_path / "bin"
    folder.mkdir()
    stand_in = repository / "tests/systemctl_stand_in.py"
    (folder / "systemctl").write_text(f'#!/bin/sh\nexec {sys.executable} {stand_in} "$@"\n')
    (folder / "systemctl").chmod(0o755)
    command = ["unshare", "--mount", "--pid", "--net", "--fork", "--kill-child", "--mount-proc", "sh", "-ec", _ROOT]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            if process.stdout.readline() != "ready\n":
                pytest.skip("this system gives nobody a root of their own")
            child = int(Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()[0])
            made = Machine(child, tmp_path, checkout)
            made.run(sys.executable, "-c", _LOOPBACK)
            yield made
        finally:
            process.kill()


#: SIOCGIFFLAGS and SIOCSIFFLAGS (netdevice(7)): the loopback of a new network is down.
_LOOPBACK = """
import fcntl, socket, struct
with socket.socket() as any:
    fcntl.ioctl(any, 0x8914, struct.pack("16sh14x", b"lo", 0x1 | 0x40))
"""


def test_dask_is_installed_once_the_settings_name_a_cluster(machine: Machine) -> None:
    machine.path("/etc/recollect").mkdir()
    settings = machine.path("/etc/recollect/recollect.toml")
    settings.write_text('photos = ["/srv/photos"]\n# cluster = "tcp://127.0.0.1:8786"\n')
    steps = machine.install("--dry-run").stdout
    assert "/deploy/requirements.txt" in steps
    assert "cluster" not in steps
    settings.write_text('photos = ["/srv/photos"]\ncluster = "tcp://127.0.0.1:8786"\n')
    steps = machine.install("--dry-run").stdout
    assert "-cluster/deploy/requirements-cluster.txt" in steps


def test_installed_run_twice_and_taken_out_again(machine: Machine) -> None:
    write_jpeg(machine.path("/srv/photos") / "red.jpg", COLOURS["red"])
    said = machine.install().stderr
    assert "user recollect made" in said
    assert ":8765" in said
    assert machine.answers()
    assert machine.run("getent", "passwd", "recollect").stdout.count("/var/lib/recollect") == 1
    assert stat.S_IMODE(machine.path("/var/lib/recollect").stat().st_mode) == 0o700
    assert tomllib.loads(machine.read("/etc/recollect/recollect.toml"))["photos"] == ["/srv/photos"]
    assert 'ReadWritePaths="/srv/photos"' in machine.read("/etc/systemd/system/recollect.service.d/photos.conf")
    assert "RestartSteps" in machine.read("/etc/systemd/system/recollect.service.d/back-off.conf")
    stored = machine.path("/etc/recollect/environment")
    assert stat.S_IMODE(stored.stat().st_mode) == 0o600
    password = said.split("shown this once: ")[1].splitlines()[0]
    setting = stored.read_text().strip().removeprefix("RECOLLECT_PASSWORD=")
    assert HouseholdPassword(setting).matches(password)
    assert password not in stored.read_text()
    assert "--grant" in said, "root's photos are not the service's to write"

    kept = {path: machine.read(path) for path in ("/etc/recollect/recollect.toml", "/etc/recollect/environment")}
    service = machine.read("/srv/run-units/recollect")
    again = machine.install()
    assert "this version is running already" in again.stderr
    assert "shown this once" not in again.stderr
    assert {path: machine.read(path) for path in kept} == kept
    assert machine.read("/srv/run-units/recollect") == service, "nothing was restarted"

    steps = machine.run("env", "HOME=/nonexistent", machine.checkout / "deploy/uninstall", "--captions", "--dry-run")
    assert "captions undo --all --config /etc/recollect/recollect.toml" in steps.stdout
    machine.run(machine.checkout / "deploy/uninstall")
    for gone in ("/opt/recollect", "/opt/recollect-releases", "/etc/systemd/system/recollect.service"):
        assert not os.path.lexists(machine.path(gone)), gone
    assert machine.path("/var/lib/recollect/catalogue.db").exists()
    assert {path: machine.read(path) for path in kept} == kept
    machine.run(machine.checkout / "deploy/uninstall", "--data")
    assert not machine.path("/var/lib/recollect").exists()
    assert not machine.path("/etc/recollect").exists()
    assert machine.run("getent", "passwd", "recollect", code=2).stdout == ""
    assert machine.path("/srv/photos/red.jpg").exists()


def test_an_upgrade_keeps_settings_and_one_that_does_not_come_up_is_rolled_back(machine: Machine) -> None:
    write_jpeg(machine.path("/srv/photos") / "red.jpg", COLOURS["red"])
    machine.install("--grant")
    settings = machine.path("/etc/recollect/recollect.toml")
    settings.write_text(settings.read_text() + "rescan_s = 1234\n")
    first = machine.path("/opt/recollect").readlink()

    marked = machine.checkout / "web/__init__.py"
    marked.write_text(marked.read_text() + "\n# newer\n")
    assert "is running, in the place of" in machine.install().stderr
    second = machine.path("/opt/recollect").readlink()
    assert second != first
    assert "rescan_s = 1234" in settings.read_text()
    assert machine.answers()

    schema = machine.checkout / "indexer/catalogue/schema.py"
    first_migration = '    ("catalogue-1", _FIRST),\n'
    assert first_migration in schema.read_text()
    tomorrow = '    ("catalogue-of-tomorrow", "CREATE TABLE tomorrow (x)"),\n'
    schema.write_text(schema.read_text().replace(first_migration, first_migration + tomorrow))
    server = machine.checkout / "web/server.py"
    server.write_text(server.read_text() + "\nraise RuntimeError('does not come up')\n")
    said = machine.install(code=2).stderr
    assert "the version of before was started again" in said
    assert machine.path("/opt/recollect").readlink() == second
    assert machine.answers()
    assert machine.status()["running"], "with the catalogue of before, which the new version had changed"
    assert [path.name for path in machine.path("/opt/recollect-releases").iterdir()].count(second.name) == 1
    assert not machine.path("/var/lib/recollect/before-upgrade").exists()


def test_a_dry_run_does_nothing_and_names_every_step(machine: Machine) -> None:
    before = sorted(str(path) for path in machine.path("/etc").rglob("*"))
    said = machine.install("--dry-run", "--photos", "/srv/a b", "--grant")
    for step in ("useradd --system", "/srv/a\\ b", "systemctl restart recollect", "recollect.toml", "daemon-reload"):
        assert step in said.stdout, step
    assert sorted(str(path) for path in machine.path("/etc").rglob("*")) == before
    assert not list(machine.path("/opt").iterdir())
    machine.run(machine.checkout / "deploy/uninstall", "--dry-run", "--data")


def test_a_library_in_a_home_and_one_more(machine: Machine) -> None:
    home = machine.path("/srv/home")
    home.mkdir()
    machine.run("mount", "--bind", "/srv/home", "/home")
    write_jpeg(machine.path("/home/anna/Pictures") / "red.jpg", COLOURS["red"])
    machine.install("--photos", "/home/anna/Pictures", "--photos", "/srv/more")
    unit = machine.read("/etc/systemd/system/recollect.service.d/photos.conf")
    assert "ProtectHome=tmpfs" in unit
    assert 'BindPaths="/home/anna/Pictures"' in unit
    assert 'ReadWritePaths="/srv/more"' in unit
    photos = tomllib.loads(machine.read("/etc/recollect/recollect.toml"))["photos"]
    assert photos == ["/home/anna/Pictures", "/srv/more"]
    machine.install()
    assert machine.read("/etc/systemd/system/recollect.service.d/photos.conf") == unit, "found in the settings"


def test_meilisearch_comes_along_where_it_is_wanted(machine: Machine) -> None:
    """With a program that only waits in its place: recollect serves, and goes on asking for it."""
    program = machine.folder / "downloaded"
    program.write_text("#!/bin/sh\nexec sleep 1000\n")
    machine.install("--meilisearch", program)
    environment = machine.path("/etc/meilisearch/environment")
    assert stat.S_IMODE(environment.stat().st_mode) == 0o600
    one, other = environment.read_text().split()
    assert one.removeprefix("MEILI_MASTER_KEY=") == other.removeprefix("RECOLLECT_MEILISEARCH_MASTER_KEY=")
    assert len(one) == len("MEILI_MASTER_KEY=") + 64
    assert tomllib.loads(machine.read("/etc/recollect/recollect.toml"))["search"] == "meilisearch"
    calls = machine.read("/srv/run-units/calls")
    assert "enable meilisearch-keys meilisearch" in calls
    assert calls.index("restart meilisearch") < calls.index("restart recollect")
    assert "this version is running already" in machine.install().stderr, "it is known of the first run"
    assert environment.read_text().split() == [one, other]
    machine.run(machine.checkout / "deploy/uninstall", "--data")
    for gone in ("/etc/meilisearch", "/var/lib/meilisearch", "/etc/systemd/system/meilisearch.service"):
        assert not machine.path(gone).exists(), gone


@pytest.mark.parametrize("words", [("--photos", "/"), ("--photos", '/srv/a"b'), ("--nonsense",), ("--photos",)])
def test_what_it_refuses(machine: Machine, words: tuple[str, ...]) -> None:
    assert machine.install(*words, code=2).stderr.startswith("recollect: ")
    assert not list(machine.path("/opt").iterdir())


@pytest.mark.skipif(not shutil.which("shellcheck"), reason="shellcheck is not installed")
def test_shellcheck_finds_nothing(repository: Path) -> None:
    scripts = [repository / "deploy" / name for name in ("install", "uninstall", "environment", "run", "test", "lock")]
    subprocess.run(["shellcheck", *map(str, scripts)], check=True)
