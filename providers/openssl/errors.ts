/** Maps the errors of `createPrivateKey` and `sign`, of which most don't say what failed. */
import { SignerError } from "../../src/errors.js";
import { misconfigured } from "../../src/keystore/signer-error.js";
import { configurationInForce } from "./configuration.js";
import type { Failure } from "./worker.js";

/** A key that OpenSSL was to load. */
export interface FailedLoad {
  /** The scheme of the loader. */
  readonly scheme: string;
  readonly storeUri: string;
  readonly properties: string | undefined;
  readonly pin: string | undefined;
}

/** Ends each error of a PIN. It isn't known whether the PIN was wrong. */
const NOT_REPEATED =
  "This process doesn't try this PIN again, since a token locks after a few: correct it, and restart.";

/** Returns an error for which OpenSSL hasn't tried the PIN; `undefined` if it may have. */
export function errorWithoutAttempt(load: FailedLoad, failure: Failure): SignerError | undefined {
  const { scheme, properties } = load;
  if (isMissingLoader(load, failure)) return noLoader(scheme, properties);
  if (failure.code === "ERR_ACCESS_DENIED")
    return new SignerError(
      "access-denied",
      "Node's permission model doesn't allow it. Start Node with --allow-openssl-store and --allow-worker.",
    );
  if (failure.code === "ERR_MISSING_PASSPHRASE")
    return new SignerError("pin-required", "The key needs a PIN: set pin-source=env:NAME, or the option pin.");
  if (scheme === "file" && failure.message.includes("No such file"))
    return new SignerError("key-not-found", "The file doesn't exist.");
  return undefined;
}

const UNSUPPORTED = "ERR_OSSL_OSSL_STORE_UNSUPPORTED";

/**
 * OpenSSL reports an object that it can't read by the same error. Without a loader, there are two for a URI without slashes,
 * because OpenSSL looks for a file first.
 */
function isMissingLoader({ storeUri }: FailedLoad, { code, errors = 0 }: Failure): boolean {
  return code === UNSUPPORTED && (errors > 1 || /^[^:]+:\//.test(storeUri));
}

/** Returns the error for a key that OpenSSL didn't load without a PIN, or before the PIN was used. */
export function notLoaded(load: FailedLoad, failure: Failure): SignerError {
  if (failure.message.includes("No private key found") || failure.code === UNSUPPORTED)
    return new SignerError("wrong-key", "The URI names an object that isn't a private key. Correct the URI.");
  const causes = load.scheme === "pkcs11" ? "token, key or module missing" : "key missing, or its store not reachable";
  return new SignerError("unavailable", `OpenSSL can't load the key (${causes}): ${wordsOf(load, failure)}.`);
}

/**
 * Returns the error for a failure after which the PIN isn't tried again.
 *
 * @param isProbablyRight - Whether the PIN has opened another key of the token.
 */
export function pinFailed(load: FailedLoad, failure: Failure, isProbablyRight: boolean): SignerError {
  const words = wordsOf(load, failure);
  if (isProbablyRight)
    return new SignerError(
      "key-not-found",
      `OpenSSL can't load the key: ${words}. The PIN has opened another key of the token, so this key or the token is ` +
        "probably missing. Correct the URI. This process doesn't try this key with this PIN again.",
    );
  const causes = "PIN wrong, or key or token missing";
  return new SignerError("pin-incorrect", `OpenSSL can't load the key (${causes}): ${words}. ${NOT_REPEATED}`);
}

/** Returns the error for a key whose first signature failed. A TPM counts each as an attempt. */
export function cannotSign(load: FailedLoad, failure: Failure): SignerError {
  const words = wordsOf(load, failure);
  if (load.pin !== undefined)
    return new SignerError(
      "pin-incorrect",
      `The key can't sign (PIN wrong or locked, or the key is not for signing): ${words}. ${NOT_REPEATED}`,
    );
  const remedy =
    "Set its PIN if it has one (pin-source, or the option pin). This process doesn't try it without again.";
  return new SignerError("pin-required", `The key can't sign without a PIN: ${words}. ${remedy}`);
}

/** Returns the error for a PIN that has failed before. */
export function failedBefore({ pin }: FailedLoad): SignerError {
  if (pin === undefined)
    return new SignerError("pin-required", "This key couldn't sign without a PIN before. Set its PIN, or restart.");
  return new SignerError("pin-incorrect", `This PIN failed before. ${NOT_REPEATED}`);
}

/** Returns the error for a PIN that a token doesn't check, because the process is logged in. */
export function loggedInOtherwise(): SignerError {
  return new SignerError("pin-incorrect", "This process is logged in to the token with a different PIN.");
}

/** Returns the error for a signature that failed after the key had signed before. */
export function signatureFailed(cause: unknown): SignerError {
  const words = cause instanceof Error ? cause.message : "unknown error";
  if (words.includes("not supported"))
    return new SignerError("wrong-key", `OpenSSL's provider can't sign with this key: ${words}.`, { cause });
  const remedy = "If it persists, restart: OpenSSL's providers don't connect to a token again.";
  return new SignerError("unavailable", `OpenSSL can't sign: ${words}. ${remedy}`, { cause });
}

/** Returns the error for a thread that ended without a result. */
export function threadFailed(cause: unknown): SignerError {
  return new SignerError("unavailable", "The thread that calls OpenSSL has failed.", { cause });
}

function noLoader(scheme: string, properties: string | undefined): SignerError {
  const { path, source } = configurationInForce();
  const selected = properties === undefined ? "" : ` with the properties ${properties}`;
  const remedy =
    path === undefined
      ? "Start Node with --openssl-config=FILE, and activate the provider in that file."
      : `Activate the provider in ${path} (${source}), in the section that nodejs_conf names.`;
  return misconfigured(`OpenSSL doesn't have a loader for ${scheme}: URIs${selected}. ${remedy}`);
}

/** Returns the message of OpenSSL, without the PIN. */
function wordsOf({ pin }: FailedLoad, { message }: Failure): string {
  const words = message.replace(/\.$/, "");
  return pin ? words.replaceAll(pin, "…") : words;
}
