/**
 * The checks that a server makes of a DPoP proof (RFC 9449 §4.3), with a finding for each. jose is loaded with the first
 * proof, so that importing `hardproof` does not load it.
 */
import { hash } from "node:crypto";
import type { JWK } from "jose";
import type { Finding } from "../keystore/finding.js";

/** What the proof must be for. A member that is `undefined` is not checked. */
export interface ExpectedProof {
  readonly method?: string | undefined;
  readonly url?: string | undefined;
  readonly accessToken?: string | undefined;
  readonly nonce?: string | undefined;
  /** The thumbprint that the token is bound to. */
  readonly jkt?: string | undefined;
  /** Seconds. */
  readonly maxAge: number;
  /** Seconds since 1970. */
  readonly now: number;
}

type Members = Readonly<Record<string, unknown>>;

const ASYMMETRIC = /^(ES(256|384|512)|[PR]S(256|384|512)|EdDSA|Ed25519)$/;
const PUBLIC_MEMBERS = ["kty", "crv", "x", "y", "n", "e"];
const PRIVATE_MEMBERS = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];
const LEAST_JTI = 16; // characters: 96 bits in base64url
const CLOCK_SKEW = 60; // seconds

/** The result of {@link verifyProof}. */
export interface ProofVerification {
  /** One for each header and claim, in the order of the RFC. The proof is valid if none has `ok: false`. */
  readonly findings: readonly Finding[];
  /** SHA-256 JWK thumbprint of the key in the proof, base64url, if it holds one. */
  readonly jkt?: string | undefined;
}

/**
 * Verifies one proof, for tests and for finding out why a server refuses it. Does not detect a replayed `jti`.
 *
 * @param proof - a compact JWS, the value of the `DPoP` header
 */
export async function verifyProof(proof: string, expected: ExpectedProof): Promise<ProofVerification> {
  const parts = await decode(proof);
  if (!parts)
    return { findings: [wrong("form", "not three parts of base64url with JSON", "A proof is a compact JWS.")] };
  const { header, claims } = parts;
  const { findings, jkt } = await checkKey(proof, header, expected);
  const checks = [
    checkTyp(header),
    checkAlg(header),
    ...checkCrit(header),
    ...findings,
    checkJti(claims),
    checkHtm(claims, expected),
    checkHtu(claims, expected),
    checkIat(claims, expected),
    checkAth(claims, expected),
    checkNonce(claims, expected),
  ];
  return { findings: checks, jkt };
}

async function decode(proof: string): Promise<{ header: Members; claims: Members } | undefined> {
  const { decodeProtectedHeader } = await import("jose/decode/protected_header");
  const { decodeJwt } = await import("jose/jwt/decode");
  try {
    return { header: { ...decodeProtectedHeader(proof) }, claims: decodeJwt(proof) };
  } catch {
    return undefined;
  }
}

function checkTyp({ typ }: Members): Finding {
  return typ === "dpop+jwt" ? right("typ", typ) : wrong("typ", typ, "It must be dpop+jwt.");
}

function checkAlg({ alg }: Members): Finding {
  if (typeof alg === "string" && ASYMMETRIC.test(alg)) return right("alg", alg);
  return wrong("alg", alg, "It must be an asymmetric algorithm, such as ES256: never none, never an HMAC.");
}

function checkCrit({ crit }: Members): Finding[] {
  return crit === undefined ? [] : [wrong("crit", crit, "No critical extension is known.")];
}

async function checkKey(proof: string, header: Members, expected: ExpectedProof): Promise<ProofVerification> {
  const { jwk } = header;
  if (!isObject(jwk)) return { findings: [wrong("jwk", jwk, "The public key must stand in the header.")] };
  const key = Object.fromEntries(PUBLIC_MEMBERS.filter((name) => name in jwk).map((name) => [name, jwk[name]]));
  const { calculateJwkThumbprint } = await import("jose/jwk/thumbprint");
  const jkt = await calculateJwkThumbprint(key).catch(() => undefined);
  const kind = [jwk.kty, jwk.crv].filter((part) => part !== undefined).join(" ");
  if (jkt === undefined) return { findings: [wrong("jwk", kind, "It is no public key.")] };
  const findings = [
    checkMembers(jwk, kind),
    compare("jkt", jkt, expected.jkt, "The token is bound to another key."),
    await checkSignature(proof, key, header),
  ];
  return { findings, jkt };
}

