/** A real authorization server, oidc-provider on loopback, with DPoP-bound JWT access tokens and nonces that can be rotated. */
import { randomBytes } from "node:crypto";
import type { RequestListener } from "node:http";
import { exportJWK, generateKeyPair, type JWK } from "jose";
import type { ClientMetadata, Configuration } from "oidc-provider";
import type { TrustedAttester } from "./attestation-policy.js";
import { agentPolicy, routes } from "./authorization-policy.js";
import { INTERACTION, interact } from "./automatic-user.js";
import { loopbackServer, type RecordedRequest } from "./loopback-server.js";
import type { Certificate } from "./mutual-tls.js";
import { Provider } from "./oidc-provider.js";
import { JWT_BEARER, registerGrants, TOKEN_EXCHANGE } from "./registered-grants.js";
import { type Memory, StoredModels } from "./stored-models.js";

/** Options of {@link authorizationServer}. */
export interface AuthorizationServerOptions {
  /** Whether to reject proofs without a nonce. Default: true. If false, nonces are still offered, and checked if used. */
  requireNonce?: boolean;
  /** Whether to offer nonces. Default: true. Without nonces, a proof's `iat` is checked. */
  offerNonces?: boolean;
  /** The audience of access tokens for requests without a `resource`. */
  audience?: string;
  /** Serves TLS with client certificates (RFC 8705): the server's certificate, and the trusted client's. */
  mutualTls?: { own: Certificate; client: Certificate };
  /** The lifetime of the access tokens of a login, in seconds. Default: 10 minutes. */
  accessTokenLifetime?: number;
  /** The JWS algorithms of proofs and client assertions. Default: those of oidc-provider. */
  algorithms?: readonly string[];
  /** Whether to enforce the FAPI 2.0 Security Profile, for which the default clients can't be used. Default: false. */
  fapi?: boolean;
  /** Lets clients register themselves, and manage their registrations, with the token if there is one. Default: no. */
  registration?: { initialAccessToken?: string };
  /** Issues tokens with the scope `openid` for the userinfo endpoint, unless the request has a `resource`. Default: no. */
  userinfo?: boolean;
  /**
   * The issuer, as clients reach it by a proxy that sends `X-Forwarded-Host` and `X-Forwarded-Proto`. Its path is where the
   * provider is mounted. Default: the server's origin.
   */
  issuer?: string;
  /** Accepts clients whose keys are attested by this attester, by its `iss` and public key. */
  attester?: TrustedAttester;
  /** Clients to register in addition to the three default ones. */
  clients?: readonly ClientMetadata[];
}

interface RegisteredClient {
  readonly clientId: string;
  readonly clientSecret: string;
}

/** A running authorization server. */
export interface AuthorizationServer extends AsyncDisposable {
  readonly issuer: string;
  /** Where it listens. */
  readonly origin: string;
  readonly tokenEndpoint: string;
  readonly audience: string;
  /** The same as `clients.post`. */
  readonly client: RegisteredClient;
  readonly clients: {
    /** `client_secret_post`. */
    readonly post: RegisteredClient;
    /** `client_secret_basic`. Its id and secret contain characters that must be percent-encoded (RFC 6749 §2.3.1). */
    readonly basic: RegisteredClient;
    /** `none`. Can use the authorization code, refresh and device grants, but not client credentials. */
    readonly public: { readonly clientId: string };
  };
  /** All requests, including the resource server's requests for metadata and keys. */
  readonly requests: readonly RecordedRequest[];
  /** Makes all current nonces stale. Tokens and the record of used `jti`s are not affected. */
  rotateNonces(): void;
  /** Forgets the opaque access tokens: they end before their time, but refresh tokens don't. */
  endAccessTokens(): void;
  close(): Promise<void>;
}

const grantTypes = ["authorization_code", "refresh_token", "urn:ietf:params:oauth:grant-type:device_code"];

/** The registration that all confidential clients share. */
export const confidential = {
  redirect_uris: ["http://127.0.0.1/callback"],
  application_type: "native",
  grant_types: ["client_credentials", ...grantTypes, TOKEN_EXCHANGE, JWT_BEARER],
} satisfies Partial<ClientMetadata>;

