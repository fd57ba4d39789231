"""What a command says and how it ends when it cannot do what it is asked."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import NoReturn

import dagster as dg
import pytest

from headrace.cli.application import run
from headrace.cli.exit_status import exit_status, missing_extra
from headrace.cli.home import home_lock
from headrace.contract import errors
from headrace.tests.e2e.homes import ShopHome, shop_home


@pytest.fixture
def shop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> ShopHome:
    return shop_home(tmp_path, monkeypatch, capsys)


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (["describe", "customer_spent"], 2, "did you mean 'customer_spend'"),
        (["describe", "orders"], 2, "'orders'; it is a source; these take it: headrace mater"),
        (["describe", "customer_spend@2"], 2, "there is no feature group 'customer_spend@2'"),
        (["describe", "Customer Spend"], 2, "is no feature reference"),
        (
            ["materialize", "customer_spend", "--partitions", "2023-12-31..2024-01-02"],
            2,
            "has no partition '2023-12-31'; they run from 2024-01-01 to 2024-01-03",
        ),
        (
            ["publish", "customer_spend", "--partitions", "2024-01-01...2024-01-02"],
            2,
            "--partitions: in '2024-01-01...2024-01-02', '.2024-01-02' is no partition; write",
        ),
        (
            ["publish", "customer_spend", "--partitions", "2024-01-01.."],
            2,
            "--partitions: in '2024-01-01..', '' is no partition; write YYYY-MM-DD, such as",
        ),
        (
            ["preview", "customer_spend", "--partition", "2024-1-1"],
            2,
            "--partition: '2024-1-1' is no partition; write YYYY-MM-DD, such as 2024-01-01\n",
        ),
        (["preview", "customer_spend", "--partition", "2024-01-04"], 2, "to 2024-01-03"),
        (["preview", "customer_spend", "--partition", "2024-01-01..2024-01-02"], 2, "name one"),
        (
            ["publish", "customer_spend", "--partitions", "2024-01-02..2024-01-01"],
            2,
            "--partitions: 2024-01-02..2024-01-01 ends before it begins",
        ),
        (["preview", "customer_spend", "--partition", "2024-01-02"], 1, "sources/orders"),
        (["materialize", "order", "--partitions", "2024-01-01"], 2, "did you mean 'orders'"),
        (["materialize", "orders"], 2, "--partitions: it is needed, since 'orders' has partitions"),
        (
            ["approve", "customer_spend", "--reason", "r"],
            2,
            "is needed; name one, such as 2018-01-01, or give --partitions A..B, and not both",
        ),
        (["quarantine", "customer_spend", "--partition", "x"], 2, "write YYYY-MM-DD"),
        (["quarantine", "orders", "--partition", "2024-01-04"], 2, "to 2024-01-03"),
        (["lookup", "customer_spend"], 2, "it names no entity"),
        (["lookup", "customer_id=1"], 2, "it names no features"),
        (["serve", "--bind", "50051"], 2, "--bind: '50051' is no HOST:PORT"),
        (["rebuild", "--redis", "nonsense"], 2, "'nonsense' cannot be used; write redis://"),
        (["rebuild", "--redis", "nonsense"], 2, " or redis+cluster://HOST:PORT\n"),
        (["verify", "customer_spent"], 2, "did you mean 'customer_spend'"),
    ],
)
def test_a_command_that_cannot_be_answered_says_why_in_one_line(
    shop: ShopHome, arguments: list[str], status: int, said: str
) -> None:
    answer = shop.headrace(*arguments)

    assert (answer.status, answer.out) == (status, "")
    assert answer.err.startswith("headrace: ")
    assert answer.err.count("\n") == 1
    assert said in answer.err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--features", "customer_spend", "--service", "shop_model"], "either --features or"),
        ([], "either --features or"),
        (["--service", "shop_modell"], "did you mean 'shop_model'"),
        (["--features", "customer_spend"], "spine: "),
        (["--features", "customer_spend", "--known-at", "yesterday"], "--known-at: 'yesterday'"),
    ],
)
def test_training_set_says_which_of_its_options_is_wrong(
    shop: ShopHome, arguments: list[str], said: str
) -> None:
    files = ("--spine", str(shop.folder / "none.parquet"), "--out", str(shop.folder / "out"))

    answer = shop.headrace("training-set", *files, *arguments)

    assert answer.status == 2
    assert said in answer.err


@pytest.mark.server
def test_a_wrong_key_type_is_named_with_its_join_key(shop: ShopHome) -> None:
    shop.headrace("materialize", "customer_spend", "--partitions", "2024-01-01")

    wrong = shop.headrace("lookup", "customer_spend", "customer_id=one")
    missing = shop.headrace("lookup", "customer_spend", "customer=1")
    unknown = shop.headrace("lookup", "customer_spent", "customer_id=1")
    service = shop.headrace("lookup", "shop_model", "customer_spend", "customer_id=1")

    assert wrong.err == (
        "headrace: entity 'customer', join key 'customer_id': expected INT64, got 'one' (str)\n"
    )
    assert "'customer' is no join key" in missing.err
    assert "did you mean 'customer_spend'? (and there is no feature service" in unknown.err
    assert "'shop_model'; it is a feature service; ask for it alone" in service.err
    assert {wrong.status, missing.status, unknown.status, service.status} == {2}


def test_an_unreachable_store_is_named_without_its_password(shop: ShopHome) -> None:
    shop.monkeypatch.setenv("HEADRACE_REDIS", "redis://:secret@127.0.0.1:1/0")

    answers = [shop.headrace("verify"), shop.headrace("status")]

    assert [answer.status for answer in answers] == [3, 3]
    assert "redis://127.0.0.1:1" in answers[0].err
    assert "redis://127.0.0.1:1" in answers[1].out
    assert not any("secret" in answer.err + answer.out for answer in answers)


def test_a_proof_of_nothing_says_so(shop: ShopHome) -> None:
    answer = shop.headrace("verify")

    assert answer.status == 0
    assert f"nothing is committed in {shop.environment.offline}: nothing was" in answer.err


def test_an_unreachable_server_is_named(shop: ShopHome) -> None:
    answer = shop.headrace("lookup", "g:f", "k=1", "--server", "127.0.0.1:1")
    nonsense = shop.headrace("lookup", "g:f", "k=1", "--server", "nonsense")

    assert (answer.status, answer.out) == (3, "")
    assert "the feature server at 127.0.0.1:1 did not answer (UNAVAILABLE)" in answer.err
    assert answer.err.endswith("; start one with `headrace serve`, or leave --server out\n")
    assert nonsense.status == 2
    assert "--server: 'nonsense' is no HOST:PORT" in nonsense.err


def test_a_home_from_which_nothing_was_published_is_named_where_nothing_answers_either(
    shop: ShopHome,
) -> None:
    shop.monkeypatch.setattr("headrace.cli.reach.BIND", "127.0.0.1:1")

    answer = shop.headrace("lookup", "g:f", "k=1")

    assert (answer.status, answer.out) == (2, "")
    assert f"HEADRACE_HOME: nothing was published from {shop.environment.home}" in answer.err


def test_an_interrupted_computation_says_how_it_goes_on_and_leaves_no_run_that_waits(
    shop: ShopHome,
) -> None:
    def interrupted(
        job: dg.JobDefinition, *, instance: dg.DagsterInstance, run_id: str, **_: object
    ) -> NoReturn:
        instance.create_run_for_job(job, run_id=run_id)
        raise KeyboardInterrupt

    shop.monkeypatch.setattr(dg.JobDefinition, "execute_in_process", interrupted)

    answer = shop.headrace("materialize", "orders", "--partitions", "2024-01-01")

    assert answer.status == 130
    assert "interrupted; the same command again goes on" in answer.err
    with dg.DagsterInstance.from_config(str(shop.folder / "home" / "dagster")) as instance:
        assert [run.status.name for run in instance.get_runs()] == ["CANCELED"]


def test_an_interruption_is_heard_also_where_its_exception_is_lost(shop: ShopHome) -> None:
    """As in a callback of the garbage collection: what the handler raises there is forgotten."""

    def deaf(*_: object, **__: object) -> SimpleNamespace:
        before = signal.signal(signal.SIGINT, lambda *_: None)
        signal.raise_signal(signal.SIGINT)
        signal.signal(signal.SIGINT, before)
        return SimpleNamespace(all_events=[], success=True)

    shop.monkeypatch.setattr(dg.JobDefinition, "execute_in_process", deaf)

    assert shop.headrace("materialize", "orders", "--partitions", "2024-01-01").status == 130


@pytest.mark.parametrize("command", ["up", "demo", "serve"])
def test_a_taken_port_is_named_before_anything_starts(shop: ShopHome, command: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = f"127.0.0.1:{listener.getsockname()[1]}"

        answer = shop.headrace(command, "--bind", address)

    assert answer.status == 4
    assert f"{address} is in use, wanted for the feature server; choose another" in answer.err
    assert not (shop.environment.home / "valkey").exists()


@pytest.mark.parametrize("command", ["up", "demo"])
def test_a_second_up_on_a_home_is_refused(shop: ShopHome, command: str) -> None:
    with home_lock(shop.environment.home):
        answer = shop.headrace(command)

    assert answer.status == 4
    assert f"another `headrace up` (process {os.getpid()}) runs on" in answer.err


def test_another_clock_than_the_recorded_one_is_refused(shop: ShopHome) -> None:
    shop.headrace("groups")
    shop.monkeypatch.setenv("HEADRACE_CLOCK", "2024-01-05T00:00:00Z")

    answer = shop.headrace("groups")

    assert answer.status == 4
    assert "runs at 2024-01-04T00:00:00+00:00" in answer.err


def test_a_wrong_declaration_is_named(shop: ShopHome) -> None:
    shop.monkeypatch.setenv("HEADRACE_PACKAGES", "no_such_package")

    answer = shop.headrace("groups")

    assert answer.status == 5
    assert "package 'no_such_package', HEADRACE_PACKAGES: it cannot be imported" in answer.err


def test_a_missing_extra_is_named() -> None:
    """In an environment without polars, every command that needs it says how to get it."""
    program = (
        "import sys; sys.modules['polars'] = None;"
        "from headrace.cli.application import run; sys.exit(run(['groups']))"
    )

    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )

    assert ended.returncode == 2
    assert ended.stderr == (
        "headrace: this command needs polars: pip install 'headrace[pipeline]'\n"
    )


def test_a_module_of_nobodys_is_a_defect() -> None:
    assert missing_extra(ModuleNotFoundError(name="headrace.cli.typo")) is None


def test_every_error_has_an_exit_status_of_its_kind() -> None:
    partition = errors.PartitionOutOfRangeError(subject="g", partition="p", first="a", last="b")
    expected = [
        (errors.InvalidFeatureReferenceError(reference="!"), 2),
        (partition, 2),
        (errors.ColumnMismatchError(table="t", differences=[]), 1),
        (errors.StoreUnavailableError(store="s", reason="r"), 3),
        (errors.ServerError(server="s", code="UNAVAILABLE", reason="r"), 3),
        (errors.HomeInUseError(home="h", pid=1), 4),
        (errors.DefinitionError(subject="g", field="f", problem="p", remedy="r"), 5),
    ]

    assert [(error, exit_status(error)) for error, _ in expected] == expected


def test_an_unknown_command_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["materialise"]) == 2
    assert "materialize" in capsys.readouterr().err


@pytest.mark.parametrize("command", [["status"], ["materialize", "orders"], ["up"]])
def test_a_home_that_is_no_folder_is_named(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    command: list[str],
) -> None:
    file = tmp_path / "file"
    file.touch()
    monkeypatch.setenv("HEADRACE_HOME", str(file / "home" if command == ["up"] else file))

    assert run(command) == 4
    assert capsys.readouterr().err.startswith(f"headrace: HEADRACE_HOME {file}")
