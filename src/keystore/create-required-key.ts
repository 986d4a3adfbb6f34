/** Creates a key that must meet a requirement: refuses beforehand if the store says so, and otherwise checks the new key. */
import { SignerError } from "../errors.js";
import type { DeletedKey, Provider, ProviderOptions } from "./provider.js";
import {
  assertRequirement,
  type KeyRequirement,
  requirementProblem,
  requireNonExportable,
} from "./require-non-exportable.js";
import type { Signer } from "./signer.js";

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
    await signer.close();
    throw await withOutcome(error, signer, await deleteAgain(provider, key));
  }
}

/** The caller's signal may have aborted, but then the caller would never learn of the key. */
function deleteAgain(provider: Provider, { uri, options }: RequiredKey): Promise<DeletedKey | undefined> {
  const { signal, ...others } = options;
  return provider.delete?.(uri, others).catch(() => undefined) ?? Promise.resolve(undefined);
}

function withOutcome(error: unknown, { uri = "" }: Signer, deleted: DeletedKey | undefined): unknown {
  if (!(error instanceof Error) || error.name !== "SignerError") return error;
  const { code, message } = error as SignerError;
  return new SignerError(code, `${message} ${outcomeOf(uri, deleted)}`, { uri, cause: error });
}

function outcomeOf(uri: string, deleted: DeletedKey | undefined): string {
  if (deleted === undefined) return `The new key exists, and could not be deleted: ${uri}`;
  if (deleted.destroyedAt === null) return "The new key was deleted again.";
  return `The new key will be destroyed on ${deleted.destroyedAt.toISOString()}: ${deleted.uri}`;
}
