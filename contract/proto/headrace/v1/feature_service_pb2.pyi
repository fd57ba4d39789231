import datetime

from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Projection(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    PROJECTION_UNSPECIFIED: _ClassVar[Projection]
    PROJECTION_IF_LONG: _ClassVar[Projection]
    PROJECTION_ALWAYS: _ClassVar[Projection]

class RowStatus(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ROW_STATUS_UNSPECIFIED: _ClassVar[RowStatus]
    ROW_STATUS_STALE: _ClassVar[RowStatus]
    ROW_STATUS_ERROR: _ClassVar[RowStatus]

class DataType(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    DATA_TYPE_UNSPECIFIED: _ClassVar[DataType]
    DATA_TYPE_BOOL: _ClassVar[DataType]
    DATA_TYPE_INT32: _ClassVar[DataType]
    DATA_TYPE_INT64: _ClassVar[DataType]
    DATA_TYPE_FLOAT32: _ClassVar[DataType]
    DATA_TYPE_FLOAT64: _ClassVar[DataType]
    DATA_TYPE_STRING: _ClassVar[DataType]
    DATA_TYPE_BYTES: _ClassVar[DataType]
    DATA_TYPE_DATE: _ClassVar[DataType]
    DATA_TYPE_TIMESTAMP: _ClassVar[DataType]
    DATA_TYPE_FLOAT32_LIST: _ClassVar[DataType]
    DATA_TYPE_FLOAT64_LIST: _ClassVar[DataType]
    DATA_TYPE_INT64_LIST: _ClassVar[DataType]
PROJECTION_UNSPECIFIED: Projection
PROJECTION_IF_LONG: Projection
PROJECTION_ALWAYS: Projection
ROW_STATUS_UNSPECIFIED: RowStatus
ROW_STATUS_STALE: RowStatus
ROW_STATUS_ERROR: RowStatus
DATA_TYPE_UNSPECIFIED: DataType
DATA_TYPE_BOOL: DataType
DATA_TYPE_INT32: DataType
DATA_TYPE_INT64: DataType
DATA_TYPE_FLOAT32: DataType
DATA_TYPE_FLOAT64: DataType
DATA_TYPE_STRING: DataType
DATA_TYPE_BYTES: DataType
DATA_TYPE_DATE: DataType
DATA_TYPE_TIMESTAMP: DataType
DATA_TYPE_FLOAT32_LIST: DataType
DATA_TYPE_FLOAT64_LIST: DataType
DATA_TYPE_INT64_LIST: DataType

class GetOnlineFeaturesRequest(_message.Message):
    __slots__ = ("features", "feature_service", "entities", "max_age", "projection")
    FEATURES_FIELD_NUMBER: _ClassVar[int]
    FEATURE_SERVICE_FIELD_NUMBER: _ClassVar[int]
    ENTITIES_FIELD_NUMBER: _ClassVar[int]
    MAX_AGE_FIELD_NUMBER: _ClassVar[int]
    PROJECTION_FIELD_NUMBER: _ClassVar[int]
    features: _containers.RepeatedScalarFieldContainer[str]
    feature_service: str
    entities: _containers.RepeatedCompositeFieldContainer[EntityColumn]
    max_age: _duration_pb2.Duration
    projection: Projection
    def __init__(self, features: _Optional[_Iterable[str]] = ..., feature_service: _Optional[str] = ..., entities: _Optional[_Iterable[_Union[EntityColumn, _Mapping]]] = ..., max_age: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., projection: _Optional[_Union[Projection, str]] = ...) -> None: ...

class EntityColumn(_message.Message):
    __slots__ = ("join_key", "int64_values", "string_values", "bytes_values")
    JOIN_KEY_FIELD_NUMBER: _ClassVar[int]
    INT64_VALUES_FIELD_NUMBER: _ClassVar[int]
    STRING_VALUES_FIELD_NUMBER: _ClassVar[int]
    BYTES_VALUES_FIELD_NUMBER: _ClassVar[int]
    join_key: str
    int64_values: Int64Values
    string_values: StringValues
    bytes_values: BytesValues
    def __init__(self, join_key: _Optional[str] = ..., int64_values: _Optional[_Union[Int64Values, _Mapping]] = ..., string_values: _Optional[_Union[StringValues, _Mapping]] = ..., bytes_values: _Optional[_Union[BytesValues, _Mapping]] = ...) -> None: ...

class Int64Values(_message.Message):
    __slots__ = ("values",)
    VALUES_FIELD_NUMBER: _ClassVar[int]
    values: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, values: _Optional[_Iterable[int]] = ...) -> None: ...

class StringValues(_message.Message):
    __slots__ = ("values",)
    VALUES_FIELD_NUMBER: _ClassVar[int]
    values: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, values: _Optional[_Iterable[str]] = ...) -> None: ...

class BytesValues(_message.Message):
    __slots__ = ("values",)
    VALUES_FIELD_NUMBER: _ClassVar[int]
    values: _containers.RepeatedScalarFieldContainer[bytes]
    def __init__(self, values: _Optional[_Iterable[bytes]] = ...) -> None: ...

class GetOnlineFeaturesResponse(_message.Message):
    __slots__ = ("groups", "answered_at", "service_id")
    GROUPS_FIELD_NUMBER: _ClassVar[int]
    ANSWERED_AT_FIELD_NUMBER: _ClassVar[int]
    SERVICE_ID_FIELD_NUMBER: _ClassVar[int]
    groups: _containers.RepeatedCompositeFieldContainer[FeatureGroupRows]
    answered_at: int
    service_id: str
    def __init__(self, groups: _Optional[_Iterable[_Union[FeatureGroupRows, _Mapping]]] = ..., answered_at: _Optional[int] = ..., service_id: _Optional[str] = ...) -> None: ...

class FeatureGroupRows(_message.Message):
    __slots__ = ("feature_group", "version", "contract_id", "rows", "projection")
    FEATURE_GROUP_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    CONTRACT_ID_FIELD_NUMBER: _ClassVar[int]
    ROWS_FIELD_NUMBER: _ClassVar[int]
    PROJECTION_FIELD_NUMBER: _ClassVar[int]
    feature_group: str
    version: int
    contract_id: str
    rows: _containers.RepeatedCompositeFieldContainer[FeatureRow]
    projection: RowSchema
    def __init__(self, feature_group: _Optional[str] = ..., version: _Optional[int] = ..., contract_id: _Optional[str] = ..., rows: _Optional[_Iterable[_Union[FeatureRow, _Mapping]]] = ..., projection: _Optional[_Union[RowSchema, _Mapping]] = ...) -> None: ...

class FeatureRow(_message.Message):
    __slots__ = ("event_timestamp", "generation", "schema_id", "table_version", "float64_values", "float32_values", "int64_values", "int32_values", "bool_values", "string_values", "bytes_values", "null_bitmap", "status", "float64_lists", "float32_lists", "int64_lists")
    EVENT_TIMESTAMP_FIELD_NUMBER: _ClassVar[int]
    GENERATION_FIELD_NUMBER: _ClassVar[int]
    SCHEMA_ID_FIELD_NUMBER: _ClassVar[int]
    TABLE_VERSION_FIELD_NUMBER: _ClassVar[int]
    FLOAT64_VALUES_FIELD_NUMBER: _ClassVar[int]
    FLOAT32_VALUES_FIELD_NUMBER: _ClassVar[int]
    INT64_VALUES_FIELD_NUMBER: _ClassVar[int]
    INT32_VALUES_FIELD_NUMBER: _ClassVar[int]
    BOOL_VALUES_FIELD_NUMBER: _ClassVar[int]
    STRING_VALUES_FIELD_NUMBER: _ClassVar[int]
    BYTES_VALUES_FIELD_NUMBER: _ClassVar[int]
    NULL_BITMAP_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    FLOAT64_LISTS_FIELD_NUMBER: _ClassVar[int]
    FLOAT32_LISTS_FIELD_NUMBER: _ClassVar[int]
    INT64_LISTS_FIELD_NUMBER: _ClassVar[int]
    event_timestamp: int
    generation: int
    schema_id: int
    table_version: int
    float64_values: _containers.RepeatedScalarFieldContainer[float]
    float32_values: _containers.RepeatedScalarFieldContainer[float]
    int64_values: _containers.RepeatedScalarFieldContainer[int]
    int32_values: _containers.RepeatedScalarFieldContainer[int]
    bool_values: _containers.RepeatedScalarFieldContainer[bool]
    string_values: _containers.RepeatedScalarFieldContainer[str]
    bytes_values: _containers.RepeatedScalarFieldContainer[bytes]
    null_bitmap: bytes
    status: RowStatus
    float64_lists: _containers.RepeatedCompositeFieldContainer[Float64List]
    float32_lists: _containers.RepeatedCompositeFieldContainer[Float32List]
    int64_lists: _containers.RepeatedCompositeFieldContainer[Int64List]
    def __init__(self, event_timestamp: _Optional[int] = ..., generation: _Optional[int] = ..., schema_id: _Optional[int] = ..., table_version: _Optional[int] = ..., float64_values: _Optional[_Iterable[float]] = ..., float32_values: _Optional[_Iterable[float]] = ..., int64_values: _Optional[_Iterable[int]] = ..., int32_values: _Optional[_Iterable[int]] = ..., bool_values: _Optional[_Iterable[bool]] = ..., string_values: _Optional[_Iterable[str]] = ..., bytes_values: _Optional[_Iterable[bytes]] = ..., null_bitmap: _Optional[bytes] = ..., status: _Optional[_Union[RowStatus, str]] = ..., float64_lists: _Optional[_Iterable[_Union[Float64List, _Mapping]]] = ..., float32_lists: _Optional[_Iterable[_Union[Float32List, _Mapping]]] = ..., int64_lists: _Optional[_Iterable[_Union[Int64List, _Mapping]]] = ...) -> None: ...

class Float64List(_message.Message):
    __slots__ = ("values",)
    VALUES_FIELD_NUMBER: _ClassVar[int]
    values: _containers.RepeatedScalarFieldContainer[float]
    def __init__(self, values: _Optional[_Iterable[float]] = ...) -> None: ...

class Float32List(_message.Message):
    __slots__ = ("values",)
    VALUES_FIELD_NUMBER: _ClassVar[int]
    values: _containers.RepeatedScalarFieldContainer[float]
    def __init__(self, values: _Optional[_Iterable[float]] = ...) -> None: ...

class Int64List(_message.Message):
    __slots__ = ("values",)
    VALUES_FIELD_NUMBER: _ClassVar[int]
    values: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, values: _Optional[_Iterable[int]] = ...) -> None: ...

