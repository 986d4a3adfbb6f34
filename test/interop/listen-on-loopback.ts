/** Imported by a server that would listen on every address, it makes this process listen on 127.0.0.1 only. */
import { Server } from "node:net";

const { listen } = Server.prototype;
Server.prototype.listen = function (this: Server, ...args: unknown[]) {
  const [port, ...others] = args;
  return Reflect.apply(listen, this, typeof port === "number" ? [port, "127.0.0.1", ...others] : args);
};
