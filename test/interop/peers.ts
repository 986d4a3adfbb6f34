/** The software that others wrote, by the names for `npm run interop`. */
import type { Peer } from "./scenario.js";

/** Each is loaded when it runs: its clients and servers are many. */
export const PEERS: Readonly<Record<string, () => Promise<Peer>>> = {
  atproto: async () => (await import("./atproto.js")).atproto,
  "atproto-client": async () => (await import("./atproto-client.js")).atprotoClient,
  keycloak: async () => (await import("./keycloak.js")).keycloak,
  nginx: async () => (await import("./nginx.js")).nginxProxy,
  spring: async () => (await import("./spring.js")).spring,
  nimbus: async () => (await import("./verifiers/nimbus.js")).nimbus,
  joserfc: async () => (await import("./verifiers/joserfc.js")).joserfc,
  "requests-oauth2client": async () => (await import("./verifiers/requests-oauth2client.js")).requestsOauth2client,
  "dpop-verifier": async () => (await import("./verifiers/dpop-verifier.js")).dpopVerifier,
  "solid-client": async () => (await import("./solid-client.js")).solidClient,
  solid: async () => (await import("./solid.js")).solid,
};
