/** A resource server on loopback, which sends a small response. It writes its URL. */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { answer } from "./answer.js";

const server = createServer((_, response) => response.end("hello"));
await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
await answer(`http://127.0.0.1:${(server.address() as AddressInfo).port}/resource`, {});