/** Their names, never their values. */
function checkMembers(jwk: Members, kind: string): Finding {
  const shown = PRIVATE_MEMBERS.filter((name) => name in jwk);
  if (shown.length === 0) return right("jwk", kind);
  return wrong("jwk", kind, `It holds private members (${shown.join(", ")}): this key is given away. Replace it.`);
}

async function checkSignature(proof: string, jwk: JWK, { alg }: Members): Promise<Finding> {
  if (typeof alg !== "string" || !ASYMMETRIC.test(alg)) return wrong("signature", "can't be checked with this alg");
  const { importJWK } = await import("jose/key/import");
  const { compactVerify } = await import("jose/jws/compact/verify");
  try {
    await compactVerify(proof, await importJWK(jwk, alg), { algorithms: [alg] });
    return right("signature", "made with this key");
  } catch {
    return wrong("signature", "does not verify", "It was made with another key, or the proof was changed since.");
  }
}

function checkJti({ jti }: Members): Finding {
  if (typeof jti !== "string" || jti === "") return wrong("jti", jti, "It must be a string that no other proof has.");
  if (jti.length >= LEAST_JTI) return right("jti", jti);
  return wrong("jti", jti, `${jti.length} characters hold less than 96 random bits.`);
}

function checkHtm({ htm }: Members, { method }: ExpectedProof): Finding {
  if (typeof htm !== "string" || htm === "") return wrong("htm", htm, "It must be the request's method.");
  return compare("htm", htm, method, "The request's method is another one (case counts).");
}

function checkHtu({ htu }: Members, { url }: ExpectedProof): Finding {
  const target = typeof htu === "string" ? parseUrl(htu) : undefined;
  if (!target || !/^https?:$/.test(target.protocol)) return wrong("htu", htu, "It must be the request's URL.");
  if (target.search || target.hash || /[?#]/.test(String(htu)))
    return wrong("htu", htu, "It must have no query and no fragment.");
  if (url === undefined) return unchecked("htu", htu);
  const wanted = parseUrl(url);
  const same = wanted !== undefined && wanted.origin + wanted.pathname === target.origin + target.pathname;
  return same ? right("htu", htu) : wrong("htu", htu, "The request's URL is another one.");
}

function checkIat({ iat }: Members, { now, maxAge }: ExpectedProof): Finding {
  if (typeof iat !== "number" || !Number.isFinite(iat)) return wrong("iat", iat, "It must be seconds since 1970.");
  const age = Math.round(now - iat);
  const found = `${iat} (${age < 0 ? `in ${-age} seconds` : `${age} seconds ago`})`;
  if (age < -CLOCK_SKEW) return wrong("iat", found, "It was made in the future: one of the clocks is wrong.");
  return age > maxAge ? wrong("iat", found, `It is older than ${maxAge} seconds.`) : right("iat", found);
}

function checkAth({ ath }: Members, { accessToken }: ExpectedProof): Finding {
  if (accessToken === undefined) return unchecked("ath", ath);
  if (ath === undefined) return wrong("ath", ath, "A proof that goes with a token must hold the token's hash.");
  const same = ath === hash("sha256", accessToken, "base64url");
  return same ? right("ath", ath) : wrong("ath", ath, "It is the hash of another token.");
}

function checkNonce({ nonce }: Members, { nonce: wanted }: ExpectedProof): Finding {
  return compare("nonce", nonce, wanted, "The server wants its own nonce in it.");
}

function compare(check: string, value: unknown, wanted: string | undefined, problem: string): Finding {
  if (wanted === undefined) return unchecked(check, value);
  return value === wanted ? right(check, value) : wrong(check, value, problem);
}

function right(check: string, value: unknown): Finding {
  return { check, ok: true, found: shownOf(value) };
}

function wrong(check: string, value: unknown, remedy?: string): Finding {
  return { check, ok: false, found: shownOf(value), ...(remedy === undefined ? {} : { remedy }) };
}

function unchecked(check: string, value: unknown): Finding {
  return {
    check,
    ok: null,
    found: value === undefined ? "is not there" : `${shownOf(value)} (nothing to compare it with)`,
  };
}

function shownOf(value: unknown): string {
  if (value === undefined) return "is missing";
  return typeof value === "string" ? value : JSON.stringify(value);
}

function isObject(value: unknown): value is Members {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function parseUrl(text: string): URL | undefined {
  return URL.canParse(text) ? new URL(text) : undefined;
}
