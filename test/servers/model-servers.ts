/** A model of both servers that detects replays and rejects a wrong nonce, token or time, with faults for tests. */
import { createHash } from "node:crypto";
import { decodeJwt } from "jose";

/** The model of an authorization server and a resource server. */
export interface ModelServers {
  /** A `fetch` for the client and `dpopFetch`. It waits for `turn` before and after it handles a request. */
  fetch(turn: () => Promise<void>): typeof fetch;
  /** What a client must never do. Must be empty at the end. */
  readonly violations: string[];
  /** The number of requests of each call, by its `x-call` header. */
  readonly requests: Map<string, number>;
  rotate(server: "as" | "rs"): void;
  revoke(): void;
  /** Lets the next requests fail by a broken connection, a 503, or a nonce that is stale as soon as it is returned. */
  fail(server: "as" | "rs", fault: Fault, times: number): void;
  /** Ends all faults. */
  recover(): void;
  /** Seconds by which the servers' clock is ahead. */
  skew: number;
}

type Fault = "break" | "503" | "stale-nonce";

/** The origin of the authorization server. */
export const AS = "https://as.example";
/** The origin of the resource server. */
export const RS = "https://rs.example";
const LIFETIME = 100;

/** Creates the model. */
export function modelServers(): ModelServers {
  const seen = new Set<string>();
  const nonces = { as: "as-0", rs: "rs-0" };
  const faults: Record<"as" | "rs", Fault[]> = { as: [], rs: [] };
  const tokens = new Map<string, number>();
  let counter = 0;
  let tokenRequests = 0;

  const model: ModelServers = {
    violations: [],
    requests: new Map(),
    skew: 0,
    rotate: (server) => {
      nonces[server] = `${server}-${++counter}`;
    },
    revoke: () => tokens.clear(),
    fail: (server, fault, times) => faults[server].push(...Array(times).fill(fault)),
    recover: () => {
      faults.as = [];
      faults.rs = [];
    },
    fetch: (turn) => async (input, init) => {
      const request = new Request(input, init);
      const server = request.url.startsWith(AS) ? "as" : "rs";
      if (server === "as" && ++tokenRequests > 1) model.violations.push("concurrent token requests");
      await turn();
      const fault = faults[server].shift();
      const response = responseOf(server, request, fault);
      if (fault === "stale-nonce") model.rotate(server);
      await turn();
      if (server === "as") tokenRequests--;
      if (response === "break") throw new TypeError("fetch failed");
      return response;
    },
  };

  function responseOf(server: "as" | "rs", request: Request, fault: Fault | undefined): Response | "break" {
    const { jti = "", iat = 0, nonce, htm, htu, ath } = decodeJwt(request.headers.get("dpop") ?? "");
    const call = request.headers.get("x-call");
    if (call) model.requests.set(call, (model.requests.get(call) ?? 0) + 1);
    if (seen.has(jti)) model.violations.push(`replay of ${jti}`);
    seen.add(jti);
    if (htm !== request.method || htu !== request.url) model.violations.push(`${htm} ${htu} for ${request.url}`);
    if (nonce !== undefined && !String(nonce).startsWith(server)) model.violations.push(`${nonce} sent to ${server}`);
    if (fault === "break") return "break";
    if (fault === "503") return respond(503, {});
    const isSkewed = Math.abs(iat - Date.now() / 1000 - model.skew) > 60;
    if (server === "as") return nonce === nonces.as ? grant() : reject(server, "use_dpop_nonce");
    const token = request.headers.get("authorization")?.replace(/^DPoP /, "") ?? "";
    if (ath !== createHash("sha256").update(token).digest("base64url"))
      model.violations.push("ath of a different token");
    if (isSkewed) return reject(server, "invalid_dpop_proof");
    if (nonce !== nonces.rs) return reject(server, "use_dpop_nonce");
    if ((tokens.get(token) ?? 0) < Date.now()) return reject(server, "invalid_token");
    return respond(200, {}, server);
  }

  function grant(): Response {
    const access_token = `token-${++counter}`;
    tokens.set(access_token, Date.now() + LIFETIME * 1000);
    return respond(200, { access_token, token_type: "DPoP", expires_in: LIFETIME }, "as");
  }

  function reject(server: "as" | "rs", error: string): Response {
    return respond(server === "as" ? 400 : 401, { error }, server, {
      "www-authenticate": `Bearer, DPoP error="${error}"`,
    });
  }

  function respond(status: number, body: object, server?: "as" | "rs", headers: Record<string, string> = {}): Response {
    const date = new Date(Date.now() + model.skew * 1000).toUTCString();
    return Response.json(body, {
      status,
      headers: { ...headers, date, ...(server && { "dpop-nonce": nonces[server] }) },
    });
  }
  return model;
}
