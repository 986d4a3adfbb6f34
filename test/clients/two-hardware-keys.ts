/**
 * What another library's client must be able to do with two keys on a SoftHSM token, one for proofs and one for client
 * assertions: every request at oidc-provider and at a resource server that require nonces.
 */
import { DPoPProver, type Signer } from "hardproof";
import { Pkcs11Signer } from "hardproof/pkcs11";
import { type SoftHsm, softHsm } from "hardproof/softhsm";
import { decodeJwt, decodeProtectedHeader } from "jose";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type AuthorizationServer, authorizationServer, confidential } from "../servers/authorization-server.js";
import { ACCOUNT } from "../servers/automatic-user.js";
import { authorizeInBrowser } from "../servers/browser.js";
import type { RecordedRequest } from "../servers/loopback-server.js";
import { type ResourceServer, resourceServer } from "../servers/resource-server.js";

/** The registered client, and its keys. */
export interface HardwareKeys {
  readonly issuer: string;
  readonly clientId: string;
  /** Signs proofs, with ES256. */
  readonly proofSigner: Signer;
  /** Signs client assertions, with PS256. */
  readonly assertionSigner: Signer;
  /** The `kid` of the assertion key in the client's registration. */
  readonly assertionKeyId: string;
}

/** The members of a token response that the scenario uses. */
export interface Tokens {
  readonly access_token: string;
  readonly refresh_token?: string | undefined;
}

/** A client of another library. Each method makes one call of it, whose proofs are signed by `proofSigner`. */
export interface ClientUnderTest {
  /** @param scope - Of the token. */
  clientCredentials(scope: string): Promise<Tokens>;
  /**
   * Pushes an authorization request (RFC 9126).
   *
   * @returns The URL for the browser.
   */
  pushedAuthorizationUrl(request: { redirectUri: string; scope: string; codeVerifier: string }): Promise<URL>;
  /** @param callback - The URL that the browser was redirected to. */
  authorizationCode(callback: URL, request: { redirectUri: string; codeVerifier: string }): Promise<Tokens>;
  refresh(refreshToken: string): Promise<Tokens>;
  /** Sends a GET request with the access token. */
  resource(url: string, accessToken: string): Promise<Response>;
}

const CLIENT_ID = "two-key-agent";
const redirectUri = "http://127.0.0.1/callback";

/**
 * Describes the suite.
 *
 * @param connect - Discovers the issuer and returns the client, without a request to any other endpoint.
 */
