/** Community Solid Server with Hardproof's client, whose keys are on a SoftHSM token. */
import type { Peer } from "./scenario.js";
import { loginScenarios } from "./solid/login-scenarios.js";
import { podScenarios } from "./solid/pod-scenarios.js";
import { installSolid, VERSION } from "./solid/server.js";
import { withSolid } from "./solid/setting.js";

/** The server, which has the users' accounts and their pods. */
export const solid: Peer = {
  title: "Community Solid Server",
  kind: "server",
  async install() {
    await installSolid();
    return VERSION;
  },
  run: (scenario) =>
    withSolid(scenario, async (setting) => {
      await loginScenarios(setting);
      await podScenarios(setting);
    }),
};
