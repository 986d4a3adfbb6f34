/** Runs what docs/mtls.md shows: its programs, its configuration and its commands, with a TLS key on a SoftHSM token. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Bank } from "./bank.js";
import { blockCount, blocksUnder } from "./page.js";
import { bankWith, ENGINE, missing, PROVIDER, runProgram } from "./ways.js";

const BOUND = blocksUnder("A certificate-bound token").js ?? "";
const RENEWED = blocksUnder("Tokens that are renewed").js ?? "";
const BY_DPOP = blocksUnder("A DPoP-bound token over mutual TLS").js ?? "";

it("runs every code block of the page", () => {
  const blocks = [ENGINE, PROVIDER].flatMap((heading) => Object.keys(blocksUnder(heading)));
  expect(blocks.length + [BOUND, RENEWED, BY_DPOP].length).toBe(blockCount);
});

describe.each([ENGINE, PROVIDER])("%s", (heading) => {
  const why = missing[heading];
  let server: Bank;
  beforeAll(async () => {
    if (!why) server = await bankWith(heading);
  });
  afterAll(() => server?.close());

  it("gets a token that is bound to the certificate, and calls the API with it", async (test) => {
    if (why) test.skip(why);
    const shown = `${BOUND}\nconsole.log(token.cnfX5t, token.tokenType, await response.text());`;
    const hello = JSON.stringify({ hello: "bound-agent" });
    expect(await runProgram(server, heading, shown)).toEqual({
      code: 0,
      output: `200\n${server.x5t} Bearer ${hello}\n`,
    });
  });

  it("renews a token that the API rejects", async (test) => {
    if (why) test.skip(why);
    const before = server.api.requests.length;
    server.api.rejectNext();
    expect(await runProgram(server, heading, RENEWED)).toEqual({ code: 0, output: "200\n" });
    const calls = server.api.requests.slice(before);
    expect(calls.map(({ status }) => status)).toEqual([401, 200]);
    expect(new Set(calls.map(({ headers }) => headers.authorization)).size).toBe(2);
  });

  it("calls the API with a token that is bound by DPoP to another key of the same token", async (test) => {
    if (why) test.skip(why);
    const shown = `${BY_DPOP}\nconsole.log(token.cnfJkt === prover.jkt, token.cnfX5t);`;
    expect(await runProgram(server, heading, shown, "dpop-agent")).toEqual({ code: 0, output: "200\ntrue null\n" });
  });
});
