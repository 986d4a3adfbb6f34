/** An HTTP listener on loopback, on one or both of its addresses. */
import { once } from "node:events";
import { createServer, type RequestListener, type Server } from "node:http";
import { errorCode } from "../exit-codes.js";

/** A running listener. */
export interface LoopbackListener {
  readonly port: number;
  /** Ends all connections, also those that a browser opened in advance. */
  close(): void;
}

/** The machine doesn't have this address, for example because IPv6 is turned off. */
export function isMissingAddress(error: unknown): boolean {
  return ["EADDRNOTAVAIL", "EAFNOSUPPORT"].includes(errorCode(error));
}

/**
 * Starts the listener on each address that the machine has.
 *
 * @param port - The port, or 0 for any free one.
 * @throws The system's error if the port can't be used, or the machine has none of the addresses.
 */
export async function listenOnLoopback(
  addresses: readonly string[],
  port: number,
  handler: RequestListener,
): Promise<LoopbackListener> {
  const servers: Server[] = [];
  const close = () => {
    for (const server of servers) server.close().closeAllConnections();
  };
  let current = port;
  let missing: unknown;
  try {
    for (const address of addresses) {
      const server = await listen(address, current, handler).catch((error: unknown) => {
        if (!isMissingAddress(error)) throw error;
        missing = error;
      });
      if (server === undefined) continue;
      servers.push(server);
      current = portOf(server);
    }
    if (servers.length === 0) throw missing;
  } catch (error) {
    close();
    throw error;
  }
  return { port: current, close };
}

async function listen(address: string, port: number, handler: RequestListener): Promise<Server> {
  const server = createServer(handler).listen(port, address);
  await once(server, "listening");
  return server;
}

function portOf(server: Server): number {
  const address = server.address();
  if (typeof address === "object" && address !== null) return address.port;
  throw new Error("The listener doesn't have a port.");
}
