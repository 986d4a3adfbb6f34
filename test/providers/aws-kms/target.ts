/** Where the AWS KMS tests find a key: in the emulator, or wherever the environment says (docs/aws-kms.md). */
import type { KMSClientConfig } from "@aws-sdk/client-kms";
import { awsKms } from "../../emulators/aws-kms.js";

export interface KmsTarget {
  readonly region: string;
  readonly keyArn: string;
  /** All names of the key. */
  readonly names: readonly string[];
  readonly clientConfig: KMSClientConfig;
  /** Whether keys may be made: in the real service they cost money, and can't be deleted at once. */
  readonly mayCreate: boolean;
  close(): Promise<void>;
}

export async function kmsTarget(): Promise<KmsTarget> {
  const { HARDPROOF_TEST_AWS_KEY: keyArn } = process.env;
  return keyArn ? toldByEnvironment(keyArn) : emulated();
}

/** Region and credentials: the ARN's, and what the SDK finds. */
function toldByEnvironment(keyArn: string): KmsTarget {
  const [, region, id] = /^arn:[^:]+:kms:([^:]+):\d+:key\/(.+)$/.exec(keyArn) ?? [];
  if (!region || !id) throw new Error(`HARDPROOF_TEST_AWS_KEY must be a key ARN, not ${keyArn}`);
  const { HARDPROOF_TEST_AWS_ALIAS: alias, HARDPROOF_TEST_AWS_ENDPOINT: endpoint } = process.env;
  const aliases = alias ? [alias, keyArn.replace(`key/${id}`, alias)] : [];
  return {
    region,
    keyArn,
    names: [keyArn, id, ...aliases],
    clientConfig: endpoint ? { endpoint } : {},
    mayCreate: process.env.HARDPROOF_TEST_AWS_CREATE === "1",
    close: async () => undefined,
  };
}

async function emulated(): Promise<KmsTarget> {
  const kms = await awsKms();
  const key = kms.keys.add();
  const alias = "alias/Agents/DPoP";
  return {
    region: kms.region,
    keyArn: key.arn,
    names: [key.arn, key.id, alias, kms.keys.alias(alias, key)],
    clientConfig: { endpoint: kms.endpoint, credentials: kms.credentials },
    mayCreate: true,
    close: kms.close,
  };
}
