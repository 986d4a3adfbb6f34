/** examples/clients/azure-identity.ts with @azure/identity, at a stub of Entra that verifies the assertion with jose. */
import { createHash, X509Certificate } from "node:crypto";
import { text } from "node:stream/consumers";
import { ClientAssertionCredential } from "@azure/identity";
import type { Signer } from "hardproof";
import { MemorySigner } from "hardproof/memory";
import { Pkcs11Signer } from "hardproof/pkcs11";
import { type SoftHsm, softHsm } from "hardproof/softhsm";
import { selfSignedCertificate } from "hardproof/x509";
import { decodeJwt, type JWTPayload, jwtVerify } from "jose";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { entraAssertion } from "../../examples/clients/azure-identity.js";
import { type LoopbackServer, loopbackServer } from "../servers/loopback-server.js";
import { newCertificate } from "../servers/mutual-tls.js";

const tenantId = "11111111-2222-3333-4444-555555555555";
const clientId = "66666666-7777-8888-9999-000000000000";

let hsm: SoftHsm;
let signer: Signer;
let certificate: string;
let entra: Entra;
beforeAll(async () => {
  hsm = await softHsm({ label: "entra" });
  await hsm.addKey({ label: "entra", id: "02", algorithm: "RS256" });
  const key = { module: hsm.module, token: hsm.token, key: "entra", pin: hsm.pin };
  signer = new Pkcs11Signer({ ...key, algorithm: "PS256" });
  certificate = (await selfSignedCertificate(signer, { subject: "CN=agent-7" })).pem;
  entra = await stubOfEntra(certificate);
});
afterAll(async () => {
  await entra.server.close();
  await signer.close();
  await hsm.close();
});

interface Entra {
  readonly server: LoopbackServer;
  readonly ca: string;
  /** The claims of the assertions that were accepted. */
  readonly accepted: JWTPayload[];
}

/** Finds the registered certificate by `x5t#S256`, as Entra does. MSAL accepts only https. */
async function stubOfEntra(registered: string): Promise<Entra> {
  const own = newCertificate("entra");
  const server = await loopbackServer(own);
  const accepted: JWTPayload[] = [];
  const { raw, publicKey } = new X509Certificate(registered);
  const x5t = createHash("sha256").update(raw).digest("base64url");
  const token = `/${tenantId}/oauth2/v2.0/token`;
  server.http.on("request", async (request, response) => {
    const json = (status: number, body: object) =>
      response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
    if (request.url?.includes("/.well-known/openid-configuration"))
      return json(200, {
        issuer: `${server.origin}/${tenantId}/v2.0`,
        authorization_endpoint: `${server.origin}/${tenantId}/oauth2/v2.0/authorize`,
        token_endpoint: server.origin + token,
        jwks_uri: `${server.origin}/${tenantId}/discovery/v2.0/keys`,
      });
    const form = new URLSearchParams(await text(request));
    try {
      const { payload } = await jwtVerify(
        form.get("client_assertion") ?? "",
        ({ ...header }) => {
          if (header["x5t#S256"] !== x5t) throw new Error("AADSTS700027");
          return publicKey;
        },
        { algorithms: ["PS256"], audience: server.origin + token, issuer: clientId, subject: clientId, typ: "JWT" },
      );
      accepted.push(payload);
      return json(200, { token_type: "Bearer", expires_in: 3599, access_token: `token-${accepted.length}` });
    } catch (error) {
      return json(401, { error: "invalid_client", error_description: String(error) });
    }
  });
  return { server, ca: own.cert, accepted };
}

function credential(assertion: () => Promise<string>): ClientAssertionCredential {
  const { server, ca } = entra;
  // The types of this class don't declare `tlsOptions`, which its HTTP client has.
  const options = { authorityHost: server.origin, disableInstanceDiscovery: true, tlsOptions: { ca } };
  return new ClientAssertionCredential(tenantId, clientId, assertion, options);
}

const application = () => ({ tenantId, clientId, certificate, authorityHost: entra.server.origin });
const scope = "https://vault.azure.net/.default";

describe("a key in SoftHSM", () => {
  it("gets a token from Entra by its certificate", async () => {
    const { token } = await credential(entraAssertion(signer, application())).getToken(scope);
    expect(token).toBe(`token-${entra.accepted.length}`);
    const { exp = 0, nbf = 0, jti } = entra.accepted.at(-1) ?? expect.unreachable();
    expect(exp - nbf).toBe(300);
    expect(jti).toMatch(/^[0-9a-f-]{36}$/);
  });

  it("signs a new assertion at each call", async () => {
    const assertion = entraAssertion(signer, application());
    const [one, two] = [decodeJwt(await assertion()), decodeJwt(await assertion())];
    expect(one.jti).not.toBe(two.jti);
    expect(one.aud).toBe(`${entra.server.origin}/${tenantId}/oauth2/v2.0/token`);
  });

  it("is rejected with another certificate of the same key", async () => {
    const other = await selfSignedCertificate(signer, { subject: "CN=other" });
    const assertion = entraAssertion(signer, { ...application(), certificate: other.pem });
    await expect(credential(assertion).getToken(scope)).rejects.toThrow("AADSTS700027");
  });
});

it("the audience is that of the public cloud by default, and the certificate may be DER", async () => {
  const memory = MemorySigner.generate({ algorithm: "PS256" });
  const { der } = await selfSignedCertificate(memory, { subject: "CN=a" });
  const assertion = await entraAssertion(memory, { tenantId, clientId, certificate: der })();
  expect(decodeJwt(assertion).aud).toBe(`https://login.microsoftonline.com/${tenantId}/oauth2/v2.0/token`);
});

it("no assertion is signed with the certificate of another key", async () => {
  const assertion = entraAssertion(MemorySigner.generate({ algorithm: "PS256" }), application());
  await expect(assertion()).rejects.toThrow("The certificate isn't that of the signer's key.");
});
