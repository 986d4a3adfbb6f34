/** Opens the command's key, with the public key of `--public-key` for a token that doesn't store it. */
import { createPublicKey, type KeyObject } from "node:crypto";
import { readFile } from "node:fs/promises";
import type { Command } from "commander";
import { openSigner, type PublicJwk, type Signer } from "../index.js";
import { errorCode, UsageError } from "./exit-codes.js";

/** The value of the option that {@link withPublicKeyOption} adds: the path of a file. */
export interface PublicKeyOption {
  publicKey?: string | undefined;
}

/** Adds the option `--public-key` to a command. */
export function withPublicKeyOption(command: Command): Command {
  const description = "the public key (PEM or JWK) or certificate (PEM) of a PKCS#11 or TPM key, if its token lacks it";
  return command.option("--public-key <file>", description);
}

/**
 * Opens a key.
 *
 * @param option - The option that names the file with the public key, for errors.
 * @throws {UsageError} If that file doesn't contain a P-256 public key.
 */
export async function openKey(uri: string, { publicKey }: PublicKeyOption, option = "--public-key"): Promise<Signer> {
  return openSigner(uri, publicKey === undefined ? {} : { publicJwk: await readPublicJwk(publicKey, option) });
}

async function readPublicJwk(path: string, option: string): Promise<PublicJwk> {
  const text = await readFile(path, "utf8").catch((cause) => {
    throw new UsageError(`${option}: the file can't be read (${errorCode(cause)}).`, cause);
  });
  return toPublicJwk(option, text);
}

function toPublicJwk(option: string, text: string): PublicJwk {
  const fail = (problem: string, cause?: unknown) => new UsageError(`${option}: ${problem}`, cause);
  if (/PRIVATE KEY-----|"d"\s*:/.test(text)) throw fail("the file contains a private key. Pass only the public key.");
  const { crv, x, y } = parsePublicKey(text, fail).export({ format: "jwk" });
  if (crv !== "P-256" || !x || !y) throw fail("ES256 needs a P-256 key, and the file contains another type of key.");
  return { kty: "EC", crv, x, y, alg: "ES256" };
}

function parsePublicKey(text: string, fail: (problem: string, cause: unknown) => UsageError): KeyObject {
  try {
    return createPublicKey(text.trimStart().startsWith("{") ? { key: JSON.parse(text), format: "jwk" } : text);
  } catch (cause) {
    throw fail("the file must contain a public key or a certificate in PEM, or a JWK.", cause);
  }
}
