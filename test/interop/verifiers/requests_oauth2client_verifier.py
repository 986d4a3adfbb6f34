"""Verifies DPoP proofs with requests-oauth2client: one JSON object per line in, one out."""
import json
import sys

from binapy import BinaPy
from jwskate import SignedJwt
from requests_oauth2client import validate_dpop_proof

ALGORITHMS = ["ES256", "ES384", "ES512", "PS256", "RS256", "EdDSA"]


def verify(question: dict) -> None:
    token = question.get("accessToken")
    alg = SignedJwt(question["proof"]).alg
    validate_dpop_proof(
        question["proof"],
        htm=question["method"],
        htu=question["url"].split("?")[0],  # It expects the URL without its query.
        ath=BinaPy(token).to("sha256").to("b64u").decode() if token else None,
        nonce=question.get("nonce"),
        # It tries each of these with the key, and fails at the first that the key doesn't have: so it gets one.
        algs=[alg if alg in ALGORITHMS else "ES256"],
    )


for line in sys.stdin:
    try:
        verify(json.loads(line))
        verdict = {}
    except Exception as error:
        verdict = {"error": f"{type(error).__name__}: {error}"}
    print(json.dumps(verdict), flush=True)
