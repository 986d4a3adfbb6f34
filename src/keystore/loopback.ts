/** Hosts to which plain HTTP never leaves the machine (RFC 8252 §7.3, RFC 6761 §6.3). */

/**
 * Returns whether a host is this machine's loopback interface.
 *
 * @param host - A URL's `hostname`: an IPv6 address is in brackets.
 */
export function isLoopback(host: string): boolean {
  return host === "localhost" || host.endsWith(".localhost") || host === "[::1]" || /^127(\.\d+){3}$/.test(host);
}
