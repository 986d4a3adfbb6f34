/** The order in which the test files start: a long file that starts last would run alone at the end. */
import { BaseSequencer, type TestSpecification } from "vitest/node";

/** The files that take 20 s or more on two cores, the longest first. Vitest knows the durations only after a first run. */
const LONG_FILES = [
  "providers/openssl/conformance",
  "providers/pkcs11/conformance",
  "providers/pkcs11/softhsm2",
  "src/redis/redis-token-store",
  "providers/pkcs11/tpm",
  "src/postgres/postgres-token-store",
  "providers/pkcs11/application-threads",
  "providers/aws-kms/algorithms",
  "providers/proof-burst",
  "providers/vault/faults",
  "providers/tpm/conformance",
  "providers/azure-kv/faults",
  "providers/pkcs11/event-loop",
  "providers/gcp-kms/faults",
  "conformance/mutants",
  "providers/openssl/pkcs11-provider",
  "providers/pkcs11/nss",
  "providers/pkcs11/sessions",
  "providers/aws-kms/faults",
  "providers/vault/logins",
  "providers/pkcs11/modules",
  "providers/pkcs11/faults",
  "providers/gcp-kms/conformance",
  "providers/ssh-agent/conformance",
  "providers/pkcs11/threads",
  "soak/fleet",
  "providers/pkcs11/isolate",
  "softhsm/lifecycle",
  "providers/azure-kv/conformance",
  "providers/pkcs11/processes",
  "providers/aws-kms/conformance",
];

/** Starts the long files first, and the others as Vitest does. */
export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files);
    const long = LONG_FILES.flatMap((name) =>
      sorted.filter(({ moduleId }) => moduleId.endsWith(`/test/${name}.test.ts`)),
    );
    return [...new Set([...long, ...sorted])];
  }
}
