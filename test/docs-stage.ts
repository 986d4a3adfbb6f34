/** What the snippets of the pages run against: real servers and keys, in place of the names that the pages use. */
import { softHsm } from "../softhsm/index.js";
import { awsKms } from "./emulators/aws-kms.js";
import { gcpKms } from "./emulators/gcp-kms.js";
import { authorizationServer } from "./peers/authorization-server.js";
import { resourceServer } from "./peers/resource-server.js";

export interface Stage {
  /** The snippet with names of what is here. */
  localized(code: string): string;
  close(): Promise<void>;
}

export async function stage(): Promise<Stage> {
  const [hsm, as, aws, gcp] = await Promise.all([
    softHsm({ label: "agents" }),
    authorizationServer(),
    awsKms(),
    gcpKms(),
  ]);
  const rs = await resourceServer({ issuer: as.issuer, audience: as.audience, requireNonce: false });
  const arn = aws.keys.add().arn;
  gcp.store.addKey({ id: "dpop" });
  Object.assign(process.env, aws.environment, { HSM_PIN: hsm.pin });
  return {
    localized: (code) =>
      code
        .replaceAll("https://auth.example.com", as.issuer)
        .replaceAll("https://api.example.com/resource", rs.url)
        .replaceAll('"my-agent"', JSON.stringify(as.client.clientId))
        .replaceAll('"s3cr3t"', JSON.stringify(as.client.clientSecret))
        .replaceAll("/usr/lib/softhsm/libsofthsm2.so", hsm.module)
        .replaceAll("arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab", arn)
        .replace(/(new GcpKmsSigner\(\s*"[^"]+",)\s*(?:\{(.*)\},)?/g, `$1 { endpoint: "${gcp.endpoint}", $2 },`)
        .replace(/"(gcpkms:[^"]+)"/g, `"$1?endpoint=${gcp.endpoint}"`),
    close: async () => {
      await Promise.all([rs, as, hsm, aws, gcp].map((one) => one.close()));
    },
  };
}
