/** Creates realms by Keycloak's admin API: one user, clients, and the policies that all clients must follow. */
import type { KeycloakServer } from "./server.js";

/** A client's registration, as the admin API names its members. */
export interface ClientRepresentation {
  clientId: string;
  [member: string]: unknown;
}

/** A realm to create. */
export interface RealmOptions {
  name: string;
  clients: readonly ClientRepresentation[];
  /** A global client profile that applies to every client, such as `fapi-2-dpop-security-profile`. */
  clientProfile?: string;
}

/** The user of every realm. */
export const USER = { username: "alice", password: "correct-horse-battery" };
const EMAIL = { email: "alice@example.com", emailVerified: true, firstName: "Alice", lastName: "Example" };

/** Creates a realm and returns its issuer. */
export async function createRealm(server: KeycloakServer, { name, clients, clientProfile }: RealmOptions) {
  const send = await adminApi(server);
  const users = [
    { ...EMAIL, username: USER.username, enabled: true, credentials: [{ type: "password", value: USER.password }] },
    ...clients.filter(({ serviceAccountsEnabled }) => serviceAccountsEnabled).map(serviceAccount),
  ];
  await send("POST", "", { ...REALM, realm: name, clients, users });
  if (clientProfile !== undefined)
    await send("PUT", `/${name}/client-policies/policies`, { policies: [policyFor(clientProfile)] });
  return `${server.origin}/realms/${encodeURIComponent(name)}`;
}

/** Every refresh token can be used once, and clients poll each second. */
const REALM = {
  enabled: true,
  revokeRefreshToken: true,
  oauth2DevicePollingInterval: 1,
  attributes: { cibaInterval: "1" },
};

/** Sends a request to the admin API, and returns its text. */
type AdminApi = (method: string, path: string, body: object) => Promise<string>;

/** Returns the admin API of a server, whose paths begin with a realm. */
export async function adminApi(server: KeycloakServer): Promise<AdminApi> {
  const headers = { authorization: `Bearer ${await adminToken(server)}`, "content-type": "application/json" };
  return async (method, path, body) => {
    const url = `${server.origin}/admin/realms${path}`;
    const response = await fetch(url, { method, headers, body: JSON.stringify(body) });
    const text = await response.text();
    if (!response.ok) throw new Error(`${method} ${path} responded with ${response.status}: ${text}`);
    return text;
  };
}

/** The user that a client has for itself. It may call the admin API of its realm. */
function serviceAccount({ clientId }: ClientRepresentation) {
  return {
    username: `service-account-${clientId}`,
    enabled: true,
    serviceAccountClientId: clientId,
    clientRoles: { "realm-management": ["view-users"] },
  };
}

function policyFor(profile: string) {
  const conditions = [{ condition: "any-client", configuration: {} }];
  return { name: profile, enabled: true, conditions, profiles: [profile] };
}

async function adminToken({ origin, admin }: KeycloakServer): Promise<string> {
  const body = new URLSearchParams({ grant_type: "password", client_id: "admin-cli", ...admin });
  const response = await fetch(`${origin}/realms/master/protocol/openid-connect/token`, { method: "POST", body });
  const { access_token } = (await response.json()) as { access_token?: string };
  if (access_token === undefined) throw new Error(`The admin's token request got status ${response.status}.`);
  return access_token;
}
