/** End to end with each kind of key: what oidc-provider and two independent verifiers accept and reject. */
import { DPoPProver, OAuthClient, type Signer } from "hardproof";
import { KmsSigner } from "hardproof/aws-kms";
import { GcpKmsSigner } from "hardproof/gcp-kms";
import { MemorySigner } from "hardproof/memory";
import { Pkcs11Signer } from "hardproof/pkcs11";
import { type SoftHsm, softHsm } from "hardproof/softhsm";
import { TpmSigner } from "hardproof/tpm";
import { afterAll, beforeAll, describe, expect, inject, it } from "vitest";
import { type AwsKmsEmulator, awsKmsEmulator } from "../../testing/emulators/aws-kms.js";
import { type GcpKmsEmulator, gcpKmsEmulator } from "../../testing/emulators/gcp-kms.js";
import { type AuthorizationServer, authorizationServer } from "../servers/authorization-server.js";
import { changedByte } from "../servers/jose-agent.js";
import { type ResourceServer, resourceServer } from "../servers/resource-server.js";
import { type SoftTpm, softTpm } from "../tokens/index.js";

const missing = inject("unavailable").TPM;
const noTpm = missing && `skipped. ${missing}`;

let hsm: SoftHsm;
let tpm: SoftTpm | undefined;
let aws: AwsKmsEmulator;
let gcp: GcpKmsEmulator;
let as: AuthorizationServer;
let rs: ResourceServer;
beforeAll(async () => {
  [hsm, tpm, aws, gcp, as] = await Promise.all([
    softHsm({ label: "end to end" }),
    noTpm ? undefined : softTpm({ label: "end to end" }),
    awsKmsEmulator(),
    gcpKmsEmulator(),
    authorizationServer(),
  ]);
  rs = await resourceServer({ issuer: as.issuer, audience: as.audience });
});
afterAll(() => Promise.all([rs, as, hsm, tpm, aws, gcp].map((resource) => resource?.close())));

const signers: Record<string, () => Signer> = {
  memory: () => MemorySigner.generate(),
  "AWS KMS": () => {
    const { endpoint, credentials } = aws;
    return new KmsSigner(aws.keys.add().arn, { clientConfig: { endpoint, credentials } });
  },
  SoftHSM: () => new Pkcs11Signer({ module: hsm.module, token: hsm.token, key: hsm.key.label, pin: hsm.pin }),
  "Cloud KMS": () => new GcpKmsSigner(gcp.store.addKey().fields.name, { endpoint: gcp.endpoint }),
  TPM: () =>
    tpm
      ? new TpmSigner({ token: tpm.token, key: tpm.key.label, pin: tpm.pin })
      : expect.unreachable("There is no TPM."),
};

for (const kind of Object.keys(signers)) {
  const skipped = kind === "TPM" && noTpm;
  describe.skipIf(skipped)(`a ${kind} key${skipped ? ` (${skipped})` : ""}`, () => endToEnd(kind));
}

function endToEnd(kind: string): void {
  let signer: Signer;
  let prover: DPoPProver;
  let accessToken: string;
  let nonce: string;
  beforeAll(async () => {
    signer = signers[kind]?.() ?? expect.unreachable();
    prover = await DPoPProver.create(signer);
    const request = { grantType: "client_credentials", dpopProver: prover, scope: "read", ...as.client };
    const token = await new OAuthClient({ baseUrl: as.issuer }).getTokenWithDPoP({ ...request, requireBinding: true });
    expect(token.cnfJkt).toBe(prover.jkt);
    accessToken = token.accessToken;
    nonce = (await call(rs.url, await prover.makeProof({ htm: "GET", htu: rs.url, accessToken }))).nonce;
  });
  afterAll(() => signer.close());

  const call = async (url: string, proof: string, token = accessToken) => {
    const response = await fetch(url, { headers: { authorization: `DPoP ${token}`, dpop: proof } });
    return { status: response.status, nonce: response.headers.get("dpop-nonce") ?? "", body: await response.json() };
  };

  describe.each(["url", "expressUrl"] as const)("at the resource server's %s", (route) => {
    const proof = (more = {}) => prover.makeProof({ htm: "GET", htu: rs[route], accessToken, nonce, ...more });

    it("a proof is accepted", async () => {
      const { status, body } = await call(rs[route], await proof());
      expect({ status, body }).toMatchObject({ status: 200, body: { hello: as.client.clientId, jkt: prover.jkt } });
    });

    it("a proof is accepted with any query, which isn't part of htu", async () => {
      const { status } = await call(`${rs[route]}?a=1`, await proof({ htu: `${rs[route]}?a=1#b` }));
      expect(status).toBe(200);
    });

    it("a proof with a wrong method, URL, ath or a stale nonce is rejected", async () => {
      const wrong = [{ htm: "POST" }, { htu: `${rs[route]}/other` }, { accessToken: "another" }, { nonce: "stale" }];
      for (const more of wrong) expect((await call(rs[route], await proof(more))).status).toBe(401);
    });

    it("a proof with a changed byte in any part is rejected", async () => {
      for (const part of [0, 1, 2]) expect((await call(rs[route], changedByte(await proof(), part))).status).toBe(401);
    });

    it("a replayed proof is rejected", async () => {
      const once = await proof();
      expect([(await call(rs[route], once)).status, (await call(rs[route], once)).status]).toEqual([200, 401]);
    });

    it("a stolen token is rejected with another key", async () => {
      const attacker = await DPoPProver.generate();
      const stolen = await attacker.makeProof({ htm: "GET", htu: rs[route], accessToken, nonce });
      expect((await call(rs[route], stolen)).status).toBe(401);
    });
  });

  describe("at the authorization server", () => {
    const requestToken = async (
      claims: { htm?: string; htu?: string; nonce?: string },
      change = (proof: string) => proof,
    ) => {
      const dpop = change(await prover.makeProof({ htm: "POST", htu: as.tokenEndpoint, ...claims }));
      const { clientId: client_id, clientSecret: client_secret } = as.client;
      const body = new URLSearchParams({ grant_type: "client_credentials", client_id, client_secret });
      const response = await fetch(as.tokenEndpoint, { method: "POST", body, headers: { dpop } });
      return { status: response.status, nonce: response.headers.get("dpop-nonce") ?? "" };
    };

    it("a proof is accepted with the nonce, and rejected with a wrong method, URL, nonce or a changed byte", async () => {
      const { nonce } = await requestToken({});
      expect(await requestToken({ nonce })).toMatchObject({ status: 200 });
      const wrong = [{ htm: "GET", nonce }, { htu: `${as.tokenEndpoint}/x`, nonce }, { nonce: "stale" }];
      for (const claims of wrong) expect((await requestToken(claims)).status).toBe(400);
      for (const part of [0, 1, 2])
        expect((await requestToken({ nonce }, (proof) => changedByte(proof, part))).status).toBe(400);
    });
  });
}
