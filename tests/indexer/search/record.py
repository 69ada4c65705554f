"""Records what the contract tests exchange with a real Meilisearch: `python -m tests.indexer.search.record`.

The server is found as for every test (`tests/meilisearch_server.py`). A test that fails is not recorded, and the exit
code tells of it. With `-k WORDS` only some tests are recorded again, the others stay as they are.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import pytest

from tests.indexer.search.exchanges_kept import Recording, path_of, read, write
from tests.indexer.search.exchanges_run import RecordingRun
from tests.meilisearch_server import WHY_NOT, where_found

_MODULES = (Path(__file__).resolve().with_name("test_search_contract.py"),)


def main(arguments: list[str] | None = None) -> int:
    """0 where every test was recorded, 1 where one failed, 2 where there is no server."""
    parser = argparse.ArgumentParser(prog="python -m tests.indexer.search.record", description=__doc__)
    parser.add_argument("-k", dest="words", default="", metavar="WORDS", help="as pytest's: only these tests")
    parser.add_argument("modules", nargs="*", type=Path, default=_MODULES, help="files of tests, else all that record")
    args = parser.parse_args(arguments)
    if where_found() is None:
        print(WHY_NOT, file=sys.stderr)
        return 2
    run = RecordingRun()
    modules = [module.resolve() for module in args.modules]
    code = pytest.main([*map(str, modules), "-k", args.words, "-p", "no:cacheprovider"], plugins=[run])
    for module in modules:
        print(_kept(module, run, whole=not args.words))
    return int(code != pytest.ExitCode.OK)


def _kept(module: Path, run: RecordingRun, *, whole: bool) -> str:
    """Writes a module's recording, and tells of it. A part of one goes among the rest of the same version's."""
    path = path_of(module)
    before = read(path)
    tests = run.passed(module)
    if not tests:
        return f"{module.stem}: nothing recorded"
    if not whole and before.version not in {"", run.version}:
        return (
            f"{module.stem}: nothing kept, the rest is of Meilisearch {before.version}, not {run.version}: record all"
        )
    changed = sum(before.tests.get(test) != exchanges for test, exchanges in tests.items())
    write(path, Recording(run.version, tests if whole else {**before.tests, **tests}))
    return (
        f"{module.stem}: {len(tests)} tests recorded with Meilisearch {run.version}, {sum(map(len, tests.values()))}"
        f" exchanges; {changed} tests differ from before; {path.name} has {path.stat().st_size / 1000:.0f} kB"
    )


if __name__ == "__main__":
    sys.exit(main())
