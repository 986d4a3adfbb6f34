/** Scenarios with software that others wrote, and what was seen. */

/** The rows of the table, in its order. A peer has those that its software can do. */
export const ROWS = [
  // Authorization servers, and resource servers.
  "client_secret_basic",
  "client_secret_post",
  "private_key_jwt",
  "public client",
  "mutual TLS",
  "client credentials",
  "authorization code, PKCE",
  "pushed request (PAR)",
  "dpop_jkt",
  "request object",
  "signed response (JARM)",
  "ID token",
  "refresh, rotation",
  "reused refresh token",
  "token exchange",
  "device",
  "CIBA",
  "registration",
  "introspection",
  "revocation",
  "sign-out",
  "protected resource",
  "resource metadata",
  "nonces",
  "replayed proof",
  "thief with another key",
  "wrong clock",
  "token that ended",
  "odd paths",
  "behind a proxy",
  "200 calls at once",
  "refusals",
  "FAPI 2.0",
  "FAPI 2.0 Message Signing",
  "cut stream",
  // Verifiers of proofs.
  "200 proofs",
  "wrong proofs",
  "signatures",
  // Key stores.
  "PSS signatures",
  "keygen",
  "moved alias",
  "key states",
  "wrong keys",
  "restart",
] as const;

/** A row of the table. */
export type Row = (typeof ROWS)[number];

/** What was seen in one scenario. A peer's own fault is no failure of ours. */
export interface Seen {
  readonly row: Row;
  readonly title: string;
  readonly outcome: "passed" | "failed" | "their fault";
  /** What was seen, in one line. */
  readonly what: string;
}

/**
 * Runs one scenario, and reports it. Several scenarios can belong to one row.
 *
 * @param title - What should happen.
 * @param work - Returns what was seen. A rejection is a failure: ours, unless it is a {@link TheirFault}.
 */
export type Scenario = (row: Row, title: string, work: () => Promise<string>) => Promise<void>;

/** Software that others wrote. */
export interface Peer {
  /** Its name in the table. */
  readonly title: string;
  /** Peers of one kind are in one table. */
  readonly kind: "server" | "client" | "verifier" | "store" | "suite";
  /**
   * Installs it into the cache unless it is there.
   *
   * @returns Its version.
   * @throws {Error} If it can't be had on this machine, and why.
   */
  install(): Promise<string>;
  /** Starts it on loopback, runs its scenarios, and stops it. */
  run(scenario: Scenario): Promise<void>;
}

/** What the peer does wrong, with the place in its standard, as the reason for a ✗. */
export class TheirFault extends Error {}

/** Returns a function that prints each scenario with a ✓ or a ✗, and appends it to the list. */
export function reporter(seen: Seen[]): Scenario {
  return async (row, title, work) => {
    const result: Seen = { row, title, ...(await outcomeOf(work)) };
    seen.push(result);
    const sign = result.outcome === "passed" ? "✓" : "✗";
    const fault = { passed: "", failed: " (ours)", "their fault": " (theirs)" }[result.outcome];
    console.log(`${sign} ${row}: ${title}${fault}: ${result.what}`);
  };
}

async function outcomeOf(work: () => Promise<string>): Promise<Pick<Seen, "outcome" | "what">> {
  try {
    return { outcome: "passed", what: inOneLine(await work()) };
  } catch (error) {
    const outcome = error instanceof TheirFault ? "their fault" : "failed";
    const message = error instanceof Error ? error.message : String(error);
    return { outcome, what: inOneLine(message) };
  }
}

function inOneLine(text: string): string {
  return text.replaceAll(/\s+/g, " ").trim();
}

/** @throws {Error} With what was seen, unless the condition holds. */
export function check(condition: boolean, seen: string): asserts condition {
  if (!condition) throw new Error(seen);
}
