/** One PKCS#11 library in one process, used by OpenSSL for TLS and by Hardproof for another key of the token. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Bank } from "./bank.js";
import { blocksUnder } from "./page.js";
import { bankWith, ENGINE, missing, PROVIDER, runProgram } from "./ways.js";

/** The page's secure context, exported for node:https, which makes a new handshake for each request. */
const withContext = (heading: string) =>
  (blocksUnder(heading).js ?? "").replace("const secureContext", "export const secureContext");

/** Prints the status of a request with a new handshake: before, between and after two uses of a signer. */
const program = (first: "OpenSSL" | "Hardproof") => `
import { request } from "node:https";
import { openSigner } from "hardproof";

const open = async () => {
  const query = "module-path=/usr/lib/vendor/libpkcs11.so&pin-source=/run/secrets/hsm-pin";
  const signer = await openSigner("pkcs11:token=agents;object=dpop?" + query);
  await signer.sign(Buffer.from("opens the key"));
  return signer;
};
const call = (when) =>
  new Promise((resolve) => {
    const options = { secureContext, agent: false };
    request("https://api.bank.example/accounts", options, (response) => resolve(response.resume().statusCode))
      .on("error", (error) => resolve(error.message))
      .end();
  }).then((outcome) => console.log(when, outcome));

let signer = ${first === "Hardproof"} ? await open() : undefined;
const { secureContext } = await import("./tls.js");
await call("first");
signer ??= await open();
await call("open");
await signer.close();
await call("closed");
signer = await open();
await call("opened again");
await signer.close();
process.exit(0);
`;

describe.each([ENGINE, PROVIDER])("%s", (heading) => {
  const why = missing[heading];
  let server: Bank;
  beforeAll(async () => {
    if (!why) server = await bankWith(heading);
  });
  afterAll(() => server?.close());

  const outcomes = async (first: "OpenSSL" | "Hardproof") => {
    server.write("tls.js", withContext(heading));
    return (await runProgram(server, heading, program(first))).output.trimEnd().split("\n");
  };

  it("keeps working when a signer is closed, if OpenSSL has loaded the library first", async (test) => {
    if (why) test.skip(why);
    expect(await outcomes("OpenSSL")).toEqual(["first 401", "open 401", "closed 401", "opened again 401"]);
  });

  if (heading === ENGINE)
    it("fails after a signer that has loaded the library first is closed", async (test) => {
      if (why) test.skip(why);
      const lines = await outcomes("Hardproof");
      expect(lines.slice(0, 2)).toEqual(["first 401", "open 401"]);
      expect(lines.slice(2).join()).toMatch(/closed .*Cryptoki not initialized.*opened again .*Session handle invalid/);
    });
});
