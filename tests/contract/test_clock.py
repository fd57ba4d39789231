from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from headrace.contract.clock import Clock, move_clock, record_clock, recorded_clock
from headrace.contract.errors import ClockConflictError

NEW_YEAR = datetime(2018, 1, 2, tzinfo=UTC)


def test_the_clock_of_a_new_home_is_recorded_and_read_by_the_next_process(tmp_path: Path) -> None:
    recorded_clock(tmp_path / "home", NEW_YEAR)

    assert recorded_clock(tmp_path / "home", None) == Clock(NEW_YEAR)
    assert recorded_clock(tmp_path / "home", NEW_YEAR).now() == NEW_YEAR


def test_a_home_without_a_record_runs_on_the_real_clock(tmp_path: Path) -> None:
    before = datetime.now(UTC)

    assert before <= recorded_clock(tmp_path, None).now() <= datetime.now(UTC)
    assert not list(tmp_path.iterdir())


def test_another_clock_than_the_recorded_one_is_refused(tmp_path: Path) -> None:
    record_clock(tmp_path, NEW_YEAR)

    with pytest.raises(ClockConflictError, match="unset it to join"):
        recorded_clock(tmp_path, NEW_YEAR + timedelta(days=1))


def test_a_home_recorded_with_the_real_clock_refuses_a_frozen_one(tmp_path: Path) -> None:
    record_clock(tmp_path, None)

    with pytest.raises(ClockConflictError, match="runs at real"):
        recorded_clock(tmp_path, NEW_YEAR)


def test_a_frozen_clock_moves_forward_only(tmp_path: Path) -> None:
    record_clock(tmp_path, NEW_YEAR)
    later = NEW_YEAR + timedelta(days=1)

    move_clock(tmp_path, later)

    assert recorded_clock(tmp_path, None) == Clock(later)
    with pytest.raises(ClockConflictError):
        move_clock(tmp_path, NEW_YEAR)


def test_the_real_clock_does_not_move(tmp_path: Path) -> None:
    record_clock(tmp_path, None)

    with pytest.raises(ClockConflictError):
        move_clock(tmp_path, NEW_YEAR)
