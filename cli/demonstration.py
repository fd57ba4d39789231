"""What the demonstration does, step by step, with the parts that everybody uses."""

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import numpy as np
import polars as pl

from ..assets.partitions import partitions_until
from ..assets.publishing import publish_unpublished
from ..assets.sources.transactions import transactions
from ..assets.training_sets.coupon_redemption import HORIZON
from ..assets.training_sets.coupon_redemption import coupon_redemption as training_set
from ..contract.environment import Environment
from ..examples import coupon_model
from ..resources.offline.table_spec import WHOLE
from ..serving.client import FeatureClient
from .console import counted, show
from .dagster_runs import DagsterRuns, carry_out
from .failures import ProofFailedError, RunFailedError
from .installation import Installation
from .lookup import answer_to_json
from .run_plan import Node, plan_runs
from .verify import verifications

_DAYS = 60  # of features; of raw transactions, all days are read
_BEST = 5
_NOBODY = 999_999  # a household that does not exist: unknown online, as in training


def demonstrate(environment: Environment, server: str) -> None:
    """Read, compute, publish, train, look up, compare, score, verify.

    Args:
        environment: Whose home it is.
        server: Where the feature server answers.

    Raises:
        RunFailedError: A run failed.
        ProofFailedError: Something online is not what is committed offline.
    """
    installation = Installation.open(environment)
    with DagsterRuns.of(installation) as runs:
        _compute(installation, runs)
    frame = coupon_model.training_rows(installation.deployment.offline)
    with _step("trained") as said:
        model = coupon_model.train(frame)
        said.append(
            f"on {model.rows:,} rows, {model.redemptions:,} of them redemptions;"
            f" AUC {model.auc:.2f} on the {coupon_model.HELD_OUT.days} days after"
        )
    with FeatureClient(server) as client:
        _look_up(client)
        vectors = _compare(installation, client, [*_households(frame), _NOBODY])
    _score(model, vectors)
    with _step("verified") as said:
        said.append(_verify(installation))


def _compute(installation: Installation, runs: DagsterRuns) -> None:
    declared, now = installation.declarations, installation.clock.now()
    groups = list(declared.groups.values())
    raw: dict[Node, Sequence[str]] = {transactions: partitions_until(transactions, now)}
    raw |= dict.fromkeys(declared.dimensions.values(), (WHOLE,))
    with _step("read") as said:
        _run(installation, runs, raw)
        said.extend(_stand(installation, raw))
    days: dict[Node, Sequence[str]] = {
        group: partitions_until(group, now)[-_DAYS:] for group in groups
    }
    with _step("computed") as said:
        _run(installation, runs, days)
        publish_unpublished(declared, installation.deployment, groups)
        said.extend(_stand(installation, groups))
    # Labels look a week ahead, so the first rows are known a week after the first features.
    known_since = max(group.partitions.window(days[group][0]).end for group in groups)
    window = training_set.partitions.window
    labelled = [
        key
        for key in partitions_until(training_set, now)
        if window(key).end - HORIZON >= known_since
    ]
    with _step("labelled") as said:
        _run(installation, runs, {training_set: labelled})
        said.extend(_stand(installation, [training_set]))


def _run(
    installation: Installation, runs: DagsterRuns, wanted: Mapping[Node, Sequence[str]]
) -> None:
    """Compute what is missing of the partitions wanted."""
    missing = {
        node: keys
        for node, partitions in wanted.items()
        if (keys := sorted(set(partitions) - installation.committed(node)))
    }
    for result in carry_out(runs, plan_runs(missing, installation.committed)):
        if result.failures:
            failures = [str(failure) for failure in result.failures]
            raise RunFailedError(run_id=result.run_id, failures=failures)


def _stand(installation: Installation, nodes: Iterable[Node]) -> list[str]:
    """What is committed of each, in words."""
    lines = []
    for node in nodes:
        commits = installation.deployment.offline.table(node.table).snapshot().commits
        rows = counted(sum(commit.rows for commit in commits.values()), "row")
        partitions = "" if WHOLE in commits else f"{counted(len(commits), 'partition')}, "
        lines.append(f"{node.name}: {partitions}{rows}")
    return lines


def _look_up(client: FeatureClient) -> None:
    with _step("looked up") as said:
        answer = client.get_online_features(
            ["household_spend:spend_30d", "household_spend:mean_basket_7d"],
            entities={"household_id": [1, _NOBODY]},
        )
        for entity in answer_to_json(answer):
            for name, cell in entity["features"].items():
                shown = [str(cell["value"]), cell["status"]]
                if cell["table_version"] is not None:
                    shown.append(
                        f"{cell['age_seconds']} s old, table version {cell['table_version']}"
                    )
                said.append(f"household {entity['household_id']}, {name}: {', '.join(shown)}")


def _compare(
    installation: Installation, client: FeatureClient, households: Sequence[int]
) -> pl.DataFrame:
    """The online vectors of households, each of which is the offline row."""
    with _step("compared") as said:
        online = coupon_model.online_features(client, households)
        offline = coupon_model.offline_features(
            installation.deployment.offline, households, installation.clock.now()
        )
        wrong = coupon_model.differing(online, offline)
        if wrong:
            raise ProofFailedError(what="online vectors", count=len(wrong), of=len(households))
        said.append(f"{len(households):,} online vectors equal the offline rows, bit for bit")
    return online.with_columns(household_id=pl.Series(households))


def _score(model: coupon_model.CouponModel, vectors: pl.DataFrame) -> None:
    with _step("scored") as said:
        scores = model.score(vectors)
        best = np.argsort(-scores, kind="stable")[:_BEST]
        said += [
            f"household {vectors['household_id'][int(place)]}: {scores[place]:.3f}"
            for place in best
        ]


def _verify(installation: Installation) -> str:
    found = verifications(installation, None)
    wrong = sum(each.differing + each.missing + each.extra for each in found)
    equal = sum(each.equal for each in found)
    if not all(each.is_clean for each in found):
        raise ProofFailedError(what="online rows", count=wrong, of=equal + wrong)
    return f"{equal:,} online rows equal what is committed offline, byte by byte"


def _households(frame: pl.DataFrame) -> list[int]:
    return frame["household_id"].unique().sort().to_list()


@contextmanager
def _step(verb: str) -> Iterator[list[str]]:
    """Say what a step did when it is done, one line each, the last with its seconds."""
    started = time.monotonic()
    said: list[str] = []
    yield said
    for place, line in enumerate(said):
        took = f"  ({time.monotonic() - started:.1f} s)" if place == len(said) - 1 else ""
        show(f"{verb if place == 0 else '':14}{line}{took}")
