/** `hardproof verify` explains each claim of a proof and finds each defect. */
import { generateKeyPairSync } from "node:crypto";
import { DPoPProver } from "hardproof";
import { calculateJwkThumbprint, exportJWK, generateKeyPair, SignJWT } from "jose";
import { beforeAll, describe, expect, it } from "vitest";
import { run } from "./run.js";

const url = "https://api.example.com/resource";
const accessToken = "Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU"; // RFC 9449 §7.1
const nonce = "eyJ7S_zG.eyJH0-Z.HX4w-7v";
let prover: DPoPProver;
beforeAll(async () => {
  prover = await DPoPProver.generate();
});

interface Verdict {
  valid: boolean;
  findings: { check: string; ok: boolean | null; found: string; remedy?: string }[];
}

async function verified(proof: string, ...args: string[]): Promise<Verdict & { code: number }> {
  const { code, out } = await run(["verify", "--json", proof, ...args], { env: { TOKEN: accessToken } });
  return { code, ...JSON.parse(out) };
}

const failedChecks = ({ findings }: Verdict) => findings.filter(({ ok }) => ok === false).map(({ check }) => check);

/** Makes a proof with jose, with these defects. */
async function forged({
  header = {},
  claims = {},
  alg = "ES256",
}: {
  header?: object;
  claims?: object;
  alg?: string;
} = {}) {
  const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true });
  const jwk = await exportJWK(publicKey);
  const payload = { jti: "-BwC3ESc6acc2lTc", htm: "GET", htu: url, iat: Math.floor(Date.now() / 1000), ...claims };
  return new SignJWT(payload).setProtectedHeader({ typ: "dpop+jwt", alg, jwk, ...header }).sign(privateKey);
}

describe("a valid proof", () => {
  it("passes every check of verify", async () => {
    const proof = await prover.makeProof({ htm: "POST", htu: `${url}?a=b#c`, accessToken, nonce });
    const expected = [
      "--method",
      "POST",
      "--url",
      `${url}?a=b`,
      "--nonce",
      nonce,
      "--jkt",
      prover.jkt,
      "--token-env",
      "TOKEN",
    ];
    const verdict = await verified(proof, ...expected);
    expect(verdict).toMatchObject({ code: 0, valid: true });
    expect(verdict.findings.map(({ check }) => check)).toEqual([
      "typ",
      "alg",
      "jwk",
      "jkt",
      "signature",
      "jti",
      "htm",
      "htu",
      "iat",
      "ath",
      "nonce",
    ]);
    expect(verdict.findings.every(({ ok }) => ok)).toBe(true);
  });

  it("reads the proof from standard input and explains it as text", async () => {
    const stdin = await prover.makeProof({ htm: "GET", htu: url });
    const { code, out } = await run(["verify", "-"], { stdin: `${stdin}\n` });
    expect(code).toBe(0);
    expect(out).toMatch(/^✓ typ +dpop\+jwt$/m);
    expect(out).toMatch(/^– htm +GET \(not compared\)$/m);
    expect(out).toContain("\nThe proof is valid as far as it was checked. Not compared: method, URL, token, key.\n");
  });

  it.each<[string[], string]>([
    [["--method", "GET", "--url", url], "The proof is valid as far as it was checked. Not compared: token, key."],
    [
      ["--method", "GET", "--token-env", "TOKEN"],
      "The proof is valid as far as it was checked. Not compared: URL, key.",
    ],
    [["--method", "GET", "--url", url, "--token-env", "TOKEN", "--jkt"], "The proof is valid."],
  ])("names what was not compared with %j", async (args, last) => {
    const proof = await prover.makeProof({ htm: "GET", htu: url, accessToken });
    const { out } = await run(["verify", proof, ...args, ...(args.at(-1) === "--jkt" ? [prover.jkt] : [])], {
      env: { TOKEN: accessToken },
    });
    expect(out.trimEnd().split("\n").at(-1)).toBe(last);
  });

  it.each(["ES384", "RS256", "PS256", "EdDSA"])("accepts a proof signed with %s", async (alg) => {
    expect(await verified(await forged({ alg }))).toMatchObject({ code: 0, valid: true });
  });

  it("accepts the example of RFC 9449 §4.1, except for its age", async () => {
    const proof =
      "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklDUkRZOXpDa0RscEJoRjQyVVFVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JEQSIsImNydiI6IlAtMjU2In19.eyJqdGkiOiItQndDM0VTYzZhY2MybFRjIiwiaHRtIjoiUE9TVCIsImh0dSI6Imh0dHBzOi8vc2VydmVyLmV4YW1wbGUuY29tL3Rva2VuIiwiaWF0IjoxNTYyMjYyNjE2fQ.2-GxA6T8lP4vfrg8v-FdWP0A0zdrj8igiMLvqRMUvwnQg4PtFLbdLXiOSsX0x7NVY-FNyJK70nfbV37xRZT3Lg";
    const verdict = await verified(proof, "--jkt", "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I");
    expect(failedChecks(verdict)).toEqual(["iat"]);
  });
});

