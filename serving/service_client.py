"""What clients made by `headrace generate-client` rest on: lookups that know their types."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

from ..contract.errors import ContractChangedError, RequestError
from .client import AsyncFeatureClient, FeatureClient
from .contract_messages import GroupContract
from .entity_columns import Entities
from .online_features import OnlineFeatures
from .question import Stale

Row = TypeVar("Row")


@dataclass(frozen=True, slots=True)
class ExpectedService:
    """The contract that a generated client was made for.

    Attributes:
        contract_ids: Of the groups; while an answer names these, there is nothing to compare.
        join_keys: The type of each, by its name: `INT64`.
        features: The type of each, by its name in answers.
    """

    name: str
    contract_ids: Sequence[str]
    join_keys: Mapping[str, str]
    features: Mapping[str, str]

    def rows(self, answer: OnlineFeatures, row: Callable[..., Row]) -> list[Row]:
        """One row per entity, made of its join keys and features in this order.

        Features that the service has won since are left out.

        Raises:
            ContractChangedError: A join key or feature is gone or of another type.
        """
        contracts = answer.contracts
        found = {name: dtype.name for name, dtype in answer.dtypes.items()}
        if tuple(contract.contract_id for contract in contracts) != tuple(self.contract_ids):
            self._refuse([*self._other_keys(contracts), *_differences(self.features, found)])
        elif missing := self.features.keys() - found.keys():
            self._refuse([f"{name} is gone" for name in sorted(missing)])
        columns = answer.to_columns()
        names = (*self.join_keys, *self.features)
        return [row(*values) for values in zip(*(columns[name] for name in names), strict=True)]

    def compare(self, contracts: Iterable[GroupContract]) -> None:
        """Compare join keys, after a server refused them.

        Raises:
            ContractChangedError: One is gone, new or of another type.
        """
        self._refuse(self._other_keys(contracts))

    def _other_keys(self, contracts: Iterable[GroupContract]) -> list[str]:
        found = {
            key.name: key.dtype.name for contract in contracts for key in contract.entity.join_keys
        }
        added = [f"{name} is needed now" for name in found if name not in self.join_keys]
        return [*_differences(self.join_keys, found), *added]

    def _refuse(self, changes: Sequence[str]) -> None:
        if changes:
            raise ContractChangedError(service=self.name, changes=changes)


def look_up(
    client: FeatureClient,
    expected: ExpectedService,
    row: Callable[..., Row],
    *,
    entities: Entities,
    max_age: timedelta | None,
    stale: Stale,
    project: bool = False,
) -> list[Row]:
    """One typed row per entity, in the order given.

    Raises:
        ContractChangedError: The service is no longer what the client was made for.
        RequestError: The request cannot be answered as asked.
        ServerError: The server did not answer.
    """
    name = expected.name
    try:
        answer = client.get_online_features(
            feature_service=name,
            entities=entities,
            max_age=max_age,
            stale=stale,
            project=project,
        )
    except RequestError:
        expected.compare(client.get_contracts(feature_service=name))
        raise
    return expected.rows(answer, row)


async def look_up_async(
    client: AsyncFeatureClient,
    expected: ExpectedService,
    row: Callable[..., Row],
    *,
    entities: Entities,
    max_age: timedelta | None,
    stale: Stale,
    project: bool = False,
) -> list[Row]:
    """As `look_up`."""
    name = expected.name
    try:
        answer = await client.get_online_features(
            feature_service=name,
            entities=entities,
            max_age=max_age,
            stale=stale,
            project=project,
        )
    except RequestError:
        expected.compare(await client.get_contracts(feature_service=name))
        raise
    return expected.rows(answer, row)


def _differences(expected: Mapping[str, str], found: Mapping[str, str]) -> list[str]:
    gone = [f"{name} is gone" for name in expected if name not in found]
    other = [
        f"{name} is {found[name]}, not {dtype}"
        for name, dtype in expected.items()
        if found.get(name, dtype) != dtype
    ]
    return gone + other
