/** The error of an option that must be corrected. */
import { SignerError } from "../src/index.js";

/** @param message - It must not contain a PIN or a private key. */
export function misconfigured(message: string): SignerError {
  return new SignerError("misconfigured", message);
}
