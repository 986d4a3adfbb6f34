/** What a fleet of processes costs in signatures of a KMS, counted by the emulator, with oidc-provider as the server. */
import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { KmsSigner } from "hardproof/aws-kms";
import { afterAll, beforeAll, expect, it, vi } from "vitest";
import { type AwsKmsEmulator, awsKmsEmulator } from "../../../testing/emulators/aws-kms.js";
import { type AuthorizationServer, authorizationServer, confidential } from "../../servers/authorization-server.js";

// Each test starts several programs, which compile their TypeScript: that is slow on a busy machine.
vi.setConfig({ testTimeout: 120_000 });

const METHODS = ["attest_jwt_client_auth", "attest_jwt_client_auth_dpop"] as const;
const ISSUER = "https://attester.example.com";
const PROCESSES = 4;
const PROOFS = 10_000;

let kms: AwsKmsEmulator;
let arn: string;
let as: AuthorizationServer;
beforeAll(async () => {
  kms = await awsKmsEmulator();
  arn = kms.keys.add().arn;
  const { endpoint, credentials, region } = kms;
  await using signer = new KmsSigner(arn, { clientConfig: { endpoint, credentials, region } });
  as = await authorizationServer({
    attester: { issuer: ISSUER, jwk: await signer.publicJwk() },
    clients: METHODS.map((method) => ({
      ...confidential,
      client_id: method,
      token_endpoint_auth_method: method as "none",
    })),
  });
});
afterAll(async () => {
  await Promise.all([as.close(), kms.close()]);
});

const program = fileURLToPath(new URL("../../processes/attested-process.ts", import.meta.url));

it.each(METHODS)(
  "4 processes and 10,000 proofs cost 4 signatures of the KMS for each lifetime, with %s",
  async (method) => {
    kms.plan.clear();
    const share = PROOFS / PROCESSES;
    const args = ["--import", "tsx", program, as.issuer, method, arn, ISSUER, String(share)];
    const options = { env: { ...process.env, ...kms.environment, AWS_REGION: kms.region } };
    const runs = Array.from({ length: PROCESSES }, () => promisify(execFile)(process.execPath, args, options));
    const outputs = (await Promise.all(runs)).map(({ stdout }) => stdout.trim());
    expect(outputs).toEqual(Array(PROCESSES).fill(`proofs ${share} 5 5`));
    expect(kms.plan.count("Sign")).toBe(PROCESSES);
  },
);
