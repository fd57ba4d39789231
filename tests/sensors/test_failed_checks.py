"""Owners are told of checks that fail, once, and when they pass again."""

import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import dagster as dg
import pytest

from headrace.contract.errors import AlertUndeliveredError
from headrace.sensors.failed_checks import failed_checks_sensor
from headrace.tests.assets.factory.graph import WEEK, Graph, graph_of
from headrace.tests.assets.visits import DAYS, visits
from headrace.tests.webhook import Webhook, running_webhook

RULES = "rows_keep_their_rules"
SECRET = -987654.25


@pytest.fixture
def webhook() -> Iterator[Webhook]:
    with running_webhook() as made:
        yield made


@pytest.fixture
def graph(tmp_path: Path) -> Iterator[Graph]:
    """A world that has not failed yet."""
    with graph_of(tmp_path) as made:
        yield made


def tick(graph: Graph, webhook: Webhook | None, cursor: str | None = None) -> str | None:
    """One tick; the next cursor."""
    deployment = graph.world.deployment
    environment = replace(deployment.environment, alert_webhook=webhook.url if webhook else None)
    context = dg.build_sensor_context(
        cursor=cursor,
        instance=graph.instance,
        definitions=graph.definitions,
        resources={"deployment": replace(deployment, environment=environment)},
    )
    return failed_checks_sensor().evaluate_tick(context).cursor


def spoil(graph: Graph, *days: str) -> None:
    """Let visitors have stayed for less than nothing."""
    graph.world.visits = visits(*((day, 1, "a", SECRET) for day in days))


def freshness(graph: Graph, *, passed: bool, severity: str = "ERROR") -> None:
    graph.instance.report_runless_asset_event(
        dg.AssetCheckEvaluation(
            asset_key=dg.AssetKey(WEEK.split("/")),
            check_name="freshness",
            passed=passed,
            severity=dg.AssetCheckSeverity(severity),
        )
    )


def test_owners_are_told_of_each_partition_once_and_when_it_is_resolved(
    graph: Graph, webhook: Webhook
) -> None:
    right = graph.world.visits
    spoil(graph, DAYS[1])
    graph.read_inputs(last=DAYS[2])
    graph.run(WEEK, last=DAYS[2])
    first = tick(graph, webhook)
    again = tick(graph, webhook, first)
    graph.world.visits = right
    graph.read_inputs(last=DAYS[2])
    graph.run(WEEK, last=DAYS[2])

    tick(graph, webhook, again)

    check = (WEEK, RULES)
    assert [each for each in webhook.news() if each[2] == RULES] == [
        ("failed", *check, DAYS[1]),
        ("failed", *check, DAYS[2]),
        ("resolved", *check, DAYS[1]),
        ("resolved", *check, DAYS[2]),
    ]
    failed = webhook.bodies[0]["alerts"][0]
    assert failed["owners"] == ["team:web"]
    assert failed["severity"] == "ERROR"
    assert failed["said"].startswith(
        "some of 1 rows break greater_than_or_equal_to(0) of seconds_7d"
    )
    ids = [alert["id"] for body in webhook.bodies for alert in body["alerts"]]
    assert len(set(ids)) == len(ids)


def test_an_alert_holds_no_value_of_a_row(graph: Graph, webhook: Webhook) -> None:
    spoil(graph, DAYS[0])
    graph.read_inputs(last=DAYS[0])
    graph.run(WEEK, last=DAYS[0])

    tick(graph, webhook)

    assert webhook.news() == [("failed", WEEK, RULES, DAYS[0])]
    assert "987654" not in "".join(webhook.raw)


def test_a_second_run_that_fails_is_news(graph: Graph, webhook: Webhook) -> None:
    spoil(graph, DAYS[0])
    graph.read_inputs(last=DAYS[0])
    graph.run(WEEK, last=DAYS[0])
    cursor = tick(graph, webhook)
    graph.run(WEEK, last=DAYS[0])

    tick(graph, webhook, cursor)

    assert webhook.news() == [("failed", WEEK, RULES, DAYS[0])] * 2


