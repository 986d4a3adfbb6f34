/** Maps the error responses of Vault and OpenBao to `SignerError`s. */
import { SignerError } from "../../src/errors.js";
import { type ErrorRow, ErrorTable } from "../../src/keystore/error-table.js";
import type { VaultResponse } from "./http.js";

const ERRORS = new ErrorTable(
  {
    400: ["misconfigured", "The server rejected the request."],
    403: ["access-denied", "The token or its policies don't allow it."],
    404: ["key-not-found", "The key doesn't exist. Create it, or correct its name."],
    405: ["misconfigured", "This isn't the path of a transit engine. Check the mount."],
    412: ["unavailable", "This node is behind the others. Try again."],
    413: ["misconfigured", "The message is longer than the server accepts."],
    429: ["throttled", "A rate limit quota of the server is reached. Try again later, or raise the quota."],
    472: ["unavailable", "This node belongs to a disaster recovery secondary. Use the primary's address."],
    473: ["unavailable", "This node is a performance standby. Use the address of the active node."],
    501: ["unavailable", "The server isn't initialized."],
    503: ["unavailable", "The server is sealed or in maintenance. Unseal it."],
  },
  ["misconfigured", "The server rejected the request."],
);

/** The server's errors about requests that can't succeed. OpenBao responds to some of them with status 500. */
const FINAL: readonly (readonly [RegExp, ErrorRow])[] = [
  [
    /signing key not found/,
    ["key-not-found", "The key doesn't exist, or was deleted. Correct its name, or restore it."],
  ],
  [/no handler for route/, ["misconfigured", "Nothing is mounted at this path. Check the mount and the namespace."]],
  [
    /namespace not found/,
    [
      "misconfigured",
      "The namespace doesn't exist. Check the namespace in the URI. In code, check the option namespace.",
    ],
  ],
  [/soft-deleted/, ["access-denied", "The key is soft-deleted. Restore it, or use another key."]],
  [/does not contain a private part/, ["wrong-key", "Only the public key was imported. Use another version or key."]],
  [
    /requested version for signing|no such key version/,
    ["key-not-found", "The key can't sign with this version. Use another version, or leave it out for the latest."],
  ],
  [/does not support signing|key derivation/, ["wrong-key", "The key can't sign a JWS. Use a key of another type."]],
  [/deletion is not allowed/, ["access-denied", "Set deletion_allowed=true in the key's configuration first."]],
  [/unknown key type/, ["misconfigured", "The server doesn't have keys for this algorithm."]],
];

/** Repeating the request may help: a failure or an overload of the server, or of a node. */
const TRANSIENT = new Set([412, 429, 472, 473, 500, 502, 503, 504]);

/**
 * Maps an error response. The message quotes the server's errors.
 *
 * @param remedies - What to do about a status, if it is known better than here.
 */
export function toSignerError(
  { status, errorText }: VaultResponse,
  path: string,
  remedies: Readonly<Record<number, string>> = {},
): SignerError {
  const [code, known] = rowOf(status, errorText);
  const remedy = remedies[status] ?? known;
  return new SignerError(
    code,
    `HTTP ${status} from ${path}: ${remedy}${errorText && ` The server reports: ${errorText}`}`,
  );
}

/** Returns whether the response may be another one if the request is repeated. */
export function isTransient({ status, errorText }: VaultResponse): boolean {
  return TRANSIENT.has(status) && finalRow(errorText) === undefined;
}

function rowOf(status: number, errorText: string): ErrorRow {
  const final = finalRow(errorText);
  if (final && status !== 403) return final;
  const row = ERRORS.has(String(status)) || status < 500;
  return row ? ERRORS.get(String(status)) : ["unavailable", "The server failed. Try again."];
}

function finalRow(errorText: string): ErrorRow | undefined {
  return FINAL.find(([pattern]) => pattern.test(errorText))?.[1];
}
