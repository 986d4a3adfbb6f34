/** What the scenarios share. */
import { type Token as AccessToken, type DPoPProver, OAuthClient, type Signer } from "hardproof";
import type { AuthorizationServer } from "../../servers/authorization-server.js";
import type { ResourceServer } from "../../servers/resource-server.js";
import type { Token } from "../../tokens/index.js";
import type { Scenario } from "../scenario.js";
import type { Nginx } from "./server.js";

/** What the scenarios share. */
export interface Setting {
  readonly scenario: Scenario;
  /**
   * Removes the prefixes of these locations, and passes its own `Host`: `/auth` and `/api` in front of the two servers
   * below, and `/clock` in front of an authorization server that checks the time of proofs. The strict server is behind
   * `/raw`, which changes nothing, and `/cut`, which removes the prefix.
   */
  readonly front: Nginx;
  readonly authorizationServer: AuthorizationServer;
  /** Requires nonces, as `authorizationServer` does. */
  readonly resource: ResourceServer;
  /** Checks the time of proofs, since it doesn't have nonces. */
  readonly clockServer: AuthorizationServer;
  /** The location `/raw`, as nginx's configuration has it. */
  readonly rawLocation: string;
  readonly hsm: Token;
  readonly signer: Signer;
  readonly prover: DPoPProver;
}

/** Returns the option `htu` for a location that removes its prefix. */
export function htuOf(prefix: string, inner: string): (url: URL) => string {
  return ({ pathname }) => inner + pathname.slice(prefix.length);
}

/** Creates a client of the authorization server, whose metadata would name the URLs behind nginx. */
export function clientOf({ front, authorizationServer: { issuer } }: Setting, fetch = front.fetch): OAuthClient {
  return new OAuthClient({ baseUrl: `${front.origin}/auth`, fetch, htu: htuOf("/auth", issuer), requireBinding: true });
}

/** Requests a token for the resource. */
export function requestToken(setting: Setting): Promise<AccessToken> {
  const { authorizationServer: server, prover: dpopProver } = setting;
  return clientOf(setting).clientCredentials({ ...server.client, dpopProver, scope: "read" });
}
