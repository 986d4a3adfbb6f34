/** requests-oauth2client, in Python, whose `validate_dpop_proof` is for servers. */
import { pythonProgram } from "./python.js";
import { verifierPeer } from "./verifier-peer.js";

const VERSION = "1.8.0";

/** requests-oauth2client. It needs Python. */
export const requestsOauth2client = verifierPeer({
  title: "requests-oauth2client",
  version: VERSION,
  install: () =>
    pythonProgram("requests_oauth2client_verifier.py", [
      `requests-oauth2client==${VERSION}`,
      "jwskate==0.12.2",
      "binapy==0.8.0",
      "cryptography==50.0.2",
    ]),
  algorithms: ["ES256", "ES384", "ES512", "PS256", "RS256", "EdDSA"],
  // It verifies the signature with the algorithms that it is told, and doesn't read alg.
  faults: ["alg none beside a signature"],
});
