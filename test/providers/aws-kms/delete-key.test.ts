/** `deleteKey` of a key in AWS KMS: a lost response, and a date that the service doesn't report. */
import { KMSClient } from "@aws-sdk/client-kms";
import { deleteKey } from "hardproof";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type AwsKmsEmulator, awsKmsEmulator } from "../../../testing/emulators/aws-kms.js";

let kms: AwsKmsEmulator;
beforeAll(async () => {
  kms = await awsKmsEmulator();
});
afterAll(() => kms.close());

/** A client that changes the responses to `ScheduleKeyDeletion`, or loses them. */
function clientWith(change: (output: unknown, count: number) => void): KMSClient {
  const { endpoint, credentials, region } = kms;
  const client = new KMSClient({ endpoint, credentials, region });
  let count = 0;
  client.middlewareStack.add(
    (next, { commandName }) =>
      async (args) => {
        const result = await next(args);
        if (commandName !== "ScheduleKeyDeletionCommand") return result;
        count += 1;
        change(result.output, count);
        return result;
      },
    { step: "deserialize", priority: "high" },
  );
  return client;
}

/** The SDK repeats a request that fails like this. */
function lose(): never {
  throw Object.assign(new Error("socket hang up"), { code: "ECONNRESET" });
}

describe("a response to ScheduleKeyDeletion that is lost", () => {
  it.each([
    ["once", 1],
    ["each time", Number.POSITIVE_INFINITY],
  ])("%s isn't an error, because the key is scheduled for deletion", async (_, losses) => {
    const key = kms.keys.add();
    const client = clientWith((_, count) => {
      if (count <= losses) lose();
    });
    const result = await deleteKey(`awskms:///${key.arn}`, { client, pendingWindowInDays: 9 });
    expect(kms.plan.inputs("ScheduleKeyDeletion").filter(({ KeyId }) => KeyId === key.arn).length).toBeGreaterThan(1);
    expect(Number(result.destroyedAt) / 1000).toBeCloseTo(Number(key.deletionDate) / 1000, 0);
    await expect(deleteKey(`awskms:///${key.arn}`, { client })).rejects.toMatchObject({
      code: "misconfigured",
      message: expect.stringContaining("is scheduled for deletion already, on"),
    });
  });

  it("is an error if the key isn't scheduled for deletion", async () => {
    const key = kms.keys.add();
    kms.plan.next("ScheduleKeyDeletion", "denied");
    const { endpoint, credentials } = kms;
    const options = { clientConfig: { endpoint, credentials } };
    await expect(deleteKey(`awskms:///${key.arn}`, options)).rejects.toMatchObject({ code: "access-denied" });
    expect(key.state).toBe("Enabled");
  });
});

it("the date of a multi-Region key with replicas is unknown, and a note says when its period begins", async () => {
  const key = kms.keys.add();
  const client = clientWith((output) => {
    Object.assign(Object(output), { DeletionDate: undefined, KeyState: "PendingReplicaDeletion" });
  });
  expect(await deleteKey(`awskms:///${key.arn}`, { client, pendingWindowInDays: 8 })).toEqual({
    uri: expect.stringContaining(key.arn),
    destroyedAt: "unknown",
    note: expect.stringMatching(/^It is PendingReplicaDeletion: the 8 days begin when its replicas/),
  });
});
