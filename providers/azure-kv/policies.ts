/** What each request of the SDK passes: the vault's challenge is requested once per process, and no body gets lost. */
import type { LookupFunction } from "node:net";
import type { AccessToken, AdditionalPolicy, PipelineRequest, PipelineResponse } from "./client.js";
import { isPlaintext } from "./key-id.js";

/** What a client observes of its requests, for `hardproof doctor`. */
export interface RequestObserver {
  /** The vault responded. */
  onResponse?(response: PipelineResponse): void;
  /** The credential returned a token. */
  onToken?(token: AccessToken): void;
}

/** The challenges of vaults by origin. They are public: the tenant and the audience of its tokens. */
const challenges = new Map<string, PipelineResponse>();

/**
 * Returns the policies for the clients of one vault.
 *
 * The SDK's authentication sends the first request of each client without a token and a body, to get the vault's challenge.
 * Each signer has two clients, so the challenge is cached for all clients of the process. And the SDK doesn't restore that
 * body if a concurrent request was authenticated earlier, so that the service would see an empty one.
 */
export function requestPolicies(vaultUrl: string, { onResponse }: RequestObserver = {}): AdditionalPolicy[] {
  const bodies = new WeakMap<PipelineRequest, PipelineRequest["body"]>();
  const remember: AdditionalPolicy["policy"] = {
    name: "hardproofRememberBody",
    sendRequest(request, next) {
      if (request.body) bodies.set(request, request.body);
      return next(request);
    },
  };
  const restore: AdditionalPolicy["policy"] = {
    name: "hardproofChallenge",
    async sendRequest(request, next) {
      const isAuthenticated = request.headers.has("authorization");
      const challenge = challenges.get(vaultUrl);
      if (!isAuthenticated && challenge) return { ...challenge, request };
      const body = bodies.get(request);
      if (isAuthenticated && body) request.body = body;
      if (isPlaintext(vaultUrl)) request.requestOverrides = { ...request.requestOverrides, lookup };
      const response = await next(request);
      onResponse?.(response);
      assertKeyVault(response);
      if (isAuthenticated && response.status === 401) challenges.delete(vaultUrl);
      if (!isAuthenticated && isChallenge(response)) challenges.set(vaultUrl, response);
      return response;
    },
  };
  return [
    { policy: remember, position: "perCall" },
    { policy: restore, position: "perRetry" },
  ];
}

/** Throws if a response can't be one of Key Vault. Error responses of a proxy are recognised by their status. */
function assertKeyVault({ status, headers }: PipelineResponse): void {
  const type = headers.get("content-type") ?? "no content type";
  if (status >= 400 || (status < 300 && type.includes("json"))) return;
  throw Object.assign(new Error(`The response is HTTP ${status} with ${type}.`), { name: "NotKeyVaultError" });
}

function isChallenge({ status, headers }: PipelineResponse): boolean {
  return status === 401 && headers.has("www-authenticate");
}

/** Names under `localhost` are this machine, whether or not the resolver knows them (RFC 6761 §6.3). */
const lookup: LookupFunction = (_, { all }, callback) => {
  const loopback = { address: "127.0.0.1", family: 4 };
  if (all) callback(null, [loopback]);
  else callback(null, loopback.address, loopback.family);
};
