/** `fetch.ts NAME URL`: `dpopFetch`, or plain `fetch` with headers of the same length and one bare signature. */
import { DPoPProver, dpopFetch } from "hardproof";
import { type Call, compete } from "./answer.js";
import { bareSign, request } from "./request.js";

const [name, url = ""] = process.argv.slice(2);
await compete(name === "hardproof" ? await boundCall() : plainCall());

async function boundCall(): Promise<Call> {
  const boundFetch = dpopFetch({ prover: await DPoPProver.generate(), token: request.accessToken });
  return async () => (await boundFetch(url)).text();
}

function plainCall(): Call {
  const headers = { authorization: `DPoP ${request.accessToken}`, dpop: "a".repeat(520) };
  return async () => {
    bareSign();
    return (await fetch(url, { headers })).text();
  };
}
