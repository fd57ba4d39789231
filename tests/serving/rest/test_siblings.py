"""Workers that share a port: a scrape reaches one of them, and shows what all of them counted."""

import asyncio
import stat
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from headrace.serving.metrics import Metrics, group_age_metric
from headrace.serving.rest.siblings import Siblings, joined
from headrace.tests.serving.publishing import Publisher, group
from headrace.tests.serving.rest.asking import LOOKUP, ask, households
from headrace.tests.serving.running import server_process

pytestmark = pytest.mark.server

CALLS = "headrace_call_seconds_count"


def counted(exposition: bytes) -> dict[tuple[str, ...], float]:
    """Calls, rows and ages by the values of their labels, the worker's last."""
    names = {CALLS, "headrace_rows_total", "headrace_group_age_seconds"}
    return {
        tuple(sample.labels.values()): sample.value
        for family in text_string_to_metric_families(exposition.decode())
        for sample in family.samples
        if sample.name in names
    }


def worker(folder: Path, number: int, calls: int) -> Siblings:
    """A worker that answered so many calls."""
    metrics = Metrics()
    for _ in range(calls):
        metrics.answered("GetContract", "OK", 0.001)
    return Siblings(folder, number, lambda: metrics.exposition("", {})[0])


def test_whoever_is_asked_shows_every_worker_and_none_that_ended(tmp_path: Path) -> None:
    folder = tmp_path / "workers"

    async def scraped() -> list[bytes]:
        first, second, third = (worker(folder, number, number + 1) for number in range(3))
        for one in (first, second, third):
            await one.open()
        await third.close()
        # One that was killed leaves its socket behind.
        (folder / "worker-7.sock").touch()
        shown = [joined(await one.counted(), [], "")[0] for one in (first, second)]
        for one in (first, second):
            await one.close()
        return shown

    shown = asyncio.run(scraped())

    expected = {("GetContract", "OK", "0"): 1, ("GetContract", "OK", "1"): 2}
    assert [counted(one) for one in shown] == [expected, expected]


def test_a_worker_that_is_replaced_is_seen_again(tmp_path: Path) -> None:
    folder = tmp_path / "workers"

    async def scraped() -> bytes:
        first, killed, next_one = (
            worker(folder, number, calls) for number, calls in ((0, 1), (1, 5), (1, 2))
        )
        await first.open()
        await killed.open()
        await next_one.open()
        shown, _ = joined(await first.counted(), [group_age_metric({"a@1": 5.0})], "")
        for one in (first, killed, next_one):
            await one.close()
        return shown

    assert counted(asyncio.run(scraped())) == {
        ("GetContract", "OK", "0"): 1,
        ("GetContract", "OK", "1"): 2,
        ("a@1",): 5,
    }


def test_nobody_else_may_ask_and_a_strangers_folder_is_not_used(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    mine, open_to_all = tmp_path / "mine", tmp_path / "open"
    open_to_all.mkdir()
    open_to_all.chmod(0o777)

    async def scraped() -> tuple[int, bytes, list[Path]]:
        private, exposed = worker(mine, 0, 1), worker(open_to_all, 0, 1)
        await private.open()
        await exposed.open()
        mode = stat.S_IMODE(mine.stat().st_mode)
        shown, _ = joined(await exposed.counted(), [], "")
        await private.close()
        await exposed.close()
        return mode, shown, list(open_to_all.iterdir())

    mode, shown, left = asyncio.run(scraped())

    assert mode == 0o700
    assert counted(shown) == {("GetContract", "OK", "0"): 1}
    assert left == []
    assert "somebody else's" in caplog.text


@pytest.mark.slow
def test_a_scrape_of_real_workers_shows_each_of_them(
    variables: dict[str, str], publisher: Publisher
) -> None:
    publisher.publish(group(), {(1,): (12.5, 3)})
    options = ("--rest", "127.0.0.1:0", "--workers", "2")
    with server_process("127.0.0.1:0", *options, **variables) as server:
        rest, asked = server.others["REST"], 40
        for _ in range(asked):  # each by a connection of its own, which the kernel gives to either
            assert ask(rest, LOOKUP, households(1)).status == 200
        shown = [counted(ask(rest, "/metrics").body) for _ in range(5)]
        server.process.terminate()
        assert server.process.wait(60) == 0

    calls = [
        {labels[-1]: value for labels, value in one.items() if labels[0].startswith("POST")}
        for one in shown
    ]
    assert sum(calls[0].values()) == asked
    assert calls[0].keys() == {"0", "1"}
    assert calls == [calls[0]] * 5
    assert all(one["household_spend@1",] == 0 for one in shown)
