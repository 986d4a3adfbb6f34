/** URLs in options and arguments are read once: what was checked is what is used. */
import { DPoPProver, dpopFetch, OAuthClient, proofFetch, proofSession } from "hardproof";
import { MemorySigner } from "hardproof/memory";
import { decodeJwt } from "jose";
import { describe, expect, it } from "vitest";

const HONEST = "https://auth.example.com";
const EVIL = "https://evil.example";

/** Returns a URL that is another one each time it is read after the first. */
function changingUrl(first: string, later: string): URL {
  let reads = 0;
  const read = () => (reads++ === 0 ? first : later);
  return Object.defineProperties(new URL(first), {
    toString: { value: read },
    href: { get: read },
    origin: { get: () => new URL(read()).origin },
  });
}

/** Returns an object that isn't a URL, and changes in the same way. */
function changingObject(first: string, later: string): URL {
  let reads = 0;
  return { toString: () => (reads++ === 0 ? first : later) } as unknown as URL;
}

/** Returns an array whose methods and elements change when they are read again. */
function changingArray(first: string, later: string): string[] {
  class ChangingArray extends Array<string> {
    reads = 0;
    // biome-ignore lint/suspicious/noExplicitAny: an override that lies about its result
    override map(): any {
      return [later];
    }
  }
  const array = new ChangingArray();
  Object.defineProperty(array, 0, {
    get: () => (array.reads++ === 0 ? first : later),
    enumerable: true,
    configurable: true,
  });
  return array;
}

/** Records the URLs that are requested. */
function recordingFetch(requested: string[]): typeof fetch {
  return async (input) => {
    requested.push(String(input));
    return Response.json({ access_token: "opaque", token_type: "DPoP" });
  };
}

describe.each([changingUrl, changingObject])("a URL that changes, made by %o", (changing) => {
  it("is read once as baseUrl", async () => {
    const requested: string[] = [];
    const client = new OAuthClient({ baseUrl: changing(HONEST, EVIL), fetch: recordingFetch(requested) });
    await client.clientCredentials({ clientId: "agent", dpopProver: await DPoPProver.generate() });
    expect(requested).toEqual([`${HONEST}/oauth/token`]);
  });

  it("is read once as an endpoint, however many requests there are", async () => {
    const requested: string[] = [];
    const endpoints = { token: changing(`${HONEST}/token`, `${EVIL}/token`) };
    const client = new OAuthClient({ baseUrl: HONEST, endpoints, fetch: recordingFetch(requested) });
    const request = { clientId: "agent", dpopProver: await DPoPProver.generate() };
    await client.clientCredentials(request);
    await client.clientCredentials(request);
    expect(requested).toEqual([`${HONEST}/token`, `${HONEST}/token`]);
  });

  it("is read once as the URL of a call", async () => {
    const requested: string[] = [];
    const prover = await DPoPProver.generate();
    const fetch = recordingFetch(requested);
    const call = dpopFetch({ prover, token: "secret", allowedOrigins: [HONEST], fetch });
    await call(changing(`${HONEST}/x`, `${EVIL}/x`));
    expect(requested).toEqual([`${HONEST}/x`]);
    await expect(call(changing(`${EVIL}/x`, `${HONEST}/x`))).rejects.toMatchObject({ code: "forbidden-origin" });
    expect(requested).toHaveLength(1);
  });

  it("is read once as the URL of a request that another library makes", async () => {
    const requested: string[] = [];
    const call = proofFetch({
      prover: await DPoPProver.generate(),
      allowedOrigins: [HONEST],
      fetch: recordingFetch(requested),
    });
    const headers = { authorization: "Bearer secret" };
    await call(changing(`${HONEST}/x`, `${EVIL}/x`), { headers });
    expect(requested).toEqual([`${HONEST}/x`]);
    await expect(call(changing(`${EVIL}/x`, `${HONEST}/x`), { headers })).rejects.toMatchObject({
      code: "forbidden-origin",
    });
    expect(requested).toHaveLength(1);
  });

  it("is read once as the URL of a request of a session", async () => {
    const session = proofSession({ prover: await DPoPProver.generate(), allowedOrigins: [HONEST] });
    const { dpop } = await session.request({ method: "GET", url: changing(`${HONEST}/x`, `${EVIL}/x`) }).headers();
    expect(decodeJwt(dpop).htu).toBe(`${HONEST}/x`);
    expect(() => session.request({ method: "GET", url: changing(`${EVIL}/x`, `${HONEST}/x`) })).toThrow(
      expect.objectContaining({ code: "forbidden-origin" }),
    );
  });

  it("is read once as an endpoint that gets client assertions", async () => {
    const requested: string[] = [];
    const signer = MemorySigner.generate();
    const endpoints = [changing(`${HONEST}/token`, `${EVIL}/token`)];
    const clientAssertion = { signer, clientId: "agent", audience: HONEST, endpoints };
    const forms: string[] = [];
    const fetch: typeof globalThis.fetch = async (input, init) => {
      forms.push(String(init?.body));
      return recordingFetch(requested)(input, init);
    };
    const call = proofFetch({ prover: await DPoPProver.generate(), clientAssertion, fetch });
    for (const url of [`${HONEST}/token`, `${EVIL}/token`])
      await call(url, { method: "POST", body: new URLSearchParams() });
    expect(forms.map((form) => form.includes("client_assertion="))).toEqual([true, false]);
  });
});

