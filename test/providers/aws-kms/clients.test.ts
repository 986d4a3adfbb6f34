/** What the signer does with a client of its own, and leaves alone on the caller's. */
import { KMSClient, SignCommand } from "@aws-sdk/client-kms";
import { KmsSigner, type KmsSignerOptions } from "hardproof/aws-kms";
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { type AwsKmsEmulator, awsKmsEmulator, type KmsKey } from "../../../testing/emulators/aws-kms.js";

let kms: AwsKmsEmulator;
let key: KmsKey;
beforeAll(async () => {
  kms = await awsKmsEmulator();
  key = kms.keys.add();
});
afterEach(() => {
  kms.plan.clear();
  vi.restoreAllMocks();
});
afterAll(() => kms.close());

const data = Buffer.from("data to sign");
const config = () => ({ endpoint: kms.endpoint, credentials: kms.credentials });
const callersClient = () => new KMSClient({ ...config(), region: kms.region });
const clients: [string, () => KmsSignerOptions][] = [
  ["its own client", () => ({ clientConfig: config() })],
  ["the caller's client", () => ({ client: callersClient() })],
];

describe.each(clients)("with %s", (_, clientOptions) => {
  it("cancels the HTTP request when the caller aborts, and no other one", async () => {
    await using signer = new KmsSigner(key.arn, clientOptions());
    await signer.publicJwk();
    const before = kms.cancelledRequests;
    const controller = new AbortController();
    kms.plan.next("Sign", "hang");
    const aborted = signer.sign(data, { signal: controller.signal }).catch((error) => error);
    await expect.poll(() => kms.plan.count("Sign")).toBe(1);
    Object.assign(kms.plan, { latency: 200 });
    const others = Promise.all(Array.from({ length: 8 }, () => signer.sign(data)));
    await expect.poll(() => kms.plan.count("Sign")).toBe(9);
    controller.abort();
    expect(await aborted).toMatchObject({ code: "aborted" });
    expect(await others).toHaveLength(8);
    await expect.poll(() => kms.cancelledRequests).toBe(before + 1);
  });

  it("cancels the HTTP request when the time is up", async () => {
    await using signer = new KmsSigner(key.arn, { ...clientOptions(), timeout: 800 });
    await signer.publicJwk();
    const before = kms.cancelledRequests;
    kms.plan.next("Sign", "hang");
    await expect(signer.sign(data)).rejects.toMatchObject({ code: "timeout" });
    await expect.poll(() => kms.cancelledRequests).toBe(before + 1);
  });

  it("sends nothing more after an abort while the SDK waits to retry", async () => {
    await using signer = new KmsSigner(key.arn, clientOptions());
    await signer.publicJwk();
    const controller = new AbortController();
    kms.plan.always("Sign", "throttle");
    const signing = signer.sign(data, { signal: controller.signal }).catch((error) => error);
    await expect.poll(() => kms.plan.count("Sign")).toBeGreaterThan(0);
    controller.abort();
    expect(await signing).toMatchObject({ code: "aborted" });
    const sent = kms.plan.count("Sign"); // a busy machine may have had time for a second one
    await signer.close(); // waits for the work in flight
    expect(kms.plan.count("Sign")).toBe(sent);
  });
});

it("composes the middleware of its own client once for all signatures", async () => {
  const compose = vi.spyOn(SignCommand.prototype, "resolveMiddleware");
  await using signer = new KmsSigner(key.arn, { clientConfig: config() });
  for (let count = 0; count < 5; count++) await signer.sign(data);
  expect(compose).toHaveBeenCalledTimes(1);
});

it("sends the same headers with each request if the caller's strategy for retries is an old one", async () => {
  const agents: string[] = [];
  // As the SDK had them before version 3.224. Its middleware adds the mode to the context of the request.
  const retryStrategy = {
    mode: "ours",
    retry: (next: (args: unknown) => Promise<unknown>, args: { request: { headers: Record<string, string> } }) => {
      agents.push(String(args.request.headers["user-agent"]));
      return next(args);
    },
  };
  const clientConfig = { ...config(), retryStrategy: retryStrategy as never };
  await using signer = new KmsSigner(key.arn, { clientConfig });
  await signer.publicJwk();
  agents.length = 0;
  for (let count = 0; count < 4; count++) await signer.sign(data);
  expect(agents).toHaveLength(4);
  expect(new Set(agents).size).toBe(1);
});

it("leaves the middleware and the configuration of the caller's client alone", async () => {
  const client = callersClient();
  const { config: before } = client;
  const middleware = client.middlewareStack.identify();
  await using signer = new KmsSigner(key.arn, { client });
  await signer.sign(data);
  expect(client.config).toBe(before);
  expect(client.middlewareStack.identify()).toEqual(middleware);
});
