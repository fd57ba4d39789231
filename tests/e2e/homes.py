"""Homes of the made-up shop, and the command line on them."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from headrace.cli.application import run
from headrace.contract.environment import Environment

PACKAGE = "headrace.tests.e2e.shop"
CLOCK = "2024-01-04T00:00:00Z"
ORDERS = """\
customer_id,ordered_at,amount
1,2024-01-01T10:00:00Z,5.0
1,2024-01-02T10:00:00Z,10.0
2,2024-01-02T11:00:00Z,4.0
1,2024-01-03T09:00:00Z,2.5
3,2024-01-03T12:00:00Z,0.0
"""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a command line came to."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:  # noqa: ANN401  # whatever the command answered
        """The result, of a command with `--json`."""
        return json.loads(self.out)


@dataclass(frozen=True, slots=True)
class ShopHome:
    """A home whose clock stands at 2024-01-04, and the variables of processes that work on it."""

    folder: Path
    variables: Mapping[str, str]
    monkeypatch: pytest.MonkeyPatch
    capsys: pytest.CaptureFixture[str] | None

    @property
    def environment(self) -> Environment:
        """The environment of this home."""
        return Environment.read(self.variables)

    def headrace(self, *arguments: str) -> Answer:
        """Run a command line in this process."""
        assert self.capsys is not None, "a home that several tests share captures nothing"
        self.capsys.readouterr()
        status = run(arguments)
        shown = self.capsys.readouterr()
        return Answer(status, shown.out, shown.err)

    def write_orders(self, text: str) -> None:
        """Replace the shop's orders."""
        (self.folder / "orders" / "orders.csv").write_text(text)


def shop_home(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str] | None = None,
) -> ShopHome:
    """A new home of the shop, for this process and those that it starts."""
    (folder / "orders").mkdir()
    variables = {
        "HEADRACE_HOME": str(folder / "home"),
        "HEADRACE_PACKAGES": PACKAGE,
        "HEADRACE_CLOCK": CLOCK,
        "SHOP_ORDERS": str(folder / "orders"),
    }
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    home = ShopHome(folder, variables, monkeypatch, capsys)
    home.write_orders(ORDERS)
    return home


def cells(answer: Answer, feature: str) -> Sequence[tuple[object, str]]:
    """Value and status of one feature, entity by entity, of a lookup with `--json`."""
    features = [entity["features"][feature] for entity in answer.json["entities"]]
    return [(cell["value"], cell["status"]) for cell in features]
