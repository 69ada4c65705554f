"""The files of deploy/ name what exists, and say the same as the code. No container or systemd is started here."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from captioner.inference.model_process import PING_S
from indexer.search.meilisearch.administration import TESTED_VERSION
from indexer.search.meilisearch.keys import keys_path
from indexer.settings import ENVIRONMENT_PREFIX, SECRETS, SETTINGS, Settings
from indexer.settings_loader import load_settings
from tests.cluster_processes import needs_dask
from web.cli import main as recollect

UNITS = ("recollect", "meilisearch", "meilisearch-keys", "recollect-worker", "recollect-scheduler")


@pytest.fixture(scope="module")
def compose(repository: Path) -> dict[str, Any]:
    loaded = yaml.safe_load((repository / "deploy" / "compose.yaml").read_text(encoding="utf-8"))
    assert isinstance(loaded, dict)
    return loaded


def lines_of(repository: Path, unit: str, key: str) -> list[str]:
    """Every value of a key; systemd's files repeat keys, which ConfigParser does not."""
    text = (repository / "deploy" / f"{unit}.service").read_text(encoding="utf-8")
    return re.findall(rf"^{key}=(.*)$", text, re.MULTILINE)


def variables_of(repository: Path, unit: str) -> dict[str, str]:
    pairs = " ".join(lines_of(repository, unit, "Environment")).split()
    return dict(pair.split("=", 1) for pair in pairs)


def test_compose_builds_from_what_is_there(repository: Path, compose: dict[str, Any]) -> None:
    for name in ("recollect", "keys"):
        build = compose["services"][name]["build"]
        context = (repository / "deploy" / build["context"]).resolve()
        assert context == repository
        containerfile = (context / build["dockerfile"]).read_text(encoding="utf-8")
        for requirements in (
            *re.findall(r"^ARG REQUIREMENTS=(.+)$", containerfile, re.MULTILINE),
            build["args"]["REQUIREMENTS"].removeprefix("${REQUIREMENTS:-").removesuffix("}"),
            "requirements-cluster.txt",
        ):
            assert (context / "deploy" / requirements).is_file(), requirements


def test_compose_names_settings_that_exist_and_have_such_values(compose: dict[str, Any], tmp_path: Path) -> None:
    for name in ("recollect", "keys"):
        environment = {
            key: re.sub(r"\$\{\w+(?::-(.*?)|:\?.*?)?\}", r"\1", str(value))
            for key, value in compose["services"][name]["environment"].items()
        }
        for variable in environment:
            assert variable.removeprefix(ENVIRONMENT_PREFIX).lower() in SETTINGS, variable
        settings = load_settings(environment=environment | {"XDG_CONFIG_HOME": str(tmp_path)})
        assert settings.search == "meilisearch"
        assert settings.meilisearch_index == Settings().meilisearch_index
        address = urlsplit(settings.meilisearch_url)
        listening = compose["services"]["meilisearch"]["environment"]["MEILI_HTTP_ADDR"]
        assert (address.hostname, f"0.0.0.0:{address.port}") == ("meilisearch", listening)


def test_compose_publishes_the_page_and_nothing_else(compose: dict[str, Any]) -> None:
    services = compose["services"]
    assert {name for name, service in services.items() if "ports" in service} == {"recollect"}
    assert services["recollect"]["ports"] == [f"{Settings().port}:{Settings().port}"]
    assert services["meilisearch"]["networks"] == services["keys"]["networks"] == ["search"]
    assert compose["networks"]["search"] == {"internal": True}


def test_the_master_key_is_with_the_server_and_the_maker_of_keys_alone(compose: dict[str, Any]) -> None:
    holders = {name for name, service in compose["services"].items() if "MASTER_KEY" in str(service["environment"])}
    assert holders == {"meilisearch", "keys"}
    for service in compose["services"].values():
        for variable, value in service["environment"].items():
            if "KEY" in variable or variable.removeprefix(ENVIRONMENT_PREFIX).lower() in SECRETS:
                assert re.fullmatch(r"\$\{[A-Z_]+:\?.+\}", value), f"{variable} stands in the file itself"


def test_every_container_is_held_in(compose: dict[str, Any]) -> None:
    for name, service in compose["services"].items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert {"mem_limit", "cpus", "pids_limit", "restart"} <= set(service), name
        for volume in service["volumes"]:
            source = volume.rpartition(":")[0]
            assert source.startswith("${PHOTOS:") or source in compose["volumes"], volume


