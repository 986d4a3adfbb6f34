"""Verifies the JWS and the claims of DPoP proofs with joserfc: one JSON object per line in, one out."""
import base64
import hashlib
import json
import sys

from joserfc import jws, jwt
from joserfc.jwk import import_key


class ProofRegistry(jws.JWSRegistry):
    max_header_length = 2048  # The default of 512 bytes is too short for the header of a proof with an RSA key.


REGISTRY = ProofRegistry(algorithms=["ES256", "ES384", "ES512", "PS256", "RS256", "Ed25519"])


def expected_claims(question: dict) -> dict:
    expected = {
        "htm": {"essential": True, "value": question["method"]},
        "htu": {"essential": True, "value": question["url"].split("?")[0]},
        "iat": {"essential": True},
        "jti": {"essential": True},
    }
    if "accessToken" in question:
        digest = hashlib.sha256(question["accessToken"].encode()).digest()
        ath = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        expected["ath"] = {"essential": True, "value": ath}
    if "nonce" in question:
        expected["nonce"] = {"essential": True, "value": question["nonce"]}
    return expected


def verify(question: dict) -> None:
    # The header is read before the signature is verified, since the key is in it.
    header = jws.extract_compact(question["proof"].encode(), registry=REGISTRY).headers()
    token = jwt.decode(question["proof"], import_key(header["jwk"]), registry=REGISTRY)
    jwt.JWTClaimsRegistry(leeway=10, **expected_claims(question)).validate(token.claims)


for line in sys.stdin:
    try:
        verify(json.loads(line))
        verdict = {}
    except Exception as error:
        verdict = {"error": f"{type(error).__name__}: {error}"}
    print(json.dumps(verdict), flush=True)
