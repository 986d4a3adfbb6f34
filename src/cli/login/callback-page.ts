/** The pages that a browser gets from the command. They contain nothing of the request. */
import type { ServerResponse } from "node:http";

const TEXTS = {
  200: "The response was received. You can close this page and return to the command.",
  400: "This isn't the response that the command waits for.",
  404: "There is no such page.",
  405: "This method isn't allowed.",
  413: "The request is too large.",
} as const;

/** The status of a page. */
export type PageStatus = keyof typeof TEXTS;

/** The URL of the page may contain the code: it must not be cached, or sent to another site as a referrer. */
const HEADERS = {
  "content-type": "text/html; charset=utf-8",
  "cache-control": "no-store",
  "referrer-policy": "no-referrer",
  "content-security-policy": "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  "x-content-type-options": "nosniff",
  connection: "close",
};

/**
 * Sends the page for a status.
 *
 * @param allowed - The method of the callback.
 */
export function sendPage(response: ServerResponse, status: PageStatus, allowed: string): void {
  const body = `<title>hardproof</title><p>${TEXTS[status]}</p>`;
  response.writeHead(status, { ...HEADERS, ...(status === 405 && { allow: allowed }) });
  response.end(`<!doctype html>\n<html lang="en"><meta charset="utf-8">${body}</html>\n`);
}
