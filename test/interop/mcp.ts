/**
 * An MCP server of the official SDK, which accepts tokens that are bound to a key, and clients of both versions of the
 * SDK, with keys on a SoftHSM token. They are development dependencies.
 */
import { createRequire } from "node:module";
import { loginScenarios } from "./mcp/login-scenarios.js";
import { requestScenarios } from "./mcp/request-scenarios.js";
import { sessionScenarios } from "./mcp/session-scenarios.js";
import { withSetting } from "./mcp/setting.js";
import type { Peer } from "./scenario.js";

/** The SDK of the Model Context Protocol, in the versions of `devDependencies`. */
export const mcp: Peer = {
  title: "MCP SDK",
  kind: "server",
  install: async () => {
    const { devDependencies } = createRequire(import.meta.url)("../../package.json");
    return `${devDependencies["@modelcontextprotocol/sdk"]} and ${devDependencies["@modelcontextprotocol/client"]}`;
  },
  run: (scenario) =>
    withSetting(scenario, async (setting) => {
      await sessionScenarios(setting);
      await loginScenarios(setting);
      await requestScenarios(setting);
    }),
};