export function describeTwoHardwareKeys(
  title: string,
  connect: (keys: HardwareKeys) => Promise<ClientUnderTest>,
): void {
  describe(`${title}, with a SoftHSM key for proofs and another one for client assertions`, () => {
    let hsm: SoftHsm;
    let proofs: DPoPProver;
    let assertions: DPoPProver;
    let as: AuthorizationServer;
    let rs: ResourceServer;
    let client: ClientUnderTest;
    let refreshToken = "";
    beforeAll(async () => {
      hsm = await softHsm({ label: "two keys" });
      await hsm.addKey({ label: "assertions", id: "02", algorithm: "RS256" });
      const onToken = { module: hsm.module, token: hsm.token, pin: hsm.pin };
      proofs = await DPoPProver.create(new Pkcs11Signer({ ...onToken, key: hsm.key.label }));
      assertions = await DPoPProver.create(new Pkcs11Signer({ ...onToken, key: "assertions", algorithm: "PS256" }));
      as = await authorizationServer({ clients: [registration(assertions)] });
      rs = await resourceServer({ issuer: as.issuer, audience: as.audience });
      client = await connect({
        issuer: as.issuer,
        clientId: CLIENT_ID,
        proofSigner: proofs.signer,
        assertionSigner: assertions.signer,
        assertionKeyId: assertions.jkt,
      });
    });
    afterAll(async () => {
      await Promise.all([as.close(), rs.close(), proofs.signer.close(), assertions.signer.close()]);
      await hsm.close();
    });

    const callsResource = async (accessToken: string) => {
      const response = await client.resource(rs.url, accessToken);
      expect(response.status).toBe(200);
      expect(await response.json()).toMatchObject({ jkt: proofs.jkt, verifiedBy: "oauth4webapi" });
    };
    const boundClaims = (sub: string) => ({ sub, client_id: CLIENT_ID, cnf: { jkt: proofs.jkt } });

    it("gets a token at the first call, which answers the nonce challenge", async () => {
      const { access_token } = await client.clientCredentials("read");
      expect(decodeJwt(access_token)).toMatchObject(boundClaims(CLIENT_ID));
      expect(sentTo(as).map(({ status }) => status)).toEqual([400, 200]);
      await callsResource(access_token);
      expect(rs.requests.map(({ status }) => status)).toEqual([401, 200]);
    });

    it("pushes an authorization request, and exchanges the code", async () => {
      const request = { redirectUri, scope: "read write", codeVerifier: "v".repeat(43) };
      const url = await client.pushedAuthorizationUrl(request);
      expect([...url.searchParams.keys()].sort()).toEqual(["client_id", "request_uri"]);
      const callback = new URL(await authorizeInBrowser(url.href, redirectUri));
      const tokens = await client.authorizationCode(callback, request);
      expect(decodeJwt(tokens.access_token)).toMatchObject(boundClaims(ACCOUNT));
      await callsResource(tokens.access_token);
      refreshToken = tokens.refresh_token ?? expect.unreachable();
    });

    it("refreshes the token after all nonces have become stale", async () => {
      as.rotateNonces();
      rs.rotateNonce();
      const tokens = await client.refresh(refreshToken);
      expect(decodeJwt(tokens.access_token)).toMatchObject(boundClaims(ACCOUNT));
      expect(tokens.refresh_token).not.toBe(refreshToken);
      await callsResource(tokens.access_token);
    });

    it("has sent a proof and an assertion with each request, each with its own key and a new jti", () => {
      const sent = sentTo(as);
      const sentAssertions = sent.map(assertionOf);
      expect(sentAssertions.map(decodeProtectedHeader)).toEqual(
        sent.map(() => expect.objectContaining({ alg: "PS256", kid: assertions.jkt })),
      );
      const sentProofs = [...sent, ...rs.requests].map(proofOf);
      const { publicJwk } = proofs;
      expect(sentProofs.map(decodeProtectedHeader)).toEqual(
        sentProofs.map(() => ({ typ: "dpop+jwt", alg: "ES256", jwk: publicJwk })),
      );
      const ids = [...sentAssertions, ...sentProofs].map((jwt) => decodeJwt(jwt).jti);
      expect(new Set(ids).size).toBe(2 * sent.length + rs.requests.length);
    });

    it("was rejected only for a missing and a stale nonce, once by each server", () => {
      for (const requests of [sentTo(as), rs.requests]) {
        const rejected = requests.filter(({ status }) => status >= 400).map(nonceOf);
        const accepted = requests.filter(({ status }) => status < 400).map(nonceOf);
        expect(rejected).toEqual([undefined, expect.any(String)]);
        expect(accepted).toContain(rejected[1]);
      }
    });
  });
}

function registration({ publicJwk, jkt, alg }: DPoPProver) {
  return {
    ...confidential,
    client_id: CLIENT_ID,
    token_endpoint_auth_method: "private_key_jwt" as const,
    token_endpoint_auth_signing_alg: "PS256" as const,
    jwks: { keys: [{ ...publicJwk, alg, kid: jkt, use: "sig" }] },
  };
}

/** The client's own requests: those with a form. The browser and the resource server send others. */
function sentTo({ requests }: AuthorizationServer): RecordedRequest[] {
  return requests.filter(({ method }) => method === "POST");
}

const proofOf = ({ headers }: RecordedRequest) => String(headers.dpop);
const nonceOf = (request: RecordedRequest) => decodeJwt<{ nonce?: string }>(proofOf(request)).nonce;
const assertionOf = ({ body }: RecordedRequest) => new URLSearchParams(body).get("client_assertion") ?? "";
