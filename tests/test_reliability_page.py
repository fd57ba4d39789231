"""`docs/reliability.md` names the tests that cause each fault: they are there."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
_NAMED = re.compile(r"`(?:tests/)?((?:\w+/)*)(test_\w+)`")


def test_every_fault_names_tests_that_exist() -> None:
    page = (ROOT / "docs/reliability.md").read_text()
    table = page.partition("## Faults")[2].partition("\n## ")[0]
    rows = [line for line in table.splitlines() if line.startswith("| ")][1:]
    known = {str(path.relative_to(ROOT / "tests")) for path in (ROOT / "tests").rglob("test_*.py")}

    named = {row: _NAMED.findall(row) for row in rows}

    assert len(rows) > 10
    assert not [row for row, tests in named.items() if not tests and "`tests/laws`" not in row]
    assert not [
        name
        for tests in named.values()
        for folder, name in tests
        if not any(each.endswith(f"{folder}{name}.py") for each in known)
    ]
