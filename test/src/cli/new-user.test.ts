/**
 * A new user's first steps: install the tarball in an empty directory, create a key in SoftHSM, get a token, call an
 * API.
 */
import { join } from "node:path";
import { type SoftHsm, softHsm } from "hardproof/softhsm";
import { decodeJwt } from "jose";
import { afterAll, beforeAll, expect, inject, it } from "vitest";
import { type AuthorizationServer, authorizationServer } from "../../servers/authorization-server.js";
import { type ResourceServer, resourceServer } from "../../servers/resource-server.js";
import { installTarball } from "../../tarball.js";
import { start } from "./process.js";

const installed = installTarball(inject("tarball"), ["graphene-pk11"]);
const command = join(installed.directory, "node_modules/.bin/hardproof");
let hsm: SoftHsm;
let as: AuthorizationServer;
let rs: ResourceServer;
let env: Record<string, string>;
beforeAll(async () => {
  [hsm, as] = await Promise.all([softHsm({ label: "agents" }), authorizationServer()]);
  rs = await resourceServer({ issuer: as.issuer, audience: as.audience });
  env = {
    ...hsm.env,
    XDG_STATE_HOME: installed.directory, // not the home directory of the user who runs the tests
    HSM_PIN: hsm.pin,
    HARDPROOF_KEY: `pkcs11:token=agents;object=mine?module-path=${hsm.module}&pin-source=env:HSM_PIN`,
    HARDPROOF_CLIENT_SECRET: as.client.clientSecret,
  };
});
afterAll(async () => {
  await Promise.all([rs.close(), as.close(), hsm.close()]);
  installed.remove();
});

async function hardproof(...args: string[]): Promise<string> {
  const { code, out, err } = await start(command, args, env).ended;
  expect({ code, err: code === 0 ? "" : err }).toEqual({ code: 0, err: "" });
  for (const secret of [hsm.pin, as.client.clientSecret]) expect(out + err).not.toContain(secret);
  return out;
}

it("creates a key, shows it, gets a token and calls an API without editing a file", async () => {
  expect(await hardproof("keygen")).toMatch(/^pkcs11:token=agents;object=mine;id=/);
  expect(await hardproof("doctor", "--server", as.issuer)).toMatch(/^✓ signature/m);
  const jkt = (await hardproof("show", "--only", "jkt")).trim();
  expect(await hardproof("show")).toMatch(/^exportable +no/m);

  const client = ["--issuer", as.issuer, "--client-id", as.client.clientId];
  const accessToken = (await hardproof("token", ...client)).trim();
  expect(decodeJwt(accessToken).cnf).toEqual({ jkt });

  env.TOKEN = accessToken;
  expect(JSON.parse(await hardproof("fetch", rs.url, "--token-env", "TOKEN"))).toMatchObject({ jkt });
  expect(JSON.parse(await hardproof("fetch", rs.expressUrl, ...client))).toMatchObject({ jkt });
  expect(await hardproof("demo")).toMatch(/^call by thief +401/m);
});
