/** The process of `server.ts`: an authorization server with the options of its argument, until its parent ends. */
import { type AuthorizationServerOptions, authorizationServer } from "../../servers/authorization-server.js";
import type { Order } from "./server.js";

const options: AuthorizationServerOptions = JSON.parse(process.argv[2] ?? "{}");
const server = await authorizationServer(options);
process
  .on("disconnect", () => process.exit())
  .on("message", (order: Order) => {
    server[order]();
    process.send?.("done");
  });
const { issuer, origin, clients } = server;
process.send?.({ issuer, origin, clients });
