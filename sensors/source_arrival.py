"""Reading the partitions of a source whose files arrived or changed."""

import time
from collections.abc import Iterator

import dagster as dg

from ..assets.declarations import Source
from ..assets.landing import Landing
from ..assets.partitions import partitions_until
from ..contract.clock import Clock
from ..contract.errors import AlertUndeliveredError
from ..resources.deployments import Deployment
from ..resources.landed_files import landed_files
from ..resources.offline.arrivals import Arrival, Arrivals
from .asking import answered, asked, is_news
from .gone_files import GONE, tell_of_gone_files
from .landing_listing import Listing, listing_of


def arrival_sensor(source: Source, landing: Landing, clock: Clock) -> dg.SensorDefinition:
    """Requests runs that read the partitions whose files are new, or look otherwise than before.

    What was taken is recorded in the offline store, partition by partition, before a run is asked
    for: a tick that broke off loses nothing. A partition whose rows were refused waits until its
    files change. Where all files of a partition are gone, owners are told, and nothing is read.
    """
    key = dg.AssetKey(source.asset_path)

    @dg.sensor(
        name=f"arrivals_of_{source.name}",
        asset_selection=dg.AssetSelection.assets(key),
        default_status=dg.DefaultSensorStatus.RUNNING,
        minimum_interval_seconds=30,
        description=f"Reads what arrives, or changes, at {landing.text}.",
    )
    def look(
        context: dg.SensorEvaluationContext, deployment: dg.ResourceParam[Deployment]
    ) -> Iterator[dg.RunRequest | dg.SkipReason]:
        listing = listing_of(landing, landed_files(landing.folder()), time.time_ns())
        record = Arrivals(deployment.offline, source.name)
        before = record.read()
        known = answered(before, context)
        commits = deployment.offline.table(source.table).snapshot().commits
        rows = {partition: commit.rows for partition, commit in commits.items()}
        try:
            known = tell_of_gone_files(
                source, listing, known, committed=rows, environment=deployment.environment
            )
        except AlertUndeliveredError as error:
            context.log.warning("%s", error)  # told by the next tick; what arrived is read now
        looks = {
            partition: listing.digests[partition]
            for partition in partitions_until(source, clock.now())
            if partition in listing.digests
        }
        news = {each: digest for each, digest in looks.items() if is_news(known.get(each), digest)}
        requests, known = asked(source, news, known, late=set(commits))
        if known != before:
            record.write(known)
        yield from requests
        if not requests:
            yield dg.SkipReason(_said(listing, known))

    return look


def _said(listing: Listing, known: dict[str, Arrival]) -> str:
    reading = sum(1 for each in known.values() if each.request)
    strange = f"; {listing.strangers} files belong to no partition" if listing.strangers else ""
    gone = sum(1 for each in known.values() if each.files == GONE)
    lost = f"; the files of {gone} are gone" if gone else ""
    return f"Nothing new: {len(known)} partitions known, {reading} being read{lost}{strange}."
