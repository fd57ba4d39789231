"""What all servers of one engine have in common."""

from dataclasses import dataclass, field
from selectors import BaseSelector

from ..observing import Observer
from ..settings import StoreSettings
from .background import Background
from .counters import Counters
from .queue import Waiting


@dataclass(slots=True)
class Shared:
    """An engine, as its servers see it."""

    settings: StoreSettings
    selector: BaseSelector
    background: Background
    observer: Observer
    counters: Counters
    waiting: Waiting = field(default_factory=Waiting)
