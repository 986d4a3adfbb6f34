/**
 * A server's checks of a DPoP proof (RFC 9449 §4.3), with a finding for each. jose is imported on first use, so that
 * importing `hardproof` doesn't load it.
 */
import { hash } from "node:crypto";
import type { JWK } from "jose";
import { PUBLIC_MEMBERS } from "../jose/algorithms.js";
import { findAlgorithm } from "../jose/find-algorithm.js";
import { isJsonObject } from "../jose/json-object.js";
import { importPublicKey, PRIVATE_MEMBERS, type PublicKeyMembers } from "../jose/public-key.js";
import type { Finding } from "../keystore/finding.js";
import { encodeNotAllowed } from "./encode-url.js";

/** What {@link verifyProof} compares a proof with. A claim whose expected value is `undefined` isn't compared. */
export interface ExpectedProof {
  /** The request's HTTP method. Case-sensitive. */
  readonly method?: string | undefined;
  /** The request's absolute URL. Its query and fragment are ignored. */
  readonly url?: string | undefined;
  /** The access token sent with the request. The proof's `ath` must be its hash. */
  readonly accessToken?: string | undefined;
  /** The nonce that the server requires. */
  readonly nonce?: string | undefined;
  /** The thumbprint of the key that the access token is bound to: its `cnf.jkt`. */
  readonly jkt?: string | undefined;
  /** Seconds. The maximum age of the proof, by its `iat`. */
  readonly maxAge: number;
  /** The current time, in seconds since 1970. */
  readonly now: number;
}

type Jose = typeof import("jose");
type JsonObject = Readonly<Record<string, unknown>>;

const MIN_JTI = 16; // characters: 96 bits in base64url
const CLOCK_SKEW = 60; // seconds by which `iat` may be in the future

/** The result of {@link verifyProof}. */
export interface ProofVerification {
  /**
   * One finding for each header parameter and claim, in the RFC's order. The proof is valid unless one has `ok: false`.
   */
  readonly findings: readonly Finding[];
  /** SHA-256 JWK thumbprint of the proof's key (RFC 7638), base64url. `undefined` if the proof doesn't contain a valid key. */
  readonly jkt?: string | undefined;
}

/**
 * Verifies a DPoP proof as a server does (RFC 9449 §4.3), for tests and to find out why a server rejects a proof.
 * Doesn't detect a replayed `jti`.
 *
 * @example
 * ```ts
 * const { findings } = await verifyProof(proof, { method: "GET", url, accessToken, maxAge: 300, now: Date.now() / 1000 });
 * const isValid = findings.every(({ ok }) => ok !== false);
 * ```
 * @param proof - The value of the `DPoP` header: a compact JWS.
 * @param expected - The request that the proof must be for.
 * @returns The findings. An invalid or malformed proof is a finding, not an error.
 */
export async function verifyProof(proof: string, expected: ExpectedProof): Promise<ProofVerification> {
  const jose = await import("jose");
  const parts = decode(jose, proof);
  if (!parts)
    return {
      findings: [fail("format", "not a compact JWS", "A proof is three base64url parts: header.claims.signature.")],
    };
  const { header, claims } = parts;
  const key = await checkKey(jose, proof, header, expected);
  const findings = [
    checkTyp(header),
    checkAlg(header),
    ...checkCrit(header),
    ...key.findings,
    checkJti(claims),
    checkHtm(claims, expected),
    checkHtu(claims, expected),
    checkIat(claims, expected),
    checkAth(claims, expected),
    checkNonce(claims, expected),
  ];
  return { findings, jkt: key.jkt };
}

function decode(jose: Jose, proof: string): { header: JsonObject; claims: JsonObject } | undefined {
  try {
    return { header: { ...jose.decodeProtectedHeader(proof) }, claims: jose.decodeJwt(proof) };
  } catch {
    return undefined;
  }
}

function checkTyp({ typ }: JsonObject): Finding {
  return typ === "dpop+jwt" ? pass("typ", typ) : fail("typ", typ, "typ must be dpop+jwt.");
}

function checkAlg({ alg }: JsonObject): Finding {
  if (findAlgorithm(alg)) return pass("alg", alg);
  return fail(
    "alg",
    alg,
    "alg must be an asymmetric algorithm, such as ES256. none and HMAC algorithms are forbidden.",
  );
}

function checkCrit({ crit }: JsonObject): Finding[] {
  return crit === undefined ? [] : [fail("crit", crit, "Remove crit: DPoP proofs don't have critical extensions.")];
}

async function checkKey(
  jose: Jose,
  proof: string,
  header: JsonObject,
  expected: ExpectedProof,
): Promise<ProofVerification> {
  const { jwk } = header;
  if (!isJsonObject(jwk)) return { findings: [fail("jwk", jwk, "The header must contain the public key as jwk.")] };
  const key = membersOf(jwk);
  const jkt = await jose.calculateJwkThumbprint(key).catch(() => undefined);
  const kind = [jwk.kty, jwk.crv].filter((part) => part !== undefined).join(" ");
  if (jkt === undefined) return { findings: [fail("jwk", kind, "jwk isn't a valid public key.")] };
  const findings = [
    checkMembers(jwk, kind),
    compare("jkt", jkt, expected.jkt, `The token is bound to key ${expected.jkt}. Sign the proof with that key.`),
    await checkSignature(jose, proof, key, header),
  ];
  return { findings, jkt };
}

