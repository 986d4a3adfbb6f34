/** Keycloak's refusals of invalid proofs, word for word: Hardproof reads these words. */
import { DPoPProver, type ProofOptions } from "hardproof";
import { MemorySigner } from "hardproof/memory";
import type { Setting } from "../keycloak.js";
import { check } from "../scenario.js";
import { SECRET } from "./main-realm.js";

const WRONG_SIGNATURE =
  "DPoP verification failure: org.keycloak.exceptions.TokenSignatureInvalidException: Invalid token signature";

/** The description that the token endpoint must give. */
type Refusal = [title: string, words: string, proof: (options: ProofOptions) => Promise<string | undefined>];

/** Runs the scenarios. */
export async function refusalScenarios({ scenario, realm, signer, prover }: Setting): Promise<void> {
  const url = realm.endpoint("token_endpoint");
  const shifted = (clockOffset: number) => async (options: ProofOptions) =>
    (await DPoPProver.create(signer, { clockOffset })).makeProof(options);
  const refusals: Refusal[] = [
    ["no proof", "DPoP proof is missing", async () => undefined],
    ["a proof that isn't a JWT", "DPoP header verification failure", async () => "e30"],
    ["another method", "DPoP HTTP method mismatch", (options) => prover.makeProof({ ...options, htm: "GET" })],
    ["another URL", "DPoP HTTP URL mismatch", (options) => prover.makeProof({ ...options, htu: `${url}/` })],
    ["a proof of a minute ago", "DPoP proof is not active", shifted(-60)],
    ["a proof of the next minute", "DPoP proof is not active", shifted(60)],
    ["a changed signature", WRONG_SIGNATURE, async (options) => changed(await prover.makeProof(options))],
  ];
  for (const [title, words, proof] of refusals)
    await scenario("refusals", `the token endpoint refuses ${title}: ${words}`, async () => {
      const response = await tokenResponse(url, await proof({ htm: "POST", htu: url }));
      const { error, error_description: description } = (await response.json()) as Record<string, string>;
      check(description === words, `status ${response.status}, ${error}, ${description}`);
      return `status ${response.status}, ${error}`;
    });

  await scenario("nonces", "neither the token endpoint nor userinfo issues nonces", async () => {
    const { accessToken } = await realm.userToken();
    const userinfo = realm.endpoint("userinfo_endpoint");
    const proofs = { bad: "e30", good: await prover.makeProof({ htm: "GET", htu: userinfo, accessToken }) };
    const authorization = `DPoP ${accessToken}`;
    const responses = await Promise.all([
      tokenResponse(url, proofs.bad),
      tokenResponse(url, await prover.makeProof({ htm: "POST", htu: url })),
      fetch(userinfo, { headers: { authorization, dpop: proofs.bad } }),
      fetch(userinfo, { headers: { authorization, dpop: proofs.good } }),
    ]);
    const nonces = responses.filter(({ headers }) => headers.has("dpop-nonce"));
    check(nonces.length === 0, `${nonces.length} of ${responses.length} responses have one`);
    return `statuses ${responses.map(({ status }) => status).join(", ")}`;
  });

  for (const alg of ["Ed25519", "PS256", "ES512"] as const)
    await scenario("refusals", `the token endpoint accepts a proof with ${alg}`, async () => {
      const other = await DPoPProver.create(MemorySigner.generate({ algorithm: alg }));
      const response = await tokenResponse(
        url,
        await other.makeProof({
          htm: "POST",
          htu: url,
          supportedAlgorithms: realm.client.metadata?.dpop_signing_alg_values_supported,
        }),
      );
      check(response.ok, `status ${response.status}, ${await response.text()}`);
      return `status ${response.status}`;
    });
}

function tokenResponse(url: string, proof: string | undefined): Promise<Response> {
  const body = { grant_type: "client_credentials", client_id: "secret-agent", client_secret: SECRET };
  const headers: Record<string, string> = proof === undefined ? {} : { dpop: proof };
  return fetch(url, { method: "POST", headers, body: new URLSearchParams(body) });
}

/** Changes the first character of the signature. */
function changed(jwt: string): string {
  return jwt.replace(/\.([^.])([^.]*)$/, (_, first: string, rest: string) => `.${first === "A" ? "B" : "A"}${rest}`);
}
