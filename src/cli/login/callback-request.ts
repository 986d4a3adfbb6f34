/** A request to the callback: whether it contains the response to this command's authorization request. */
import type { IncomingMessage } from "node:http";
import type { PageStatus } from "./callback-page.js";

/** The request that the command waits for. */
export interface ExpectedCallback {
  readonly path: string;
  /** `POST` if the response is a form (`form_post`). */
  readonly method: "GET" | "POST";
  /** The `state` of the authorization request. */
  readonly state: string;
}

/** Bytes. A signed response has a few thousand. */
const MAX_FORM = 2 ** 16;

/** Returns the parameters of the authorization response, or the status for a request that is something else. */
export async function readCallback(
  request: IncomingMessage,
  { path, method, state }: ExpectedCallback,
): Promise<URLSearchParams | Exclude<PageStatus, 200>> {
  const base = "http://localhost";
  const target = request.url ?? "";
  const url = URL.canParse(target, base) ? new URL(target, base) : undefined;
  if (url?.pathname !== path) return 404;
  if (request.method !== method) return 405;
  const parameters = method === "GET" ? url.searchParams : await readForm(request);
  if (parameters === undefined) return 413;
  return hasState(parameters, state) ? parameters : 400;
}

async function readForm(request: IncomingMessage): Promise<URLSearchParams | undefined> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of request) {
    length += chunk.length;
    if (length > MAX_FORM) return undefined;
    chunks.push(chunk);
  }
  return new URLSearchParams(Buffer.concat(chunks).toString());
}

/** The state of a signed response (JARM) is a claim. `authorizationCode` verifies the signature afterwards. */
function hasState(parameters: URLSearchParams, expected: string): boolean {
  const response = parameters.get("response");
  const states = response === null ? parameters.getAll("state") : [claimedState(response)];
  return states.length === 1 && states[0] === expected;
}

function claimedState(jwt: string): unknown {
  const [, payload = ""] = jwt.split(".");
  try {
    return JSON.parse(Buffer.from(payload, "base64url").toString())?.state;
  } catch {
    return undefined;
  }
}
