/** @atproto/oauth-client with keys on a SoftHSM token: its own key, and a new one for each session. */
import { createHash, randomBytes } from "node:crypto";
import { OAuthClient, type OAuthClientMetadataInput, type OAuthSession, requestLocalLock } from "@atproto/oauth-client";
import { createKey, type Signer } from "hardproof";
import { type SoftHsm, softHsm } from "hardproof/softhsm";
import { AtprotoKey, keyUriStore } from "../../../examples/clients/atproto-key.js";
import { check, type Scenario } from "../scenario.js";
import { reasonOf } from "../seen.js";
import { CLIENT_HOST, type Pds, startPds } from "./pds.js";
import { developmentClientId, REDIRECT_URI, SCOPE } from "./setting.js";
import { signIn } from "./user.js";

const SESSION = "/xrpc/com.atproto.server.getSession";

/** Runs the scenarios as a native client, and as a client that has a key. */
export async function officialClientScenarios(scenario: Scenario): Promise<void> {
  await using hsm = await softHsm({ label: "atproto-client" });
  await using pds = await startPds();
  await using keys = keysOn(hsm);
  await scenarios(scenario, { row: "public client", pds, keys, clientMetadata: nativeMetadata(), keyset: [] });
  const clientKey = await keys.create("client");
  const clientMetadata = webMetadata(pds, { keys: [clientKey.publicJwk] });
  await scenarios(scenario, { row: "private_key_jwt", pds, keys, clientMetadata, keyset: [clientKey] });
}

interface OfficialSetting {
  readonly row: "public client" | "private_key_jwt";
  readonly pds: Pds;
  readonly keys: TokenKeys;
  readonly clientMetadata: OAuthClientMetadataInput;
  readonly keyset: AtprotoKey[];
}

async function scenarios(scenario: Scenario, setting: OfficialSetting): Promise<void> {
  const { row, pds, keys } = setting;
  const { did } = pds.account;
  const stored = new Map<string, string>();
  const client = newClient(setting, stored);
  const statusOf = async (session: OAuthSession) => {
    const response = await session.fetchHandler(SESSION);
    check(response.ok, `getSession has status ${response.status}`);
    return response.status;
  };
  await scenario(row, "logs in, with a key that it has created on the token for the session", async () => {
    const { session } = await client.callback(await callback(client, pds));
    check(session.did === did, `the session is of ${session.did}`);
    const { keyUri, dpopKey } = JSON.parse(stored.get(did) ?? "{}");
    check(keyUri?.startsWith("pkcs11:") && dpopKey === undefined, "the session isn't stored with the key's URI");
    return `a session of the user; its key is stored as ${keyUri.replace(/\?.*/, "")}`;
  });
  await scenario(
    "protected resource",
    `${row}: calls the PDS`,
    async () => `getSession ${await statusOf(await client.restore(did))}`,
  );
  await scenario("refresh, rotation", `${row}: restores the session in another client, and refreshes it`, async () => {
    const another = newClient(setting, stored);
    const statuses = [];
    for (let round = 0; round < 3; round++) statuses.push(await statusOf(await another.restore(did, true)));
    const restored = await Promise.all([1, 2, 3, 4].map(() => another.restore(did, true)));
    for (const session of restored) statuses.push(await statusOf(session));
    return `3 refreshes, and 4 at once: getSession ${statuses.join(", ")}`;
  });
  await scenario("200 calls at once", `${row}: all succeed`, async () => {
    const session = await client.restore(did, false);
    const statuses = await Promise.all(Array.from({ length: 200 }, () => statusOf(session)));
    return `${statuses.length} × 200`;
  });
  await scenario("sign-out", `${row}: ends the session at the PDS`, async () => {
    const session = await client.restore(did);
    const text = stored.get(did) ?? "";
    await session.signOut();
    check(!stored.has(did), "the session is still stored");
    stored.set(did, text);
    const reason = await reasonOf(() => newClient(setting, stored).restore(did, true));
    return `a copy of the session can't be refreshed: ${reason}; ${keys.signatures()} signatures on the token`;
  });
}

function newClient({ pds, keys, clientMetadata, keyset }: OfficialSetting, sessions: Map<string, string>): OAuthClient {
  return new OAuthClient({
    responseMode: "query",
    allowHttp: true,
    plcDirectoryUrl: pds.plc,
    handleResolver: { resolve: async () => pds.account.did as `did:plc:${string}` },
    clientMetadata,
    keyset,
    stateStore: keyUriStore(new Map(), keys.open),
    sessionStore: keyUriStore(sessions, keys.open),
    runtimeImplementation: {
      createKey: () => keys.create(`session-${randomBytes(4).toString("hex")}`),
      getRandomValues: (length) => randomBytes(length),
      digest: (data, { name }) => createHash(name).update(data).digest(),
      requestLock: requestLocalLock,
    },
  });
}

async function callback(client: OAuthClient, { account }: Pds): Promise<URLSearchParams> {
  const { href } = await client.authorize(account.handle);
  return new URL(await signIn(href, account)).searchParams;
}

const METADATA = {
  scope: SCOPE,
  grant_types: ["authorization_code", "refresh_token"],
  response_types: ["code"],
  dpop_bound_access_tokens: true,
} satisfies Partial<OAuthClientMetadataInput>;

function nativeMetadata(): OAuthClientMetadataInput {
  return {
    ...METADATA,
    client_id: developmentClientId(),
    application_type: "native",
    token_endpoint_auth_method: "none",
    redirect_uris: [REDIRECT_URI],
  };
}

/** Publishes the metadata and keys of a client that has a key. */
function webMetadata({ publish }: Pds, jwks: object): OAuthClientMetadataInput {
  const metadata: OAuthClientMetadataInput = {
    ...METADATA,
    client_id: `https://${CLIENT_HOST}/official.json`,
    jwks_uri: publish("/official-jwks.json", jwks) as `https://${string}`,
    token_endpoint_auth_method: "private_key_jwt",
    token_endpoint_auth_signing_alg: "ES256",
    redirect_uris: [`https://${CLIENT_HOST}/callback`],
  };
  publish("/official.json", metadata);
  return metadata;
}

interface TokenKeys extends AsyncDisposable {
  /** Creates a key on the token. */
  create(label: string): Promise<AtprotoKey>;
  /** Returns the key with this URI. */
  open(uri: string): Promise<AtprotoKey>;
  /** Returns how many signatures the token has made. */
  signatures(): number;
}

function keysOn({ module, token, pin }: SoftHsm): TokenKeys {
  const opened = new Map<string, AtprotoKey>();
  const signers: Signer[] = [];
  let signatures = 0;
  return {
    async create(label) {
      const signer = await createKey(`pkcs11:token=${token};object=${label}?module-path=${module}`, { pin });
      signers.push(signer);
      const { sign } = signer;
      signer.sign = (...args) => {
        signatures += 1;
        return sign.apply(signer, args);
      };
      const key = await AtprotoKey.from(signer);
      opened.set(key.uri, key);
      return key;
    },
    async open(uri) {
      const key = opened.get(uri);
      if (key === undefined) throw new Error(`${uri} isn't on the token.`);
      return key;
    },
    signatures: () => signatures,
    async [Symbol.asyncDispose]() {
      await Promise.all(signers.map((signer) => signer.close()));
    },
  };
}
