/** Access tokens: which credential is asked, how often, what happens if it fails, and that no secret is shown. */
import { inspect } from "node:util";
import { ChainedTokenCredential, ClientSecretCredential, EnvironmentCredential } from "@azure/identity";
import type { SignerError } from "hardproof";
import { AzureKeyVaultSigner, type AzureKeyVaultSignerOptions, type TokenCredential } from "hardproof/azure-kv";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { type AzureKeyVaultEmulator, azureKeyVaultEmulator } from "../../../testing/emulators/azure-kv.js";
import type { KeyVersion } from "../../../testing/emulators/azure-kv-keys.js";
import { type LoopbackServer, loopbackServer } from "../../servers/loopback-server.js";
import { newCertificate } from "../../servers/mutual-tls.js";

let kv: AzureKeyVaultEmulator;
let key: KeyVersion;
beforeAll(async () => {
  kv = await azureKeyVaultEmulator();
});
beforeEach(() => {
  key = kv.vault.add();
  kv.tokens.issued = 0;
});
afterEach(() => {
  kv.plan.clear();
  vi.unstubAllEnvs();
});
afterAll(() => kv.close());

const message = Buffer.from("message to sign");
/** A new one, since the tokens of a credential are cached. */
const newCredential = (getToken: TokenCredential["getToken"] = kv.credential.getToken): TokenCredential => ({
  getToken,
});
const newSigner = (credential: TokenCredential, options: AzureKeyVaultSignerOptions = {}) =>
  new AzureKeyVaultSigner(key.kid, { credential, ...options });
const errorOf = (work: Promise<unknown>): Promise<SignerError> =>
  work.then(
    () => expect.unreachable(),
    (error) => error,
  );
const errorWith = async (credential: TokenCredential, options: AzureKeyVaultSignerOptions = {}) => {
  await using signer = newSigner(credential, { timeout: 5_000, ...options });
  return errorOf(signer.sign(message));
};

