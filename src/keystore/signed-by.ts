/** Which replica made a signature, for traces: a signature alone doesn't say it, since all replicas have the same key. */

const replicas = new WeakMap<Uint8Array, { readonly uri: string | undefined }>();

/** Records the replica that made a signature. */
export function recordReplica(signature: Uint8Array, uri: string | undefined): void {
  replicas.set(signature, { uri });
}

/** Sets the URI of the trace to that of the replica that made the signature, if a replica made it. */
export function traceReplica(signature: Uint8Array, trace: { uri: string | undefined } | undefined): void {
  const replica = trace && replicas.get(signature);
  if (replica) trace.uri = replica.uri;
}
