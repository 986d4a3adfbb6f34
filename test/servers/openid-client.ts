/** A stub OpenID provider with one key, and clients of it that prove a key of their own. */
import { DPoPProver, OAuthClient, type OAuthClientOptions } from "hardproof";
import { providerKey, stubOpenId } from "./stub-openid.js";

/** The client's ID at the stub. */
export const clientId = "my-agent";

/**
 * Starts the stub.
 *
 * @param metadata - Returns metadata of the server at an origin. That of a client replaces it.
 * @param options - Options of each client.
 */
export async function openIdClient(metadata: (origin: string) => object, options: Partial<OAuthClientOptions> = {}) {
  const [server, prover, key] = await Promise.all([stubOpenId(), DPoPProver.generate(), providerKey()]);
  return {
    server,
    prover,
    key,
    /** Publishes the key, and forgets the requests. */
    reset: () => {
      server.publish(key.jwk);
      server.requests.length = 0;
    },
    agent: () => ({ clientId, dpopProver: prover }),
    /** Each client has a `fetch` of its own, so that keys cached by other tests don't count. */
    clientOf: (moreMetadata: object = {}, moreOptions: object = {}) =>
      new OAuthClient({
        baseUrl: server.origin,
        ...options,
        metadata: server.metadata({ ...metadata(server.origin), ...moreMetadata }),
        fetch: (url, init) => fetch(url, init),
        ...moreOptions,
      }),
  };
}