it("the URL of a callback is read once", async () => {
  const fetch = recordingFetch([]);
  const client = new OAuthClient({ baseUrl: HONEST, fetch });
  const request = { clientId: "agent", dpopProver: await DPoPProver.generate(), redirectUri: HONEST, state: "s" };
  const url = changingUrl(`${HONEST}/?code=x&state=s`, `${HONEST}/?code=y&state=t`);
  const token = await client.authorizationCode(url, { ...request, codeVerifier: "v".repeat(43) });
  expect(token.accessToken).toBe("opaque");
});

it("an endpoint isn't changed by the requests that are made with it", async () => {
  const client = new OAuthClient({ baseUrl: HONEST });
  const request = { clientId: "agent", dpopProver: await DPoPProver.generate(), redirectUri: `${HONEST}/callback` };
  await client.authorizationUrl(request);
  const { url } = await client.authorizationUrl(request);
  expect(new URL(url).searchParams.getAll("state")).toHaveLength(1);
});

describe("allowedOrigins", () => {
  it.each([
    ["a URL that changes", [changingUrl(HONEST, EVIL)]],
    ["an array that changes", changingArray(HONEST, EVIL)],
  ])("is read once: %s", async (_, allowedOrigins) => {
    const requested: string[] = [];
    const prover = await DPoPProver.generate();
    const call = dpopFetch({ prover, token: "secret", allowedOrigins, fetch: recordingFetch(requested) });
    await call(`${HONEST}/x`);
    await expect(call(`${EVIL}/x`)).rejects.toMatchObject({ code: "forbidden-origin" });
    expect(requested).toEqual([`${HONEST}/x`]);
  });

  it.each([changingObject(HONEST, EVIL), 7, null, {}])("rejects an element that isn't a string or URL: %o", (value) => {
    const options = { prover: { makeProof: () => "" }, token: "secret", allowedOrigins: [value] };
    expect(() => dpopFetch(options as never)).toThrow(expect.objectContaining({ code: "misconfigured" }));
  });

  it.each([HONEST, null, {}, new Set([HONEST])])("rejects a value that isn't an array: %o", (allowedOrigins) => {
    const options = { prover: { makeProof: () => "" }, token: "secret", allowedOrigins };
    expect(() => dpopFetch(options as never)).toThrow(expect.objectContaining({ code: "misconfigured" }));
  });
});
