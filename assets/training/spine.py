"""What a training set's function returns, found by running it on empty frames."""

from datetime import datetime

import polars as pl

from ...contract.errors import DefinitionError
from ...resources.offline.dtypes import polars_dtype, refusal_by_delta
from ...resources.offline.table_spec import EVENT_TIMESTAMP
from ..column_names import check_column_name, check_distinct
from ..declarations import AnyInput, Columns, Input
from ..model_inputs import FeatureService
from ..schemas import EVENT_TIMESTAMP_TYPE
from ..transforms import Transform, computed


def spine_columns(
    subject: str,
    function: Transform,
    inputs: tuple[AnyInput, ...],
    *,
    service: FeatureService,
    end: datetime,
) -> Columns:
    """The columns of the spine that a function returns.

    Raises:
        DefinitionError: The function fails on frames of its inputs' schemas, or its spine lacks the
            event timestamp or a join key of the service.
    """
    frames = {each.name: pl.LazyFrame(schema=dict(_columns(each))) for each in inputs}
    try:
        spine = computed(function, end, frames).collect_schema()
    except pl.exceptions.PolarsError as error:
        raise DefinitionError(
            subject=subject,
            field="function",
            problem=f"it fails on empty frames of its sources' schemas ({error})",
            remedy="Use columns that the sources declare",
        ) from error
    _check_columns(subject, spine)
    _check_keys(subject, spine, service)
    return tuple(spine.items())


def _columns(each: AnyInput) -> Columns:
    return each.upstream.table.columns if isinstance(each, Input) else each.columns


def _check_columns(subject: str, spine: pl.Schema) -> None:
    check_distinct(subject, "spine", spine)
    for name, dtype in spine.items():
        check_column_name(subject, f"spine column {name!r}", name)
        refusal = refusal_by_delta(dtype)
        if refusal is not None:
            raise DefinitionError(
                subject=subject,
                field=f"spine column {name!r}",
                problem="no Delta table holds it",
                remedy=refusal,
            )
    if spine.get(EVENT_TIMESTAMP) != EVENT_TIMESTAMP_TYPE:
        raise DefinitionError(
            subject=subject,
            field=f"spine column {EVENT_TIMESTAMP!r}",
            problem="it has to be UTC in microseconds, and is "
            f"{spine.get(EVENT_TIMESTAMP, 'missing')}",
            remedy='Return it as pl.lit(end - timedelta(days=N), dtype=pl.Datetime("us", "UTC"))',
        )


def _check_keys(subject: str, spine: pl.Schema, service: FeatureService) -> None:
    for feature in service.features:
        for key in feature.group.spec.entity.join_keys:
            if spine.get(key.name) != polars_dtype(key.dtype):
                raise DefinitionError(
                    subject=subject,
                    field=f"spine column {key.name!r}",
                    problem=f"{feature.reference} needs this join key as {key.dtype.name}; "
                    f"it is {spine.get(key.name, 'missing')}",
                    remedy="Return it from the function, or leave the feature out of the service",
                )
