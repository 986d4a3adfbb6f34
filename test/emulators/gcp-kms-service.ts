/** The Cloud KMS that the suite talks to: the emulator, or what the environment names. The suite can't tell which. */
import { randomUUID } from "node:crypto";
import { setTimeout } from "node:timers/promises";
import { KeyManagementServiceClient } from "@google-cloud/kms";
import { googleAuthLibrary, grpc } from "google-gax";
import { gcpKms } from "./gcp-kms.js";

type Created = Parameters<KeyManagementServiceClient["createCryptoKey"]>[0];

export interface GcpKmsService {
  /** For `GcpKmsSigner`. */
  readonly options: { endpoint?: string };
  /** A key of ES256, enabled. */
  readonly key: string;
  readonly keyRing: string;
  /** The bare SDK. */
  readonly client: KeyManagementServiceClient;
  /** Makes a throw-away key in the key ring. @returns its name */
  createKey(cryptoKey: NonNullable<Created>["cryptoKey"]): Promise<string>;
  /** Waits until a version has left PENDING_GENERATION. */
  made(version: string): Promise<void>;
  /** Destroys the throw-away keys. */
  close(): Promise<void>;
}

const { HARDPROOF_GCP_KMS_KEY: key, HARDPROOF_GCP_KMS_ENDPOINT: endpoint } = process.env;

export async function gcpKmsService(): Promise<GcpKmsService> {
  if (key) return service(key.replace(/\/cryptoKeyVersions\/.*/, ""), endpoint, async () => undefined);
  const emulator = await gcpKms();
  return service(emulator.store.addKey().fields.name, emulator.endpoint, () => emulator.close());
}

function service(key: string, endpoint: string | undefined, closeService: () => Promise<void>): GcpKmsService {
  const client = new KeyManagementServiceClient(endpoint === undefined ? {} : clientOptions(endpoint));
  const keyRing = key.replace(/\/cryptoKeys\/.*/, "");
  const created: string[] = [];
  return {
    options: endpoint === undefined ? {} : { endpoint },
    key,
    keyRing,
    client,
    createKey: async (cryptoKey) => {
      const id = `hardproof-test-${randomUUID()}`;
      await client.createCryptoKey({ parent: keyRing, cryptoKeyId: id, cryptoKey: cryptoKey ?? {} });
      created.push(`${keyRing}/cryptoKeys/${id}`);
      return `${keyRing}/cryptoKeys/${id}`;
    },
    made: async (name) => {
      while ((await client.getCryptoKeyVersion({ name }))[0].state === "PENDING_GENERATION") await setTimeout(50);
    },
    close: async () => {
      for (const name of created) await destroy(client, name);
      await client.close();
      await closeService();
    },
  };
}

async function destroy(client: KeyManagementServiceClient, key: string): Promise<void> {
  const [versions] = await client.listCryptoKeyVersions({ parent: key });
  for (const { name, state } of versions)
    if (name && (state === "ENABLED" || state === "DISABLED")) await client.destroyCryptoKeyVersion({ name });
}

function clientOptions(endpoint: string) {
  const url = new URL(endpoint.includes("://") ? endpoint : `https://${endpoint}`);
  const place = { servicePath: url.hostname, port: Number(url.port || 443) };
  if (url.protocol === "https:") return place;
  return {
    ...place,
    sslCreds: grpc.credentials.createInsecure(),
    authClient: new googleAuthLibrary.PassThroughClient(),
  };
}
