/** The hint that a printed URI lacks the source of the PIN, which the URI on the command line has. */

/**
 * Returns the hint, or `undefined` if nothing is lacking.
 *
 * @param typed - The URI on the command line.
 * @param printed - The URI of the library, which never contains a PIN.
 */
export function pinSourceHint(typed: string, printed: string): string | undefined {
  if (!/[?&]pin-(source|value)=/.test(typed) || printed.includes("pin-source=")) return undefined;
  const separator = printed.includes("?") ? "&" : "?";
  return `To use the URI, add the PIN's source at its end: ${separator}pin-source=env:NAME`;
}
