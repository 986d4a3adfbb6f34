/** The servers of `hardproof demo`, without the command. */
import { generateKeyPairSync } from "node:crypto";
import { ALGORITHM_NAMES } from "hardproof";
import { expect, it } from "vitest";
import { demoResourceServer } from "../../../src/cli/demo/resource-server.js";

it("the resource server lists every algorithm in its challenge", async () => {
  const publicKey = generateKeyPairSync("ec", { namedCurve: "P-256" }).publicKey as never;
  const server = await demoResourceServer({ issuer: "i", audience: "a", publicKey });
  const { headers } = await fetch(server.url);
  const [, algs] = /algs="([^"]*)"/.exec(headers.get("www-authenticate") ?? "") ?? [];
  expect(algs?.split(" ")).toEqual(ALGORITHM_NAMES);
  await server.close();
});
