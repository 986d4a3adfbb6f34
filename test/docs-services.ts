/** The servers and keys that the snippets of the docs run against. */
import { clientJwks, importPublicKey } from "hardproof";
import { Pkcs11Signer } from "hardproof/pkcs11";
import { type SoftHsm, softHsm } from "hardproof/softhsm";
import { awsKmsEmulator } from "../testing/emulators/aws-kms.js";
import { azureKeyVaultEmulator } from "../testing/emulators/azure-kv.js";
import { gcpKmsEmulator } from "../testing/emulators/gcp-kms.js";
import { vaultEmulator } from "../testing/emulators/vault.js";
import { authorizationServer, confidential } from "./servers/authorization-server.js";
import { grpcServer } from "./servers/grpc-server.js";
import { mcpServer } from "./servers/mcp-server.js";
import { resourceServer } from "./servers/resource-server.js";
import { sharkAuth } from "./servers/shark-auth.js";
import { socketServer } from "./servers/socket-server.js";
import { postgresServer } from "./token-stores/postgres-server.js";
import { redisServer } from "./token-stores/redis-server.js";
import { nssToken, openSshAgent, softTpm } from "./tokens/index.js";

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
export async function startServices(missing: {
  TPM?: string;
  NSS?: string;
  Redis?: string;
  PostgreSQL?: string;
  "ssh-agent"?: string;
}): Promise<Services> {
  const hsm = await softHsm({ label: "agents" });
  await hsm.addKey({ label: "client", id: "02", algorithm: "ES256" });
  const aws = await awsKmsEmulator();
  const { arn, material } = aws.keys.add();
  const attester = { issuer: "https://attester.example.com", jwk: importPublicKey(material?.spki ?? Buffer.of()).jwk };
  const [as, azure, gcp, tpm, nss, redis, postgres, ssh] = await Promise.all([
    authorizationServer({ clients: [await keyClient(hsm), fleet], registration: {}, attester }),
    azureKeyVaultEmulator(),
    gcpKmsEmulator(),
    missing.TPM ? undefined : softTpm({ label: "agents" }),
    missing.NSS ? undefined : nssToken({ label: "agents" }),
    missing.Redis ? undefined : redisServer(),
    missing.PostgreSQL ? undefined : postgresServer(),
    missing["ssh-agent"] ? undefined : openSshAgent(),
  ]);
  const { issuer, audience } = as;
  const rs = await resourceServer({ issuer, audience, requireNonce: false, publishMetadata: true });
  const mcp = await mcpServer({ issuer });
  const shark = await sharkAuth({ agent: as.client, behindTls: false });
  const [sockets, grpc] = await Promise.all([socketServer(), grpcServer()]);
  aws.keys.alias("alias/Agents/Client", aws.keys.add({ spec: "RSA_2048" }));
  gcp.store.addKey({ id: "dpop" });
  const transit = await vaultEmulator();
  transit.addKey("dpop");
  Object.assign(process.env, {
    VAULT_ADDR: transit.address,
    VAULT_TOKEN: transit.tokens.root,
    VAULT_ROLE_ID: transit.tokens.appRole.secret,
    VAULT_SECRET_ID: transit.tokens.addSecretId(),
  });
  const sshKey = await ssh?.addKey({ comment: "dpop@laptop" });
  if (ssh) process.env.SSH_AUTH_SOCK = ssh.socket;
  const { kid } = azure.vault.add({ name: "dpop" });
  Object.assign(process.env, aws.environment, azure.environment, {
    HSM_PIN: hsm.pin,
    TPM_PIN: tpm?.pin,
    NSS_PIN: nss?.pin,
    // What `hardproof demo --serve --softhsm` writes.
    DEMO_ISSUER: as.issuer,
    DEMO_RESOURCE: rs.url,
    HARDPROOF_KEY: hsm.uri("dpop"),
    HARDPROOF_CLIENT_ID: as.client.clientId,
    HARDPROOF_CLIENT_SECRET: as.client.clientSecret,
  });
  return {
    withRunningNames: (code) =>
      code
        .replaceAll("https://auth.example.com", as.issuer)
        .replaceAll("https://shark.example.com", shark.origin)
        .replaceAll("https://vault.example.com:8200", transit.address)
        .replaceAll("https://api.example.com/resource", rs.url)
        .replaceAll("https://mcp.example.com/mcp", mcp.url)
        .replaceAll("wss://api.example.com/socket", sockets.url)
        .replaceAll("https://api.example.com/greetings", `http://${grpc.address}/greetings`)
        .replaceAll("api.example.com:443", grpc.address)
        .replaceAll("credentials.createSsl()", "credentials.createInsecure()") // this server has no TLS
        .replaceAll("127.0.0.1:6379", `127.0.0.1:${redis?.port}`)
        .replaceAll("app@127.0.0.1:5432/app", `postgres@127.0.0.1:${postgres?.port}/postgres`)
        .replaceAll('"./examples/', '"../../examples/')
        // Only this server has no TLS.
        .replace(/(client\.discovery\(.+)\);$/gm, "$1, { execute: [client.allowInsecureRequests] });")
        .replaceAll('"my-agent"', JSON.stringify(as.client.clientId))
        .replaceAll('"s3cr3t"', JSON.stringify(as.client.clientSecret))
        .replaceAll("/usr/lib/softhsm/libsofthsm2.so", hsm.module)
        .replaceAll("/var/lib/hardproof/tpm", tpm?.store ?? "")
        .replaceAll("SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU", sshKey?.fingerprint ?? "")
        .replaceAll("device:/dev/tpmrm0", tpm?.tcti ?? "")
        .replaceAll('protection: ["tpm"]', 'protection: ["software"]') // the TPM of the tests is a program
        .replaceAll("/usr/lib/x86_64-linux-gnu/libsoftokn3.so", nss?.module ?? "")
        .replace(/"configdir=[^"]*"/g, JSON.stringify(nss?.libraryParameters))
        .replaceAll("arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab", arn)
        .replace(/arn:aws:kms:[\w-]+:111122223333:key\/mrk-\w+/g, arn) // the emulator has only one region
        .replace("https://my-vault.vault.azure.net/keys/dpop/0123456789abcdef0123456789abcdef", kid)
        .replace("https://my-vault.vault.azure.net", azure.vaultUrl)
        .replace(
          /"azurekms:\/\/my-vault\.vault\.azure\.net([^"]*)"/g,
          `"${azure.vaultUrl.replace("http:", "azurekms:")}$1?plaintext=true"`,
        )
        .replace(/(new GcpKmsSigner\(\s*"[^"]+",)\s*(?:\{(.*)\},)?/g, `$1 { endpoint: "${gcp.endpoint}", $2 },`)
        .replace(/"(gcpkms:[^"]+)"/g, `"$1?endpoint=${gcp.endpoint}"`),
    close: async () => {
      await Promise.all(
        [rs, mcp, shark, sockets, grpc, as, hsm, aws, azure, gcp, transit, tpm, nss].map((resource) =>
          resource?.close(),
        ),
      );
      await Promise.all([redis, postgres, ssh].map((server) => server?.[Symbol.asyncDispose]()));
    },
  };
}

/** The registration of a client whose keys are attested. The types of oidc-provider don't have the method. */
const fleet = {
  ...confidential,
  client_id: "fleet",
  token_endpoint_auth_method: "attest_jwt_client_auth_dpop" as "none",
};

/** The registration of a client that authenticates with one of two keys on the token. */
async function keyClient({ module, token, key, pin }: SoftHsm) {
  await using signer = new Pkcs11Signer({ module, token, key: key.label, pin });
  await using clientKey = new Pkcs11Signer({ module, token, key: "client", pin });
  return {
    ...confidential,
    client_id: "agent-7",
    token_endpoint_auth_method: "private_key_jwt" as const,
    jwks: await clientJwks([signer, clientKey]),
  };
}
