/** Errors about credentials and the client's configuration: each has the SDK's own sentence, and no secret. */
import { createPublicKey } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { inspect } from "node:util";
import type { SignerError } from "hardproof";
import { KmsSigner, type KmsSignerOptions } from "hardproof/aws-kms";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { type AwsKmsEmulator, awsKmsEmulator } from "../../../testing/emulators/aws-kms.js";
import { stubServer } from "../../servers/stub-server.js";

const KEY = "arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab";
const CONFIG = `
[profile sso]
sso_session = agents
sso_account_id = 111122223333
sso_role_name = Signer
[sso-session agents]
sso_start_url = https://agents.awsapps.com/start
sso_region = eu-central-1
sso_registration_scopes = sso:account:access
[profile process]
credential_process = sh -c 'echo "--password hunter2" >&2; exit 3' --password hunter2
[profile garbage]
credential_process = echo '{"SecretAccessKey":"hunter2"'
[profile expired]
credential_process = echo '{"Version":1,"AccessKeyId":"AKIA","SecretAccessKey":"hunter2","SessionToken":"hunter2","Expiration":"2020-01-01T00:00:00Z"}'
[profile web]
role_arn = arn:aws:iam::111122223333:role/Signer
web_identity_token_file = /nonexistent/token
[profile loop]
role_arn = arn:aws:iam::111122223333:role/Signer
source_profile = missing
`;

let kms: AwsKmsEmulator;
let home: string;
beforeAll(async () => {
  kms = await awsKmsEmulator();
  home = await mkdtemp(join(tmpdir(), "hardproof-aws-"));
  await writeFile(join(home, "config"), CONFIG);
  await writeFile(join(home, "credentials"), "");
});
beforeEach(() => {
  for (const name of Object.keys(process.env)) if (name.startsWith("AWS_")) vi.stubEnv(name, undefined);
  vi.stubEnv("AWS_CONFIG_FILE", join(home, "config"));
  vi.stubEnv("AWS_SHARED_CREDENTIALS_FILE", join(home, "credentials"));
  vi.stubEnv("AWS_EC2_METADATA_DISABLED", "true");
});
afterEach(() => vi.unstubAllEnvs());
afterAll(async () => {
  await kms.close();
  await rm(home, { recursive: true });
});

const errorOf = async (options: KmsSignerOptions): Promise<SignerError> => {
  await using signer = new KmsSigner(KEY, options);
  return signer.publicJwk().then(
    () => expect.unreachable(),
    (error) => error,
  );
};
/** The first signature without credentials in the configuration. */
const searchError = (environment: Record<string, string> = {}, profile?: string) => {
  for (const [name, value] of Object.entries(environment)) vi.stubEnv(name, value);
  return errorOf({ clientConfig: { endpoint: kms.endpoint, maxAttempts: 1, ...(profile && { profile }) } });
};

describe("a search for credentials that fails", () => {
  it.each([
    ["a profile that doesn't exist", { AWS_PROFILE: "missing" }, "Profile missing could not be found"],
    ["a profile without an SSO login", { AWS_PROFILE: "sso" }, "run 'aws sso login'"],
    ["a failing credential process", { AWS_PROFILE: "process" }, "The credential_process failed."],
    [
      "a credential process that prints garbage",
      { AWS_PROFILE: "garbage" },
      "credential_process returned invalid JSON",
    ],
    ["a credential process with expired credentials", { AWS_PROFILE: "expired" }, "returned expired credentials"],
    ["a role's source profile that doesn't exist", { AWS_PROFILE: "loop" }, "missing"],
    [
      "a profile's missing token file",
      { AWS_PROFILE: "web" },
      "ENOENT: no such file or directory, open '/nonexistent/token'",
    ],
    [
      "the environment's missing token file",
      { AWS_WEB_IDENTITY_TOKEN_FILE: "/nonexistent/other", AWS_ROLE_ARN: "arn:aws:iam::111122223333:role/Signer" },
      "open '/nonexistent/other'",
    ],
    ["no source at all", {}, "Could not load credentials from any providers. Check that"],
    [
      "a credential server that isn't local",
      { AWS_CONTAINER_CREDENTIALS_FULL_URI: "http://198.51.100.7/credentials" },
      "URL not accepted.",
    ],
  ])("is access-denied with the SDK's sentence about %s", async (_, environment, sentence) => {
    const error = await searchError(environment);
    expect(error).toMatchObject({ code: "access-denied", retryable: false });
    expect(error.message).toContain(sentence);
    expect(inspect(error, { depth: null, showHidden: true })).not.toMatch(/hunter2|--password/);
  });

  it.each(["timeout", "ECONNREFUSED"])("isn't retryable because the profile is called %s", async (profile) => {
    expect(await searchError({ AWS_PROFILE: profile })).toMatchObject({ code: "access-denied", retryable: false });
  });

  it("is unavailable if the container's credential server responds with an error, which the SDK doesn't report", async () => {
    const server = await stubServer();
    const error = await searchError({ AWS_CONTAINER_CREDENTIALS_FULL_URI: `${server.origin}/` });
    expect(error).toMatchObject({ code: "unavailable", message: expect.stringContaining("credential server of the") });
    await server.close();
  });

  it("names the profile of clientConfig", async () => {
    expect((await searchError({}, "other")).message).toContain("Profile other could not be found");
  });

  it.each([
    [
      "the container's credential server",
      { AWS_CONTAINER_CREDENTIALS_FULL_URI: "http://127.0.0.1:9/" },
      "ECONNREFUSED",
    ],
    [
      "the instance metadata service",
      { AWS_EC2_METADATA_DISABLED: "false", AWS_EC2_METADATA_SERVICE_ENDPOINT: "http://127.0.0.1:9" },
      "instance metadata service",
    ],
  ])("is unavailable and retryable if %s can't be reached", async (_, environment, sentence) => {
    const error = await searchError(environment);
    expect(error).toMatchObject({ code: "unavailable", retryable: true });
    expect(error.message).toContain(sentence);
  });

  it("says only what the last search found", async () => {
    vi.stubEnv("AWS_PROFILE", "missing");
    await using signer = new KmsSigner(KEY, { clientConfig: { endpoint: kms.endpoint } });
    const messages = await Promise.all([1, 2].map(() => signer.publicJwk().catch(({ message }) => message)));
    expect(messages[1]).toBe(messages[0]);
    expect(String(messages[0]).match(/Profile missing/g)).toHaveLength(1);
  });

  it("has the same error for each of 20 concurrent requests that share it", async () => {
    vi.stubEnv("AWS_EC2_METADATA_DISABLED", "false");
    vi.stubEnv("AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://127.0.0.1:9");
    const publicKey = createPublicKey({
      key: kms.keys.add().material?.spki ?? Buffer.of(),
      format: "der",
      type: "spki",
    });
    await using signer = new KmsSigner(KEY, { publicKey, clientConfig: { endpoint: kms.endpoint } });
    const signing = Array.from({ length: 20 }, () => signer.sign(Buffer.from("data")).catch((error) => error));
    for (const error of await Promise.all(signing))
      expect(error).toMatchObject({ code: "unavailable", message: expect.stringContaining("metadata service") });
  });

  it("leaves the caller's logger in place", async () => {
    const lines: unknown[] = [];
    const log = (...content: unknown[]) => void lines.push(content.join(" "));
    const logger = { trace: log, debug: log, info: log, warn: log, error: log };
    expect(await errorOf({ clientConfig: { endpoint: kms.endpoint, logger } })).toMatchObject({
      code: "access-denied",
    });
    expect(lines.join("\n")).toContain("Could not load credentials");
  });
});

