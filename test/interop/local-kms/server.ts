/** local-kms as a process that can be killed and started again with the same data. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { KMSClient } from "@aws-sdk/client-kms";
import { freePort, startServer } from "../child-server.js";

/** A running local-kms. */
export interface LocalKms extends AsyncDisposable {
  readonly endpoint: string;
  readonly region: string;
  /** A client for what only an administrator does. */
  readonly admin: KMSClient;
  /** Kills the process by SIGKILL. */
  kill(): Promise<void>;
  /** Starts the process again, at the same port. */
  start(): Promise<void>;
}

/** It accepts any. The environment is the namespace's own process. */
const CREDENTIALS = { accessKeyId: "AKIAIOSFODNN7EXAMPLE", secretAccessKey: "local-kms-accepts-any-secret" };
const REGION = "eu-west-2";

/** Starts local-kms with an empty directory. */
export async function localKmsServer(program: string): Promise<LocalKms> {
  const data = mkdtempSync(join(tmpdir(), "hardproof-local-kms-"));
  const port = await freePort();
  const endpoint = `http://127.0.0.1:${port}`;
  process.env.AWS_ACCESS_KEY_ID = CREDENTIALS.accessKeyId;
  process.env.AWS_SECRET_ACCESS_KEY = CREDENTIALS.secretAccessKey;
  const env = { PORT: `${port}`, KMS_REGION: REGION, KMS_DATA_PATH: data, KMS_SEED_PATH: join(data, "none.yaml") };
  let server: AsyncDisposable | undefined;
  const kill = async () => {
    await server?.[Symbol.asyncDispose]();
    server = undefined;
  };
  const start = async () => {
    server = await startServer({ program, args: [], env, ready: "Local KMS started", timeout: 30_000 });
  };
  await start();
  const admin = new KMSClient({ endpoint, region: REGION, credentials: CREDENTIALS });
  return {
    endpoint,
    region: REGION,
    admin,
    kill,
    start,
    [Symbol.asyncDispose]: async () => {
      admin.destroy();
      await kill();
      rmSync(data, { recursive: true });
    },
  };
}
