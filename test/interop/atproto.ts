/** atproto's PDS with Hardproof's client, whose keys are on a SoftHSM token. */
import { callScenarios } from "./atproto/call-scenarios.js";
import { loginScenarios } from "./atproto/login-scenarios.js";
import { installPds, versionOf } from "./atproto/pds.js";
import { withPds } from "./atproto/setting.js";
import { tokenScenarios } from "./atproto/token-scenarios.js";
import type { Peer } from "./scenario.js";

/** The PDS, which is the authorization server of its users, and their resource server. */
export const atproto: Peer = {
  title: "atproto PDS",
  kind: "server",
  async install() {
    return versionOf(await installPds(), "@atproto/pds");
  },
  run: (scenario) =>
    withPds(scenario, async (setting) => {
      await loginScenarios(setting);
      await tokenScenarios(setting);
      await callScenarios(setting);
    }),
};