it("passes the SDK's warnings about credentials on as warnings of the process", async () => {
  const warned = vi.spyOn(process, "emitWarning").mockReturnValue();
  await searchError({
    AWS_CONTAINER_CREDENTIALS_FULL_URI: "http://127.0.0.1:9/",
    AWS_CONTAINER_AUTHORIZATION_TOKEN: "hunter2",
    AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE: "/nonexistent",
  });
  expect(warned.mock.calls.join("\n")).toContain("you have set both awsContainerAuthorizationToken");
  expect(warned.mock.calls.join("\n")).not.toContain("hunter2");
  warned.mockRestore();
});

describe("a configuration that the SDK rejects", () => {
  it.each<[string, KmsSignerOptions["clientConfig"], string]>([
    ["FIPS with an endpoint", { useFipsEndpoint: true }, "FIPS and custom endpoint are not supported"],
    ["dual stack with an endpoint", { useDualstackEndpoint: true }, "Dualstack and custom endpoint are not supported"],
    ["an endpoint that isn't a URL", { endpoint: async () => "nonsense" as never }, "Invalid URL"],
  ])("is misconfigured with the SDK's sentence: %s", async (_, config, sentence) => {
    const error = await errorOf({ clientConfig: { endpoint: kms.endpoint, credentials: kms.credentials, ...config } });
    expect(error).toMatchObject({ code: "misconfigured", retryable: false });
    expect(error.message).toContain(sentence);
  });

  it("is misconfigured if the region is missing", async () => {
    await using signer = new KmsSigner("alias/a", { clientConfig: { credentials: kms.credentials } });
    const error = await signer.publicJwk().catch((thrown) => thrown);
    expect(error).toMatchObject({ code: "misconfigured", message: expect.stringContaining("Region is missing. Use") });
  });
});

describe("the error of a role that can't be assumed", () => {
  const roleError = async (status: number, code: string, message: string) => {
    const sts = await stubServer();
    const body = `<ErrorResponse><Error><Code>${code}</Code><Message>${message}</Message></Error></ErrorResponse>`;
    sts.respondWith((response) => response.writeHead(status, { "content-type": "text/xml" }).end(body));
    await writeFile(join(home, "token"), "eyJhbGciOiJSUzI1NiJ9.hunter2.signature");
    const error = await searchError({
      AWS_WEB_IDENTITY_TOKEN_FILE: join(home, "token"),
      AWS_ROLE_ARN: "arn:aws:iam::111122223333:role/Signer",
      AWS_ENDPOINT_URL_STS: sts.origin,
      AWS_REGION: "eu-central-1",
    });
    await sts.close();
    expect(inspect(error, { depth: null, showHidden: true })).not.toContain("hunter2");
    return error;
  };

  it("names the role's missing permission, not the key's", async () => {
    const message =
      "User: arn:aws:iam::111122223333:user/a is not authorized to perform: sts:AssumeRoleWithWebIdentity";
    const error = await roleError(403, "AccessDenied", message);
    expect(error).toMatchObject({ code: "access-denied" });
    expect(error.message).toContain("lacks sts:AssumeRoleWithWebIdentity.");
  });

  it("has the service's words about an expired web identity token", async () => {
    const error = await roleError(400, "ExpiredTokenException", "Token expired: current date/time 1 is after 0");
    expect(error).toMatchObject({ code: "access-denied", retryable: false });
    expect(error.message).toContain("Token expired: current date/time 1");
  });

  it("has the service's words about an invalid web identity token, without the token", async () => {
    const message = "Couldn't verify eyJhbGciOiJSUzI1NiJ9.hunter2.signature. Please use another";
    const error = await roleError(400, "InvalidIdentityToken", message);
    expect(error).toMatchObject({ code: "access-denied", retryable: false });
    expect(error.message).toContain("Couldn't verify …");
  });
});
