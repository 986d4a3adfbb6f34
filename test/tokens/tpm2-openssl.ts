/** Keys that OpenSSL uses in a software TPM, by its provider tpm2-openssl. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { run } from "../../softhsm/command.js";
import { ensureInstalled } from "../../softhsm/install.js";
import { TPM2_OPENSSL_DEPENDENCIES } from "./dependencies.js";
import { type SoftTpm, softTpm } from "./soft-tpm.js";

/** A throw-away TPM for OpenSSL. */
export interface Tpm2OpenSsl extends AsyncDisposable {
  /** The OpenSSL configuration for `node --openssl-config`. */
  readonly configuration: string;
  /** The environment of that process. */
  readonly env: Readonly<Record<string, string>>;
  /**
   * Generates a key in the TPM.
   *
   * @param type - `EC:P-256` or `RSA:2048`.
   * @returns The `file:` URL of a PEM that only this TPM can use.
   */
  generateKey(type: `${"EC" | "RSA"}:${string}`): Promise<URL>;
  close(): Promise<void>;
}

/**
 * Starts a TPM. A process can use only one, as {@link softTpm}.
 *
 * @throws {TokenUnavailable} If one of the programs can't be installed.
 */
export async function tpm2OpenSsl(): Promise<Tpm2OpenSsl> {
  const paths = await ensureInstalled(TPM2_OPENSSL_DEPENDENCIES);
  const tpm = await softTpm({ label: "openssl" });
  const env = { ...tpm.env, TPM2OPENSSL_TCTI: tpm.tcti };
  const configuration = join(tpm.directory, "openssl.cnf");
  writeFileSync(configuration, configurationOf(paths["tpm2-openssl"]));
  let keys = 0;
  return {
    configuration,
    env,
    generateKey: async (type) => {
      keys += 1;
      const path = join(tpm.directory, `key-${keys}.pem`);
      await generateKey(paths.openssl, type, { path, env });
      return pathToFileURL(path);
    },
    close: tpm.close,
    [Symbol.asyncDispose]: tpm.close,
  };
}

async function generateKey(
  openssl: string,
  type: string,
  { path, env }: { path: string; env: SoftTpm["env"] },
): Promise<void> {
  const [algorithm = "", size = ""] = type.split(":");
  const option = algorithm === "EC" ? `group:${size}` : `rsa_keygen_bits:${size}`;
  const providers = ["-provider", "tpm2", "-provider", "default", "-propquery", "?provider=tpm2"];
  await run(openssl, ["genpkey", ...providers, "-algorithm", algorithm, "-pkeyopt", option, "-out", path], env);
}

/** Without the property, OpenSSL exports the public half to its own provider, and signing with that fails. */
const configurationOf = (module: string) => `nodejs_conf = init
[init]
providers = provider_list
alg_section = algorithms
random = random_generator
[provider_list]
default = default_provider
tpm2 = tpm2_provider
[default_provider]
activate = 1
[tpm2_provider]
module = ${module}
activate = 1
[algorithms]
default_properties = ?provider=tpm2,tpm2.digest!=yes,tpm2.cipher!=yes
[random_generator]
random = CTR-DRBG
properties = provider=default
seed_properties = provider=default
`;
