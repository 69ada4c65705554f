"""One table; default, file, environment, flags, in that order."""

from __future__ import annotations

from pathlib import Path

import pytest

from indexer.errors import SettingsError
from indexer.settings import SECRETS, SETTINGS, Settings, default_data_dir
from indexer.settings_loader import load_settings


def written(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_defaults_need_nothing(tmp_path: Path) -> None:
    settings = load_settings(environment={"XDG_CONFIG_HOME": str(tmp_path)})
    assert settings == Settings()
    assert settings.captions == "embed"
    assert settings.host == "127.0.0.1"


def test_each_source_wins_over_the_one_before(tmp_path: Path) -> None:
    config = written(tmp_path / "r.toml", 'port = 1000\ngrid_px = 200\ncaptions = "sidecar"\n')
    settings = load_settings(
        config=config,
        environment={"RECOLLECT_PORT": "2000", "RECOLLECT_GRID_PX": "240"},
        flags={"port": 3000, "grid_px": None},
    )
    assert (settings.port, settings.grid_px, settings.captions) == (3000, 240, "sidecar")


def test_the_settings_file_is_found_where_xdg_says(tmp_path: Path) -> None:
    (tmp_path / "recollect").mkdir()
    written(tmp_path / "recollect" / "recollect.toml", "port = 99\n")
    assert load_settings(environment={"XDG_CONFIG_HOME": str(tmp_path)}).port == 99


def test_lists_and_paths(tmp_path: Path) -> None:
    environment = {"RECOLLECT_PHOTOS": f"{tmp_path / 'a'}:{tmp_path / 'b c'}", "XDG_CONFIG_HOME": str(tmp_path)}
    settings = load_settings(environment=environment, flags={"exclude": ("*.tmp", "old/**")})
    assert settings.photos == (tmp_path / "a", tmp_path / "b c")
    assert settings.exclude == ("*.tmp", "old/**")


@pytest.mark.parametrize(
    ("cores", "memory_gb", "wanted", "started"),
    [(4, 1, 0, 1), (4, 2, 0, 2), (2, 8, 0, 1), (4, 0.5, 3, 3)],
)
def test_a_second_reader_is_for_boards_with_cores_and_memory(
    cores: int, memory_gb: float, wanted: int, started: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    pages = {"SC_PHYS_PAGES": int(memory_gb * 0.93 * 2**30 / 4096), "SC_PAGE_SIZE": 4096}  # the kernel keeps some
    monkeypatch.setattr("os.cpu_count", lambda: cores)
    monkeypatch.setattr("os.sysconf", pages.__getitem__)
    assert Settings(readers=wanted).reader_count == started


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("prot = 1\n", "there is no setting 'prot'"),
        ('port = "many"\n', "'port' expects int, got 'many'"),
        ("port = true\n", "'port' expects int"),
        ("port = 80.5\n", "'port' expects int"),
        ('captions = "yes"\n', "one of embed, sidecar, off"),
        ('watch = "perhaps"\n', "'watch' expects bool"),
        ("grid_px = 3\n", "'grid_px' is at least 64"),
        ("port = 99999\n", "'port' is at most 65535"),
        ("host = 1\n", "'host' expects str"),
        ("photos = [1]\n", "'photos' expects tuple"),
        ('meilisearch_index = "my photos"\n', "'meilisearch_index' is a name of letters"),
        ('meilisearch_index = ""\n', "'meilisearch_index' is a name of letters"),
        ('cluster = "pi2:8786"\n', "'cluster' is tcp://HOST:PORT or tls://HOST:PORT"),
        ('cluster = "http://pi2:8786"\n', "'cluster' is tcp://HOST:PORT or tls://HOST:PORT"),
        ('cluster = "tcp://pi2"\n', "'cluster' is tcp://HOST:PORT or tls://HOST:PORT"),
        ('cluster = "tcp://pi2:many"\n', "'cluster' is tcp://HOST:PORT or tls://HOST:PORT"),
        ('cluster = "tls://pi2:8786"\n', "'cluster_tls' is not set"),
        ('cluster = "tcp://pi2:8786"\ncluster_tls = "/etc"\n', "reached without TLS, and 'cluster_tls' is set"),
        ("cluster_timeout_s = 0\n", "'cluster_timeout_s' is more than 0"),
        ('meilisearch_url = "127.0.0.1:7700"\n', "'meilisearch_url' is http://HOST:PORT"),
        ('meilisearch_url = "http://host:many"\n', "'meilisearch_url' is http://HOST:PORT"),
        ('meilisearch_url = "http://me:hush@host"\n', "'meilisearch_url' holds a user or password"),
        ('meilisearch_key = "two words"\n', "'meilisearch_key' holds a space or another character that no key has"),
        ('recaption_hours = "22-25"\n', "'recaption_hours' expects two hours of the day, such as 22-6, got '22-25'"),
        ('recaption_hours = "at night"\n', "'recaption_hours' expects two hours of the day"),
        ('recaption_hours = "6-6"\n', "'recaption_hours' expects two hours of the day"),
        ("recaption_hours = 22\n", "'recaption_hours' expects str, got 22"),
        ('quiet_hours = "22-25"\n', "'quiet_hours' expects two hours of the day, such as 22-6, got '22-25'"),
        ('quiet_hours = "0-24"\n', "'quiet_hours' is the whole day"),
        ("pause_load_percent = 100\n", "'pause_load_percent' is at most 99"),
        ("pause_temperature_c = -1\n", "'pause_temperature_c' is at least 0"),
        ("=", "can't be read"),
    ],
)
def test_a_wrong_setting_says_which_what_and_where(tmp_path: Path, text: str, said: str) -> None:
    config = written(tmp_path / "wrong.toml", text)
    with pytest.raises(SettingsError, match=said.replace("(", r"\(")):
        load_settings(config=config, environment={})


