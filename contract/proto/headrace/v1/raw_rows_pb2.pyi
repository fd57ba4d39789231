from headrace.contract.proto.headrace.v1 import feature_service_pb2 as _feature_service_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class RawOnlineFeatures(_message.Message):
    __slots__ = ("groups", "answered_at", "service_id")
    GROUPS_FIELD_NUMBER: _ClassVar[int]
    ANSWERED_AT_FIELD_NUMBER: _ClassVar[int]
    SERVICE_ID_FIELD_NUMBER: _ClassVar[int]
    groups: _containers.RepeatedCompositeFieldContainer[RawGroupRows]
    answered_at: int
    service_id: str
    def __init__(self, groups: _Optional[_Iterable[_Union[RawGroupRows, _Mapping]]] = ..., answered_at: _Optional[int] = ..., service_id: _Optional[str] = ...) -> None: ...

class RawGroupRows(_message.Message):
    __slots__ = ("feature_group", "version", "contract_id", "rows", "projection")
    FEATURE_GROUP_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    CONTRACT_ID_FIELD_NUMBER: _ClassVar[int]
    ROWS_FIELD_NUMBER: _ClassVar[int]
    PROJECTION_FIELD_NUMBER: _ClassVar[int]
    feature_group: str
    version: int
    contract_id: str
    rows: _containers.RepeatedScalarFieldContainer[bytes]
    projection: _feature_service_pb2.RowSchema
    def __init__(self, feature_group: _Optional[str] = ..., version: _Optional[int] = ..., contract_id: _Optional[str] = ..., rows: _Optional[_Iterable[bytes]] = ..., projection: _Optional[_Union[_feature_service_pb2.RowSchema, _Mapping]] = ...) -> None: ...

class RawStreamReply(_message.Message):
    __slots__ = ("id", "response", "error")
    ID_FIELD_NUMBER: _ClassVar[int]
    RESPONSE_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    id: int
    response: RawOnlineFeatures
    error: _feature_service_pb2.StreamError
    def __init__(self, id: _Optional[int] = ..., response: _Optional[_Union[RawOnlineFeatures, _Mapping]] = ..., error: _Optional[_Union[_feature_service_pb2.StreamError, _Mapping]] = ...) -> None: ...