def test_the_server_is_pinned_to_the_tested_version(repository: Path, compose: dict[str, Any]) -> None:
    tested = ".".join(map(str, TESTED_VERSION))
    assert re.fullmatch(rf"getmeili/meilisearch:v{tested}\.\d+", compose["services"]["meilisearch"]["image"])
    guide = (repository / "deploy" / "RASPBERRY_PI.md").read_text(encoding="utf-8")
    assert set(re.findall(r"/v(\d+\.\d+)\.\d+/", guide)) == {tested}


@pytest.mark.parametrize("where", ["compose", "unit"])
def test_the_server_runs_in_production_and_tells_nobody(repository: Path, compose: dict[str, Any], where: str) -> None:
    server: dict[str, str] = compose["services"]["meilisearch"]["environment"]
    variables = server if where == "compose" else variables_of(repository, "meilisearch")
    assert variables["MEILI_ENV"] == "production"
    assert variables["MEILI_NO_ANALYTICS"] == "true"
    assert {"MEILI_MAX_INDEXING_MEMORY", "MEILI_MAX_INDEXING_THREADS", "TMPDIR"} <= set(variables)


def test_the_keys_are_looked_for_where_they_are_kept(repository: Path, compose: dict[str, Any]) -> None:
    kept = keys_path(Settings(data_dir=Path("/data")))
    assert compose["services"]["keys"]["command"] == [
        f"/opt/recollect/.venv/bin/recollect doctor --fix; test -s {kept}"
    ]
    variables = variables_of(repository, "meilisearch-keys")
    kept = keys_path(Settings(data_dir=Path(variables["RECOLLECT_DATA_DIR"])))
    assert lines_of(repository, "meilisearch-keys", "ExecStartPost") == [f"/usr/bin/test -s {kept}"]
    assert variables["RECOLLECT_DATA_DIR"] == variables_of(repository, "recollect")["RECOLLECT_DATA_DIR"]


def test_the_unit_listens_where_recollect_looks(repository: Path) -> None:
    address = variables_of(repository, "meilisearch")["MEILI_HTTP_ADDR"]
    assert f"http://{address}" == Settings().meilisearch_url
    assert lines_of(repository, "meilisearch", "ExecStartPost")[0].count(address.replace(":", "/")) == 1
    assert lines_of(repository, "meilisearch", "EnvironmentFile") == lines_of(
        repository, "meilisearch-keys", "EnvironmentFile"
    )


@pytest.mark.parametrize("unit", UNITS)
def test_every_unit_is_held_in(repository: Path, unit: str) -> None:
    for key, value in {
        "ProtectSystem": "strict",
        "ProtectHome": "yes",
        "NoNewPrivileges": "yes",
        "CapabilityBoundingSet": "CAP_CHOWN" if unit == "recollect" else "",
        "PrivateDevices": "yes",
        "RestrictSUIDSGID": "yes",
        "User": "meilisearch" if unit == "meilisearch" else "recollect",
    }.items():
        assert lines_of(repository, unit, key) == [value], f"{unit}: {key}"
    assert len(lines_of(repository, unit, "MemoryMax")) == 1


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze is not installed")
@pytest.mark.parametrize("unit", UNITS)
def test_systemd_calls_the_exposure_of_every_unit_ok(repository: Path, unit: str) -> None:
    """Of 0 to 10 points, lower is better; systemd calls it OK up to 2.9."""
    path = repository / "deploy" / f"{unit}.service"
    command = ["systemd-analyze", "security", "--offline=true", "--no-pager", str(path)]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    overall = re.search(r"Overall exposure level for \S+: ([\d.]+) (\w+)", said)
    assert overall is not None, said
    print(overall[0])
    assert float(overall[1]) < 2.0
    assert overall[2] in {"OK", "SAFE", "PERFECT"}


def test_a_hung_service_is_restarted_and_never_given_up(repository: Path) -> None:
    """The program's side is tried in tests/web/test_service_manager.py."""
    one = {key: lines_of(repository, "recollect", key) for key in ("Type", "Restart", "WatchdogSec", "CPUWeight")}
    assert one == {"Type": ["notify"], "Restart": ["on-failure"], "WatchdogSec": ["3min"], "CPUWeight": ["50"]}
    assert lines_of(repository, "recollect", "StartLimitIntervalSec") == ["0"]
    assert lines_of(repository, "recollect", "IOSchedulingClass") == ["idle"]
    longest_s = Settings().captioner_timeout_s + PING_S
    assert 2 * longest_s < 180, "a caption that hangs is ended by recollect itself before systemd ends it all"


