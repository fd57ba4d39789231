"""The OpenAPI document is true: the server is asked what it allows, and answers as it says."""

import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from headrace.contract.feature_group import DType, EntitySpec, JoinKey
from headrace.serving.rest.openapi import openapi_document
from headrace.tests.serving.publishing import Publisher, group
from headrace.tests.serving.rest.asking import LOOKUP, ask, rest_served, rest_settings

pytestmark = pytest.mark.server

DAY = EntitySpec("day", (JoinKey("day", DType.DATE), JoinKey("household_id", DType.INT64)))
NULL = {"const": None}


@pytest.fixture
def published(valkey_url: str, publisher: Publisher) -> Iterator[str]:
    """The address of a REST server that has something to say."""
    publisher.publish(group(), {(1,): (12.5, 3), (2,): (None, 2**60)})
    publisher.publish(
        group("by_day", features={"x": DType.BYTES}, entity=DAY), {(date(2018, 1, 2), 1): (b"a",)}
    )
    publisher.register_service("coupons", ["household_spend"])
    with rest_served(rest_settings(valkey_url)) as address:
        yield address


def test_the_document_is_open_api_and_its_example_is_what_it_describes(published: str) -> None:
    document = ask(published, "/openapi.json").json
    lookup = document["paths"][LOOKUP]["post"]["requestBody"]["content"]["application/json"]

    assert document == openapi_document()
    assert document["openapi"] == "3.1.0"
    assert valid("Lookup", lookup["example"])
    assert ask(published, LOOKUP, lookup["example"]).status == 200


LOOKUPS = st.fixed_dictionaries(
    {
        "entities": st.fixed_dictionaries(
            {"household_id": st.lists(st.integers(-(2**63), 2**63 - 1))}
        )
    },
    optional={
        "max_age_seconds": st.one_of(st.none(), st.integers(0, 10**11), st.floats(0, 1e11)),
        "stale": st.sampled_from(["null", "keep", None]),
    },
)
ASKED = st.sampled_from(
    [
        {"features": ["household_spend"]},
        {"features": ["household_spend@1:baskets_7d", "household_spend:spend_30d"]},
        {"feature_service": "coupons"},
        {"feature_service": "coupons", "features": None},
    ]
)


def test_what_names_what_exists_is_answered_as_described(published: str) -> None:
    @settings(max_examples=50, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.builds(lambda asked, lookup: {**asked, **lookup}, ASKED, LOOKUPS))
    def answered(body: dict[str, object]) -> None:
        reply = ask(published, LOOKUP, body)

        assert valid("Lookup", body)
        assert reply.status == 200
        assert valid("OnlineFeatures", reply.json)

    answered()


def test_a_short_fuzz_finds_no_failure(published: str, tmp_path: Path) -> None:
    fuzzed(published, tmp_path, narrowed(), "--phases=fuzzing", "--max-examples=15")


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_a_long_fuzz_finds_no_failure(published: str, tmp_path: Path) -> None:
    """Also not with names that do not exist: the schema cannot know which do."""
    arguments = ("--phases=coverage,fuzzing", "--max-examples=300")

    fuzzed(published, tmp_path, narrowed(), *arguments)
    fuzzed(
        published,
        tmp_path,
        openapi_document(),
        *arguments,
        "--exclude-checks=positive_data_acceptance",
    )


def narrowed() -> dict[str, Any]:
    """The document for what is published: whatever it allows has to be answered with 200."""
    document = openapi_document()
    name = document["paths"]["/v1/feature-groups/{name}"]["get"]["parameters"][0]
    name["schema"] = {"enum": ["household_spend", "by_day@1"]}
    lookup = document["components"]["schemas"]["Lookup"]
    features = {
        "type": "array",
        "items": {"enum": ["household_spend:spend_30d", "household_spend@1:baskets_7d"]},
        "uniqueItems": True,
        "minItems": 1,
    }
    identifier = {"type": "string", "pattern": "^-?[0-9]{1,18}$"}
    number = {"type": "integer", "minimum": -(2**63), "maximum": 2**63 - 1}
    column = {"type": "array", "items": {"anyOf": [number, identifier]}}
    lookup["properties"] |= {
        "features": {"anyOf": [features, {"type": "null"}]},
        "feature_service": {"enum": ["coupons", None]},
        "entities": {
            "type": "object",
            "properties": {"household_id": column},
            "required": ["household_id"],
            "additionalProperties": False,
        },
    }
    lookup["oneOf"] = [
        {"required": ["features"], "properties": {"features": features, "feature_service": NULL}},
        {
            "required": ["feature_service"],
            "properties": {"features": NULL, "feature_service": {"const": "coupons"}},
        },
    ]
    return document


def fuzzed(address: str, folder: Path, document: dict[str, Any], *arguments: str) -> None:
    """Let schemathesis ask what a document allows, and what it does not; without a finding."""
    (folder / "openapi.json").write_text(json.dumps(document))
    ended = subprocess.run(
        [
            *(Path(sys.executable).with_name("schemathesis"), "run", folder / "openapi.json"),
            *("--url", f"http://{address}", "--seed=17", "--no-color", *arguments),
        ],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )

    assert ended.returncode == 0, ended.stdout


def valid(name: str, value: object) -> bool:
    """Whether a value is of a schema of the document."""
    document = openapi_document()
    schema = {"$ref": f"#/components/schemas/{name}", "components": document["components"]}
    return jsonschema_rs.validator_for(schema).is_valid(value)
