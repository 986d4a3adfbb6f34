/** What GcpKmsSigner reports if the official client can't get an access token, over TLS and with a real token endpoint. */
import { generateKeyPairSync } from "node:crypto";
import { rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { inspect } from "node:util";
import { googleAuthLibrary } from "google-gax";
import type { SignerError } from "hardproof";
import { type GcpKmsClientConfig, GcpKmsSigner, type GcpKmsSignerOptions } from "hardproof/gcp-kms";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { type GcpKmsEmulator, gcpKmsEmulator } from "../../../testing/emulators/gcp-kms.js";

/** gRPC reads the trusted certificates from this file when it is loaded. */
const { certificate, directory } = await vi.hoisted(async () => {
  const { mkdtempSync, writeFileSync } = await import("node:fs");
  const { tmpdir } = await import("node:os");
  const { newCertificate } = await import("../../servers/mutual-tls.js");
  const certificate = newCertificate("localhost");
  const directory = mkdtempSync(`${tmpdir()}/hardproof-gcp-`);
  writeFileSync(`${directory}/roots.pem`, certificate.cert);
  process.env.GRPC_DEFAULT_SSL_ROOTS_FILE_PATH = `${directory}/roots.pem`;
  return { certificate, directory };
});

const SECRETS = ["VERY-SECRET", "SUBJECT-TOKEN"];
const ACCOUNT = "agent@my-project.iam.gserviceaccount.com";
const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
const serviceAccount = {
  type: "service_account",
  client_email: ACCOUNT,
  private_key: privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
  private_key_id: "1",
  project_id: "my-project",
};

/** The response of the token endpoint, and of the metadata server. */
let response: { status: number; body: unknown; headers?: Record<string, string> };
const tokenServer = createServer((_, reply) => {
  const { status, body, headers } = response;
  reply.writeHead(status, { "content-type": "application/json", ...headers });
  reply.end(typeof body === "string" ? body : JSON.stringify(body));
});
let tokenHost: string;
let kms: GcpKmsEmulator;
let name: string;

beforeAll(async () => {
  kms = await gcpKmsEmulator(certificate);
  name = `${kms.store.addKey().fields.name}/cryptoKeyVersions/1`;
  await new Promise<void>((resolve) => {
    tokenServer.listen(0, "127.0.0.1", resolve);
  });
  const address = tokenServer.address();
  tokenHost = `127.0.0.1:${typeof address === "object" && address?.port}`;
});
beforeEach(() => {
  kms.plan.clear();
  kms.authorization.length = 0;
  vi.stubEnv("CLOUDSDK_CONFIG", "/no/such/directory");
  vi.stubEnv("METADATA_SERVER_DETECTION", "none");
  vi.stubEnv("GOOGLE_CLOUD_PROJECT", "my-project");
});
afterEach(() => vi.unstubAllEnvs());
afterAll(async () => {
  tokenServer.closeAllConnections();
  tokenServer.close();
  await kms.close();
  rmSync(directory, { recursive: true });
});

const credentialsFile = (content: unknown, file = "credentials.json"): string => {
  const path = join(directory, file);
  writeFileSync(path, typeof content === "string" ? content : JSON.stringify(content));
  return path;
};
const workloadIdentity = (members: object = {}) => ({
  type: "external_account",
  audience: "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/pool/providers/provider",
  subject_token_type: "urn:ietf:params:oauth:token-type:jwt",
  token_url: `http://${tokenHost}/token`,
  credential_source: { file: credentialsFile("SUBJECT-TOKEN", "subject") },
  ...members,
});

async function signingError(clientConfig: GcpKmsClientConfig = {}, options: GcpKmsSignerOptions = {}) {
  const config = { servicePath: "localhost", port: kms.port, ...clientConfig };
  await using signer = new GcpKmsSigner(name, { clientConfig: config, ...options });
  const error = await signer.sign(Buffer.from("message")).then(
    () => expect.unreachable(),
    (reason: SignerError) => reason,
  );
  const shown = inspect([signer, error], { depth: 9, showHidden: true });
  for (const secret of SECRETS) expect(shown).not.toContain(secret);
  expect(error.message).not.toMatch(/[\r\n]|<html|See the error's cause|cause says/);
  expect(kms.plan.calls).toEqual([]);
  return error;
}

/** Signs with the credentials in a file, as GOOGLE_APPLICATION_CREDENTIALS names it. */
function errorWithFile(content: unknown) {
  vi.stubEnv("GOOGLE_APPLICATION_CREDENTIALS", credentialsFile(content));
  return signingError();
}

it("signs with a service account's key", async () => {
  vi.stubEnv("GOOGLE_APPLICATION_CREDENTIALS", credentialsFile(serviceAccount));
  await using signer = new GcpKmsSigner(name, { clientConfig: { servicePath: "localhost", port: kms.port } });
  await expect(signer.sign(Buffer.from("message"))).resolves.toHaveLength(64);
  expect(kms.authorization).toEqual([expect.stringMatching(/^Bearer eyJ/), expect.stringMatching(/^Bearer eyJ/)]);
});

describe("the file of GOOGLE_APPLICATION_CREDENTIALS", () => {
  it.each([
    ["doesn't exist", "/no/such/file.json", /The file at \/no\/such\/file.json does not exist.*gcloud auth/],
    ["is a directory", tmpdir(), /The file at \/\S+ does not exist, or it is not a file/],
  ])("is named if it %s", async (_, path, words) => {
    vi.stubEnv("GOOGLE_APPLICATION_CREDENTIALS", path);
    expect(await signingError()).toMatchObject({
      code: "access-denied",
      retryable: false,
      message: expect.stringMatching(words),
      uri: expect.stringContaining(name),
    });
  });

  it.each<[string, unknown, RegExp]>([
    ["isn't JSON", "VERY-SECRET VERY-SECRET", /The content is not valid JSON/],
    ["has another character after a secret", '{"private_key": "VERY-SECRET"x}', /JSON/],
    ["has a private key with line breaks", '{"private_key": "VERY-SECRET\nVERY-SECRET"}', /JSON at position/],
    ["is empty", "", /Unexpected end of JSON input/],
    ["is null", "null", /Cannot read properties of null/],
    ["has a wrong type", { type: "authorized_usr", client_secret: "VERY-SECRET" }, /does not contain a client_email/],
    ["is an OAuth client", { web: { client_secret: "VERY-SECRET" } }, /does not contain a client_email field/],
    ["lacks the private key", { ...serviceAccount, private_key: undefined }, /does not contain a private_key field/],
    ["lacks the refresh token", { type: "authorized_user", client_id: "c", client_secret: "s" }, /refresh_token field/],
  ])("gets the SDK's own words and the accepted types if it %s", async (_, content, words) => {
    const error = await errorWithFile(content);
    expect(error).toMatchObject({ code: "misconfigured", retryable: false });
    expect(error.message).toContain("specified by the GOOGLE_APPLICATION_CREDENTIALS environment variable");
    expect(error.message).toMatch(words);
    expect(error.message).toContain("service_account, authorized_user");
  });

  it("gets a message about the private key if that can't be parsed", async () => {
    const private_key = "-----BEGIN PRIVATE KEY-----\nVERY-SECRET\n-----END PRIVATE KEY-----\n";
    expect(await errorWithFile({ ...serviceAccount, private_key })).toMatchObject({
      code: "access-denied",
      retryable: false,
      message: expect.stringMatching(/private key of the credentials can't be parsed.*DECODER routines/),
    });
  });

  it("names both universe domains and the option if the credentials have another one", async () => {
    expect(await errorWithFile({ ...serviceAccount, universe_domain: "apis-tpczero.goog" })).toMatchObject({
      code: "misconfigured",
      retryable: false,
      message: expect.stringMatching(
        /\(googleapis\.com\).*\(apis-tpczero\.goog\).*Set universeDomain .*universe-domain/,
      ),
    });
  });
});

describe("universe domains", () => {
  const universe = { ...serviceAccount, universe_domain: "apis-tpczero.goog" };
  const signWith = async (options: GcpKmsSignerOptions) => {
    await using signer = new GcpKmsSigner(name, {
      clientConfig: { servicePath: "localhost", port: kms.port },
      ...options,
    });
    return signer.sign(Buffer.from("message"));
  };

  it("signs in that of the credentials", async () => {
    vi.stubEnv("GOOGLE_APPLICATION_CREDENTIALS", credentialsFile(universe));
    await expect(signWith({ universeDomain: "apis-tpczero.goog" })).resolves.toHaveLength(64);
  });

  it("signs in that of the environment", async () => {
    vi.stubEnv("GOOGLE_APPLICATION_CREDENTIALS", credentialsFile(universe));
    vi.stubEnv("GOOGLE_CLOUD_UNIVERSE_DOMAIN", "apis-tpczero.goog");
    await expect(signWith({})).resolves.toHaveLength(64);
  });

  it("doesn't send the token of other credentials to it", async () => {
    vi.stubEnv("GOOGLE_APPLICATION_CREDENTIALS", credentialsFile(serviceAccount));
    const error = await signingError({}, { universeDomain: "attacker.example" });
    expect(error).toMatchObject({ code: "misconfigured", message: expect.stringContaining("attacker.example") });
    expect(kms.authorization).toEqual([]);
  });

  it("compares it with that of the machine", async () => {
    response = { status: 200, body: "apis-tpczero.goog", headers: { "metadata-flavor": "Google" } };
    vi.stubEnv("METADATA_SERVER_DETECTION", "assume-present");
    vi.stubEnv("GCE_METADATA_HOST", tokenHost);
    const error = await signingError({}, { universeDomain: "attacker.example" });
    expect(error).toMatchObject({ code: "misconfigured", message: expect.stringContaining("(apis-tpczero.goog)") });
  });

  it("works with an emulator", async () => {
    const plain = await gcpKmsEmulator();
    const key = `${plain.store.addKey().fields.name}/cryptoKeyVersions/1`;
    await using signer = new GcpKmsSigner(key, { endpoint: plain.endpoint, universeDomain: "apis-tpczero.goog" });
    await expect(signer.sign(Buffer.from("message"))).resolves.toHaveLength(64);
    await plain.close();
  });
});

describe("workload identity federation", () => {
  it("names the file of the token if it doesn't exist", async () => {
    const error = await errorWithFile(workloadIdentity({ credential_source: { file: "/no/such/token" } }));
    expect(error).toMatchObject({ code: "access-denied", retryable: false });
    expect(error.message).toContain("The file at /no/such/token does not exist");
  });

  it("doesn't repeat a token that isn't the JSON that was configured", async () => {
    const format = { type: "json", subject_token_field_name: "token" };
    const { credential_source } = workloadIdentity();
    const error = await errorWithFile(workloadIdentity({ credential_source: { ...credential_source, format } }));
    expect(error).toMatchObject({ code: "misconfigured", retryable: false });
    expect(error.message).toContain("The content is not valid JSON");
  });

  it("names the address of a token endpoint that can't be reached, and is retryable", async () => {
    const error = await errorWithFile(workloadIdentity({ token_url: "http://127.0.0.1:1/token" }));
    expect(error).toMatchObject({ code: "unavailable", retryable: true });
    expect(error.message).toContain("http://127.0.0.1:1/token failed, reason: connect ECONNREFUSED");
  });

  it("names the address of an impersonated account's endpoint that can't be reached", async () => {
    response = { status: 200, body: { access_token: "VERY-SECRET", token_type: "Bearer", expires_in: 3600 } };
    const url = `http://127.0.0.1:1/v1/projects/-/serviceAccounts/${ACCOUNT}:generateAccessToken`;
    const error = await errorWithFile(workloadIdentity({ service_account_impersonation_url: url }));
    expect(error).toMatchObject({ code: "unavailable", message: expect.stringContaining(ACCOUNT) });
  });

  const page = "<!DOCTYPE html><html><title>Login</title><body>VERY-SECRET</body></html>";
  it.each<[string, typeof response, string, string]>([
    [
      "a rejection",
      { status: 400, body: { error: "invalid_grant", error_description: "The credential is rejected." } },
      "access-denied",
      "invalid_grant: The credential is rejected",
    ],
    [
      "a wrong clock",
      {
        status: 400,
        body: {
          error: "invalid_grant",
          error_description:
            "Invalid JWT: Token must be a short-lived token (60 minutes). Check your iat and exp values.",
        },
      },
      "access-denied",
      "Check the clock of this machine (NTP)",
    ],
    ["an object as the error", { status: 403, body: { error: { message: "no" } } }, "access-denied", "HTTP 403"],
    ["a page with status 503", { status: 503, body: page }, "unavailable", "HTTP 503"],
    ["a rate limit", { status: 429, body: { error: { message: "slow" } } }, "throttled", "HTTP 429"],
    ["a redirect", { status: 302, body: page }, "misconfigured", "HTTP 302"],
    ["a login page", { status: 200, body: page }, "misconfigured", "(an HTML page)"],
  ])("reports %s of the token endpoint", async (_, answer, code, words) => {
    response = answer;
    const error = await errorWithFile(workloadIdentity());
    expect(error).toMatchObject({ code, retryable: code === "unavailable" || code === "throttled" });
    expect(error.message).toContain(words);
  });
});

describe("a user's credentials", () => {
  const authClient = (oauth2TokenUrl = `http://${tokenHost}/token`) =>
    new googleAuthLibrary.UserRefreshClient({
      clientId: "client",
      clientSecret: "VERY-SECRET",
      refreshToken: "1//VERY-SECRET",
      endpoints: { oauth2TokenUrl },
    });

  it.each<[string, object, RegExp]>([
    ["a revoked login", { error: "invalid_grant", error_description: "Token has been revoked." }, /invalid_grant/],
    ["a login that is too old", { error: "invalid_grant", error_subtype: "invalid_rapt" }, /invalid_grant.*gcloud/],
    ["a deleted client", { error: "invalid_client" }, /invalid_client/],
  ])("reports %s as access-denied, with the server's words", async (_, body, words) => {
    response = { status: 400, body };
    const error = await signingError({ authClient: authClient() });
    expect(error).toMatchObject({ code: "access-denied", retryable: false });
    expect(error.message).toMatch(words);
  });

  it("reports an outage of the token endpoint as unavailable", async () => {
    response = { status: 500, body: "oops" };
    expect(await signingError({ authClient: authClient() })).toMatchObject({ code: "unavailable", retryable: true });
  });
});

describe("without a credentials file", () => {
  it("reports that none were found, with every way to provide them", async () => {
    const error = await signingError();
    expect(error).toMatchObject({ code: "access-denied", retryable: false });
    expect(error.message).toMatch(
      /Could not load the default credentials.*gcloud auth application-default login.*GOOGLE_APPLICATION_CREDENTIALS/,
    );
  });

  it.each<[string, typeof response, string]>([
    ["no service account", { status: 404, body: "Not found" }, "access-denied"],
    ["a missing scope", { status: 403, body: "forbidden" }, "access-denied"],
    ["an outage", { status: 500, body: "oops" }, "unavailable"],
  ])("reports %s of the metadata server in its own words", async (_, answer, code) => {
    response = answer;
    vi.stubEnv("METADATA_SERVER_DETECTION", "assume-present");
    vi.stubEnv("GCE_METADATA_HOST", tokenHost);
    const error = await signingError();
    expect(error.code).toBe(code);
    expect(error.message).toContain("Could not refresh access token: ");
  });
});

it("names this machine's clock if the service rejects the token, and the response's date differs", async () => {
  vi.stubEnv("GOOGLE_APPLICATION_CREDENTIALS", credentialsFile(serviceAccount));
  kms.plan.always("GetPublicKey", "unauthenticated");
  await using signer = new GcpKmsSigner(name.replace(/1$/, "2"), {
    clientConfig: { servicePath: "localhost", port: kms.port },
  });
  const signing = () =>
    signer.publicJwk().then(
      () => expect.unreachable(),
      ({ code, message }: SignerError) => `${code} ${message}`,
    );
  expect(await signing()).toMatch(/^access-denied .*UNAUTHENTICATED.*invalid authentication credentials/);
  expect(await signing()).not.toContain("s ahead of");
  kms.date = new Date(Date.now() - 3_600_000).toUTCString();
  expect(await signing()).toMatch(/This machine's clock is 3[56]\d\d s ahead of the server\. Synchronise/);
  kms.date = undefined;
});
