"""Pictures of Dagster's pages for the documentation, taken once the pages show what they must.

Plays the incident in a temporary home, starts Dagster over it, and looks with a headless Chromium:

    .venv/bin/python docs/screenshots.py [--folder docs/images]

Needs Debian's `chromium` and a font, as `fonts-dejavu-core`.
"""

import argparse
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from playwright.sync_api import Page, expect, sync_playwright

from headrace.cli.addresses import free_port
from headrace.cli.children import Children
from headrace.cli.services import start_dagster
from headrace.contract.environment import Environment
from headrace.examples.incident import play_in

IMAGES = Path(__file__).with_name("images")
MOST_BYTES = 150_000
PATIENCE_MILLISECONDS = 90_000
_QUIET = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update", "--hide-scrollbars"),
)
_SPEND = "/assets/offline/household_spend"
_CHECK = "/assets/sources/transactions?view=checks"


def _nothing(_page: Page) -> None:
    """Look at the page as it comes."""


@dataclass(frozen=True, slots=True)
class Look:
    """A page, and what it must show before it is photographed.

    Attributes:
        go: What to do there, as clicking something.
        shows: Texts that are on the page then.
    """

    name: str
    path: str
    shows: tuple[str, ...]
    go: Callable[[Page], None] = field(default=_nothing)


def _open_plots(page: Page) -> None:
    page.get_by_text("Plots", exact=True).first.click()
    page.get_by_text("Events", exact=True).last.click()  # by partition, Dagster draws none
    page.get_by_text("Metadata", exact=True).first.scroll_into_view_if_needed()
    expect(page.locator("canvas").first).to_be_visible()


def _scroll_to_lineage(page: Page) -> None:
    page.get_by_text("rows decided by", exact=True).first.scroll_into_view_if_needed()


def _open_failed_partition(page: Page) -> None:
    expect(page.get_by_text("Execution history").first).to_be_visible()
    page.get_by_text("Partitions", exact=True).last.click()
    page.get_by_text("2017-12-19", exact=True).first.click()


def _open_check_plots(page: Page) -> None:
    expect(page.locator("canvas").first).to_be_visible()
    page.get_by_text("Plots", exact=True).last.scroll_into_view_if_needed()


def _automation_is_on(page: Page) -> None:
    switches = page.locator("input[type=checkbox]:checked")
    expect(switches.first).to_be_attached()


LOOKS = (
    Look(
        "domains",
        "/asset-groups",
        ("sources", "dimensions", "household", "household_store", "product", "training_sets"),
    ),
    Look(
        "household",
        "/locations/headrace.definitions/asset-groups/household/lineage",
        ("household_spend", "Polars", "Redis", "transactions", "coupon_redemption"),
    ),
    Look(
        "asset",
        f"{_SPEND}?view=overview",
        (
            "Spend, baskets and discounts of a household over the trailing day, week and month.",
            "Dollars spent in 7 days.",
            *("greater_than_or_equal_to(0)", "growth", "Polars", "delta", "Source code"),
            *("when inputs change", "features/household_spend/v1"),
        ),
    ),
    Look(
        "plots",
        f"{_SPEND}?view=overview",
        ("age_seconds", "bytes", "nulls", "seconds", "dagster/partition_row_count"),
        go=_open_plots,
    ),
    Look(
        "lineage",
        "/assets/offline/household_affinity?view=partitions&partition=2017-12-18",
        (
            *("computed from", "rows decided by", "favourite_department_30d"),
            "products.department, transactions.sales_value",
        ),
        go=_scroll_to_lineage,
    ),
    Look(
        "partitions",
        f"{_SPEND}?view=partitions&partition=2017-12-20",
        ("Failed (1)", "Materialized (6)", "2017-12-19", "[Show Markdown]"),
    ),
    Look(
        "failed-check",
        _CHECK,
        (
            "some of 3,955 rows break greater_than_or_equal_to(0) of sales_value (92×)",
            "quarantined_rows",
        ),
        go=_open_failed_partition,
    ),
    Look(
        "freshness",
        "/assets/offline/household_affinity?view=checks&checkDetail=freshness",
        (
            *("age_seconds", "target_seconds", "missing_partitions", "expected_partition"),
            *("Plots", "Execution history"),
        ),
        go=_open_check_plots,
    ),
    Look(
        "automation",
        "/automation",
        ("automation", "Automation condition sensor", "failed_checks", "freshness", "unpublished"),
        go=_automation_is_on,
    ),
)


def photograph(folder: Path) -> list[Path]:
    """Take all pictures into a folder.

    Raises:
        AssertionError: A page does not show what it must, or a picture is too large for the docs.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with _incident() as address, browser() as page:
        return [_photographed(look, page, address, folder) for look in LOOKS]


@contextmanager
def _incident() -> Iterator[str]:
    """Dagster over a home in which the incident was played; its address."""
    with tempfile.TemporaryDirectory(prefix="headrace-") as folder:
        home = Path(folder) / "home"
        play_in(home)
        environment, address = (
            Environment.read({"HEADRACE_HOME": str(home)}),
            f"127.0.0.1:{free_port()}",
        )
        with Children(home / "logs") as children:
            start_dagster(children, environment, address)
            yield f"http://{address}"


@contextmanager
def browser() -> Iterator[Page]:
    """A page of a headless Chromium."""
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), headless=True, args=list(_QUIET)
        )
        page = chromium.new_page(viewport={"width": 1360, "height": 700})
        page.set_default_timeout(PATIENCE_MILLISECONDS)
        expect.set_options(timeout=PATIENCE_MILLISECONDS)
        yield page
        chromium.close()


def _photographed(look: Look, page: Page, address: str, folder: Path) -> Path:
    page.goto(address + look.path, wait_until="domcontentloaded")
    look.go(page)
    for text in look.shows:
        expect(page.get_by_text(text, exact=True).first, f"{look.name}: {text}").to_be_attached()
    page.wait_for_load_state("networkidle")  # icons and counts arrive after the texts
    path = folder / f"{look.name}.png"
    page.screenshot(path=path, animations="disabled")
    assert path.stat().st_size <= MOST_BYTES, f"{path} is too large for a page"  # noqa: S101 - this is a check
    return path


def main() -> None:
    """Take the pictures that the documentation shows."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("--folder", type=Path, default=IMAGES, help="default: %(default)s")
    for path in photograph(parser.parse_args().folder):
        print(f"{path}  {path.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
