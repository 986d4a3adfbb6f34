/** The requests of the Vault emulator: what each is for, and what it names. */
import type { IncomingHttpHeaders, IncomingMessage } from "node:http";
import { text } from "node:stream/consumers";
import type { SignParameters } from "./vault-keys.js";

/** What a request is for. */
export type VaultOperation =
  | "read"
  | "sign"
  | "create"
  | "configure"
  | "delete"
  | "list"
  | "login"
  | "lookup"
  | "renew"
  | "revoke"
  | "capabilities"
  | "health"
  | "unknown";

/** A request that the server received. */
export interface VaultCall {
  /** The HTTP method. */
  readonly method: string;
  /** The path with the query, such as `/v1/transit/keys/dpop`. */
  readonly url: string;
  /** The headers, with names in lower case. */
  readonly headers: IncomingHttpHeaders;
  /** The members of the JSON body. Empty if there is no body. */
  readonly body: Readonly<Record<string, unknown>>;
}

/** A request, and what it is for. */
export interface Routed extends SignParameters {
  readonly operation: VaultOperation;
  readonly path: string;
  readonly name: string;
}

const ROUTES: readonly (readonly [RegExp, VaultOperation])[] = [
  [/^GET transit\/keys\?list=true$/, "list"],
  [/^GET transit\/keys\/(?<name>\w(?:[\w.-]*\w)?)$/, "read"],
  [/^POST transit\/keys\/(?<name>\w(?:[\w.-]*\w)?)$/, "create"],
  [/^POST transit\/keys\/(?<name>\w(?:[\w.-]*\w)?)\/config$/, "configure"],
  [/^DELETE transit\/keys\/(?<name>\w(?:[\w.-]*\w)?)$/, "delete"],
  [/^POST transit\/sign\/(?<name>\w(?:[\w.-]*\w)?)(?:\/(?<hash>[\w-]+))?$/, "sign"],
  [/^POST auth\/(?<name>[\w/-]+)\/login$/, "login"],
  [/^GET auth\/token\/lookup-self$/, "lookup"],
  [/^POST auth\/token\/renew-self$/, "renew"],
  [/^POST auth\/token\/revoke-self$/, "revoke"],
  [/^POST sys\/capabilities-self$/, "capabilities"],
  [/^GET sys\/health$/, "health"],
];

/** Reads a request. */
export async function callOf(request: IncomingMessage): Promise<VaultCall> {
  const { method = "", url = "", headers } = request;
  const body = await text(request);
  return { method, url, headers, body: body === "" ? {} : JSON.parse(body) };
}

/** Finds what a request is for, and the name in its path. */
export function route({ method, url, body }: VaultCall): Routed {
  const path = url.replace(/^\/v1\//, "");
  for (const [pattern, operation] of ROUTES) {
    const match = pattern.exec(`${method} ${path}`);
    if (match) return { operation, path, name: match.groups?.name ?? "", hash: match.groups?.hash, body };
  }
  return { operation: "unknown", path, name: "", hash: undefined, body };
}

/** Returns the token of a request. */
export function tokenOf({ "x-vault-token": token }: IncomingHttpHeaders): string | undefined {
  return typeof token === "string" ? token : undefined;
}
