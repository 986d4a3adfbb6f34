/** docs/deployment.md: the unit with a systemd credential, and the program that uses a proxy. */
import { once } from "node:events";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { type SoftHsm, softHsm } from "hardproof/softhsm";
import { testServer } from "hardproof/testing";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { readPage } from "./docs-snippets.js";
import { run } from "./src/cli/run.js";

const { text, snippets } = readPage("docs/deployment.md");
const root = mkdtempSync(join(tmpdir(), "hardproof-deployment-"));
afterAll(() => rmSync(root, { recursive: true, force: true }));

describe("the unit with a credential", () => {
  const [, line = ""] = /^Environment="HARDPROOF_KEY=(.*)"$/m.exec(text) ?? [];
  const credentials = join(root, "credentials/agent.service");
  let hsm: SoftHsm;
  beforeAll(async () => {
    hsm = await softHsm({ label: "agents" });
    mkdirSync(credentials, { recursive: true });
    writeFileSync(join(credentials, "hsm-pin"), `${hsm.pin}\n`, { mode: 0o400 });
    chmodSync(credentials, 0o500);
  });
  afterAll(async () => {
    chmodSync(credentials, 0o700);
    await hsm.close();
  });

  /** Expands specifiers, as systemd does. */
  const expand = (value: string) => value.replace(/%(.)/g, (_, letter) => (letter === "d" ? credentials : letter));

  it("opens the key with the PIN from the directory, and doctor accepts the file", async () => {
    const env = { HARDPROOF_KEY: expand(line), CREDENTIALS_DIRECTORY: credentials };
    const doctor = await run(["doctor"], { env });
    expect(doctor).toMatchObject({ code: 0, out: expect.stringMatching(/^✓ signature/m) });
    expect(doctor.out).not.toMatch(/^✗/m);
    expect(doctor.out).not.toContain(hsm.pin);
    expect((await run(["show"], { env })).out).toMatch(/^exportable +no/m);
  });

  it("needs each % of the URI twice, as the page says", async () => {
    const withId = line.replace("object=dpop", "object=dpop;id=%%01");
    expect((await run(["show"], { env: { HARDPROOF_KEY: expand(withId) } })).code).toBe(0);
  });

  it("tries no login without the credential", async () => {
    chmodSync(credentials, 0o700);
    rmSync(join(credentials, "hsm-pin"));
    const { code, err } = await run(["show"], { env: { HARDPROOF_KEY: expand(line) } });
    expect({ code, err }).toMatchObject({ code: 3, err: expect.stringContaining("No login was attempted") });
  });
});

/** A proxy that lists the hosts it was asked for (RFC 9110 §9.3.6). */
async function recordingProxy() {
  const hosts: string[] = [];
  const server = createServer((_, response) => response.writeHead(405).end());
  server.on("connect", ({ url = "" }, socket) => {
    hosts.push(url);
    const { hostname, port } = new URL(`http://${url}`);
    const upstream = connect(Number(port), hostname, () => {
      socket.write("HTTP/1.1 200 OK\r\n\r\n");
      upstream.pipe(socket).pipe(upstream);
    });
    upstream.on("error", () => socket.destroy());
    socket.on("error", () => upstream.destroy());
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const close = () => {
    server.closeAllConnections();
    server.close();
  };
  return { url, hosts, close };
}

it("sends the requests of the program with a proxy to the proxy", async () => {
  const proxy = await recordingProxy();
  await using server = await testServer({ clientId: "my-agent" });
  const { code = "" } = snippets.find(({ title }) => title === "A fetch that uses a proxy") ?? {};
  const program = code
    .replaceAll("https://auth.example.com", server.issuer)
    .replaceAll("https://api.example.com/resource", server.resource)
    .replaceAll('"s3cr3t"', JSON.stringify(server.client.clientSecret))
    .replaceAll('"undici"', JSON.stringify(import.meta.resolve("undici")));
  const file = join(root, "proxy.ts");
  writeFileSync(file, `${program}\nexport { response };\n`);
  Object.assign(process.env, { HTTP_PROXY: proxy.url, http_proxy: proxy.url, NO_PROXY: "", no_proxy: "" });
  const { response } = await import(/* @vite-ignore */ pathToFileURL(file).href);
  expect(response.status).toBe(200);
  const [issuer, resource] = [server.issuer, server.resource].map((url) => new URL(url).host);
  expect(new Set(proxy.hosts)).toEqual(new Set([issuer, resource]));
  proxy.close();
});
