/** How the authorization server's only client proves who it is: by its secret (RFC 6749 §2.3.1) or its key (RFC 7523 §2.2). */
import { timingSafeEqual } from "node:crypto";
import { createLocalJWKSet, decodeJwt, type JWK, jwtVerify } from "jose";

/** The client, and the server's names in the `aud` of its assertions. */
export interface ClientCredentials {
  readonly clientId: string;
  readonly clientSecret: string;
  /** The public keys of `private_key_jwt`. Without one, only the secret is accepted. */
  readonly keys: readonly JWK[];
}

const ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/** Authenticates the client. */
export class ClientAuthentication {
  readonly #client: ClientCredentials;
  readonly #usedAssertions = new Set<string>();

  constructor(client: ClientCredentials) {
    this.#client = client;
  }

  /** The methods for the server's metadata (RFC 8414 §2). */
  get methods(): readonly string[] {
    return this.#client.keys.length > 0 ? ["private_key_jwt"] : ["client_secret_basic", "client_secret_post"];
  }

  /**
   * Returns what is wrong with a request, or `undefined` if it is the client's.
   *
   * @param audiences - The values of an assertion's `aud` that stand for the server.
   */
  async problem(
    form: URLSearchParams,
    authorization: string | undefined,
    audiences: string[],
  ): Promise<string | undefined> {
    const { keys } = this.#client;
    if (keys.length > 0) return this.#assertionProblem(form, audiences);
    const basic = /^Basic (\S+)$/i.exec(authorization ?? "")?.[1];
    const [id, secret] = basic === undefined ? [form.get("client_id"), form.get("client_secret")] : parseBasic(basic);
    const { clientId, clientSecret } = this.#client;
    return id === clientId && equal(secret ?? "", clientSecret) ? undefined : "The client ID or the secret is wrong.";
  }

  async #assertionProblem(form: URLSearchParams, audience: string[]): Promise<string | undefined> {
    const assertion = form.get("client_assertion") ?? "";
    if (form.get("client_assertion_type") !== ASSERTION_TYPE) return "The client must authenticate by private_key_jwt.";
    const { keys, clientId } = this.#client;
    const expected = {
      issuer: clientId,
      subject: clientId,
      audience,
      maxTokenAge: 300,
      requiredClaims: ["exp", "jti"],
    };
    const problem = await jwtVerify(assertion, createLocalJWKSet({ keys: [...keys] }), expected).then(
      () => undefined,
      (error: Error) => `The client assertion is invalid: ${error.message}`,
    );
    if (problem !== undefined) return problem;
    const { jti = "" } = decodeJwt(assertion);
    if (this.#usedAssertions.has(jti)) return "The client assertion was used before.";
    this.#usedAssertions.add(jti);
    return undefined;
  }
}

/** Both parts are form-encoded (RFC 6749 §2.3.1). */
function parseBasic(credentials: string): string[] {
  const text = Buffer.from(credentials, "base64").toString();
  const at = text.indexOf(":");
  return [text.slice(0, at), text.slice(at + 1)].map((part) => new URLSearchParams(`=${part}`).get("") ?? "");
}

/** Compares in constant time. */
function equal(one: string, other: string): boolean {
  const [a, b] = [Buffer.from(one), Buffer.from(other)];
  return a.length === b.length && timingSafeEqual(a, b);
}
