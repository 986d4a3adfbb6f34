/** One request to the service, and what its error responses mean. */
import { ErrorTable, readSecret, SignerError } from "hardproof/provider";
import type { KeyLocation } from "./uri.js";

const ERRORS = new ErrorTable(
  {
    401: ["access-denied", "The token isn't valid. Renew it."],
    403: ["access-denied", "The token doesn't permit this. Ask the service's operator for access to the key."],
    404: ["key-not-found", "The service doesn't have this key, or not this version of it. Check the name."],
    429: ["throttled", "The service's rate limit is reached."],
    502: ["unavailable", "The service is not available."],
    503: ["unavailable", "The service is not available."],
  },
  ["unexpected", "The service's response is not one that this provider knows."],
);

/**
 * Sends a request.
 *
 * @param path - One of the routes: `/keys`, `/keys/NAME`, `/keys/NAME/sign`.
 * @param body - For a POST request.
 * @returns The JSON object that the service responded with.
 */
export async function request(
  { origin, token }: KeyLocation,
  path: string,
  { signal, body }: { signal: AbortSignal; body?: object },
): Promise<Record<string, unknown>> {
  const secret = await readSecret(token, { name: "token", note: "Nothing was sent." });
  // The error of `fetch` for such a header would contain the token.
  if (!/^[\x21-\x7e]+$/.test(secret))
    throw new SignerError("pin-required", "The token contains characters that a header can't. Nothing was sent.");
  const headers = { authorization: `Bearer ${secret}`, "content-type": "application/json" };
  // A redirect would send the token to another server.
  const common = { headers, signal, redirect: "manual" } as const;
  const init = body ? { ...common, method: "POST", body: JSON.stringify(body) } : common;
  const { status, text } = await fetch(origin + path, init)
    .then(async (response) => ({ status: response.status, text: await response.text() }))
    .catch((cause) => {
      throw new SignerError("unavailable", "The service can't be reached.", { cause });
    });
  const json = parseObject(text);
  if (status === 200) return json;
  const [code, remedy] = ERRORS.get(String(status));
  const words = String(json.error ?? "")
    .replaceAll(secret, "…")
    .replace(/\s+/g, " ")
    .slice(0, 200);
  throw new SignerError(code, `HTTP ${status}: ${remedy}${words && ` Service: ${words}`}`);
}

/** Returns an empty object for anything else, so that the caller misses the members that it needs. */
function parseObject(text: string): Record<string, unknown> {
  try {
    return Object(JSON.parse(text));
  } catch {
    return {};
  }
}
