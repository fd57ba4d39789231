"""A model on Headrace: which households will redeem a coupon within the next 7 days?

It is trained on the training set `coupon_redemption`, whose features are those that were known at
each row's time, and scores households by features that it looks up online. After `headrace demo`,
beside a running `headrace up`:

    python -m headrace.examples.coupon_model --server 127.0.0.1:50051
"""

import argparse
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import numpy.typing as npt
import polars as pl
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import roc_auc_score

from ..assets.feature_groups.household_affinity import DEPARTMENTS
from ..assets.point_in_time import OfflineStore, training_frame
from ..assets.services import coupon_redemption
from ..assets.training_sets.coupon_redemption import HORIZON
from ..assets.training_sets.coupon_redemption import coupon_redemption as training_set
from ..contract.environment import Environment
from ..serving.client import FeatureClient

LABEL = "redeems_7d"
HELD_OUT = timedelta(days=14)
VECTOR = [feature.column for feature in coupon_redemption.features]
SHARES = "household_affinity__department_shares_30d"
FAVOURITE = "household_affinity__favourite_department_30d"


@dataclass(frozen=True, slots=True)
class CouponModel:
    """A trained model.

    Attributes:
        rows: How many rows it was trained on.
        redemptions: How many of them redeemed.
        auc: The area under the ROC curve on the last 14 days, which it was not trained on.
    """

    classifier: HistGradientBoostingClassifier
    rows: int
    redemptions: int
    auc: float

    def score(self, features: pl.DataFrame) -> npt.NDArray[np.float64]:
        """The probability of a redemption for each row of features."""
        probabilities: npt.NDArray[np.float64] = self.classifier.predict_proba(matrix(features))
        return probabilities[:, 1]


def train(frame: pl.DataFrame) -> CouponModel:
    """Train on a training set, and judge by its last 14 days.

    Args:
        frame: Rows of the training set `coupon_redemption`; the earlier ones must not be few.
    """
    when = pl.col("event_timestamp")
    later = frame.filter(when > when.max() - HELD_OUT)
    # Labels look ahead: rows just before the held-out days would tell what happens in them.
    earlier = frame.filter(when <= when.max() - HELD_OUT - HORIZON)
    classifier = HistGradientBoostingClassifier(max_iter=60, learning_rate=0.1, random_state=0)
    classifier.fit(matrix(earlier), earlier[LABEL].to_numpy())
    scores = classifier.predict_proba(matrix(later))[:, 1]
    return CouponModel(
        classifier=classifier,
        rows=earlier.height,
        redemptions=int(earlier[LABEL].sum()),
        auc=float(roc_auc_score(later[LABEL].to_numpy(), scores)),
    )


def matrix(features: pl.DataFrame) -> npt.NDArray[np.float64]:
    """Features as numbers, NaN where nothing is known; the same for training and for scoring."""
    numbers = [name for name in VECTOR if name not in {SHARES, FAVOURITE}]
    shares = (
        pl.col(SHARES).list.get(place, null_on_oob=True) for place in range(len(DEPARTMENTS) + 1)
    )
    favourites = (pl.col(FAVOURITE) == department for department in DEPARTMENTS)
    columns = [*map(pl.col, numbers), *shares, *favourites]
    return features.select(
        column.cast(pl.Float64).alias(str(place)) for place, column in enumerate(columns)
    ).to_numpy()


def training_rows(store: OfflineStore) -> pl.DataFrame:
    """All committed rows of the training set."""
    return store.table(training_set.table).snapshot().scan().collect()


def online_features(client: FeatureClient, households: Sequence[int]) -> pl.DataFrame:
    """The feature vectors of households, as the feature server answers them now."""
    answer = client.get_online_features(
        feature_service="coupon_redemption", entities={"household_id": households}
    )
    return pl.DataFrame(answer.to_arrow()).select(VECTOR)


def offline_features(store: OfflineStore, households: Sequence[int], now: datetime) -> pl.DataFrame:
    """The feature vectors that training would give the same households at this instant."""
    spine = pl.DataFrame(
        {"household_id": households, "event_timestamp": [now] * len(households)},
        schema={"household_id": pl.Int64, "event_timestamp": pl.Datetime("us", "UTC")},
    )
    frame, _receipt = training_frame(spine, list(coupon_redemption.spec.features), store)
    return frame.select(VECTOR)


def differing(online: pl.DataFrame, offline: pl.DataFrame) -> list[int]:
    """The rows in which two sets of feature vectors are not the same, bit for bit."""
    pairs = zip(online.iter_rows(), offline.iter_rows(), strict=True)
    return [place for place, (one, other) in enumerate(pairs) if _bits(one) != _bits(other)]


def _bits(values: Iterable[object]) -> list[object]:
    """Floats as their eight bytes, in which 0.0 is not -0.0 and NaN equals itself."""
    return [
        struct.pack("<d", value)
        if isinstance(value, float)
        else _bits(value)
        if isinstance(value, list)
        else value
        for value in values
    ]


def main() -> None:
    """Train, look up, compare, score."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--server", default="127.0.0.1:50051", help="default: %(default)s")
    server = parser.parse_args().server
    environment = Environment.read()
    store = OfflineStore.from_env(environment)

    frame = training_rows(store)
    model = train(frame)
    print(f"trained on {model.rows:,} rows, {model.redemptions:,} redemptions; AUC {model.auc:.3f}")
    households = frame["household_id"].unique().sort().to_list()
    with FeatureClient(server) as client:
        vectors = online_features(client, households)
    wrong = differing(vectors, offline_features(store, households, environment.clock().now()))
    print(f"{len(households):,} online vectors, {len(wrong)} of them differ from offline")
    scores = model.score(vectors)
    for place in np.argsort(-scores)[:5]:
        print(f"  household {households[place]:>5} redeems with probability {scores[place]:.3f}")


if __name__ == "__main__":
    main()