/** Starts an authorization server. */
export async function authorizationServer(options: AuthorizationServerOptions = {}): Promise<AuthorizationServer> {
  const { offerNonces = true, requireNonce = offerNonces, clients: moreClients = [] } = options;
  const { audience = "https://resource.example/", mutualTls, algorithms, registration, attester } = options;
  const { fapi = false, userinfo = false, accessTokenLifetime } = options;
  const server = await loopbackServer(
    mutualTls && { ...mutualTls.own, ca: mutualTls.client.cert, requestCert: true, rejectUnauthorized: false },
  );
  const { issuer = server.origin } = options;
  const clients = defaultClients();
  const memory: Memory = new Map();
  const features = { registration, attester, fapi, userinfo, accessTokenLifetime };
  const policy = agentPolicy({ requireNonce, audience, mutualTls: mutualTls !== undefined, ...features });
  const newProvider = providerFactory({ issuer, memory }, await signingKey(), audience, offerNonces, {
    ...policy,
    ...(algorithms && { enabledJWA: enabledJwa(algorithms) }),
    clients: [...registrations(clients), ...moreClients],
  });

  let handler = newProvider();
  server.http.on("request", (req, res) => handler(req, res));
  return {
    issuer,
    origin: server.origin,
    tokenEndpoint: issuer + routes.token,
    audience,
    client: clients.post,
    clients,
    requests: server.requests,
    rotateNonces() {
      handler = newProvider();
    },
    endAccessTokens() {
      for (const key of memory.keys()) if (key.startsWith("AccessToken:")) memory.delete(key);
    },
    close: server.close,
    [Symbol.asyncDispose]: server.close,
  };
}

/** A Provider can't change its nonce secret, so rotating nonces needs a new Provider with the same keys and memory. */
function providerFactory(
  { issuer, memory }: { issuer: string; memory: Memory },
  key: JWK,
  audience: string,
  offerNonces: boolean,
  policy: ReturnType<typeof agentPolicy> & Pick<Configuration, "clients" | "enabledJWA">,
): () => RequestListener {
  const cookieKeys = [randomBytes(32).toString("base64url")];
  return () => {
    const nonceSecret = offerNonces ? { nonceSecret: randomBytes(32) } : {};
    const provider = new Provider(issuer, {
      ...policy,
      features: { ...policy.features, dPoP: { ...policy.features.dPoP, ...nonceSecret } },
      adapter: (model) => new StoredModels(model, memory),
      cookies: { keys: cookieKeys },
      jwks: { keys: [{ ...key }] },
    });
    provider.proxy = true; // It has an effect only with the headers of a proxy.
    registerGrants(provider, key, audience);
    const handler = mountedAt(new URL(issuer).pathname, provider.callback());
    return (req, res) => (req.url?.startsWith(INTERACTION) ? interact(provider, req, res) : handler(req, res));
  };
}

/** Removes the path before the provider's own paths. The provider finds it in `originalUrl`, as Express sets it. */
function mountedAt(path: string, handler: RequestListener): RequestListener {
  if (path === "/") return handler;
  return (req, res) => {
    const { url = "" } = req;
    if (url.startsWith(path)) Object.assign(req, { originalUrl: url, url: url.slice(path.length) });
    handler(req, res);
  };
}

/** The types of oidc-provider don't have ML-DSA. */
function enabledJwa(algorithms: readonly string[]): NonNullable<Configuration["enabledJWA"]> {
  const values = [...algorithms] as ("ES256" | "PS256")[];
  return { dPoPSigningAlgValues: values, clientAuthSigningAlgValues: values };
}

async function signingKey(): Promise<JWK> {
  const { privateKey } = await generateKeyPair("ES256", { extractable: true });
  return { ...(await exportJWK(privateKey)), alg: "ES256", use: "sig", kid: "as-1" };
}

function defaultClients(): AuthorizationServer["clients"] {
  const secret = () => randomBytes(24).toString("base64url");
  return {
    post: { clientId: "agent", clientSecret: secret() },
    basic: { clientId: "agent:basic", clientSecret: `${secret()} +%&:/` },
    public: { clientId: "public-agent" },
  };
}

function registrations({ post, basic, public: publicClient }: AuthorizationServer["clients"]): ClientMetadata[] {
  return [
    {
      ...confidential,
      client_id: post.clientId,
      client_secret: post.clientSecret,
      token_endpoint_auth_method: "client_secret_post",
    },
    {
      ...confidential,
      client_id: basic.clientId,
      client_secret: basic.clientSecret,
      token_endpoint_auth_method: "client_secret_basic",
    },
    { ...confidential, grant_types: grantTypes, client_id: publicClient.clientId, token_endpoint_auth_method: "none" },
  ];
}
