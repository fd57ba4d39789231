import pytest

from headrace.contract.errors import InvalidFeatureReferenceError
from headrace.contract.feature_group import FeatureReference
from headrace.contract.references import parse_reference


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("spend", FeatureReference("spend", None, None)),
        ("spend:spend_30d", FeatureReference("spend", None, "spend_30d")),
        ("spend@2", FeatureReference("spend", 2, None)),
        ("spend@12:f", FeatureReference("spend", 12, "f")),
    ],
)
def test_a_reference_is_taken_apart_and_written_again(
    text: str, expected: FeatureReference
) -> None:
    assert parse_reference(text) == expected
    assert str(expected) == text


@pytest.mark.parametrize(
    "text", ["", ":f", "spend:", "spend@0:f", "spend@x", "a:b:c", "Spend", "a b"]
)
def test_anything_else_is_refused_with_the_form(text: str) -> None:
    with pytest.raises(InvalidFeatureReferenceError, match="write group:feature"):
        parse_reference(text)
