"""A real child process that is well, dies, hangs, shouts, lies; the parent is not impressed."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from captioner.ipc.child_run import Reply
from captioner.ipc.framing import MAGIC, Frame, FrameKind, FramingError, Limits, encode_frame
from captioner.ipc.supervisor import ChildError, ChildGone, ChildNotStarted, ChildProcess, python_module

pytestmark = pytest.mark.slow  # most of its tests wait for something

CHILDREN = str(Path(__file__).with_name("scripted_child.py"))
PATIENCE_S = 60.0  # for what must happen some time; never a measure of how fast


def child(*arguments: str, timeout_s: float = PATIENCE_S, grace_s: float = PATIENCE_S, **options: Any) -> ChildProcess:
    argv = [sys.executable, CHILDREN, *arguments]
    return ChildProcess(argv, name="the test child", timeout_s=timeout_s, grace_s=grace_s, **options)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not condition():
            await asyncio.sleep(0.02)


async def until_gone(pid: int) -> None:
    await until(lambda: is_gone(pid))


def is_gone(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True


# -- answers ----------------------------------------------------------------------------------------------------------


async def test_many_requests_at_once_each_get_their_own_answer() -> None:
    async with child() as process:
        payloads = [bytes([number % 256]) * (number * 997) for number in range(150)]
        asked = [process.request({"number": number}, payload) for number, payload in enumerate(payloads)]
        for number, reply in enumerate(await asyncio.gather(*asked)):
            assert reply.header == {"number": number}
            assert reply.payload == payloads[number]


async def test_the_child_says_hello_once_it_is_ready() -> None:
    async with child() as process:
        assert process.hello == {"greeting": "ready"}


async def test_a_file_name_of_any_bytes_survives() -> None:
    name = os.fsdecode(b"caf\xe9 \xff\n.jpg")
    async with child() as process:
        assert (await process.request({"path": name})).header == {"path": name}


async def test_a_stray_print_reaches_the_log_and_not_the_answers(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with child() as process:
        reply = await process.request({"do": "chatter"}, b"payload")
    assert reply.header == {"stdin": ""}
    assert reply.payload == b"payload"
    for text in ("imports may print, too", "a stray print", "and one past Python"):
        assert f"the test child: {text}" in caplog.messages


async def test_an_error_about_the_request_leaves_the_child_alone() -> None:
    async with child() as process:
        pid = process.pid
        with pytest.raises(ChildError, match="this one is broken") as caught:
            await process.request({"do": "refuse"})
        assert caught.value.kind == "NotThisOne"
        assert (await process.request({})).header == {}
        assert process.pid == pid


async def test_a_request_that_fits_in_no_frame_is_refused_before_it_is_sent() -> None:
    async with child(limits=Limits(payload_bytes=100)) as process:
        with pytest.raises(FramingError, match="over the limit"):
            await process.request({}, b"x" * 101)
        with pytest.raises(FramingError, match="plain JSON"):
            await process.request({"not json": float("nan")})
        assert (await process.request({}, b"x" * 100)).payload == b"x" * 100


async def test_the_child_is_nice_deaf_to_ctrl_c_and_imports_nothing_from_the_working_directory(tmp_path: Path) -> None:
    async with child(nice=3) as process:
        state = (await process.request({"do": "state"})).header
        assert process.pid is not None
        assert state["interrupt_ignored"]
        assert os.getpgid(process.pid) != os.getpgid(0)
    assert state["nice"] == min(19, os.nice(0) + 3)
    assert python_module("captioner.inference.worker", "--beam", "3")[1:] == [
        "-P", "-m", "captioner.inference.worker", "--beam", "3",
    ]  # fmt: skip


# -- deaths -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("deed", "message"),
    [("crash", "SIGSEGV"), ("surprise", "exited with status 1"), ("hang", "gave no answer")],
)
async def test_only_the_request_that_was_worked_on_is_to_blame(deed: str, message: str, tmp_path: Path) -> None:
    log = tmp_path / "log"
    async with child(timeout_s=2.0) as process:
        names = ["first", "guilty", "second", "third"]
        answers = await asyncio.gather(
            *(
                process.request({"name": name, "log": str(log), "do": deed if name == "guilty" else "echo"})
                for name in names
            ),
            return_exceptions=True,
        )
    culprits = [(name, answer) for name, answer in zip(names, answers, strict=True) if isinstance(answer, Exception)]
    assert [name for name, _ in culprits] == ["guilty"]
    gone = culprits[0][1]
    assert isinstance(gone, ChildGone)
    assert gone.guilty
    assert message in str(gone)
    assert sorted(log.read_text().split()) == sorted(names), "the innocent are worked on once, and only once"


async def test_each_of_many_gets_what_it_deserves(tmp_path: Path) -> None:
    log = tmp_path / "log"
    deeds = ["echo", "refuse", "echo", "echo", "surprise", "echo", "raw", "refuse", "echo", "crash", "echo", "echo"] * 3
    async with child() as process:
        asked = [
            process.request({"do": deed, "name": str(number), "log": str(log), "seconds": 3600}, b"no frame")
            for number, deed in enumerate(deeds)
        ]
        answers = await asyncio.gather(*asked, return_exceptions=True)
    fates = {"echo": Reply, "refuse": ChildError, "surprise": ChildGone, "raw": ChildGone, "crash": ChildGone}
    assert [type(answer) for answer in answers] == [fates[deed] for deed in deeds]
    assert all(answer.guilty for answer in answers if isinstance(answer, ChildGone))
    assert sorted(map(int, log.read_text().split())) == list(range(len(deeds))), "each is worked on once"


async def test_time_spent_waiting_behind_others_does_not_count() -> None:
    async with child(timeout_s=4.0) as process:
        naps = [process.request({"do": "nap", "seconds": 1.0}) for _ in range(5)]
        assert len(await asyncio.gather(*naps)) == 5


async def test_a_request_may_have_a_time_of_its_own() -> None:
    async with child() as process:
        with pytest.raises(ChildGone, match="gave no answer"):
            await process.request({"do": "hang"}, timeout_s=0.3)


def lying(kind: FrameKind, number: int) -> bytes:
    return encode_frame(Frame(kind, number))


@pytest.mark.parametrize(
    "garbage",
    [
        b"Segmentation fault (core not dumped)\n", MAGIC + b"\xff" * 8, MAGIC + b"\0\0\0\x02\0\0\0\0[]",
        lying(FrameKind.REPLY, 999), lying(FrameKind.BEGUN, 999), lying(FrameKind.START, 1), lying(FrameKind.READY, 1),
    ],
    ids=["text", "huge", "shape", "unasked", "unasked begun", "start", "ready"],
)  # fmt: skip
async def test_a_child_that_sends_garbage_is_replaced(garbage: bytes) -> None:
    async with child() as process:
        pid = process.pid
        with pytest.raises(ChildGone, match="can't be understood") as caught:
            await process.request({"do": "raw", "seconds": 3600}, garbage)
        assert caught.value.guilty
        assert (await process.request({})).header == {}
        assert process.pid != pid


async def test_a_frame_cut_short_is_the_childs_death() -> None:
    async with child(timeout_s=2.5) as process:
        with pytest.raises(ChildGone) as caught:
            await process.request({"do": "raw", "seconds": 3600}, MAGIC + b"\0\0")
        assert caught.value.guilty
        assert (await process.request({})).header == {}


async def test_a_child_killed_while_it_is_idle_is_replaced_at_the_next_request() -> None:
    async with child() as process:
        first = process.pid
        assert first is not None
        os.kill(first, signal.SIGKILL)
        await until_gone(first)
        assert (await process.request({})).header == {}
        assert process.pid not in (None, first)


async def test_a_child_killed_in_the_middle_costs_one_request(tmp_path: Path) -> None:
    flag = tmp_path / "busy"
    async with child() as process:
        assert process.pid is not None
        busy = asyncio.create_task(process.request({"do": "hang", "flag": str(flag)}))
        behind = [asyncio.create_task(process.request({"number": number})) for number in range(20)]
        await until(flag.exists)
        os.kill(process.pid, signal.SIGKILL)
        with pytest.raises(ChildGone, match="SIGKILL"):
            await busy
        assert [reply.header["number"] for reply in await asyncio.gather(*behind)] == list(range(20))


async def test_memory_has_a_limit() -> None:
    async with child(memory_mb=200) as process:
        assert (await process.request({"do": "eat", "mb": 50})).header == {"bytes": 50 << 20}
        with pytest.raises(ChildError) as caught:
            await process.request({"do": "eat", "mb": 500})
        assert caught.value.kind == "MemoryError"
        assert (await process.request({"do": "eat", "mb": 50})).header == {"bytes": 50 << 20}


async def test_what_the_child_shouts_is_cut_and_counted(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with child() as process:
        await process.request({"do": "shout", "lines": 3000, "length": 2000})
    said = [record.getMessage() for record in caplog.records if record.name == "captioner.ipc.supervisor"]
    assert len(said) < 1100
    assert max(map(len, said)) < 600
    assert any("the rest is not logged" in line for line in said)
    assert all(character.isprintable() for line in said for character in line)


# -- callers who give up ----------------------------------------------------------------------------------------------


async def test_a_caller_who_gives_up_disturbs_nobody() -> None:
    payload = os.urandom(3 << 20)  # more than any pipe holds: it is cancelled half-sent
    async with child() as process:
        pid = process.pid
        for rounds in range(6):
            given_up = asyncio.create_task(process.request({"do": "echo"}, payload))
            for _ in range(rounds * 3):
                await asyncio.sleep(0)
            given_up.cancel()
            reply = await process.request({"round": rounds}, payload)
            assert reply.header == {"round": rounds}
            assert reply.payload == payload
            with pytest.raises(asyncio.CancelledError):
                await given_up
        assert process.pid == pid


async def test_a_hang_over_a_request_that_nobody_waits_for_ends_too(tmp_path: Path) -> None:
    flag = tmp_path / "busy"
    async with child(timeout_s=2.5) as process:
        given_up = asyncio.create_task(process.request({"do": "hang", "flag": str(flag)}))
        await until(flag.exists)
        given_up.cancel()
        assert (await process.request({"number": 1})).header == {"number": 1}


async def test_one_who_gives_up_while_the_child_starts_leaves_the_start_to_the_others() -> None:
    async with child() as process:
        assert process.pid is not None
        os.kill(process.pid, signal.SIGKILL)
        await until_gone(process.pid or 0)
        requests = [asyncio.create_task(process.request({"number": number})) for number in range(3)]
        await asyncio.sleep(0.01)
        requests[0].cancel()
        assert (await requests[1]).header == {"number": 1}
        assert (await requests[2]).header == {"number": 2}


# -- starts -----------------------------------------------------------------------------------------------------------


async def test_a_child_that_tells_why_it_cant_start_is_quoted() -> None:
    with pytest.raises(ChildNotStarted, match="the bundle is damaged") as caught:
        async with child("bad"):
            pass
    assert caught.value.kind == "NotThisOne"


@pytest.mark.parametrize(
    ("start", "message"),
    [("dead", r"exited with status 3 before it was ready(?s:.*)no such library"), ("garbage", "can't be understood")],
)
async def test_a_child_that_dies_before_it_is_ready_is_an_error_with_its_last_words(start: str, message: str) -> None:
    with pytest.raises(ChildNotStarted, match=message):
        async with child(start):
            pass


async def test_a_child_that_is_never_ready_is_given_up() -> None:
    with pytest.raises(ChildNotStarted, match=r"not ready in 0\.5 s"):
        async with child("slow", start_timeout_s=0.5):
            pass


async def test_a_command_that_does_not_exist_is_an_error_with_its_name() -> None:
    with pytest.raises(ChildNotStarted, match="no-such-command"):
        async with ChildProcess(["/no-such-command"], name="the test child", timeout_s=1.0):
            pass


async def test_a_child_that_no_longer_starts_is_tried_more_and_more_slowly(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    broken = tmp_path / "broken"
    async with child("unless", str(broken), "dead") as process:
        assert process.pid is not None
        broken.touch()
        os.kill(process.pid, signal.SIGKILL)
        for _ in range(3):
            with pytest.raises(ChildNotStarted, match="no such library"):
                await process.request({})
        broken.unlink()
        assert (await process.request({})).header == {}
    pauses = [float(words[-5]) for words in map(str.split, caplog.messages) if words[-1:] == ["earliest"]]
    assert pauses == sorted(set(pauses)), "each pause is longer than the one before"
    assert len(pauses) == 4


async def test_those_who_wait_for_one_start_share_its_failure(tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    async with child("unless", str(broken), "bad") as process:
        assert process.pid is not None
        broken.touch()
        os.kill(process.pid, signal.SIGKILL)
        await until_gone(process.pid or 0)
        failures = await asyncio.gather(*(process.request({}) for _ in range(5)), return_exceptions=True)
    assert {type(failure) for failure in failures} == {ChildNotStarted}


# -- stops ------------------------------------------------------------------------------------------------------------


async def test_closing_waits_for_the_work_in_hand_and_can_be_repeated(tmp_path: Path) -> None:
    process = child()
    async with process:
        pid = process.pid
        asked = asyncio.create_task(process.request({"do": "nap", "seconds": 0.3}))
        await asyncio.sleep(0)
    assert (await asked).header["seconds"] == 0.3
    assert process.pid is None
    assert not psutil.pid_exists(pid or 0)
    await process.close()
    await process.close()
    with pytest.raises(ChildGone, match="was stopped"):
        await process.request({})


async def test_a_closed_child_can_be_opened_again() -> None:
    process = child()
    for _ in range(2):
        async with process:
            assert (await process.request({"x": 1})).header == {"x": 1}


async def test_nothing_is_left_open() -> None:
    async def live_and_die() -> None:
        async with child() as process:
            await process.request({})
            with pytest.raises(ChildGone):
                await process.request({"do": "crash"})
            await process.request({})

    await live_and_die()
    before = psutil.Process().num_fds()
    for _ in range(3):
        await live_and_die()
    assert psutil.Process().num_fds() == before
    assert asyncio.all_tasks() == {asyncio.current_task()}


@pytest.mark.parametrize("deed", ["hang", "stubborn"])
async def test_a_child_that_does_not_stop_is_made_to(deed: str, tmp_path: Path) -> None:
    flag = tmp_path / "busy"
    process = child(grace_s=0.2)
    async with process:
        pid = process.pid
        asked = asyncio.create_task(process.request({"do": deed, "flag": str(flag)}))
        await until(flag.exists)
    with pytest.raises(ChildGone, match="was stopped") as caught:
        await asked
    assert not caught.value.guilty, "who stops the child is to blame, not the photo"
    assert not psutil.pid_exists(pid or 0)


async def test_a_close_that_is_cancelled_leaves_no_process(tmp_path: Path) -> None:
    flag = tmp_path / "busy"
    process = child()
    await process.__aenter__()
    pid = process.pid
    asked = asyncio.create_task(process.request({"do": "stubborn", "flag": str(flag)}))
    await until(flag.exists)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(process.close(), 0.1)
    await until_gone(pid or 0)
    with pytest.raises(ChildGone):
        await asked


async def test_closing_while_the_child_starts_is_no_wait_and_no_hang(tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    process = child("unless", str(broken), "slow")
    async with process:
        assert process.pid is not None
        broken.touch()
        os.kill(process.pid, signal.SIGKILL)
        await until_gone(process.pid or 0)
        asked = asyncio.create_task(process.request({}))
        await asyncio.sleep(0.1)
    with pytest.raises(ChildGone, match="was stopped"):
        await asked


# -- parents ----------------------------------------------------------------------------------------------------------

PARENT = f"""
    import asyncio, sys
    from pathlib import Path
    from captioner.ipc.supervisor import ChildProcess

    async def main():
        child = ChildProcess([sys.executable, {CHILDREN!r}], name="the test child", timeout_s=600)
        async with child:
            note, flag = map(Path, sys.argv[1:])
            reply = await child.request({{"do": "echo"}}, b"payload")
            note.write_bytes(b"%d %s" % (child.pid, reply.payload))
            if flag.name != "-":
                await child.request({{"do": "hang", "flag": str(flag)}})

    asyncio.run(main())
