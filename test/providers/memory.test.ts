/** Keys in memory. */
import { generateKeyPairSync } from "node:crypto";
import { conformance } from "hardproof/conformance";
import { MemorySigner } from "hardproof/memory";
import { describe, it } from "vitest";

const jwk = generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey.export({ format: "jwk" });

describe("the conformance kit", () => {
  const cases = conformance({
    open: () => MemorySigner.fromJwk(jwk),
    secrets: [jwk.d ?? ""],
    connections: "There is nothing to connect to.",
    failsFirst: "There is nothing to connect to.",
    hanging: "A key in memory signs at once.",
    wrongKey: "A key of another type is refused by the constructor.",
    onEventLoop: "A key in memory signs at once.",
  });
  for (const { name, run, notApplicable } of cases)
    it(name, (test) => (notApplicable ? test.skip(notApplicable) : run()));
});
