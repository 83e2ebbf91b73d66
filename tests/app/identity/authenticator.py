"""A security key made of software: it registers, signs challenges and counts, as a real one would."""

import base64
import hashlib
import json
import secrets
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from fido2.cbor import encode
from fido2.cose import ES256

PRESENT, VERIFIED, WITH_KEY = 0x01, 0x04, 0x40


def text_of(data: bytes) -> str:
    """Base64url, as browsers write bytes."""
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


class SecurityKey:
    """One key with one credential, asked by pages of one origin."""

    def __init__(self, origin: str, host: str) -> None:
        self.origin, self.host = origin, host
        self.id = secrets.token_bytes(32)
        self.count = 0
        self._key = ec.generate_private_key(ec.SECP256R1())

    def create(self, options: dict[str, Any]) -> dict[str, Any]:
        """What a browser answers to ``navigator.credentials.create``."""
        public = encode(dict(ES256.from_cryptography_key(self._key.public_key())))
        credential = bytes(16) + len(self.id).to_bytes(2, "big") + self.id + public
        data = self._data(PRESENT | VERIFIED | WITH_KEY) + credential
        attestation = encode({"fmt": "none", "attStmt": {}, "authData": data})
        said = self._said("webauthn.create", options["challenge"])
        return self._answer({"clientDataJSON": text_of(said), "attestationObject": text_of(attestation)})

    def get(self, options: dict[str, Any], *, kind: str = "webauthn.get") -> dict[str, Any]:
        """What a browser answers to ``navigator.credentials.get``."""
        self.count += 1
        data, said = self._data(PRESENT | VERIFIED), self._said(kind, options["challenge"])
        signature = self._key.sign(data + hashlib.sha256(said).digest(), ec.ECDSA(hashes.SHA256()))
        return self._answer(
            {"clientDataJSON": text_of(said), "authenticatorData": text_of(data), "signature": text_of(signature)}
        )

    def _data(self, flags: int) -> bytes:
        return hashlib.sha256(self.host.encode()).digest() + bytes([flags]) + self.count.to_bytes(4, "big")

    def _said(self, kind: str, challenge: str) -> bytes:
        return json.dumps({"type": kind, "challenge": challenge, "origin": self.origin}).encode()

    def _answer(self, response: dict[str, str]) -> dict[str, Any]:
        return {"id": text_of(self.id), "rawId": text_of(self.id), "type": "public-key", "response": response}
