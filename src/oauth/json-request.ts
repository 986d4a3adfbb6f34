/** Requests with a JSON body and a bearer token, without client authentication (RFC 7591 §3, RFC 7592 §2). */
import type { SignOptions } from "../keystore/signer.js";
import { misconfigured } from "./assert.js";
import { errorResponse } from "./error-response.js";
import { type HttpResponse, send, withTimeLimit } from "./http.js";
import { redactor } from "./redact.js";
import { isErrorBody } from "./server-error.js";

/** One request. */
export interface JsonRequest {
  url: URL;
  method: "GET" | "POST" | "PUT" | "DELETE";
  /** The bearer token, if the request needs one. */
  token?: string | undefined;
  /** Returns the members of the body. Its work, such as opening a key, is part of the time limit. */
  body?: ((options: SignOptions) => Promise<object>) | undefined;
  /** Values in the body that an error must not repeat. */
  secrets?: readonly string[] | undefined;
  signal?: AbortSignal | undefined;
}

/** How requests are sent. */
export interface JsonTransport {
  fetch: typeof fetch;
  /** Milliseconds. */
  timeout: number;
}

/**
 * Sends a request.
 *
 * @throws {OAuthError} If there is no response with status 2xx, or its body is an error; with code `misconfigured` if JSON
 *   can't represent the request's body.
 */
export async function sendJsonRequest(request: JsonRequest, { fetch, timeout }: JsonTransport): Promise<HttpResponse> {
  const { url, method, token, body, secrets = [], signal } = request;
  const authorization: Record<string, string> = token === undefined ? {} : { authorization: `Bearer ${token}` };
  const headers = { ...authorization, accept: "application/json", ...(body && { "content-type": "application/json" }) };
  const result = await withTimeLimit({ url, timeout, signal }, async (deadline) => {
    const json = body === undefined ? null : toJson(await body({ signal: deadline.signal }));
    deadline.signal.throwIfAborted(); // a signer or a custom fetch may ignore the signal
    return send(url, { method, headers, body: json, signal: deadline.signal }, fetch);
  });
  const isError = isErrorBody(result.body) && result.body?.client_id === undefined;
  if (result.response.ok && !isError) return result;
  const tokens = token === undefined ? secrets : [token, ...secrets];
  const redact = redactor({ form: new URLSearchParams(), headers: authorization, secrets: tokens });
  throw errorResponse(url, result, redact);
}

function toJson(body: object): string {
  try {
    return JSON.stringify(body);
  } catch {
    throw misconfigured("metadata must contain only what JSON can represent.");
  }
}
