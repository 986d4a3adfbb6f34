/** Client assertions that are made elsewhere: SPIFFE SVIDs, service account tokens of Kubernetes, workload identities. */
import { readFile } from "node:fs/promises";
import { OAuthError } from "../../errors.js";
import type { SignOptions } from "../../keystore/signer.js";
import { misconfigured } from "../assert.js";

/** What an assertion is for. */
export interface AssertionTarget extends SignOptions {
  /** The server, as the audience of the assertion: its issuer if it is known, otherwise its token endpoint. */
  readonly audience: string;
}

/** Where an assertion comes from: a function that is called for each request, or a file that is read for each request. */
export type AssertionSource =
  | ((target: AssertionTarget) => string | Promise<string>)
  | {
      /** The path of a file that another program replaces before the JWT in it expires. */
      readonly file: string;
    };

/** The forms of a compact JWS (RFC 7515 §7.1) and of a SAML assertion in base64url (RFC 7522 §2.2). */
const ASSERTION = /^[-_=.A-Za-z0-9]+$/;

/**
 * Checks an option.
 *
 * @throws {OAuthError} With code `misconfigured` if it isn't a source of assertions.
 */
export function assertSource(source: AssertionSource, name: string): void {
  const isFile = typeof source === "object" && source !== null && typeof source.file === "string" && source.file !== "";
  if (typeof source !== "function" && !isFile)
    throw misconfigured(`${name} must be a function that returns an assertion, or { file }.`);
}

/**
 * Gets an assertion.
 *
 * @throws {OAuthError} With code `misconfigured`, naming the source, if it doesn't contain an assertion. What the
 *   function throws.
 */
export async function externalAssertion(source: AssertionSource, target: AssertionTarget): Promise<string> {
  const place = typeof source === "function" ? "that the function returned" : `in the file ${source.file}`;
  const assertion: unknown = typeof source === "function" ? await source(target) : await readAssertion(source.file);
  const text = typeof assertion === "string" ? assertion.replace(/^\uFEFF/, "").trim() : "";
  if (!ASSERTION.test(text)) throw misconfigured(`The client assertion ${place} isn't a JWT.`);
  return text;
}

async function readAssertion(file: string): Promise<string> {
  try {
    return await readFile(file, "utf8");
  } catch (cause) {
    throw new OAuthError("misconfigured", `The client assertion in the file ${file} can't be read.`, { cause });
  }
}
