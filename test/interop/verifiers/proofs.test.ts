/** The proofs that other people's verifiers are fed with are right, or wrong, for Hardproof's own verifier too. */
import { DPoPProver, verifyProof } from "hardproof";
import { expect, it } from "vitest";
import { oddRequests } from "./odd-requests.js";
import { proofFor, type Question } from "./verdicts.js";
import { REQUEST, WRONG_PROOFS, type Wrong } from "./wrong-proofs.js";

/** What is wrong with a proof → the checks that fail. */
const FAILURES: Readonly<Record<Wrong, readonly string[]>> = {
  "the signature of another key": ["signature"],
  "another htm": ["htm"],
  "another htu": ["htu"],
  "an old iat": ["iat"],
  "an iat in the future": ["iat"],
  "no jti": ["jti"],
  "another typ": ["typ"],
  "alg none": ["alg", "signature"],
  "alg none beside a signature": ["alg", "signature"],
  "alg HS256": ["alg", "signature"],
  "a private key in jwk": ["jwk"],
  "the ath of another token": ["ath"],
  "another nonce": ["nonce"],
};

const prover = await DPoPProver.generate();
const stranger = await DPoPProver.generate();

/** Returns the names of the checks that fail. */
async function failures({ proof, ...expected }: Question): Promise<string[]> {
  const { findings } = await verifyProof(proof, { ...expected, maxAge: 300, now: Date.now() / 1000 });
  return findings.filter(({ ok }) => ok === false).map(({ check }) => check);
}

it("makes the same 200 requests in each run, all with a right proof", async () => {
  const requests = oddRequests(200);
  expect(oddRequests(200)).toEqual(requests);
  for (const request of requests) expect(await failures(await proofFor(request, prover)), request.url).toEqual([]);
});

it.each(Object.keys(FAILURES) as Wrong[])("makes a proof with nothing else wrong: %s", async (wrong) => {
  const { htm: method, htu: url, ...expected } = REQUEST;
  const proof = await WRONG_PROOFS[wrong]({ prover, stranger });
  expect(await failures({ proof, method, url, ...expected })).toEqual(FAILURES[wrong]);
});
