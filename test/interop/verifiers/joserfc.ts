/** joserfc, in Python: it verifies a JWS and its claims, and isn't a verifier of DPoP proofs. */
import { pythonProgram } from "./python.js";
import { verifierPeer } from "./verifier-peer.js";

const VERSION = "1.8.0";

/** joserfc. It needs Python. */
export const joserfc = verifierPeer({
  title: "joserfc",
  version: VERSION,
  install: () => pythonProgram("joserfc_verifier.py", [`joserfc==${VERSION}`, "cryptography==50.0.2"]),
  algorithms: ["ES256", "ES384", "ES512", "PS256", "RS256", "Ed25519"],
  unchecked: ["an old iat", "another typ", "a private key in jwk"],
});