class StreamOnlineFeaturesRequest(_message.Message):
    __slots__ = ("id", "request")
    ID_FIELD_NUMBER: _ClassVar[int]
    REQUEST_FIELD_NUMBER: _ClassVar[int]
    id: int
    request: GetOnlineFeaturesRequest
    def __init__(self, id: _Optional[int] = ..., request: _Optional[_Union[GetOnlineFeaturesRequest, _Mapping]] = ...) -> None: ...

class StreamOnlineFeaturesResponse(_message.Message):
    __slots__ = ("id", "response", "error")
    ID_FIELD_NUMBER: _ClassVar[int]
    RESPONSE_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    id: int
    response: GetOnlineFeaturesResponse
    error: StreamError
    def __init__(self, id: _Optional[int] = ..., response: _Optional[_Union[GetOnlineFeaturesResponse, _Mapping]] = ..., error: _Optional[_Union[StreamError, _Mapping]] = ...) -> None: ...

class StreamError(_message.Message):
    __slots__ = ("code", "message")
    CODE_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    code: int
    message: str
    def __init__(self, code: _Optional[int] = ..., message: _Optional[str] = ...) -> None: ...

class GetContractRequest(_message.Message):
    __slots__ = ("feature_groups", "feature_service")
    FEATURE_GROUPS_FIELD_NUMBER: _ClassVar[int]
    FEATURE_SERVICE_FIELD_NUMBER: _ClassVar[int]
    feature_groups: _containers.RepeatedScalarFieldContainer[str]
    feature_service: str
    def __init__(self, feature_groups: _Optional[_Iterable[str]] = ..., feature_service: _Optional[str] = ...) -> None: ...

