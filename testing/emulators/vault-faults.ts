/** The faults of the Vault emulator, and how a response is sent. */
import type { ServerResponse } from "node:http";
import { generateVersion, type KeyVersion, type SignParameters, signWith, type TransitKey } from "./vault-keys.js";

/** A response that isn't the server's regular one. Without `errors`, its body is `html`. */
export interface FaultResponse {
  /** The HTTP status. */
  readonly status: number;
  /** The messages of the JSON body. */
  readonly errors?: readonly string[];
  /** The body of a response that isn't JSON. */
  readonly html?: string;
  /** Further headers. */
  readonly headers?: Readonly<Record<string, string>>;
}

/** What goes wrong with one call. */
export type VaultFault =
  | FaultResponse
  | "hang"
  | "hang-body"
  | "reset"
  | "garbage"
  | "echo"
  | "huge"
  | "other-name"
  | "other-version"
  | "other-key"
  | "wrong-signature"
  | "longest-salt";

/** Returns the `data` of a response to sign, damaged by the fault. */
export function signatureOf(
  key: TransitKey | undefined,
  { body, hash }: SignParameters,
  fault: VaultFault | undefined,
): object {
  const parameters = {
    hash,
    body: {
      ...body,
      ...(fault === "longest-salt" && { salt_length: "auto" }),
      ...(fault === "wrong-signature" && { input: zeros(body.input) }),
    },
  };
  const { signature, version } = signWith(fault === "other-key" ? otherThan(key) : key, parameters);
  const reported = fault === "other-version" ? version + 1 : version;
  return { key_version: reported, signature: `vault:v${reported}:${signature}` };
}

/** Returns as many bytes of another input. */
function zeros(input: unknown): string {
  return Buffer.alloc(Buffer.from(String(input), "base64").length).toString("base64");
}

/** Returns a key of the same type with other versions. */
function otherThan(key: TransitKey | undefined): TransitKey | undefined {
  return key && { ...key, versions: key.versions.map((version) => versionOtherThan(version, key)) };
}

function versionOtherThan({ publicKey }: KeyVersion, { type, settings }: TransitKey): KeyVersion {
  for (;;) {
    const version = generateVersion(type, settings);
    if (publicKey === undefined || version.publicKey !== publicKey) return version;
  }
}

/** Sends a regular response, or the status 204 without a body. */
export function send(response: ServerResponse, status: number, body: object | undefined): void {
  response.writeHead(status, { "content-type": "application/json" });
  response.end(body && JSON.stringify({ request_id: "400ccbb0", lease_id: "", warnings: null, auth: null, ...body }));
}

/** Sends a response that a fault orders. */
export function sendFault(response: ServerResponse, { status, errors, html = "", headers }: FaultResponse): void {
  response.writeHead(status, { "content-type": errors ? "application/json" : "text/html", ...headers });
  response.end(errors ? JSON.stringify({ errors }) : html);
}