describe("RFC 9449 §4.3", () => {
  const now = () => Math.floor(Date.now() / 1000);
  it.each<[string, () => Promise<string>, string[], string[]]>([
    ["another typ", () => forged({ header: { typ: "JWT" } }), [], ["typ"]],
    ["a missing key", () => forged({ header: { jwk: undefined } }), [], ["jwk"]],
    ["a critical extension", () => forged({ header: { crit: ["b64"], b64: true } }), [], ["crit"]],
    ["a missing jti", () => forged({ claims: { jti: undefined } }), [], ["jti"]],
    ["a short jti", () => forged({ claims: { jti: "1" } }), [], ["jti"]],
    ["a missing htm", () => forged({ claims: { htm: 1 } }), [], ["htm"]],
    ["another method", () => forged(), ["--method", "get"], ["htm"]],
    ["an invalid htu", () => forged({ claims: { htu: "/resource" } }), [], ["htu"]],
    ["a query in htu", () => forged({ claims: { htu: `${url}?a` } }), ["--url", url], ["htu"]],
    ["another URL", () => forged(), ["--url", `${url}/`], ["htu"]],
    ["a missing iat", () => forged({ claims: { iat: undefined } }), [], ["iat"]],
    ["an old iat", () => forged({ claims: { iat: now() - 400 } }), [], ["iat"]],
    ["an iat too old for --max-age", () => forged({ claims: { iat: now() - 20 } }), ["--max-age", "10"], ["iat"]],
    ["an iat in the future", () => forged({ claims: { iat: now() + 120 } }), [], ["iat"]],
    ["a missing ath", () => forged(), ["--token-env", "TOKEN"], ["ath"]],
    [
      "another token's ath",
      () => forged({ claims: { ath: "fUHyO2r2Z3DZ53EsNrWBb0xWXoaNy59IiKCAqksmQEp" } }),
      ["--token-env", "TOKEN"],
      ["ath"],
    ],
    ["a missing nonce", () => forged(), ["--nonce", nonce], ["nonce"]],
    ["another nonce", () => forged({ claims: { nonce: "x" } }), ["--nonce", nonce], ["nonce"]],
    ["another key", () => forged(), ["--jkt", "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"], ["jkt"]],
  ])("reports %s", async (_, make, args, checks) => {
    const verdict = await verified(await make(), ...args);
    expect(failedChecks(verdict)).toEqual(checks);
    expect(verdict).toMatchObject({ code: 1, valid: false });
  });

  it("reports a signature by another key", async () => {
    const jwk = await exportJWK((await generateKeyPair("ES256")).publicKey);
    expect(failedChecks(await verified(await forged({ header: { jwk } })))).toEqual(["signature"]);
  });

  it("reports a changed claim", async () => {
    const [header, , signature] = (await prover.makeProof({ htm: "GET", htu: url })).split(".");
    const claims = { jti: "-BwC3ESc6acc2lTc", htm: "DELETE", htu: url, iat: now() };
    const changed = Buffer.from(JSON.stringify(claims)).toString("base64url");
    expect(failedChecks(await verified(`${header}.${changed}.${signature}`))).toEqual(["signature"]);
  });

  it.each(["none", "HS256"])("reports alg %s", async (alg) => {
    const part = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");
    const claims = { jti: "-BwC3ESc6acc2lTc", htm: "GET", htu: url, iat: now() };
    const proof = `${part({ typ: "dpop+jwt", alg, jwk: prover.publicJwk })}.${part(claims)}.`;
    expect(failedChecks(await verified(proof))).toEqual(["alg", "signature"]);
  });

  it("reports private members of the key without repeating them", async () => {
    const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
    const jwk = privateKey.export({ format: "jwk" });
    const { iat } = { iat: now() };
    const proof = await new SignJWT({ jti: "-BwC3ESc6acc2lTc", htm: "GET", htu: url, iat })
      // jose's types don't allow a private key here.
      .setProtectedHeader({ typ: "dpop+jwt", alg: "ES256", jwk: { ...jwk } as { kty: string } })
      .sign(privateKey);
    const { code, out } = await run(["verify", proof]);
    expect(code).toBe(1);
    expect(out).toMatch(/^✗ jwk +EC P-256\n +jwk contains private members \(d\)/m);
    expect(out).not.toContain(jwk.d);
    expect(out).toContain(await calculateJwkThumbprint(jwk as { kty: string }));
  });

  it.each(["", "a", "a.b", "a.b.c", "..", "e30.e30.", "é.é.é"])("reports that %j is not a proof", async (text) => {
    const verdict = await verified(`${text}`);
    expect(verdict).toMatchObject({ code: 1, valid: false });
  });
});

it("notes that the argument isn't the path of a file, unless it was read from standard input", async () => {
  const file = await run(["verify", "nope.txt"]);
  expect(file).toMatchObject({ code: 1, err: expect.stringContaining("not the path of a file. Pass - to read it") });
  expect(await run(["verify", "-"], { stdin: "nope.txt" })).toMatchObject({ code: 1, err: "" });
});

it("removes terminal control characters from claims", async () => {
  const { out } = await run(["verify", await forged({ claims: { htm: "\u001b[2J\u202eGET\n✓ signature" } })]);
  for (const control of ["\u001b", "\u202e", "\n✓ signature\n"]) expect(out).not.toContain(control);
});
