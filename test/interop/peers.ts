/** The software that others wrote, by the names for `npm run interop`. */
import type { Peer } from "./scenario.js";

/** Each is loaded when it runs: its clients and servers are many. */
export const PEERS: Readonly<Record<string, () => Promise<Peer>>> = {
  keycloak: async () => (await import("./keycloak.js")).keycloak,
  "oidc-provider": async () => (await import("./oidc-provider.js")).oidcProvider,
  mcp: async () => (await import("./mcp.js")).mcp,
  "mcp-conformance": async () => (await import("./mcp-conformance.js")).mcpConformance,
  wycheproof: async () => (await import("./wycheproof.js")).wycheproof,
};
