/** Gets an access token with the SDK's auth library, and the account that it is for. */
import type { KeyManagementServiceClient } from "./client.js";

/** What the auth library knows about the credentials. */
export interface Account {
  /** Such as `service_account`. */
  readonly type: string;
  /** The e-mail address of the account, or the pool of a workload identity. */
  readonly name: string | undefined;
  /** The project of the credentials file. */
  readonly project: string | undefined;
}

/**
 * Gets an access token, which proves that the credentials are usable, and describes them.
 *
 * @throws An error of the auth library.
 */
export async function findAccount({ auth }: KeyManagementServiceClient): Promise<Account> {
  const client = await auth.getClient();
  await client.getRequestHeaders();
  const content = textMembers(auth.jsonContent);
  return {
    type: content.type ?? client.constructor.name,
    name: content.client_email ?? content.account ?? impersonated(content) ?? content.audience ?? (await emailOf(auth)),
    project: content.project_id ?? content.quota_project_id,
  };
}

/** The members of a credentials file that aren't secret. */
const MEMBERS = [
  "type",
  "client_email",
  "account",
  "service_account_impersonation_url",
  "audience",
  "project_id",
  "quota_project_id",
] as const;

function textMembers(content: object | null): Partial<Record<(typeof MEMBERS)[number], string>> {
  const entries = MEMBERS.map((name) => [name, content && Reflect.get(content, name)] as const);
  return Object.fromEntries(entries.filter(([, value]) => typeof value === "string" && value !== ""));
}

function impersonated({ service_account_impersonation_url: url = "" }: ReturnType<typeof textMembers>) {
  return /serviceAccounts\/([^/:]+):/.exec(url)?.[1];
}

/** Only the account of a machine has to be requested. Without it, the finding is merely shorter. */
async function emailOf(auth: KeyManagementServiceClient["auth"]): Promise<string | undefined> {
  if (auth.jsonContent) return undefined;
  return auth.getCredentials().then(
    ({ client_email }) => client_email ?? undefined,
    () => undefined,
  );
}