def test_a_warning_that_every_run_repeats_is_told_once_until_it_is_resolved(
    graph: Graph, webhook: Webhook
) -> None:
    cursor = None
    for passed, severity in [
        *((False, "WARN"), (False, "WARN"), (True, "WARN"), (False, "WARN")),
        *((False, "ERROR"), (False, "WARN")),
    ]:
        evaluation = dg.AssetCheckEvaluation(
            asset_key=dg.AssetKey(WEEK.split("/")),
            check_name=RULES,
            passed=passed,
            severity=dg.AssetCheckSeverity(severity),
            partition=DAYS[0],
        )
        event = dg.DagsterEvent(
            dg.DagsterEventType.ASSET_CHECK_EVALUATION.value,
            "a_job",
            event_specific_data=evaluation,
        )
        graph.instance.report_dagster_event(event, run_id=str(uuid.uuid4()))
        cursor = tick(graph, webhook, cursor)

    told = [
        (alert["state"], alert["severity"]) for body in webhook.bodies for alert in body["alerts"]
    ]
    assert told == [
        ("failed", "WARN"),
        ("resolved", "WARN"),
        ("failed", "WARN"),
        ("failed", "ERROR"),
        ("failed", "WARN"),
    ]


def test_what_the_webhook_does_not_take_is_told_again(graph: Graph, webhook: Webhook) -> None:
    spoil(graph, DAYS[0])
    graph.read_inputs(last=DAYS[0])
    graph.run(WEEK, last=DAYS[0])
    for webhook.status in (500, 302):
        with pytest.raises(AlertUndeliveredError, match=rf"status {webhook.status}") as refused:
            tick(graph, webhook)
        assert "a-secret" not in str(refused.value)
    webhook.status = 200

    tick(graph, webhook)

    assert webhook.news() == [("failed", WEEK, RULES, DAYS[0])]
    assert webhook.raw[0] == webhook.raw[-1]


def test_a_webhook_that_is_not_there_keeps_the_alerts(graph: Graph) -> None:
    freshness(graph, passed=False)
    nobody = Webhook(url="http://127.0.0.1:1/")

    with pytest.raises(AlertUndeliveredError, match="Connection refused"):
        tick(graph, nobody)


def test_without_a_webhook_the_log_says_it(graph: Graph, caplog: pytest.LogCaptureFixture) -> None:
    freshness(graph, passed=False)

    tick(graph, None)

    said = [record.getMessage() for record in caplog.records if record.name == "headrace.alerts"]
    assert said == [f"{WEEK}: freshness failed (team:web): "]


def test_a_check_of_a_group_as_a_whole_is_told_until_it_passes(
    graph: Graph, webhook: Webhook
) -> None:
    cursor = None
    for passed in (True, False, False, True, True, False):
        freshness(graph, passed=passed)
        cursor = tick(graph, webhook, cursor)

    states = [state for state, *_ in webhook.news()]
    assert states == ["failed", "resolved", "failed"]


def test_nobody_is_told_while_the_due_partition_is_being_made(
    graph: Graph, webhook: Webhook
) -> None:
    cursor = None
    for passed, severity in [(False, "WARN"), (True, "ERROR"), (False, "WARN"), (False, "ERROR")]:
        freshness(graph, passed=passed, severity=severity)
        cursor = tick(graph, webhook, cursor)

    assert [state for state, *_ in webhook.news()] == ["failed"]


def test_a_run_that_was_only_planned_hides_no_failure(graph: Graph, webhook: Webhook) -> None:
    spoil(graph, DAYS[0])
    graph.read_inputs(last=DAYS[0])
    graph.run(WEEK, last=DAYS[0])
    job = graph.definitions.resolve_implicit_global_asset_job_def()
    graph.instance.create_run_for_job(
        job,
        asset_selection=frozenset({dg.AssetKey(WEEK.split("/"))}),
        tags={"dagster/partition": DAYS[0]},
    )

    tick(graph, webhook)

    assert webhook.news() == [("failed", WEEK, RULES, DAYS[0])]


def test_a_cursor_of_another_event_log_is_not_believed(graph: Graph, webhook: Webhook) -> None:
    freshness(graph, passed=False)

    tick(graph, webhook, '{"after": 1000000, "failed": {}}')

    assert webhook.news() == [("failed", WEEK, "freshness", None)]


def test_more_than_a_request_holds_is_told_in_the_next_tick(graph: Graph, webhook: Webhook) -> None:
    for partition in range(250):
        graph.instance.report_runless_asset_event(
            dg.AssetCheckEvaluation(
                asset_key=dg.AssetKey(WEEK.split("/")),
                check_name=RULES,
                passed=False,
                partition=f"p{partition:03}",
            )
        )

    cursor = tick(graph, webhook)
    tick(graph, webhook, cursor)

    assert [len(body["alerts"]) for body in webhook.bodies] == [200, 50]
    assert len(set(webhook.news())) == 250
