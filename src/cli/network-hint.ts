/** What helps if a server can't be reached, by the code of Node's error. */
import type { Io } from "./io.js";
import { proxyProblem } from "./proxy.js";

const PRIVATE_CA =
  "Node doesn't know the CA of this server's certificate. If it is a private one, set NODE_EXTRA_CA_CERTS to a file with " +
  "the CA's certificate in PEM";
const SYSTEM_CA = ", or NODE_OPTIONS=--use-system-ca if the operating system knows it";
const HOST = "Check the host's name in the URL, and the network connection.";
const NO_CONNECTION = "Check that the URL is right, and that no firewall blocks the connection.";
const NOT_TLS = "The port doesn't speak TLS: check the URL's scheme and port.";

/** Error code → advice. */
const HINTS: Readonly<Record<string, string>> = {
  CERT_HAS_EXPIRED: "The server's certificate has expired, or the clock of this machine is wrong.",
  CERT_NOT_YET_VALID: "The server's certificate isn't valid yet, or the clock of this machine is wrong.",
  ERR_TLS_CERT_ALTNAME_INVALID: "The server's certificate is for another host: use the name that it contains.",
  ERR_SSL_WRONG_VERSION_NUMBER: NOT_TLS,
  ERR_SSL_PACKET_LENGTH_TOO_LONG: NOT_TLS,
  EPROTO: NOT_TLS,
  ENOTFOUND: HOST,
  EAI_AGAIN: HOST,
  ECONNREFUSED: "Check the URL's port, and that the server runs.",
  ECONNRESET: NO_CONNECTION,
  EHOSTUNREACH: NO_CONNECTION,
  ENETUNREACH: NO_CONNECTION,
  ETIMEDOUT: NO_CONNECTION,
  UND_ERR_CONNECT_TIMEOUT: NO_CONNECTION,
  UND_ERR_SOCKET: NO_CONNECTION,
};

/** The chain of the server's certificate doesn't end at a CA that Node knows. */
const UNKNOWN_CA = [
  "DEPTH_ZERO_SELF_SIGNED_CERT",
  "SELF_SIGNED_CERT_IN_CHAIN",
  "UNABLE_TO_GET_ISSUER_CERT",
  "UNABLE_TO_GET_ISSUER_CERT_LOCALLY",
  "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
];

/**
 * Returns what may help, as sentences.
 *
 * @param error - A failed request, or an error that it caused.
 */
export function networkHint(error: unknown, env: Io["env"]): string | undefined {
  const codes = codesOf(error);
  if (codes.some((code) => UNKNOWN_CA.includes(code))) return `${PRIVATE_CA}${hasSystemCa() ? SYSTEM_CA : ""}.`;
  const code = codes.find((each) => Object.hasOwn(HINTS, each));
  if (code === undefined) return undefined;
  return [HINTS[code], proxyProblem(env)].filter(Boolean).join(" ");
}

/** Node 22.15 and later can use the CAs of the operating system. */
function hasSystemCa(): boolean {
  return process.allowedNodeEnvironmentFlags.has("--use-system-ca");
}

/** Returns the codes of the error and of its causes. */
function codesOf(error: unknown): string[] {
  if (!(error instanceof Error)) return [];
  const code = "code" in error ? [String(error.code)] : [];
  return [...code, ...codesOf(error.cause)];
}
