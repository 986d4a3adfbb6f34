/** A WebSocket server with nonces, verified by `verifyProof`: sends one message, and closes the connection after a reply. */
import { createHash, randomBytes } from "node:crypto";
import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { verifyProof } from "hardproof";
import { type LoopbackServer, loopbackServer } from "./loopback-server.js";

/** A running server. */
export interface SocketServer extends Pick<LoopbackServer, "close"> {
  /** The URL for `WebSocket`. */
  readonly url: string;
  /** The status of each handshake. */
  readonly statuses: number[];
  rotateNonce(): void;
}

const GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"; // RFC 6455 §1.3

/** @param path - The path of the server's only endpoint. */
export async function socketServer(path = "/socket"): Promise<SocketServer> {
  const { origin, http, close } = await loopbackServer();
  const statuses: number[] = [];
  let nonce = newNonce();
  http.on("upgrade", async (request: IncomingMessage, socket: Duplex) => {
    socket.on("error", () => socket.destroy());
    const error = await rejectionOf(request, origin + path, nonce);
    statuses.push(error === undefined ? 101 : 401);
    if (error === undefined) accept(request, socket);
    else reject(socket, error, nonce);
  });
  return {
    url: origin.replace("http:", "ws:") + path,
    statuses,
    rotateNonce: () => {
      nonce = newNonce();
    },
    close,
  };
}

const newNonce = () => randomBytes(12).toString("base64url");

async function rejectionOf({ headers }: IncomingMessage, url: string, nonce: string): Promise<string | undefined> {
  const [scheme, accessToken] = headers.authorization?.split(" ") ?? [];
  if (scheme !== "DPoP") return "invalid_token";
  const expected = { method: "GET", url, accessToken, nonce, maxAge: 60, now: Date.now() / 1000 };
  const { findings } = await verifyProof(String(headers.dpop), expected);
  const failed = findings.find(({ ok }) => ok === false);
  return failed && (failed.check === "nonce" ? "use_dpop_nonce" : "invalid_dpop_proof");
}

function reject(socket: Duplex, error: string, nonce: string): void {
  const headers = `WWW-Authenticate: DPoP error="${error}"\r\nDPoP-Nonce: ${nonce}\r\nContent-Length: 0`;
  socket.end(`HTTP/1.1 401 Unauthorized\r\n${headers}\r\n\r\n`);
}

/** Sends the text `hello` in one frame. */
function accept({ headers }: IncomingMessage, socket: Duplex): void {
  const key = createHash("sha1").update(`${headers["sec-websocket-key"]}${GUID}`).digest("base64");
  const upgrade = `Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${key}`;
  socket.write(`HTTP/1.1 101 Switching Protocols\r\n${upgrade}\r\n\r\n`);
  socket.write(Buffer.concat([Buffer.from([0x81, 5]), Buffer.from("hello")]));
  socket.once("data", () => socket.end(Buffer.from([0x88, 0])));
}
