"""The service over a library that changes all the time, for as long as one likes.

    python -m tests.soak [--minutes 30] [--photos 800] [--kill 250] [--pause 3] [--folder DIR] [--seed 1]

A real `recollect serve` with its child processes works on a made library. Meanwhile files are added, copied, moved,
renamed with their folders, replaced, tagged by exiftool and deleted; pages are searched and captions corrected over
HTTP. With `--kill` so many times a process of the tree, chosen by chance, is killed (SIGKILL) at a random moment, and
the service started again where it was the one. In the end all is checked: what status, search and catalogue count is
what is on the disk; no picture was captioned twice; memory is flat; nothing unexpected stands in the log; SIGTERM ends
it with 0; `captions undo --all` gives every file back byte for byte. Exit code 1 where something does not hold.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from tests.soak.run import Plan, soak


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--photos", type=int, default=800)
    parser.add_argument("--kill", type=int, default=0)
    parser.add_argument("--folder", type=Path, help="kept; an empty one that is removed without it")
    parser.add_argument("--pause", type=float, default=3.0, help="seconds between rounds of changes")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as made:
        folder = args.folder or Path(made)
        folder.mkdir(parents=True, exist_ok=True)
        plan = Plan(args.minutes, args.photos, args.pause, kills=args.kill, seed=args.seed)
        report = soak(folder, plan, say=lambda line: print(line, flush=True))
        print("\n".join(report.lines))
        print("\n".join(f"FAULT: {fault}" for fault in report.faults) or "all is well")
    sys.exit(1 if report.faults else 0)


if __name__ == "__main__":
    main()
