"""Documents that a request names instead of sending them.

*Trusted documents* come from a manifest that is read at the start, by the ids that it gives them and by their SHA-256.
*Automatic persisted queries* are made known by clients: a request that names a hash and brings the document along; kept is
only what passed the limits and validation. Both follow two wire formats: Apollo's ``extensions.persistedQuery``, and the
``documentId`` of the GraphQL-over-HTTP specification's appendix.
"""

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import strawberry

from app.infrastructure import texts
from app.kernel.errors import ConfigurationError, Problem
from schema.kit import execution
from schema.kit.limits import SHA256, GraphQLRequest, id_of

SETTING = "TRUCKROLL_TRUSTED_DOCUMENTS"
KEPT_MAX = 1000
KEPT_LENGTH_MAX = 2_000_000


class PersistedQueryNotFound(Problem):
    """Nobody has made this document known, or not lately: send it along once. The words are those that clients look for."""

    code = "PERSISTED_QUERY_NOT_FOUND"

    def __init__(self) -> None:
        super().__init__("PersistedQueryNotFound")


class DocumentNotTrusted(Problem):
    """A document that is not in the manifest, where nothing else may be run."""

    code = "DOCUMENT_NOT_TRUSTED"

    def __init__(self) -> None:
        super().__init__("Only documents that were made known beforehand are run here.")


class KnownDocuments:
    """The documents that a request may name."""

    def __init__(self, trusted: Mapping[str, str] | None = None, *, only_trusted: bool = False) -> None:
        self._only_trusted = only_trusted
        self._trusted = dict(trusted or {})
        self._texts = frozenset(self._trusted.values())
        self._trusted |= {id_of(text): text for text in self._texts}
        self._kept: OrderedDict[str, str] = OrderedDict()
        self._length = 0

    async def find(self, request: GraphQLRequest) -> GraphQLRequest:
        """The request with its document: the one that it brought along, or the one that it names."""
        id = request.document_id
        if id is None or request.document:
            return request
        text = self._trusted.get(id) or self._recalled(id) or await self._shared(id)
        if text is None:
            raise DocumentNotTrusted() if self._only_trusted else PersistedQueryNotFound()
        return replace(request, document=text)

    def require_trusted(self, document: str) -> None:
        """Raise ``DocumentNotTrusted`` when only known documents may be run and this is none."""
        if self._only_trusted and document not in self._texts:
            raise DocumentNotTrusted()

    async def keep(self, request: GraphQLRequest) -> None:
        """Make a document known that passed the limits and validation, if its request named it."""
        id = request.document_id
        if id is None or self._only_trusted or id in self._trusted or self._recalled(id) is not None:
            return
        self._remember(id, request.document)
        await texts.keep(id, request.document)

    def _recalled(self, id: str) -> str | None:
        text = self._kept.get(id)
        if text is not None:
            self._kept.move_to_end(id)
        return text

    async def _shared(self, id: str) -> str | None:
        """What another process was told, unless somebody has tampered with it."""
        text = None if self._only_trusted or not SHA256.fullmatch(id) else await texts.find(id)
        if text is None or id_of(text) != id:
            return None
        self._remember(id, text)
        return text

    def _remember(self, id: str, text: str) -> None:
        if id not in self._kept:
            self._kept[id] = text
            self._length += len(text)
        while len(self._kept) > KEPT_MAX or self._length > KEPT_LENGTH_MAX:
            self._length -= len(self._kept.popitem(last=False)[1])


def read_manifest(path: Path, schema: strawberry.Schema) -> dict[str, str]:
    """The documents of a manifest, by id; ``ConfigurationError`` when it cannot be read, or one does not fit the schema.

    Understood is what relay-compiler (``persistConfig``) and graphql-codegen (``persistedDocuments``) write, which is an
    object of ids and texts, and Apollo's persisted query manifest.
    """
    try:
        parsed = orjson.loads(path.read_bytes())
    except OSError as problem:
        raise ConfigurationError(
            f"{SETTING} names {path}, which cannot be read ({problem.strerror}); set it to a manifest of documents."
        ) from None
    except orjson.JSONDecodeError:
        raise ConfigurationError(
            f"{SETTING} names {path}, which is not JSON; set it to a manifest of documents."
        ) from None
    documents = _documents_of(parsed)
    if documents is None:
        raise ConfigurationError(
            f"{SETTING} names {path}, which is no manifest; it must be an object of ids and the documents they stand for."
        )
    for id, text in documents.items():
        try:
            execution.prepare(schema, text)
        except execution.Refused as refused:
            raise ConfigurationError(
                f"{SETTING}: the document {id} does not fit the schema ({refused.errors[0].message}); build the manifest "
                "anew with the schema of this version."
            ) from None
    return documents


def _documents_of(parsed: Any) -> dict[str, str] | None:
    if isinstance(parsed, dict) and isinstance(parsed.get("operations"), list):
        operations = [one for one in parsed["operations"] if isinstance(one, dict)]
        parsed = {one.get("id"): one.get("body") for one in operations}
    if not isinstance(parsed, dict):
        return None
    is_sound = all(isinstance(id, str) and isinstance(text, str) for id, text in parsed.items())
    return parsed if is_sound else None
