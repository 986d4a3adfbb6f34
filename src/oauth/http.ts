/** One HTTP request to an authorization server: doesn't follow redirects, and reads at most 1 MiB of the response. */
import { type Deadline, withDeadline } from "../deadline.js";
import { OAuthError } from "../errors.js";
import { isJsonObject } from "../jose/json-object.js";

/** A response of any status, with its body. */
export interface HttpResponse {
  readonly response: Response;
  readonly text: string;
  /** The JSON object in the text. `undefined` if it isn't one. */
  readonly body: Record<string, unknown> | undefined;
}

/** The time limit of one call. */
export interface TimeLimit {
  /** The URL that the error names. A function returns it when the error is made. */
  url: URL | (() => URL);
  /** Milliseconds. */
  timeout: number;
  signal?: AbortSignal | undefined;
}

const MAX_BYTES = 1024 * 1024;

/**
 * Sends a request and reads the whole response.
 *
 * @throws {OAuthError} With code `redirect`, `too-large` or `unreachable`.
 */
export async function send(url: URL, init: RequestInit, fetch: typeof globalThis.fetch): Promise<HttpResponse> {
  try {
    const response = await fetch(url.href, { ...init, redirect: "manual" });
    rejectRedirect(url, response);
    const text = await readText(url, response);
    return { response, text, body: parseObject(text) };
  } catch (cause) {
    if (cause instanceof OAuthError) throw cause;
    const message = `Could not get a complete response from ${displayUrl(url)} (${reasonOf(cause)}).`;
    throw new OAuthError("unreachable", message, { cause });
  }
}

/**
 * Runs requests within one time limit.
 *
 * @throws {OAuthError} With code `timeout` or `aborted`.
 */
export function withTimeLimit<T>({ url, timeout, signal }: TimeLimit, work: (deadline: Deadline) => Promise<T>) {
  const toError = (why: "timeout" | "aborted", cause?: unknown) => {
    const shown = displayUrl(typeof url === "function" ? url() : url);
    return why === "timeout"
      ? new OAuthError("timeout", `${shown} did not respond within ${timeout} ms.`)
      : new OAuthError("aborted", `The caller aborted the request to ${shown}.`, { cause });
  };
  return withDeadline({ timeout, signal, toError }, work);
}

/** Returns a URL for an error message, without its query, which may contain secrets. */
export function displayUrl(url: URL): string {
  return url.origin + url.pathname;
}

/** Parses a JSON object. Returns `undefined` for any other text. */
export function parseObject(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return isJsonObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

/** Returns the error for a response that isn't a JSON object, such as a web page. */
export function notJson(url: URL, response: Response): OAuthError {
  const [type] = /^[\w.+-]+\/[\w.+-]+/.exec(response.headers.get("content-type") ?? "") ?? [];
  const found = type === undefined ? "" : ` (it is ${type})`;
  const message = `The response of ${displayUrl(url)} isn't a JSON object${found}. Check the URL.`;
  return new OAuthError("invalid-response", message, { response });
}

/** A redirect would forward the request's credentials (RFC 9700 §4.11). */
function rejectRedirect(url: URL, response: Response): void {
  const redirects = response.status >= 300 && response.status < 400;
  if (!redirects && response.type !== "opaqueredirect" && !response.redirected) return;
  response.body?.cancel().catch(() => undefined);
  const message = `${displayUrl(url)} responded with a redirect, which was not followed. Configure the endpoint's final URL.`;
  throw new OAuthError("redirect", message, { response });
}

async function readText(url: URL, response: Response): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response.body ?? []) {
    size += chunk.byteLength;
    if (size > MAX_BYTES)
      throw new OAuthError("too-large", `The response of ${displayUrl(url)} is larger than 1 MiB.`, { response });
    chunks.push(chunk);
  }
  return new TextDecoder().decode(Buffer.concat(chunks));
}

/** Returns the message of the innermost cause, since that of `fetch` itself is only "fetch failed". */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (error.cause instanceof Error) return reasonOf(error.cause);
  return error.message || ("code" in error ? String(error.code) : error.name);
}
