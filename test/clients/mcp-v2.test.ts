/** What version 2 of the MCP SDK gets: the session with its proofs and nonces, and the provider. */
import { DpopSession } from "@modelcontextprotocol/client";
import fc from "fast-check";
import { DPoPProver, verifyProof } from "hardproof";
import { decodeJwt, decodeProtectedHeader } from "jose";
import { describe, expect, it } from "vitest";
import { dpopSession, HardwareKeyProvider } from "../../examples/clients/mcp-v2.js";
import { testedAlgorithms } from "../tested-algorithms.js";

const SERVER = "https://mcp.example.com/mcp";

describe("dpopSession", () => {
  it("has every member of the SDK's own session", async () => {
    const members = Object.getOwnPropertyNames(DpopSession.prototype).filter((name) => name !== "constructor");
    expect(Object.keys(dpopSession(await DPoPProver.generate())).sort()).toEqual(members.sort());
  });

  it.each(testedAlgorithms("memory"))("makes proofs with a key for %s that verify", async (algorithm) => {
    const prover = await DPoPProver.generate(algorithm);
    const session = dpopSession(prover);
    const request = { htm: "POST", htu: new URL(`${SERVER}?query`), accessToken: "token", nonce: "n-1" };
    const expected = { method: "POST", url: SERVER, accessToken: "token", nonce: "n-1", jkt: session.thumbprint };
    const now = Date.now() / 1000;
    const { findings } = await verifyProof(await session.buildProof(request), { ...expected, maxAge: 60, now });
    expect(findings.filter(({ ok }) => ok !== true)).toEqual([]);
    expect(session.publicJwk).toEqual(prover.publicJwk);
  });

  it("calls an Ed25519 key EdDSA for the SDK, and in proofs only if the servers don't know Ed25519", async () => {
    const prover = await DPoPProver.generate("Ed25519");
    const nameWith = async (supportedAlgorithms?: string[]) => {
      const proof = await dpopSession(prover, { supportedAlgorithms }).buildProof({ htm: "GET", htu: SERVER });
      return decodeProtectedHeader(proof).alg;
    };
    expect(dpopSession(prover).alg).toBe("EdDSA");
    expect(await nameWith()).toBe("Ed25519");
    expect(await nameWith(["ES256", "EdDSA"])).toBe("EdDSA");
    expect(await nameWith(["EdDSA", "Ed25519"])).toBe("Ed25519");
  });

  it("sends the latest nonce of each origin to that origin only", async () => {
    const session = dpopSession(await DPoPProver.generate());
    const nonceIn = async (htu: string) => decodeJwt(await session.buildProof({ htm: "GET", htu })).nonce;
    session.observeNonce(new Response(null, { headers: { "DPoP-Nonce": "first" } }), SERVER);
    session.observeNonce(new Response(null), SERVER);
    expect(await nonceIn("https://mcp.example.com/other")).toBe("first");
    session.observeNonce(new Response(null, { headers: { "DPoP-Nonce": "second" } }), new URL(SERVER));
    expect(await nonceIn(SERVER)).toBe("second");
    expect(await nonceIn("https://auth.example.com/token")).toBeUndefined();
  });

  it("keeps the current nonce if a server sends one that can't be signed", async () => {
    const session = dpopSession(await DPoPProver.generate());
    const malformed = fc.string().filter((text) => text === "" || /[^\x21\x23-\x5b\x5d-\x7e]/.test(text));
    await fc.assert(
      fc.asyncProperty(malformed, async (nonce) => {
        session.rememberNonce(SERVER, "valid");
        session.rememberNonce(SERVER, nonce);
        expect(decodeJwt(await session.buildProof({ htm: "GET", htu: SERVER })).nonce).toBe("valid");
      }),
    );
  });
});

describe("HardwareKeyProvider", () => {
  const unbound = { access_token: "unbound", token_type: "Bearer" };

  async function options() {
    const prover = await DPoPProver.generate();
    return { issuer: "https://auth.example.com", clientId: "agent-7", prover, signer: prover.signer };
  }

  it("rejects a token that isn't bound to a key, which the SDK would send as Bearer", async () => {
    const provider = new HardwareKeyProvider(await options());
    expect(() => provider.saveTokens(unbound)).toThrow(expect.objectContaining({ code: "binding" }));
    expect(provider.tokens()).toBeUndefined();
    provider.saveTokens({ ...unbound, token_type: "dpop" });
    expect(provider.tokens()).toBeDefined();
  });

  it("accepts such a token if requireBinding is false", async () => {
    const provider = new HardwareKeyProvider({ ...(await options()), requireBinding: false });
    provider.saveTokens(unbound);
    expect(provider.tokens()).toEqual(unbound);
  });

  it("asks for its scope where the MCP server doesn't name one, and returns one session for all requests", async () => {
    const provider = new HardwareKeyProvider({ ...(await options()), scope: "read" });
    expect(provider.clientMetadata.scope).toBe("read");
    expect(provider.dpop()).toBe(provider.dpop());
  });
});
