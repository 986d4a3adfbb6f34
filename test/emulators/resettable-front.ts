/** A TCP port in front of a server that can cut every connection with a reset, as a dying load balancer does. */
import { once } from "node:events";
import { type AddressInfo, createServer, connect as dial, type Socket } from "node:net";

export interface ResettableFront {
  readonly port: number;
  /** Cuts what is connected now; new connections are taken. */
  reset(): void;
  close(): Promise<void>;
}

export async function resettableFront(target: number): Promise<ResettableFront> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    const behind = dial(target, "127.0.0.1");
    sockets.add(socket);
    socket.pipe(behind).pipe(socket);
    socket.on("close", () => {
      sockets.delete(socket);
      behind.destroy();
    });
    behind.on("close", () => socket.destroy());
    for (const end of [socket, behind]) end.setNoDelay(true).on("error", () => end.destroy());
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  return {
    port: (server.address() as AddressInfo).port,
    reset: () => {
      for (const socket of sockets) socket.resetAndDestroy();
    },
    close: async () => {
      const closed = once(server.close(), "close");
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}
