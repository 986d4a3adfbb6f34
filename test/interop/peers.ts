/** The software that others wrote, by the names for `npm run interop`. */
import type { Peer } from "./scenario.js";

/**
 * Each is loaded when it runs: its clients and servers are many.
 *
 * @param instance - The URL of one that runs already, instead of one that the peer starts.
 */
export const PEERS: Readonly<Record<string, (instance?: string) => Promise<Peer>>> = {
  keycloak: async () => (await import("./keycloak.js")).keycloak,
  openid: async (instance) => (await import("./openid.js")).openidSuite(instance),
};
