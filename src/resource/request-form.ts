/** Forms that a library posts to an authorization server (RFC 6749 §3.2). */
import { type OutgoingRequest, withBody } from "./outgoing-request.js";
import { type Body, bufferedBody } from "./replayable-body.js";

/** A form whose body can be sent again, if it isn't longer than the limit. */
export interface FormRequest {
  readonly request: OutgoingRequest;
  /** The body. `undefined` if it is a stream that is longer than the limit. */
  readonly text: string | undefined;
}

const FORM = "application/x-www-form-urlencoded";

/** Whether the request POSTs a form in the format of OAuth. */
export function isForm({ method, headers, body }: OutgoingRequest): boolean {
  const [type] = (headers.get("content-type") ?? typeOf(body)).split(";");
  return method === "POST" && type?.trim().toLowerCase() === FORM;
}

/**
 * Reads the form.
 *
 * @param limit - Bytes of a stream to buffer.
 * @throws {TypeError} If the body of a `Request` was read before.
 */
export async function readForm(request: OutgoingRequest, limit: number): Promise<FormRequest> {
  const body = await bufferedBody(request, limit);
  return { request: withBody(request, body), text: await textOf(body) };
}

/** Returns the type that `fetch` sends without a header. */
function typeOf(body: Body | undefined): string {
  if (body instanceof URLSearchParams) return FORM;
  return body instanceof Blob ? body.type : "";
}

async function textOf(body: Body | undefined): Promise<string | undefined> {
  return body instanceof ReadableStream ? undefined : new Response(body ?? null).text();
}
