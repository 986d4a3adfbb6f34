/** The software that others wrote, by the names for `npm run interop`. */
import type { Peer } from "./scenario.js";

/**
 * Each is loaded when it runs: its clients and servers are many.
 *
 * @param instance - The URL of one that runs already, instead of one that the peer starts.
 */
export const PEERS: Readonly<Record<string, (instance?: string) => Promise<Peer>>> = {
  keycloak: async () => (await import("./keycloak.js")).keycloak,
  "oidc-provider": async () => (await import("./oidc-provider.js")).oidcProvider,
  mcp: async () => (await import("./mcp.js")).mcp,
  "mcp-conformance": async () => (await import("./mcp-conformance.js")).mcpConformance,
  wycheproof: async () => (await import("./wycheproof.js")).wycheproof,
  spring: async () => (await import("./spring.js")).spring,
  nginx: async () => (await import("./nginx.js")).nginxProxy,
  atproto: async () => (await import("./atproto.js")).atproto,
  solid: async () => (await import("./solid.js")).solid,
  openid: async (instance) => (await import("./openid.js")).openidSuite(instance),
  "atproto-client": async () => (await import("./atproto-client.js")).atprotoClient,
  "solid-client": async () => (await import("./solid-client.js")).solidClient,
  nimbus: async () => (await import("./verifiers/nimbus.js")).nimbus,
  joserfc: async () => (await import("./verifiers/joserfc.js")).joserfc,
  "requests-oauth2client": async () => (await import("./verifiers/requests-oauth2client.js")).requestsOauth2client,
  "local-kms": async () => (await import("./local-kms.js")).localKms,
  "dpop-verifier": async () => (await import("./verifiers/dpop-verifier.js")).dpopVerifier,
};
