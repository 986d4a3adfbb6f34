/** Calls to a resource server through nginx. */
import { dpopFetch, type Token } from "hardproof";
import { check } from "../scenario.js";
import { seenResponse } from "../seen.js";
import { htuOf, requestToken, type Setting } from "./setting.js";

/** Runs the scenarios. */
export async function callScenarios(setting: Setting): Promise<void> {
  const { scenario, front, resource, prover } = setting;
  const token: Token = await requestToken(setting);
  const url = `${front.origin}/api/resource`;
  const htu = htuOf("/api", resource.origin);

  for (const [protocol, fetch] of [
    ["HTTP/1.1", front.fetch],
    ["HTTP/2.0", front.fetchByHttp2],
  ] as const) {
    const call = dpopFetch({ prover, token, fetch, htu });
    for (const method of ["GET", "POST"])
      await scenario("protected resource", `${method} by ${protocol}`, async () => {
        const response = await call(url, { method, body: method === "POST" ? "hello" : null });
        const seen = `${seenResponse(response)} by ${response.headers.get("x-seen-protocol")}`;
        check(response.ok && seen.endsWith(protocol), seen);
        return seen;
      });
    await scenario("200 calls at once", `by ${protocol}`, async () => {
      resource.rotateNonce();
      const before = resource.requests.length;
      const responses = await Promise.all(Array.from({ length: 200 }, () => call(url)));
      const failed = responses.filter(({ ok }) => !ok).map(seenResponse);
      check(failed.length === 0, `${failed.length} failed: ${failed[0]}`);
      return `200 of 200 with status 200, by ${resource.requests.length - before} requests`;
    });
  }
  await scenario("behind a proxy", "a call without the option htu is refused", async () => {
    const response = await dpopFetch({ prover, token, fetch: front.fetch })(url);
    check(response.status === 401, seenResponse(response));
    return seenResponse(response);
  });
  await scenario("wrong clock", "the Date is nginx's own, and not that of the server behind it", async () => {
    const response = await dpopFetch({ prover, token: "opaque-token", fetch: front.fetch })(
      `${front.origin}/raw/accounts`,
    );
    const date = response.headers.get("date") ?? "";
    check(new Date(date).getUTCFullYear() > 1970, date);
    return date;
  });
}
