"""What a client says to the feature server to get an answer, and what it remembers between calls.

Every method is an `Exchange`: a generator that yields requests, is sent their responses and returns
its result, so that it does not matter how a call is made. Contracts are remembered by their ids,
which answers name: one round trip per lookup once they are known, and a flip is noticed at once.
"""

from collections.abc import Generator, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeAlias, TypeVar

from ..contract.errors import InvalidArgumentError, RequestError, ServerError, UnknownNameError
from ..contract.feature_group import FeatureReference, FeatureSpec
from ..contract.proto.headrace.v1 import feature_service_pb2 as pb
from ..contract.proto.headrace.v1.raw_rows_pb2 import RawOnlineFeatures
from ..contract.references import parse_reference
from .contract_messages import GroupContract, group_contract, projected_contract
from .entity_columns import Columns, typed_columns
from .group_rows import GroupRows
from .online_features import AnswerColumns, FeatureColumn, OnlineFeatures
from .question import Asked, Question

Result = TypeVar("Result")
Request: TypeAlias = (
    pb.GetOnlineFeaturesRequest | pb.GetContractRequest | pb.ListFeatureGroupsRequest
)
Exchange: TypeAlias = Generator[Request, Any, Result]

_GroupName: TypeAlias = tuple[str, int | None]
_References: TypeAlias = tuple[FeatureReference, ...]
_ATTEMPTS = 3
_REMEMBERED = 1024


@dataclass(frozen=True, slots=True)
class ServiceContract:
    """What a feature service holds.

    Attributes:
        service_id: Changes when its list of features does.
        groups: The groups that it reads, in the order in which it first names them.
        columns: Its features in order; whole groups are spelled out.
    """

    name: str
    version: int
    service_id: str
    description: str
    groups: tuple[GroupContract, ...]
    columns: tuple[FeatureColumn, ...]


@dataclass(frozen=True, slots=True)
class Prepared:
    """A question with all that its answer is read by.

    Attributes:
        service_id: Of the feature service as it is remembered; empty where features are named.
        columns: Join key values, typed.
    """

    question: Question
    references: _References
    service_id: str
    columns: Columns
    request: pb.GetOnlineFeaturesRequest


