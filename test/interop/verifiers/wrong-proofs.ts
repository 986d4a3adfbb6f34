/** Proofs that a server must reject (RFC 9449 §4.3). */
import { createHmac, generateKeyPairSync } from "node:crypto";
import { type DPoPProver, keyObjectSigner, type ProofOptions, signJwt } from "hardproof";
import { decodeJwt } from "jose";

/** The request that the proofs are for. */
export const REQUEST = {
  htm: "POST",
  htu: "https://api.example.com/tools",
  accessToken: "a-token",
  nonce: "a-nonce",
} as const satisfies ProofOptions;

/** What the proofs are made with. */
export interface Keys {
  readonly prover: DPoPProver;
  /** Has another key of the same type. */
  readonly stranger: DPoPProver;
}

const HOUR = 3_600; // seconds

/** What is wrong with a proof → a proof for {@link REQUEST} whose rest is right. */
export const WRONG_PROOFS = {
  "the signature of another key": async ({ prover, stranger }) =>
    signJwt(stranger.signer, await claimsOf(prover), { header: { typ: "dpop+jwt", jwk: prover.publicJwk } }),
  "another htm": ({ prover }) => prover.makeProof({ ...REQUEST, htm: "GET" }),
  "another htu": ({ prover }) => prover.makeProof({ ...REQUEST, htu: `${REQUEST.htu}/others` }),
  "an old iat": ({ prover }) => withClaims(prover, { iat: now() - HOUR }),
  "an iat in the future": ({ prover }) => withClaims(prover, { iat: now() + HOUR }),
  "no jti": ({ prover }) => withClaims(prover, { jti: undefined }),
  "another typ": ({ prover }) => withClaims(prover, {}, { typ: "jwt" }),
  "alg none": async ({ prover }) => `${await unsigned(prover, "none")}.`,
  "alg none beside a signature": async ({ prover }) => {
    const input = await unsigned(prover, "none");
    return `${input}.${base64url(await prover.signer.sign(Buffer.from(input)))}`;
  },
  // The public key as the secret of an HMAC.
  "alg HS256": async ({ prover }) => {
    const input = await unsigned(prover, "HS256");
    return `${input}.${createHmac("sha256", JSON.stringify(prover.publicJwk)).update(input).digest("base64url")}`;
  },
  "a private key in jwk": async ({ prover }) => {
    const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
    await using signer = keyObjectSigner(privateKey);
    const header = { typ: "dpop+jwt", jwk: privateKey.export({ format: "jwk" }) };
    return await signJwt(signer, await claimsOf(prover), { header });
  },
  "the ath of another token": ({ prover }) => prover.makeProof({ ...REQUEST, accessToken: "another-token" }),
  "another nonce": ({ prover }) => prover.makeProof({ ...REQUEST, nonce: "another-nonce" }),
} satisfies Record<string, (keys: Keys) => Promise<string>>;

/** What is wrong with a proof. */
export type Wrong = keyof typeof WRONG_PROOFS;

async function withClaims(prover: DPoPProver, changed: object, header: object = {}): Promise<string> {
  const claims = { ...(await claimsOf(prover)), ...changed };
  return signJwt(prover.signer, claims, { header: { typ: "dpop+jwt", jwk: prover.publicJwk, ...header } });
}

/** Returns the header and the claims of a right proof, except for its `alg`. */
async function unsigned(prover: DPoPProver, alg: string): Promise<string> {
  const header = { typ: "dpop+jwt", alg, jwk: prover.publicJwk };
  return [header, await claimsOf(prover)].map((part) => base64url(JSON.stringify(part))).join(".");
}

/** Returns the claims of a right proof, which isn't used. */
async function claimsOf(prover: DPoPProver): Promise<object> {
  return decodeJwt(await prover.makeProof(REQUEST));
}

function base64url(data: string | Uint8Array): string {
  return Buffer.from(data as string).toString("base64url");
}

function now(): number {
  return Math.floor(Date.now() / 1000);
}
