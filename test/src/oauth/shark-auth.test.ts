/** The example of the Python SDK's documentation, at stubs that behave as SharkAuth does. */
import { inspect } from "node:util";
import { DPoPProver, dpopFetch, OAuthClient, type OAuthClientOptions, type OAuthError } from "hardproof";
import { decodeJwt } from "jose";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { readPage } from "../../docs-snippets.js";
import { type SharkAuth, sharkAuth } from "../../servers/shark-auth.js";
import { proofVerifier } from "../../servers/shark-proofs.js";

/** Word by word the documentation of `OAuthClient.get_token_with_dpop()`. */
const EXAMPLE = `
token = client.get_token_with_dpop(
    grant_type="client_credentials",
    dpop_prover=prover,
    client_id="my-agent",
    client_secret="s3cr3t",
    scope="read write",
)`;
const ERROR_EXAMPLE = `
    token = client.get_token_with_dpop(
        grant_type="client_credentials",
        dpop_prover=prover,
        client_id="my-agent",
        client_secret="wrong",
    )
except OAuthError as e:
    print(e.error)              # "invalid_client"
    print(e.error_description)  # "bad secret" (server-provided, may be None)
    print(e.status_code)        # 401`;

const camelCase = (name = "") => name.replace(/_(.)/g, (_, letter) => letter.toUpperCase());
/** Returns the keyword arguments of a Python call with TypeScript's names. */
const argumentsOf = (python: string): Record<string, string> =>
  Object.fromEntries(
    [...python.matchAll(/^ +(\w+)="(.*)",$/gm)].map(([, name, value = ""]) => [camelCase(name), value]),
  );
const requestOf = (python: string) => ({ grantType: "", clientId: "", ...argumentsOf(python), dpopProver: prover });

const asServerSees = (url: URL) => url.href.replace("https:", "http:");
const errorOf = (work: Promise<unknown>): Promise<OAuthError> =>
  work.then(
    () => expect.unreachable(),
    (error) => error,
  );

let prover: DPoPProver;
let shark: SharkAuth;
beforeAll(async () => {
  [prover, shark] = await Promise.all([DPoPProver.generate(), sharkAuth()]);
});
beforeEach(() => {
  shark.requests.length = 0;
});
afterAll(() => shark.close());

const clientOf = (options: Partial<OAuthClientOptions>, { origin: baseUrl, fetch } = shark) =>
  new OAuthClient({ baseUrl, fetch, ...options });
const getToken = (client: OAuthClient) => client.getTokenWithDPoP(requestOf(EXAMPLE));
const tokenRequests = () => shark.requests.filter(({ url }) => url === "/oauth/token");

describe("SharkAuth behind a proxy that ends TLS", () => {
  it.each<[string, () => OAuthClient | Promise<OAuthClient>]>([
    ["discovery", () => OAuthClient.discover(shark.origin, { fetch: shark.fetch, htu: asServerSees })],
    ["the option clientAuth", () => clientOf({ clientAuth: "client_secret_basic", htu: asServerSees })],
  ])("issues a bound token for the example by %s and the option htu", async (_, create) => {
    expect(shark.origin).toMatch(/^https:/);
    const token = await getToken(await create());
    expect(token).toMatchObject({ cnfJkt: prover.jkt, tokenType: "bearer", expiresIn: 899, scope: "read write" });
    expect(token.raw).not.toHaveProperty("cnf");
    const [request, another] = tokenRequests();
    expect(request?.headers.authorization).toBe(`Basic ${btoa("my-agent:s3cr3t")}`);
    expect(request?.body).toBe("grant_type=client_credentials&scope=read+write");
    expect(decodeJwt(String(request?.headers.dpop)).htu).toBe(`${shark.origin.replace("https:", "http:")}/oauth/token`);
    expect(another).toBeUndefined();
  });

  it("gets the secret once by the base URL and htu alone, and the error names both methods and the option", async () => {
    const error = await errorOf(getToken(clientOf({ htu: asServerSees })));
    expect(error).toMatchObject({ code: "refused", error: "invalid_client", statusCode: 401 });
    expect(error.message).toMatch(/sent only by client_secret_post.* option clientAuth .* to "client_secret_basic"/);
    expect(inspect(error, { depth: 10, showHidden: true })).not.toContain("s3cr3t");
    expect(tokenRequests()).toHaveLength(1);
  });

  it("gets the secret once without the option htu too, which the error names", async () => {
    const error = await errorOf(getToken(clientOf({ clientAuth: "client_secret_basic" })));
    expect(error).toMatchObject({ code: "refused", error: "invalid_dpop_proof", statusCode: 400 });
    expect(error.message).toContain("set the option htu to a function that returns the server's");
    expect(tokenRequests()).toHaveLength(1);
  });
});