class Conversation:
    """One client's side; several threads may use it, and at worst ask for a contract twice."""

    def __init__(self, server: str) -> None:
        """Begin without knowing anything of the server at this address."""
        self._server = server
        self._groups: dict[_GroupName, GroupContract] = {}
        self._contracts: dict[str, GroupContract] = {}
        self._projections: dict[tuple[str, bytes], GroupContract] = {}
        self._services: dict[str, pb.FeatureServiceContract] = {}
        self._answers: dict[tuple[_References, tuple[str, ...]], AnswerColumns] = {}

    def look_up(self, question: Question) -> Exchange[OnlineFeatures]:
        """Ask for feature values.

        Raises:
            RequestError: The question cannot be answered as asked.
            ServerError: Servers behind one address keep contradicting each other.
        """
        for _ in range(_ATTEMPTS):
            prepared = yield from self.prepare(question)
            response: RawOnlineFeatures = yield prepared.request
            answer = yield from self.answer(prepared, response)
            if answer is not None:
                return answer
        reason = f"feature service {question.feature_service!r} changed with every call"
        raise ServerError(server=self._server, code="ABORTED", reason=reason)

    def prepare(self, question: Question) -> Exchange[Prepared]:
        """Make the request of a question; contracts that are not remembered are asked for.

        Raises:
            RequestError: The question cannot be answered as asked.
        """
        references, service_id = yield from self._references(question)
        columns = yield from self._columns(question, references)
        return Prepared(question, references, service_id, columns, question.request(columns))

    def answer(
        self, prepared: Prepared, response: RawOnlineFeatures
    ) -> Exchange[OnlineFeatures | None]:
        """What a response means; `None`: its service has changed, so that it is to be asked again.

        Raises:
            RequestError: The contract that it names cannot be had.
        """
        if response.service_id != prepared.service_id:
            self._services.pop(prepared.question.feature_service, None)
            return None
        groups = yield from self._group_rows(response)
        return OnlineFeatures(
            prepared.columns,
            self._answer_columns(prepared.references, groups),
            groups,
            answered_at=response.answered_at,
            stale=prepared.question.stale,
        )

    def contracts(
        self, features: Asked | Iterable[Asked] | None, feature_service: str | None
    ) -> Exchange[tuple[GroupContract, ...]]:
        """Ask for the contracts of the groups that these features, or this service, are of.

        Raises:
            RequestError: The question cannot be answered as asked.
        """
        self._services.pop(feature_service or "", None)
        question = Question.of(features, feature_service, entities={}, max_age=None, stale="null")
        references, _ = yield from self._references(question)
        return (yield from self._ask_contracts(_group_names(references)))

    def service_contract(self, feature_service: str) -> Exchange[ServiceContract]:
        """Ask for what a feature service holds, as it is now.

        Raises:
            RequestError: There is no such service.
        """
        self._services.pop(feature_service, None)
        question = Question.of(None, feature_service, entities={}, max_age=None, stale="null")
        references, service_id = yield from self._references(question)
        service = self._services[feature_service]
        groups = yield from self._ask_contracts(_group_names(references))
        return ServiceContract(
            service.name,
            service.version,
            service_id,
            service.description,
            groups,
            tuple(_feature_columns(references, groups)),
        )

    def _references(self, question: Question) -> Exchange[tuple[_References, str]]:
        """The features asked for; those of a service as it is remembered, with its id."""
        if not question.feature_service:
            return _parsed(question.features), ""
        service = self._services.get(question.feature_service)
        if service is None:
            response: pb.GetContractResponse = yield pb.GetContractRequest(
                feature_service=question.feature_service
            )
            (service,) = response.feature_services
            self._services[question.feature_service] = service
        return _parsed(tuple(service.features)), service.service_id

    def _columns(
        self, question: Question, references: Sequence[FeatureReference]
    ) -> Exchange[Columns]:
        """The entities, typed by the join keys of what is asked for."""
        names = _group_names(references)
        remembered = [self._groups[name] for name in names if name in self._groups]
        if len(remembered) == len(names):
            try:
                return typed_columns(question.entities, [group.entity for group in remembered])
            except RequestError:
                pass  # the version that is live now may have other join keys: ask before refusing
        asked = yield from self._ask_contracts(names)
        return typed_columns(question.entities, [group.entity for group in asked])

    def _ask_contracts(self, names: Sequence[_GroupName]) -> Exchange[tuple[GroupContract, ...]]:
        response: pb.GetContractResponse = yield pb.GetContractRequest(
            feature_groups=[str(FeatureReference(*name, None)) for name in names]
        )
        contracts = tuple(group_contract(message) for message in response.feature_groups)
        for name, contract in zip(names, contracts, strict=True):
            self._groups[name] = self._contracts[contract.contract_id] = contract
        return contracts

    def _answer_columns(
        self, references: _References, groups: Sequence[GroupRows]
    ) -> AnswerColumns:
        """The features asked for, as the contracts of this answer have them."""
        key = (references, tuple(group.contract.contract_id for group in groups))
        known = self._answers.get(key)
        if known is None:
            if len(self._answers) >= _REMEMBERED:
                self._answers.clear()
            known = self._answers[key] = AnswerColumns(
                _feature_columns(references, [group.contract for group in groups])
            )
        return known

    def _group_rows(self, response: RawOnlineFeatures) -> Exchange[list[GroupRows]]:
        """The answer's groups, each with the contract that it names."""
        groups = []
        for answered in response.groups:
            contract = self._contracts.get(answered.contract_id)
            if contract is None:
                exact = (answered.feature_group, answered.version)
                (contract,) = yield from self._ask_contracts([exact])
            if answered.HasField("projection"):
                contract = self._projected(contract, answered.projection)
            groups.append(GroupRows(contract, list(answered.rows)))
        return groups

    def _projected(self, contract: GroupContract, projection: pb.RowSchema) -> GroupContract:
        key = contract.contract_id, projection.SerializeToString(deterministic=True)
        known = self._projections.get(key)
        if known is None:
            if len(self._projections) >= _REMEMBERED:
                self._projections.clear()
            known = self._projections[key] = projected_contract(contract, projection)
        return known


@lru_cache(_REMEMBERED)
def _parsed(features: tuple[str, ...]) -> _References:
    return tuple(parse_reference(text) for text in features)


def _group_names(references: Sequence[FeatureReference]) -> list[_GroupName]:
    """The groups of an answer, in its order; `group` and `group@2` are two."""
    return list(dict.fromkeys((reference.group, reference.version) for reference in references))


def _feature_columns(
    references: Sequence[FeatureReference], groups: Sequence[GroupContract]
) -> list[FeatureColumn]:
    positions = {name: index for index, name in enumerate(_group_names(references))}
    columns: dict[str, FeatureColumn] = {}
    for reference in references:
        index = positions[reference.group, reference.version]
        for feature in _features(reference, groups[index]):
            name = f"{reference.group}__{feature.name}"
            if name in columns:
                raise InvalidArgumentError(
                    argument="features",
                    problem=f"{name!r} is asked for twice",
                    remedy="ask for each feature once, and for two versions of it in two calls",
                )
            columns[name] = FeatureColumn(name, index, feature)
    return list(columns.values())


def _features(reference: FeatureReference, contract: GroupContract) -> Sequence[FeatureSpec]:
    if reference.feature is None:
        return contract.features
    named = [feature for feature in contract.features if feature.name == reference.feature]
    if not named:
        raise UnknownNameError(
            kind="feature",
            name=f"{reference.group}:{reference.feature}",
            known=[f"{reference.group}:{feature.name}" for feature in contract.features],
        )
    return named
