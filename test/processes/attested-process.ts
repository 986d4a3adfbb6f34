/**
 * One process of a fleet: a key in its memory, which a key in AWS KMS attests. Requests tokens, makes proofs, and prints
 * `proofs COUNT TOKENS BOUND`: how many of the tokens are bound to the process's key.
 */

import { KmsSigner } from "../../providers/aws-kms/index.js";
import { clientAttester, DPoPProver, OAuthClient } from "../../src/index.js";

const [issuer = "", method = "", arn = "", attesterIssuer = "", count = "0"] = process.argv.slice(2);
const TOKENS = 5;

await using kms = new KmsSigner(arn);
const attester = clientAttester(kms, { issuer: attesterIssuer, lifetime: 3600 });
const prover = await DPoPProver.generate();
const clientAuth =
  method === "attest_jwt_client_auth"
    ? ({ method, attester, signer: prover.signer } as const)
    : ({ method: "attest_jwt_client_auth_dpop", attester, prover } as const);
const client = await OAuthClient.discover(issuer, { clientAuth, requireBinding: true });
const request = { clientId: method, dpopProver: prover };
const tokens = await Promise.all(Array.from({ length: TOKENS }, () => client.clientCredentials(request)));
const accessToken = tokens[0]?.accessToken ?? "";
const proofs = new Set<string>();
for (let n = 0; n < Number(count); n++)
  proofs.add(await prover.makeProof({ htm: "GET", htu: `https://api.example.com/${n}`, accessToken }));
const bound = tokens.filter(({ cnfJkt }) => cnfJkt === prover.jkt).length;
console.log(`proofs ${proofs.size} ${TOKENS} ${bound}`);
