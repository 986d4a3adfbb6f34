/** The proxy of `HTTPS_PROXY`. Node doesn't use it unless a program or a setting enables that. */
import * as http from "node:http";
import { UsageError } from "./exit-codes.js";
import type { Io } from "./io.js";

/** Environment variables that name a proxy, in the order in which Node reads them. */
const VARIABLES = ["https_proxy", "HTTPS_PROXY", "http_proxy", "HTTP_PROXY"];

/** Node 24.14 and later. The types of Node 20 lack it. */
const setProxy: unknown = Reflect.get(http, "setGlobalProxyFromEnv");

/**
 * Sends the requests of this process through the proxy that the environment names, if this version of Node can.
 *
 * @throws {UsageError} If Node can't use the value. The error names the variable. Node's own error contains the proxy's password.
 */
export function useProxy(env: Io["env"]): void {
  if (proxyVariable(env) === undefined || typeof setProxy !== "function") return;
  try {
    setProxy(env);
  } catch {
    const names = VARIABLES.filter((name) => env[name]).join(" or ");
    throw new UsageError(
      `${names} isn't the URL of a proxy, such as http://proxy.example.com:3128. Percent-encode special characters of a password.`,
    );
  }
}

/** Returns why the proxy of the environment isn't used, and what helps, or `undefined` if it is used or there isn't one. */
export function proxyProblem(env: Io["env"]): string | undefined {
  const variable = proxyVariable(env);
  if (variable === undefined || typeof setProxy === "function") return undefined;
  const hasSwitch = process.allowedNodeEnvironmentFlags.has("--use-env-proxy");
  if (hasSwitch && env.NODE_USE_ENV_PROXY === "1") return undefined;
  const remedy = hasSwitch ? "set NODE_USE_ENV_PROXY=1." : "use Node 24.14 or later.";
  return `${variable} is set, but Node ${process.versions.node} doesn't use it: ${remedy}`;
}

function proxyVariable(env: Io["env"]): string | undefined {
  return VARIABLES.find((name) => env[name]);
}
