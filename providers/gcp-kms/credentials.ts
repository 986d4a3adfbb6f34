/** Where the credentials of the SDK come from, for `hardproof doctor`. */
import { existsSync } from "node:fs";
import { stat } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { checkPermissions } from "../../src/keystore/file-permissions.js";
import type { Finding } from "../../src/keystore/finding.js";
import type { Account } from "./account.js";
import type { GcpKmsClientOptions } from "./client.js";
import { firstLine } from "./error-text.js";

/** The types of credentials whose file contains a secret. */
const SECRET_FILES = ["service_account", "authorized_user", "external_account_authorized_user"];
const { env } = process;

/** Returns where the auth library finds the credentials, in its order. */
function sourceOf({ client, clientConfig = {} }: GcpKmsClientOptions): { found: string; path?: string } {
  if (client) return { found: "the option client" };
  for (const name of ["auth", "authClient", "credentials", "apiKey"] as const)
    if (name in clientConfig) return { found: `clientConfig.${name}` };
  const { keyFilename, keyFile = keyFilename } = clientConfig;
  if (keyFile) return { found: `${keyFile} (clientConfig)`, path: keyFile };
  const path = env.GOOGLE_APPLICATION_CREDENTIALS || env.google_application_credentials;
  if (path) return { found: `${path} (GOOGLE_APPLICATION_CREDENTIALS)`, path };
  const login = join(env.CLOUDSDK_CONFIG || defaultConfigDirectory(), "application_default_credentials.json");
  if (existsSync(login)) return { found: `${login} (gcloud auth application-default login)`, path: login };
  return { found: "the metadata server of this machine" };
}

function defaultConfigDirectory(): string {
  const { APPDATA, HOME = homedir() } = env;
  return process.platform === "win32" && APPDATA ? join(APPDATA, "gcloud") : join(HOME, ".config", "gcloud");
}

/** Yields the source of the credentials and their account, and then who else can read their file. */
export async function* credentialFindings(options: GcpKmsClientOptions, account: Account): AsyncGenerator<Finding> {
  const { found, path } = sourceOf(options);
  const { type, name, project } = account;
  const details = [type, name, project && `project ${project}`].filter(Boolean).map((text) => firstLine(String(text)));
  yield { check: "credentials", ok: true, found: `${details.join(", ")}; from ${found}` };
  if (path === undefined || !SECRET_FILES.includes(type)) return;
  const { mode } = await stat(path);
  yield checkPermissions({ check: "credentials file", secret: "credentials", path, mode });
}
