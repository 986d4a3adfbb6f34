/** A TLS key on a token in `tls`, `https` and undici: over many connections, and how often a wrong PIN is tried. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { libraryPath } from "../../softhsm/dependencies.js";
import { makeTempDirectory, removeTempDirectory } from "../../softhsm/directory.js";
import type { Bank } from "./bank.js";
import { bankWith, ENGINE, missing, PROVIDER, runProgram } from "./ways.js";

const KEY = "pkcs11:token=agents;object=tls";
/** The option of a TLS connection that names the key. */
const keyFrom: Record<string, (pinFile: string) => string> = {
  [ENGINE]: (file) => `privateKeyEngine: "/usr/lib/x86_64-linux-gnu/engines-3/pkcs11.so",
    privateKeyIdentifier: "${KEY};type=private?pin-source=/run/secrets/${file}"`,
  [PROVIDER]: (file) => `key: pkcs11KeyPem("${KEY}?pin-source=/run/secrets/${file}")`,
};

/** A program that prints the status of three HTTPS requests, or their errors, and the number of `tls` connections. */
const program = (key: string, { once = false } = {}) => `
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { request } from "node:https";
import { connect, createSecureContext } from "node:tls";
import { pkcs11KeyPem } from "hardproof/pkcs11";
import { Agent, fetch } from "undici";

const url = new URL("https://api.bank.example/accounts");
try {
  const options = { cert: readFileSync("/etc/agent/tls.pem"), ${key} };
  const tls = ${once} ? { secureContext: createSecureContext(options) } : options;
  for (const by of ["https", "tls", "https"])
    try {
      console.log(by, await (by === "https" ? byHttps(tls) : byTls(tls)));
    } catch (error) {
      console.log(by, error.message);
    }
  const response = await fetch(url, { dispatcher: new Agent({ connect: tls }) });
  console.log("undici", response.status);
} catch (error) {
  console.log(error.cause?.message ?? error.message);
}
process.exit(0);

function byHttps(tls) {
  return new Promise((resolve, reject) => {
    request(url, { ...tls, agent: false }, (response) => resolve(response.resume().statusCode)).on("error", reject).end();
  });
}
async function byTls(tls) {
  const socket = connect({ ...tls, host: url.hostname, port: url.port });
  await once(socket, "secureConnect");
  socket.write("GET /accounts HTTP/1.1\\r\\nhost: api\\r\\nconnection: close\\r\\n\\r\\n");
  const [answer] = await once(socket, "data");
  return answer.toString().slice(9, 12);
}
`;
const ALL = ["https 401", "tls 404", "https 401", "undici 401"];

const spy = libraryPath("pkcs11-spy.so");

const ways = [ENGINE, PROVIDER].flatMap((heading) =>
  (["EC:prime256v1", "rsa:2048"] as const).map((type) => ({ heading, type })),
);

describe.each(ways)("$heading, with a key of type $type", ({ heading, type }) => {
  const why = missing[heading] ?? (spy ? undefined : "OpenSC's pkcs11-spy isn't installed.");
  const keyOf = keyFrom[heading] ?? expect.unreachable();
  const directory = makeTempDirectory("hardproof-spy-");
  const log = join(directory, "log");
  let server: Bank;
  beforeAll(async () => {
    if (why || !spy) return;
    const env = (module: string) => ({ PKCS11SPY: module, PKCS11SPY_OUTPUT: log });
    server = await bankWith(heading, { type, wrap: (module) => ({ module: spy, env: env(module) }) });
    server.write("wrong-pin", "not the PIN");
  });
  afterAll(async () => {
    await server?.close();
    removeTempDirectory(directory);
  });

  /** Returns what the program printed, and how often the library was called. */
  const runCounted = async (key: string, options = {}) => {
    writeFileSync(log, "");
    const { output } = await runProgram(server, heading, program(key, options));
    const count = (name: string) => readFileSync(log, "utf8").match(new RegExp(`\\b${name}\\b`, "g"))?.length ?? 0;
    return { lines: output.trimEnd().split("\n"), logins: count("C_Login"), signatures: count("C_Sign") };
  };

  it("signs each handshake of one secure context with the token's key, after one login", async (test) => {
    if (why) test.skip(why);
    const result = await runCounted(keyOf("hsm-pin"), { once: true });
    expect(result).toEqual({ lines: ALL, logins: 1, signatures: 4 });
  });

  it("tries a wrong PIN of the file once for a secure context", async (test) => {
    if (why) test.skip(why);
    const { logins, signatures } = await runCounted(keyOf("wrong-pin"), { once: true });
    expect({ logins, signatures }).toEqual({ logins: 1, signatures: 0 });
  });

  if (heading === ENGINE)
    it("can't load the engine for a second connection", async (test) => {
      if (why) test.skip(why);
      const { lines } = await runCounted(keyOf("hsm-pin"));
      expect(lines[0]).toBe(ALL[0]);
      expect(lines.slice(1).join()).toContain("engine routines::init failed");
    });

  if (heading === PROVIDER)
    it("takes the PEM as an option of https and tls too", async (test) => {
      if (why) test.skip(why);
      const { lines, signatures } = await runCounted(keyOf("hsm-pin"));
      expect(lines.slice(0, 3)).toEqual(ALL.slice(0, 3));
      expect(signatures).toBeGreaterThanOrEqual(3);
    });

  if (heading === PROVIDER)
    it("tries a wrong passphrase seven times each time the key is loaded", async (test) => {
      if (why) test.skip(why);
      const passphrase = `key: pkcs11KeyPem("${KEY}"), passphrase: "not the PIN"`;
      const { lines, logins } = await runCounted(passphrase, { once: true });
      expect(lines).toEqual([expect.stringContaining("DECODER routines::unsupported")]);
      expect(logins).toBe(7);
    });
});
