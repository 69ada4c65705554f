"""Every setting, once. `SETTINGS` is the table that `settings_loader`, the command line, the README and the tests read.

Order of precedence: the table's default, the TOML file, the environment (`RECOLLECT_` + NAME in capitals), flags. Not
pydantic-settings: it costs 150 ms and 13 MB at each start, and its messages show what stands in a mistyped secret.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import date
from pathlib import Path
from types import MappingProxyType
from typing import Any

from captioner import DEFAULT_BUNDLE

ENVIRONMENT_PREFIX = "RECOLLECT_"


def _setting(default: Any, text: str, *, unit: str = "", choices: tuple[str, ...] = (), secret: bool = False) -> Any:
    metadata = {"help": text, "unit": unit, "choices": choices, "secret": secret}
    return field(default=default, repr=not secret, metadata=MappingProxyType(metadata))


def default_data_dir() -> Path:
    """The XDG data directory (freedesktop.org Base Directory Specification 0.8)."""
    base = os.environ.get("XDG_DATA_HOME") or ""
    return (Path(base) if base.startswith("/") else Path.home() / ".local" / "share") / "recollect"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What a run is told. Paths are absolute once loaded; times in seconds, sizes in the unit that the name ends in."""

    photos: tuple[Path, ...] = _setting((), "library roots, walked recursively")
    data_dir: Path = field(
        default_factory=default_data_dir,
        metadata=MappingProxyType(
            {
                "help": "catalogue, search index and thumbnails; never inside a library",
                "unit": "",
                "choices": (),
                "secret": False,
            }
        ),
    )
    include: tuple[str, ...] = _setting((), "globs, relative to a root: only these files are looked at")
    exclude: tuple[str, ...] = _setting((), "globs, relative to a root: these files and folders are passed over")
    captions: str = _setting(
        "embed",
        "where sentences are written: into the photo file, into an .xmp file beside it, or nowhere but the index",
        choices=("embed", "sidecar", "off"),
    )
    write_unsure: bool = _setting(
        False, "write sentences that the model is not sure of, too; else they are kept in the index only"
    )
    keep_mtime: bool = _setting(True, "leave a photo's modification time as it was when a caption is written")
    sidecar_dir: Path | None = _setting(None, "a tree for sidecars, where the library itself can't be written")
    bundle: Path = _setting(DEFAULT_BUNDLE, "the caption model's directory")
    captioner_threads: int = _setting(1, "threads of the caption model")
    captioner_timeout_s: float = _setting(60.0, "one caption may take this long", unit="s")
    cluster: str = _setting(
        "",
        "the scheduler of other machines that caption, too, such as tcp://pi2:8786; only on a network that is trusted, "
        "or with TLS (tls://pi2:8786 and cluster_tls); needs `pip install recollect[cluster]`",
    )
    cluster_tls: Path | None = _setting(
        None, "a directory with ca.pem, cert.pem and key.pem: every connection of the cluster is checked and encrypted"
    )
    cluster_timeout_s: float = _setting(
        30.0, "a machine of the cluster that has not answered for so long is passed over", unit="s"
    )
    nice: int = _setting(10, "niceness of the child processes, so that the house's server stays usable")
    unload_after_s: float = _setting(
        300.0,
        "without work for so long, the child processes with the caption model and the photo reader end and give their "
        "memory back; the next photo starts them again; 0: never",
        unit="s",
    )
    readers: int = _setting(0, "child processes that open photo files; 0: two from three cores and 1.5 GB on, else one")
    reader_timeout_s: float = _setting(60.0, "one photo may take this long to read and decode", unit="s")
    reader_memory_mb: int = _setting(1024, "address space that one reading process may grow by", unit="MB")
    max_pixels_mp: float = _setting(200.0, "photos with more pixels are set aside", unit="megapixels")
    max_file_mb: float = _setting(500.0, "files larger than this are set aside", unit="MB")
    grid_px: int = _setting(320, "longest side of a thumbnail in the grid", unit="px")
    screen_px: int = _setting(1280, "longest side of the picture on a photo's page", unit="px")
    rescan_s: float = _setting(3600.0, "the whole library is walked again this often; 0: never", unit="s")
    recaption_hours: str = _setting(
        "",
        "hours at which `recollect serve` describes again, by itself and behind all other work, what another model has "
        "described, such as 22-6 (local time); without it, never",
    )
    quiet_hours: str = _setting(
        "",
        "hours in which `recollect serve` lets photos wait, such as 20-23 (local time); search and corrections go on",
    )
    pause_temperature_c: float = _setting(
        0.0,
        "while the processor is hotter, `recollect serve` lets photos wait until it is 5 °C cooler; 0: never",
        unit="°C",
    )
    pause_load_percent: float = _setting(
        0.0,
        "while other programs use more than this share of all cores, `recollect serve` lets photos wait; 0: never",
        unit="%",
    )
    people: bool = _setting(
        False,
        "look for faces and group them by person; what the page or `recollect people on` and `off` said last goes "
        "before it",
    )
    write_names: bool = _setting(
        False,
        "write the names of faces into photos, as regions and persons in XMP: into the file or an .xmp file beside it, "
        "as `captions` says",
    )
    watch: bool = _setting(True, "watch the library for changes between walks")
    search: str = _setting("embedded", "the search backend", choices=("embedded", "meilisearch"))
    meilisearch_url: str = _setting("http://127.0.0.1:7700", "where Meilisearch answers")
    meilisearch_index: str = _setting("recollect", "the name of the index in Meilisearch; the next one is NAME-next")
    meilisearch_key: str = _setting(
        "", "Meilisearch's key for indexing; without it, the one that `recollect doctor --fix` made", secret=True
    )
    meilisearch_search_key: str = _setting(
        "", "Meilisearch's key for searching; without it, the one that `recollect doctor --fix` made", secret=True
    )
    meilisearch_master_key: str = _setting(
        "",
        "Meilisearch's master key: `recollect doctor --fix` makes the two keys with it; nothing else reads it",
        secret=True,
    )
    birthdays: tuple[str, ...] = _setting(
        (),
        "names and days of birth, such as Anna 2015-06-03: a search for Anna's birthday finds that day of every year",
    )
    host: str = _setting("127.0.0.1", "address the page is served on")
    port: int = _setting(8765, "port the page is served on; 0: any free one")
    password: str = _setting(
        "",
        "household password, plain or as `recollect password` makes it; needed to serve to anything but this machine",
        secret=True,
    )
    hosts: str = _setting(
        "", "names the page is reached under, separated by commas; needed where no password protects it"
    )
    base_path: str = _setting(
        "", "the path that a reverse proxy serves the page under, such as /photos; without it, at the top of its name"
    )
    user_header: str = _setting(
        "", "the header in which a reverse proxy names whom it has signed in, such as Remote-User; that is then enough"
    )
    trusted_proxies: str = _setting(
        "",
        "addresses or networks of reverse proxies, separated by commas: only they are believed user_header, and for "
        "whom they ask",
    )
    open_metrics: bool = _setting(False, "let /metrics be read without signing in")
    language: str = _setting(
        "", "the page's language, such as de or en-GB, whatever a browser asks for; else each reader's own"
    )

    @property
    def writes_names(self) -> bool:
        """Whether names of faces are written into photos."""
        return self.write_names and self.captions != "off"

    @property
    def catalogue_path(self) -> Path:
        """The catalogue: what is known of every photo and what is still to do."""
        return self.data_dir / "catalogue.db"

    @property
    def birthday_dates(self) -> Mapping[str, date]:
        """Days of birth by name. Raises `ValueError` where one is none."""
        return MappingProxyType(
            {
                name.strip(): date.fromisoformat(day)
                for name, _, day in (one.strip().rpartition(" ") for one in self.birthdays)
            }
        )

    @property
    def thumbnails_path(self) -> Path:
        """The key-value store of thumbnails."""
        return self.data_dir / "thumbnails.db"

    @property
    def faces_path(self) -> Path:
        """The vectors of faces: derived from the screen pictures, and all that is kept of how faces look."""
        return self.data_dir / "faces.db"

    @property
    def reader_count(self) -> int:
        """How many reading processes to start."""
        memory_bytes = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        return self.readers or (2 if (os.cpu_count() or 1) > 2 and memory_bytes >= _SECOND_READER_BYTES else 1)


#: A reader takes 60 to 100 MB while it decodes. The kernel keeps some of a board's memory: 1.5 GB leaves out those of
#: 1 GB, not those of 2 GB.
_SECOND_READER_BYTES = 1_500_000_000

#: name -> dataclass field; the table in the order it is shown.
SETTINGS = MappingProxyType({item.name: item for item in fields(Settings)})

#: Settings that are never shown: not in a message, not in a `repr`, and no flags, which `ps` shows to everyone.
SECRETS = frozenset(name for name, item in SETTINGS.items() if item.metadata["secret"])
