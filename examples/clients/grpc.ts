/**
 * DPoP for gRPC: the metadata of each call of `@grpc/grpc-js`, and a retry after a nonce challenge.
 *
 * ```ts
 * const url = "https://api.example.com/accounts.v1.Accounts/List"; // POST, the path is /package.Service/Method
 * const reply = await callWithProof({ session: proofSession({ prover }), url, token }, (metadata) =>
 *   promisify(client.list.bind(client))(request, metadata),
 * );
 * ```
 *
 * The server sends `dpop-nonce` and `www-authenticate` as metadata of the status `UNAUTHENTICATED`. A stream has one proof,
 * from the time it is opened: let `call` return it as soon as its metadata or first message has arrived.
 */
import { Metadata, type ServiceError, status } from "@grpc/grpc-js";
import type { ProofSession, SessionRequest, SessionResponse } from "hardproof";

/** Makes a call with a new proof, and repeats it after each challenge that a new proof or token can answer. */
export async function callWithProof<Reply>(
  { session, url, token }: { session: ProofSession } & Pick<SessionRequest, "url" | "token">,
  call: (metadata: Metadata) => Promise<Reply>,
): Promise<Reply> {
  const attempt = session.request({ method: "POST", url, token });
  for (;;) {
    const metadata = new Metadata();
    for (const [name, value] of Object.entries(await attempt.headers())) metadata.set(name, value);
    try {
      return await call(metadata);
    } catch (error) {
      if (!isServiceError(error) || !(await attempt.canRetry(toResponse(error)))) throw error;
    }
  }
}

function isServiceError(error: unknown): error is ServiceError {
  return error instanceof Error && "code" in error && "metadata" in error && error.metadata instanceof Metadata;
}

/** The HTTP status is always 200 in gRPC. */
function toResponse({ code, metadata }: ServiceError): SessionResponse {
  return { status: code === status.UNAUTHENTICATED ? 401 : 200, headers: metadata.getMap() };
}
