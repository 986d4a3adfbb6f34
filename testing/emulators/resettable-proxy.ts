/** A TCP proxy that can reset all its connections, like a load balancer that fails. */
import { once } from "node:events";
import { type AddressInfo, createServer, connect as dial, type Socket } from "node:net";

/** A running proxy. */
export interface ResettableProxy {
  readonly port: number;
  /** Resets all open connections. New connections are accepted. */
  reset(): void;
  /** Lets nothing through the open connections any more, like a network that lost them. New connections work. */
  freeze(): void;
  close(): Promise<void>;
}

/** Starts a proxy to a port of 127.0.0.1. */
export async function resettableProxy(target: number): Promise<ResettableProxy> {
  const sockets = new Set<Socket>();
  const upstreams = new Set<Socket>();
  const server = createServer((socket) => {
    const upstream = dial(target, "127.0.0.1");
    sockets.add(socket);
    upstreams.add(upstream);
    socket.pipe(upstream).pipe(socket);
    socket.on("close", () => {
      sockets.delete(socket);
      upstreams.delete(upstream);
      upstream.destroy();
    });
    upstream.on("close", () => socket.destroy());
    for (const end of [socket, upstream]) end.setNoDelay(true).on("error", () => end.destroy());
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  return {
    port: (server.address() as AddressInfo).port,
    reset: () => {
      for (const socket of sockets) socket.resetAndDestroy();
    },
    freeze: () => {
      for (const end of [...sockets, ...upstreams]) end.unpipe().pause();
    },
    close: async () => {
      const closed = once(server.close(), "close");
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}
