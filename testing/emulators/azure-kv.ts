/**
 * Azure Key Vault emulator on 127.0.0.1: one vault and one managed HSM by the REST API, with challenge authentication, and
 * with faults planned call by call.
 */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo, LookupFunction } from "node:net";
import { text } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";
import { AzureKvError, badParameter, type ErrorResponse, errorBody } from "./azure-kv-error.js";
import { damageResponse, throwIfError } from "./azure-kv-faults.js";
import { TokenIssuer } from "./azure-kv-identity.js";
import { VaultKeys } from "./azure-kv-keys.js";
import { type AzureKvOperation, type AzureKvRequest, operations } from "./azure-kv-operations.js";
import { FaultPlan } from "./fault-plan.js";

export type { AzureKvOperation };

/** A credential, as the clients of Azure's SDK accept it: a `TokenCredential` of `@azure/identity`. */
export interface EmulatorCredential {
  getToken(
    scopes: string | string[],
    options?: { readonly claims?: string | undefined },
  ): Promise<{ token: string; expiresOnTimestamp: number }>;
}

/** Options of the SDK's clients (`KeyClientOptions`), with which they find the emulator. */
export interface EmulatorClientOptions {
  readonly allowInsecureConnection: true;
  readonly additionalPolicies: { readonly position: "perRetry"; readonly policy: LoopbackPolicy }[];
}

interface LoopbackPolicy {
  readonly name: string;
  sendRequest<Request extends object, Response>(
    request: Request,
    next: (request: Request) => Promise<Response>,
  ): Promise<Response>;
}

/** A running emulator. */
export interface AzureKeyVaultEmulator extends AsyncDisposable {
  /** `http://agents.vault.localhost:PORT`. */
  readonly vaultUrl: string;
  /** `http://agents.managedhsm.localhost:PORT`. */
  readonly hsmUrl: string;
  readonly vault: VaultKeys;
  readonly hsm: VaultKeys;
  readonly plan: FaultPlan<AzureKvOperation>;
  readonly tokens: TokenIssuer;
  /** A credential that gets its tokens from {@link AzureKeyVaultEmulator.tokens}. */
  readonly credential: EmulatorCredential;
  /** Options with which the SDK finds the emulator: a name under `localhost` isn't in DNS. */
  readonly clientOptions: EmulatorClientOptions;
  /** Environment variables with which `DefaultAzureCredential` gets tokens, as in App Service. */
  readonly environment: Readonly<Record<string, string>>;
  /** Responds to the next calls of an operation with these errors, after the faults of the plan. */
  respondWith(operation: AzureKvOperation, ...responses: ErrorResponse[]): void;
  /** Requests without a token, which were answered with a challenge. */
  readonly challenges: number;
  /** Milliseconds after which the next challenge is sent. The ones after it are sent at once. */
  challengeDelay: number;
  /** What the next challenges contain instead of the vault's resource. */
  challengeResource: string | undefined;
  /** Claims that a token must be requested with, as JSON: the challenge of continuous access evaluation. */
  requiredClaims: string | undefined;
  /** Seconds by which the service's clock is ahead of this machine's. */
  clockOffset: number;
  /** How many requests the client cancelled before the response. */
  readonly cancelledRequests: number;
  close(): Promise<void>;
}

interface Vault {
  readonly keys: VaultKeys;
  /** The audience of its tokens. */
  readonly resource: string;
}

/** Starts the emulator. The vault and the managed HSM are empty. */
export async function azureKeyVaultEmulator(): Promise<AzureKeyVaultEmulator> {
  const plan = new FaultPlan<AzureKvOperation>();
  const tokens = new TokenIssuer();
  const errors = new Map<AzureKvOperation, ErrorResponse[]>();
  const state = {
    challenges: 0,
    challengeDelay: 0,
    cancelledRequests: 0,
    clockOffset: 0,
    challengeResource: undefined as string | undefined,
    requiredClaims: undefined as string | undefined,
  };
  const vaults = new Map<string, Vault>();

  const handle = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const body = await text(request);
    const url = new URL(request.url ?? "/", `http://${request.headers.host}`);
    response.on("close", () => response.writableEnded || state.cancelledRequests++);
    response.setHeader("date", new Date(Date.now() + state.clockOffset * 1000).toUTCString());
    if (url.pathname === "/identity") return tokens.serve(request, response, url.searchParams);
    const vault = vaults.get(url.hostname);
    if (!vault) return void response.writeHead(404).end();
    if (!tokens.accepts(request, vault.resource)) {
      state.challenges++;
      const delay = state.challengeDelay;
      state.challengeDelay = 0;
      if (delay > 0) await sleep(delay);
      return challenge(response, tokens.tenantId, state.challengeResource ?? vault.resource);
    }
    if (state.requiredClaims !== undefined && !tokens.hasClaims(request, state.requiredClaims))
      return claimsChallenge(response, state.requiredClaims);
    const now = Math.floor(Date.now() / 1000) + state.clockOffset;
    const [operation, input] = parseRequest(request.method ?? "", url, body, now);
    const fault = plan.take(operation, { ...input.body, name: input.name, version: input.version });
    await plan.work();
    if (fault === "hang") return;
    if (fault === "reset") return void request.socket.resetAndDestroy();
    throwIfError(fault, operation, vault.keys);
    const error = errors.get(operation)?.shift();
    if (error) throw new AzureKvError(error);
    send(response, 200, damageResponse(fault, operations[operation](vault.keys, input), { input, keys: vault.keys }));
  };
  const server = createServer((request, response) => {
    handle(request, response).catch((error) => {
      if (!(error instanceof AzureKvError)) throw error;
      const { status, retryAfter } = error.response;
      if (retryAfter !== undefined) response.setHeader("retry-after", String(retryAfter));
      send(response, status, errorBody(error.response));
    });
  });
  // If the server closed an idle connection just as the client reuses it, the client would see an unplanned reset.
  server.keepAliveTimeout = 60_000;
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const [vaultUrl, hsmUrl] = [`http://agents.vault.localhost:${port}`, `http://agents.managedhsm.localhost:${port}`];
  const vault = new VaultKeys(vaultUrl, false);
  const hsm = new VaultKeys(hsmUrl, true);
  vaults.set("agents.vault.localhost", { keys: vault, resource: "https://vault.localhost" });
  vaults.set("agents.managedhsm.localhost", { keys: hsm, resource: "https://managedhsm.localhost" });
  const close = async () => {
    const closed = new Promise<void>((resolve) => server.close(() => resolve()));
    server.closeAllConnections();
    await closed;
  };
  const clientOptions: EmulatorClientOptions = { allowInsecureConnection: true, additionalPolicies: [toLoopback] };
  return Object.assign(state, {
    vaultUrl,
    hsmUrl,
    vault,
    hsm,
    plan,
    tokens,
    credential: {
      getToken: async (scopes: string | string[], options?: { readonly claims?: string | undefined }) =>
        tokens.issue(String(scopes).replace(/\/\.default$/, ""), options?.claims),
    },
    clientOptions,
    environment: { IDENTITY_ENDPOINT: `http://127.0.0.1:${port}/identity`, IDENTITY_HEADER: tokens.identityHeader },
    respondWith: (operation: AzureKvOperation, ...responses: ErrorResponse[]) =>
      void errors.set(operation, [...(errors.get(operation) ?? []), ...responses]),
    close,
    [Symbol.asyncDispose]: close,
  });
}

