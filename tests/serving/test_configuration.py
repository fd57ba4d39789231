"""Where settings come from, and how they are shown."""

import tomllib
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

import pytest

from headrace.contract.errors import InvalidArgumentError
from headrace.serving.configuration import Configuration, configure, options
from headrace.serving.flags import FLAGS
from headrace.serving.settings import (
    Limits,
    LogSettings,
    RateLimits,
    Settings,
    TlsSettings,
)


def configured(
    flags: Mapping[str, str] | None = None, file: Path | None = None, **variables: str
) -> Configuration:
    return configure(flags or {}, {"HEADRACE_HOME": "/tmp/nowhere", **variables}, file)  # noqa: S108  # nothing is written there


def written(folder: Path, text: str) -> Path:
    file = folder / "serve.toml"
    file.write_text(text)
    return file


def test_without_a_word_everything_is_a_default() -> None:
    configuration = configured()

    assert configuration.settings.limits == Limits()
    assert configuration.settings.bind == "127.0.0.1:50051"
    assert configuration.settings.tls is None
    assert configuration.settings.store.url == "unix:///tmp/nowhere/valkey/valkey.sock"
    assert {chosen.origin for chosen in configuration.chosen.values()} == {"default"}


def test_flags_go_before_variables_and_those_before_a_file(tmp_path: Path) -> None:
    file = written(
        tmp_path,
        'bind = "127.0.0.1:1"\ndrain = 1.5\n[rest]\nbind = "127.0.0.1:2"\ncalls = 3\n',
    )

    configuration = configured(
        {"bind": "127.0.0.1:9"},
        file,
        HEADRACE_SERVE_BIND="127.0.0.1:8",
        HEADRACE_SERVE_REST_BIND="127.0.0.1:7",
    )

    settings, chosen = configuration.settings, configuration.chosen
    assert (settings.bind, chosen["bind"].origin) == ("127.0.0.1:9", "--bind")
    assert settings.rest.bind == "127.0.0.1:7"
    assert chosen["rest.bind"].origin == "HEADRACE_SERVE_REST_BIND"
    assert (settings.rest.calls, chosen["rest.calls"].origin) == (3, str(file))
    assert settings.drain == timedelta(seconds=1.5)
    assert chosen["rest.values"].origin == "default"


def test_every_kind_of_value_is_read_from_text_and_from_a_file(tmp_path: Path) -> None:
    file = written(
        tmp_path,
        "[log]\naccess = true\n[limits]\ncalls = 5\nmessage_wait = 2\n[traces]\nratio = 0.5\n"
        '[rates]\ncallers = { ranking = 5000, "*" = 100.5 }\n'
        '[tls]\ncertificate = "a.pem"\nkey = "b.pem"\n',
    )

    from_file = configured({}, file).settings
    from_text = configured(
        HEADRACE_SERVE_LOG_ACCESS="true",
        HEADRACE_SERVE_LIMITS_CALLS="5",
        HEADRACE_SERVE_LIMITS_MESSAGE_WAIT="2",
        HEADRACE_SERVE_TRACES_RATIO="0.5",
        HEADRACE_SERVE_RATES_CALLERS="ranking=5000,*=100.5",
        HEADRACE_TLS_CERT="a.pem",
        HEADRACE_TLS_KEY="b.pem",
    ).settings

    for settings in (from_file, from_text):
        assert settings.log == LogSettings(access=True)
        assert settings.limits == Limits(calls=5, message_wait=timedelta(seconds=2))
        assert settings.traces.ratio == 0.5
        assert settings.rates == RateLimits(callers={"ranking": 5000, "*": 100.5})
        assert settings.tls == TlsSettings(Path("a.pem"), Path("b.pem"))


def test_what_is_printed_is_a_file_that_says_the_same(tmp_path: Path) -> None:
    first = configured(
        {"rest.bind": "127.0.0.1:0"},
        HEADRACE_SERVE_LOG_FORMAT="json",
        HEADRACE_SERVE_RATES_GROUPS="household_spend=10",
        HEADRACE_NAMESPACE="other",
        HEADRACE_REDIS="redis://localhost:6379/1",
    )

    file = written(tmp_path, first.printed())
    second = configured({}, file)

    assert comparable(second.settings) == comparable(first.settings)
    assert "--rest" in first.printed()
    assert "# HEADRACE_SERVE_LOG_FORMAT" in first.printed()
    assert {name for name, _ in flat(tomllib.loads(first.printed()))} == set(second.chosen)


