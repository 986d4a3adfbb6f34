/** The servers and keys that the snippets of the docs run against. */
import { DPoPProver } from "hardproof";
import { Pkcs11Signer } from "hardproof/pkcs11";
import { type SoftHsm, softHsm } from "../softhsm/index.js";
import { awsKms } from "./emulators/aws-kms.js";
import { gcpKms } from "./emulators/gcp-kms.js";
import { authorizationServer, confidential } from "./servers/authorization-server.js";
import { grpcServer } from "./servers/grpc-server.js";
import { mcpServer } from "./servers/mcp-server.js";
import { resourceServer } from "./servers/resource-server.js";
import { sharkAuth } from "./servers/shark-auth.js";
import { socketServer } from "./servers/socket-server.js";
import { nssToken, softTpm } from "./tokens/index.js";

/** Running servers and keys. */
export interface Services {
  /** Replaces the names of servers, clients and keys in a snippet with those of the running ones. */
  withRunningNames(code: string): string;
  close(): Promise<void>;
}

/**
 * Starts the servers and creates the keys.
 *
 * @param missing - Why a token is not available on this machine. The snippets that use it are not run.
 */
export async function startServices(missing: { TPM?: string; NSS?: string }): Promise<Services> {
  const hsm = await softHsm({ label: "agents" });
  const [as, aws, gcp, tpm, nss] = await Promise.all([
    authorizationServer({ clients: [await keyClient(hsm)], registration: {} }),
    awsKms(),
    gcpKms(),
    missing.TPM ? undefined : softTpm({ label: "agents" }),
    missing.NSS ? undefined : nssToken({ label: "agents" }),
  ]);
  const { issuer, audience } = as;
  const rs = await resourceServer({ issuer, audience, requireNonce: false, publishMetadata: true });
  const mcp = await mcpServer({ issuer });
  const shark = await sharkAuth({ agent: as.client, behindTls: false });
  const [sockets, grpc] = await Promise.all([socketServer(), grpcServer()]);
  const arn = aws.keys.add().arn;
  aws.keys.alias("alias/Agents/Client", aws.keys.add({ spec: "RSA_2048" }));
  gcp.store.addKey({ id: "dpop" });
  Object.assign(process.env, aws.environment, { HSM_PIN: hsm.pin, TPM_PIN: tpm?.pin, NSS_PIN: nss?.pin });
  return {
    withRunningNames: (code) =>
      code
        .replaceAll("https://auth.example.com", as.issuer)
        .replaceAll("https://shark.example.com", shark.origin)
        .replaceAll("https://api.example.com/resource", rs.url)
        .replaceAll("https://mcp.example.com/mcp", mcp.url)
        .replaceAll("wss://api.example.com/socket", sockets.url)
        .replaceAll("https://api.example.com/greetings", `http://${grpc.address}/greetings`)
        .replaceAll("api.example.com:443", grpc.address)
        .replaceAll("credentials.createSsl()", "credentials.createInsecure()") // this server has no TLS
        .replaceAll('"./examples/', '"../../examples/')
        // Only this server has no TLS.
        .replace(/(client\.discovery\(.+)\);$/gm, "$1, { execute: [client.allowInsecureRequests] });")
        .replaceAll('"my-agent"', JSON.stringify(as.client.clientId))
        .replaceAll('"s3cr3t"', JSON.stringify(as.client.clientSecret))
        .replaceAll("/usr/lib/softhsm/libsofthsm2.so", hsm.module)
        .replaceAll("/var/lib/hardproof/tpm", tpm?.store ?? "")
        .replaceAll("device:/dev/tpmrm0", tpm?.tcti ?? "")
        .replaceAll("/usr/lib/x86_64-linux-gnu/libsoftokn3.so", nss?.module ?? "")
        .replace(/"configdir=[^"]*"/g, JSON.stringify(nss?.libraryParameters))
        .replaceAll("arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab", arn)
        .replace(/arn:aws:kms:[\w-]+:111122223333:key\/mrk-\w+/g, arn) // the emulator has only one region
        .replace(/(new GcpKmsSigner\(\s*"[^"]+",)\s*(?:\{(.*)\},)?/g, `$1 { endpoint: "${gcp.endpoint}", $2 },`)
        .replace(/"(gcpkms:[^"]+)"/g, `"$1?endpoint=${gcp.endpoint}"`),
    close: async () => {
      await Promise.all(
        [rs, mcp, shark, sockets, grpc, as, hsm, aws, gcp, tpm, nss].map((resource) => resource?.close()),
      );
    },
  };
}

/** The registration of a client that authenticates with the key on the token. */
async function keyClient({ module, token, key, pin }: SoftHsm) {
  await using signer = new Pkcs11Signer({ module, token, key: key.label, pin });
  const { jkt } = await DPoPProver.create(signer);
  return {
    ...confidential,
    client_id: "agent-7",
    token_endpoint_auth_method: "private_key_jwt" as const,
    jwks: { keys: [{ ...(await signer.publicJwk()), kid: jkt, use: "sig" }] },
  };
}
