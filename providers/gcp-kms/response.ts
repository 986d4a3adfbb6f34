/** What every response of Cloud KMS is checked for, before it is used. */
import { SignerError } from "../../src/errors.js";

/** Repeats the work once: a single damaged response can be an accident. Damaged responses are never used. */
export async function retryOnIntegrityError<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof SignerError && error.code === "integrity") return work();
    throw error;
  }
}

/** @throws {SignerError} With code `integrity` if the response is about another resource. */
export function checkResponseName(name: string | null | undefined, expected: string): void {
  if (name !== expected)
    throw new SignerError("integrity", `The response is for ${name || "no key version"} instead of ${expected}.`);
}

/** The SDK returns bytes as a Buffer over gRPC, and as base64 over REST. */
export function bytesOf(value: Uint8Array | string | null | undefined): Uint8Array {
  return typeof value === "string" ? Buffer.from(value, "base64") : (value ?? new Uint8Array());
}