def test_a_password_is_not_printed() -> None:
    printed = configured(HEADRACE_REDIS="redis://:secret@localhost:6379").printed()

    assert "secret" not in printed
    assert "redis://" in printed


def test_what_else_a_store_address_says_is_printed() -> None:
    url = "rediss+sentinel://reader:se%40cret@a:1,b/features/3?sentinel_username=w&sentinel_password=secret"

    printed = configured(HEADRACE_REDIS=url).printed()

    assert "rediss+sentinel://reader@a:1,b/features/3?sentinel_username=w" in printed
    assert "cret" not in printed


@pytest.mark.parametrize(
    "url", ["http://a", "localhost:6379", "redis://a:many", "redis+sentinel://a:1", "unix://"]
)
def test_a_store_address_that_is_none_is_refused_before_anything_starts(url: str) -> None:
    with pytest.raises(InvalidArgumentError, match=r"online store.s URL.*write redis"):
        configured(HEADRACE_REDIS=url)


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"HEADRACE_SERVE_REST_BND": "x"}, "did you mean HEADRACE_SERVE_REST_BIND"),
        ({"HEADRACE_SERVE_LIMITS_CALLS": "many"}, "'many' will not do; give a whole number"),
        ({"HEADRACE_SERVE_LIMITS_CALLS": "-1"}, "HEADRACE_SERVE_LIMITS_CALLS: '-1' will not do"),
        ({"HEADRACE_SERVE_DRAIN": "nan"}, "give a number of seconds"),
        ({"HEADRACE_SERVE_DRAIN": "1e300"}, "give a number of seconds"),
        ({"HEADRACE_SERVE_LOG_FORMAT": "xml"}, "give one of text, json"),
        ({"HEADRACE_SERVE_LOG_ACCESS": "perhaps"}, "give true or false"),
        ({"HEADRACE_SERVE_RATES_CALLERS": "a=0"}, "give rates above zero"),
        ({"HEADRACE_SERVE_RATES_CALLERS": "a=many"}, "give rates above zero, such as ranking="),
        ({"HEADRACE_TLS_KEY": "b.pem"}, "tls.key: it is given without tls.certificate"),
        ({"HEADRACE_NAMESPACE": "no identifier"}, "HEADRACE_NAMESPACE"),
    ],
)
def test_a_wrong_variable_is_named(variables: dict[str, str], said: str) -> None:
    with pytest.raises(InvalidArgumentError) as caught:
        configured({}, None, **variables)

    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[rest]\nbnd = 1\n", "rest.bnd: there is no such setting; did you mean rest.bind?"),
        ("[rest]\nbind = 1\n", "rest.bind: 1 will not do; give a text"),
        ("rest = 1\n", "rest: there is no such setting"),
        ("[limits]\ncalls = true\n", "limits.calls: True will not do"),
        ("shares_port = true\n", "shares_port: there is no such setting"),
        ("bind\n", "cannot be read"),
    ],
)
def test_a_wrong_line_of_a_file_is_named(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(InvalidArgumentError) as caught:
        configured({}, written(tmp_path, text))

    assert said in str(caught.value)
    assert "serve.toml" in str(caught.value)


def test_a_file_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InvalidArgumentError, match=r"cannot be read \(No such file"):
        configured({}, tmp_path / "nothing.toml")


def test_every_flag_is_of_a_setting_and_no_two_settings_share_a_variable() -> None:
    known = list(options())

    assert {option.name for option in known} >= FLAGS.keys()
    assert len({option.variable for option in known}) == len(known)


def comparable(settings: Settings) -> dict[str, object]:
    """All fields but the clock, which is a function."""
    return {
        name: getattr(settings, name) for name in Settings.__dataclass_fields__ if name != "clock"
    }


def flat(table: Mapping[str, object], prefix: str = "") -> list[tuple[str, object]]:
    found: list[tuple[str, object]] = []
    for name, value in table.items():
        if isinstance(value, dict) and not prefix:
            found += flat(value, f"{name}.")
        else:
            found.append((f"{prefix}{name}", value))
    return found


@pytest.mark.parametrize(
    "name",
    [
        *("workers", "refresh_every", "limits.calls", "limits.message_wait", "rest.calls"),
        *("rest.timeout", "store.flights", "store.keys_at_once", "store.timeout"),
    ],
)
def test_settings_under_which_nothing_would_be_served_are_refused(name: str) -> None:
    variable = f"HEADRACE_SERVE_{name.replace('.', '_').upper()}"

    with pytest.raises(InvalidArgumentError, match=f"^{name}: it is not above zero"):
        configured({}, None, **{variable: "0"})
