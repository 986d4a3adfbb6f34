/** Private CAs and proxies: what the command does with them, and what its errors advise. */
import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import { connect } from "node:net";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { networkHint } from "../../../src/cli/network-hint.js";
import { closedOrigin, type LoopbackServer, loopbackServer } from "../../servers/loopback-server.js";
import { start } from "./process.js";
import { isOneLine, run } from "./run.js";

const MAIN = fileURLToPath(new URL("../../../dist/src/cli/main.js", import.meta.url));
const directory = mkdtempSync(join(tmpdir(), "hardproof-network-"));
const file = (name: string) => join(directory, name);
const openssl = (...args: string[]) => execFileSync("openssl", args, { cwd: directory, stdio: "pipe" });

let server: LoopbackServer;
let proxy: { origin: string; http: Server; targets: string[] };
beforeAll(async () => {
  const subject = (name: string) => [
    "-nodes",
    "-subj",
    `/CN=${name}`,
    "-newkey",
    "ec",
    "-pkeyopt",
    "ec_paramgen_curve:P-256",
  ];
  openssl("req", "-x509", ...subject("Test CA"), "-keyout", "ca.key", "-out", "ca.pem", "-days", "2");
  openssl("req", ...subject("server"), "-keyout", "server.key", "-out", "server.csr");
  writeFileSync(file("san"), "subjectAltName=IP:127.0.0.1");
  const ca = ["-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-extfile", "san"];
  openssl("x509", "-req", "-in", "server.csr", "-out", "server.pem", "-days", "2", ...ca);
  server = await loopbackServer({ key: readFileSync(file("server.key")), cert: readFileSync(file("server.pem")) });
  server.http.on("request", (_, response) => response.end('{"hello":"world"}'));
  proxy = await connectProxy();
});
afterAll(async () => {
  proxy.http.closeAllConnections();
  proxy.http.close();
  await server.close();
  rmSync(directory, { recursive: true });
});

/** A proxy for `CONNECT` (RFC 9110 §9.3.6). */
async function connectProxy() {
  const targets: string[] = [];
  const http = createServer();
  http.on("connect", (request, client) => {
    targets.push(request.url ?? "");
    const [host = "", port = ""] = (request.url ?? "").split(":");
    const target = connect(Number(port), host, () => {
      client.write("HTTP/1.1 200 OK\r\n\r\n");
      target.pipe(client).pipe(target);
    });
    for (const socket of [client, target]) socket.on("error", () => [client, target].map((each) => each.destroy()));
  });
  await new Promise<void>((resolve) => http.listen(0, "127.0.0.1", resolve));
  const address = http.address();
  if (address === null || typeof address === "string") throw new Error("The proxy has no port.");
  return { origin: `http://127.0.0.1:${address.port}`, http, targets };
}

const call = (env: Record<string, string>, node = process.execPath) =>
  start(node, [MAIN, "fetch", `${server.origin}/resource`, "--token-env", "TOKEN"], {
    HARDPROOF_KEY: "memory:",
    TOKEN: "an-access-token",
    XDG_STATE_HOME: directory,
    ...env,
  }).ended;

describe("a private CA", () => {
  it("is named by the error of fetch, with the variable that helps", async () => {
    const { code, out, err } = await call({});
    expect({ code, out }).toEqual({ code: 4, out: "" });
    expect(err).toSatisfy(isOneLine);
    expect(err).toContain("set NODE_EXTRA_CA_CERTS to a file with the CA's certificate in PEM");
  });

  it("is named by the error of token, and by doctor", async () => {
    const client = ["--key", "memory:", "--client-id", "agent"];
    const { code, err } = await run(["token", "--issuer", server.origin, ...client]);
    expect({ code, err }).toEqual({ code: 4, err: expect.stringContaining("set NODE_EXTRA_CA_CERTS") });
    const { out } = await run(["doctor", "--server", server.origin]);
    expect(out).toContain("set NODE_EXTRA_CA_CERTS");
  });

  it("is accepted from NODE_EXTRA_CA_CERTS", async () => {
    const { code, out } = await call({ NODE_EXTRA_CA_CERTS: file("ca.pem") });
    expect({ code, out }).toEqual({ code: 0, out: '{"hello":"world"}' });
  });
});

describe("a proxy", () => {
  const node24 = join(homedir(), ".cache/hardproof/node-24/node_modules/.bin/node");
  const ca = { NODE_EXTRA_CA_CERTS: "" };
  beforeAll(() => {
    ca.NODE_EXTRA_CA_CERTS = file("ca.pem");
  });

  it.skipIf(!existsSync(node24))("is used by Node 24 without a switch, except for the hosts of NO_PROXY", async () => {
    proxy.targets.length = 0;
    const env = { ...ca, HTTPS_PROXY: proxy.origin };
    expect(await call({ ...env, NO_PROXY: "127.0.0.1" }, node24)).toMatchObject({ code: 0, err: "" });
    expect(proxy.targets).toEqual([]);
    expect(await call(env, node24)).toEqual({ code: 0, out: '{"hello":"world"}', err: "" });
    expect(proxy.targets).toEqual([new URL(server.origin).host]);
  });

  it.skipIf(!existsSync(node24)).each([
    ["HTTPS_PROXY", "http://bob:s3cr3t@proxy:99999"],
    ["https_proxy", "http://bob:s3cr3t%@proxy:3128"],
    ["HTTP_PROXY", "http://bob:s3cr3t@a proxy"],
    ["HTTPS_PROXY", "bob:s3cr3t@proxy.example.com:3128"],
    ["HTTPS_PROXY", "proxy.example.com:3128"],
  ])("that Node 24 can't use is an error that names %s, and never its value: %s", async (name, value) => {
    const { code, out, err } = await call({ [name]: value }, node24);
    expect({ code, out }).toEqual({ code: 2, out: "" });
    expect(err).toSatisfy(isOneLine);
    expect(err).toContain(`hardproof: ${name} isn't the URL of a proxy, such as http://proxy.example.com:3128.`);
    expect(err).not.toMatch(/bob|s3cr3t/);
  });

  it.skipIf(process.allowedNodeEnvironmentFlags.has("--use-env-proxy"))(
    "that this Node can't use is a warning",
    async () => {
      proxy.targets.length = 0;
      const { code, err } = await call({ ...ca, HTTPS_PROXY: proxy.origin });
      expect(code).toBe(0);
      expect(err).toMatch(
        /^Warning: HTTPS_PROXY is set, but Node [\d.]+ doesn't use it: use Node 24\.14 or later\.\n$/,
      );
      expect(proxy.targets).toEqual([]);
    },
  );
});

it("says what to check if nothing listens, and if the port doesn't speak TLS", async () => {
  const env = { HARDPROOF_KEY: "memory:", TOKEN: "t" };
  const closed = await run(["fetch", await closedOrigin(), "--token-env", "TOKEN"], { env });
  expect(closed.err).toContain("Check the URL's port, and that the server runs.");
  const plain = await run(["fetch", proxy.origin.replace("http:", "https:"), "--token-env", "TOKEN"], { env });
  expect(plain.err).toContain("The port doesn't speak TLS: check the URL's scheme and port.");
});

it("has no advice for an error that it doesn't know", () => {
  expect(networkHint(Object.assign(new Error("x"), { code: "toString" }), {})).toBe(undefined);
  expect(networkHint("x", {})).toBe(undefined);
});
