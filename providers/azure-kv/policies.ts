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
  /** The vault rejected a token. */
  onRejectedToken?(token: string): void;
}

/** The challenges of vaults that accepted a token for it, by origin. They are public: the tenant and the audience. */
const challenges = new Map<string, PipelineResponse>();
const UNAUTHORIZED = 401;

/**
 * Returns the policies for the clients of one vault.
 *
 * The SDK's authentication sends the first request of each client without a token and a body, to get the vault's challenge.
 * Each signer has two clients, so the challenge is cached for all clients of the process. And the SDK doesn't restore that
 * body if a concurrent request was authenticated earlier, so that the service would see an empty one.
 */
export function requestPolicies(
  vaultUrl: string,
  { onResponse, onRejectedToken }: RequestObserver = {},
): AdditionalPolicy[] {
  const bodies = new WeakMap<PipelineRequest, PipelineRequest["body"]>();
  const remember: AdditionalPolicy["policy"] = {
    name: "hardproofRememberBody",
    sendRequest(request, next) {
      if (request.body) bodies.set(request, request.body);
      return next(request);
    },
  };
  let seen: PipelineResponse | undefined;
  const restore: AdditionalPolicy["policy"] = {
    name: "hardproofChallenge",
    async sendRequest(request, next) {
      const token = /^Bearer (.+)$/.exec(request.headers.get("authorization") ?? "")?.[1];
      // An observer wants to see what the vault itself says.
      const challenge = onResponse ? undefined : challenges.get(vaultUrl);
      if (token === undefined && challenge) return { ...challenge, request };
      const body = bodies.get(request);
      if (token !== undefined && body) request.body = body;
      if (isPlaintext(vaultUrl)) request.requestOverrides = { ...request.requestOverrides, lookup };
      const response = await next(request);
      onResponse?.(response);
      assertKeyVault(response);
      if (token === undefined) seen = response.status === UNAUTHORIZED ? response : undefined;
      else if (response.status !== UNAUTHORIZED && seen) challenges.set(vaultUrl, seen);
      else if (response.status === UNAUTHORIZED) {
        challenges.delete(vaultUrl);
        onRejectedToken?.(token);
      }
      return withBody(response);
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

/** The SDK reads members of the body of every error response, and fails with a `TypeError` without one. */
function withBody(response: PipelineResponse): PipelineResponse {
  return response.bodyAsText ? response : { ...response, bodyAsText: "{}" };
}

/** Names under `localhost` are this machine, whether or not the resolver knows them (RFC 6761 §6.3). */
const lookup: LookupFunction = (_, { all }, callback) => {
  const loopback = { address: "127.0.0.1", family: 4 };
  if (all) callback(null, [loopback]);
  else callback(null, loopback.address, loopback.family);
};
