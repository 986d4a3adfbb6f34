/** The errors of authorization servers as they are written: by RFC 6749 §5.2, in a challenge, or in another form. */
import type { HttpResponse } from "./http.js";
import { parseChallenges } from "./www-authenticate.js";

/** An error of a server. */
export interface ServerError {
  /** The error code. `token_request_failed` if the server didn't send one. */
  readonly error: string;
  readonly description: string | null;
}

type Body = Readonly<Record<string, unknown>>;

/** Members of a successful response, by which a body isn't an error whatever else it contains. */
const SUCCESS = ["access_token", "active", "auth_req_id", "device_code", "request_uri"];

/** Whether a body is an error whatever the status of its response is: some servers send errors with status 200. */
export function isErrorBody(body: Body | undefined): boolean {
  return body !== undefined && codeOf(body) !== undefined && !SUCCESS.some((name) => body[name] != null);
}

/** Reads the error of a response. The body counts before a challenge (RFC 6750 §3), which some servers send alone. */
export function readError({ response: { headers }, text, body }: HttpResponse): ServerError {
  const challenge = challengeError(headers);
  const code = body && codeOf(body);
  const described = (body && descriptionOf(body)) ?? challenge?.description;
  const unread = code === undefined ? titleOf(text) || text || null : null;
  return { error: code ?? challenge?.error ?? "token_request_failed", description: described ?? unread };
}

/** Returns the title of an HTML page, such as that of a proxy: the rest of it is for browsers. */
function titleOf(text: string): string | undefined {
  return /<title>([^<]+)<\/title>/i.exec(text)?.[1]?.trim();
}

/** `{"error":"…"}`, `{"error":{"code":"…"}}`, and the `errorCode` of Okta's APIs. */
function codeOf({ error, errorCode }: Body): string | undefined {
  if (isObject(error)) return textOf(error.code);
  return textOf(error) ?? textOf(errorCode);
}

/** Beside the member of RFC 6749: what APIs of the same servers use, and RFC 9457 §3.1. */
function descriptionOf(body: Body): string | undefined {
  const { error, error_description, message, errorSummary, detail, title } = body;
  const inner = isObject(error) ? textOf(error.message) : undefined;
  const texts = [error_description, inner, message, errorSummary, detail, title];
  return texts.map(textOf).find((text) => text !== undefined);
}

function challengeError(headers: Headers): ServerError | undefined {
  const challenges = parseChallenges(headers.get("www-authenticate") ?? "");
  const parameters = challenges.find(({ parameters }) => parameters.get("error"))?.parameters;
  const error = parameters?.get("error");
  return error === undefined ? undefined : { error, description: parameters?.get("error_description") || null };
}

function textOf(value: unknown): string | undefined {
  return typeof value === "string" && value !== "" ? value : undefined;
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null;
}
