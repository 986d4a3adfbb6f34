/** local-kms is killed and started again in the middle of 3,000 signatures. */
import { createPublicKey } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { CreateKeyCommand } from "@aws-sdk/client-kms";
import { SignerError } from "hardproof";
import { KmsSigner } from "hardproof/aws-kms";
import { isSignature } from "../../providers/verify-jws.js";
import { check, type Scenario } from "../scenario.js";
import type { LocalKms } from "./server.js";

const COUNT = 3_000;
/** Callers that sign one message after the other. */
const CALLERS = 50;
/** Milliseconds that the server is away. */
const OUTAGE = 1_000;
/** Milliseconds that a caller waits after an error, as an application does. Otherwise most calls would fall into the outage. */
const PAUSE = 500;

/** @throws Nothing: the scenario reports its own errors. */
export async function restartScenario(kms: LocalKms, scenario: Scenario): Promise<void> {
  const title =
    "killed in the middle of 3,000 signatures, each one is made or its call fails, none is wrong, and it recovers";
  await scenario("restart", title, async () => {
    const { KeyMetadata } = await kms.admin.send(
      new CreateKeyCommand({ KeySpec: "ECC_NIST_P256", KeyUsage: "SIGN_VERIFY" }),
    );
    await using signer = new KmsSigner(KeyMetadata?.Arn ?? "", { clientConfig: { endpoint: kms.endpoint } });
    const { alg, ...jwk } = await signer.publicJwk();
    const key = createPublicKey({ key: jwk, format: "jwk" });
    const results: (Uint8Array | SignerError)[] = [];
    const numbers = Array.from({ length: COUNT }, (_, n) => n).values();
    const caller = async () => {
      for (const n of numbers) {
        const outcome = await outcomeOf(signer, n);
        results[n] = outcome;
        if (outcome instanceof SignerError) await sleep(PAUSE);
        if (n === COUNT / 3) await restart(kms);
      }
    };
    await Promise.all(Array.from({ length: CALLERS }, caller));
    const errors = results.filter((each) => each instanceof SignerError);
    const wrong = results.filter(
      (each, n) => !(each instanceof SignerError) && !isSignature(alg, key, messageOf(n), each),
    );
    const final = errors.find(({ retryable }) => !retryable);
    check(results.length === COUNT && !results.includes(undefined as never), `${results.length} calls ended`);
    check(wrong.length === 0, `${wrong.length} signatures are wrong`);
    check(final === undefined, `an error isn't retryable: ${final?.message}`);
    check(errors.length < COUNT / 2, `${errors.length} calls failed, such as: ${errors[0]?.message}`);
    await signer.sign(messageOf(COUNT));
    return `${COUNT - errors.length} signatures, ${errors.length} errors (${errors[0]?.message ?? "none"}), then it signed`;
  });
}

async function outcomeOf(signer: KmsSigner, n: number): Promise<Uint8Array | SignerError> {
  try {
    return await signer.sign(messageOf(n));
  } catch (error) {
    if (error instanceof SignerError) return error;
    throw error;
  }
}

async function restart(kms: LocalKms): Promise<void> {
  await kms.kill();
  await sleep(OUTAGE);
  await kms.start();
}

function messageOf(n: number): Buffer {
  return Buffer.from(`message ${n}`);
}
