/** A model of two servers that refuse any replay and any wrong nonce, token or time, with faults that a test turns on. */
import { createHash } from "node:crypto";
import { decodeJwt } from "jose";

export interface ModelServers {
  /** For the client and for `dpopFetch`: answers once `turn` has let it. */
  fetch(turn: () => Promise<void>): typeof fetch;
  /** What a client must never do; empty at the end. */
  readonly violations: string[];
  /** Requests of each call, by its `x-call`. */
  readonly requests: Map<string, number>;
  rotate(server: "as" | "rs"): void;
  revoke(): void;
  /** The next requests to it meet a broken connection, a 503, or a nonce that is stale as soon as it is given out. */
  fail(server: "as" | "rs", how: Fault, times: number): void;
  heal(): void;
  /** Seconds that the servers' clock is ahead. */
  skew: number;
}

type Fault = "break" | "503" | "restless";

export const AS = "https://as.example";
export const RS = "https://rs.example";
const LIFETIME = 100;

export function modelServers(): ModelServers {
  const seen = new Set<string>();
  const nonces = { as: "as-0", rs: "rs-0" };
  const faults: Record<"as" | "rs", Fault[]> = { as: [], rs: [] };
  const tokens = new Map<string, number>();
  let counter = 0;
  let asking = 0;

  const model: ModelServers = {
    violations: [],
    requests: new Map(),
    skew: 0,
    rotate: (server) => {
      nonces[server] = `${server}-${++counter}`;
    },
    revoke: () => tokens.clear(),
    fail: (server, how, times) => faults[server].push(...Array(times).fill(how)),
    heal: () => {
      faults.as = [];
      faults.rs = [];
    },
    fetch: (turn) => async (input, init) => {
      const request = new Request(input, init);
      const server = request.url.startsWith(AS) ? "as" : "rs";
      if (server === "as" && ++asking > 1) model.violations.push("two token requests at once");
      await turn();
      const fault = faults[server].shift();
      const answer = answerOf(server, request, fault);
      if (fault === "restless") model.rotate(server);
      await turn();
      if (server === "as") asking--;
      if (answer === "break") throw new TypeError("fetch failed");
      return answer;
    },
  };

  function answerOf(server: "as" | "rs", request: Request, fault: Fault | undefined): Response | "break" {
    const { jti = "", iat = 0, nonce, htm, htu, ath } = decodeJwt(request.headers.get("dpop") ?? "");
    const call = request.headers.get("x-call");
    if (call) model.requests.set(call, (model.requests.get(call) ?? 0) + 1);
    if (seen.has(jti)) model.violations.push(`replay of ${jti}`);
    seen.add(jti);
    if (htm !== request.method || htu !== request.url) model.violations.push(`${htm} ${htu} for ${request.url}`);
    if (nonce !== undefined && !String(nonce).startsWith(server))
      model.violations.push(`${nonce} sent to the ${server}`);
    if (fault === "break") return "break";
    if (fault === "503") return answer(503, {});
    const skewed = Math.abs(iat - Date.now() / 1000 - model.skew) > 60;
    if (server === "as") return nonce === nonces.as ? grant() : refuse(server, "use_dpop_nonce");
    const token = request.headers.get("authorization")?.replace(/^DPoP /, "") ?? "";
    if (ath !== createHash("sha256").update(token).digest("base64url")) model.violations.push("ath of another token");
    if (skewed) return refuse(server, "invalid_dpop_proof");
    if (nonce !== nonces.rs) return refuse(server, "use_dpop_nonce");
    if ((tokens.get(token) ?? 0) < Date.now()) return refuse(server, "invalid_token");
    return answer(200, {}, server);
  }

  function grant(): Response {
    const access_token = `token-${++counter}`;
    tokens.set(access_token, Date.now() + LIFETIME * 1000);
    return answer(200, { access_token, token_type: "DPoP", expires_in: LIFETIME }, "as");
  }

  function refuse(server: "as" | "rs", error: string): Response {
    return answer(server === "as" ? 400 : 401, { error }, server, {
      "www-authenticate": `Bearer, DPoP error="${error}"`,
    });
  }

  function answer(status: number, body: object, server?: "as" | "rs", headers: Record<string, string> = {}): Response {
    const date = new Date(Date.now() + model.skew * 1000).toUTCString();
    return Response.json(body, {
      status,
      headers: { ...headers, date, ...(server && { "dpop-nonce": nonces[server] }) },
    });
  }
  return model;
}
