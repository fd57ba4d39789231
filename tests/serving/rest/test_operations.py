"""What REST says of the server itself: groups, health, metrics, documentation."""

import re
from datetime import timedelta
from html.parser import HTMLParser
from typing import Any

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_metrics
from prometheus_client.parser import text_string_to_metric_families as plain_metrics

from headrace.contract.errors import PortTakenError
from headrace.serving.handler import Handler
from headrace.serving.settings import RestSettings
from headrace.tests.serving.publishing import Publisher, group
from headrace.tests.serving.rest.asking import (
    LOOKUP,
    ask,
    households,
    rest_served,
    rest_settings,
)

pytestmark = pytest.mark.server


def test_groups_are_listed_and_described(rest: str, publisher: Publisher) -> None:
    publisher.publish(group(ttl=timedelta(hours=36)), {})
    publisher.register(group(version=2, ttl=None), live=False)

    listed = ask(rest, "/v1/feature-groups").json["feature_groups"]
    live = ask(rest, "/v1/feature-groups/household_spend").json
    next_version = ask(rest, "/v1/feature-groups/household_spend@2").json

    assert [(one["name"], one["version"], one["live"]) for one in listed] == [
        ("household_spend", 1, True),
        ("household_spend", 2, False),
    ]
    contract_id = live.pop("contract_id")
    assert re.fullmatch("[0-9a-f]+", contract_id)
    assert live == {
        "name": "household_spend",
        "version": 1,
        "live": True,
        "status": "active",
        "online": "snapshot",
        "entity": "household",
        "join_keys": [{"name": "household_id", "data_type": "INT64"}],
        "features": [
            {"name": "spend_30d", "data_type": "FLOAT64", "nullable": True, "description": ""},
            {"name": "baskets_7d", "data_type": "INT64", "nullable": True, "description": ""},
        ],
        "ttl_seconds": 129600,
        "description": "About household_spend.",
        "owners": ["team:growth"],
    }
    assert (next_version["live"], next_version["ttl_seconds"]) == (False, None)


def test_a_server_with_its_store_is_alive_and_ready(rest: str) -> None:
    assert ask(rest, "/healthz").json == {"status": "alive"}
    assert ask(rest, "/readyz").json == {"status": "ready"}


def test_metrics_are_read_by_both_parsers(rest: str, publisher: Publisher) -> None:
    publisher.publish(group(), {(1,): (12.5, 3)})
    assert ask(rest, LOOKUP, households(1, 2)).status == 200

    plain = ask(rest, "/metrics", headers={"accept": "text/plain"})
    openly = ask(rest, "/metrics", headers={"accept": "application/openmetrics-text"})

    assert plain.headers["content-type"].startswith("text/plain")
    assert openly.headers["content-type"].startswith("application/openmetrics-text")
    for families in (
        list(plain_metrics(plain.body.decode())),
        list(open_metrics(openly.body.decode())),  # type: ignore[no-untyped-call]  # the library's
    ):
        rows = {
            (sample.labels["group"], sample.labels["status"]): sample.value
            for family in families
            for sample in family.samples
            if sample.name == "headrace_rows_total"
        }
        assert rows["household_spend@1", "present"] == 1
        assert rows["household_spend@1", "not_found"] == 1


def test_the_page_loads_nothing_and_names_every_path(rest: str) -> None:
    document = ask(rest, "/openapi.json").json
    page = ask(rest, "/docs")

    loaded = _Loaded()
    loaded.feed(page.body.decode())
    assert page.headers["content-security-policy"].startswith("default-src 'none'")
    assert loaded.addresses == {"/openapi.json"}
    assert [path for path in document["paths"] if path not in page.body.decode()] == []


def test_a_head_has_no_body(rest: str) -> None:
    reply = ask(rest, "/healthz", method="HEAD")

    assert (reply.status, reply.body) == (200, b"")


def test_a_taken_port_is_an_error_that_names_the_option(valkey_url: str, rest: str) -> None:
    chosen = rest_settings(valkey_url, rest=RestSettings(bind=rest))

    with pytest.raises(PortTakenError, match=f"{rest} is in use.*--rest"), rest_served(chosen):
        pass


def test_a_bug_is_an_internal_error_that_says_its_type_alone(
    valkey_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Its message and the log hold no join key, and the server goes on."""
    chosen = rest_settings(valkey_url)
    with rest_served(chosen, _Broken("default", chosen.limits, chosen.clock())) as rest:
        reply = ask(rest, "/v1/feature-groups")
        alive = ask(rest, "/healthz")

    assert (reply.status, reply.json["detail"]) == (500, "ZeroDivisionError")
    assert alive.status == 200
    assert "household 17" not in caplog.text
    assert "in list_feature_groups" in caplog.text


class _Broken(Handler):
    """A handler with a bug."""

    def list_feature_groups(self, _raw: bytes) -> Any:  # noqa: ANN401  # it never returns
        msg = "household 17"
        raise ZeroDivisionError(msg)


class _Loaded(HTMLParser):
    """What a page would load or link to outside of itself."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: set[str] = set()

    def handle_starttag(self, _tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.addresses |= {
            value
            for name, value in attributes
            if name in {"src", "href"} and value and not value.startswith("#")
        }
