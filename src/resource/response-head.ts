/** The error of a response, read from a copy of its body, so that the caller of `fetch` can still read the body. */
import { parseObject } from "../oauth/http.js";
import type { ResponseHead } from "./credentials.js";
import { bufferUpTo } from "./replayable-body.js";

const MAX_ERROR = 64 * 1024; // bytes

/** Returns what decides about another attempt. */
export function responseHead(response: Response): ResponseHead {
  const { status, headers } = response;
  return { status, headers, json: () => jsonOf(response) };
}

/** Ignores a body that is too long, or can't be read: the caller gets the same error when it reads the response. */
async function jsonOf(response: Response): Promise<Record<string, unknown> | undefined> {
  if (!/\bjson\b/i.test(response.headers.get("content-type") ?? "")) return undefined;
  const copy = response.clone().body;
  if (copy === null) return undefined;
  const body = await bufferUpTo(copy, MAX_ERROR).catch(() => undefined);
  if (Buffer.isBuffer(body)) return parseObject(body.toString());
  if (body instanceof ReadableStream) body.cancel().catch(() => undefined);
  return undefined;
}
