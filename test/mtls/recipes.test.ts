/** Runs what docs/mtls.md shows: its programs, its configuration and its commands, with a TLS key on a SoftHSM token. */
import { afterAll, beforeAll, describe, expect, inject, it } from "vitest";
import { ENGINE_DEPENDENCIES } from "../tokens/dependencies.js";
import { type P11KitServer, p11KitServer, pkcs11ProviderPath } from "../tokens/index.js";
import { type Bank, bank } from "./bank.js";
import { blockCount, blocksUnder } from "./page.js";

const BOUND = blocksUnder("A certificate-bound token").js ?? "";
const RENEWED = blocksUnder("Tokens that are renewed").js ?? "";
const BY_DPOP = blocksUnder("A DPoP-bound token over mutual TLS").js ?? "";
const provider = pkcs11ProviderPath();
const { engine: noEngine, "p11-kit": noKit } = inject("unavailable");
const noProvider = noKit ?? (provider ? undefined : "pkcs11-provider is not installed. See CONTRIBUTING.md");

/** The two ways of the page. Both use the token through a library that other code of the process may use too. */
const ways = [
  { heading: "By OpenSSL's engine", missing: noEngine },
  { heading: "By pkcs11-provider", missing: noProvider },
];

it("runs every code block of the page", () => {
  const blocks = ways.flatMap(({ heading }) => Object.keys(blocksUnder(heading)));
  expect(blocks.length + [BOUND, RENEWED, BY_DPOP].length).toBe(blockCount);
});

describe.each(ways)("$heading", ({ heading, missing }) => {
  const { js: tls = "", sh: command = "", ini } = blocksUnder(heading);
  let server: Bank;
  let kit: P11KitServer | undefined;
  beforeAll(async () => {
    if (missing) return;
    const machine: Record<string, string> = {};
    server = await bank(() => machine);
    kit = ini ? await p11KitServer(server.hsm) : undefined;
    Object.assign(machine, {
      "/usr/lib/vendor/libpkcs11.so": kit?.module ?? server.hsm.module,
      "/usr/lib/x86_64-linux-gnu/engines-3/pkcs11.so": ENGINE_DEPENDENCIES.engine.find() ?? "",
      "/usr/lib/x86_64-linux-gnu/ossl-modules/pkcs11.so": provider ?? "",
    });
    server.write("tls.js", tls);
    if (ini) server.write("openssl.cnf", ini);
  });
  afterAll(async () => {
    await kit?.close();
    await server?.close();
  });
  const runAgent = async (...program: Parameters<Bank["write"]> extends [string, ...infer Rest] ? Rest : never) => {
    server.write("agent.js", ...program);
    const { output, code } = await server.run(command);
    return { code, output: output.replace("bad engine id\n", "") };
  };

  it("gets a token that is bound to the certificate, and calls the API with it", async (test) => {
    if (missing) test.skip(missing);
    const shown = `${BOUND}\nconsole.log(token.cnfX5t, token.tokenType, await response.text());`;
    const hello = JSON.stringify({ hello: "bound-agent" });
    expect(await runAgent(shown)).toEqual({ code: 0, output: `200\n${server.x5t} Bearer ${hello}\n` });
  });

  it("renews a token that the API rejects", async (test) => {
    if (missing) test.skip(missing);
    const before = server.api.requests.length;
    server.api.rejectNext();
    expect(await runAgent(RENEWED)).toEqual({ code: 0, output: "200\n" });
    const calls = server.api.requests.slice(before);
    expect(calls.map(({ status }) => status)).toEqual([401, 200]);
    expect(new Set(calls.map(({ headers }) => headers.authorization)).size).toBe(2);
  });

  it("calls the API with a token that is bound by DPoP to another key of the same token", async (test) => {
    if (missing) test.skip(missing);
    const shown = `${BY_DPOP}\nconsole.log(token.cnfJkt === prover.jkt, token.cnfX5t);`;
    expect(await runAgent(shown, "dpop-agent")).toEqual({ code: 0, output: "200\ntrue null\n" });
  });

  it("signs each handshake with the token's key, over several connections", async (test) => {
    if (missing) test.skip(missing);
    const call = 'fetchWithCertificate("https://api.bank.example/accounts", { headers: { connection: "close" } })';
    const program = `import { fetchWithCertificate } from "./tls.js";
      for (let n = 0; n < 3; n++) console.log((await ${call}).status);`;
    expect(await runAgent(program)).toEqual({ code: 0, output: "401\n401\n401\n" });
  });
});
