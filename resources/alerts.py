"""Telling people: a line in the log, and a JSON document to the webhook that is configured.

An alert names assets, checks, partitions, rules and counts; never a value of a row.
"""

import json
import logging
import urllib.error
import urllib.request
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from http import HTTPStatus
from typing import Literal

from ..contract.environment import Environment
from ..contract.errors import AlertUndeliveredError

_TIMEOUT_SECONDS = 10.0
_LOG = logging.getLogger("headrace.alerts")


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Takes a redirection as a failure: following one would turn the POST into a GET."""

    def redirect_request(self, *_: object) -> None:
        """Follow nothing."""


_OPENER = urllib.request.build_opener(_NoRedirect)


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """One thing that owners are told.

    Attributes:
        id: The same for the same news: a receiver that gets it twice can tell.
        state: `"failed"`, or `"resolved"` when what failed passes again.
        partition: `None` where the check is about the asset as a whole.
        run_id: The run that made the check; empty where a sensor did.
        said: What the check says: rules and counts.
    """

    id: str
    state: Literal["failed", "resolved"]
    severity: str
    asset: str
    check: str
    partition: str | None
    owners: tuple[str, ...]
    run_id: str
    said: str

    def __str__(self) -> str:
        """One line for people."""
        partition = f", partition {self.partition}" if self.partition else ""
        owners = ", ".join(self.owners)
        return f"{self.asset}{partition}: {self.check} {self.state} ({owners}): {self.said}"


def deliver(alerts: Sequence[Alert], environment: Environment) -> None:
    """Post alerts together, in one request, to `HEADRACE_ALERT_WEBHOOK`; then log each.

    They are delivered all, or none as far as is known: an answer that got lost makes the caller
    repeat them. `text` is what chat services show; `alerts` is for programs.

    Raises:
        AlertUndeliveredError: The webhook does not answer, or with another status than 2xx.
    """
    if environment.alert_webhook is not None:
        _post(environment.alert_webhook, alerts)
    for alert in alerts:
        _LOG.warning("%s", alert)  # the least level that is shown where nobody configures logging


def _post(url: str, alerts: Sequence[Alert]) -> None:
    text = "\n".join(str(alert) for alert in alerts)
    body = json.dumps({"text": text, "alerts": [asdict(alert) for alert in alerts]}).encode()
    request = urllib.request.Request(  # noqa: S310 - the scheme was checked when it was read
        url, data=body, headers={"Content-Type": "application/json"}, method="POST"
    )
    try:
        with _OPENER.open(request, timeout=_TIMEOUT_SECONDS) as answer:
            status = answer.status
    except urllib.error.HTTPError as error:
        status = error.code
    except OSError as error:
        reason = getattr(error, "reason", error)
        raise AlertUndeliveredError(count=len(alerts), reason=str(reason)) from error
    if not HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
        raise AlertUndeliveredError(count=len(alerts), reason=f"it answers with status {status}")