"""


async def test_a_parent_that_is_killed_leaves_no_orphan(tmp_path: Path) -> None:
    note, flag = tmp_path / "note", tmp_path / "busy"
    command = [sys.executable, "-c", textwrap.dedent(PARENT), str(note), str(flag)]
    with subprocess.Popen(command) as parent:
        await until(flag.exists)
        pid = int(note.read_bytes().split()[0])
        assert psutil.pid_exists(pid)
        parent.kill()
    await until_gone(pid)


@pytest.mark.parametrize("closed", ["<&-", "<&- >&-", "<&- >&- 2>&-", "</dev/null >/dev/null 2>&1"])
def test_a_service_without_stdin_can_have_a_child(closed: str, tmp_path: Path) -> None:
    note = tmp_path / "note"
    command = f'exec "$0" -c "$1" "$2" - {closed}'
    done = subprocess.run(["sh", "-c", command, sys.executable, textwrap.dedent(PARENT), str(note)], check=False)
    assert done.returncode == 0
    assert note.read_bytes().split()[1] == b"payload"


# -- without work -----------------------------------------------------------------------------------------------------


async def test_a_child_without_work_is_stopped_and_started_again_for_the_next_request() -> None:
    async with child(idle_s=0.3) as process:
        first = process.pid
        assert first is not None
        await until_gone(first)
        await until(lambda: process.pid is None)
        assert process.hello == {"greeting": "ready"}, "what it said of itself stays known"
        assert (await process.request({"number": 1})).header == {"number": 1}
        assert process.pid not in {first, None}


async def test_a_child_at_work_is_not_stopped_for_want_of_it() -> None:
    async with child(idle_s=0.2) as process:
        pid = process.pid
        slow = asyncio.create_task(process.request({"do": "nap", "seconds": 1.0}))
        await slow
        assert process.pid == pid


async def test_what_is_no_work_keeps_no_child_alive() -> None:
    async with child(idle_s=0.5) as process:
        pid = process.pid
        assert pid is not None
        async with asyncio.timeout(PATIENCE_S):
            while not is_gone(pid):
                if process.pid == pid:
                    await process.request({}, is_work=False)
                await asyncio.sleep(0.05)


async def test_a_child_without_work_ends_when_its_memory_is_wanted_and_one_at_work_goes_on() -> None:
    async with child() as process:
        first = process.pid
        slow = asyncio.create_task(process.request({"do": "nap", "seconds": 0.3}))
        await asyncio.sleep(0)
        await process.unload()
        assert process.pid == first
        await slow
        await asyncio.gather(process.unload(), process.unload())
        assert process.pid is None
        assert first is not None
        assert is_gone(first)
        assert (await process.request({"number": 1})).header == {"number": 1}
        again = asyncio.gather(process.unload(), process.request({"number": 2}))
        assert (await again)[1].header == {"number": 2}
    await process.unload()


async def test_requests_at_the_very_moment_of_the_stop_are_answered() -> None:
    async with child(idle_s=0.05) as process:
        for number in range(12):
            await asyncio.sleep(0.05)
            assert (await process.request({"number": number})).header == {"number": number}
