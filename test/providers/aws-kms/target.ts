/** The key for the AWS KMS tests: in the emulator, or in the service that the environment names (docs/aws-kms.md). */
import type { KMSClientConfig } from "@aws-sdk/client-kms";
import { type Algorithm, findAlgorithm } from "hardproof/provider";
import { awsKmsEmulator } from "../../../testing/emulators/aws-kms.js";

/** A key in AWS KMS, and how to reach it. */
export interface KmsTarget {
  readonly region: string;
  readonly keyArn: string;
  /** Every name of the key: ARN, key id, and its alias and alias ARN, if any. */
  readonly names: readonly string[];
  readonly clientConfig: KMSClientConfig;
  /** The JWS algorithm, which an RSA key needs. */
  readonly algorithm?: Algorithm["alg"] | undefined;
  /** Whether tests may create keys. In the real service a key costs money, and can't be deleted at once. */
  readonly canCreate: boolean;
  close(): Promise<void>;
}

/** Returns the key that HARDPROOF_TEST_AWS_KEY names, or else starts the emulator with a key. */
export async function kmsTarget(): Promise<KmsTarget> {
  const { HARDPROOF_TEST_AWS_KEY: keyArn } = process.env;
  return keyArn ? fromEnvironment(keyArn) : fromEmulator();
}

/** The region is the ARN's. The SDK finds the credentials. */
function fromEnvironment(keyArn: string): KmsTarget {
  const [, region, id] = /^arn:[^:]+:kms:([^:]+):\d+:key\/(.+)$/.exec(keyArn) ?? [];
  if (!region || !id) throw new Error(`HARDPROOF_TEST_AWS_KEY must be a key ARN, but it is ${keyArn}.`);
  const { HARDPROOF_TEST_AWS_ALIAS: alias, HARDPROOF_TEST_AWS_ENDPOINT: endpoint } = process.env;
  const algorithm = findAlgorithm(process.env.HARDPROOF_TEST_AWS_ALGORITHM)?.alg;
  const aliases = alias ? [alias, keyArn.replace(`key/${id}`, alias)] : [];
  return {
    region,
    keyArn,
    names: [keyArn, id, ...aliases],
    clientConfig: endpoint ? { endpoint } : {},
    algorithm,
    canCreate: process.env.HARDPROOF_TEST_AWS_CREATE === "1",
    close: async () => undefined,
  };
}

async function fromEmulator(): Promise<KmsTarget> {
  const kms = await awsKmsEmulator();
  const key = kms.keys.add();
  const alias = "alias/Agents/DPoP";
  return {
    region: kms.region,
    keyArn: key.arn,
    names: [key.arn, key.id, alias, kms.keys.alias(alias, key)],
    clientConfig: { endpoint: kms.endpoint, credentials: kms.credentials },
    canCreate: true,
    close: kms.close,
  };
}
