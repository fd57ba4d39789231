"""`headrace export-iceberg`: a group's table for readers of Iceberg."""

from dataclasses import asdict
from typing import TYPE_CHECKING

from .console import counted, show, show_json
from .options import AsJson, GroupName

if TYPE_CHECKING:
    from ..resources.iceberg.export import Export


def export_iceberg(group: GroupName, *, json: AsJson = False) -> None:
    """Register a feature group's files in an Iceberg catalog: the same rows, no copy.

    Takes over what changed since the last export, in one Iceberg commit; where nothing did, it
    writes nothing. The catalog is iceberg.db in the home, or what pyiceberg is configured with
    under the name headrace.
    """
    from ..resources.iceberg.catalog import open_catalog
    from ..resources.iceberg.export import export_group
    from .installation import Installation

    installation = Installation.open()
    declared = installation.group(group)
    store = installation.deployment.offline
    with open_catalog(installation.environment, store) as catalog:
        export = export_group(store, catalog, declared.name, declared.version)
    if json:
        show_json(asdict(export))
    else:
        show(_in_words(export))


def _in_words(export: "Export") -> str:
    held = f"{export.table} shows version {export.table_version}: {counted(export.rows, 'row')}"
    if export.no_op:
        return f"{held}, as before"
    columns = f", with new {', '.join(export.columns)}" if export.columns else ""
    files = f"{counted(export.added, 'file')} added, {export.removed:,} removed"
    return f"{held}; {files}{columns}"
