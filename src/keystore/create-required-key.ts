/** Creates a key that must meet a requirement: refuses beforehand if the store says so, and otherwise checks the new key. */
import { SignerError } from "../errors.js";
import { type DeletedKey, type Provider, type ProviderOptions, schemeOf } from "./provider.js";
import {
  assertRequirement,
  type KeyRequirement,
  requirementProblem,
  requireNonExportable,
} from "./require-non-exportable.js";
import type { Signer } from "./signer.js";
import { isSignerError } from "./signer-error.js";

/** A provider that can create keys. */
export type CreatingProvider = Provider & Required<Pick<Provider, "create">>;

/** A key that doesn't exist yet, and what it must meet. */
export interface RequiredKey {
  readonly uri: string;
  readonly options: ProviderOptions;
  readonly require: KeyRequirement;
}

/**
 * Creates the key.
 *
 * @throws {SignerError} With code `wrong-key` if it doesn't meet the requirement. The message says whether a key was created.
 */
export async function createRequiredKey(provider: CreatingProvider, key: RequiredKey): Promise<Signer> {
  const { uri, options } = key;
  const require = assertRequirement(key.require);
  const facts = await provider.factsOfNewKey?.(uri, options);
  const problem = facts && requirementProblem(facts, require);
  if (problem !== undefined) throw new SignerError("wrong-key", `${provider.scheme}: No key was created. ${problem}`);
  const signer = await provider.create(uri, options);
  try {
    await requireNonExportable(signer, { ...require, signal: options.signal });
    return signer;
  } catch (error) {
    // A signer that can't be closed must not keep the key from being deleted.
    await signer.close().catch(() => undefined);
    throw withOutcome(error, signer.uri, await rollBack(provider, signer, key));
  }
}

/** What happened to a key that didn't meet its requirement. */
interface Outcome {
  readonly isDeleted: boolean;
  /** A sentence. */
  readonly text: string;
}

/** Deletes the new key by the URI of its signer: the caller's URI may name another key by now, such as by an alias, or none. */
async function rollBack(provider: Provider, { uri: created = "" }: Signer, key: RequiredKey): Promise<Outcome> {
  const remains = (reason: string) => ({
    isDeleted: false,
    text: `The new key ${created} exists, and could not be deleted: ${reason}`,
  });
  const remove = (provider.deleteCreated ?? provider.delete)?.bind(provider);
  if (!remove) return remains("the store can't delete keys.");
  if (schemeOf(created) !== provider.scheme) return remains("the store didn't return its URI.");
  // The caller's signal may have aborted, but then the caller would never learn of the key.
  const { signal, ...options } = key.options;
  try {
    return outcomeOf(await remove(withSecretSources(created, key.uri), options));
  } catch (error) {
    // The message of another error could contain a secret.
    return remains(isSignerError(error) ? error.message : "the deletion failed.");
  }
}

function outcomeOf({ uri, destroyedAt }: DeletedKey): Outcome {
  if (destroyedAt === null) return { isDeleted: true, text: "The new key was deleted again." };
  const date =
    destroyedAt === "unknown" ? "at a time that the store doesn't report" : `on ${destroyedAt.toISOString()}`;
  return { isDeleted: true, text: `The new key will be destroyed ${date}: ${uri}` };
}

/** An error that isn't about the key, such as the reason of an abort, only changes if the key remains. */
function withOutcome(error: unknown, uri: string | undefined, { isDeleted, text }: Outcome): unknown {
  if (isSignerError(error)) return new SignerError(error.code, `${error.message} ${text}`, { uri, cause: error });
  if (isDeleted) return error;
  return new SignerError("aborted", `The new key could not be checked. ${text}`, { uri, cause: error });
}

/** The attributes that say where a secret is read, which the URI of a signer doesn't always have, and a PIN in the URI itself. */
const SECRET_ATTRIBUTE = /^(?:[a-z][a-z-]*-source|pin-value)=/;

/** Adds the sources of secrets that the caller's URI has: the signer may have got them from there. */
function withSecretSources(uri: string, callersUri: string): string {
  const attributesOf = (text: string) => text.split("?").slice(1).join("?").split("&").filter(Boolean);
  const present = attributesOf(uri).map((each) => each.split("=")[0]);
  const missing = attributesOf(callersUri).filter(
    (each) => SECRET_ATTRIBUTE.test(each) && !present.includes(each.split("=")[0]),
  );
  if (missing.length === 0) return uri;
  return `${uri}${uri.includes("?") ? "&" : "?"}${missing.join("&")}`;
}
