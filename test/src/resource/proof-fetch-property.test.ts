/** Property: an assertion or proof of `proofFetch` never reaches a URL outside the named ones. */
import fc from "fast-check";
import { DPoPProver, proofFetch } from "hardproof";
import { MemorySigner } from "hardproof/memory";
import { decodeJwt } from "jose";
import { expect, it } from "vitest";

const ORIGIN = "https://auth.example.com";
const ALLOWED = [ORIGIN, `${ORIGIN}:8443`, "https://evil.com"];
const ENDPOINTS = [`${ORIGIN}/oauth/token`, `${ORIGIN}/par?tenant=a`];

const prover = await DPoPProver.generate();
const signer = MemorySigner.generate();

/** Returns the value of an endpoint in half of the cases, otherwise one that is equal, or nearly equal, to it. */
const near = (exact: string, ...others: string[]) =>
  fc.oneof({ weight: 3, arbitrary: fc.constant(exact) }, { weight: 1, arbitrary: fc.constantFrom(...others) });

const part = {
  scheme: near("https:", "HTTPS:", "http:", "wss:", "ftp:"),
  user: near("", "auth.example.com@", "u:p@", "@"),
  host: near(
    "auth.example.com",
    ...["AUTH.Example.com", "auth.example.com.", "auth.example.com.evil.com", "evil.com", "auth%2eexample.com"],
    ...["аuth.example.com", "auth.example.com\\@evil.com", "127.0.0.1"],
  ),
  port: near("", ":443", ":0443", ":8443", ":80"),
  path: near(
    "/oauth/token",
    ...["/oauth/token/", "/oauth/./token", "/x/../oauth/token", "/oauth/%74oken", "/oauth/token%2f", "/OAUTH/token"],
    ...["//oauth/token", "/oauth\\token", "/oauth/token;a", "/oauth/%2e%2e/oauth/token", "/", "/par", "/par"],
  ),
  query: near("", "?", "?tenant=a", "?tenant=a", "?tenant=A", "?tenant=a&b", "?TENANT=a", "?tenant=%61"),
  fragment: near("", "#", "#/oauth/token"),
};
const url = fc
  .record(part)
  .map(
    ({ scheme, user, host, port, path, query, fragment }) =>
      `${scheme}//${user}${host}${port}${path}${query}${fragment}`,
  );
const reference = fc.oneof(
  url,
  fc.constantFrom("/oauth/token", "token", "//evil.com/oauth/token", "/par?tenant=a", "", "?a"),
);
const redirect = fc.record({ status: fc.constantFrom(301, 302, 303, 307, 308), location: reference });
const kind = fc.constantFrom("form" as const, "token" as const);

interface Sent {
  readonly url: URL;
  readonly proof: string | undefined;
  readonly assertion: string | undefined;
}

/** Responds with the redirects, one after the other, and records what is sent to which URL. */
function recorder(redirects: { status: number; location: string }[]) {
  const sent: Sent[] = [];
  const fetch = async (input: string | URL | Request, init: RequestInit = {}) => {
    const body = init.body instanceof URLSearchParams ? init.body : undefined;
    const proof = new Headers(init.headers).get("dpop") ?? undefined;
    sent.push({ url: new URL(String(input)), proof, assertion: body?.get("client_assertion") ?? undefined });
    const next = redirects[sent.length - 1];
    return next
      ? new Response(null, { status: next.status, headers: { location: encodeURI(next.location) } })
      : new Response("ok");
  };
  return { sent, fetch };
}

function requestOf(kind: "form" | "token"): RequestInit {
  if (kind === "token")
    return { method: "POST", body: new URLSearchParams(), headers: { authorization: "Bearer a.b" } };
  return { method: "POST", body: new URLSearchParams({ grant_type: "client_credentials" }) };
}

/** What the server at the other end sees: the request line and the host, as `fetch` sends them. */
function addressed({ origin, pathname, search }: URL): string {
  return `${origin}${pathname}${search}`;
}

it("sends assertions only to the endpoints, and proofs only to allowed origins, whatever the URL and the redirects", async () => {
  const seen = { assertion: 0, bareForm: 0, token: 0, followed: 0, rejected: 0 };
  await fc.assert(
    fc.asyncProperty(url, kind, fc.array(redirect, { maxLength: 3 }), async (target, kind, redirects) => {
      const { sent, fetch } = recorder(redirects);
      const clientAssertion = { signer, clientId: "my-agent", endpoints: ENDPOINTS, audience: ORIGIN };
      const call = proofFetch({ prover, clientAssertion, allowedOrigins: ALLOWED, fetch });
      const rejected = await call(target, requestOf(kind)).then(
        () => false,
        () => true,
      );
      for (const { url, proof, assertion } of sent) {
        expect(ALLOWED).toContain(url.origin);
        expect(url.origin).toBe(sent[0]?.url.origin);
        expect(decodeJwt(proof ?? "").htu).toBe(url.origin + url.pathname);
        if (assertion !== undefined) expect(ENDPOINTS).toContain(addressed(url));
      }
      const [first] = sent;
      const isEndpoint = first !== undefined && ENDPOINTS.includes(addressed(first.url));
      expect(first?.assertion !== undefined).toBe(isEndpoint && kind === "form");
      if (first?.assertion !== undefined) expect(sent).toHaveLength(1);
      if (first?.assertion !== undefined) seen.assertion++;
      if (first && kind === "form" && !isEndpoint) seen.bareForm++;
      if (kind === "token" && first) seen.token++;
      if (sent.length > 1) seen.followed++;
      if (rejected) seen.rejected++;
    }),
    { numRuns: 1000 },
  );
  for (const count of Object.values(seen)) expect(count).toBeGreaterThan(20);
});
