/** Publishes why a caller gets a rejection as its response: the response itself is returned as it is. */
import type { DPoPProver } from "../dpop/prover.js";
import { accessChallenge } from "../oauth/access-challenge.js";
import { displayUrl } from "../oauth/http.js";
import { proofHint } from "../oauth/proof-hint.js";
import { type RejectionTrace, rejectionChannel } from "../tracing.js";
import type { ResponseHead } from "./credentials.js";

/** Publishes a rejection that no retry could answer, if there are subscribers. */
export function reportRejection(url: URL, { status, headers }: ResponseHead, prover: DPoPProver): void {
  if (!rejectionChannel.hasSubscribers) return;
  const challenge = accessChallenge(headers);
  const error = challenge?.error ?? undefined;
  const clockOffset = prover.clockOffsetFor(url);
  const hint = proofHint({ headers, error, errorDescription: challenge?.errorDescription, clockOffset });
  const message: RejectionTrace = { url: displayUrl(url), statusCode: status, error, jkt: prover.jkt, hint };
  rejectionChannel.publish(message);
}