/** Resolves every name to 127.0.0.1. */
const lookup: LookupFunction = (_, { all }, callback) => {
  if (all) callback(null, [{ address: "127.0.0.1", family: 4 }]);
  else callback(null, "127.0.0.1", 4);
};

const toLoopback: EmulatorClientOptions["additionalPolicies"][number] = {
  position: "perRetry",
  policy: {
    name: "loopback",
    sendRequest: (request, next) => next(Object.assign(request, { requestOverrides: { lookup } })),
  },
};

/** By the method and the path, whose segments are in braces in the API definition. */
const ROUTES: readonly (readonly [method: string, path: RegExp, AzureKvOperation])[] = [
  ["GET", /^\/keys$/, "GetKeys"],
  ["POST", /^\/keys\/(?<name>[^/]+)\/create$/, "CreateKey"],
  ["POST", /^\/keys\/(?<name>[^/]+)\/rotate$/, "RotateKey"],
  ["POST", /^\/keys\/(?<name>[^/]+)\/(?<version>[^/]*)\/sign$/, "sign"],
  ["GET", /^\/keys\/(?<name>[^/]+)(?:\/(?<version>[^/]+))?\/attestation$/, "GetKeyAttestation"],
  ["GET", /^\/keys\/(?<name>[^/]+)(?:\/(?<version>[^/]*))?$/, "GetKey"],
  ["PATCH", /^\/keys\/(?<name>[^/]+)(?:\/(?<version>[^/]*))?$/, "UpdateKey"],
  ["DELETE", /^\/keys\/(?<name>[^/]+)$/, "DeleteKey"],
  ["GET", /^\/deletedkeys\/(?<name>[^/]+)$/, "GetDeletedKey"],
];

function parseRequest(method: string, url: URL, body: string, now: number): [AzureKvOperation, AzureKvRequest] {
  const { pathname, searchParams: query } = url;
  if (!query.get("api-version")) throw badParameter("api-version must be specified");
  for (const [allowed, path, operation] of ROUTES) {
    const groups = allowed === method ? path.exec(pathname)?.groups : undefined;
    if (allowed !== method || !path.test(pathname)) continue;
    const { name = "", version = "" } = groups ?? {};
    return [operation, { name, version, query, body: parseBody(body), now }];
  }
  throw new AzureKvError({ status: 404, code: "NotFound", message: `${method} ${pathname}` });
}

function parseBody(body: string): AzureKvRequest["body"] {
  try {
    return body === "" ? {} : Object(JSON.parse(body));
  } catch {
    throw badParameter("The request body is not JSON.");
  }
}

/** The service challenges a request without a token, and names the tenant and the audience. */
function challenge(response: ServerResponse, tenantId: string, resource: string): void {
  const header = `Bearer authorization="https://login.microsoftonline.com/${tenantId}", resource="${resource}"`;
  response.setHeader("www-authenticate", header);
  const message = "AKV10000: Request is missing a Bearer or PoP token.";
  send(response, 401, errorBody({ status: 401, code: "Unauthorized", message }));
}

/** RFC 9470 §3 has the same error for other requirements. */
function claimsChallenge(response: ServerResponse, claims: string): void {
  const encoded = Buffer.from(claims).toString("base64");
  response.setHeader("www-authenticate", `Bearer realm="", error="insufficient_claims", claims="${encoded}"`);
  send(
    response,
    401,
    errorBody({ status: 401, code: "Unauthorized", message: "Continuous access evaluation failed." }),
  );
}

function send(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { "content-type": "application/json; charset=utf-8" }).end(JSON.stringify(body));
}
