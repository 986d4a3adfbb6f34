/**
 * What can be watched: tracing channels of `node:diagnostics_channel`. Messages say what was signed and asked for, and
 * with which key; a proof, token or secret is never in them.
 *
 * - `hardproof.signature`: one DPoP proof or client assertion; {@link SignatureTrace}
 * - `hardproof.token`: one call of `getTokenWithDPoP`; {@link TokenTrace}
 *
 * Each has the sub-channels `tracing:NAME:start`, `:asyncEnd` and `:error`, with the same object in all of them.
 */
import { type TracingChannel, tracingChannel } from "node:diagnostics_channel";

interface Outcome {
  /** Milliseconds, once it has ended. */
  duration?: number;
  /** `ok`, or the code of the error. */
  outcome?: string;
  /** Set on `:error`. */
  error?: unknown;
}

export interface SignatureTrace extends Outcome {
  readonly kind: "dpop" | "client_assertion";
  readonly jti: string;
  /** Thumbprint of the key. */
  readonly jkt: string;
  /** The key's URI, without any PIN; `undefined` for a signer that has none. */
  readonly uri: string | undefined;
  readonly htm?: string;
  readonly htu?: string;
  /** Of a client assertion. */
  readonly aud?: string;
}

export interface TokenTrace extends Outcome {
  readonly url: string;
  readonly grantType: string;
  readonly clientId: string;
  readonly jkt: string;
  readonly uri: string | undefined;
  /** The HTTP status of the last answer. */
  statusCode?: number;
}

export const signatureChannel: TracingChannel<unknown, SignatureTrace> = tracingChannel("hardproof.signature");
export const tokenChannel: TracingChannel<unknown, TokenTrace> = tracingChannel("hardproof.token");

/** Runs the work and publishes its start and end. `tracePromise` would publish the result, which is a secret here. */
export function traced<Trace extends Outcome, T>(
  channel: TracingChannel<unknown, Trace>,
  trace: () => Trace,
  work: (trace: Trace | undefined) => Promise<T>,
): Promise<T> {
  const { start, asyncEnd, error } = channel;
  if (!start.hasSubscribers && !asyncEnd.hasSubscribers && !error.hasSubscribers) return work(undefined);
  const message = trace();
  const began = performance.now();
  const end = (outcome: string) => {
    Object.assign(message, { outcome, duration: performance.now() - began });
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
