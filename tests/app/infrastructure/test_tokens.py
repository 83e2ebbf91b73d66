"""Tokens are recognized by their form and stored as hashes; passwords are hashed slowly, two at a time."""

import asyncio
import threading
from typing import Any

import pytest

from app.infrastructure import tokens
from app.infrastructure.tokens import (
    TOKEN_PATTERN,
    hash_password,
    hash_token,
    is_signed,
    is_token,
    needs_new_hash,
    new_token,
    signed_token,
    verify_password,
)
from app.kernel.errors import RateLimited


def test_tokens_are_different_and_of_their_kind() -> None:
    made = [new_token("trs") for _ in range(100)]
    assert len(set(made)) == 100
    assert all(is_token(token, "trs") and TOKEN_PATTERN.fullmatch(token) and len(token) == 54 for token in made)
    assert not any(is_token(token, kind) for token in made for kind in ("trk", "tr", "trs_", ""))


def test_the_same_secret_is_the_same_token() -> None:
    secret = bytes(range(32))
    assert new_token("trs", secret) == new_token("trs", secret) != new_token("trk", secret)
    assert is_token(new_token("trs", secret), "trs")
    with pytest.raises(ValueError, match="32 bytes"):
        new_token("trs", secret[:31])


def test_a_mistyped_token_is_noticed() -> None:
    for _ in range(20):
        token = new_token("trs")
        for index in range(4, len(token)):
            other = "a" if token[index] != "a" else "b"
            assert not is_token(token[:index] + other + token[index + 1 :], "trs")
        assert not is_token(token[:-1], "trs")
        assert not is_token(token + "a", "trs")
        assert not is_token(token + "\n", "trs")


@pytest.mark.parametrize("text", ["", "trs_", "ü" * 54, "trs_" + "é" * 43 + "_aaaaaa", "x" * 100_000, "\udcff"])
def test_nonsense_is_no_token(text: str) -> None:
    assert not is_token(text, "trs")
    assert len(hash_token(text)) == 64


def test_the_hash_of_a_token_is_sha_256() -> None:
    assert hash_token("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


async def test_a_password_is_right_exactly_as_it_was_typed() -> None:
    stored = await hash_password("  Pässwörter \U0001f511 ")
    assert stored.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert await verify_password(stored, "  Pässwörter \U0001f511 ")
    for wrong in ("Pässwörter \U0001f511", "  pässwörter \U0001f511 ", "", "  Pässwörter \U0001f511 x"):
        assert not await verify_password(stored, wrong)
    assert await hash_password("same") != await hash_password("same")


@pytest.mark.parametrize("stored", [None, "", "nonsense", "$argon2id$v=19$m=1"])
async def test_no_password_is_right_where_none_is_stored(stored: str | None) -> None:
    assert not await verify_password(stored, "")
    assert not await verify_password(stored, "password")


async def test_a_long_password_counts_to_its_end() -> None:
    stored = await hash_password("x" * 200 + "a")
    assert not await verify_password(stored, "x" * 200 + "b")


def test_a_hash_of_other_parameters_is_to_be_made_anew() -> None:
    assert needs_new_hash("$argon2id$v=19$m=65536,t=3,p=4$c29tZXNhbHQ$RdescudvJCsgt3ub+b4dWRWJTmaaJObG")


async def test_two_at_a_time_and_those_who_are_too_many_are_sent_away(monkeypatch: pytest.MonkeyPatch) -> None:
    busy, busiest, lock, go_on = 0, 0, threading.Lock(), threading.Event()

    def slow(stored: Any, password: str) -> bool:
        nonlocal busy, busiest
        with lock:
            busy += 1
            busiest = max(busiest, busy)
        go_on.wait(10)
        with lock:
            busy -= 1
        return True

    monkeypatch.setattr(tokens, "_verify", slow)
    room = tokens.HASHING_THREADS + tokens.HASHING_QUEUE_MAX
    waiting = [asyncio.create_task(verify_password("x", "y")) for _ in range(room)]
    await asyncio.sleep(0.02)
    with pytest.raises(RateLimited):
        await verify_password("x", "y")
    # Who gives up waiting makes room only when the work is over.
    waiting.pop().cancel()
    waiting.pop(0).cancel()
    go_on.set()
    assert all(await asyncio.gather(*waiting))
    assert busiest == tokens.HASHING_THREADS
    async with asyncio.timeout(5):
        while tokens._waiting:
            await asyncio.sleep(0.01)
    assert await verify_password("x", "y")


def test_a_signed_token_proves_its_claims_and_no_others() -> None:
    token = signed_token("dl", "secret", "exp_1", "usr_1", 100)
    assert is_token(token, "dl")
    assert is_signed(token, "dl", "secret", "exp_1", "usr_1", 100)
    for secret, *claims in (
        ["other", "exp_1", "usr_1", 100],
        ["secret", "exp_1", "usr_1", 101],
        ["secret", "exp_1", "usr_1", "100"],
        ["secret", "exp_1usr_1", "", 100],
        ["secret", "exp_1", "usr_1"],
    ):
        assert not is_signed(token, "dl", str(secret), *claims)
    assert not any(
        is_signed(wrong, "dl", "secret", "exp_1", "usr_1", 100) for wrong in ("", token[:-1], token + "a", "ü")
    )