def test_a_named_settings_file_must_exist(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"nowhere\.toml"):
        load_settings(config=tmp_path / "nowhere.toml", environment={})


def test_the_data_directory_may_not_lie_in_the_library(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="inside the library"):
        load_settings(environment={}, flags={"photos": (tmp_path,), "data_dir": tmp_path / "data"})


def test_the_data_directory_follows_xdg(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", "/somewhere")
    assert default_data_dir() == Path("/somewhere/recollect")
    monkeypatch.setenv("XDG_DATA_HOME", "relative/is/ignored")
    assert default_data_dir() == Path.home() / ".local/share/recollect"


def test_every_setting_says_what_it_is() -> None:
    for name, setting in SETTINGS.items():
        assert setting.metadata["help"], name
        assert isinstance(setting.metadata["choices"], tuple), name


def test_a_path_has_one_spelling(tmp_path: Path) -> None:
    """Roots are compared with each other and with what the catalogue knows."""
    (tmp_path / "inner").mkdir()
    flags = {"photos": (f"{tmp_path}/inner/../photos/",), "data_dir": f"{tmp_path}/./data//"}
    settings = load_settings(environment={"XDG_CONFIG_HOME": str(tmp_path)}, flags=flags)
    assert settings.photos == (tmp_path / "photos",)
    assert str(settings.data_dir) == str(tmp_path / "data")


@pytest.mark.parametrize("name", sorted(SECRETS))
def test_a_secret_is_never_shown(tmp_path: Path, name: str) -> None:
    settings = load_settings(environment={"RECOLLECT_" + name.upper(): "hush-hush", "XDG_CONFIG_HOME": str(tmp_path)})
    assert getattr(settings, name) == "hush-hush"
    assert "hush-hush" not in repr(settings)
    config = written(tmp_path / "wrong.toml", f"{name} = 987654321\n")
    with pytest.raises(SettingsError, match=f"'{name}' expects str") as raised:
        load_settings(config=config, environment={})
    assert "987654321" not in str(raised.value)
    assert raised.value.__cause__ is None
