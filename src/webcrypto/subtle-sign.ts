/** The patch of `SubtleCrypto.prototype.sign`: it asks a signer for the signatures of connected keys. */
import { webcrypto } from "node:crypto";
import { SignerError } from "../index.js";
import { copyBytes } from "./buffer-source.js";
import { requestsParameters, type SignParameters } from "./parameters.js";

const { subtle } = webcrypto;
const prototype: webcrypto.SubtleCrypto = Object.getPrototypeOf(subtle);
type Sign = typeof prototype.sign;

/** What makes the signatures of a key. */
export interface Connection {
  /** The only parameters that it signs with. */
  readonly parameters: SignParameters;
  readonly sign: (message: Uint8Array) => Promise<Uint8Array>;
}

/** Private keys that stand for a signer. Cloning a key returns another object, which isn't in the map. */
let connections = new WeakMap<object, Connection>();
/** The functions that this module has put in place of `sign`, each with the property that it replaced. */
const replacedBy = new WeakMap<Sign, PropertyDescriptor>();

/**
 * Makes `crypto.subtle.sign` use a connection for a key, and patches it if that is necessary.
 *
 * @throws {SignerError} With code `misconfigured` if calls of `crypto.subtle.sign` don't reach the patch.
 */
export async function connect(key: webcrypto.CryptoKey, connection: Connection): Promise<void> {
  // Another patch may lie over this one, or have removed it, so only a call can tell whether it is in place.
  if (!(await isReached(key, connection.parameters))) {
    patch();
    if (!(await isReached(key, connection.parameters))) throw notPatched();
  }
  connections.set(key, connection);
}

/**
 * Takes the patch of `SubtleCrypto.prototype.sign` back. Pairs that `toCryptoKeyPair` has returned stop working for good:
 * their signatures don't verify. The next `toCryptoKeyPair` patches again, for its own pair.
 *
 * If another library has patched `sign` afterwards, its patch stays, and this one below it only passes calls on.
 */
export function restoreSubtleCrypto(): void {
  connections = new WeakMap();
  const replaced = replacedBy.get(prototype.sign);
  if (replaced !== undefined) Object.defineProperty(prototype, "sign", replaced);
}

/** Returns whether a call of `crypto.subtle.sign` arrives here. If not, the throw-away key signs nothing of value. */
async function isReached(key: webcrypto.CryptoKey, parameters: SignParameters): Promise<boolean> {
  let reached = false;
  const sign = async () => {
    reached = true;
    return new Uint8Array();
  };
  connections.set(key, { parameters, sign });
  try {
    await subtle.sign(parameters, key, new Uint8Array());
  } catch {
    // Another library's patch may reject the call, or throw, which is no reason to fail if this patch then lies above it.
  }
  return reached;
}

/** A concurrent call may have patched already. */
function patch(): void {
  const current = Object.getOwnPropertyDescriptor(prototype, "sign");
  if (current === undefined || replacedBy.has(prototype.sign)) return;
  const sign = withConnections(prototype.sign);
  const isDefined = Reflect.defineProperty(prototype, "sign", {
    value: sign,
    writable: true,
    configurable: true,
    enumerable: current.enumerable ?? true,
  });
  if (isDefined) replacedBy.set(sign, current);
}

/** A proxy, so that `sign` keeps its name and everything else that can be read of it. */
function withConnections(sign: Sign): Sign {
  return new Proxy(sign, {
    apply(target, receiver, args: unknown[]) {
      const connection = connections.get(args[1] as object);
      const callTarget = () => Reflect.apply(target, receiver, args);
      return connection ? signWith(connection, receiver, args, callTarget) : callTarget();
    },
  });
}

/** WebCrypto never throws, it rejects: so does this function, because it is async. It copies the data before it waits. */
async function signWith(
  { parameters, sign }: Connection,
  receiver: unknown,
  [requested, , data]: unknown[],
  signByThrowAwayKey: () => Promise<ArrayBuffer>,
): Promise<ArrayBuffer> {
  const isExpected = receiver === subtle && requestsParameters(requested, parameters);
  const message = isExpected ? copyBytes(data) : undefined;
  if (message !== undefined) return new Uint8Array(await sign(message)).buffer;
  await signByThrowAwayKey(); // Rejects with WebCrypto's own error for arguments that no key can sign with.
  const problem = `The key store signs with this key only with ${JSON.stringify(parameters)}.`;
  throw new DOMException(problem, "InvalidAccessError");
}

function notPatched(): SignerError {
  const problem = "crypto.subtle.sign can't be patched: it was replaced on crypto.subtle itself, or is frozen";
  return new SignerError("misconfigured", `${problem}. Call toCryptoKeyPair before that happens, or use dpopFetch.`);
}
