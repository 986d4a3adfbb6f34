/** The software that others wrote, by the names for `npm run interop`. */
import type { Peer } from "./scenario.js";

/** Each is loaded when it runs: its clients and servers are many. */
export const PEERS: Readonly<Record<string, () => Promise<Peer>>> = {
  atproto: async () => (await import("./atproto.js")).atproto,
  "atproto-client": async () => (await import("./atproto-client.js")).atprotoClient,
  keycloak: async () => (await import("./keycloak.js")).keycloak,
  "solid-client": async () => (await import("./solid-client.js")).solidClient,
  solid: async () => (await import("./solid.js")).solid,
};
