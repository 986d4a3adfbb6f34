/** One POST of a form, the way every OAuth endpoint is spoken to: no redirects, and no more than 1 MiB in return. */
import type { Deadline } from "./deadline.js";
import { OAuthError } from "./errors.js";

export interface FormPost {
  url: URL;
  form: URLSearchParams;
  headers: Record<string, string>;
  fetch: typeof fetch;
}

export interface Answer {
  response: Response;
  text: string;
}

const MOST_BYTES = 1024 * 1024;

/**
 * @returns the answer, whatever its status, with its body as text
 * @throws {OAuthError} code `redirect`, `too-large`, or `unreachable`
 */
export async function postForm(post: FormPost, deadline: Deadline): Promise<Answer> {
  const { url, form, headers, fetch } = post;
  const { signal } = deadline;
  const init: RequestInit = { method: "POST", headers, body: form.toString(), redirect: "manual", signal };
  try {
    const response = await fetch(url.href, init);
    refuseRedirect(url, response);
    return { response, text: await readText(url, response) };
  } catch (cause) {
    if (cause instanceof OAuthError) throw cause;
    throw new OAuthError("unreachable", `${url.href} gave no whole answer (${reasonOf(cause)}).`, { cause });
  }
}

/** A redirect would take the secret to wherever it points (RFC 9700 §4.11). */
function refuseRedirect(url: URL, response: Response): void {
  const redirects = response.status >= 300 && response.status < 400;
  if (!redirects && response.type !== "opaqueredirect" && !response.redirected) return;
  response.body?.cancel().catch(() => undefined);
  const message = `${url.href} answered with a redirect, and nothing was sent on. Give the endpoint's final URL.`;
  throw new OAuthError("redirect", message, { response });
}

async function readText(url: URL, response: Response): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response.body ?? []) {
    size += chunk.byteLength;
    if (size > MOST_BYTES) throw new OAuthError("too-large", `${url.href} answered with over 1 MiB.`, { response });
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
