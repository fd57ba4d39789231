"""Where the code of an asset stands: the author's function, not the factory that made the asset."""

import inspect
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import dagster as dg

from .metadata import Metadata


def code_reference(function: Callable[..., Any]) -> Metadata:
    """A link to a function; nothing of one that stands in no file."""
    code = getattr(inspect.unwrap(function), "__code__", None)
    if code is None or not Path(code.co_filename).is_absolute():
        return {}
    reference = dg.LocalFileCodeReference(
        file_path=code.co_filename, line_number=code.co_firstlineno, label=function.__name__
    )
    return {"dagster/code_references": dg.CodeReferencesMetadataValue(code_references=[reference])}


def linked_to_git(
    assets: Sequence[dg.AssetsDefinition], repository: str
) -> Sequence[dg.AssetsDefinition]:
    """The same assets, whose code is found in a repository, for readers who have no checkout.

    Args:
        assets: Assets with links to files.
        repository: Its address on GitHub or GitLab and the branch, as
            `https://github.com/acme/features@main`.
    """
    url, _, branch = repository.rpartition("@")
    linked = dg.link_code_references_to_git(
        assets, git_url=url, git_branch=branch, file_path_mapping=_Checkout()
    )
    return [each for each in linked if isinstance(each, dg.AssetsDefinition)]


class _Checkout(dg.FilePathMapping):
    """Paths from the root of the checkout that holds a file."""

    def convert_to_source_control_path(self, local_path: Path) -> str:
        """The path in the repository; the file's own where there is no checkout."""
        for folder in local_path.parents:
            if (folder / ".git").exists():
                return local_path.relative_to(folder).as_posix()
        return local_path.name
