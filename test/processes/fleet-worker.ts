/**
 * One process of a fleet: requests a token of its source again and again, and sends what it got to its parent. Its argument
 * is a {@link WorkerOptions} as JSON.
 */
import { setTimeout as wait } from "node:timers/promises";
import { DPoPProver, OAuthClient, tokenSource } from "hardproof";
import { MemorySigner } from "hardproof/memory";
import { openStore, type StoreDescription } from "../token-stores/open-store.js";

/** What each process needs. */
export interface WorkerOptions {
  readonly issuer: string;
  readonly clientId: string;
  readonly clientSecret: string;
  /** The private key of the proofs, which all processes share. */
  readonly pem: string;
  readonly store: StoreDescription;
}

/** One call, in milliseconds since 1970. */
export interface WorkerCall {
  readonly started: number;
  readonly ended: number;
  /** The name and the code of the error, unless there was a token. */
  readonly error?: string;
  readonly accessToken?: string;
}

const { issuer, clientId, clientSecret, pem, store: description }: WorkerOptions = JSON.parse(process.argv[2] ?? "");
const { store } = await openStore(description);
const source = tokenSource({
  client: new OAuthClient({ baseUrl: issuer }),
  prover: await DPoPProver.create(MemorySigner.fromPem(pem)),
  grantType: "refresh_token",
  clientId,
  clientSecret,
  store,
  subject: "alice",
});
process.on("disconnect", () => process.exit());

for (;;) {
  const started = Date.now();
  const result = await source.token().then(
    ({ accessToken }) => ({ accessToken }),
    ({ name, code, error }) => ({ error: [name, code, error].join(" ").trim() }),
  );
  process.send?.({ started, ended: Date.now(), ...result });
  await wait(100 * Math.random());
}
