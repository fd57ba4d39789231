"""How results are spelled."""

import pytest

from headrace.cli.console import Count, show_json, show_table


def test_json_goes_to_standard_output_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    show_json({"ü": 1})

    assert capsys.readouterr().out == '{"ü": 1}\n'


def test_a_table_in_a_pipe_keeps_each_row_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    show_table(["name", "id", "rows"], [["x" * 200, 12345, Count(12345)], ["[y]", None, None]])

    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert lines == [["name", "id", "rows"], ["x" * 200, "12345", "12,345"], ["[y]", "–", "–"]]
