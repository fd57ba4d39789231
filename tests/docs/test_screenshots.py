"""Dagster's pages show what the documentation says they do."""

import shutil
from pathlib import Path

import pytest

from headrace.docs.screenshots import IMAGES, LOOKS, photograph

pytestmark = [pytest.mark.slow, pytest.mark.server]


@pytest.mark.timeout(900)
def test_the_pages_show_groups_owners_columns_plots_lineage_and_failed_checks(
    tmp_path: Path,
) -> None:
    if shutil.which("chromium") is None:
        pytest.skip("needs Chromium: apt-get install chromium fonts-dejavu-core")

    taken = photograph(tmp_path)

    assert [path.stem for path in taken] == [look.name for look in LOOKS]
    assert {path.name for path in IMAGES.glob("*.png")} == {path.name for path in taken}
