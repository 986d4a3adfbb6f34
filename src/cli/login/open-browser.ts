/** Opens a URL in the user's browser, without a shell. */
import { spawn } from "node:child_process";
import type { Io } from "../io.js";

type Environment = Io["env"];

/**
 * Opens the URL. It isn't an error if there is no browser, or it can't be started: the URL was also printed.
 *
 * @param url - An `http:` or `https:` URL.
 */
export function openBrowser(url: string, { env }: Io): void {
  const [program, ...args] = browserCommand(env, process.platform);
  if (program === undefined) return;
  try {
    const options = { stdio: "ignore", detached: true, windowsHide: true, env: withoutSecrets(env) } as const;
    const child = spawn(program, [...args, url], options);
    child.on("error", () => undefined);
    child.unref();
  } catch {
    // Windows can't start a script without a shell.
  }
}

/**
 * Returns the program that opens a URL, and its first arguments: `BROWSER`, or else what the system has. A Linux machine
 * without a display has none: `xdg-open` would start a browser for terminals there.
 */
export function browserCommand(env: Environment, platform: NodeJS.Platform): string[] {
  if (env.BROWSER) return [env.BROWSER];
  if (platform === "darwin") return ["open"];
  if (platform === "win32") return ["rundll32", "url.dll,FileProtocolHandler"];
  return env.DISPLAY || env.WAYLAND_DISPLAY ? ["xdg-open"] : [];
}

/** A browser runs for days, and shouldn't have the command's secrets in its environment. */
function withoutSecrets(env: Environment): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(env).filter(([name]) => !name.startsWith("HARDPROOF_")));
}
