/** Every TypeScript snippet of the README is run as it stands, but for the names of servers, clients and libraries. */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { fileURLToPath, pathToFileURL } from "node:url";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { type SoftHsm, softHsm } from "../softhsm/index.js";
import { type GcpKms, gcpKms } from "./emulators/gcp-kms.js";
import { type AuthorizationServer, authorizationServer } from "./peers/authorization-server.js";
import { type ResourceServer, resourceServer } from "./peers/resource-server.js";

const readme = readFileSync(new URL("../README.md", import.meta.url), "utf8");
const snippets = [...readme.matchAll(/^### (.+)\n(?:(?!^#)[\s\S])*?^```ts\n([\s\S]*?)^```$/gm)].map(
  ([, title, code]) => [title ?? "", code ?? ""] as const,
);
const directory = fileURLToPath(new URL(".snippets/", import.meta.url));

let hsm: SoftHsm;
let kms: GcpKms;
let as: AuthorizationServer;
let rs: ResourceServer;
beforeAll(async () => {
  mkdirSync(directory, { recursive: true });
  [hsm, as, kms] = await Promise.all([softHsm({ label: "agents" }), authorizationServer(), gcpKms()]);
  kms.store.addKey({ id: "dpop" });
  rs = await resourceServer({ issuer: as.issuer, audience: as.audience, requireNonce: false });
  process.env.HSM_PIN = hsm.pin;
});
afterAll(async () => {
  rmSync(directory, { recursive: true });
  await Promise.all([rs.close(), as.close(), hsm.close(), kms.close()]);
});

function localized(code: string): string {
  return code
    .replaceAll("https://auth.example.com", as.issuer)
    .replaceAll("https://api.example.com/resource", rs.url)
    .replaceAll('"my-agent"', JSON.stringify(as.client.clientId))
    .replaceAll('"s3cr3t"', JSON.stringify(as.client.clientSecret))
    .replaceAll('"/usr/lib/softhsm/libsofthsm2.so"', JSON.stringify(hsm.module))
    .replace(/(new GcpKmsSigner\(\s*"[^"]+",)\s*(?:\{(.*)\},)?/g, `$1 { endpoint: "${kms.endpoint}", $2 },`)
    .replace(/"(gcpkms:[^"]+)"/g, `"$1?endpoint=${kms.endpoint}"`);
}

it("has no snippet outside of what is run here", () => {
  expect(snippets).toHaveLength(readme.match(/^```ts$/gm)?.length ?? 0);
});

describe.each(snippets)("%s", (title, code) => {
  it("runs", async () => {
    const printed = vi.spyOn(console, "log").mockImplementation(() => undefined);
    const file = `${directory}${title.replace(/\W+/g, "-")}.ts`;
    const exports = [...code.matchAll(/^const (\w+) =/gm)].map(([, name]) => name);
    writeFileSync(file, `${localized(code)}\nexport { ${exports.join(", ")} };\n`);
    const result = await import(/* @vite-ignore */ pathToFileURL(file).href);
    if ("prover" in result) expect(result.prover.jkt).toMatch(/^[\w-]{43}$/);
    if ("token" in result) expect(printed).toHaveBeenCalledWith(true);
    if ("answer" in result) expect(result.answer.status).toBe(200);
    printed.mockRestore();
  });
});
