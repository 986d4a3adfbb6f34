/** nginx on a free port of 127.0.0.1, which ends TLS in front of other servers. */
import { writeFileSync } from "node:fs";
import type { LookupFunction } from "node:net";
import { join } from "node:path";
import { Agent, fetch as undiciFetch } from "undici";
import { makeTempDirectory, removeTempDirectory } from "../../../softhsm/directory.js";
import { newCertificate } from "../../servers/mutual-tls.js";
import { freePort, startServer } from "../child-server.js";
import { nginxProgram } from "./program.js";

const HOST = "api.example.com";

/** A running nginx. */
export interface Nginx extends AsyncDisposable {
  /** With a host name that resolves to 127.0.0.1 for the two functions only. */
  readonly origin: string;
  /** `fetch` over HTTP/1.1. */
  readonly fetch: typeof fetch;
  /** `fetch` over HTTP/2. */
  readonly fetchByHttp2: typeof fetch;
}

/**
 * Starts nginx.
 *
 * @param locations - The directives of the server, one for each location.
 */
export async function nginx(locations: readonly string[]): Promise<Nginx> {
  const directory = makeTempDirectory("hardproof-nginx-");
  const port = await freePort();
  const { cert, key } = newCertificate(HOST);
  writeFileSync(join(directory, "cert.pem"), cert);
  writeFileSync(join(directory, "key.pem"), key);
  writeFileSync(join(directory, "nginx.conf"), configuration(directory, port, locations));
  const process = await startServer({
    program: await nginxProgram(),
    args: ["-p", directory, "-e", "stderr", "-c", join(directory, "nginx.conf")],
    ready: "start worker process",
  });
  const agents = [false, true].map((allowH2) => new Agent({ allowH2, connect: { ca: cert, lookup } }));
  const [fetch, fetchByHttp2] = agents.map(fetchBy) as [typeof globalThis.fetch, typeof globalThis.fetch];
  return {
    origin: `https://${HOST}:${port}`,
    fetch,
    fetchByHttp2,
    async [Symbol.asyncDispose]() {
      await Promise.all(agents.map((agent) => agent.destroy()));
      await process[Symbol.asyncDispose]();
      removeTempDirectory(directory);
    },
  };
}

const fetchBy = (dispatcher: Agent) =>
  ((input, init) => undiciFetch(input as string, { ...(init as object), dispatcher })) as typeof fetch;

const lookup: LookupFunction = (_host, _options, callback) => callback(null, [{ address: "127.0.0.1", family: 4 }]);

/** nginx's defaults, except for what it needs to run here. */
function configuration(directory: string, port: number, locations: readonly string[]): string {
  const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map(
    (name) => `${name}_temp_path ${directory}/${name};`,
  );
  return `daemon off;
pid ${directory}/pid;
error_log stderr notice;
worker_processes 1;
events { worker_connections 1024; }
http {
  access_log off;
  ${temporary.join("\n  ")}
  server {
    listen 127.0.0.1:${port} ssl http2;
    server_name ${HOST};
    ssl_certificate ${directory}/cert.pem;
    ssl_certificate_key ${directory}/key.pem;
    add_header X-Seen-Protocol $server_protocol always;
    ${locations.join("\n    ")}
  }
}
`;
}
