/** oidc-provider with keys on a SoftHSM token. It is a development dependency, in processes of their own. */
import { createRequire } from "node:module";
import { clientScenarios } from "./oidc-provider/client-scenarios.js";
import { clockScenarios } from "./oidc-provider/clock-scenarios.js";
import { fapiScenarios } from "./oidc-provider/fapi-scenarios.js";
import { loginScenarios } from "./oidc-provider/login-scenarios.js";
import { pollScenarios } from "./oidc-provider/poll-scenarios.js";
import { proxyScenarios } from "./oidc-provider/proxy-scenarios.js";
import { resourceScenarios } from "./oidc-provider/resource-scenarios.js";
import { withSetting } from "./oidc-provider/setting.js";
import type { Peer } from "./scenario.js";

const ALL = [
  clientScenarios,
  loginScenarios,
  pollScenarios,
  resourceScenarios,
  clockScenarios,
  proxyScenarios,
  fapiScenarios,
];

/** oidc-provider, in the version of `devDependencies`. */
export const oidcProvider: Peer = {
  title: "oidc-provider",
  kind: "server",
  install: async () => createRequire(import.meta.url)("oidc-provider/package.json").version,
  run: (scenario) =>
    withSetting(scenario, async (setting) => {
      for (const scenarios of ALL) await scenarios(setting);
    }),
};