describe("SharkAuth's vault", () => {
  const vaultHtu = ({ host, pathname }: URL) => `://${host}${pathname}`;
  const callVault = async (options: Partial<Parameters<typeof dpopFetch>[0]>, scope = "vault:read") => {
    const client = clientOf({ clientAuth: "client_secret_basic", htu: asServerSees });
    const token = await client.getTokenWithDPoP({ ...requestOf(EXAMPLE), scope });
    const call = dpopFetch({ prover, token, fetch: shark.fetch, ...options });
    return call(`${shark.origin}/api/v1/vault/github/token?fresh=1`);
  };

  it("accepts the bound token as Bearer beside a proof whose htu isn't a URL", async () => {
    expect((await callVault({ scheme: "Bearer", htu: vaultHtu })).status).toBe(200);
    const { headers } = shark.requests.at(-1) ?? expect.unreachable();
    expect(headers.authorization).toMatch(/^Bearer eyJ/);
    const { host } = new URL(shark.origin);
    expect(decodeJwt(String(headers.dpop))).toMatchObject({ htm: "GET", htu: `://${host}/api/v1/vault/github/token` });
  });

  it.each([
    ["the scheme DPoP", "Missing Bearer token", { htu: vaultHtu }],
    ["the htu of the request", "does not match request URL", { scheme: "Bearer" }],
    ["the htu of the token endpoint", "does not match request URL", { scheme: "Bearer", htu: asServerSees }],
  ] as const)("doesn't accept it with %s", async (_, problem, options) => {
    const response = await callVault(options);
    expect(response.status).toBe(401);
    expect(await response.text()).toContain(problem);
  });

  it("returns the status 403 to a token without its scope", async () => {
    expect((await callVault({ scheme: "Bearer", htu: vaultHtu }, "read write")).status).toBe(403);
  });
});

describe("SharkAuth with an agent for client_secret_post, without a proxy", () => {
  let plain: SharkAuth;
  beforeAll(async () => {
    plain = await sharkAuth({ authMethod: "client_secret_post", behindTls: false });
  });
  afterAll(() => plain.close());

  it("issues a bound token for the example unchanged, whose key proves the downstream request", async () => {
    const token = await getToken(new OAuthClient({ baseUrl: plain.origin }));
    expect(token.cnfJkt).toBe(prover.jkt);
    expect(plain.requests).toHaveLength(1);
    expect(plain.requests[0]?.body).toBe(
      "grant_type=client_credentials&client_id=my-agent&client_secret=s3cr3t&scope=read+write",
    );
    const { accessToken } = token;
    const htu = "https://api.example.com/resource";
    const proof = await prover.makeProof({ htm: "GET", htu, accessToken });
    expect(await proofVerifier()(proof, { method: "GET", htu, accessToken })).toBe(token.cnfJkt);
  });

  it("refuses a wrong secret with the example's error", async () => {
    const client = new OAuthClient({ baseUrl: plain.origin });
    const error = await errorOf(client.getTokenWithDPoP(requestOf(ERROR_EXAMPLE)));
    const [name, description, status] = [...ERROR_EXAMPLE.matchAll(/# "?(\w+(?: \w+)?)/g)].map(([, text]) => text);
    expect([error.error, error.errorDescription, String(error.statusCode)]).toEqual([name, description, status]);
  });

  it("names both methods to an agent for client_secret_basic that knows the base URL alone", async () => {
    await using basic = await sharkAuth({ behindTls: false });
    const error = await errorOf(getToken(new OAuthClient({ baseUrl: basic.origin })));
    expect(error.message).toMatch(/sent only by client_secret_post.* option clientAuth .* to "client_secret_basic"/);
    expect(basic.requests).toHaveLength(1);
  });
});

it("docs/migration.md shows the example with the same arguments", () => {
  const { code = "" } = readPage("docs/migration.md").snippets.find(({ title }) => title.includes("example")) ?? {};
  for (const [name, value] of Object.entries(argumentsOf(EXAMPLE))) expect(code).toContain(`${name}: "${value}",`);
});
