"""What `HEADRACE_*` variables say: read in one place, once per process, and passed down."""

import hashlib
import os
import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

from .clock import Clock, recorded_clock
from .durability import Durability
from .errors import InvalidArgumentError

DEPLOYMENTS = ("local", "staging", "production")
"""What `HEADRACE_DEPLOYMENT` may say; `resources.deployments` knows what each is made of."""
_GIT = re.compile(r"https://(www\.)?git(hub|lab)\.com/[^@\s]+@[^@\s]+")
_LONGEST_SOCKET_PATH = 100  # sun_path holds 108 bytes on Linux, 104 elsewhere


@dataclass(frozen=True, slots=True)
class Environment:
    """Where this process keeps and finds things.

    Attributes:
        home: The state folder; created by whoever first needs it.
        namespace: Part of every online key, so that several installations share one store.
        packages: Further packages to discover feature groups in.
        redis: The URL of an online store of one's own (`store_address`); `None` means the embedded
            Valkey.
        offline: A folder or an `s3://` address.
        asked_clock: The instant in `HEADRACE_CLOCK`, if any; `clock` says what holds.
        alert_webhook: Where owners are told of failed checks: a URL that takes JSON by POST, and
            may be a secret; `None` for the log alone.
        durability: How many replicas of the online store a publish waits for.
        deployment: Which of `DEPLOYMENTS` this process is part of.
        git: Where Dagster's pages link to the code of assets: a repository on GitHub or GitLab and
            a branch, as `https://github.com/acme/features@main`; `None` for files of this machine.
    """

    home: Path
    namespace: str
    packages: tuple[str, ...]
    redis: str | None
    offline: str
    asked_clock: datetime | None
    durability: Durability = field(default_factory=Durability)
    deployment: str = DEPLOYMENTS[0]
    alert_webhook: str | None = field(default=None, repr=False)
    git: str | None = None

    @classmethod
    def read(cls, variables: Mapping[str, str] | None = None) -> "Environment":
        """Read the variables of this process, or the given ones.

        Raises:
            InvalidArgumentError: A variable's value cannot be used.
        """
        values = os.environ if variables is None else variables
        home = Path(values.get("HEADRACE_HOME") or ".headrace").resolve()
        namespace = values.get("HEADRACE_NAMESPACE") or "default"
        if not namespace.isidentifier():
            raise InvalidArgumentError(
                argument="HEADRACE_NAMESPACE",
                problem=f"{namespace!r} is no identifier",
                remedy="use letters, digits and underscores",
            )
        return cls(
            home=home,
            deployment=_deployment(values.get("HEADRACE_DEPLOYMENT")),
            namespace=namespace,
            packages=tuple(
                name
                for name in (values.get("HEADRACE_PACKAGES") or "").replace(",", " ").split()
                if name
            ),
            redis=values.get("HEADRACE_REDIS") or None,
            offline=values.get("HEADRACE_OFFLINE") or str(home / "offline"),
            asked_clock=_instant("HEADRACE_CLOCK", values.get("HEADRACE_CLOCK")),
            durability=Durability.read(
                values.get("HEADRACE_WAIT_REPLICAS") or "",
                values.get("HEADRACE_WAIT_SECONDS") or "",
            ),
            alert_webhook=_url("HEADRACE_ALERT_WEBHOOK", values.get("HEADRACE_ALERT_WEBHOOK")),
            git=_git("HEADRACE_GIT", values.get("HEADRACE_GIT")),
        )

    @property
    def redis_url(self) -> str:
        """Where the online store answers: the given URL, or the embedded Valkey's unix socket."""
        return self.redis or f"unix://{self.valkey_socket}"

    @property
    def valkey_socket(self) -> Path:
        """The embedded Valkey's socket: the same for every process of a home."""
        socket = self.home / "valkey" / "valkey.sock"
        if len(os.fsencode(socket)) <= _LONGEST_SOCKET_PATH:
            return socket
        name = hashlib.sha256(os.fsencode(self.home)).hexdigest()[:16]
        return Path(tempfile.gettempdir()) / f"headrace-{os.getuid()}-{name}" / "valkey.sock"

    def clock(self) -> Clock:
        """The clock of this home: frozen at the recorded instant, or real.

        Raises:
            ClockConflictError: `HEADRACE_CLOCK` differs from the one recorded in the home.
        """
        return recorded_clock(self.home, self.asked_clock)


def _deployment(name: str | None) -> str:
    if name and name not in DEPLOYMENTS:
        raise InvalidArgumentError(
            argument="HEADRACE_DEPLOYMENT",
            problem=f"there is no deployment {name!r}",
            remedy=f"use one of {', '.join(DEPLOYMENTS)}",
        )
    return name or DEPLOYMENTS[0]


def _git(name: str, text: str | None) -> str | None:
    if text and not _GIT.fullmatch(text):
        raise InvalidArgumentError(
            argument=name,
            problem=f"{text!r} names no branch of a repository on GitHub or GitLab",
            remedy="write it as https://github.com/acme/features@main",
        )
    return text or None


def _url(name: str, text: str | None) -> str | None:
    if not text:
        return None
    parts = urlsplit(text)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise InvalidArgumentError(
            argument=name,
            problem="it is no address of the web",
            remedy="write it as https://host/path",
        )
    return text


def _instant(name: str, text: str | None) -> datetime | None:
    if not text:
        return None
    try:
        instant = datetime.fromisoformat(text)
    except ValueError as error:
        raise InvalidArgumentError(
            argument=name,
            problem=f"{text!r} is no instant",
            remedy="write it as 2018-01-02T00:00:00Z",
        ) from error
    return instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC)
