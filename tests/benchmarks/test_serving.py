"""What `serving.py` makes of what it measured."""

from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from headrace.benchmarks._serving_plot import plot
from headrace.benchmarks._serving_report import Found, report
from headrace.benchmarks._serving_values import CASES, GROUPS


def cost(calls: float, us: float = 40.0) -> list[dict[str, float]]:
    return [{"calls_per_second": calls, "server_us": us, "store_us": 2.0}]


@pytest.fixture
def found() -> Found:
    saturation = {
        "Feast gRPC": cost(1_000, 900),
        "Feast HTTP": cost(500, 1_900),
        "Feast SDK": [{"calls_per_second": 3_000.0, "server_us": 300.0}],
        "aio × 1": cost(3_000, 300),
        "lean × 1": cost(20_000),
        "lean × 2": cost(30_000),
    }
    even = {"p50_ms": 0.5, "p95_ms": 1.0, "p99_ms": 1.5, "failed": 0, "server_us": 60.0}
    return {
        "saturation": {CASES[0].name: saturation},
        "even": {"1 × 10 @ 500/s": {"lean × 1": [even]}},
        "extras": {
            "echo": {
                "lean × 1": cost(20_000),
                "lean echo": cost(25_000),
                "C++ echo": cost(50_000, 20),
            },
            "TLS": {CASES[0].name: {"lean × 1": cost(20_000), "with TLS": cost(18_000, 44)}},
        },
        "decode_us": {CASES[2].name: 104.0},
    }


def test_a_report_says_by_how_much_we_win_and_what_was_aimed_at(found: Found) -> None:
    said = report(found)

    assert "| lean × 1 | 20000 | 0.20 | 40 | 2.0 | 20.0 (≥ 15) | 40.0 (≥ 35) |" in said
    assert "0.50 of C++ (≥ 0.65)" in said
    assert "0.80 of lean echo (≥ 0.6)" in said
    assert "1.10 × the CPU (≤ 1.3)" in said
    assert "104 (≤ 150)" in said


def test_twelve_nodes_carry_what_their_cores_have_time_for(found: Found) -> None:
    """12 × 8 cores, 60 % used, at 42 µs a call."""
    assert "| 1 × 10 | 42 | 1.37 | 14 |" in report(found)


def test_a_plot_has_a_bar_for_each_contender(found: Found, tmp_path: Path) -> None:
    path = tmp_path / "serving.svg"

    plot(found, path)

    bars = ET.parse(path).getroot().findall("{http://www.w3.org/2000/svg}rect")  # noqa: S314  # our own
    assert len(bars) == 1 + 6  # and the background


def test_every_right_answer_tells_its_entity_and_its_feature_from_others() -> None:
    """Else a contender that mixes them up would pass."""
    for case in CASES:
        values = [value for row in case.values for value in row]
        assert len(set(values)) == len(values) == case.features
        assert len(case.names) == sum(GROUPS[group] for group in case.groups)
