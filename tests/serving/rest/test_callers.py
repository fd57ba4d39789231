"""Who may ask over HTTP: what is encrypted, who has to show a certificate, and how often."""

import http.client
import json
import ssl
from contextlib import closing
from pathlib import Path

import pytest

from headrace.contract.errors import InvalidArgumentError
from headrace.serving.admission import Admission
from headrace.serving.handler import Handler
from headrace.serving.settings import RateLimits, TlsSettings
from headrace.tests.serving.operating import operated
from headrace.tests.serving.publishing import Publisher, group
from headrace.tests.serving.rest.asking import LOOKUP, ask, households, rest_served, rest_settings
from headrace.tests.serving.transports.certificates import Certificates

pytestmark = pytest.mark.server


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates.issued(tmp_path_factory.mktemp("certificates"))


def trusting(certificates: Certificates) -> ssl.SSLContext:
    context = ssl.create_default_context()
    certificates.authority.configure_trust(context)
    return context


def looked_up(address: str, context: ssl.SSLContext) -> list[list[float]]:
    """The values that a lookup by TLS gives."""
    with closing(http.client.HTTPSConnection(address, context=context, timeout=60)) as connection:
        headers = {"content-type": "application/json"}
        connection.request("POST", LOOKUP, json.dumps(households(1)), headers)
        values: list[list[float]] = json.loads(connection.getresponse().read())["values"]
        return values


def test_rest_speaks_tls_when_the_rpc_does_and_metrics_do_not(
    valkey_url: str, publisher: Publisher, certificates: Certificates
) -> None:
    publisher.publish(group(), {(1,): (12.5, 3)})
    with rest_served(rest_settings(valkey_url, tls=certificates.tls)) as rest:
        values = looked_up(rest, trusting(certificates))
        with pytest.raises((OSError, http.client.HTTPException)):
            ask(rest, LOOKUP, households(1))

    assert values == [[12.5]]


def test_callers_show_a_certificate_where_the_rpc_wants_one(
    valkey_url: str, publisher: Publisher, certificates: Certificates
) -> None:
    publisher.publish(group(), {(1,): (12.5, 3)})
    known = trusting(certificates)
    certificates.authority.issue_cert("ranking.example").configure_cert(known)
    with rest_served(rest_settings(valkey_url, tls=certificates.mutual_tls)) as rest:
        values = looked_up(rest, known)
        # With TLS 1.3 a client learns of it when it reads, and by whatever comes first.
        with pytest.raises((OSError, http.client.HTTPException)):
            looked_up(rest, trusting(certificates))

    assert values == [[12.5]]


def test_a_certificate_that_is_not_there_is_an_error_that_names_the_option(
    valkey_url: str, tmp_path: Path
) -> None:
    tls = TlsSettings(tmp_path / "absent.pem", tmp_path / "absent.key")

    with (
        pytest.raises(InvalidArgumentError, match="--tls-cert"),
        rest_served(rest_settings(valkey_url, tls=tls)),
    ):
        pass


def test_a_caller_over_its_rate_is_told_to_come_again(
    valkey_url: str, publisher: Publisher
) -> None:
    publisher.publish(group(), {(1,): (12.5, 3)})
    chosen = rest_settings(valkey_url)
    stopped = Admission(RateLimits(callers={"batch": 1.0}), clock=lambda: 0.0)
    handler = Handler("default", chosen.limits, chosen.clock(), admission=stopped)
    with rest_served(chosen, handler) as rest:
        replies = [
            ask(rest, LOOKUP, households(1), headers={"headrace-caller": caller})
            for caller in ("batch", "batch", "ranking")
        ]

    assert [reply.status for reply in replies] == [200, 429, 200]
    assert replies[1].headers["retry-after"] == "1"
    assert "caller 'batch'" in replies[1].json["detail"]


def test_a_caller_is_who_its_certificate_names_whatever_it_says(
    valkey_url: str, publisher: Publisher, certificates: Certificates
) -> None:
    publisher.publish(group(), {(1,): (12.5, 3)})
    chosen = rest_settings(valkey_url, tls=certificates.mutual_tls)
    stopped = Admission(RateLimits(callers={"batch.example": 1.0}), clock=lambda: 0.0)
    handler = Handler("default", chosen.limits, chosen.clock(), admission=stopped)
    statuses = []
    with rest_served(chosen, handler) as rest:
        for certified, said in (("batch.example", "x"), ("batch.example", "y"), ("other", "batch")):
            known = trusting(certificates)
            certificates.authority.issue_cert(certified).configure_cert(known)
            with closing(http.client.HTTPSConnection(rest, context=known, timeout=60)) as made:
                headers = {"content-type": "application/json", "headrace-caller": said}
                made.request("POST", LOOKUP, json.dumps(households(1)), headers)
                statuses.append(made.getresponse().status)

    assert statuses == [200, 429, 200]


@pytest.mark.parametrize("transport", ["lean", "aio"])
def test_rpc_and_rest_share_the_limits_of_a_group(
    valkey_url: str, publisher: Publisher, transport: str
) -> None:
    publisher.publish(group(), {(1,): (12.5, 3)})
    chosen = rest_settings(valkey_url, rates=RateLimits(groups={"household_spend": 2.0}))
    with operated(chosen, transport) as server:
        rest = server.others["REST"]
        statuses = [ask(rest, LOOKUP, households(*range(50))).status for _ in range(2)]

    assert statuses == [200, 429]