@pytest.mark.parametrize("unit", ["recollect-worker", "recollect-scheduler"])
def test_the_units_of_the_cluster_start_commands_that_exist(repository: Path, unit: str) -> None:
    """With what their heads and the guide have stand in /etc/recollect/cluster."""
    (line,) = lines_of(repository, unit, "ExecStart")
    guide = (repository / "deploy" / "RASPBERRY_PI.md").read_text(encoding="utf-8")
    given = dict(re.findall(r"^ *((?:SCHEDULER|WORKER)\w*)=(.*)$", guide, re.MULTILINE))
    variables = re.findall(r"\$(\w+)", line)
    assert set(variables) <= set(given), "the guide says what to write"
    words = [word for part in line.split()[1:] for word in (given[part[1:]].split() if part[0] == "$" else [part])]
    command = recollect.commands[words[0]]
    command.make_context(words[0], words[1:])
    assert variables_of(repository, unit)["RECOLLECT_DATA_DIR"].startswith("/run/")


@pytest.mark.skipif(not shutil.which("unshare") or os.geteuid() != 0, reason="only root can hide /proc/meminfo")
@needs_dask
def test_dask_needs_what_the_units_of_the_cluster_show_it(repository: Path) -> None:
    """Without the drop-in, the service says what is missing and how to mend it."""
    program = "from captioner.cluster.dask_setup import import_distributed; import_distributed()"
    for subset, works in (("pid", False), ("all", True)):
        mount = "mount --make-rprivate /; mount -t proc" + " -o subset=pid" * (subset == "pid") + " proc /proc"
        script = f'{mount}; exec "$0" -c "$1"'
        command = ["unshare", "--mount", "--pid", "--fork", "sh", "-ec", script, sys.executable, program]
        done = subprocess.run(command, cwd=repository, capture_output=True, text=True, check=False)
        if "mount:" in done.stderr or "unshare:" in done.stderr:
            pytest.skip("this system lets nobody mount a /proc of their own")
        assert (done.returncode == 0) == works, done.stderr
        assert works or "ProcSubset=all" in done.stderr
    for unit in ("recollect", "recollect-worker", "recollect-scheduler"):
        assert lines_of(repository, unit, "ProcSubset") == ["all"], "recollect's own sensors want it, too"


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze is not installed")
def test_systemd_understands_the_units(repository: Path, tmp_path: Path) -> None:
    """With the programs that they start in place of ours: only those are missing here."""
    for unit in UNITS:
        text = (repository / "deploy" / f"{unit}.service").read_text(encoding="utf-8")
        text = re.sub(r"/usr/local/bin/meilisearch|/opt/recollect/\.venv/bin/recollect", "/bin/true", text)
        (tmp_path / f"{unit}.service").write_text(text, encoding="utf-8")
    files = [str(tmp_path / f"{unit}.service") for unit in UNITS]
    said = subprocess.run(["systemd-analyze", "verify", *files], capture_output=True, text=True, check=False)
    assert [line for line in said.stderr.splitlines() if any(unit in line for unit in UNITS)] == []


def test_the_guide_names_files_that_exist(repository: Path) -> None:
    guide = (repository / "deploy" / "RASPBERRY_PI.md").read_text(encoding="utf-8")
    named = re.findall(r"/opt/recollect/(deploy/[\w.-]+)", guide)
    assert {"deploy/meilisearch.service", "deploy/meilisearch-keys.service", "deploy/recollect.service"} <= set(named)
    for name in named:
        assert (repository / name).is_file(), name
    for variable in re.findall(r"RECOLLECT_([A-Z_]+)=", guide):
        assert variable.lower() in SETTINGS, variable


def test_settings_shown_in_the_guide_are_understood(repository: Path, tmp_path: Path) -> None:
    guide = (repository / "deploy" / "RASPBERRY_PI.md").read_text(encoding="utf-8")
    blocks = re.findall(r"<<'TOML'\n(.*?)\n +TOML$", guide, re.DOTALL | re.MULTILINE)
    assert len(blocks) >= 2
    for block in blocks:
        config = tmp_path / "recollect.toml"
        config.write_text(re.sub(r"^ {4}", "", block, flags=re.MULTILINE), encoding="utf-8")
        load_settings(config=config, environment={})
