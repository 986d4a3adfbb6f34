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

const ALL = ["https", "tls", "undici", "https"];

/** A program that connects in these ways, and prints the status of each response, or the error. */
const program = (key: string, { once = false, by = ALL }: { once?: boolean; by?: string[] } = {}) => `
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
  const ways = { https: byHttps, tls: byTls, undici: byUndici };
  for (const by of ${JSON.stringify(by)}) console.log(by, await ways[by](tls));
} catch (error) {
  console.log(error.cause?.message ?? error.message);
}
process.exit(0);

function byHttps(tls) {
  return new Promise((resolve, reject) => {
    request(url, { ...tls, agent: false }, (response) => resolve(response.resume().statusCode)).on("error", reject).end();
  });
}
async function byUndici(tls) {
  return (await fetch(url, { dispatcher: new Agent({ connect: tls }) })).status;
}
async function byTls(tls) {
  const socket = connect({ ...tls, host: url.hostname, port: url.port });
  await once(socket, "secureConnect");
  socket.write("GET /accounts HTTP/1.1\\r\\nhost: api\\r\\nconnection: close\\r\\n\\r\\n");
  const [answer] = await once(socket, "data");
  return answer.toString().slice(9, 12);
}
`;
const ANSWERS = ["https 401", "tls 404", "undici 401", "https 401"];

const spy = libraryPath("pkcs11-spy.so");

const ways = [ENGINE, PROVIDER].flatMap((heading) =>
  (["ES256", "PS256"] as const).map((algorithm) => ({ heading, algorithm })),
);

describe.each(ways)("$heading, with a key for $algorithm", ({ heading, algorithm }) => {
  const why = missing[heading] ?? (spy ? undefined : "OpenSC's pkcs11-spy isn't installed.");
  const keyOf = keyFrom[heading] ?? expect.unreachable();
  const directory = makeTempDirectory("hardproof-spy-");
  const log = join(directory, "log");
  let server: Bank;
  beforeAll(async () => {
    if (why || !spy) return;
    const env = (module: string) => ({ PKCS11SPY: module, PKCS11SPY_OUTPUT: log });
    server = await bankWith(heading, { algorithm, wrap: (module) => ({ module: spy, env: env(module) }) });
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
    expect(result).toEqual({ lines: ANSWERS, logins: 1, signatures: 4 });
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
      expect(lines[0]).toBe(ANSWERS[0]);
      expect(lines.slice(1).join()).toContain("engine routines::init failed");
    });

  if (heading === PROVIDER)
    it.for(ANSWERS.slice(0, 3))("takes the PEM as an option of a connection too: %s", async (answer, test) => {
      if (why) test.skip(why);
      const by = answer.split(" ").slice(0, 1);
      const result = await runCounted(keyOf("hsm-pin"), { by });
      expect(result).toEqual({ lines: [answer], logins: 1, signatures: 1 });
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
