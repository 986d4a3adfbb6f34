/** atproto's own client, with keys of Hardproof on a SoftHSM token, at the PDS. */
import { fileURLToPath } from "node:url";
import { officialClientScenarios } from "./atproto/official-client.js";
import { installPds, versionOf } from "./atproto/pds.js";
import type { Peer } from "./scenario.js";

/** The client that Bluesky's apps use. */
export const atprotoClient: Peer = {
  title: "@atproto/oauth-client",
  kind: "client",
  async install() {
    await installPds();
    return versionOf(fileURLToPath(new URL("../..", import.meta.url)), "@atproto/oauth-client");
  },
  run: officialClientScenarios,
};
