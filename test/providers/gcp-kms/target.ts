/** The Cloud KMS service under test: the emulator, or the service that the environment names. */
import { randomUUID } from "node:crypto";
import { setTimeout } from "node:timers/promises";
import { KeyManagementServiceClient } from "@google-cloud/kms";
import { googleAuthLibrary, grpc } from "google-gax";
import { gcpKmsEmulator } from "../../../testing/emulators/gcp-kms.js";

type CreateRequest = Parameters<KeyManagementServiceClient["createCryptoKey"]>[0];

/** A service with a key, and what the tests need to use it. */
export interface GcpKmsTarget {
  /** Options for `GcpKmsSigner`. */
  readonly options: { endpoint?: string };
  /** The name of a key whose version 1 is enabled and signs ES256. */
  readonly key: string;
  readonly keyRing: string;
  /** A client of the SDK. */
  readonly client: KeyManagementServiceClient;
  /**
   * Creates a temporary key in the key ring.
   *
   * @returns Its name.
   */
  createKey(cryptoKey: NonNullable<CreateRequest>["cryptoKey"]): Promise<string>;
  /** Waits until a version isn't in state PENDING_GENERATION any more. */
  waitUntilGenerated(version: string): Promise<void>;
  /** Destroys the temporary keys, and closes the connection. */
  close(): Promise<void>;
}

const { HARDPROOF_GCP_KMS_KEY: key, HARDPROOF_GCP_KMS_ENDPOINT: endpoint } = process.env;

/** Connects to the service that HARDPROOF_GCP_KMS_KEY and HARDPROOF_GCP_KMS_ENDPOINT name, or starts the emulator. */
export async function gcpKmsTarget(): Promise<GcpKmsTarget> {
  if (key) return service(key.replace(/\/cryptoKeyVersions\/.*/, ""), endpoint, async () => undefined);
  const emulator = await gcpKmsEmulator();
  return service(emulator.store.addKey().fields.name, emulator.endpoint, () => emulator.close());
}

function service(key: string, endpoint: string | undefined, closeService: () => Promise<void>): GcpKmsTarget {
  const client = new KeyManagementServiceClient(endpoint === undefined ? {} : clientConfig(endpoint));
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
    waitUntilGenerated: async (name) => {
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

function clientConfig(endpoint: string) {
  const url = new URL(endpoint.includes("://") ? endpoint : `https://${endpoint}`);
  const address = { servicePath: url.hostname, port: Number(url.port || 443) };
  if (url.protocol === "https:") return address;
  return {
    ...address,
    sslCreds: grpc.credentials.createInsecure(),
    authClient: new googleAuthLibrary.PassThroughClient(),
  };
}
