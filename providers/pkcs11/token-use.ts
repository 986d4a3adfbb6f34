/** Where a library is used: by workers of this thread, or of the main thread. */
import { isMainThread } from "node:worker_threads";
import { useHere } from "./isolated-use.js";
import type { TokenUse, TokenUseOptions } from "./library-use.js";
import { idBytes } from "./objects.js";
import { type PinSource, readPin } from "./pin.js";
import { useInMainThread } from "./thread-owner.js";

/** A key as an operator names it, and how to reach it. */
export interface KeyOnToken extends Omit<TokenUseOptions, "hasPin"> {
  readonly pin: PinSource | undefined;
}

/** @throws {SignerError} With code `misconfigured` or `unavailable` if the library can't be loaded. */
export async function useToken(wanted: KeyOnToken): Promise<TokenUse> {
  const { module, allowedModules, libraryParameters, environment, binding, isolate, pin } = wanted;
  const { token, publicJwk, forceLogin, sessions, maxWaiting } = wanted;
  const key = { label: wanted.key.label, id: wanted.key.id && new Uint8Array(idBytes(wanted.key.id)) };
  const library = { module, allowedModules, libraryParameters, environment, binding, isolate };
  const options = { ...library, token, key, publicJwk, forceLogin, sessions, maxWaiting, hasPin: pin !== undefined };
  const read = () => readPin(pin ?? "");
  const remote = isMainThread ? undefined : await useInMainThread(options, read);
  return remote ?? useHere(options, read);
}
