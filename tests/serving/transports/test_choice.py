import sys
from types import ModuleType

import pytest

from headrace.contract.errors import InvalidArgumentError
from headrace.serving.transports import lean_self_test
from headrace.serving.transports.choice import chosen_transport


@pytest.fixture
def without_a_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """A grpcio whose private module has another name for one thing."""
    changed = ModuleType("cygrpc")
    vars(changed).update(vars(sys.modules["grpc._cython.cygrpc"]))
    del changed.SendMessageOperation
    monkeypatch.setitem(sys.modules, "grpc._cython.cygrpc", changed)


def test_the_lean_transport_works_with_the_grpcio_of_the_lock() -> None:
    assert lean_self_test.reason_against_lean() == ""
    assert chosen_transport("auto") == chosen_transport("lean") == "lean"


def test_aio_is_never_tested_for() -> None:
    assert chosen_transport("aio") == "aio"


@pytest.mark.usefixtures("without_a_name")
def test_where_a_private_name_is_gone_auto_takes_aio_and_says_why(
    caplog: pytest.LogCaptureFixture,
) -> None:
    chosen = chosen_transport("auto")

    assert chosen == "aio"
    assert "the lean transport does not work here, aio serves instead: grpcio" in caplog.text
    assert "lacks SendMessageOperation" in caplog.text


@pytest.mark.usefixtures("without_a_name")
def test_where_a_private_name_is_gone_lean_is_refused() -> None:
    with pytest.raises(InvalidArgumentError, match="lacks SendMessageOperation; choose auto or"):
        chosen_transport("lean")


def test_where_a_call_is_not_answered_auto_takes_aio_and_says_why(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Stands for a release whose names are the same and whose calls are not."""
    monkeypatch.setattr(lean_self_test, "_QUESTION", "no bytes")

    assert chosen_transport("auto") == "aio"
    assert "a call failed with grpcio" in caplog.text


def test_a_transport_that_is_none_is_refused() -> None:
    with pytest.raises(InvalidArgumentError, match="'eio'; choose one of auto, lean, aio"):
        chosen_transport("eio")
