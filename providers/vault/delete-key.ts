/** Deletes a key of the transit engine with all its versions, at once. */
import { SignerError } from "../../src/errors.js";
import { usableAlgorithms } from "./algorithms.js";
import type { VaultClient } from "./client.js";
import { parameterSetOf } from "./public-key.js";
import { readKey } from "./transit.js";

/** A key of an engine, as its URI names it. */
export interface NamedKey {
  readonly mount: string;
  readonly name: string;
  readonly version?: number | undefined;
}

/**
 * Deletes a key.
 *
 * @throws {SignerError} With code `access-denied` if the key's setting `deletion_allowed` isn't true; `ambiguous-key` if a version
 *   is named and the key has others; `wrong-key` if the key doesn't sign.
 */
export async function deleteKey(
  client: VaultClient,
  { mount, name, version }: NamedKey,
  signal: AbortSignal,
): Promise<void> {
  const key = await readKey(client, name, signal);
  const { type, latestVersion, data } = key;
  if (usableAlgorithms(type, parameterSetOf(key)).length === 0)
    throw new SignerError(
      "wrong-key",
      `The key is of type ${type}, which Hardproof doesn't sign with. It wasn't deleted.`,
    );
  if (version !== undefined && (latestVersion > 1 || version !== latestVersion)) {
    const remedy = "Remove the version from the URI to delete all.";
    const message = `The engine deletes a key with all its ${latestVersion} versions, never one of them. ${remedy}`;
    throw new SignerError("ambiguous-key", message);
  }
  if (data.deletion_allowed !== true) {
    const command = `vault write ${mount}/keys/${name}/config deletion_allowed=true`;
    throw new SignerError("access-denied", `The key's setting deletion_allowed isn't true. Allow it first: ${command}`);
  }
  await client.request({ method: "DELETE", path: `keys/${name}`, capability: "delete", once: true }, signal);
}
