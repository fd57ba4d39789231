"""What the peers' environments are installed from."""

import re
from pathlib import Path

LOCK = Path(__file__).parents[2] / "benchmarks" / "feast.lock"


def test_the_lock_holds_a_hash_for_every_package_and_no_address() -> None:
    lock = LOCK.read_text()
    packages = re.split(r"^(?=[a-z0-9])", lock, flags=re.MULTILINE)[1:]

    assert any(package.startswith("feast==0.67.") for package in packages)
    assert [package for package in packages if "--hash=sha256:" not in package] == []
    assert re.search(r"://|--(extra-)?index|find-links", lock) is None
