"""What the READMEs say is what the program does, and what they name exists."""

from __future__ import annotations

import re
import shlex
from functools import cache
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from indexer.settings import SETTINGS
from tests.readme_tables import ROOT, TABLES, readmes, renewed, tables_in
from tests.test_architecture import LAYERS
from web.app import _routes
from web.cli import main as recollect

PAGES = {path.relative_to(ROOT).as_posix(): path for path in readmes()}
TEXTS = {name: path.read_text(encoding="utf-8") for name, path in PAGES.items()}
#: READMEs that say how the code beside them is laid out.
LAYOUTS = [name for name, text in TEXTS.items() if re.search(r"^## Layout$", text, re.MULTILINE)]

_NOT_SETTINGS = {
    *("PYTHON", "VENV", "TEST_VENV", "TEST_CHROMIUM", "TEST_MEILISEARCH_URL", "TEST_MEILISEARCH_KEY", "REPOSITORY")
}
#: Names in backticks that are other programs' or stand for what the reader has.
_OTHERS = {
    *("web/i18n/languages/fr.po", "IMG_1.JPG.xmp", "IMG_1234.JPG.xmp", "IMG_1234.CR3.xmp", "IMG_1.xmp"),
    *(".venv/bin/recollect", "MEILI_SSL_CERT_PATH", "MEILI_SSL_KEY_PATH", "MEILI_HTTP_ADDR", "MEILI_UPGRADE_DB"),
    *("ProxyPass", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"),
}
_SUFFIXES = "py|md|html|js|css|po|toml|txt|tsv|npy|json|service|yaml|tflite|npz|svg|jsonl"
_PATH = re.compile(rf"(?:[\w.-]+/)+(?:[\w-]+(?:\.(?:{_SUFFIXES}))?)?|[\w-]+\.(?:{_SUFFIXES})")
_MODULE = re.compile(r"(?:captioner|indexer|web|tests)(?:\.\w+)+")
#: snake_case, CamelCase and UPPER_CASE: what can only be the name of something in the code.
_IDENTIFIER = re.compile(r"_*[a-z0-9]+_\w+|[A-Z]+[a-z]+[A-Z]\w*|[A-Z]{2,}_[A-Z_]+")


def outside_code(text: str) -> str:
    """A page without its indented blocks."""
    return re.sub(r"^ {4}.*$", "", text, flags=re.MULTILINE)


def in_backticks(text: str) -> list[str]:
    return re.findall(r"`([^`\n]+)`", outside_code(text))


def code_blocks(text: str) -> list[str]:
    return [line[4:] for line in text.splitlines() if line.startswith("    ")]


@cache
def tracked() -> tuple[str, ...]:
    """Every file and folder of the checkout that documentation may name."""
    tops = ("captioner", "indexer", "web", "tests", "deploy", ".ci")
    paths = [path for top in tops for path in (ROOT / top).rglob("*") if "__pycache__" not in path.parts]
    paths += [path for path in ROOT.iterdir() if path.is_file()] + [ROOT / top for top in tops]
    return tuple(path.relative_to(ROOT).as_posix() + "/" * path.is_dir() for path in paths)


def exists(named: str, page: str) -> bool:
    """Whether a path that a page names is there: from the top, or from a folder that the page stands in. A file's name
    alone is that of any file below the page's folder."""
    folder = PAGES[page].parent.relative_to(ROOT).as_posix()
    below = [folder, *(parent.as_posix() for parent in Path(folder).parents)]
    if "/" not in named and any(one.startswith(f"{folder}/") and one.endswith(f"/{named}") for one in tracked()):
        return True
    candidates = {f"{base}/{named}".removeprefix("./") for base in below}
    return any(one in candidates or one.removesuffix("/") in candidates for one in tracked())


@cache
def code_words() -> frozenset[str]:
    """Every word of the sources."""
    kinds = (
        ".py",
        ".html",
        ".js",
        ".toml",
        ".service",
        ".yaml",
        "/environment",
        "/run",
        "/test",
        "/install",
        "/uninstall",
        ".conf",
    )
    sources = [one for one in tracked() if one.endswith(kinds) and not one.startswith("tests/test_readme")]
    return frozenset(word for one in sources for word in re.findall(r"\w+", (ROOT / one).read_text(encoding="utf-8")))


def module_exists(dotted: str) -> bool:
    """A module, or a name that its module or package defines."""
    parts = dotted.split(".")
    if (ROOT / Path(*parts)).is_dir() or (ROOT / Path(*parts)).with_suffix(".py").is_file():
        return True
    parent = ROOT / Path(*parts[:-1])
    source = parent / "__init__.py" if parent.is_dir() else parent.with_suffix(".py")
    return source.is_file() and parts[-1] in re.findall(r"\w+", source.read_text(encoding="utf-8"))


def anchors(text: str) -> set[str]:
    """The addresses of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES)
def test_the_tables_are_those_of_the_code(page: str) -> None:
    assert renewed(TEXTS[page]) == TEXTS[page], "run `python -m tests.readme_tables`"


def test_every_table_has_its_place() -> None:
    assert sorted(name for text in TEXTS.values() for name in tables_in(text)) == sorted(TABLES)


def commands_shown() -> list[tuple[str, str]]:
    """Page and command line, of blocks and of backticks."""
    found = set()
    for page, text in TEXTS.items():
        lines = [line.partition("  #")[0] for line in code_blocks(text)] + in_backticks(text)
        for line in lines:
            command = re.sub(r"^(?:[A-Z_]+=\S+ )+", "", line.strip())
            if re.match(r"(?:/opt/recollect/.venv/bin/)?recollect [a-z]", command):
                found.add((page, command))
    return sorted(found)


def test_commands_are_found() -> None:
    assert len(commands_shown()) > 20


@pytest.mark.parametrize(("page", "line"), commands_shown())
def test_every_command_shown_exists_with_its_options(page: str, line: str) -> None:
    words = shlex.split(line.rstrip("\\"))[1:]
    command: click.Command = recollect
    while isinstance(command, click.Group) and words and words[0] in command.commands:
        command = command.commands[words.pop(0)]
    assert command is not recollect, line
    known = {option for item in command.params for option in (*item.opts, *item.secondary_opts)} | {"--help"}
    assert {word.partition("=")[0] for word in words if word.startswith("--")} <= known, line


def test_help_is_short_and_complete() -> None:
    result = CliRunner().invoke(recollect, ["--help"])
    assert result.exit_code == 0
    for name in ("serve", "index", "reindex", "search", "caption", "captions", "status", "doctor"):
        assert re.search(rf"^  {name} +\S", result.output, re.MULTILINE), name


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page: str) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", TEXTS[page]):
        if "://" in target:
            continue
        path, _, anchor = target.partition("#")
        leads_to = (PAGES[page].parent / path).resolve() if path else PAGES[page]
        assert leads_to.exists(), target
        if anchor:
            assert anchor in anchors(leads_to.read_text(encoding="utf-8")), target


@pytest.mark.parametrize("page", PAGES)
def test_variables_are_settings(page: str) -> None:
    for variable in re.findall(r"RECOLLECT_([A-Z_]*[A-Z])", TEXTS[page]):
        assert variable.lower() in SETTINGS or variable in _NOT_SETTINGS, variable


@pytest.mark.parametrize("page", PAGES)
def test_files_folders_and_modules_named_exist(page: str) -> None:
    for named in in_backticks(TEXTS[page]):
        for word in named.split():
            path = word.removeprefix("./")
            if _PATH.fullmatch(path) and path not in _OTHERS:
                assert exists(path, page), f"{page} names {path}"
            if _MODULE.fullmatch(path) and not _PATH.fullmatch(path):
                assert module_exists(path), f"{page} names {path}"
    for line in code_blocks(TEXTS[page]):
        for module in re.findall(r"python -m ([\w.]+)", line):
            assert module_exists(module), f"{page} names {module}"


@pytest.mark.parametrize("page", PAGES)
def test_names_of_code_are_in_the_code(page: str) -> None:
    for named in in_backticks(TEXTS[page]):
        for word in re.split(r"[.\s]", named):
            word = word.partition("=")[0]
            if _IDENTIFIER.fullmatch(word) and word not in _OTHERS and not word.startswith("RECOLLECT_"):
                assert word in code_words(), f"{page} names {word}"


def layout(page: str) -> list[str]:
    """The names that a page's first block with folders or modules lists, in their order."""
    block = re.search(r"^    [\w_]+(?:/|\.py) .*(?:\n {4}.*)*", TEXTS[page], re.MULTILINE)
    assert block is not None, page
    return re.findall(r"^ {4}([\w_]+(?:\.py|/))(?= |$)", block[0], re.MULTILINE)


@pytest.mark.parametrize("page", LAYOUTS)
def test_the_layout_names_every_module_and_no_other(page: str) -> None:
    """Modules that another line explains may stand in its text."""
    folder = PAGES[page].parent
    listed = layout(page)
    for name in listed:
        assert (folder / name).exists(), f"{page} lists {name}"
    there = {path.name for path in folder.glob("*.py")} | {
        path.parent.name + "/" for path in folder.glob("*/__init__.py")
    }
    named = set(listed) | set(re.findall(r"\b\w+\.py\b", "\n".join(code_blocks(TEXTS[page]))))
    assert there - named - {"__init__.py", "__main__.py"} == set()


@pytest.mark.parametrize("top", LAYERS)
def test_the_layout_is_in_the_order_of_imports(top: str) -> None:
    names = [name.removesuffix("/").removesuffix(".py") for name in layout(f"{top}/README.md")]
    ordered = [name for name in names if name in LAYERS[top]]
    assert ordered == [name for name in LAYERS[top] if name in names]
    assert set(LAYERS[top]) <= set(names)


def test_the_api_s_table_has_every_address() -> None:
    served = {
        (route.method, re.sub(r"\{id:[^}]+\}+", "ID", route.path))
        for route in _routes()
        if route.path.startswith("/api/") or route.path in {"/health", "/metrics"}
    }
    table = TEXTS["web/README.md"].partition("<!-- api -->")[2].partition("<!-- /api -->")[0]
    listed = set()
    for row in re.findall(r"^\| (.+?) \|", table, re.MULTILINE):
        path = re.search(r"/[\w/]+", row)
        if path:
            listed |= {(method, path[0]) for method in re.findall(r"GET|PUT|POST|DELETE|PATCH", row)}
    assert listed == served


def test_markers_named_exist() -> None:
    known = set(re.findall(r'"(\w+): .+left out by', (ROOT / "pyproject.toml").read_text(encoding="utf-8")))
    named = {
        word
        for text in TEXTS.values()
        for expression in re.findall(r'(?:deploy/test|pytest).* -m "([^"]+)"|deploy/test.* -m (\w+)', text)
        for word in re.findall(r"\w+", " ".join(expression))
    } - {"not", "and", "or"}
    assert named == known == {"slow", "browser"}


def test_the_programs_that_measured_exist() -> None:
    text = TEXTS["tests/bench/README.md"]
    programs = set(re.findall(r"`(bench_\w+)`", text))
    assert len(programs) > 5
    for program in programs:
        assert (ROOT / "tests" / "bench" / f"{program}.py").exists(), program


def test_pictures_are_shown() -> None:
    shown = {Path(target).name for text in TEXTS.values() for target in re.findall(r"\]\(([^)\s]+)\)", text)}
    kept = {path.name for path in (ROOT / "deploy" / "screenshots").glob("*.jpg")}
    assert kept <= shown


def test_the_front_page_is_short() -> None:
    assert len(TEXTS["README.md"].splitlines()) <= 160


def test_names_that_do_not_exist_are_found() -> None:
    assert not exists("reading/", "indexer/README.md")
    assert not exists("jobs/pipelines.py", "indexer/README.md")
    assert exists("jobs/pipeline.py", "indexer/README.md")
    assert not module_exists("indexer.library.crawler")
    assert module_exists("captioner.ipc.supervisor")
    assert module_exists("captioner.Caption")
    assert _IDENTIFIER.fullmatch("said_by_photos")
    assert "index_photo" in code_words()
