/** `vault-transit:` — what an operator names in `HARDPROOF_PROVIDERS`, and what `registerProvider` takes. */
import { type KeySignerOptions, type Provider, SignerError } from "hardproof";
import { createKey, listKeys, readKey } from "./client.js";
import { VaultTransitSigner } from "./signer.js";
import { formatTransitUri, parseTransitUri } from "./uri.js";

export type VaultTransitOptions = KeySignerOptions;

export const provider: Provider<VaultTransitOptions> = { scheme: "vault-transit", open, create, list };

function open(uri: string, options: VaultTransitOptions = {}): VaultTransitSigner {
  return new VaultTransitSigner({ ...options, ...parseTransitUri(uri) });
}

async function create(uri: string, options: VaultTransitOptions = {}): Promise<VaultTransitSigner> {
  const signer = open(uri, options);
  await createKey(parseTransitUri(uri)).catch((error) => {
    throw about(signer.uri, error);
  });
  return signer;
}

/** Says which key it is about. For a key that is opened, `KeySigner` does. */
function about(uri: string, error: unknown): unknown {
  if (!(error instanceof SignerError)) return error;
  return new SignerError(error.code, `${uri}: ${error.message}`, { uri, cause: error.cause });
}

/** @returns each P-256 key of the engine, pinned to its latest version */
async function list(uri: string): Promise<string[]> {
  const engine = parseTransitUri(uri);
  const found: string[] = [];
  for (const name of await listKeys(engine)) {
    const key = { ...engine, name };
    const { type, latestVersion } = await readKey(key);
    if (type === "ecdsa-p256") found.push(formatTransitUri({ ...key, version: latestVersion }));
  }
  return found;
}
