"""What is logged, and what never is."""

import io
import json
import logging
from collections.abc import Callable

import pytest

from headrace.serving.logs import AccessLog, JsonLines, Text
from headrace.serving.metrics import Metrics
from headrace.serving.observing import Tally


@pytest.fixture
def logged(request: pytest.FixtureRequest) -> Callable[[logging.Formatter], io.StringIO]:
    """Lets everything under `headrace` be logged to a text."""

    def to(formatter: logging.Formatter) -> io.StringIO:
        lines = io.StringIO()
        handler = logging.StreamHandler(lines)
        handler.setFormatter(formatter)
        logger = logging.getLogger("headrace")
        before = logger.level
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)
        request.addfinalizer(lambda: logger.removeHandler(handler))
        request.addfinalizer(lambda: logger.setLevel(before))
        return lines

    return to


@pytest.mark.parametrize("formatter", [Text(), JsonLines()], ids=["text", "json"])
def test_an_exception_is_logged_without_its_message(
    logged: Callable[[logging.Formatter], io.StringIO], formatter: logging.Formatter
) -> None:
    lines = logged(formatter)
    sent = "household 17"
    try:
        int(sent)
    except ValueError:
        logging.getLogger("headrace.serving").exception("a call failed")

    assert "a call failed" in lines.getvalue()
    assert "ValueError" in lines.getvalue()
    assert "test_logs.py" in lines.getvalue()
    assert sent not in lines.getvalue()


def test_each_json_line_is_one_object(
    logged: Callable[[logging.Formatter], io.StringIO],
) -> None:
    lines = logged(JsonLines())

    logging.getLogger("headrace.serving").warning("two\nlines of %s", "text")
    AccessLog(Metrics()).answered("GetOnlineFeatures", "OK", 0.0125)

    first, second = (json.loads(line) for line in lines.getvalue().splitlines())
    assert (first["level"], first["logger"]) == ("warning", "headrace.serving")
    assert first["message"] == "two\nlines of text"
    assert first["time"].endswith("+00:00")
    assert second["message"] == "call"
    assert (second["method"], second["status"]) == ("GetOnlineFeatures", "OK")
    assert second["milliseconds"] == 12.5


def test_who_logs_every_call_tells_the_other_observer_of_everything() -> None:
    metrics = Metrics()
    log = AccessLog(metrics)

    log.answered("GetOnlineFeatures", "OK", 0.001)
    log.batch(10, 1, 0.001)
    log.rows(Tally("a@1", 1, 0, 0, 0, None))
    log.breaker("open")

    shown = metrics.exposition("", {})[0].decode()
    for line in (
        'headrace_call_seconds_count{method="GetOnlineFeatures",status="OK"} 1.0',
        "headrace_store_batch_keys_sum 10.0",
        'headrace_rows_total{group="a@1",status="present"} 1.0',
        'headrace_store_breaker{state="open"} 1.0',
    ):
        assert line in shown
