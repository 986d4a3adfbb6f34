/** The options of a token, and their validation. */
import { randomBytes } from "node:crypto";
import { LABEL_BYTES } from "./cryptoki.js";
import { type KeyOptions, type PreparedKey, prepareKeys } from "./key-options.js";
import { misconfigured } from "./misconfigured.js";

/** Options of a token. */
export interface TokenOptions {
  /** The token's label, at most 32 bytes. Default: `test`. */
  readonly label?: string | undefined;
  /** The user PIN, 4 to 255 bytes. Default: a random PIN. */
  readonly pin?: string | undefined;
  /** The PIN of the security officer, 4 to 255 bytes. Default: a random PIN. */
  readonly soPin?: string | undefined;
  /** The keys on the token. Default: one key for ES256 with the label `dpop`. */
  readonly keys?: readonly KeyOptions[] | undefined;
}

/** A token to make. */
export interface PreparedToken {
  readonly label: string;
  readonly pin: string;
  readonly soPin: string;
  readonly keys: readonly PreparedKey[];
}

/** SoftHSM's limits, in bytes. */
const PIN_BYTES = { min: 4, max: 255 };

/** @throws {SignerError} With code `misconfigured` if an option is invalid. The message doesn't contain a PIN. */
export function prepareToken(options: TokenOptions): PreparedToken {
  if (typeof options !== "object" || options === null)
    throw misconfigured("The options must be an object, such as { label, keys }.");
  const { label = "test", pin = randomPin(), soPin = randomPin(), keys = [{ label: "dpop" }] } = options;
  checkLabel(label);
  checkPin("pin", pin);
  checkPin("soPin", soPin);
  return { label, pin, soPin, keys: prepareKeys(keys) };
}

/** The library pads a label with blanks, so one at the end would be lost. A URI can't contain half a surrogate pair. */
function checkLabel(label: unknown): void {
  const isText = typeof label === "string" && label !== "" && !/[\p{Cc}\p{Cs}]/u.test(label);
  if (isText && Buffer.byteLength(label) <= LABEL_BYTES && label === label.trimEnd()) return;
  throw misconfigured(
    `label must be a text of at most ${LABEL_BYTES} bytes, without control characters, a blank at its end or half a surrogate pair.`,
  );
}

function checkPin(name: string, pin: unknown): void {
  const { min, max } = PIN_BYTES;
  const bytes = typeof pin === "string" && !/\p{Cc}/u.test(pin) ? Buffer.byteLength(pin) : 0;
  if (bytes >= min && bytes <= max) return;
  throw misconfigured(`${name} must be a text of ${min} to ${max} bytes, without control characters.`);
}

/** Returns a random PIN of 24 hexadecimal digits. */
function randomPin(): string {
  return randomBytes(12).toString("hex");
}
