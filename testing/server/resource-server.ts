/** A small resource server on loopback, which accepts only DPoP-bound tokens (RFC 9449 §7.1, §9). */
import { createLocalJWKSet, type JWK, type JWTPayload, jwtVerify } from "jose";
import { ALGORITHM_NAMES } from "../../src/index.js";
import { ProofRejection } from "./check-proof.js";
import { type JsonDocument, type JsonServer, startServer } from "./json-server.js";
import type { ProofGuard } from "./proof-guard.js";
import type { Recorder } from "./recorder.js";

/** A running resource server. */
export interface ResourceServer extends JsonServer {
  /** A resource. The server answers every other path in the same way. */
  readonly url: string;
}

/** The tokens that the server accepts, and what it needs to check proofs. */
export interface ResourceServerOptions {
  readonly issuer: string;
  /** The keys that verify the issuer's tokens. */
  readonly keys: readonly JWK[];
  readonly proofs: ProofGuard;
  readonly recorder: Recorder;
}

const WELL_KNOWN = "/.well-known/oauth-protected-resource";

/** Starts the resource server. */
export async function startResourceServer(options: ResourceServerOptions): Promise<ResourceServer> {
  const { issuer, recorder, proofs } = options;
  const keySet = createLocalJWKSet({ keys: [...options.keys] });
  const server = await startServer(async (request, origin) => {
    const [path = "/"] = (request.url ?? "/").split("?");
    request.resume();
    if (path.startsWith(WELL_KNOWN))
      return { status: 200, body: metadata(origin + path.slice(WELL_KNOWN.length), issuer) };
    const challenge = (error: string, description: string) =>
      challengeOf(error, description, origin + WELL_KNOWN + path);
    return recorder.respond("resource", request, async () => {
      const [, value = ""] = /^DPoP (\S+)$/i.exec(request.headers.authorization ?? "") ?? [];
      const claims = await verifyToken(value, origin);
      const jkt = boundKey(claims);
      if (jkt === undefined)
        return challenge("invalid_token", "The request needs a valid token that is bound to a key.");
      const rejection = await proofs.check(request, origin + path, { value, jkt }).then(() => undefined, rejectionOf);
      const response: JsonDocument = rejection
        ? challenge(rejection.error, rejection.message)
        : { status: 200, body: { hello: claims?.client_id, jkt } };
      return { ...response, headers: { ...response.headers, ...proofs.headers } };
    });
  });
  return { ...server, url: `${server.origin}/resource` };

  async function verifyToken(token: string, audience: string): Promise<JWTPayload | undefined> {
    const verified = jwtVerify(token, keySet, { issuer, audience, typ: "at+jwt", algorithms: ["ES256"] });
    return verified.then(({ payload }) => payload).catch(() => undefined);
  }
}

/** RFC 9728 §2. */
function metadata(resource: string, issuer: string) {
  return {
    resource,
    authorization_servers: [issuer],
    dpop_signing_alg_values_supported: ALGORITHM_NAMES,
    dpop_bound_access_tokens_required: true,
  };
}

function boundKey(claims: JWTPayload | undefined): string | undefined {
  const cnf = claims?.cnf;
  const jkt = typeof cnf === "object" && cnf !== null && "jkt" in cnf ? cnf.jkt : undefined;
  return typeof jkt === "string" ? jkt : undefined;
}

function rejectionOf(error: unknown): ProofRejection {
  if (error instanceof ProofRejection) return error;
  throw error;
}

function challengeOf(error: string, error_description: string, resourceMetadata: string): JsonDocument {
  const description = error_description.replace(/["\\]/g, "");
  const parameters = {
    error,
    error_description: description,
    algs: ALGORITHM_NAMES.join(" "),
    resource_metadata: resourceMetadata,
  };
  const challenge = Object.entries(parameters).map(([name, value]) => `${name}="${value}"`);
  const headers: Record<string, string> = { "www-authenticate": `DPoP ${challenge.join(", ")}` };
  return { status: 401, body: { error, error_description }, headers };
}