function membersOf(jwk: JsonObject): JWK {
  const names = Object.entries(PUBLIC_MEMBERS).find(([kty]) => kty === jwk.kty)?.[1] ?? [];
  return Object.fromEntries(names.filter((name) => name in jwk).map((name) => [name, jwk[name]]));
}

/** Reports the names of private members, never their values. */
function checkMembers(jwk: JsonObject, kind: string): Finding {
  const leaked = PRIVATE_MEMBERS.filter((name) => name in jwk);
  if (leaked.length === 0) return pass("jwk", kind);
  return fail("jwk", kind, `jwk contains private members (${leaked.join(", ")}). The key is compromised: replace it.`);
}

async function checkSignature(jose: Jose, proof: string, jwk: JWK, { alg }: JsonObject): Promise<Finding> {
  if (typeof alg !== "string" || !findAlgorithm(alg)) return fail("signature", "can't be verified with this alg");
  const problem = unsuitable(jwk, alg);
  if (problem !== undefined) return fail("signature", "can't be verified with this key", problem);
  try {
    await jose.compactVerify(proof, await jose.importJWK(jwk, alg), { algorithms: [alg] });
    return pass("signature", "verified with this key");
  } catch {
    return fail("signature", "doesn't verify", "The proof was signed with a different key, or changed after signing.");
  }
}

/** Returns why the key can't verify the algorithm, such as an RSA key of 1024 bits, or `undefined` if it can. */
function unsuitable(jwk: JWK, algorithm: string): string | undefined {
  try {
    importPublicKey(jwk as PublicKeyMembers, { algorithm });
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

function checkJti({ jti }: JsonObject): Finding {
  if (typeof jti !== "string" || jti === "")
    return fail("jti", jti, "jti must be a string that is unique to this proof.");
  if (jti.length >= MIN_JTI) return pass("jti", jti);
  return fail(
    "jti",
    jti,
    `jti has ${jti.length} characters, which is less than 96 random bits. Use at least ${MIN_JTI}.`,
  );
}

function checkHtm({ htm }: JsonObject, { method }: ExpectedProof): Finding {
  if (typeof htm !== "string" || htm === "") return fail("htm", htm, "htm must be the request's HTTP method.");
  return compare("htm", htm, method, `The request's method is ${method}. The comparison is case-sensitive.`);
}

function checkHtu({ htu }: JsonObject, { url }: ExpectedProof): Finding {
  const target = typeof htu === "string" ? parseUrl(htu) : undefined;
  if (!target || !/^https?:$/.test(target.protocol))
    return fail("htu", htu, "htu must be the request's absolute http: or https: URL.");
  if (target.search || target.hash || /[?#]/.test(String(htu)))
    return fail("htu", htu, "htu must not have a query or fragment.");
  if (url === undefined) return notCompared("htu", htu);
  const request = parseUrl(url);
  const isEqual = request !== undefined && withoutQuery(request) === withoutQuery(target);
  return isEqual
    ? pass("htu", htu)
    : fail("htu", htu, `The request's URL is ${request ? withoutQuery(request) : url}.`);
}

function checkIat({ iat }: JsonObject, { now, maxAge }: ExpectedProof): Finding {
  if (typeof iat !== "number" || !Number.isFinite(iat))
    return fail("iat", iat, "iat must be a number of seconds since 1970.");
  const age = Math.round(now - iat);
  const found = `${iat} (${age < 0 ? `in ${-age} s` : `${age} s ago`})`;
  if (age < -CLOCK_SKEW)
    return fail("iat", found, "The proof was issued in the future: check the clocks of the client and this machine.");
  return age > maxAge ? fail("iat", found, `The proof is older than ${maxAge} seconds.`) : pass("iat", found);
}

function checkAth({ ath }: JsonObject, { accessToken }: ExpectedProof): Finding {
  if (accessToken === undefined) return notCompared("ath", ath);
  if (ath === undefined)
    return fail("ath", ath, "A proof that is sent with an access token must contain the token's hash as ath.");
  const isEqual = ath === hash("sha256", accessToken, "base64url");
  return isEqual ? pass("ath", ath) : fail("ath", ath, "ath is the hash of a different token.");
}

function checkNonce({ nonce }: JsonObject, { nonce: expected }: ExpectedProof): Finding {
  return compare("nonce", nonce, expected, "nonce must be the value of the server's latest DPoP-Nonce header.");
}

function compare(check: string, value: unknown, expected: string | undefined, remedy: string): Finding {
  if (expected === undefined) return notCompared(check, value);
  return value === expected ? pass(check, value) : fail(check, value, remedy);
}

function pass(check: string, value: unknown): Finding {
  return { check, ok: true, found: display(value) };
}

function fail(check: string, value: unknown, remedy?: string): Finding {
  return { check, ok: false, found: display(value), ...(remedy === undefined ? {} : { remedy }) };
}

/** The finding for a value that the caller hasn't passed an expected value for. */
function notCompared(check: string, value: unknown): Finding {
  return { check, ok: null, found: value === undefined ? "not present" : `${display(value)} (not compared)` };
}

function display(value: unknown): string {
  if (value === undefined) return "missing";
  return typeof value === "string" ? value : JSON.stringify(value);
}

function withoutQuery(url: URL): string {
  return url.origin + encodeNotAllowed(url.pathname);
}

function parseUrl(text: string): URL | undefined {
  return URL.canParse(text) ? new URL(text) : undefined;
}
