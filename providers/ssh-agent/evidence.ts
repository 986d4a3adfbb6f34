/** What an agent reports about a key: nothing about where the private key is, or whether it can be exported. */
import type { KeyFacts } from "../../src/keystore/signer.js";
import type { UsableKey } from "./find-key.js";
import { fingerprintOf } from "./identities.js";
import { printable } from "./printable.js";

/** @param socket - Where the agent listens. */
export function readFacts({ type, key, comment }: UsableKey, socket: string): KeyFacts {
  const evidence = { type, fingerprint: fingerprintOf(key), comment: printable(comment), socket: printable(socket) };
  return { protection: "unknown", exportable: "unknown", evidence };
}
