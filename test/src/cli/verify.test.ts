/** `hardproof verify`: each claim is told, and each thing that can be wrong with it is found. */
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

const wrongIn = ({ findings }: Verdict) => findings.filter(({ ok }) => ok === false).map(({ check }) => check);

/** A proof by jose, with whatever is to be wrong in it. */
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

describe("a proof that is as it should be", () => {
  it("has nothing wrong with it", async () => {
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

  it("is read from standard input, and told to a human", async () => {
    const stdin = await prover.makeProof({ htm: "GET", htu: url });
    const { code, out } = await run(["verify", "-"], { stdin: `${stdin}\n` });
    expect(code).toBe(0);
    expect(out).toMatch(/^✓ typ +dpop\+jwt$/m);
    expect(out).toMatch(/^– htm +GET \(not compared\)$/m);
    expect(out).toContain("\nNothing that was compared is wrong. Not compared: method, URL, token, key.\n");
  });

  it.each<[string[], string]>([
    [["--method", "GET", "--url", url], "Nothing that was compared is wrong. Not compared: token, key."],
    [["--method", "GET", "--token-env", "TOKEN"], "Nothing that was compared is wrong. Not compared: URL, key."],
    [["--method", "GET", "--url", url, "--token-env", "TOKEN", "--jkt"], "Nothing is wrong with this proof."],
  ])("compared by %j, is said to be right in that alone", async (args, last) => {
    const proof = await prover.makeProof({ htm: "GET", htu: url, accessToken });
    const { out } = await run(["verify", proof, ...args, ...(args.at(-1) === "--jkt" ? [prover.jkt] : [])], {
      env: { TOKEN: accessToken },
    });
    expect(out.trimEnd().split("\n").at(-1)).toBe(last);
  });

  it.each(["ES384", "RS256", "PS256", "EdDSA"])("may be signed by %s", async (alg) => {
    expect(await verified(await forged({ alg }))).toMatchObject({ code: 0, valid: true });
  });

  it("is the RFC's own example, but for its age (RFC 9449 §4.1)", async () => {
    const proof =
      "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklDUkRZOXpDa0RscEJoRjQyVVFVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JEQSIsImNydiI6IlAtMjU2In19.eyJqdGkiOiItQndDM0VTYzZhY2MybFRjIiwiaHRtIjoiUE9TVCIsImh0dSI6Imh0dHBzOi8vc2VydmVyLmV4YW1wbGUuY29tL3Rva2VuIiwiaWF0IjoxNTYyMjYyNjE2fQ.2-GxA6T8lP4vfrg8v-FdWP0A0zdrj8igiMLvqRMUvwnQg4PtFLbdLXiOSsX0x7NVY-FNyJK70nfbV37xRZT3Lg";
    const verdict = await verified(proof, "--jkt", "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I");
    expect(wrongIn(verdict)).toEqual(["iat"]);
  });
});

describe("RFC 9449 §4.3", () => {
  const now = () => Math.floor(Date.now() / 1000);
  it.each<[string, () => Promise<string>, string[], string[]]>([
    ["another typ", () => forged({ header: { typ: "JWT" } }), [], ["typ"]],
    ["no key", () => forged({ header: { jwk: undefined } }), [], ["jwk"]],
    ["a critical extension", () => forged({ header: { crit: ["b64"], b64: true } }), [], ["crit"]],
    ["no jti", () => forged({ claims: { jti: undefined } }), [], ["jti"]],
    ["a short jti", () => forged({ claims: { jti: "1" } }), [], ["jti"]],
    ["no htm", () => forged({ claims: { htm: 1 } }), [], ["htm"]],
    ["another method", () => forged(), ["--method", "get"], ["htm"]],
    ["no htu", () => forged({ claims: { htu: "/resource" } }), [], ["htu"]],
    ["a query in htu", () => forged({ claims: { htu: `${url}?a` } }), ["--url", url], ["htu"]],
    ["another URL", () => forged(), ["--url", `${url}/`], ["htu"]],
    ["no iat", () => forged({ claims: { iat: undefined } }), [], ["iat"]],
    ["an old iat", () => forged({ claims: { iat: now() - 400 } }), [], ["iat"]],
    ["an iat too old for --max-age", () => forged({ claims: { iat: now() - 20 } }), ["--max-age", "10"], ["iat"]],
    ["an iat to come", () => forged({ claims: { iat: now() + 120 } }), [], ["iat"]],
    ["no ath", () => forged(), ["--token-env", "TOKEN"], ["ath"]],
    [
      "another token's ath",
      () => forged({ claims: { ath: "fUHyO2r2Z3DZ53EsNrWBb0xWXoaNy59IiKCAqksmQEp" } }),
      ["--token-env", "TOKEN"],
      ["ath"],
    ],
    ["no nonce", () => forged(), ["--nonce", nonce], ["nonce"]],
    ["another nonce", () => forged({ claims: { nonce: "x" } }), ["--nonce", nonce], ["nonce"]],
    ["another key", () => forged(), ["--jkt", "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"], ["jkt"]],
  ])("finds %s", async (_, make, args, checks) => {
    const verdict = await verified(await make(), ...args);
    expect(wrongIn(verdict)).toEqual(checks);
    expect(verdict).toMatchObject({ code: 1, valid: false });
  });

  it("finds a signature by another key", async () => {
    const jwk = await exportJWK((await generateKeyPair("ES256")).publicKey);
    expect(wrongIn(await verified(await forged({ header: { jwk } })))).toEqual(["signature"]);
  });

  it("finds any changed claim", async () => {
    const [header, , signature] = (await prover.makeProof({ htm: "GET", htu: url })).split(".");
    const claims = { jti: "-BwC3ESc6acc2lTc", htm: "DELETE", htu: url, iat: now() };
    const changed = Buffer.from(JSON.stringify(claims)).toString("base64url");
    expect(wrongIn(await verified(`${header}.${changed}.${signature}`))).toEqual(["signature"]);
  });

  it.each(["none", "HS256"])("finds alg %s", async (alg) => {
    const part = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");
    const claims = { jti: "-BwC3ESc6acc2lTc", htm: "GET", htu: url, iat: now() };
    const proof = `${part({ typ: "dpop+jwt", alg, jwk: prover.publicJwk })}.${part(claims)}.`;
    expect(wrongIn(await verified(proof))).toEqual(["alg", "signature"]);
  });

  it("finds private members of the key, and repeats none of them", async () => {
    const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
    const jwk = privateKey.export({ format: "jwk" });
    const { iat } = { iat: now() };
    const proof = await new SignJWT({ jti: "-BwC3ESc6acc2lTc", htm: "GET", htu: url, iat })
      // jose refuses a private key here by its type alone.
      .setProtectedHeader({ typ: "dpop+jwt", alg: "ES256", jwk: { ...jwk } as { kty: string } })
      .sign(privateKey);
    const { code, out } = await run(["verify", proof]);
    expect(code).toBe(1);
    expect(out).toMatch(/^✗ jwk +EC P-256\n +jwk contains private members \(d\)/m);
    expect(out).not.toContain(jwk.d);
    expect(out).toContain(await calculateJwkThumbprint(jwk as { kty: string }));
  });

  it.each(["", "a", "a.b", "a.b.c", "..", "e30.e30.", "é.é.é"])("finds that %j is no proof", async (text) => {
    const verdict = await verified(`${text}`);
    expect(verdict).toMatchObject({ code: 1, valid: false });
  });
});

it("lets a claim command no terminal", async () => {
  const { out } = await run(["verify", await forged({ claims: { htm: "\u001b[2J\u202eGET\n✓ signature" } })]);
  for (const obeyed of ["\u001b", "\u202e", "\n✓ signature\n"]) expect(out).not.toContain(obeyed);
});
