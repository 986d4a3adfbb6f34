/** Inrupt's client for Solid, at Community Solid Server. */
import type { Peer } from "./scenario.js";
import { INRUPT_VERSION, inruptScenarios, installInrupt } from "./solid/inrupt-client.js";
import { installSolid } from "./solid/server.js";

/** The client that Solid's apps use on a server. */
export const solidClient: Peer = {
  title: "@inrupt/solid-client-authn-node",
  kind: "client",
  async install() {
    await installSolid();
    await installInrupt();
    return INRUPT_VERSION;
  },
  run: inruptScenarios,
};
