"""Habits that keep code safe, each watched: what executes, what is random, what encrypts, and what pages do with texts."""

import ast
import re

import pytest

from tests.architecture.test_house import ROOT, SOURCES, calls_and_imports, name

SCRIPTS = [*sorted((ROOT / "app/board").glob("*.js")), *sorted((ROOT / "schema/docs/assets").glob("*.js"))]
PAGES = sorted((ROOT / "app/board").glob("*.html"))
# Each place where something is executed or unpacked, and why nothing from outside comes there.
EXECUTES = {
    "app/scheduling/solver.py": "pickle between a process and the one it started",
    "optimizer/native.py": "the compiler, by its arguments",
    "schema/kit/reading/rows.py": "a row's reader, from the names of columns",
}
# The inventory of cryptography: what is used, for what, and by whom alone.
CRYPTOGRAPHY = {
    "argon2": {"app/infrastructure/tokens.py"},  # argon2id: passwords
    "cryptography": {
        "app/infrastructure/encryption.py",  # AES-256-GCM: encrypted fields
        "app/infrastructure/heads.py",  # Ed25519: signed heads of the journal
    },
    "hmac": {  # HMAC-SHA-256: signed links, seals of the journal, the next pair of a session, codes that are sent, marks
        "app/identity/factors/codes.py",
        "app/identity/factors/proofs.py",
        "app/identity/factors/totp.py",
        "app/identity/sign_in.py",
        "app/infrastructure/chain.py",
        "app/infrastructure/encryption.py",
        "app/infrastructure/keyring.py",
        "app/infrastructure/tokens.py",
    },
    "pyotp": {"app/identity/factors/totp.py"},  # codes of apps
    "webauthn": {"app/identity/factors/security_keys.py"},  # security keys
    "joserfc": set(),  # tokens of providers
}
PROVIDERS = "app/identity/providers/"


def called(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call):
            yield node


def test_no_shell_is_called_and_no_text_becomes_code():
    found = set()
    for path in SOURCES:
        imports = calls_and_imports(path)
        if any(one.partition(".")[0] in ("pickle", "marshal", "subprocess", "yaml", "shelve") for one in imports):
            found.add(name(path))
        for call in called(path):
            function = call.func.id if isinstance(call.func, ast.Name) else getattr(call.func, "attr", "")
            is_code = isinstance(call.func, ast.Name) and function in ("eval", "exec", "compile", "__import__")
            is_shell = function in ("system", "popen", "create_subprocess_shell") or any(
                one.arg == "shell" for one in call.keywords
            )
            if is_code or is_shell:
                found.add(name(path))
    assert found == set(EXECUTES)


def test_secrets_come_from_the_systems_random_numbers():
    importers = {name(path) for path in SOURCES if {"random", "random.Random"} & set(calls_and_imports(path))}
    # Waiting times, the demo's people and the planner's search.
    expected = {"app/database/units.py", "app/infrastructure/loops.py"}
    assert {one for one in importers if not one.startswith(("app/demo/", "optimizer/"))} == expected


def test_no_weak_hash_is_used():
    weak = re.compile(r"\b(md5|sha1|sha_1|crc32\(.*secret)\b", re.IGNORECASE)
    assert [name(path) for path in SOURCES if weak.search(path.read_text()) and "factors/totp" not in name(path)] == []


@pytest.mark.parametrize("library", sorted(CRYPTOGRAPHY))
def test_cryptography_stands_where_the_inventory_says(library):
    importers = {
        name(path) for path in SOURCES if any(one.partition(".")[0] == library for one in calls_and_imports(path))
    }
    assert {one for one in importers if not one.startswith(PROVIDERS)} == CRYPTOGRAPHY[library]


def test_pages_put_texts_in_as_texts():
    assert len(SCRIPTS) >= 6
    risky = re.compile(
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|postMessage|jsonp"
    )
    assert [path.name for path in SCRIPTS if risky.search(path.read_text())] == []


def test_a_session_leaves_the_browser_with_its_end():
    text = "".join(path.read_text() for path in SCRIPTS)
    assert "sessionStorage.removeItem" in text
    assert not re.search(r"localStorage|indexedDB|document\.cookie", text)


def test_pages_ask_for_passwords_as_browsers_know_them():
    pages = [*PAGES, ROOT / "schema/docs/serving.py"]
    fields = [one for path in pages for one in re.findall(r"<input[^>]*>|tag\(\"input\"[^)]*\)", path.read_text())]
    asked = [one for one in fields if "password" in one]
    assert len(asked) >= 3
    for one in asked:
        assert 'type="password"' in one
        assert re.search(r'autocomplete="(current|new)-password"', one)
    assert not [path.name for path in [*SCRIPTS, *PAGES] if re.search(r"onpaste|'paste'|\"paste\"", path.read_text())]
