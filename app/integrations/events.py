"""What happens to imports and bulk exports."""

from dataclasses import dataclass

from app.kernel.events import Fact


@dataclass(frozen=True, kw_only=True)
class ImportFinished(Fact):
    """A file was read to its end. What it changed is told by the customers' and work orders' own facts."""

    noun = "import"
    mapping: str
    file_name: str
    created: int
    updated: int
    unchanged: int
    failed: int


@dataclass(frozen=True, kw_only=True)
class BulkExportFact(Fact):
    """Something that happened to a bulk export; of a customer's, that account hears it."""

    noun = "bulk export"


@dataclass(frozen=True, kw_only=True)
class BulkExportRequested(BulkExportFact):
    """Somebody asked for a file."""

    root: str
    format: str


@dataclass(frozen=True, kw_only=True)
class BulkExportStarted(BulkExportFact):
    """A worker set to work."""

    estimated_rows: int


@dataclass(frozen=True, kw_only=True)
class BulkExportProgressed(BulkExportFact):
    """The file grew."""

    rows: int


@dataclass(frozen=True, kw_only=True)
class BulkExportReady(BulkExportFact):
    """The file is there."""

    rows: int
    bytes: int


@dataclass(frozen=True, kw_only=True)
class BulkExportFailed(BulkExportFact):
    """There will be no file."""

    code: str


@dataclass(frozen=True, kw_only=True)
class BulkExportCanceled(BulkExportFact):
    """Somebody does not want the file any more."""


@dataclass(frozen=True, kw_only=True)
class BulkExportExpired(BulkExportFact):
    """The file was kept long enough, and is gone."""


@dataclass(frozen=True, kw_only=True)
class BulkExportDownloaded(BulkExportFact):
    """Somebody took the file."""

    by: str
