/** Fetches a metadata document from the first of several URLs that has it. */
import { OAuthError } from "../errors.js";
import { errorText } from "./error-response.js";
import { displayUrl, type HttpResponse, send } from "./http.js";

/** What to fetch, and how. */
export interface DocumentOptions {
  /** The document's name at the beginning of an error: `The metadata of https://…`. */
  what: string;
  /** Whether an object is such a document, valid or not. Anything else is treated as if it was missing. */
  isDocument: (object: Record<string, unknown>) => boolean;
  fetch: typeof fetch;
  signal: AbortSignal;
}

/** A document, and the response that contains it. */
export interface FetchedDocument {
  readonly body: Record<string, unknown>;
  readonly response: Response;
}

/** What a URL returned instead of the document. */
interface Miss {
  readonly url: URL;
  readonly error: OAuthError;
}

/**
 * Requests the URLs in turn until one of them returns the document. Any other response, such as a page, a redirect or an
 * error, leads to the next URL. A server that doesn't respond ends it: it wouldn't respond at the next URL either.
 *
 * @throws {OAuthError} If no URL returns the document. The message lists what each of them returned; code and response
 *   are those of the first URL that returned something else than a 4xx.
 */
export async function fetchFirstDocument(urls: readonly URL[], options: DocumentOptions): Promise<FetchedDocument> {
  const misses: Miss[] = [];
  for (const url of urls) {
    const result = await fetchDocument(url, options);
    if (!(result instanceof OAuthError)) return result;
    misses.push({ url, error: result });
  }
  throw notFound(options.what, misses);
}

/** Returns the document, or the error for a response that isn't one. */
async function fetchDocument(url: URL, options: DocumentOptions): Promise<FetchedDocument | OAuthError> {
  const { fetch, signal, isDocument } = options;
  try {
    const { response, body } = await send(url, { headers: { accept: "application/json" }, signal }, fetch);
    if (!response.ok) return statusError(body, response);
    if (body && isDocument(body)) return { body, response };
    const found = body ? "a JSON object that isn't metadata" : "a body that isn't a JSON object";
    return new OAuthError("invalid-response", `status ${response.status} with ${found}`, { response });
  } catch (error) {
    if (error instanceof OAuthError && error.code === "redirect") return described(error, "a redirect");
    if (error instanceof OAuthError && error.code === "too-large") return described(error, "more than 1 MiB");
    throw error;
  }
}

/** Repeats only the text of an OAuth error: that of a page is longer than it is useful. */
function statusError(body: Record<string, unknown> | undefined, response: HttpResponse["response"]): OAuthError {
  const status = `status ${response.status}`;
  const { error, error_description: text } = body ?? {};
  if (typeof error !== "string" || error === "") return new OAuthError("refused", status, { response });
  const errorDescription = typeof text === "string" ? text : null;
  const message = `${status} (${errorText(error, errorDescription)})`;
  return new OAuthError("refused", message, { error, errorDescription, response });
}

function described({ code, response }: OAuthError, message: string): OAuthError {
  return new OAuthError(code, message, response && { response });
}

function notFound(what: string, misses: readonly Miss[]): OAuthError {
  const leading = (misses.find(({ error }) => !isAbsent(error)) ?? misses[0])?.error;
  const list = misses.map(({ url, error }) => `${displayUrl(url)} returned ${error.message}`).join("; ");
  const message = `${what} was not found: ${list}. Check the URL.`;
  const { errorDescription = null, response } = leading ?? {};
  return new OAuthError(leading?.code ?? "invalid-response", message, {
    ...(leading && { error: leading.error }),
    errorDescription,
    ...(response && { response }),
  });
}

function isAbsent({ code, statusCode }: OAuthError): boolean {
  return code === "refused" && statusCode !== null && statusCode < 500;
}
