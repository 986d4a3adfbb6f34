/** oidc-provider in a process of its own, so that its clock is right when that of the client isn't. */
import { fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import type { AuthorizationServer, AuthorizationServerOptions } from "../../servers/authorization-server.js";

const PROCESS = fileURLToPath(new URL("server-process.ts", import.meta.url));

type Started = Pick<AuthorizationServer, "issuer" | "origin" | "clients">;

/** What the process does at a message. */
export type Order = "rotateNonces" | "endAccessTokens";

/** A running server. */
export interface OidcProvider extends Started, AsyncDisposable {
  /** Calls the function of {@link AuthorizationServer}. */
  order(name: Order): Promise<void>;
}

/** Starts a server. It ends with this process. */
export async function oidcProvider(options: AuthorizationServerOptions): Promise<OidcProvider> {
  const child = fork(PROCESS, [JSON.stringify(options)], { execArgv: ["--import", "tsx"] });
  const exited = once(child, "exit");
  const ended = exited.then(() => [undefined]);
  const [started]: (Started | undefined)[] = await Promise.race([once(child, "message"), ended]);
  if (started === undefined) throw new Error("oidc-provider didn't start. Its error is printed above.");
  return {
    ...started,
    async order(name) {
      child.send(name);
      await once(child, "message");
    },
    async [Symbol.asyncDispose]() {
      child.disconnect();
      await exited;
    },
  };
}
