/** Keys of local-kms by the command and by the API: creating, aliases, states, and keys that can't sign. */
import {
  CancelKeyDeletionCommand,
  CreateKeyCommand,
  DisableKeyCommand,
  EnableKeyCommand,
  type KeySpec,
  type KeyUsageType,
  ScheduleKeyDeletionCommand,
  UpdateAliasCommand,
} from "@aws-sdk/client-kms";
import { DPoPProver, listKeys, SignerError } from "hardproof";
import { KmsSigner } from "hardproof/aws-kms";
import { run } from "../../src/cli/run.js";
import { check, type Scenario } from "../scenario.js";
import type { LocalKms } from "./server.js";

const ALIAS = "alias/Agents/DPoP";

/** @throws Nothing: each scenario reports its own errors. */
export async function keyScenarios(kms: LocalKms, scenario: Scenario): Promise<void> {
  const query = `?region=${kms.region}&endpoint=${kms.endpoint}`;
  const uri = `awskms:///${ALIAS}${query}`;
  const open = (keyId = ALIAS) =>
    new KmsSigner(keyId, { region: kms.region, clientConfig: { endpoint: kms.endpoint, maxAttempts: 2 } });
  const arnOf = async (spec: KeySpec, usage: KeyUsageType) => {
    const { KeyMetadata } = await kms.admin.send(new CreateKeyCommand({ KeySpec: spec, KeyUsage: usage }));
    return KeyMetadata?.Arn ?? "";
  };

  await scenario("keygen", "`hardproof keygen` creates a key and its alias, once", async () => {
    const made = await run(["keygen", uri]);
    check(made.code === 0, made.err);
    const again = await run(["keygen", uri]);
    check(again.code !== 0 && again.err.includes("already names a key"), again.err);
    const listed = await listKeys(`awskms:///${query}`);
    check(listed.length === 1, `keys: ${listed.join(" ")}`);
    return `created; ${listed[0]} is listed`;
  });

  await scenario("keygen", "`hardproof doctor` passes every check", async () => {
    const { code, out } = await run(["doctor", "--json", uri]);
    const findings: { check: string; ok: boolean | null; found: string }[] = JSON.parse(out).findings;
    check(code === 0, out);
    return findings.map((each) => `${each.check}: ${each.found}`).join("; ");
  });

  await scenario("moved alias", "an open signer stays with its key, and a new one follows the alias", async () => {
    await using signer = open();
    const prover = await DPoPProver.create(signer);
    const TargetKeyId = await arnOf("ECC_NIST_P256", "SIGN_VERIFY");
    await kms.admin.send(new UpdateAliasCommand({ AliasName: ALIAS, TargetKeyId }));
    await prover.makeProof({ htm: "GET", htu: "https://api.example.com/" });
    await using next = open();
    const { jkt } = await DPoPProver.create(next);
    check(jkt !== prover.jkt, "the new signer has the old key");
    return "both keys signed";
  });

  const states = [
    ["disabled", DisableKeyCommand, EnableKeyCommand],
    ["pending deletion", ScheduleKeyDeletionCommand, CancelKeyDeletionCommand],
  ] as const;
  for (const [state, Enter, Leave] of states)
    await scenario("key states", `a key that is ${state} is rejected, open or not, until that ends`, async () => {
      const KeyId = await arnOf("ECC_NIST_P256", "SIGN_VERIFY");
      await using signer = open(KeyId);
      await signer.sign(Buffer.from("before"));
      await kms.admin.send(new Enter({ KeyId }));
      const errors = [await errorOf(signer), await errorOf(open(KeyId))];
      for (const { code, message } of errors) check(code === "access-denied", message);
      await kms.admin.send(new Leave({ KeyId }));
      // A key whose deletion was cancelled is disabled.
      await kms.admin.send(new EnableKeyCommand({ KeyId }));
      await signer.sign(Buffer.from("after"));
      return errors[0]?.message ?? "";
    });

  const wrong: [KeySpec, KeyUsageType, SignerError["code"]][] = [
    ["SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT", "wrong-key"],
    ["HMAC_256", "GENERATE_VERIFY_MAC", "wrong-key"],
    ["RSA_2048", "ENCRYPT_DECRYPT", "wrong-key"],
    ["ECC_SECG_P256K1", "SIGN_VERIFY", "wrong-key"],
    ["RSA_2048", "SIGN_VERIFY", "misconfigured"],
  ];
  for (const [spec, usage, expected] of wrong)
    await scenario("wrong keys", `${spec} for ${usage} is rejected when it is opened`, async () => {
      const { code, message } = await errorOf(open(await arnOf(spec, usage)));
      check(code === expected, `${code}: ${message}`);
      return message;
    });

  await scenario("wrong keys", "a key that doesn't exist is named, with the region and the account", async () => {
    const { code, message } = await errorOf(open("1234abcd-12ab-34cd-56ef-1234567890ab"));
    check(code === "key-not-found", `${code}: ${message}`);
    return message;
  });
}

async function errorOf(signer: KmsSigner): Promise<SignerError> {
  const error: unknown = await signer.sign(Buffer.from("data")).then(
    () => undefined,
    (thrown) => thrown,
  );
  if (error instanceof SignerError) return error;
  throw error ?? new Error("it signed");
}