class GetContractResponse(_message.Message):
    __slots__ = ("feature_groups", "feature_services")
    FEATURE_GROUPS_FIELD_NUMBER: _ClassVar[int]
    FEATURE_SERVICES_FIELD_NUMBER: _ClassVar[int]
    feature_groups: _containers.RepeatedCompositeFieldContainer[FeatureGroupContract]
    feature_services: _containers.RepeatedCompositeFieldContainer[FeatureServiceContract]
    def __init__(self, feature_groups: _Optional[_Iterable[_Union[FeatureGroupContract, _Mapping]]] = ..., feature_services: _Optional[_Iterable[_Union[FeatureServiceContract, _Mapping]]] = ...) -> None: ...

class FeatureGroupContract(_message.Message):
    __slots__ = ("name", "version", "contract_id", "entity", "join_keys", "schemas", "ttl", "description", "owners", "online", "live", "status")
    NAME_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    CONTRACT_ID_FIELD_NUMBER: _ClassVar[int]
    ENTITY_FIELD_NUMBER: _ClassVar[int]
    JOIN_KEYS_FIELD_NUMBER: _ClassVar[int]
    SCHEMAS_FIELD_NUMBER: _ClassVar[int]
    TTL_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    OWNERS_FIELD_NUMBER: _ClassVar[int]
    ONLINE_FIELD_NUMBER: _ClassVar[int]
    LIVE_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    name: str
    version: int
    contract_id: str
    entity: str
    join_keys: _containers.RepeatedCompositeFieldContainer[JoinKey]
    schemas: _containers.RepeatedCompositeFieldContainer[RowSchema]
    ttl: _duration_pb2.Duration
    description: str
    owners: _containers.RepeatedScalarFieldContainer[str]
    online: str
    live: bool
    status: str
    def __init__(self, name: _Optional[str] = ..., version: _Optional[int] = ..., contract_id: _Optional[str] = ..., entity: _Optional[str] = ..., join_keys: _Optional[_Iterable[_Union[JoinKey, _Mapping]]] = ..., schemas: _Optional[_Iterable[_Union[RowSchema, _Mapping]]] = ..., ttl: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., description: _Optional[str] = ..., owners: _Optional[_Iterable[str]] = ..., online: _Optional[str] = ..., live: _Optional[bool] = ..., status: _Optional[str] = ...) -> None: ...

