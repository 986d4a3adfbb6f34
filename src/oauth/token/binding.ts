/** Checks what a token is bound to: the prover's key (RFC 9449 §6), the client's certificate (RFC 8705 §3), or both. */
import { boundCertificates, boundKeys, isBound, type Token } from "./token.js";
import type { TokenBinding } from "./token-request.js";

/** What a token must be bound to. */
export interface ExpectedBinding {
  /** Thumbprint of the prover's key. `undefined` if the request doesn't have a proof. */
  readonly jkt: string | undefined;
  /** Thumbprint of the client's certificate. `undefined` if the client doesn't know it: it isn't checked then. */
  readonly x5t: string | undefined;
  /** Whether the token must be bound to the certificate, and not only if the server binds it. */
  readonly toCertificate: boolean;
  /** Whether the response must confirm the binding. */
  readonly required: boolean;
}

/** What the client knows about the binding of its tokens. */
interface BindingClient {
  readonly certificateThumbprint?: string | undefined;
  readonly requireBinding?: boolean | undefined;
}

/** Returns what the token of a request must be bound to. */
export function expectedBinding(
  { dpopProver, binding, requireBinding }: TokenBinding & { requireBinding?: boolean | undefined },
  client: BindingClient,
): ExpectedBinding {
  return {
    jkt: dpopProver?.jkt,
    x5t: client.certificateThumbprint,
    toCertificate: binding === "certificate",
    required: requireBinding ?? client.requireBinding ?? false,
  };
}

/**
 * Returns why a token can't be used, as the end of a sentence that starts with "The token"; `undefined` if it can.
 *
 * A token without a proof must not be bound to a key: no resource server accepts it as a bearer token.
 */
export function bindingProblem(token: Token, expected: ExpectedBinding): string | undefined {
  const problem = keyProblem(token, expected) ?? certificateProblem(token, expected);
  return problem ?? (expected.required ? unconfirmed(token, expected) : undefined);
}

function keyProblem(token: Token, { jkt }: ExpectedBinding): string | undefined {
  const otherKey = boundKeys(token.raw, token.accessToken).find((key) => key !== jkt);
  const key = otherKey === undefined ? "a key by DPoP" : `key ${otherKey}`;
  if (jkt === undefined) return isBound(token) ? `is bound to ${key}, but no proof was sent` : undefined;
  return otherKey === undefined ? undefined : `is bound to ${key}, not to the prover's key ${jkt}`;
}

function certificateProblem(token: Token, { x5t }: ExpectedBinding): string | undefined {
  if (x5t === undefined) return undefined;
  const other = boundCertificates(token.raw, token.accessToken).find((thumbprint) => thumbprint !== x5t);
  return other === undefined ? undefined : `is bound to certificate ${other}, not to the client's certificate ${x5t}`;
}

function unconfirmed(token: Token, { jkt, toCertificate }: ExpectedBinding): string | undefined {
  if (jkt !== undefined && !isBound(token)) return "isn't bound to a key, but the option requireBinding is set";
  if (toCertificate && token.cnfX5t === null)
    return "isn't bound to a certificate, but the option requireBinding is set";
  return undefined;
}
