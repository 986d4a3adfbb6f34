/** One HTTP request to the server: follows no redirect, and accepts nothing but a response of Vault's API. */
import { SignerError } from "../../src/errors.js";
import { isJsonObject } from "../../src/jose/json-object.js";
import { misconfigured } from "../../src/keystore/signer-error.js";
import { redact } from "./redact.js";

/** Where requests are sent, and by what. */
export interface VaultServer {
  /** The origin, such as `https://vault.example.com:8200`. */
  readonly address: string;
  /** The caller's, or undefined for the global one when the request is sent. */
  readonly fetch: typeof globalThis.fetch | undefined;
}

/** A request of Vault's API. */
export interface VaultRequest {
  readonly method: "GET" | "POST" | "DELETE";
  /** The path below `/v1/`. */
  readonly path: string;
  readonly namespace?: string | undefined;
  readonly body?: object;
  readonly token?: string;
  /** Secrets in the body, which no error may repeat. */
  readonly secrets?: readonly string[];
}

/** A response of Vault's API, of any status. */
export interface VaultResponse {
  readonly status: number;
  /** The whole JSON object, or an empty one for a response without content. */
  readonly json: Readonly<Record<string, unknown>>;
  /** The server's time when it responded, from its `Date` header. */
  readonly date: string | null;
  /** What an error repeats of this response: the server's errors, without the secrets of the request. */
  readonly errorText: string;
}

/** A list of 100,000 keys has less. */
const MAX_BYTES = 8 * 1024 * 1024;
const NO_CONTENT = 204;
/** How a standby node passes a request on that it can't forward. */
const TEMPORARY_REDIRECT = 307;

/**
 * Sends a request and reads the whole response.
 *
 * @throws {SignerError} With code `unavailable` if there is no response, or it isn't one of Vault's API; `misconfigured`
 *   for a redirect or a certificate that can't be verified.
 */
export async function exchange(
  { address, fetch = globalThis.fetch }: VaultServer,
  request: VaultRequest,
  signal: AbortSignal,
): Promise<VaultResponse> {
  const secrets = [...(request.secrets ?? []), ...(request.token === undefined ? [] : [request.token])];
  try {
    const response = await fetch(`${address}/v1/${request.path}`, { ...initOf(request), signal, redirect: "manual" });
    rejectRedirect(response);
    const json = response.status === NO_CONTENT ? {} : parse(response, await readText(response));
    return { status: response.status, json, date: response.headers.get("date"), errorText: errorTextOf(json, secrets) };
  } catch (error) {
    if (error instanceof SignerError || signal.aborted) throw error;
    throw networkError(error, secrets);
  }
}

function initOf({ method, namespace, body, token }: VaultRequest): RequestInit {
  const headers = {
    "x-vault-request": "true",
    ...(token !== undefined && { "x-vault-token": token }),
    ...(namespace !== undefined && { "x-vault-namespace": namespace }),
    ...(body && { "content-type": "application/json" }),
  };
  return { method, headers, body: body ? JSON.stringify(body) : null };
}

/** A redirect would send the token to another server. */
function rejectRedirect(response: Response): void {
  const { status, type, redirected } = response;
  if (redirected) throw misconfigured("The option fetch followed a redirect, which sends the token elsewhere.");
  if (type !== "opaqueredirect" && (status < 300 || status >= 400)) return;
  response.body?.cancel().catch(() => undefined);
  const message = `HTTP ${status}: The response is a redirect, which was not followed.`;
  if (status === TEMPORARY_REDIRECT)
    throw new SignerError("unavailable", `${message} This node is a standby. Use the address of the active node.`);
  throw misconfigured(`${message} Use the server's final address. A proxy or a captive portal may be in between.`);
}

async function readText(response: Response): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response.body ?? []) {
    size += chunk.byteLength;
    if (size > MAX_BYTES) throw new SignerError("unavailable", "The response is larger than 8 MiB.");
    chunks.push(chunk);
  }
  return new TextDecoder().decode(Buffer.concat(chunks));
}

/** A proxy's or a captive portal's own page must not be taken for an answer of Vault, whatever its status is. */
function parse(response: Response, text: string): Record<string, unknown> {
  const json = parseObject(text);
  if (json && (response.ok || Array.isArray(json.errors) || "sealed" in json)) return json;
  const type = response.headers.get("content-type")?.slice(0, 60) ?? "no content type";
  const message = `HTTP ${response.status} (${type}): The response isn't one of Vault's API.`;
  throw new SignerError("unavailable", `${message} Check the address, and whether a proxy is in between.`);
}

function parseObject(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return isJsonObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function errorTextOf({ errors }: Record<string, unknown>, secrets: readonly string[]): string {
  return Array.isArray(errors) ? redact(errors.map(String).join("; "), secrets) : "";
}

const CERTIFICATE = /CERT|SIGNATURE|ISSUER|ALTNAME|^ERR_(?:SSL|TLS)/;
/** How OpenSSL calls a response in plain HTTP, by the version of Node. */
const NO_TLS = /^ERR_SSL_(?:WRONG_VERSION_NUMBER|PACKET_LENGTH_TOO_LONG)$/;

/** The message of `fetch` itself is only "fetch failed". The cause is copied, since it may repeat the request. */
function networkError(error: unknown, secrets: readonly string[]): SignerError {
  const { code, message } = reasonOf(error);
  const reason = redact(code ? `${code}: ${message}` : message, secrets);
  const cause = Object.assign(new Error(reason), code && { code });
  if (code && NO_TLS.test(code)) {
    const remedy = "Check its port. A server on this machine may have http:// (in a URI: tls=off).";
    return misconfigured(`The server doesn't speak TLS (${code}). ${remedy}`, { cause });
  }
  if (code && CERTIFICATE.test(code)) {
    const remedy =
      "Set NODE_EXTRA_CA_CERTS: VAULT_CACERT and BAO_CACERT aren't read. In code, you can set the option fetch.";
    return misconfigured(`The server's certificate can't be verified (${reason}). ${remedy}`, { cause });
  }
  return new SignerError("unavailable", `The server can't be reached (${reason}). Check the address.`, { cause });
}

function reasonOf(error: unknown): { code: string | undefined; message: string } {
  if (!(error instanceof Error)) return { code: undefined, message: "it threw a value that isn't an error" };
  if (error.cause instanceof Error) return reasonOf(error.cause);
  const code = "code" in error && typeof error.code === "string" ? error.code : undefined;
  return { code, message: error.message || error.name };
}
