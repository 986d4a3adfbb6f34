/** A real authorization server, oidc-provider on loopback: JWT access tokens bound by DPoP, with nonces that can be made stale. */
import { randomBytes } from "node:crypto";
import type { RequestListener } from "node:http";
import { exportJWK, generateKeyPair, type JWK } from "jose";
import type { ClientMetadata } from "oidc-provider";
import { agentPolicy, routes } from "./authorization-policy.js";
import { INTERACTION, interact } from "./automatic-user.js";
import { type LoopbackServer, loopbackServer, type RecordedRequest } from "./loopback-server.js";
import type { Certificate } from "./mutual-tls.js";
import { Provider } from "./oidc-provider.js";
import { JWT_BEARER, registerGrants, TOKEN_EXCHANGE } from "./registered-grants.js";
import { type Memory, StoredModels } from "./stored-models.js";

export interface AuthorizationServerOptions {
  /** Refuse proofs without a nonce (default). When false nonces are still offered in each answer, and checked when used. */
  requireNonce?: boolean;
  /** Offer nonces (default). Without them a proof is judged by its time. */
  offerNonces?: boolean;
  /** The access tokens' audience unless a request names a `resource`. */
  audience?: string;
  /** Speak TLS, and ask for the client's certificate (`tls_client_auth`): the server's own, and the one it trusts. */
  mutualTls?: { own: Certificate; client: Certificate };
  /** More clients, beside the three that are always there. */
  clients?: readonly ClientMetadata[];
}

interface RegisteredClient {
  readonly clientId: string;
  readonly clientSecret: string;
}

export interface AuthorizationServer extends AsyncDisposable {
  readonly issuer: string;
  readonly tokenEndpoint: string;
  readonly audience: string;
  /** The same as `clients.post`. */
  readonly client: RegisteredClient;
  readonly clients: {
    /** `client_secret_post`. */
    readonly post: RegisteredClient;
    /** `client_secret_basic`: id and secret hold characters that RFC 6749 §2.3.1 wants percent-encoded. */
    readonly basic: RegisteredClient;
    /** `none`: authorization code, refresh and device grants; no client credentials. */
    readonly public: { readonly clientId: string };
  };
  /** All that arrived, the resource server's look-ups of metadata and keys included. */
  readonly requests: readonly RecordedRequest[];
  /** Every nonce given out so far is refused from now on with `use_dpop_nonce`; tokens and used `jti`s are kept. */
  rotateNonces(): void;
  close(): Promise<void>;
}

const grantTypes = ["authorization_code", "refresh_token", "urn:ietf:params:oauth:grant-type:device_code"];

/** What every confidential client of these tests is registered with. */
export const confidential = {
  redirect_uris: ["http://127.0.0.1/callback"],
  application_type: "native",
  grant_types: ["client_credentials", ...grantTypes, TOKEN_EXCHANGE, JWT_BEARER],
} satisfies Partial<ClientMetadata>;

export async function authorizationServer(options: AuthorizationServerOptions = {}): Promise<AuthorizationServer> {
  const { offerNonces = true, requireNonce = offerNonces, clients: moreClients = [] } = options;
  const { audience = "https://resource.example/" } = options;
  const { mutualTls } = options;
  const server = await loopbackServer(
    mutualTls && { ...mutualTls.own, ca: mutualTls.client.cert, requestCert: true, rejectUnauthorized: false },
  );
  const clients = threeClients();
  const newProvider = providerFactory(server, await signingKey(), audience, offerNonces, {
    ...agentPolicy({ requireNonce, audience, mutualTls: mutualTls !== undefined }),
    clients: [...registrations(clients), ...moreClients],
  });

  let answer = newProvider();
  server.http.on("request", (req, res) => answer(req, res));
  return {
    issuer: server.origin,
    tokenEndpoint: server.origin + routes.token,
    audience,
    client: clients.post,
    clients,
    requests: server.requests,
    rotateNonces() {
      answer = newProvider();
    },
    close: server.close,
    [Symbol.asyncDispose]: server.close,
  };
}

/** A Provider derives its nonces from one secret for life: new nonces are a new Provider over the same keys and memory. */
function providerFactory(
  { origin }: LoopbackServer,
  key: JWK,
  audience: string,
  offerNonces: boolean,
  policy: ReturnType<typeof agentPolicy> & { clients: ClientMetadata[] },
): () => RequestListener {
  const memory: Memory = new Map();
  const cookieKeys = [randomBytes(32).toString("base64url")];
  return () => {
    const nonceSecret = offerNonces ? { nonceSecret: randomBytes(32) } : {};
    const provider = new Provider(origin, {
      ...policy,
      features: { ...policy.features, dPoP: { ...policy.features.dPoP, ...nonceSecret } },
      adapter: (model) => new StoredModels(model, memory),
      cookies: { keys: cookieKeys },
      jwks: { keys: [{ ...key }] },
    });
    registerGrants(provider, key, audience);
    const answer = provider.callback();
    return (req, res) => (req.url?.startsWith(INTERACTION) ? interact(provider, req, res) : answer(req, res));
  };
}

async function signingKey(): Promise<JWK> {
  const { privateKey } = await generateKeyPair("ES256", { extractable: true });
  return { ...(await exportJWK(privateKey)), alg: "ES256", use: "sig", kid: "as-1" };
}

function threeClients(): AuthorizationServer["clients"] {
  const secret = () => randomBytes(24).toString("base64url");
  return {
    post: { clientId: "agent", clientSecret: secret() },
    basic: { clientId: "agent:basic", clientSecret: `${secret()} +%&:/` },
    public: { clientId: "public-agent" },
  };
}

function registrations({ post, basic, public: open }: AuthorizationServer["clients"]): ClientMetadata[] {
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
    { ...confidential, grant_types: grantTypes, client_id: open.clientId, token_endpoint_auth_method: "none" },
  ];
}
