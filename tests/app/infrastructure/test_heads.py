"""Heads of the journal as documents: signed, kept elsewhere, and not to be forged."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from app.infrastructure import heads, journal, sealing
from app.infrastructure.audit import Head, find_head, verify
from app.infrastructure.heads import HeadExported, read_document
from app.kernel.actor import Actor
from app.kernel.dialects import Dialect
from app.kernel.errors import ConfigurationError, InvalidInput
from tests.app.infrastructure.happenings import ring_bell

NINE = datetime(2031, 3, 3, 9, tzinfo=UTC)
HEADS = [Head("org_1", 42, "hmac-sha256-abc"), Head("org_2", 7, "sha256-def")]
KEY = heads.read_private_key(heads.new_private_key())
PUBLIC = heads.public_key_of(KEY)
DOCUMENT = heads.document_of(HEADS, NINE, KEY)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path) -> Iterator[Path]:
    heads.configure(None, tmp_path / "heads")
    yield tmp_path / "heads"
    heads.configure(None, tmp_path)


def test_a_document_is_read_by_whoever_trusts_its_key() -> None:
    found = read_document(DOCUMENT, PUBLIC)
    assert (found.heads, found.at, found.public_key) == (tuple(HEADS), NINE, PUBLIC)


def is_refused(document: str) -> bool:
    try:
        read_document(document, PUBLIC)
    except InvalidInput:
        return True
    return False


def test_whatever_letter_of_it_is_altered_it_is_refused() -> None:
    altered = [
        f"{DOCUMENT[:at]}{'y' if DOCUMENT[at] == 'x' else 'x'}{DOCUMENT[at + 1 :]}" for at in range(len(DOCUMENT) - 1)
    ]
    assert [document for document in altered if not is_refused(document)] == []


def test_whatever_line_of_it_is_missing_or_moved_it_is_refused() -> None:
    lines = DOCUMENT.splitlines(keepends=True)
    shorter = [lines[:at] + lines[at + 1 :] for at in range(len(lines))]
    assert all(is_refused("".join(one)) for one in (*shorter, [*lines[1:], lines[0]], [lines[0], *lines]))


def test_one_that_somebody_else_signed_is_refused() -> None:
    other = heads.read_private_key(heads.new_private_key())
    forged = heads.document_of([Head("org_1", 41, "hmac-sha256-abb")], NINE, other)
    with pytest.raises(InvalidInput, match="not with the key that is trusted"):
        read_document(forged, PUBLIC)
    with pytest.raises(InvalidInput, match="--public-key"):
        read_document(forged)


def test_control_a_document_without_a_signature_may_say_anything() -> None:
    plain = heads.document_of(HEADS, NINE)
    assert read_document(plain.replace("42", "41")).heads[0].seq == 41
    with pytest.raises(InvalidInput, match="no signature"):
        read_document(plain, PUBLIC)


def test_without_a_key_nothing_is_signed() -> None:
    with pytest.raises(ConfigurationError, match="TRUCKROLL_AUDIT_KEY"):
        heads.require_key()


@pytest.mark.parametrize("text", ["", "short", "é" * 32, "A" * 64])
def test_what_is_no_key_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput, match="32 bytes in base64"):
        heads.read_private_key(text)


async def test_every_day_the_heads_of_all_journals_are_written_and_each_journal_knows(
    sqlite_database: Dialect, actor: Actor, stranger: Actor, folder: Path
) -> None:
    heads.configure(heads.new_private_key(), folder)
    assert await heads.export_heads() == 0
    assert not folder.exists()
    await ring_bell(actor, times=3)
    await ring_bell(stranger)
    await sealing.seal_everything()
    kept = await find_head("org_ours")
    assert await heads.export_heads() == 2
    [file] = folder.iterdir()
    found = read_document(file.read_text(), heads.public_key())
    assert found.heads == (kept, await find_head("org_theirs"))
    [fact] = await journal.read("org_ours", 3)
    assert (fact.type, fact.payload["file"], fact.payload["seq"]) == ("HeadExported", file.name, 3)
    told = await heads.last_of("org_theirs", HeadExported)
    assert heads.seq_in(told) == 1
    await sealing.seal_everything()
    assert (await verify("org_ours", head=kept)).broken is None
