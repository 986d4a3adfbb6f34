/** The recipe for WebSockets: undici's `WebSocket` with `examples/clients/undici.ts`, at a server that requires nonces. */
import { once } from "node:events";
import { DPoPProver, Token, type TokenSource } from "hardproof";
import { Agent, WebSocket } from "undici";
import { afterAll, beforeAll, beforeEach, expect, it } from "vitest";
import { dpopInterceptor } from "../../examples/clients/undici.js";
import { type SocketServer, socketServer } from "../servers/socket-server.js";

let server: SocketServer;
let prover: DPoPProver;
const agent = new Agent();
beforeAll(async () => {
  [server, prover] = await Promise.all([socketServer(), DPoPProver.generate()]);
});
beforeEach(() => {
  server.rotateNonce();
  server.statuses.length = 0;
});
afterAll(() => Promise.all([agent.destroy(), server.close()]));

/** Opens a connection, and returns the server's message. */
async function hello(dispatcher = dpop("a-bound-token"), url = server.url): Promise<unknown> {
  const socket = new WebSocket(url, { dispatcher });
  const [event] = await Promise.race([once(socket, "message"), once(socket, "error").then(() => [undefined])]);
  if (event) socket.send("bye");
  return event?.data;
}

const dpop = (token: string | TokenSource) => agent.compose(dpopInterceptor({ prover, token }));

it("opens a connection at the first call, and after the nonce was rotated", async () => {
  const dispatcher = dpop("a-bound-token");
  expect(await hello(dispatcher)).toBe("hello");
  expect(await hello(dispatcher, `${server.url}?room=1`)).toBe("hello");
  server.rotateNonce();
  expect(await hello(dispatcher)).toBe("hello");
  expect(server.statuses).toEqual([401, 101, 101, 401, 101]);
});

it("uses the source's current token for each connection", async () => {
  let number = 0;
  const token = async () => new Token({}, `t${++number}`);
  expect(await hello(dpop({ token, renew: token }))).toBe("hello");
  expect(number).toBe(2);
});

it("fails if the token is bound to another key", async () => {
  const token = new Token({ access_token: "abc", cnf: { jkt: "another" } }, "abc");
  expect(await hello(dpop({ token: async () => token, renew: async () => token }))).toBeUndefined();
  expect(server.statuses).toEqual([]);
});
