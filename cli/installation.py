"""What a command works on: the environment, its clock, its stores, and what is declared."""

from dataclasses import dataclass

from ..assets.declarations import Dimension, FeatureGroup, Source
from ..assets.discovery import Declarations, discover
from ..assets.model_inputs import TrainingSet
from ..contract.clock import Clock
from ..contract.environment import Environment
from ..contract.errors import UnknownNameError
from ..contract.references import parse_reference
from ..resources.deployments import Deployment
from ..resources.offline.catalogue_table import CatalogueTable
from ..resources.offline.offline_table import OfflineTable


@dataclass(frozen=True, slots=True)
class Installation:
    """One home with everything that is declared for it."""

    clock: Clock
    declarations: Declarations
    deployment: Deployment

    @classmethod
    def open(cls, environment: Environment | None = None) -> "Installation":
        """The installation of this process.

        Raises:
            ClockConflictError: `HEADRACE_CLOCK` differs from the one recorded in the home.
            DefinitionError: A declaration is wrong.
        """
        environment = environment or Environment.read()
        return cls(
            clock=environment.clock(),
            declarations=discover(environment.packages),
            deployment=Deployment.of(environment),
        )

    @property
    def environment(self) -> Environment:
        """Where things are."""
        return self.deployment.environment

    def table(self, group: FeatureGroup) -> OfflineTable:
        """The offline table of a group."""
        return self.deployment.offline.table(group.table)

    def group(self, reference: str) -> FeatureGroup:
        """The group that `name` (its live version, else the newest) or `name@version` means.

        Raises:
            UnknownNameError: No such group, or no such version of it, is declared.
        """
        parsed = parse_reference(reference)
        self._require_group(parsed.group)
        live = self.live_versions().get(parsed.group) if parsed.version is None else None
        if live is None:
            return self.declarations.group(reference)
        return self.declarations.group(f"{parsed.group}@{live}")

    def _require_group(self, name: str) -> None:
        """Refuse the name of a source or dimension that is the name of no group."""
        declared = self.declarations
        groups = {group for group, _ in declared.groups}
        named = {"source": set(declared.sources), "dimension": set(declared.dimensions)}
        for kind, names in named.items():
            if name in names - groups:
                raise UnknownNameError(
                    kind="feature group",
                    name=name,
                    known=groups,
                    instead=f"it is a {kind}; these take it: headrace materialize {name},"
                    f" headrace quarantine {name}, headrace impact {name}.COLUMN",
                )

    def gated(self, name: str) -> Source | Dimension | FeatureGroup:
        """The group (as `group` says), else the source or dimension, that a name means.

        Raises:
            UnknownNameError: There is none; the nearest names are of all of them.
        """
        declared = self.declarations
        if parse_reference(name).group in {group for group, _ in declared.groups}:
            return self.group(name)
        found = declared.sources.get(name) or declared.dimensions.get(name)
        if found is None:
            raise UnknownNameError(
                kind="feature group, source or dimension",
                name=name,
                known={each.name for each in declared.gated},
            )
        return found

    def groups(self, reference: str | None) -> tuple[FeatureGroup, ...]:
        """The group that a reference means, or all that are declared.

        Raises:
            UnknownNameError: There is none.
        """
        if reference is not None:
            return (self.group(reference),)
        return tuple(self.declarations.groups.values())

    def committed(self, node: Source | Dimension | FeatureGroup | TrainingSet) -> frozenset[str]:
        """The committed partitions of anything declared; `"all"` of a dimension."""
        return frozenset(self.deployment.offline.table(node.table).snapshot().commits)

    def live_versions(self) -> dict[str, int]:
        """The live version of each group that has one, as the offline store says."""
        catalogue = CatalogueTable(self.deployment.offline)
        return catalogue.read(self.environment.namespace).live