class JoinKey(_message.Message):
    __slots__ = ("name", "data_type")
    NAME_FIELD_NUMBER: _ClassVar[int]
    DATA_TYPE_FIELD_NUMBER: _ClassVar[int]
    name: str
    data_type: DataType
    def __init__(self, name: _Optional[str] = ..., data_type: _Optional[_Union[DataType, str]] = ...) -> None: ...

class RowSchema(_message.Message):
    __slots__ = ("features",)
    FEATURES_FIELD_NUMBER: _ClassVar[int]
    features: _containers.RepeatedCompositeFieldContainer[Feature]
    def __init__(self, features: _Optional[_Iterable[_Union[Feature, _Mapping]]] = ...) -> None: ...

class Feature(_message.Message):
    __slots__ = ("name", "data_type", "nullable", "description")
    NAME_FIELD_NUMBER: _ClassVar[int]
    DATA_TYPE_FIELD_NUMBER: _ClassVar[int]
    NULLABLE_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    name: str
    data_type: DataType
    nullable: bool
    description: str
    def __init__(self, name: _Optional[str] = ..., data_type: _Optional[_Union[DataType, str]] = ..., nullable: _Optional[bool] = ..., description: _Optional[str] = ...) -> None: ...

class FeatureServiceContract(_message.Message):
    __slots__ = ("name", "version", "features", "owners", "description", "service_id")
    NAME_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    FEATURES_FIELD_NUMBER: _ClassVar[int]
    OWNERS_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    SERVICE_ID_FIELD_NUMBER: _ClassVar[int]
    name: str
    version: int
    features: _containers.RepeatedScalarFieldContainer[str]
    owners: _containers.RepeatedScalarFieldContainer[str]
    description: str
    service_id: str
    def __init__(self, name: _Optional[str] = ..., version: _Optional[int] = ..., features: _Optional[_Iterable[str]] = ..., owners: _Optional[_Iterable[str]] = ..., description: _Optional[str] = ..., service_id: _Optional[str] = ...) -> None: ...

class ListFeatureGroupsRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListFeatureGroupsResponse(_message.Message):
    __slots__ = ("feature_groups",)
    FEATURE_GROUPS_FIELD_NUMBER: _ClassVar[int]
    feature_groups: _containers.RepeatedCompositeFieldContainer[FeatureGroupSummary]
    def __init__(self, feature_groups: _Optional[_Iterable[_Union[FeatureGroupSummary, _Mapping]]] = ...) -> None: ...

class FeatureGroupSummary(_message.Message):
    __slots__ = ("name", "version", "live", "entity", "feature_count", "description", "owners")
    NAME_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    LIVE_FIELD_NUMBER: _ClassVar[int]
    ENTITY_FIELD_NUMBER: _ClassVar[int]
    FEATURE_COUNT_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    OWNERS_FIELD_NUMBER: _ClassVar[int]
    name: str
    version: int
    live: bool
    entity: str
    feature_count: int
    description: str
    owners: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, name: _Optional[str] = ..., version: _Optional[int] = ..., live: _Optional[bool] = ..., entity: _Optional[str] = ..., feature_count: _Optional[int] = ..., description: _Optional[str] = ..., owners: _Optional[_Iterable[str]] = ...) -> None: ...
