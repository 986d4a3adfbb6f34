/** The responses to `GetPublicKey` that the signers of a process share, by key ARN, server and client. */
import { PublicKeyCache } from "../../src/keystore/public-key-cache.js";
import type { AwsKmsClientOptions, GetPublicKeyCommandOutput } from "./client.js";

type Cache = PublicKeyCache<GetPublicKeyCommandOutput>;

/** A place in a cache: the key ARN at one server. */
export interface CachedPublicKey {
  /** Returns the response, and fetches it unless it is cached. */
  get(fetch: () => Promise<GetPublicKeyCommandOutput>): Promise<GetPublicKeyCommandOutput>;
  /** Removes the response, because it doesn't fit the key. */
  forget(): void;
}

const shared: Cache = new PublicKeyCache();
const byOwner = new WeakMap<object, Cache>();
/** With these, the SDK chooses the server of a client that doesn't have an endpoint. */
const ENDPOINT_VARIABLES = ["AWS_ENDPOINT_URL_KMS", "AWS_ENDPOINT_URL", "AWS_PROFILE", "AWS_CONFIG_FILE"];

/** Returns the place of a key ARN. It must be the ARN of a key: an alias can be moved to another key. */
export function cachedPublicKey(keyArn: string, options: AwsKmsClientOptions): CachedPublicKey {
  const cache = cacheOf(options);
  const { endpoint, region, profile } = options.config;
  const environment = ENDPOINT_VARIABLES.map((name) => process.env[name]);
  const name = JSON.stringify([keyArn, endpoint, region, profile, ...environment]);
  return { get: (fetch) => cache.get(name, fetch), forget: () => cache.forget(name) };
}

/** What the caller made itself may reach another server, so it has its own cache. */
function cacheOf({ client, config: { endpoint, region, requestHandler } }: AwsKmsClientOptions): Cache {
  const isHandler = requestHandler !== undefined && "handle" in requestHandler;
  const candidates: unknown[] = [client, isHandler && requestHandler, endpoint, region];
  const made = candidates.find(isObject);
  if (made === undefined) return shared;
  const cache = byOwner.get(made) ?? new PublicKeyCache();
  byOwner.set(made, cache);
  return cache;
}

function isObject(value: unknown): value is object {
  return (typeof value === "object" && value !== null) || typeof value === "function";
}