describe("a token", () => {
  it("is requested once for all signers with the same credential, by the vault's audience and tenant", async () => {
    const getToken = vi.fn(kv.credential.getToken);
    const credential = newCredential(getToken);
    const signers = Array.from({ length: 5 }, () => newSigner(credential));
    await Promise.all(signers.flatMap((signer) => [signer.sign(message), signer.sign(message)]));
    expect(getToken).toHaveBeenCalledTimes(1);
    expect(getToken).toHaveBeenCalledWith(
      ["https://vault.localhost/.default"],
      expect.objectContaining({ tenantId: kv.tokens.tenantId }),
    );
    for (const signer of signers) await signer.close();
  });

  it("isn't cached beyond its end", async () => {
    kv.tokens.lifetime = 1;
    await using signer = newSigner(newCredential());
    await signer.sign(message);
    await signer.sign(message);
    expect(kv.tokens.issued).toBeGreaterThanOrEqual(2);
    kv.tokens.lifetime = 3_600;
  });

  it("is still used if it can't be renewed before its end", async () => {
    kv.tokens.lifetime = 60;
    const getToken = vi.fn(kv.credential.getToken).mockRejectedValue(new Error("Entra doesn't respond."));
    await using signer = newSigner(newCredential(getToken.mockImplementationOnce(kv.credential.getToken)));
    await signer.sign(message);
    await signer.sign(message);
    expect(getToken.mock.calls.length).toBeGreaterThanOrEqual(2);
    kv.tokens.lifetime = 3_600;
  });

  it("that the vault rejects is replaced at once", async () => {
    await using signer = newSigner(newCredential());
    await signer.sign(message);
    kv.tokens.revokeAll();
    await expect(signer.sign(message)).resolves.toHaveLength(64);
    expect(kv.tokens.issued).toBe(2);
    expect(kv.plan.count("sign")).toBe(2);
  });

  it("is requested again with the claims that the vault asks for, and then used by all", async () => {
    const credential = newCredential();
    await using signer = newSigner(credential);
    await signer.sign(message);
    kv.requiredClaims = '{"access_token":{"nbf":{"essential":true,"value":"1700000000"}}}';
    await expect(signer.sign(message)).resolves.toHaveLength(64);
    await using other = newSigner(credential);
    await expect(other.sign(message)).resolves.toHaveLength(64);
    expect(kv.tokens.issued).toBe(2);
    kv.requiredClaims = undefined;
  });

  it("that the vault rejects again is an error, after one more token", async () => {
    const getToken = vi.fn(async () => ({ token: "not.a.token", expiresOnTimestamp: Date.now() + 3_600_000 }));
    const error = await errorWith(newCredential(getToken));
    expect(error).toMatchObject({ code: "access-denied", retryable: false });
    expect(error.message).toMatch(/Unauthorized from GetKey: AKV10000.*vault's tenant and cloud/);
    expect(getToken.mock.calls.length).toBeLessThanOrEqual(2);
  });

  it("that one caller stopped waiting for still serves the others", async () => {
    let release: () => void = () => undefined;
    const pending = new Promise<void>((resolve) => {
      release = resolve;
    });
    const requested = vi.fn();
    const credential = newCredential(async (scopes, options) => {
      requested();
      await pending;
      if (options?.abortSignal?.aborted) expect.unreachable("The caller's abort reached the shared request.");
      return kv.credential.getToken(scopes);
    });
    // With the public key, the first request is the one to sign, which has the caller's signal.
    const publicKey = { kty: "EC", ...key.material.publicMembers } as never;
    await using first = newSigner(credential, { publicKey });
    await using second = newSigner(credential, { publicKey });
    const caller = new AbortController();
    const aborted = errorOf(first.sign(message, { signal: caller.signal }));
    await vi.waitFor(() => expect(requested).toHaveBeenCalledTimes(1));
    const signed = second.sign(message);
    await new Promise((resolve) => setTimeout(resolve, 200));
    caller.abort();
    expect(await aborted).toMatchObject({ code: "aborted" });
    release();
    await expect(signed).resolves.toHaveLength(64);
  });

  it("whose request hangs is requested again within the time limit", async () => {
    const getToken = vi.fn(kv.credential.getToken).mockReturnValueOnce(new Promise(() => undefined));
    await using signer = newSigner(newCredential(getToken), { timeout: 3_000 });
    await expect(signer.sign(message)).resolves.toHaveLength(64);
    expect(getToken).toHaveBeenCalledTimes(2);
  });

  it("that can't be renewed is no unhandled rejection, as it is with the SDK's cache", async () => {
    const unhandled = vi.fn();
    process.on("unhandledRejection", unhandled);
    kv.tokens.lifetime = 3;
    const getToken = vi.fn(kv.credential.getToken).mockRejectedValue(new Error("Entra doesn't respond."));
    await using signer = newSigner(newCredential(getToken.mockImplementationOnce(kv.credential.getToken)));
    await signer.sign(message);
    await signer.sign(message);
    // The SDK tries to renew it every three seconds until it ends, whether or not anything is signed.
    await new Promise((resolve) => setTimeout(resolve, 7_000));
    expect(await errorOf(signer.sign(message))).toMatchObject({ code: "unexpected" });
    expect(unhandled).not.toHaveBeenCalled();
    process.off("unhandledRejection", unhandled);
    kv.tokens.lifetime = 3_600;
  });
});

describe("the default credential", () => {
  it("is DefaultAzureCredential, which finds the managed identity of App Service", async () => {
    for (const [name, value] of Object.entries(kv.environment)) vi.stubEnv(name, value);
    await using signer = new AzureKeyVaultSigner(key.kid);
    await expect(signer.sign(message)).resolves.toHaveLength(64);
    await using other = new AzureKeyVaultSigner(kv.vault.add().kid);
    await other.sign(message);
    expect(kv.tokens.issued).toBe(1);
  });
});

describe("credentials that fail", () => {
  beforeEach(() => {
    for (const name of ["AZURE_TENANT_ID", "AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET"]) vi.stubEnv(name, undefined);
  });

  it("are reported with the SDK's own sentence, and what to do", async () => {
    const error = await errorWith(new EnvironmentCredential());
    expect(error).toMatchObject({ code: "access-denied", retryable: false });
    expect(error.message).toMatch(
      /CredentialUnavailableError from GetKey: EnvironmentCredential is unavailable\. Sign in with `az login`/,
    );
  });

  it("are each reported if they are a chain", async () => {
    const error = await errorWith(new ChainedTokenCredential(new EnvironmentCredential(), new EnvironmentCredential()));
    expect(error).toMatchObject({ code: "access-denied" });
    expect(error.message.match(/EnvironmentCredential is unavailable/g)).toHaveLength(2);
  });

  it("are a matter of sign-in if they are a chain whose parts can't be reached", async () => {
    const unreachable = newCredential(async () => {
      const error = new Error("ManagedIdentityCredential: Network unreachable. network_error: ECONNREFUSED");
      throw Object.assign(error, { name: "CredentialUnavailableError" });
    });
    const error = await errorWith(new ChainedTokenCredential(new EnvironmentCredential(), unreachable));
    expect(error).toMatchObject({ code: "access-denied", message: expect.stringContaining("Sign in with `az login`") });
    expect(error.message).toContain("ManagedIdentityCredential: Network unreachable.");
  });

  it("that return nothing are reported", async () => {
    expect(await errorWith(newCredential(async () => null))).toMatchObject({
      code: "unexpected",
      message: expect.stringContaining("The credential didn't return a token."),
    });
  });

  it("of another tenant are reported with the option that allows it", async () => {
    const own = `The current credential is not configured to acquire tokens for tenant ${kv.tokens.tenantId}. To enable…`;
    const error = await errorWith(newCredential(async () => Promise.reject(new Error(own))));
    expect(error).toMatchObject({
      code: "misconfigured",
      message: expect.stringContaining("additionallyAllowedTenants"),
    });
  });
});

describe("Entra", () => {
  const secret = "Zx8~s3cret.of.the.client";
  let entra: LoopbackServer;
  let ca: string;
  let respond: (response: import("node:http").ServerResponse) => unknown;
  beforeAll(async () => {
    const own = newCertificate("entra");
    ca = own.cert;
    entra = await loopbackServer(own);
    entra.http.on("request", (request, response) => {
      if (!request.url?.includes("/.well-known/openid-configuration")) {
        respond(response);
        return;
      }
      const tenant = `${entra.origin}/${kv.tokens.tenantId}`;
      response.writeHead(200, { "content-type": "application/json" }).end(
        JSON.stringify({
          issuer: `${tenant}/v2.0`,
          authorization_endpoint: `${tenant}/oauth2/v2.0/authorize`,
          token_endpoint: `${tenant}/oauth2/v2.0/token`,
          jwks_uri: `${tenant}/discovery/v2.0/keys`,
        }),
      );
    });
  });
  afterAll(() => entra.close());
  const newClient = () => {
    // The types of this class don't declare `tlsOptions`, which its HTTP client has.
    const options = { authorityHost: entra.origin, disableInstanceDiscovery: true, tlsOptions: { ca } };
    return new ClientSecretCredential(kv.tokens.tenantId, "agent", secret, {
      ...options,
      retryOptions: { maxRetries: 0 },
    });
  };
  const json = (status: number, body: object) => (response: import("node:http").ServerResponse) =>
    response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));

  it("issues the token with which the vault is used", async () => {
    respond = (response) =>
      json(200, {
        token_type: "Bearer",
        expires_in: 3599,
        access_token: kv.tokens.issue("https://vault.localhost").token,
      })(response);
    await using signer = newSigner(newClient());
    await expect(signer.sign(message)).resolves.toHaveLength(64);
  });

  it("is quoted if it rejects the secret, without the secret that its response repeats", async () => {
    vi.stubEnv("AZURE_CLIENT_SECRET", secret);
    const description = `AADSTS7000215: Invalid client secret ${secret} (client_secret=abc123) provided. Trace ID: 1`;
    respond = json(401, { error: "invalid_client", error_description: description, error_codes: [7000215] });
    const error = await errorWith(newClient());
    expect(error).toMatchObject({ code: "access-denied", retryable: false });
    expect(error.message).toMatch(
      /AADSTS7000215: Invalid client secret … \(…\) provided\. Check the credential's tenant/,
    );
    const shown = inspect([error, error.cause], { depth: 9, showHidden: true }) + JSON.stringify(error);
    expect(shown).not.toMatch(/s3cret|abc123/);
  });

  it.each([
    [429, { error: "temporarily_unavailable", error_description: "AADSTS90033: A transient error has occurred." }],
    [503, { error: "temporarily_unavailable", error_description: "AADSTS90033: A transient error has occurred." }],
    [500, { error: "server_error", error_description: "AADSTS50000: There was an error issuing a token." }],
  ])("that responds with HTTP %i is unavailable", async (status, body) => {
    // MSAL remembers such a response for a minute, so that a request that is repeated doesn't reach the server.
    respond = json(status, body);
    expect(await errorWith(newClient())).toMatchObject({
      code: "unavailable",
      message: expect.stringMatching(/from GetKey: \w.*Entra could not issue a token/),
    });
  });

  it("is retried if it can't be reached, and reported as unavailable", async () => {
    respond = (response) => response.destroy();
    const error = await errorWith(newClient());
    expect(error.retryable).toBe(true);
  });
});
