"""Rows that are cut say of their features what whole rows say."""

from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.contract.feature_group import DType, FeatureSpec
from headrace.contract.row_projection import RowProjection
from headrace.contract.rows import FIXED, Row, RowCodec
from headrace.tests.contract.strategies import VALUES

TABLE_VERSIONS = st.sampled_from([0, 1, 127, 128, 16_384, 2**63 - 1])
Schemas = list[tuple[FeatureSpec, ...]]


@st.composite
def stored(draw: st.DrawFn) -> tuple[Schemas, list[bytes | None], list[bytes | None], list[str]]:
    """The schemas of a group, some of its rows, the same cut, and what was kept of them.

    What is cut is made of the values themselves: of `Row`s of a schema of the kept features.
    """
    dtypes = st.sampled_from(sorted(FIXED if draw(st.booleans()) else DType))
    every = [
        FeatureSpec(f"f{place}", dtype, nullable=True)
        for place, dtype in enumerate(draw(st.lists(dtypes, min_size=2, max_size=12)))
    ]
    sizes = sorted(draw(st.sets(st.integers(1, len(every)), max_size=2)) | {len(every)})
    schemas = [tuple(every[:size]) for size in sizes]
    random = draw(st.randoms())
    names = random.sample([each.name for each in every], random.randint(1, len(every)))
    kept = [each for each in every if each.name in names]
    rows: list[bytes | None] = []
    cut: list[bytes | None] = []
    for _ in range(draw(st.integers(0, 8))):
        schema_id = draw(st.integers(0, len(schemas) - 1))
        has_nulls = draw(st.booleans())
        values = {
            each.name: draw(st.none() | VALUES[each.dtype] if has_nulls else VALUES[each.dtype])
            for each in schemas[schema_id]
        }
        head = draw(st.integers(-(2**63), 2**63 - 1)), 7, draw(TABLE_VERSIONS)
        whole = RowCodec(schemas[schema_id], schema_id).encode(Row(*head, tuple(values.values())))
        part = RowCodec(kept, 0).encode(Row(*head, tuple(values.get(each.name) for each in kept)))
        for row, expected in [(whole, part)] * draw(st.integers(1, 2)) + [(None, None)]:
            rows.append(row)
            cut.append(expected)
    return schemas, rows, cut, names


@given(stored())
@settings(max_examples=300)
def test_a_cut_row_is_the_row_that_has_these_features_alone(
    case: tuple[Schemas, list[bytes | None], list[bytes | None], list[str]],
) -> None:
    schemas, rows, expected, names = case
    projection = RowProjection(schemas, names)

    assert projection.cut(rows) == expected
    assert [projection.cut([row])[0] for row in rows] == expected


def test_what_cannot_be_read_costs_no_other_row() -> None:
    features = tuple(FeatureSpec(f"f{place}", DType.FLOAT64, nullable=True) for place in range(3))
    projection = RowProjection([features], {"f1"})
    row = RowCodec(features, 0).encode(Row(5, 1, 60, (1.0, 2.0, 3.0)))
    foreign = RowCodec(features, 9).encode(Row(5, 1, 60, (1.0, 2.0, 3.0)))
    part = RowCodec(projection.features, 0).encode(Row(5, 1, 60, (2.0,)))

    cut = projection.cut([row, row[:-1], None, foreign, b"", row])

    assert cut == [part, b"", None, foreign, b"", part]


def test_rows_of_one_width_are_cut_without_being_decoded() -> None:
    """Else a projection would cost its server what a decoder costs."""
    features = tuple(FeatureSpec(f"f{place}", DType.FLOAT64, nullable=True) for place in range(50))
    codec, projection = RowCodec(features, 0), RowProjection([features], {"f1", "f9"})
    rows = [
        codec.encode(Row(5, 1, 60, tuple(None if (at + line) % 3 else 0.5 for at in range(50))))
        for line in range(100)
    ]
    part = RowCodec(projection.features, 0)

    def refuse(row: Row) -> bytes:
        raise AssertionError(row)

    expected = []
    for row in rows:
        whole = codec.decode(row)
        expected.append(part.encode(Row(5, 1, 60, (whole.values[1], whole.values[9]))))
    projection._codec.encode = refuse  # type: ignore[method-assign]  # noqa: SLF001  # what is not to be called

    assert projection.cut(list(rows)) == expected
