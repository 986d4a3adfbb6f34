/** Servers that others wrote, for keys of any algorithm: oidc-provider issues tokens, and oauth4webapi guards a resource. */
import { DPoPProver, dpopFetch, OAuthClient, type PublicJwk, type Signer } from "hardproof";
import { authorizationServer, confidential } from "./authorization-server.js";
import { resourceServer } from "./resource-server.js";

/** Running servers at which every key is registered. */
export interface AlgorithmServers {
  /**
   * Gets a token with a client assertion and a proof, both signed with the key, and calls the resource with another
   * proof.
   *
   * @returns The thumbprints of the key that the client, the token and the resource server report.
   */
  useKey(signer: Signer): Promise<{ key: string; token: string | null; resource: unknown }>;
  close(): Promise<void>;
}

const CLIENT_ID = "key-agent";

/** Starts the servers. They accept the algorithms of these keys. */
export async function algorithmServers(signers: readonly Signer[]): Promise<AlgorithmServers> {
  const keys = await Promise.all(signers.map(registration));
  const as = await authorizationServer({
    algorithms: [...new Set(keys.map(({ alg }) => alg))],
    clients: [
      {
        ...confidential,
        client_id: CLIENT_ID,
        token_endpoint_auth_method: "private_key_jwt",
        // The types of oidc-provider don't have the key type of ML-DSA.
        jwks: { keys } as never,
      },
    ],
  });
  const rs = await resourceServer({ issuer: as.issuer, audience: as.audience });
  return {
    async useKey(signer) {
      const prover = await DPoPProver.create(signer);
      const client = await OAuthClient.discover(as.issuer, { clientAuth: { method: "private_key_jwt", signer } });
      const { accessToken, cnfJkt } = await client.clientCredentials({ clientId: CLIENT_ID, dpopProver: prover });
      const response = await dpopFetch({ prover, token: accessToken })(rs.url);
      return { key: prover.jkt, token: cnfJkt, resource: Object(await response.json()).jkt };
    },
    close: async () => {
      await Promise.all([rs.close(), as.close()]);
    },
  };
}

async function registration(signer: Signer): Promise<PublicJwk & { use: string; kid: string }> {
  const { jkt } = await DPoPProver.create(signer);
  return { ...(await signer.publicJwk()), use: "sig", kid: jkt };
}
