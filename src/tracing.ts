/**
 * Tracing channels of `node:diagnostics_channel`. Messages contain what was signed or requested, and with which key;
 * they never contain a proof, a token or a secret.
 *
 * - `hardproof.signature`: One DPoP proof or other JWT; {@link SignatureTrace}.
 * - `hardproof.token`: One call that requests a token, including its retries; {@link TokenTrace}.
 *
 * - `hardproof.rejection`: A response to a request with a proof that was returned although the server rejected the proof or
 *   the token, since no retry could help; {@link RejectionTrace}. This is a plain channel, without events.
 * - `hardproof.replica`: A replica of a `replicaSigner` that failed, also if another one has signed; {@link ReplicaTrace}. This
 *   is a plain channel, too.
 * - `hardproof.waiting`: A call of a key store hasn't ended within one second; {@link WaitingTrace}. This is a plain channel, too.
 *
 * Each of the others has the events `tracing:NAME:start`, `:error` and `:asyncEnd`. All events of one operation have
 * the same message object.
 */
import { type Channel, channel, type TracingChannel, tracingChannel } from "node:diagnostics_channel";

interface Outcome {
  /** Milliseconds. Set when the operation has ended. */
  duration?: number;
  /** `ok`, or the code of the error. Set when the operation has ended. */
  outcome?: string;
  /** What the operation threw. Set on `:error`. */
  error?: unknown;
}

/** Message of the channel `hardproof.signature`. */
export interface SignatureTrace extends Outcome {
  /** What was signed. */
  readonly kind: "dpop" | "client_assertion" | "request_object" | "client_attestation" | "attestation_pop";
  /** The JWT's `jti` claim. */
  readonly jti: string;
  /** SHA-256 JWK thumbprint of the key (RFC 7638), base64url. */
  readonly jkt: string;
  /**
   * The key's URI without a PIN, or `undefined` if the signer doesn't have one. For a `replicaSigner`, the first
   * replica's; when the operation has ended successfully, that of the replica that signed.
   */
  uri: string | undefined;
  /** The proof's HTTP method. Set only for a proof. */
  readonly htm?: string;
  /** The proof's URL, without query and fragment. Set only for a proof. */
  readonly htu?: string;
  /** The audience of a client assertion, request object or proof of possession of an attested key. */
  readonly aud?: string;
  /** The client that a key was attested for. Set only for a client attestation. */
  readonly clientId?: string;
  /** SHA-256 JWK thumbprint of the attested key. Set only for a client attestation. */
  readonly attestedJkt?: string;
}

/** Message of the channel `hardproof.token`. */
export interface TokenTrace extends Outcome {
  /** The URL of the token endpoint. */
  readonly url: string;
  /** The requested grant type. */
  readonly grantType: string;
  /** The client that the token was requested for. */
  readonly clientId: string;
  /** SHA-256 JWK thumbprint of the key (RFC 7638), base64url. `undefined` if the request doesn't have a proof. */
  readonly jkt: string | undefined;
  /** The key's URI without a PIN, or `undefined` if the signer doesn't have one. */
  readonly uri: string | undefined;
  /** SHA-256 thumbprint of the client's certificate (RFC 8705 §3.1), base64url. Set for `binding: "certificate"`. */
  readonly x5t?: string;
  /** The HTTP status of the last response. */
  statusCode?: number;
}

/** Message of the channel `hardproof.rejection`. */
export interface RejectionTrace {
  /** The URL of the request, without its query. */
  readonly url: string;
  /** The HTTP status of the response. */
  readonly statusCode: number;
  /** The error code of the challenge, if there is one. */
  readonly error: string | undefined;
  /** SHA-256 JWK thumbprint of the key (RFC 7638), base64url. */
  readonly jkt: string;
  /** What may help: the clock, the option `htu`, or a missing `DPoP-Nonce` header. `undefined` if nothing indicates a cause. */
  readonly hint: string | undefined;
}

/** Message of the channel `hardproof.replica`. */
export interface ReplicaTrace {
  /** The replica's URI without a PIN, or `undefined` if its signer doesn't have one. */
  readonly uri: string | undefined;
  /** Why it failed. */
  readonly error: unknown;
  /** Milliseconds for which it rests. 0 if the error isn't `retryable`, since no other replica was used instead. */
  readonly cooldown: number;
}

/** Message of the channel `hardproof.waiting`. */
export interface WaitingTrace {
  /** The URI of the key or the store, without a PIN. */
  readonly uri: string;
  /** Whether the store is one that asks its user to confirm. */
  readonly mayAskUser: boolean;
}

/** Publishes a {@link WaitingTrace} when a call of a store doesn't end within a second. */
export const waitingChannel: Channel = channel("hardproof.waiting");
/** Publishes a {@link ReplicaTrace} for each failure of a replica. */
export const replicaChannel: Channel = channel("hardproof.replica");
/** Publishes a {@link RejectionTrace} for each rejection that a caller gets as a response. */
export const rejectionChannel: Channel = channel("hardproof.rejection");
// The two parameters changed places in the types of Node 26, so they are the same.
/** Publishes each DPoP proof, client assertion, request object, client attestation and its proof of possession. */
export const signatureChannel: TracingChannel<SignatureTrace, SignatureTrace> = tracingChannel("hardproof.signature");
/** Publishes each call of `getToken`, `getTokenWithDPoP` or of a method for a specific grant. */
export const tokenChannel: TracingChannel<TokenTrace, TokenTrace> = tracingChannel("hardproof.token");

/**
 * Runs work and publishes its start and end. Unlike `tracePromise`, it doesn't publish the result, which is secret.
 *
 * @param trace - Creates the message. Called only if the channel has subscribers.
 */
export function traced<Trace extends Outcome, T>(
  channel: TracingChannel<Trace, Trace>,
  trace: () => Trace,
  work: (trace: Trace | undefined) => Promise<T>,
): Promise<T> {
  const { start, asyncEnd, error } = channel;
  if (!start.hasSubscribers && !asyncEnd.hasSubscribers && !error.hasSubscribers) return work(undefined);
  const message = trace();
  const startTime = performance.now();
  const end = (outcome: string) => {
    Object.assign(message, { outcome, duration: performance.now() - startTime });
  };
  return start.runStores(message, () =>
    work(message).then(
      (result) => {
        end("ok");
        asyncEnd.publish(message);
        return result;
      },
      (reason) => {
        end(codeOf(reason));
        message.error = reason;
        error.publish(message);
        asyncEnd.publish(message);
        throw reason;
      },
    ),
  );
}

function codeOf(reason: unknown): string {
  return reason instanceof Error && "code" in reason ? String(reason.code) : "error";
}
