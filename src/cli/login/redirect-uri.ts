/** Redirect URIs on loopback, which the command itself receives (RFC 8252 §7.3). */
import { UsageError } from "../exit-codes.js";

/** A redirect URI, and where to listen for it. */
export interface RedirectUri {
  /** The addresses that its host stands for. */
  readonly addresses: readonly string[];
  /** The port, or 0 for any free one. */
  readonly port: number;
  /** The path of the callback. */
  readonly path: string;
  /** Returns the redirect URI. It is spelled as the user did: servers compare it as text. */
  withPort(port: number): string;
}

const ADDRESSES: Readonly<Record<string, readonly string[]>> = {
  "127.0.0.1": ["127.0.0.1"],
  "[::1]": ["::1"],
  // A browser may use either of them.
  localhost: ["127.0.0.1", "::1"],
};
const LOOPBACK = /^http:\/\/(127\.0\.0\.1|\[::1\]|localhost)(?::([1-9]\d{0,4}))?([/?][^#\s]*)?$/;

/**
 * Parses a redirect URI.
 *
 * @param port - The port, if the URI doesn't contain it.
 * @throws {UsageError} If the command can't receive the callback, or there are two ports.
 */
export function parseRedirectUri(text: string, port?: number): RedirectUri {
  const [, host = "", portText, rest = ""] = LOOPBACK.exec(text) ?? [];
  const addresses = ADDRESSES[host];
  if (addresses === undefined || !URL.canParse(text))
    throw new UsageError(
      "--redirect-uri must be http: on 127.0.0.1, [::1] or localhost, without a fragment: the command receives the callback.",
    );
  if (portText !== undefined && port !== undefined)
    throw new UsageError("Pass the port in --redirect-uri or with --redirect-port, not both.");
  return {
    addresses,
    port: port ?? Number(portText ?? 0),
    path: new URL(text).pathname,
    withPort: (actual) => (portText === undefined ? `http://${host}:${actual}${rest}` : text),
  };
}

/** Parses the value of `--redirect-port`. */
export function parsePort(value: string): number {
  const port = /^\d{1,5}$/.test(value) ? Number(value) : 0;
  if (port > 0 && port < 2 ** 16) return port;
  throw new UsageError("--redirect-port must be a number from 1 to 65535.");
}
