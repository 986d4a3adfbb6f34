/** A stub OpenID provider with keys of its own: signs ID tokens and authorization responses as the test defines. */
import { exportJWK, generateKeyPair, type JWK, type JWTHeaderParameters, SignJWT } from "jose";
import { json, type Responder, type StubServer, stubServer } from "./stub-server.js";

/** A key of the provider. */
export interface ProviderKey {
  readonly jwk: JWK;
  sign(claims: object, header?: Partial<JWTHeaderParameters>): Promise<string>;
}

/** A running provider. */
export interface StubOpenId {
  /** Also its issuer. */
  readonly origin: string;
  /** All requests. */
  readonly requests: StubServer["requests"];
  /** The paths of all requests. */
  paths(): string[];
  /** Metadata for `OAuthClient`. */
  metadata(more?: object): { issuer: string };
  /** Sets what `/jwks` contains. */
  publish(...keys: JWK[]): void;
  /** Sets the response of `/jwks`. */
  respondToJwks(responder: Responder): void;
  /** Sets the response of `/token`. */
  respondToToken(body: object): void;
  close(): Promise<void>;
}

/** Generates a key. Its header has the key's `alg` and `kid`. */
export async function providerKey(alg = "ES256", kid: string | undefined = "key-1"): Promise<ProviderKey> {
  const { publicKey, privateKey } = await generateKeyPair(alg, { extractable: true });
  const jwk = { ...(await exportJWK(publicKey)), ...(kid !== undefined && { kid }) };
  return {
    jwk,
    sign: (claims, header) =>
      new SignJWT({ ...claims }).setProtectedHeader({ alg, ...(kid && { kid }), ...header }).sign(privateKey),
  };
}

/** Starts a provider without keys. */
export async function stubOpenId(): Promise<StubOpenId> {
  const server = await stubServer();
  let jwks: Responder = json(200, { keys: [] });
  let token: object = { access_token: "opaque" };
  server.respondWith((response, request, turn) => {
    if (request.path === "/jwks") return jwks(response, request, turn);
    if (request.path === "/par") return json(201, { request_uri: "urn:request:1" })(response, request, turn);
    return json(200, token)(response, request, turn);
  });
  return {
    origin: server.origin,
    requests: server.requests,
    paths: () => server.requests.map(({ path }) => path),
    metadata: (more) => ({
      issuer: server.origin,
      authorization_endpoint: `${server.origin}/authorize`,
      token_endpoint: `${server.origin}/token`,
      pushed_authorization_request_endpoint: `${server.origin}/par`,
      device_authorization_endpoint: `${server.origin}/device`,
      jwks_uri: `${server.origin}/jwks`,
      ...more,
    }),
    publish: (...keys) => {
      jwks = json(200, { keys });
    },
    respondToJwks: (responder) => {
      jwks = responder;
    },
    respondToToken: (body) => {
      token = body;
    },
    close: server.close,
  };
}
