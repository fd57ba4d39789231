"""What is found, and what is refused, in the packages that may declare something."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from textwrap import dedent

import pytest

from headrace.assets.discovery import discover
from headrace.contract.errors import DefinitionError, UnknownNameError

GROUP = '''
    """A team's own feature group."""

    from datetime import timedelta

    import pandera.polars as pa
    import polars as pl

    from headrace.assets.authoring import feature_group, same_partition
    from headrace.assets.entities import HOUSEHOLD
    from headrace.assets.feature_groups.household_spend import household_spend


    class Schema(pa.DataFrameModel):
        household_id: int
        is_big: bool


    @feature_group(
        entity=HOUSEHOLD,
        schema=Schema,
        sources=[same_partition(household_spend)],
        ttl=timedelta(days=1),
        owners=["team:{team}"],
        version={version},
    )
    def big_spenders(household_spend: pl.LazyFrame) -> pl.LazyFrame:
        return household_spend.select("household_id", is_big=pl.col("spend_30d") > 500)
'''

Write = Callable[..., None]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Write]:
    """Write a module of a team's package, `acme_features`; it is importable and forgotten again."""
    monkeypatch.syspath_prepend(tmp_path)

    def write_module(path: str, text: str, **words: object) -> None:
        file = tmp_path / "acme_features" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        for folder in (file.parent, tmp_path / "acme_features"):
            (folder / "__init__.py").touch()
        for word, value in words.items():
            text = text.replace(f"{{{word}}}", str(value))
        file.write_text(dedent(text))

    yield write_module
    for name in [name for name in sys.modules if name.partition(".")[0] == "acme_features"]:
        del sys.modules[name]


def test_the_demonstration_is_found() -> None:
    found = discover()

    assert sorted(found.sources) == ["redemptions", "transactions"]
    assert sorted(found.dimensions) == ["demographics", "products"]
    assert sorted(found.groups) == [
        ("household_affinity", 1),
        ("household_last_basket", 1),
        ("household_spend", 1),
        ("household_store", 1),
        ("product_popularity", 1),
    ]
    assert sorted(found.services) == ["coupon_redemption"]
    assert sorted(found.training_sets) == ["coupon_redemption"]


def test_a_file_in_a_teams_package_is_a_feature_group(write: Write) -> None:
    write("deep/big_spenders.py", GROUP, team="acme", version=1)

    found = discover(["acme_features"])

    assert found.groups["big_spenders", 1].spec.owners == ("team:acme",)
    assert ("household_spend", 1) in found.groups


def test_a_group_is_listed_after_what_it_is_computed_from(write: Write) -> None:
    write("a_first.py", GROUP, team="acme", version=1)

    names = list(discover(["acme_features"]).groups)

    assert names.index(("household_spend", 1)) < names.index(("big_spenders", 1))


def test_a_module_may_be_named_instead_of_a_package(write: Write) -> None:
    write("one.py", GROUP, team="acme", version=1)
    write("two.py", "raise RuntimeError")

    assert ("big_spenders", 1) in discover(["acme_features.one"]).groups


def test_what_is_imported_into_several_modules_is_found_once(write: Write) -> None:
    write("one.py", GROUP, team="acme", version=1)
    write("two.py", "from .one import big_spenders")

    assert ("big_spenders", 1) in discover(["acme_features"]).groups


def test_an_upstream_that_no_walked_module_names_is_found(write: Write) -> None:
    write("library/one.py", GROUP, team="acme", version=1)
    write(
        "features/two.py",
        GROUP.replace(
            "from headrace.assets.feature_groups.household_spend", "from acme_features.library"
        )
        .replace("import household_spend", "import one")
        .replace("same_partition(household_spend)", "same_partition(one.big_spenders)")
        .replace("def big_spenders(household_spend", "def biggest(big_spenders")
        .replace("return household_spend", "return big_spenders"),
        team="acme",
        version=1,
    )

    found = discover(["acme_features.features"])

    assert {("big_spenders", 1), ("biggest", 1)} <= set(found.groups)


def test_two_versions_of_a_group_live_side_by_side(write: Write) -> None:
    write("one.py", GROUP, team="acme", version=1)
    write("two.py", GROUP, team="acme", version=2)

    found = discover(["acme_features"])

    assert found.group("big_spenders").version == 2
    assert found.group("big_spenders@1").version == 1


def test_the_same_version_twice_is_refused(write: Write) -> None:
    write("one.py", GROUP, team="acme", version=3)
    write("two.py", GROUP, team="other", version=3)

    with pytest.raises(DefinitionError) as caught:
        discover(["acme_features"])

    assert str(caught.value) == (
        "feature group 'big_spenders', name, version: acme_features.one and acme_features.two"
        " both declare its version 3. Rename one, or give it the next version"
    )


def test_two_services_of_one_name_are_refused(write: Write) -> None:
    service = """
        from headrace.assets.authoring import feature_service
        from headrace.assets.feature_groups.household_spend import household_spend

        mine = feature_service(
            "coupon_redemption", features=[household_spend], owners=["team:acme"]
        )
    """
    write("services.py", service)

    with pytest.raises(DefinitionError) as caught:
        discover(["acme_features"])

    assert str(caught.value) == (
        "feature service 'coupon_redemption', name: headrace.assets.services and"
        " acme_features.services both declare it. Rename one"
    )


def test_a_wrong_declaration_in_a_package_stops_discovery(write: Write) -> None:
    write("one.py", GROUP.replace("household_id: int\n", ""), team="acme", version=1)

    with pytest.raises(DefinitionError, match=r"schema Schema\.household_id"):
        discover(["acme_features"])


def test_programs_and_tests_of_a_package_are_not_imported(write: Write) -> None:
    write("__main__.py", "raise SystemExit")
    write("tests/test_features.py", "raise RuntimeError")
    write("conftest.py", "raise RuntimeError")
    write("one.py", GROUP, team="acme", version=1)

    assert ("big_spenders", 1) in discover(["acme_features"]).groups


def test_a_package_that_is_not_installed_is_named() -> None:
    with pytest.raises(DefinitionError) as caught:
        discover(["acme_fetures"])

    assert str(caught.value) == (
        "package 'acme_fetures', HEADRACE_PACKAGES: it cannot be imported."
        " Install it into this environment, or correct the name"
    )


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (
            "import not_installed_anywhere",
            "line 1: it cannot be imported: ModuleNotFoundError: No module named",
        ),
        (
            """
            from headrace.assets.entities import HOUSEHOLD

            ENTITY = HOUSHOLD
            """,
            "line 4: it cannot be imported: NameError: name 'HOUSHOLD' is not defined",
        ),
        (
            """
            from headrace.assets.authoring import feature_group

            @feature_group(
                entity=None
            )
            def nobodys(): ...
            """,
            "line 4: it cannot be imported: TypeError: feature_group() missing",
        ),
        ("\n\ndef broken(:", "line 3: it cannot be imported: SyntaxError: invalid syntax"),
    ],
    ids=["a missing package", "a misspelt name", "a missing argument", "no Python"],
)
def test_a_file_that_cannot_be_imported_is_named_with_the_line(
    write: Write, content: str, said: str
) -> None:
    write("one.py", content)

    with pytest.raises(DefinitionError) as caught:
        discover(["acme_features"])

    assert str(caught.value).startswith(f"module 'acme_features.one', {said}")


def test_an_unknown_group_is_answered_with_the_nearest() -> None:
    found = discover()

    with pytest.raises(UnknownNameError, match="did you mean 'household_spend'"):
        found.group("houshold_spend")
    with pytest.raises(UnknownNameError, match="did you mean 'household_spend@1'"):
        found.group("household_spend@2")


def test_of_two_versions_under_one_name_in_a_file_the_first_is_not_lost_silently(
    write: Write,
) -> None:
    text = dedent(GROUP)
    again = text[text.index("@feature_group") :].replace("{version}", "2")
    write("versions.py", text + "\n\n" + again, team="acme", version=1)

    with pytest.raises(DefinitionError, match=r"lines 27 and 39 define it.*file of its own"):
        discover(["acme_features"])


def test_two_versions_of_which_each_has_a_name_may_share_a_file(write: Write) -> None:
    text = dedent(GROUP)
    again = text[text.index("@feature_group") :].replace("{version}", "2")
    write("versions.py", f"{text}\n\nfirst = big_spenders\n\n\n{again}", team="acme", version=1)

    found = discover(["acme_features"]).groups

    assert {("big_spenders", 1), ("big_spenders", 2)} <= found.keys()
