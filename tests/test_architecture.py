"""The layout, held: which package may import which."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

TOP_PACKAGES = ("captioner", "indexer", "web")
ALLOWED = {"captioner": {"captioner"}, "indexer": {"indexer", "captioner"}, "web": {"web", "indexer"}}
#: Inside a package each may import those before it, so that no two import each other.
LAYERS = {
    "captioner": ("faces", "ipc", "inference", "cluster", "training"),
    "indexer": (
        *(
            "hours",
            "message",
            "reasons",
            "progress",
            "tasks",
            "text",
            "errors",
            "face_box",
            "model",
            "settings",
            "settings_loader",
            "cluster_report",
        ),
        *("sqlite", "thumbnails", "places", "ownership", "formats", "images", "metadata", "atomic", "captions"),
        *(
            "reader",
            "catalogue",
            "people",
            "scanning",
            "search",
            "recovery",
            "storage",
            "jobs",
            "service",
            "commands",
            "cli",
        ),
    ),
    "web": (
        *("i18n", "request_bodies", "newest_first", "app_keys", "links", "static_files", "presenters"),
        *("progress_texts", "tiles", "templating", "security", "downloads", "search", "pages", "api"),
        *("server", "service_manager", "app", "cli"),
    ),
}
LONGEST_MODULE_LINES = 400
TOP_LEVEL = {"pyproject.toml", "captioner", "indexer", "web", "tests", "deploy", "README.md", "LICENSE"}


def modules(repository: Path) -> Iterator[tuple[str, Path]]:
    for package in TOP_PACKAGES:
        for path in sorted((repository / package).rglob("*.py")):
            yield package, path


@cache
def nodes(path: Path) -> tuple[ast.AST, ...]:
    """The syntax tree of a module, node by node."""
    return tuple(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))


def imports(path: Path) -> Iterator[tuple[str, ast.AST]]:
    """Every module named by an import statement, relative ones included as they are written."""
    for node in nodes(path):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, node
        elif isinstance(node, ast.ImportFrom):
            yield "." * node.level + (node.module or ""), node


def test_top_packages_import_only_those_below(repository: Path) -> None:
    for package, path in modules(repository):
        for name, _ in imports(path):
            top = name.partition(".")[0]
            assert top not in TOP_PACKAGES or top in ALLOWED[package], f"{path}: {package} must not import {name}"
            if package == "indexer" and top == "captioner":
                assert name == "captioner" or name.startswith("captioner.ipc."), (
                    f"{path}: only captioner's package face and captioner.ipc may be imported, not {name}"
                )
            if name.startswith("captioner.training"):
                assert path.is_relative_to(repository / "captioner" / "training"), f"{path}: the service must not train"


@pytest.mark.parametrize("top", LAYERS)
def test_packages_import_only_those_before_them(repository: Path, top: str) -> None:
    layers = LAYERS[top]
    for package, path in modules(repository):
        inside = path.relative_to(repository / top).with_suffix("").parts[0] if package == top else "__init__"
        if inside == "__init__":
            continue
        for name, node in imports(path):
            parts = name.split(".")
            if parts[0] != top:
                continue
            aliases = [alias.name for alias in getattr(node, "names", [])]
            imported = [parts[1]] if len(parts) > 1 else [alias for alias in aliases if alias in layers]
            for other in imported:
                assert layers.index(other) <= layers.index(inside), f"{path}: {inside} must not import {top}.{other}"


def test_what_proves_an_edit_knows_nothing_of_what_made_it(repository: Path) -> None:
    proofs = sorted((repository / "indexer" / "captions" / "verify").glob("*.py"))
    assert len(proofs) > 4
    for path in proofs:
        for name, _ in imports(path):
            assert not name.startswith("indexer.formats"), f"{path}: one mistake could hide in both: {name}"


def test_aiohttp_s_own_web_is_never_confused_with_ours(repository: Path) -> None:
    for _, path in modules(repository):
        for name, node in imports(path):
            assert not (isinstance(node, ast.Import) and name == "web"), f"{path}: write `from web.app import …`"


def test_no_tensorflow_in_the_running_service(repository: Path) -> None:
    """Whatever the service, its child processes or its commands can reach by imports runs without TensorFlow."""
    by_name = {".".join(path.relative_to(repository).with_suffix("").parts): path for _, path in modules(repository)}
    workers = ["captioner.inference.worker", "captioner.inference.faces.worker"]
    to_visit = [name for name in by_name if not name.startswith("captioner.")] + workers
    seen: set[str] = set()
    while to_visit:
        name = to_visit.pop()
        if name in seen or name not in by_name:
            continue
        seen.add(name)
        for imported, node in imports(by_name[name]):
            assert imported.partition(".")[0] not in {"tensorflow", "keras"}, f"{by_name[name]} imports {imported}"
            to_visit.append(imported)
            to_visit += [f"{imported}.{alias.name}" for alias in getattr(node, "names", [])]
    assert seen >= set(workers)


def test_no_pickle_anywhere(repository: Path) -> None:
    for _, path in modules(repository):
        for name, _ in imports(path):
            assert name.partition(".")[0] not in {"pickle", "shelve", "marshal", "multiprocessing"}, f"{path}: {name}"


def test_modules_stay_a_size_that_can_be_read(repository: Path) -> None:
    for _, path in modules(repository):
        lines = len(path.read_text(encoding="utf-8").splitlines())
        assert lines <= LONGEST_MODULE_LINES, f"{path} has {lines} lines: split it by noun"


def test_the_top_level_is_the_owner_s(repository: Path) -> None:
    listed = subprocess.run(["git", "ls-files"], cwd=repository, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("not a git checkout")
    tops = {line.partition("/")[0] for line in listed.stdout.splitlines()}
    assert {top for top in tops if not top.startswith(".")} <= TOP_LEVEL


@pytest.mark.parametrize(
    ("statement", "forbidden"),
    [
        ("import captioner", {"numpy", "PIL", "tensorflow", "ai_edge_litert"}),
        ("import web.app", {"numpy", "PIL", "tensorflow", "ai_edge_litert"}),
        ("import indexer.cli", {"numpy", "PIL", "tensorflow", "aiohttp", "ai_edge_litert"}),
    ],
)
def test_a_face_brings_nothing_heavy_along(statement: str, forbidden: set[str]) -> None:
    """The parent process stays small: pixels and tensors are the child processes' business."""
    program = f"{statement}\nimport sys\nprint(*sys.modules)"
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert not forbidden & set(result.stdout.split())
