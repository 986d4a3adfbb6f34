/** One request to an authorization server and its whole answer: no redirects, and no more than 1 MiB in return. */
import { type Deadline, withDeadline } from "../deadline.js";
import { OAuthError } from "../errors.js";

/** What was answered, whatever its status. */
export interface Answer {
  readonly response: Response;
  readonly text: string;
}

export interface ExchangeLimit {
  url: URL;
  /** Milliseconds. */
  timeout: number;
  signal?: AbortSignal | undefined;
}

const MOST_BYTES = 1024 * 1024;

/**
 * @returns the answer with its body as text
 * @throws {OAuthError} code `redirect`, `too-large`, or `unreachable`
 */
export async function exchange(url: URL, init: RequestInit, fetch: typeof globalThis.fetch): Promise<Answer> {
  try {
    const response = await fetch(url.href, { ...init, redirect: "manual" });
    refuseRedirect(url, response);
    return { response, text: await readText(url, response) };
  } catch (cause) {
    if (cause instanceof OAuthError) throw cause;
    throw new OAuthError("unreachable", `${nameOf(url)} gave no whole answer (${reasonOf(cause)}).`, { cause });
  }
}

/** Runs exchanges inside one limit of time. @throws {OAuthError} code `timeout` or `aborted` when that is met */
export function limited<T>({ url, timeout, signal }: ExchangeLimit, work: (deadline: Deadline) => Promise<T>) {
  const stopped = (why: "timeout" | "aborted", cause?: unknown) =>
    why === "timeout"
      ? new OAuthError("timeout", `${nameOf(url)} gave no answer within ${timeout} ms.`)
      : new OAuthError("aborted", `The request to ${nameOf(url)} was aborted by the caller.`, { cause });
  return withDeadline({ timeout, signal, toError: stopped }, work);
}

/** An endpoint in an error message: without its query. */
export function nameOf(url: URL): string {
  return url.origin + url.pathname;
}

/** The answer's JSON object, `undefined` if it is anything else. */
export function parseObject(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null && !Array.isArray(value) ? { ...value } : undefined;
  } catch {
    return undefined;
  }
}

/** A redirect would take the secret to wherever it points (RFC 9700 §4.11). */
function refuseRedirect(url: URL, response: Response): void {
  const redirects = response.status >= 300 && response.status < 400;
  if (!redirects && response.type !== "opaqueredirect" && !response.redirected) return;
  response.body?.cancel().catch(() => undefined);
  const message = `${nameOf(url)} answered with a redirect, and nothing was sent on. Give the endpoint's final URL.`;
  throw new OAuthError("redirect", message, { response });
}

async function readText(url: URL, response: Response): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response.body ?? []) {
    size += chunk.byteLength;
    if (size > MOST_BYTES) throw new OAuthError("too-large", `${nameOf(url)} answered with over 1 MiB.`, { response });
    chunks.push(chunk);
  }
  return new TextDecoder().decode(Buffer.concat(chunks));
}

/** `fetch failed` says nothing: the reason is in its cause. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (error.cause instanceof Error) return reasonOf(error.cause);
  return error.message || ("code" in error ? String(error.code) : error.name);
}
