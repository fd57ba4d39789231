"""The Iceberg catalog that exports go to: the home's own, or whichever pyiceberg is told of."""

import fcntl
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from pyiceberg.catalog import Catalog, load_catalog
from pyiceberg.exceptions import RESTError
from pyiceberg.utils.config import Config
from sqlalchemy.exc import SQLAlchemyError

from ...contract.environment import Environment
from ...contract.errors import StoreUnavailableError
from ..offline.offline_store import OfflineStore

NAME = "headrace"
"""The catalog's name in pyiceberg's configuration, and the namespace of the tables in it."""

_PREFIX = "aws_"
_FILE_SETTINGS = {
    "s3.endpoint": ("endpoint_url", "endpoint"),
    "s3.access-key-id": ("access_key_id",),
    "s3.secret-access-key": ("secret_access_key",),
    "s3.session-token": ("session_token", "token"),
    "s3.region": ("region", "default_region"),
}


@contextmanager
def open_catalog(environment: Environment, store: OfflineStore) -> Iterator[Catalog]:
    """Open the catalog `headrace` of pyiceberg's configuration.

    That is its file `.pyiceberg.yaml`, or variables such as `PYICEBERG_CATALOG__HEADRACE__URI`.
    What is not configured is the home's: a SQLite file `iceberg.db`, metadata in the folder
    `iceberg` of the offline store, and that store's own address and credentials for its files.

    Raises:
        StoreUnavailableError: The catalog, or a file of it, cannot be read or written.
    """
    configured = Config().get_catalog_config(NAME) or {}
    settings: dict[str, str | None] = {
        "warehouse": f"{file_address(store.root)}/iceberg",
        **_file_settings(store.storage_options),
        **({} if "uri" in configured or "type" in configured else _own(environment)),
        **{name: str(value) for name, value in configured.items()},
    }
    with _errors(str(settings.get("uri", NAME))):
        catalog = _made(environment, settings)
        try:
            yield catalog
        finally:
            catalog.close()


@contextmanager
def _errors(address: str) -> Iterator[None]:
    """Say in our words what pyiceberg raises where the catalog fails."""
    try:
        yield
    except (SQLAlchemyError, RESTError, OSError) as error:
        raise StoreUnavailableError(
            store=_without_password(address), reason=_reason(error)
        ) from error


def file_address(uri: str) -> str:
    """An address as Iceberg spells it: always with a scheme."""
    return uri if "://" in uri else f"file://{uri}"


def _made(environment: Environment, settings: Mapping[str, str | None]) -> Catalog:
    """The catalog with its namespace; processes that found one at once would fail on each other."""
    environment.home.mkdir(parents=True, exist_ok=True)
    with (environment.home / "iceberg.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        catalog = load_catalog(NAME, **settings)
        catalog.create_namespace_if_not_exists(NAME)
        return catalog


def _own(environment: Environment) -> dict[str, str]:
    return {"type": "sql", "uri": f"sqlite:///{environment.home / 'iceberg.db'}"}


def _file_settings(options: Mapping[str, str]) -> dict[str, str]:
    """What pyiceberg has to know of an S3, from what delta-rs was told or finds in `AWS_*`."""
    told = {
        name.lower().removeprefix(_PREFIX): value
        for variables in (
            {name: value for name, value in os.environ.items() if name.startswith("AWS_")},
            options,
        )
        for name, value in variables.items()
    }
    return {
        setting: told[name]
        for setting, names in _FILE_SETTINGS.items()
        for name in reversed(names)
        if name in told
    }


def _without_password(uri: str) -> str:
    scheme, separator, rest = uri.partition("://")
    return f"{scheme}{separator}{rest.rpartition('@')[2]}"


def _reason(error: Exception) -> str:
    """What went wrong, without the statement and the parameters that SQLAlchemy adds."""
    return str(getattr(error, "orig", None) or error)
